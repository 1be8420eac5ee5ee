"""The trace table and the paths: figure 1 of Bellani's notes, and the addends of the chain rule."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff.paths import paths
from helpers.diff.scalar import Scalar, exp, log, sin, topological_order
from helpers.diff.trace import LIMIT, Edge, Trace, trace

FIGURE = """\
x1 = 2                    v̄5 = 1
x2 = 5                    v̄4 = v̄5 · ∂v5/∂v4 = 1 · 1 = 1
v1 = log(x1) = 0.693147   v̄3 = v̄5 · ∂v5/∂v3 = 1 · (-1) = -1
v2 = x1 * x2 = 10         v̄2 = v̄4 · ∂v4/∂v2 = 1 · 1 = 1
v3 = sin(x2) = -0.958924  v̄1 = v̄4 · ∂v4/∂v1 = 1 · 1 = 1
v4 = v1 + v2 = 10.6931    x̄2 = v̄3 · ∂v3/∂x2 + v̄2 · ∂v2/∂x2 = (-1) · 0.283662 + 1 · 2 = 1.71634
v5 = v4 - v3 = 11.6521    x̄1 = v̄2 · ∂v2/∂x1 + v̄1 · ∂v1/∂x1 = 1 · 5 + 1 · 0.5 = 5.5"""


def example(x1, x2):
    return log(x1) + x1 * x2 - sin(x2)


def test_figure_1():
    table = trace(example, {"x1": 2.0, "x2": 5.0})
    assert str(table) == FIGURE
    assert table.edges[0] == Edge("v4", "v5", 1.0, 1.0)
    assert table.edges[-1] == Edge("x1", "v1", 0.5, 0.5)
    html = table._repr_html_()
    assert html.count('<th scope="col"') == 2
    assert "<caption>" in html
    assert "x̄1 = v̄2" in html


def test_unnamed_inputs_are_numbered_as_in_the_figure():
    x1, x2 = Scalar(2.0), Scalar(5.0)
    names = [row.name for row in Trace(example(x1, x2)).rows]
    assert names == ["v-1", "v0", "v1", "v2", "v3", "v4", "v5"]


def test_numbers_stand_in_the_formulas_and_markup_is_escaped():
    table = trace(lambda a, b: (2 * a - (-3.5)) ** 2, {"a<b": 1.0, "b": 2.0})
    assert [row.formula for row in table.rows] == ["", "", "2 * a<b", "v1 - (-3.5)", "v2 ** 2"]
    assert table.rows[1].gradient == 0.0  # f does not use b
    assert "a&lt;b" in table._repr_html_()


def test_the_table_leaves_the_gradients_alone():
    x = Scalar(2.0)
    y = x * x
    y.backward(seed=10.0)
    assert Trace(y).rows[0].gradient == 4.0
    assert x.gradient == 40.0


def test_addends_of_the_chain_rule():
    table = trace(example, {"x1": 2.0, "x2": 5.0})
    assert table.addends("x1") == ["∂v5/∂v4 · ∂v4/∂v1 · ∂v1/∂x1 = 1 · 1 · 0.5 = 0.5",
                                   "∂v5/∂v4 · ∂v4/∂v2 · ∂v2/∂x1 = 1 · 1 · 5 = 5"]  # fmt: skip
    assert len(table.addends("x2")) == 2
    assert table.addends("v5") == ["1 = 1"]
    with pytest.raises(KeyError, match="no node is called 'x3'"):
        table.addends("x3")


STEPS = [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: sin(a) - b, lambda a, b: exp(-a * a)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9))
def test_paths_edges_and_table_give_the_gradient(program):
    x = Scalar(0.7)
    results = [x, Scalar(-0.4)]
    for which, i, j in program:
        a, b = results[i % len(results)], results[j % len(results)]
        results.append(STEPS[which](a, b))
    y = results[-1]
    y.backward()
    table = Trace(y)
    for row in table.rows:
        node = table.nodes[row.name]
        received = math.fsum(edge.product for edge in table.edges if edge.parent == row.name) + (node is y)
        found = paths(y, node, limit=10**5)
        assert row.gradient == pytest.approx(node.gradient, rel=1e-12, abs=1e-14)
        assert received == pytest.approx(node.gradient, rel=1e-12, abs=1e-14)
        assert math.fsum(path.product for path in found) == pytest.approx(node.gradient, rel=1e-12, abs=1e-14)
        for path in found:
            assert path.nodes[0] is y
            assert path.nodes[-1] is node
            assert all(b in a.parents for a, b in zip(path.nodes, path.nodes[1:]))


def test_paths_double_with_each_operation_and_are_counted_first():
    x = Scalar(1.0)
    y = x
    for _ in range(200):
        y = y + y
    with pytest.raises(ValueError, match="more than 1000 paths"):
        paths(y, x)
    assert len(paths(topological_order(y)[9], x)) == 2**9
    assert paths(y, Scalar(1.0)) == []
    chain = x
    for _ in range(20_000):
        chain = -chain
    (path,) = paths(chain, x)
    assert len(path.derivatives) == 20_000


def test_bad_input():
    with pytest.raises(TypeError, match="f must compute a Scalar"):
        trace(lambda x: 3.0, {"x": 1.0})
    with pytest.raises(TypeError, match="output must be a Scalar"):
        Trace(3.0)
    with pytest.raises(ValueError, match="two nodes have one name"):
        Trace(Scalar(1.0, name="x") + Scalar(2.0, name="x"))
    y = Scalar(1.0)
    for _ in range(LIMIT):
        y = -y
    with pytest.raises(ValueError, match="1001 nodes is too long"):
        Trace(y)
