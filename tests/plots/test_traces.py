"""The graph of a trace: what is drawn is what was recorded, in words too; labels are escaped; too much is refused."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from helpers.diff import log, sin
from helpers.diff.scalar import Scalar
from helpers.diff.trace import Trace, trace
from helpers.plots import drawing
from helpers.plots.traces import LIMIT, STYLES, kind, plot_trace, shrinkable


class Row(NamedTuple):
    name: str
    formula: str = ""
    value: float = 1.0
    adjoint: str = "a"
    adjoint_formula: str = "x"
    gradient: float = 1.0


class Edge(NamedTuple):
    parent: str
    child: str
    derivative: float = 1.0


class Table(NamedTuple):
    rows: list[Row]
    edges: list[Edge]


def bellani():
    return trace(lambda x1, x2: log(x1) + x1 * x2 - sin(x2), {"x1": 2.0, "x2": 5.0})


def nodes_and_arrows(source):
    nodes = dict(re.findall(r"^(n\d+) \[(.*)\];$", source, re.MULTILINE))
    arrows = re.findall(r'^(n\d+) -> (n\d+) \[label=" (\S+) "\];$', source, re.MULTILINE)
    return nodes, arrows


def test_every_node_and_every_arrow_is_there_with_its_numbers():
    table = bellani()
    nodes, arrows = nodes_and_arrows(plot_trace(table).drawing.source)
    assert len(nodes) == len(table.rows) == 7
    numbered = {row.name: f"n{i}" for i, row in enumerate(table.rows)}
    expected = [(numbered[e.parent], numbered[e.child], f"{e.derivative:.4g}") for e in table.edges]
    assert arrows == expected
    assert len(arrows) == 8
    for row in table.rows:
        assert f"{row.value:.4g}" in nodes[numbered[row.name]]
        assert f"{row.adjoint} = {row.gradient:.4g}" in nodes[numbered[row.name]]


def test_inputs_operations_and_output_differ_by_shape_and_colour():
    table = bellani()
    assert [kind(row) for row in table.rows] == ["input"] * 2 + ["operation"] * 4 + ["output"]
    shapes = [re.sub(r", style.*", "", style) for style in STYLES.values()]
    fills = [re.search(r'fillcolor="(.*?)"', style)[1] for style in STYLES.values()]
    assert len(set(shapes)) == len(set(fills)) == 3


def test_the_words_say_what_the_picture_shows():
    words = plot_trace(bellani()).description
    assert "Inputs: x1 = 2, adjoint 5.5; x2 = 5, adjoint 1.716." in words
    assert "Output: v5 = v4 - v3 = 11.65, adjoint 1." in words
    assert "x2 to v3, 0.2837" in words
    assert "adjoint" not in plot_trace(bellani(), adjoints=False).description


def test_before_the_backward_pass_no_adjoint_is_shown():
    assert "5.5" in plot_trace(bellani()).drawing.source
    assert "5.5" not in plot_trace(bellani(), adjoints=False).drawing.source


def test_an_unused_input_stands_alone_and_an_input_can_be_the_output():
    table = trace(lambda a, b, c: a + b if a > 0 else a + c, {"a": 1.0, "b": 2.0, "c": 3.0})
    assert [kind(row) for row in table.rows] == ["input", "input", "input", "output"]
    assert "c = 3, adjoint 0" in plot_trace(table).description
    assert (
        "Output: x = 2, adjoint 1. Arrows with local derivatives: none."
        in plot_trace(trace(lambda x: x, {"x": 2.0})).description
    )


def test_a_number_used_twice_has_two_arrows():
    assert len(nodes_and_arrows(plot_trace(trace(lambda x: x * x, {"x": 3.0})).drawing.source)[1]) == 2


def test_labels_are_escaped_and_long_ones_cut():
    odd = '<b>&"x\\n'
    graph = plot_trace(
        Table([Row(odd, adjoint="]; evil"), Row("y" * 99, odd, adjoint_formula="")], [Edge(odd, "y" * 99)])
    )
    assert "&lt;b&gt;&amp;&quot;x" in graph.drawing.source
    assert "y" * 30 not in graph.drawing.source
    page = graph._repr_mimebundle_()["text/html"]
    assert "<b>&" not in page
    if drawing._ways():
        assert graph.drawing.svg is not None


def test_it_shows_itself_with_words_with_and_without_a_drawer(monkeypatch):
    if drawing._ways():
        page = plot_trace(bellani())._repr_mimebundle_()["text/html"]
        assert page.count("<svg") == 1
        assert 'role="img" aria-label="Graph of a computation.' in page
    monkeypatch.setattr(drawing, "_ways", list)
    bundle = plot_trace(bellani(), look_for="<this>")._repr_mimebundle_()
    assert "pip install pygraphviz" in bundle["text/html"]
    assert "What to look for:</b> &lt;this&gt;" in bundle["text/html"]
    assert "Inputs: x1 = 2" in bundle["text/html"]
    assert bundle["text/plain"].startswith("Graph of a computation.")


def test_text_is_large_enough_to_read():
    assert all(float(size) >= 12 for size in re.findall(r"fontsize=([\d.]+)", plot_trace(bellani()).drawing.source))


def test_a_wide_drawing_shrinks_by_a_sixth_at_most():
    svg = '<svg width="960pt" height="300pt" viewBox="0 0 960 300"><g/></svg>'
    style = "width:100%;min-width:800pt;max-width:960pt;height:auto"
    assert shrinkable(svg) == f'<svg style="{style}" {svg[5:]}'
    assert shrinkable("<svg><g/></svg>") == "<svg><g/></svg>"  # of a width that is not known, nothing is promised
    if drawing._ways():
        shown = plot_trace(bellani())
        width = float(re.search(r'width="([\d.]+)pt"', shown.drawing.svg)[1])
        least = float(re.search(r"min-width:(\d+)pt", shown._repr_mimebundle_()["text/html"])[1])
        assert width * 5 / 6 == pytest.approx(least, abs=0.5)


def chain(length):
    y = x = Scalar(1.0)
    for _ in range(length):
        y = y + x
    return y


def test_a_graph_that_nobody_could_read_is_refused():
    assert plot_trace(Trace(chain(LIMIT - 1))).description
    with pytest.raises(ValueError, match=f"a graph of {LIMIT + 1} nodes cannot be drawn legibly"):
        plot_trace(Trace(chain(LIMIT)))


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (chain(2), TypeError, r"must have rows and edges, as Trace\(y\) has, got Scalar"),
        (Table([], []), ValueError, "0 nodes"),
        (Table([Row("x"), Row("x")], []), ValueError, "different names"),
        (Table([Row("x")], [Edge("x", "y")]), ValueError, "no row is called y"),
    ],
)
def test_what_is_no_trace_is_refused(table, error, words):
    with pytest.raises(error, match=words):
        plot_trace(table)
