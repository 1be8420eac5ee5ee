"""The record of a computation and its steps: against the engines, and each word against the numbers that it tells."""

from __future__ import annotations

import functools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff import exp, log, relu, sin, tanh
from helpers.diff.arrays import vjp
from helpers.diff.formula import parse
from helpers.diff.forward import jvp
from helpers.diff.graph import LARGEST, LIMIT, Graph, trace, written
from helpers.diff.lagrange import Program
from helpers.diff.steps import Sweep, in_numbers

F = parse("log(x1) + x1*x2 - sin(x2)")
AT = {"x1": 2.0, "x2": 5.0}
FIGURE_1 = """\
v1 = log(x1) = log(2) = 0.693147
v2 = x1 * x2 = 2 * 5 = 10
v3 = sin(x2) = sin(5) = -0.958924
v4 = v1 + v2 = 0.693147 + 10 = 10.6931
v5 = v4 - v3 = 10.6931 - (-0.958924) = 11.6521
v̄5 = 1
v̄4 += v̄5 · ∂v5/∂v4 = 1 · 1 = 1
v̄3 += v̄5 · ∂v5/∂v3 = 1 · (-1) = -1
v̄1 += v̄4 · ∂v4/∂v1 = 1 · 1 = 1
v̄2 += v̄4 · ∂v4/∂v2 = 1 · 1 = 1
x̄2 += v̄3 · ∂v3/∂x2 = (-1) · 0.283662 = -0.283662
x̄1 += v̄2 · ∂v2/∂x1 = 1 · 5 = 5
x̄2 += v̄2 · ∂v2/∂x2 = 1 · 2 = 2
x̄1 += v̄1 · ∂v1/∂x1 = 1 · 0.5 = 0.5"""


def final(sweep):
    return sweep.state(len(sweep.steps))


def check_slopes(sweep, expected):
    """Compare what the steps end with; before that, see that nothing is handed on before all of it has arrived."""
    slopes, complete = final(sweep).slopes, dict.fromkeys(sweep.nodes, 0)
    received = {name: np.zeros(np.shape(node.value)) for name, node in sweep.nodes.items()}
    for position, step in enumerate(sweep.steps):
        if step.kind == "value":
            continue
        if step.kind == "push":
            edge = sweep.graph.edges[step.edge]
            giver = edge.child if sweep.mode == "reverse" else edge.parent
            assert complete[giver] == sweep.expected[giver], f"{giver} hands on what it has not yet"
            np.testing.assert_array_equal(sweep.state(position).slopes[giver], slopes[giver])
            complete[step.node] += 1
        received[step.node] = received[step.node] + step.product
        np.testing.assert_array_equal(sweep.state(position + 1).slopes[step.node], received[step.node])
    for name, slope in expected.items():
        np.testing.assert_allclose(slopes[name], slope, rtol=1e-12, atol=1e-14)  # sums in another order


def test_figure_1_in_words():
    sweep = Sweep(trace(F, AT))
    assert "\n".join(step.words for step in sweep.steps) == FIGURE_1
    assert sweep.sentence(0) == "Step 0 of 14: the inputs are given. Press Step."
    assert "So far x̄2 = -0.283662, 1 of 2 addends." in sweep.sentence(11)
    assert sweep.sentence(14).endswith("Complete: x̄1 = 5.5. At the end v5 = 11.6521, ∂v5/∂x1 = 5.5, ∂v5/∂x2 = 1.71634.")
    places = sweep.jumps()
    assert (places["value of v3"], places["x̄2 complete"], places["v̄5 complete"]) == (3, 13, 6)
    assert Sweep(trace(F, AT), "values").jumps() == {f"value of v{i}": i for i in range(1, 6)}


OPERATIONS = [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: sin(a) - b, lambda a, b: exp(-a * a)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9))
def test_adjoints_tangents_and_addends_are_those_of_the_engines(lines):
    def f(a, b):
        results = [a, b]
        for which, i, j in lines:
            results.append(OPERATIONS[which](results[i % len(results)], results[j % len(results)]))
        return results[-1]

    graph = trace(f, {"a": 0.7, "b": -0.4})
    gradients = dict(zip("ab", vjp(f, 0.7, -0.4)[1](1.0)))
    check_slopes(Sweep(graph), gradients)
    for seed, direction in (("a", (1.0, 0.0)), ("b", (0.0, 1.0))):
        sweep = Sweep(graph, "forward", seed)
        check_slopes(sweep, {graph.output: jvp(f, (0.7, -0.4), direction)[1]})
        assert len(sweep.steps) == len(Sweep(graph).steps)
        addends = graph.addends(seed)
        assert len(set(map(id, addends))) == len(addends)
        total = math.fsum(float(line.rpartition("= ")[2]) for line in addends)
        assert total == pytest.approx(gradients[seed], rel=1e-4, abs=1e-4)


