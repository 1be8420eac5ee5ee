"""The drawing of a computation: what is drawn is what was recorded, at each step, and the same is told in words."""

from __future__ import annotations

import importlib.util
import itertools
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from helpers.diff import exp, tanh
from helpers.diff.formula import parse
from helpers.diff.graph import trace
from helpers.diff.lagrange import Program
from helpers.diff.steps import Sweep
from helpers.plots import drawing, plot_trace
from helpers.plots.traces import LIMIT, StepPicture, trace_table, wide

FIGURE_1 = trace(parse("log(x1) + x1*x2 - sin(x2)"), {"x1": 2.0, "x2": 5.0})
NET = trace(
    lambda x, W1, W2, t: (W2 @ tanh(W1 @ x) - t) ** 2,
    {"x": np.array([[1.0], [-0.5]]), "W1": np.eye(3, 2), "W2": np.ones((1, 3)), "t": np.array([[1.0]])},
)
REPEATED = trace(parse("x*x*x + exp(x)"), {"x": 0.5})
GRAPHS = pytest.mark.parametrize("graph", [FIGURE_1, NET, REPEATED], ids=["figure 1", "net", "repeated"])
MODES = pytest.mark.parametrize("mode", ["reverse", "forward", "values"])


def tags(svg, kind):
    """Return the elements of an SVG, which must be well-formed, by what they are."""
    return [element for element in ElementTree.fromstring(svg).iter() if element.tag == kind]


def texts(svg):
    return [element.text for element in tags(svg, "text")]


@GRAPHS
@MODES
def test_nothing_overlaps_every_text_fits_and_a_step_moves_nothing(graph, mode):
    picture = StepPicture(Sweep(graph, mode))
    places = {name: (*picture.centres[name], *size) for name, size in picture.sizes.items()}
    for (x, y, w, h), (a, b, c, d) in itertools.combinations(places.values(), 2):
        assert abs(x - a) >= (w + c) / 2 or abs(y - b) >= (h + d) / 2
    for i, edge in enumerate(graph.edges):
        (begin, _), (end, _) = picture.lines[i][0], picture.lines[i][-1]
        assert begin == pytest.approx(places[edge.parent][0] + places[edge.parent][2] / 2, abs=2)
        assert end == pytest.approx(places[edge.child][0] - places[edge.child][2] / 2, abs=2)
        assert begin < end  # every arrow runs to the right
    frames = [picture.svg(k) for k in range(len(picture.sweep.steps) + 1)]
    assert len(set(frames)) == len(frames)  # each step shows
    nodes = {(f"{w:.1f}", f"{h:.1f}") for w, h in picture.sizes.values()}
    placed = []
    for svg, step in zip(frames, [None, *picture.sweep.steps]):
        rects = [tuple(r.get(key) for key in ("x", "y", "width", "height")) for r in tags(svg, "rect")]
        placed.append([rect for rect in rects if rect[2:] in nodes])
        boxes = [[float(number) for number in rect] for rect in rects]
        assert all(a >= 0 <= b and a + c <= picture.width and b + d <= picture.height for a, b, c, d in boxes)
        for text in tags(svg, "text"):
            x, y, width = float(text.get("x")), float(text.get("y")), wide(text.text or "", text.get("font-weight"))
            assert any(a <= x - width / 2 and x + width / 2 <= a + c and b <= y <= b + d for a, b, c, d in boxes), text
        if step and step.edge is not None:
            assert step.symbols in texts(svg)
    assert len(placed[0]) == len(graph.nodes)
    assert all(each == placed[0] for each in placed)


def test_what_is_not_yet_is_dashed_and_what_is_now_is_thick_and_marked():
    picture = StepPicture(Sweep(FIGURE_1))
    for position in range(15):
        svg = picture.svg(position)
        dashed = [r for r in tags(svg, "rect") if r.get("stroke-dasharray") == "5,4" and r.get("fill") == "#ffffff"]
        thick = [r for r in tags(svg, "rect") if r.get("stroke-width") == "4.5"]
        arrows = [p for p in tags(svg, "path") if p.get("stroke-width") == "5.0"]
        assert len(dashed) == max(0, 5 - position)
        assert len(thick) == (position > 0)
        assert len(arrows) == (position > 6)  # along one edge, once the output has its 1
    assert {"v̄2 · ∂v2/∂x1", "1 · 5 = 5", "x̄1 = 5 + …"} <= set(texts(picture.svg(12)))
    assert "x̄1 = 5.5" in texts(picture.svg(14))


@MODES
def test_the_words_and_the_picture_say_the_same_at_every_step(mode):
    sweep = Sweep(FIGURE_1, mode)
    picture = StepPicture(sweep)
    for position in range(len(sweep.steps) + 1):
        drawn, said, state = texts(picture.svg(position)), picture.describe(position), sweep.state(position)
        for name, value in state.values.items():
            assert f"{name} = {value:.6g}" in said
            assert f"{value:.4g}" in drawn
        assert drawn.count("?") == (len(sweep.nodes) - len(state.values))
        for name in sweep.nodes:
            if name in state.slopes and state.received[name] == sweep.expected[name]:
                assert f"{sweep.slope_name(name)} = {state.slopes[name]:.4g}" in drawn
                assert f"{sweep.slope_name(name)} = {state.slopes[name]:.6g}" in said
    if mode == "reverse":
        assert "x̄1 = 5 so far, x̄2 = -0.283662 so far" in StepPicture(sweep, 12).description
    assert "Not computed yet: v1, v2" in picture.describe(0)


