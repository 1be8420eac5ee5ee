"""Multipliers are adjoints: three ways agree, torch is a fourth; cycles against unrolling and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff.cycles import NoConvergence, components
from helpers.diff.lagrange import WAYS, Program, solve_upper
from helpers.diff.rules import exp, sin, tanh


def document_program():
    program = Program(inputs=["x"])
    program.let("f", lambda d, e: d + e, "d", "e").let("e", sin, "c").let("d", exp, "c")  # in any order
    return program.let("c", lambda a, b: a + b, "a", "b").let("b", lambda a: a**2, "a").let("a", exp, "x")


def test_the_function_of_the_document():
    program = document_program()
    values = program.solve({"x": -1.0})
    a = math.exp(-1)
    c = a + a * a
    assert values["f"] == pytest.approx(math.exp(c) + math.sin(c), rel=1e-15)
    for way in WAYS:
        found = program.multipliers("f", way=way)
        assert found["x"] == pytest.approx(1.6155741697332788, rel=1e-14)
        assert found["c"] == pytest.approx(math.exp(c) + math.cos(c), rel=1e-14)
        assert found["a"] == pytest.approx(found["c"] * (1 + 2 * a), rel=1e-14)
        assert found["f"] == 1


def test_the_lagrangian_is_stationary_where_it_should_be_and_only_there():
    program = document_program()
    values = program.solve({"x": -1.0})
    found = program.multipliers("f")
    lagrangian = program.lagrangian(values, found)
    assert lagrangian.value == values["f"]  # all constraints hold
    assert set(lagrangian.multipliers.values()) == {0.0}
    assert max(map(abs, lagrangian.intermediates.values())) < 1e-15
    assert lagrangian.inputs == {"x": found["x"]}
    off = program.lagrangian(values | {"c": values["c"] + 0.1}, found, "f")
    assert off.multipliers["c"] == pytest.approx(-0.1)
    assert off.multipliers["d"] == pytest.approx(math.exp(values["c"] + 0.1) - values["d"])
    off = program.lagrangian(values, found | {"d": 3.0}, "f")
    assert off.intermediates["d"] == pytest.approx(1 - 3)
    assert off.intermediates["c"] == pytest.approx(2 * math.exp(values["c"]))


def test_the_program_writes_its_lagrangian():
    latex = document_program().latex("f")
    assert r"\mathcal{L} = f" in latex
    assert r"\lambda_{b} \left( a^{2} - b \right)" in latex
    assert r"\lambda_{e} \left( \sin\left(c\right) - e \right)" in latex
    assert latex.index(r"\lambda_{a}") < latex.index(r"\lambda_{c}") < latex.index(r"\lambda_{f}")
    assert latex.count(r"\\") == 5
    program, *_ = cyclic()
    assert r"f_{z}\left(z, x\right) - z" in program.latex("loss")
    with pytest.raises(ValueError, match="output must be one of x, loss, z, got 'y'"):
        program.latex("y")


OPERATIONS = [
    ("tanh", lambda a, b: tanh(a * b), lambda a, b: torch.tanh(a * b)),
    ("sum", lambda a, b: a + 0.5 * b, lambda a, b: a + 0.5 * b),
    ("sine", lambda a, b: sin(a) - b, lambda a, b: torch.sin(a) - b),
    ("bounded exp", lambda a, b: exp(-a * a) * b, lambda a, b: torch.exp(-a * a) * b),
]


@st.composite
def random_programs(draw):
    """A program over two inputs, in shuffled order, as (operation, parent, parent) for each variable."""
    steps = []
    for i in range(draw(st.integers(1, 12))):
        pick = st.integers(-2, i - 1)
        steps.append((draw(st.integers(0, len(OPERATIONS) - 1)), draw(pick), draw(pick)))
    shape = draw(st.sampled_from([(), (3,), (2, 2)]))
    inputs = [np.array(draw(st.lists(st.floats(-2, 2), min_size=k, max_size=k))).reshape(shape)
              for k in [int(np.prod(shape))] * 2]  # fmt: skip
    return steps, inputs, draw(st.permutations(range(len(steps))))


@settings(max_examples=40, deadline=None)
@given(random_programs())
def test_three_ways_and_torch_agree_on_random_programs(made):
    steps, inputs, order = made
    name = {-2: "x", -1: "y"} | {i: f"v{i}" for i in range(len(steps))}
    program = Program(inputs=["x", "y"])
    for i in order:
        operation, a, b = steps[i]
        program.let(name[i], OPERATIONS[operation][1], name[a], name[b])
    program.let("unused", lambda x, y: x * y, "x", "y")
    program.solve(dict(zip("xy", inputs)))
    seed = np.ones(np.shape(inputs[0]))
    found = [program.multipliers(name[len(steps) - 1], way=way, seed=seed) for way in WAYS]
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    nodes = {-2: leaves[0], -1: leaves[1]}
    for i, (operation, a, b) in enumerate(steps):
        nodes[i] = OPERATIONS[operation][2](nodes[a], nodes[b])
    wanted = torch.autograd.grad(nodes[len(steps) - 1].sum(), list(nodes.values()), allow_unused=True)
    for key, gradient in zip(nodes, wanted):
        expected = np.zeros_like(inputs[0]) if gradient is None else gradient.numpy()
        for one in found:
            np.testing.assert_allclose(one[name[key]], expected, rtol=1e-12, atol=1e-12)
    assert np.all(np.triu(program.blocks().J) == 0)  # without cycles strictly lower triangular


def cyclic(radius=0.5, n=20, seed=0):
    rng = np.random.default_rng(seed)
    W, U, x, c = rng.normal(size=(n, n)), rng.normal(size=(n, 3)), rng.normal(size=3), rng.normal(size=n)
    W *= radius / np.abs(np.linalg.eigvals(W)).max()
    program = Program(inputs=["x"])
    program.let("loss", lambda z: (c * z).sum(), "z").let("z", lambda z, x: tanh(W @ z + U @ x), "z", "x")
    return program, W, U, x, c


def test_a_cycle_is_named_solved_and_differentiated():
    program, W, U, x, c = cyclic()
    assert program.cycles() == [["z"]]
    start = {"z": np.zeros(20)}
    values = program.solve({"x": x}, start=start)
    assert values.iterations > 5
    assert np.abs(np.tanh(W @ values["z"] + U @ x) - values["z"]).max() <= 1e-13
    newton = program.solve({"x": x}, start=start, method="newton")
    assert newton.iterations < values.iterations
    np.testing.assert_allclose(newton["z"], values["z"], atol=1e-12)
    found = program.multipliers("loss")
    slope = 1 - values["z"] ** 2
    J = slope[:, None] * W
    np.testing.assert_allclose(found["z"], np.linalg.solve(np.eye(20) - J.T, c), rtol=1e-12)
    z, unrolled = torch.zeros(20, dtype=torch.float64), torch.tensor(x, requires_grad=True)
    for _ in range(400):
        z = torch.tanh(torch.tensor(W) @ z + torch.tensor(U) @ unrolled)
    (wanted,) = torch.autograd.grad((torch.tensor(c) * z).sum(), unrolled)
    np.testing.assert_allclose(found["x"], wanted.numpy(), rtol=1e-12)
    h = 1e-6
    for k, e in enumerate(np.eye(3)):
        up, down = (program.solve({"x": x + s * h * e}, start=start)["loss"] for s in (1, -1))
        assert found["x"][k] == pytest.approx((up - down) / (2 * h), abs=1e-8)
    program.solve({"x": x}, start=start)
    lagrangian = program.lagrangian(program.solution, found)
    assert np.abs(lagrangian.intermediates["z"]).max() < 1e-12
    np.testing.assert_allclose(lagrangian.inputs["x"], found["x"], rtol=1e-12)


def test_the_implicit_gradient_passes_gradcheck():
    program, *_, x, _ = cyclic(n=5)

    class Implicit(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.values = program.solve({"x": x.detach().numpy()}, start={"z": np.zeros(5)})
            return torch.tensor(ctx.values["loss"], dtype=torch.float64)

        @staticmethod
        def backward(ctx, bar):
            return bar * torch.from_numpy(np.array(program.multipliers("loss", ctx.values)["x"]))

    assert torch.autograd.gradcheck(Implicit.apply, torch.tensor(x, requires_grad=True))


def test_two_variables_in_a_cycle_of_numbers():
    program = Program(inputs=["x"])
    program.let("u", lambda v, x: 0.5 * v + x, "v", "x").let("v", lambda u: 0.5 * u, "u").let("y", lambda u: 3 * u, "u")
    values = program.solve({"x": 3.0})
    assert program.cycles() == [["u", "v"]]
    assert values["u"] == pytest.approx(4, abs=1e-12)
    assert program.multipliers("y")["x"] == pytest.approx(4, rel=1e-14)
    assert program.multipliers("y")["v"] == pytest.approx(2, rel=1e-14)


def test_a_cycle_that_does_not_converge_says_why_and_newton_may_solve_it():
    program, _, _, x, _ = cyclic(radius=3.0)
    with pytest.raises(NoConvergence, match="the cycle z -> z has no solution after 50 iterations") as caught:
        program.solve({"x": x}, start={"z": np.zeros(20)}, limit=50)
    error = caught.value
    assert error.iterations == 50
    assert error.residual > 1e-6
    assert error.spectral_radius > 0
    assert error.values["z"].shape == (20,)
    assert "spectral radius" in str(error)
    line = Program(inputs=["x"]).let("z", lambda z, x: 2 * z + x, "z", "x")
    with pytest.raises(NoConvergence, match="spectral radius of J 2") as caught:
        line.solve({"x": 1.0}, limit=5000)
    assert "grew beyond all numbers" in str(caught.value)
    assert np.isfinite(caught.value.values["z"])
    assert line.solve({"x": 1.0}, method="newton")["z"] == pytest.approx(-1)
    assert line.multipliers("z")["x"] == pytest.approx(-1)


def test_a_singular_cycle_is_refused():
    program = Program(inputs=["x"]).let("z", lambda z, x: z + 0 * x, "z", "x")
    program.solve({"x": 1.0})  # every z is a solution
    with pytest.raises(ArithmeticError, match="I - J is singular"):
        program.multipliers("z")
    with pytest.raises(ArithmeticError, match="I - J is singular"):
        Program(inputs=["x"]).let("z", lambda z, x: z + x, "z", "x").solve({"x": 1.0}, method="newton")


def test_given_derivatives_take_the_place_of_the_rules():
    program = Program(inputs=["x", "w"])
    program.let("y", lambda x, w: np.convolve(x, w), "x", "w", derivatives=[
        lambda x, w: np.array([np.convolve(e, w) for e in np.eye(len(x))]).T,
        lambda x, w: np.array([np.convolve(x, e) for e in np.eye(len(w))]).T,
    ])  # fmt: skip
    program.let("s", lambda y: (y * y).sum(), "y")
    x, w = np.array([1.0, -2.0, 3.0]), np.array([0.5, 2.0])
    program.solve({"x": x, "w": w})
    X, W = (torch.tensor(v, requires_grad=True) for v in (x, w))
    y = torch.nn.functional.conv1d(X.view(1, 1, -1), W.flip(0).view(1, 1, -1), padding=1)
    wanted = torch.autograd.grad((y * y).sum(), (X, W))
    for way in WAYS:
        found = program.multipliers("s", way=way)
        np.testing.assert_allclose(found["x"], wanted[0].numpy(), rtol=1e-12)
        np.testing.assert_allclose(found["w"], wanted[1].numpy(), rtol=1e-12)


def test_every_parent_counts_and_the_output_may_be_an_input():
    program = Program(inputs=["x"]).let("y", lambda a, b: a * b, "x", "x")
    program.solve({"x": 3.0})
    assert [program.multipliers("y", way=way)["x"] for way in WAYS] == [6, 6, 6]
    assert [program.multipliers("x", way=way)["x"] for way in WAYS] == [1, 1, 1]


def test_bad_input_is_named_at_once():
    program = Program(inputs=["x"]).let("y", lambda x: x, "x")
    with pytest.raises(ValueError, match="'y' is already defined"):
        program.let("y", exp, "x")
    with pytest.raises(ValueError, match="'x' is already an input"):
        program.let("x", exp, "y")
    with pytest.raises(TypeError, match="takes a function and names"):
        program.let("z", 3, "x")
    with pytest.raises(ValueError, match="1 parents, but 2 derivatives"):
        program.let("z", exp, "x", derivatives=[exp, exp])
    with pytest.raises(ValueError, match="nothing has been solved yet"):
        program.multipliers("y")
    with pytest.raises(ValueError, match="inputs must be x, got none"):
        program.solve({})
    with pytest.raises(TypeError, match="x must be real numbers"):
        program.solve({"x": "3"})
    with pytest.raises(ValueError, match="method must be"):
        program.solve({"x": 3.0}, method="magic")
    program.solve({"x": 3.0})
    with pytest.raises(ValueError, match="output must be one of x, y, got 'q'"):
        program.multipliers("q")
    with pytest.raises(ValueError, match="way must be one of back-substitution"):
        program.multipliers("y", way="guess")
    program.let("z", exp, "later")
    with pytest.raises(ValueError, match="'z' depends on 'later', which is neither an input nor let"):
        program.solve({"x": 3.0})
    for bad in ("x", [1], ["a", "a"]):
        with pytest.raises((TypeError, ValueError), match="inputs must be"):
            Program(inputs=bad)


def test_shapes_that_do_not_fit_are_named():
    program = Program(inputs=["x"]).let("y", lambda x: np.ones((2, 3)) @ x, "x")
    with pytest.raises(ValueError, match=r"y = f\(x \(2,\)\) cannot be computed"):
        program.solve({"x": np.ones(2)})
    program.solve({"x": np.ones(3)})
    with pytest.raises(ValueError, match=r"y has shape \(2,\): give a seed of that shape"):
        program.multipliers("y")
    with pytest.raises(ValueError, match=r"seed must have the shape of y, \(2,\), got \(3,\)"):
        program.multipliers("y", seed=np.ones(3))
    program, *_, x, _ = cyclic()
    with pytest.raises(ValueError, match="cannot be computed|say start"):
        program.solve({"x": x})  # a vector needs a start
    program.solve({"x": x}, start={"z": np.zeros(20)})
    with pytest.raises(ValueError, match="needs a program without cycles; z form one"):
        program.multipliers("loss", way="triangular solve")


def test_an_unused_input_is_warned_of_and_has_a_gradient_of_zero():
    program = Program(inputs=["x", "y"]).let("z", exp, "x")
    with pytest.warns(UserWarning, match="no equation uses the input 'y'"):
        program.solve({"x": 0.0, "y": 1.0})
    assert program.multipliers("z")["y"] == 0


def test_components_come_in_dependency_order_and_long_chains_do_not_recurse():
    graph = {f"v{i}": [f"v{i - 1}"] if i else [] for i in range(20_000)}
    assert [group[0] for group in components(graph)] == list(graph)
    tangled = {"a": ["b"], "b": ["c"], "c": ["a"], "d": ["c", "e"], "e": ["d"], "f": ["f", "e"], "g": []}
    found = components(tangled)
    assert sorted(map(sorted, found)) == [["a", "b", "c"], ["d", "e"], ["f"], ["g"]]
    assert found.index(["a", "b", "c"]) < found.index(["d", "e"]) < found.index(["f"])


def test_the_triangular_solver_is_one():
    rng = np.random.default_rng(1)
    U = np.triu(rng.normal(size=(6, 6)), 1) + np.eye(6)
    c = rng.normal(size=6)
    np.testing.assert_allclose(U @ solve_upper(U, c), c, atol=1e-12)


@pytest.mark.parametrize("wrong", ["sign", "transpose", "missing accumulation", "0.1 %"])
def test_the_agreement_of_the_ways_would_show_a_wrong_one(wrong):
    program, W, _, x, c = cyclic()
    values = program.solve({"x": x}, start={"z": np.zeros(20)})
    J = (1 - values["z"] ** 2)[:, None] * W
    right = program.multipliers("loss")["z"]
    found = {
        "sign": np.linalg.solve(np.eye(20) + J.T, c),
        "transpose": np.linalg.solve(np.eye(20) - J, c),
        "missing accumulation": c,
        "0.1 %": np.linalg.solve(np.eye(20) - 1.001 * J.T, c),
    }[wrong]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, right, rtol=1e-12)