def doubled(times):
    return lambda x: functools.reduce(lambda y, _: y + y, range(times), x)


def test_addends_follow_each_path_and_are_counted_first():
    graph = trace(F, AT)
    assert graph.addends("x1") == ["∂v5/∂v4 · ∂v4/∂v1 · ∂v1/∂x1 = 1 · 1 · 0.5 = 0.5",
                                   "∂v5/∂v4 · ∂v4/∂v2 · ∂v2/∂x1 = 1 · 1 · 5 = 5"]  # fmt: skip
    assert (len(graph.addends("x2")), graph.addends("v5")) == (2, ["1 = 1"])
    with pytest.raises(KeyError, match="x3"):
        graph.addends("x3")
    assert len(trace(doubled(9), {"x": 1.0}).addends("x")) == 2**9
    with pytest.raises(ValueError, match="more than 1000 paths lead from x to v200"):
        trace(doubled(200), {"x": 1.0}).addends("x")
    assert trace(lambda x, z: x * x, {"x": 3.0, "z": 1.0}).addends("z") == []


def document():
    program = Program(inputs=["x"])
    program.let("a", exp, "x").let("b", lambda a: a**2, "a").let("c", lambda a, b: a + b, "a", "b")
    return program.let("d", exp, "c").let("e", sin, "c").let("f", lambda d, e: d + e, "d", "e")


@pytest.mark.parametrize("output", ["f", "c"])
def test_of_a_program_they_are_the_multipliers(output):
    program = document()
    program.solve({"x": 0.3})
    before = program.solution
    sweep = Sweep(trace(program, {"x": -1.0}, output))
    assert program.solution == before  # a copy was solved
    program.solve({"x": -1.0})
    check_slopes(sweep, {name: program.multipliers(output)[name] for name in sweep.nodes})
    assert [node.formula for node in sweep.graph.nodes][:4] == ["", "exp(x)", "a ** 2", "a + b"]
    assert sweep.steps[-1].symbols == "λ_a · ∂a/∂x"
    check_slopes(Sweep(trace(program, output=output), "forward"), {output: program.multipliers(output)["x"]})


def test_a_program_of_arrays_has_jacobians():
    rng = np.random.default_rng(1)
    W, x = rng.normal(size=(3, 2)), rng.normal(size=2)
    program = Program(inputs=["W", "x"]).let("z", lambda W, x: tanh(W @ x), "W", "x")
    program.let("loss", lambda z: (z * z).sum(), "z").solve({"W": W, "x": x})
    sweep = Sweep(trace(program))
    check_slopes(sweep, program.multipliers("loss"))
    words = [step.words for step in sweep.steps]
    assert any(line.startswith("λ_x += (∂z/∂x)' λ_z = [") and line.endswith("shapes (3, 2)' (3,)") for line in words)


def net(x, W1, b1, W2, b2, t):
    return ((W2 @ tanh(W1 @ x + b1) + b2 - t) ** 2).sum()


def weights(points):
    shapes = {"x": (2, points), "W1": (3, 2), "b1": (3, 1), "W2": (1, 3), "b2": (1, 1), "t": (1, points)}
    rng = np.random.default_rng(points)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


TWO = {"a": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([[0.2, 1.5], [-1.0, 2.5]])}
ON_ARRAYS = {
    "net": (net, weights(1)),
    "three points": (net, weights(3)),
    "quotient": (lambda a, b: (a * b - relu(a) / (b * b + 2.0)).sum(), TWO),
    "mean": (lambda a, b: (-a @ b.T).mean(), TWO),
    "forms": (lambda a, b: (np.array([2.0, 3.0]) * a).max() + (a[0] + b).reshape(4).sum(), TWO),
    "one number": (lambda a, b: (b[0] @ a * a.sum()).sum(), TWO),
}


@pytest.mark.parametrize("name", ON_ARRAYS)
def test_on_arrays_they_are_those_of_the_pullback(name):
    f, at = ON_ARRAYS[name]
    graph = trace(f, at)
    _, pullback = vjp(f, *at.values())
    gradients = dict(zip(at, pullback(1.0)))
    sweep = Sweep(graph)
    check_slopes(sweep, gradients)
    for each, gradient in gradients.items():
        assert f"/∂{each} = {written(gradient)}" in sweep.sentence(len(sweep.steps))
        ahead = Sweep(graph, "forward", each)
        check_slopes(ahead, {graph.output: gradient.sum()})
        last = ahead.sentence(len(ahead.steps))
        shown = re.search(rf"in the direction {each[0]}\u0307{each[1:]}, 1 in every entry of {each}, is (\S+)\.$", last)
        assert float(shown[1].strip("[]")) == pytest.approx(gradient.sum(), rel=1e-2, abs=1e-9)
        assert f"/∂{each} =" not in last  # the gradient is an array, this is a number
        assert "1 in every entry" in ahead.steps[0].words or np.size(gradient) == 1
    words = "\n".join(step.words for step in sweep.steps)
    if f is net:
        assert "W̄2 += v̄4 v3' = [" in words
        assert ("b̄1 += v̄2, summed" in words) == (name == "three points")