def test_the_table_fills_in():
    sweep = Sweep(FIGURE_1)
    pale = [trace_table(sweep, k).count("opacity") for k in range(15)]
    assert (pale[0], pale[-1]) == (5 + 7, 0)
    half = re.sub(r"<[^>]*>", "", trace_table(sweep, 12))
    assert "x̄1 = v̄2 · ∂v2/∂x1 + v̄1 · ∂v1/∂x1 = 1 · 5 + … = …" in half
    whole = trace_table(sweep, 14)
    assert "x̄1 = v̄2 · ∂v2/∂x1 + v̄1 · ∂v1/∂x1 = 1 · 5 + 1 · 0.5 = 5.5" in whole
    assert whole.count('<th scope="col"') == 2
    assert whole.count("#ffe9a8") == 1  # the line of this step
    assert trace_table(Sweep(FIGURE_1, "values"), 2).count("<th ") == 1


def test_a_still_picture_shows_every_node_and_every_arrow_with_its_numbers():
    picture = plot_trace(FIGURE_1)
    drawn, said = texts(picture.svg(picture.position)), picture.description
    sweep = picture.sweep
    for name, node in sweep.nodes.items():
        adjoint = sweep.state(99).slopes[name]
        assert f"{sweep.slope_name(name)} = {adjoint:.4g}" in drawn
        assert " = ".join(filter(None, [name, node.formula, f"{node.value:.6g}"])) in said
        assert f"{sweep.slope_name(name)} = {adjoint:.6g}" in said
    for edge in FIGURE_1.edges:
        assert f"{edge.derivative:.4g}" in drawn
        assert f"{edge.parent} to {edge.child}, {edge.derivative:.6g}" in said
    assert len(tags(picture.svg(14), "path")) == 2 * len(FIGURE_1.edges)
    before = plot_trace(FIGURE_1, adjoints=False, look_for="<this>")
    assert not any("̄" in text for text in texts(before.svg(5)))
    assert "Adjoints" not in before.description
    page = before._repr_mimebundle_()["text/html"]
    assert "What to look for:</b> &lt;this&gt;" in page
    assert "<table" not in page
    unused = plot_trace(lambda a, b, c: a + b if a > 0 else a + c, {"a": 1.0, "b": 2.0, "c": 3.0})
    assert "c̄ = 0" in unused.description
    program = Program(["x"]).let("a", exp, "x").let("f", lambda a, x: a * x, "a", "x")
    assert "λ_x = 1," in plot_trace(program, {"x": 0.0}).description


def test_markup_in_names_is_escaped_and_long_formulas_are_cut():
    graph = trace(lambda a, b: exp(a) * b, {"a<b": 1.0, "b" * 40: 2.0})
    picture = StepPicture(Sweep(graph))
    for k in range(len(picture.sweep.steps) + 1):
        assert all(len(text) <= 60 for text in texts(picture.svg(k)))
        ElementTree.fromstring(trace_table(picture.sweep, k))


def test_too_large_a_graph_is_refused():
    many = trace(parse("+".join(["x"] * (LIMIT + 1))), {"x": 1.0})
    for drawn in (lambda: StepPicture(Sweep(many)), lambda: plot_trace(many)):
        with pytest.raises(ValueError, match="a graph of 41 nodes cannot be followed; at most 40 are drawn"):
            drawn()
    plot_trace(parse("+".join(["x"] * LIMIT)), {"x": 1.0})
    with pytest.raises(TypeError, match="source must be a function"):
        plot_trace(3.0)


def test_without_graphviz_it_is_text_with_a_hint(monkeypatch):
    monkeypatch.setattr(drawing, "_ways", list)
    shown = plot_trace(FIGURE_1)._repr_mimebundle_()["text/html"]
    assert "<svg" not in shown
    assert "pip install pygraphviz" in shown
    assert "v1 = log(x1) = 0.693147" in shown
    stepped = StepPicture(Sweep(FIGURE_1), 12)._repr_mimebundle_()["text/html"]
    assert "Step 12 of 14" in stepped
    assert "<table" in stepped
    graph = drawing.draw("digraph { x -> f }")
    assert graph.svg is None
    assert "x -&gt; f" in graph._repr_mimebundle_()["text/html"]


@pytest.mark.skipif(importlib.util.find_spec("pygraphviz") is None, reason="pygraphviz is not installed")
def test_without_dot_the_package_draws(monkeypatch):
    monkeypatch.setattr(drawing.shutil, "which", lambda name: None)
    drawn = drawing.draw('digraph { a [label="\\nempty first line"]; a -> b }')
    assert drawn.drawn == "drawn by pygraphviz"
    assert "empty first line" in drawn.svg
    assert 'role="img"' in drawn._repr_mimebundle_()["text/html"]
    assert 'label="\\n' not in drawn.source


def test_a_drawer_that_crashes_leaves_text_with_the_reason_and_a_wide_drawing_shrinks_by_a_sixth_at_most(monkeypatch):
    crash = [drawing.sys.executable, "-c", "import os; os.abort()"]
    monkeypatch.setattr(drawing, "_ways", lambda: [(crash, "a faulty drawer")])
    assert "a faulty drawer did not draw it: exit status" in drawing.draw("digraph { x -> f }").drawn
    svg = '<svg width="960pt" height="300pt" viewBox="0 0 960 300"><g/></svg>'
    shown = drawing.Drawing(svg, "", "drawn", "look", "words")._repr_mimebundle_()["text/html"]
    assert "width:100%;min-width:800pt;max-width:960pt;height:auto" in shown
