"""The steps against the engines: adjoints, multipliers, pullbacks and tangents, and the order in which they travel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff import exp, log, relu, sin, tanh
from helpers.diff.arrays import Array, vjp
from helpers.diff.formula import parse
from helpers.diff.forward import jvp
from helpers.diff.lagrange import Program
from helpers.diff.scalar import Scalar
from helpers.diff.step_graphs import LARGEST, graph_of
from helpers.diff.steps import Sweep
from helpers.diff.trace import Trace

F = parse("log(x1) + x1*x2 - sin(x2)")
OUTSIDE = Array([1.0])
AT = {"x1": 2.0, "x2": 5.0}
BACKWARD = """\
v̄5 = 1
v̄4 += v̄5 · ∂v5/∂v4 = 1 · 1 = 1
v̄3 += v̄5 · ∂v5/∂v3 = 1 · (-1) = -1
v̄1 += v̄4 · ∂v4/∂v1 = 1 · 1 = 1
v̄2 += v̄4 · ∂v4/∂v2 = 1 · 1 = 1
x̄2 += v̄3 · ∂v3/∂x2 = (-1) · 0.283662 = -0.283662
x̄1 += v̄2 · ∂v2/∂x1 = 1 · 5 = 5
x̄2 += v̄2 · ∂v2/∂x2 = 1 · 2 = 2
x̄1 += v̄1 · ∂v1/∂x1 = 1 · 0.5 = 0.5"""


def document():
    """The program of Wang & Jenkins."""
    program = Program(inputs=["x"])
    program.let("a", exp, "x").let("b", lambda a: a**2, "a").let("c", lambda a, b: a + b, "a", "b")
    return program.let("d", exp, "c").let("e", sin, "c").let("f", lambda d, e: d + e, "d", "e")


def net(x, W1, b1, W2, b2, t):
    return ((W2 @ tanh(W1 @ x + b1) + b2 - t) ** 2).sum()


def weights(rng, points=1):
    shapes = {"x": (2, points), "W1": (3, 2), "b1": (3, 1), "W2": (1, 3), "b2": (1, 1), "t": (1, points)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def check_slopes(sweep, expected):
    """Compare what the steps end with; before that, see that nothing is handed on before all of it has arrived."""
    final, complete = sweep.state(len(sweep.steps)).slopes, dict.fromkeys(sweep.nodes, 0)
    received = {name: np.zeros(np.shape(node.value)) for name, node in sweep.nodes.items()}
    for position, step in enumerate(sweep.steps):
        if step.kind == "value":
            continue
        if step.kind == "push":
            edge = sweep.graph.edges[step.edge]
            giver = edge.child if sweep.mode == "reverse" else edge.parent
            assert complete[giver] == sweep.expected[giver], f"{giver} hands on what it has not yet"
            np.testing.assert_array_equal(sweep.state(position).slopes[giver], final[giver])
            complete[step.node] += 1
        received[step.node] = received[step.node] + step.product
        np.testing.assert_array_equal(sweep.state(position + 1).slopes[step.node], received[step.node])
    for name, slope in expected.items():
        np.testing.assert_allclose(final[name], slope, rtol=1e-12, atol=1e-14)  # sums in another order


def test_figure_1_in_words():
    sweep = Sweep(graph_of(F, AT))
    assert "\n".join(step.words for step in sweep.steps[5:]) == BACKWARD
    assert sweep.steps[4].words == "v5 = v4 - v3 = 10.6931 - (-0.958924) = 11.6521"
    assert sweep.sentence(0) == "Step 0 of 14: the inputs are given. Press Step."
    assert "So far x̄2 = -0.283662, 1 of 2 addends." in sweep.sentence(11)
    assert sweep.sentence(14).endswith("Complete: x̄1 = 5.5. At the end v5 = 11.6521, ∂v5/∂x1 = 5.5, ∂v5/∂x2 = 1.71634.")


OPERATIONS = [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: sin(a) - b, lambda a, b: exp(-a * a)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9))
def test_adjoints_are_those_of_backward_and_tangents_those_of_jvp(lines):
    def f(a, b):
        results = [a, b]
        for which, i, j in lines:
            results.append(OPERATIONS[which](results[i % len(results)], results[j % len(results)]))
        return results[-1]

    inputs = [Scalar(0.7, name="a"), Scalar(-0.4, name="b")]
    y = f(*inputs)
    table = Trace(y, inputs)
    y.backward()
    check_slopes(Sweep(graph_of(table)), {name: node.gradient for name, node in table.nodes.items()})
    for seed, direction in (("a", (1.0, 0.0)), ("b", (0.0, 1.0))):
        sweep = Sweep(graph_of(table), "forward", seed)
        check_slopes(sweep, {sweep.graph.output: jvp(f, (0.7, -0.4), direction)[1]})
        assert len(sweep.steps) == len(Sweep(graph_of(table)).steps)


@pytest.mark.parametrize("output", ["f", "c"])
def test_of_a_program_they_are_the_multipliers(output):
    program = document()
    program.solve({"x": 0.3})
    before = program.solution
    sweep = Sweep(graph_of(program, {"x": -1.0}, output))
    assert program.solution is before  # a copy was solved
    program.solve({"x": -1.0})
    check_slopes(sweep, {name: program.multipliers(output)[name] for name in sweep.nodes})
    assert [node.formula for node in sweep.graph.nodes][:4] == ["", "exp(x)", "a ** 2", "a + b"]
    assert sweep.graph.edges[-1].back.symbols == "λ_a · ∂a/∂x"
    check_slopes(Sweep(graph_of(program, output=output), "forward"), {output: program.multipliers(output)["x"]})


def test_a_program_of_arrays_has_jacobians():
    rng = np.random.default_rng(1)
    W, x = rng.normal(size=(3, 2)), rng.normal(size=2)
    program = Program(inputs=["W", "x"]).let("z", lambda W, x: tanh(W @ x), "W", "x")
    program.let("loss", lambda z: (z * z).sum(), "z").solve({"W": W, "x": x})
    sweep = Sweep(graph_of(program))
    check_slopes(sweep, program.multipliers("loss"))
    words = [step.words for step in sweep.steps]
    assert any(line.startswith("λ_x += (∂z/∂x)' λ_z = [") and line.endswith("shapes (3, 2)' (3,)") for line in words)


@pytest.mark.parametrize("points", [1, 3])
def test_of_a_net_they_are_those_of_the_pullback(points):
    at = weights(np.random.default_rng(points), points)
    graph = graph_of(net, at)
    check_slopes(Sweep(graph), dict(zip(at, vjp(net, *at.values())[1](1.0))))
    for seed in at:
        tangents = [np.ones_like(value) if name == seed else np.zeros_like(value) for name, value in at.items()]
        check_slopes(Sweep(graph, "forward", seed), {graph.output: jvp(net, tuple(at.values()), tuple(tangents))[1]})
    words = "\n".join(step.words for step in Sweep(graph).steps)
    assert "W̄2 += v̄4 v3' = [" in words
    assert f"shapes (1, {points}) (3, {points})'" in words
    assert ("b̄1 += v̄2, summed" in words) == (points > 1)


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: (a * b - relu(a) / (b * b + 2.0)).sum(),
        lambda a, b: (-a @ b.T).mean(),
        lambda a, b: (np.array([2.0, 3.0]) * a).max() + (a[0] + b).reshape(4).sum(),
    ],
)
def test_other_operations_on_arrays(f):
    at = {"a": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([[0.2, 1.5], [-1.0, 2.5]])}
    check_slopes(Sweep(graph_of(f, at)), dict(zip(at, vjp(f, *at.values())[1](1.0))))


def test_the_comparison_refuses_a_wrong_rule_and_a_wrong_order():
    graph = graph_of(F, AT)
    expected = {"x1": 5.5, "x2": 2 - math.cos(5)}
    check_slopes(Sweep(graph), expected)
    for i in range(len(graph.edges)):
        edges = list(graph.edges)
        edges[i] = edges[i]._replace(derivative=edges[i].derivative * 1.001)
        with pytest.raises(AssertionError):
            check_slopes(Sweep(graph._replace(edges=tuple(edges))), expected)
    with pytest.raises(AssertionError, match="hands on what it has not yet"):
        check_slopes(Sweep(graph._replace(edges=graph.edges[::-1])), {})


@pytest.mark.parametrize("mode", ["reverse", "forward", "values"])
def test_a_position_is_a_state_however_it_was_reached(mode):
    sweep = Sweep(graph_of(parse("exp(x) * y + x*x / y"), {"x": 0.5, "y": 2.0}), mode)
    forth = [sweep.state(k) for k in range(len(sweep.steps) + 1)]
    back = [sweep.state(k) for k in reversed(range(len(sweep.steps) + 1))]
    assert forth == back[::-1]
    for before, step, after in zip(forth, sweep.steps, forth[1:]):
        slot = "values" if step.kind == "value" else "slopes"
        assert getattr(after, slot)[step.node] == step.total
        assert before != after
    assert set(forth[0].values) == {"x", "y"}
    assert set(forth[-1].values) == set(sweep.nodes)


def test_places_to_jump_to():
    sweep = Sweep(graph_of(F, AT))
    places = sweep.jumps()
    assert places["value of v3"] == 3
    for name in sweep.nodes:
        position = places[f"{sweep.slope_name(name)} complete"]
        assert name in sweep.complete(position)
        assert name not in sweep.complete(position - 1) or position == 6
    assert Sweep(graph_of(F, AT), "values").jumps() == {f"value of v{i}": i for i in range(1, 6)}


def test_an_input_alone_and_an_input_without_use():
    sweep = Sweep(graph_of(lambda x, z: x, {"x": 3.0, "z": 1.0}))
    assert [step.words for step in sweep.steps] == ["x̄ = 1"]
    assert sweep.state(1).slopes == {"x": 1.0, "z": 0.0}
    assert sweep.state(0).slopes == {}


def test_what_is_not_finite_is_said():
    sweep = Sweep(graph_of(parse("x*x - x*x"), {"x": 1e200}))
    assert "v1 = x * x = 1e+200 * 1e+200 = inf. That is no finite number" in sweep.sentence(1)
    assert "= nan. That is no finite number" in sweep.sentence(3)


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda: graph_of("x", {"x": 1.0}), TypeError, "source must be a Trace, a Program or a function, got str"),
        (lambda: graph_of(F), ValueError, "at must give the inputs"),
        (lambda: graph_of(lambda x: 3.0, {"x": 1.0}), TypeError, "must compute a Scalar"),
        (lambda: graph_of(lambda x: 3.0, {"x": [1.0]}), TypeError, "must compute an Array"),
        (lambda: graph_of(lambda x: x * 2.0, {"x": [1.0, 2.0]}), ValueError, r"output v1 has shape \(2,\)"),
        (lambda: graph_of(lambda x: x.sum(), {"x": np.ones(LARGEST + 1)}), ValueError, "x has 65 entries, at most 64"),
        (lambda: graph_of(lambda x: (OUTSIDE * x).sum(), {"x": [1.0]}), ValueError, "make it an input"),
        (lambda: graph_of(document()), ValueError, "nothing has been solved yet"),
        (lambda: graph_of(document(), {"x": 1.0}, "g"), ValueError, "output must be one of a, b, c, e, d, f, got 'g'"),
        (lambda: graph_of(document(), {"y": 1.0}), ValueError, "inputs must be x, got y"),
        (lambda: graph_of(F, {"x1": -1.0, "x2": 1.0}), ValueError, "log needs x > 0, got -1.0"),
        (lambda: Sweep(graph_of(F, AT), "sideways"), ValueError, "mode must be one of reverse, forward, values"),
        (lambda: Sweep(graph_of(F, AT), "forward", "v1"), ValueError, "seed must be one of the inputs x1, x2"),
    ],
)
def test_bad_input_is_named(mistake, error, words):
    with pytest.raises(error, match=words):
        mistake()


def test_a_cycle_is_refused_in_words():
    program = Program(inputs=["x"]).let("a", lambda x, c: x - c / 2, "x", "c").let("c", lambda a: log(a + 3), "a")
    with pytest.raises(ValueError, match=r"(a and c|c and a) form a cycle: none of them can be filled first"):
        graph_of(program, {"x": 1.0})