def test_numbers_with_a_sign_stand_in_brackets_and_numbers_stay_numbers():
    on_arrays = Sweep(trace(lambda x, y: (tanh(y) + y**2) * x.sum(), {"x": np.ones(2), "y": np.array(-0.5)}))
    shown = " | ".join(step.numbers for step in on_arrays.steps)
    assert "2 (-0.5)" in shown
    assert "(1 - (-0.462" in shown
    assert in_numbers("log(log) + exp * 1e-05", {"log": 2.0, "exp": 3.0, "e": 7.0}) == "log(2) + 3 * 1e-05"
    assert in_numbers("x̄ * x + v-1", {"x": 2.0, "x̄": 5.0, "v-1": 3.0}) == "5 * 2 + 3"


def test_names_avoid_those_that_are_taken_and_inputs_reach_their_parameters():
    arrays = trace(lambda v1, v2: (v1 * v2).sum(), {"v1": np.ones(2), "v2": np.ones(2)})
    assert [node.name for node in arrays.nodes] == ["v1", "v2", "v3", "v4"]
    for f in (lambda x, y: x - 2 * y, parse("x - 2*y")):
        assert final(Sweep(trace(f, {"y": 1.0, "x": 5.0}))).slopes == {"x": 1, "y": -2} | {"v1": -1, "v2": 1}
    assert trace(lambda x, y: (x - 2 * y).sum(), {"y": [1.0], "x": [5.0]}).nodes[-1].value == 3
    assert trace(lambda a, b: a - 2 * b, {"y": 1.0, "x": 5.0}).nodes[-1].value == -9  # other names: in order


def test_an_input_alone_an_input_without_use_and_what_is_not_finite():
    sweep = Sweep(trace(lambda x, z: x, {"x": 3.0, "z": 1.0}))
    assert [step.words for step in sweep.steps] == ["x̄ = 1"]
    assert (sweep.state(0).slopes, sweep.state(1).slopes) == ({}, {"x": 1.0, "z": 0.0})
    sweep = Sweep(trace(parse("x*x - x*x"), {"x": 1e200}))
    assert "v1 = x * x = 1e+200 * 1e+200 = inf. That is no finite number" in sweep.sentence(1)
    assert "= nan. That is no finite number" in sweep.sentence(3)


CYCLE = Program(inputs=["x"]).let("a", lambda x, c: x - c / 2, "x", "c").let("c", lambda a: log(a + 3), "a")


def test_bad_input_is_named():
    for mistake, error, words in [
        (lambda: trace("x", {"x": 1.0}), TypeError, "source must be a function"),
        (lambda: trace(F), TypeError, "with inputs such as"),
        (lambda: trace(trace(F, AT), AT), ValueError, "a graph already has its own"),
        (lambda: trace(lambda x: 3.0, {"x": 1.0}), TypeError, "must compute a Scalar"),
        (lambda: trace(lambda x: 3.0, {"x": [1.0]}), TypeError, "must compute an Array"),
        (lambda: trace(lambda x: x * 2.0, {"x": [1.0, 2.0]}), ValueError, r"output v1 has shape \(2,\)"),
        (lambda: trace(lambda x: x.sum(), {"x": np.ones(LARGEST + 1)}), ValueError, "x has 65 entries, at most 64"),
        (lambda: trace(document()), ValueError, "nothing has been solved yet"),
        (lambda: trace(document(), {"x": 1.0}, "g"), ValueError, "output must be one of a, b, c, d, e, f, got 'g'"),
        (lambda: trace(document(), {"y": 1.0}), ValueError, "inputs must be x, got y"),
        (lambda: trace(CYCLE, {"x": 1.0}), ValueError, "a and c form a cycle: none can be filled first"),
        (lambda: trace(F, {"x1": -1.0, "x2": 1.0}), ValueError, "log needs x > 0, got -1.0"),
        (lambda: trace(doubled(LIMIT), {"x": 1.0}), ValueError, "1001 nodes is too long"),
        (lambda: Sweep(trace(F, AT), "forward", "v1"), ValueError, "seed must be one of the inputs x1, x2"),
        (lambda: trace(F, {"x1": "2", "x2": 1.0}), TypeError, "at: x1 must be real numbers"),
    ]:
        with pytest.raises(error, match=words):
            mistake()
    assert isinstance(trace(trace(F, AT)), Graph)
