"""The picture of a stepper: laid out once without overlap, filled in step by step, the same told in words."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from helpers.diff import exp, tanh
from helpers.diff.formula import parse
from helpers.diff.step_graphs import graph_of
from helpers.diff.steps import Sweep
from helpers.plots.layers import BETWEEN, LANE, layered
from helpers.plots.step_table import lines_of, short, trace_table
from helpers.plots.stepper import LIMIT, StepPicture, wide

FIGURE_1 = graph_of(parse("log(x1) + x1*x2 - sin(x2)"), {"x1": 2.0, "x2": 5.0})
NET = graph_of(
    lambda x, W1, W2, t: (W2 @ tanh(W1 @ x) - t) ** 2,
    {"x": np.array([[1.0], [-0.5]]), "W1": np.eye(3, 2), "W2": np.ones((1, 3)), "t": np.array([[1.0]])},
)
REPEATED = graph_of(parse("x*x*x + exp(x)"), {"x": 0.5})
GRAPHS = pytest.mark.parametrize("graph", [FIGURE_1, NET, REPEATED], ids=["figure 1", "net", "repeated"])
MODES = pytest.mark.parametrize("mode", ["reverse", "forward", "values"])


def tags(svg, kind):
    """Return the elements of an SVG, which must be well-formed, by what they are."""
    return [element for element in ElementTree.fromstring(svg).iter() if element.tag == kind]


def boxes(layout, sizes):
    return {n: (x - sizes[n][0] / 2, y - sizes[n][1] / 2, *sizes[n]) for n, (x, y) in layout.centres.items()}


@GRAPHS
@MODES
def test_nothing_overlaps_and_nothing_leaves_the_picture(graph, mode):
    picture = StepPicture(Sweep(graph, mode))
    layout = picture.layout
    places = boxes(layout, picture.sizes)
    for (x, y, w, h), (a, b, c, d) in itertools.combinations(places.values(), 2):
        assert x + w <= a or a + c <= x or y + h <= b or b + d <= y
    for x, y, w, h in places.values():
        assert min(x, y) > 0
        assert x + w < layout.width
        assert y + h < layout.height
    for path in layout.paths:
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path)]
        assert min(numbers) > 0
        assert max(numbers[::2]) < layout.width
        assert max(numbers[1::2]) < layout.height
    for edge, (start, end) in zip(graph.edges, layout.ends):
        x, _, w, _ = places[edge.parent]
        assert start[0] == pytest.approx(x + w)
        assert end[0] == pytest.approx(places[edge.child][0])
        assert end[0] > start[0]  # every arrow runs to the right


def test_an_arrow_that_passes_a_node_keeps_clear_of_it():
    sizes = dict.fromkeys("abcd", (60.0, 40.0))
    layout = layered(sizes, [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")], [80.0] * 4)
    lane = float(re.findall(r"L[\d.]+,([\d.]+)", layout.paths[3])[0])
    assert abs(lane - layout.centres["b"][1]) >= (40 + BETWEEN + LANE) / 2 - 0.1  # as it is rounded
    assert layout.labels[3][0] > layout.centres["c"][0]


def test_crossings_are_avoided_where_they_can_be():
    edges = [("a", "y"), ("b", "x"), ("x", "z"), ("y", "z")]
    layout = layered(dict.fromkeys("abxyz", (50.0, 30.0)), edges, [60.0] * 4)
    (_, a), (_, b), (_, x), (_, y), _ = layout.centres.values()
    assert (a - b) * (y - x) > 0


def test_parallel_arrows_bow_apart():
    layout = layered(dict.fromkeys("xy", (50.0, 30.0)), [("x", "y")] * 2, [60.0] * 2)
    assert abs(layout.labels[0][1] - layout.labels[1][1]) > 25


@GRAPHS
@MODES
def test_a_step_moves_nothing(graph, mode):
    picture = StepPicture(Sweep(graph, mode))
    frames = [picture.svg(k) for k in range(len(picture.sweep.steps) + 1)]
    sizes = {(f"{w:.1f}", f"{h:.1f}") for w, h in picture.sizes.values()}
    rects = [[[r.get(key) for key in ("x", "y", "width", "height")] for r in tags(frame, "rect")] for frame in frames]
    placed = [[rect for rect in frame if tuple(rect[2:]) in sizes] for frame in rects]
    assert len(placed[0]) == len(graph.nodes)
    assert all(each == placed[0] for each in placed)
    assert len(set(frames)) == len(frames)  # each step shows


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
    assert "v̄2 · ∂v2/∂x1" in picture.svg(12)
    assert "1 · 5 = 5" in picture.svg(12)
    assert ">x̄1 = 5 + …<" in picture.svg(12)
    assert ">x̄1 = 5.5<" in picture.svg(14)


def test_texts_fit_into_their_boxes():
    assert wide("v̄1") < wide("v1") + 1  # the bar takes no room
    assert 45 < wide("log(x1)") < wide("log(x1)", "bold") < 70
    picture = StepPicture(Sweep(NET))
    for k in range(len(picture.sweep.steps) + 1):
        for name in picture.nodes:
            state = picture.sweep.state(k)
            for line in picture._slopes(name, state, picture._arrived(name, state)):
                assert wide(line) < picture.sizes[name][0]


def test_the_table_fills_in():
    sweep = Sweep(FIGURE_1)
    pale = [trace_table(sweep, k).count("opacity") for k in range(15)]
    assert pale[0] == 5 + 7
    assert pale[-1] == 0
    half = re.sub(r"<[^>]*>", "", trace_table(sweep, 12))
    assert "x̄1 = v̄2 · ∂v2/∂x1 + v̄1 · ∂v1/∂x1 = 1 · 5 + … = …" in half
    whole = trace_table(sweep, 14)
    assert "x̄1 = v̄2 · ∂v2/∂x1 + v̄1 · ∂v1/∂x1 = 1 · 5 + 1 · 0.5 = 5.5" in whole
    assert whole.count('<th scope="col"') == 2
    assert whole.count("#ffe9a8") == 1  # the line of this step
    assert trace_table(Sweep(FIGURE_1, "values"), 2).count("<th ") == 1


def test_the_words_say_what_the_picture_shows():
    picture = StepPicture(Sweep(FIGURE_1), 12)
    assert picture.description == (
        "Graph of a computation with 7 nodes. Step 12 of 14: x̄1 += v̄2 · ∂v2/∂x1 = 1 · 5 = 5. Values known: x1 = 2, "
        "x2 = 5, v1 = 0.693147, v2 = 10, v3 = -0.958924, v4 = 10.6931, v5 = 11.6521. Adjoints: x̄1 = 5 so far, "
        "x̄2 = -0.283662 so far, v̄1 = 1, v̄2 = 1, v̄3 = -1, v̄4 = 1, v̄5 = 1."
    )
    shown = picture._repr_mimebundle_()
    assert "Not computed yet: v1, v2" in StepPicture(Sweep(FIGURE_1)).description
    assert "What to look for" in shown["text/html"]
    assert "Dashed: not computed yet" in shown["text/html"]
    assert shown["text/plain"].startswith(picture.description)


def test_markup_in_names_is_escaped():
    graph = graph_of(lambda a, b: exp(a) * b, {"a<b": 1.0, "b&": 2.0})
    picture = StepPicture(Sweep(graph))
    for k in range(len(picture.sweep.steps) + 1):
        tags(picture.svg(k), "text")
        ElementTree.fromstring(trace_table(picture.sweep, k))


def test_numbers_and_arrays():
    assert lines_of(-0.958924) == ["-0.9589"]
    assert lines_of(np.array([[7.0]])) == ["7"]
    assert lines_of(np.array([[1.0, -0.5], [0.25, 2.0]])) == [
        "\u2007\u20071.00\u2007-0.50",
        "\u2007\u20070.25\u2007\u20072.00",
    ]
    assert lines_of(np.array([[1.0, -0.5, 2.0]])) == ["1.00  -0.50  2.00"]
    assert lines_of(np.zeros((5, 2))) == ["10 numbers"]
    assert short(np.array([[1.0, -0.5], [0.25, 2.0]])) == "[1.00 -0.50; 0.25 2.00]"
    assert short(float("nan")) == "nan"


def test_too_large_a_graph_is_refused():
    graph = graph_of(parse("+".join(["x"] * (LIMIT + 1))), {"x": 1.0})
    with pytest.raises(ValueError, match="a graph of 41 nodes cannot be followed; the stepper takes 40 at most"):
        StepPicture(Sweep(graph))
    StepPicture(Sweep(graph_of(parse("+".join(["x"] * LIMIT)), {"x": 1.0})))
