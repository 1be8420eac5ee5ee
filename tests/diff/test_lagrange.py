"""Multipliers are adjoints: three ways agree, torch is a fourth; cycles against unrolling and finite differences."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff import rules
from helpers.diff.lagrange import WAYS, NoConvergence, Program
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
    assert program.multipliers("f", values) == found
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


OPERATIONS = [  # of two operands, or one, on the functions m of a library
    lambda m, a, b: m.tanh(a * b), lambda m, a, b: a + 0.5 * b, lambda m, a, b: m.sin(a) - b,
    lambda m, a, b: m.exp(-a * a) * b, lambda m, a, b: b + 0.0, lambda m, a: a * 1.0,
]  # fmt: skip


@st.composite
def random_programs(draw):
    """A program over two inputs, in shuffled order, as (operation, parent, parent) for each variable."""
    steps = []
    for i in range(draw(st.integers(1, 12))):
        pick = st.integers(-2, i - 1)
        steps.append((draw(st.integers(0, len(OPERATIONS) - 1)), draw(pick), draw(pick)))
    shape = draw(st.sampled_from([(1,), (3,), (2, 2)]))
    inputs = [np.array(draw(st.lists(st.floats(-2, 2), min_size=k, max_size=k))).reshape(shape)
              for k in [int(np.prod(shape))] * 2]  # fmt: skip
    return steps, inputs, draw(st.permutations(range(len(steps))))


@settings(max_examples=60, deadline=None)
@given(random_programs())
def test_three_ways_and_torch_agree_on_random_programs(made):
    steps, inputs, order = made
    name = {-2: "x", -1: "y"} | {i: f"v{i}" for i in range(len(steps))}
    program = Program(inputs=["x", "y"]).let(
        "total", lambda v, x, y: (v + 0.0 * x * y).sum(), f"v{len(steps) - 1}", "x", "y"
    )
    for i in order:
        operation, *parents = steps[i]
        f = functools.partial(OPERATIONS[operation], rules)
        program.let(name[i], f, *(name[parent] for parent in parents[: 1 if operation == 5 else 2]))
    program.let("unused", lambda x, y: x * y, "x", "y")
    values = program.solve(dict(zip("xy", inputs)))
    found = [program.multipliers("total", way=way) for way in WAYS]
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    nodes = {-2: leaves[0], -1: leaves[1]}
    for i, (operation, *parents) in enumerate(steps):
        nodes[i] = OPERATIONS[operation](torch, *(nodes[p] for p in parents[: 1 if operation == 5 else 2]))
    total = (nodes[len(steps) - 1] + 0.0 * leaves[0]).sum()
    wanted = torch.autograd.grad(total, list(nodes.values()), allow_unused=True)
    for key, gradient in zip(nodes, wanted):
        expected = np.zeros(nodes[key].shape) if gradient is None else gradient.numpy()
        for one in found:
            np.testing.assert_allclose(one[name[key]], expected, rtol=1e-12, atol=1e-12)
    assert np.all(np.triu(program.blocks().J) == 0)  # without cycles strictly lower triangular
    lagrangian = program.lagrangian(values, found[0], "total")
    for slopes in (lagrangian.multipliers, lagrangian.intermediates):
        assert max(np.abs(slope).max() for slope in slopes.values()) < 1e-12
    assert lagrangian.value == values["total"]
    for each, slope in lagrangian.inputs.items():
        np.testing.assert_allclose(slope, found[0][each], atol=1e-12)


def test_constants_alone_and_parents_that_count_twice():
    array = Program(inputs=["x"]).let("w", lambda: np.array([1.0, 2.0]))
    array.let("y", lambda w, x: (w * x).sum(), "w", "x").solve({"x": np.array([3.0, 4.0])})
    twice = Program(inputs=["x"]).let("y", lambda a, b: a * b, "x", "x")
    twice.solve({"x": 3.0})
    for way in WAYS:
        assert array.multipliers("y", way=way)["x"].tolist() == [1.0, 2.0]
        assert array.multipliers("y", way=way)["w"].tolist() == [3.0, 4.0]
        assert twice.multipliers("y", way=way)["x"] == 6
        assert twice.multipliers("x", way=way)["x"] == 1  # the output may be an input
    assert array.blocks().J.shape == (3, 3)


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


def test_a_cycle_that_does_not_converge_says_why_and_newton_may_solve_it():
    program, _, _, x, _ = cyclic(radius=3.0)
    with pytest.raises(NoConvergence, match="the cycle z -> z has no solution after 50 iterations") as caught:
        program.solve({"x": x}, start={"z": np.zeros(20)}, limit=50)
    error = caught.value
    assert error.iterations == 50
    assert error.residual > 1e-6
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


def test_what_is_done_to_a_solution_does_not_reach_the_program():
    x = np.array([1.0, 2.0])
    program = Program(["x"]).let("y", lambda x: (x**2).sum(), "x")
    values = program.solve({"x": x})
    x[:] = 100
    values["y"] = 7.0
    with pytest.raises(ValueError, match="read-only"):
        values["x"][0] = 7
    assert program.multipliers("y")["x"].tolist() == [2, 4]
    program.let("z", exp, "y")
    with pytest.raises(ValueError, match="a variable was let since"):
        program.multipliers("y")


def test_bad_input_is_named():
    program = Program(inputs=["x"]).let("y", lambda x: x, "x")
    wide = Program(inputs=["x"]).let("y", lambda x: np.ones((2, 3)) @ x, "x")
    loop, *_, x, _ = cyclic()
    with pytest.raises(ValueError, match="nothing has been solved yet"):
        program.multipliers("y")
    program.solve({"x": 3.0})
    wide.solve({"x": np.ones(3)})
    loop.solve({"x": x}, start={"z": np.zeros(20)})
    for mistake, words in (
        (lambda: program.let("y", exp, "x"), "'y' is already defined"),
        (lambda: program.let("x", exp, "y"), "'x' is already an input"),
        (lambda: program.solve({"x": 3.0}, start={"zz": 3.0}), "start takes nothing here, got zz"),
        (lambda: program.solve({}), "inputs must be x, got none"),
        (lambda: program.solve({"x": "3"}), "x must be real numbers"),
        (lambda: loop.solve({"x": x}), "dimensions|say start"),  # a vector needs a start
        (lambda: program.multipliers("y", way="guess"), "way must be one of back-substitution"),
        (lambda: wide.multipliers("y"), r"y has shape \(2,\): differentiate a number"),
        (lambda: loop.multipliers("loss", way="triangular solve"), "way must be .*with cycles"),
        (lambda: program.let("z", exp, "later").solve({"x": 3.0}), "depend on later: neither an input"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            mistake()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16))
def test_groups_are_the_cycles_in_the_order_of_dependence(arrows):
    """What a group needs stands before it, and a group is whatever needs each other, by powers of the matrix."""
    program, A = Program(["x"]), np.zeros((8, 8), int)
    for i in range(8):
        program.let(f"v{i}", lambda *_: 0.0, *(f"v{j}" for i_, j in arrows if i_ == i))
    for i, j in arrows:
        A[i, j] = 1
    needs = np.linalg.matrix_power(np.eye(8, dtype=int) + A, 8) > 0
    groups = [[int(name[1:]) for name in group] for group in program.order()]
    assert sorted(i for group in groups for i in group) == list(range(8))
    for k, group in enumerate(groups):
        before = {i for above in groups[: k + 1] for i in above}
        for i in group:
            assert set(np.flatnonzero(needs[i] & needs[:, i])) == set(group)
            assert set(np.flatnonzero(needs[i])) <= before
    cycles = [group for group in groups if len(group) > 1 or A[group[0], group[0]]]
    assert [[int(name[1:]) for name in group] for group in program.cycles()] == cycles
