"""Every picture's words say what its artists show: the numbers are counted again in the figure itself."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

import helpers.plots
from helpers.datasets import datasets
from helpers.plots import (
    Curves,
    DecisionField,
    LayerProgress,
    Picture,
    Recording,
    decision_boundary,
    plot_backprop_progress,
    plot_curves,
    plot_dataset,
    plot_jacobian,
    plot_local_progress,
    plot_spread,
    plot_step_sizes,
    plot_trace,
)
from helpers.plots.errors import plot_cycle
from helpers.plots.idempotent import (
    plot_basins,
    plot_cobweb,
    plot_eigenvalue_flow,
    plot_images,
    plot_rates,
    plot_scalar_maps,
)
from helpers.plots.pictures import new_axes, percent, to_edge
from helpers.plots.programs import plot_matrices
from helpers.plots.recordings import IdempotentProgress, RuleState
from helpers.plots.signals import FLOWS, plot_angles, plot_differences, plot_flow, plot_rule_table

A = np.linspace(-1, 2, 31)
CUBIC = 3 * A**2 - 2 * A**3
SET = datasets["signed_xor"].test(samples=500)
NAN = float("nan")


def steep(points):
    return 3 * np.asarray(points)[:, :1]


def progress():
    return plot_backprop_progress([(1, 0.5), (2, 0.4)], steep, SET, SET, size=8)


def idempotent():
    picture = IdempotentProgress(["a", "b", "c"], 3)
    outputs = np.array([[9.0, 0.1], [0.1, -7.0], [0.5, 0.5]])
    picture.record(1, [RuleState(outputs, outputs, error, 1.0, 1) for error in (0.0, 1.0, 1e9)])
    picture.move()
    picture.trace()
    return picture


PICTURES = {
    "decision_boundary": lambda: decision_boundary(steep, SET.X, SET.Y, size=9),
    "plot_dataset": lambda: plot_dataset(SET.X, SET.Y),
    "plot_curves": lambda: plot_curves([1, 2, 3], {"a": [1, NAN, 3], "b": [0, 1, 2]}, x_label="x", y_label="y"),
    "plot_spread": lambda: plot_spread({"a": [0.1, NAN]}, x_label="accuracy"),
    "plot_jacobian": lambda: plot_jacobian([[1, 0], [-2, 3]]),
    "plot_step_sizes": lambda: plot_step_sizes([1e-3, 1e-2, 1e-1], {"a": [0, 0, 1e9]}, {"a": [1, 1, 1]}, {"a": 1e-9}),
    "plot_backprop_progress": progress,
    "plot_angles": lambda: plot_angles({"a": np.full((3, 4, 2), 60.0)}),
    "plot_differences": lambda: plot_differences({"d": {"a": [0.1, 0.2]}}, np.std, x_label="difference"),
    "plot_rule_table": lambda: plot_rule_table({"a": {"d": [0.4, NAN]}, "b": {"d": [NAN]}}),
    "plot_cycle": lambda: plot_cycle([5, 0.5, 3j], [NAN, 1, 1e9], [1, 0, 1]),
    "plot_scalar_maps": lambda: plot_scalar_maps(A, {"f": CUBIC, "g": A**2}, mark=2.5),
    "plot_cobweb": lambda: plot_cobweb(A, CUBIC, [1.9, 5.0, 1e9, np.inf], name="f"),
    "plot_basins": lambda: plot_basins(A, np.where(A < 0.5, 0, np.where(A > 0.5, 1, 0.5)), mark=7.0),
    "plot_eigenvalue_flow": lambda: plot_eigenvalue_flow(
        [[0.4, 9], [0.0, 2e3]], real=[0, 1], imaginary=[0, 1], ends=[[0, 1], [0.5, np.inf]]
    ),
    "plot_rates": lambda: plot_rates(
        [0.1, 1], {"r": [[0.0, np.inf], [1e-3, NAN]]}, {"r": [[False, False], [False, False]]}
    ),
    "plot_images": lambda: plot_images({"x": [[0, 1, 2, -1]]}, look_for="white"),
    "plot_matrices": lambda: plot_matrices({"J": [[0, 1], [2, 0]]}, names="ab", look_for="zeros"),
    "plot_flow": lambda: plot_flow(["back-propagation", "forward-forward"]),
    "IdempotentProgress": idempotent,
}
ELSEWHERE = {  # made by the functions above, a graph and no figure, or run by a rule in tests of its own
    Curves, DecisionField, LayerProgress, Picture, Recording, plot_local_progress, plot_trace,
}  # fmt: skip


@pytest.fixture(params=PICTURES)
def picture(request):
    return PICTURES[request.param]()


def test_every_public_picture_is_looked_at():
    elsewhere = {thing.__name__ for thing in ELSEWHERE}
    assert set(helpers.plots.__all__) <= set(PICTURES) | elsewhere
    assert elsewhere <= set(helpers.plots.__all__)


def counted(figure: Figure):
    """Of every line and scatter, by name: points in all, without a value, and out of the limits."""
    found = {}
    for ax in figure.axes:
        for line in ax.lines:
            if line.get_gid() == "pieces" or line.get_transform() != ax.transData:
                continue
            x, y = (np.asarray(values, dtype=float) for values in line.get_data())
            bad = ~(np.isfinite(x) & np.isfinite(y))
            (x0, x1), (y0, y1) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
            bad |= (ax.get_yscale() == "log") & (y <= 0)
            out = ~bad & ((x < x0 - 1e-6) | (x > x1 + 1e-6) | (y < y0 - 1e-6) | (y > y1 + 1e-6))
            label = line.get_label()
            total = found.setdefault(("unnamed" if label.startswith("_") else label, ax), [0, 0, 0])
            for i, number in enumerate((len(x), bad.sum(), out.sum())):
                total[i] += int(number)
    return found


def test_points_that_are_not_seen_are_counted_in_the_words(picture):
    words = picture.description
    for (name, _), (total, bad, out) in counted(picture.figure).items():
        for number, what in ((bad, "not drawn"), (out, "beyond the axes")):
            if number:
                said = re.search(rf"points of {re.escape(name)}[^.]*: [^.]*?\b{number:,} {what}", words)
                assert said, (name, total, number, what, words)


def test_a_field_covers_its_axes_and_no_legend_names_what_is_not_there(picture):
    picture.figure.canvas.draw()
    for ax in picture.figure.axes:
        for image in ax.images:
            left, right, bottom, top = image.get_extent()
            (x0, x1), (y0, y1) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
            if "images of" not in picture.words:  # which has a white line between images
                assert min(left, right) <= x0 + 1e-9
                assert x1 <= max(left, right) + 1e-9
                assert min(bottom, top) <= y0 + 1e-9
                assert y1 <= max(bottom, top) + 1e-9
        legend = ax.get_legend()
        names = [text.get_text() for text in legend.get_texts()] if legend else []
        assert len(set(names)) == len(names)


def test_no_number_in_the_words_is_a_nan_that_is_not_explained(picture):
    words = picture.description
    assert "inf of" not in words
    if re.search(r"\bnan\b", words):
        assert "not drawn" in words


@pytest.mark.parametrize(("n", "limit"), [(7, 400), (400, 400), (1000, 400), (1000, 3), (1000, 5000)])
def test_a_data_set_is_described_as_it_is_drawn(n, limit):
    data = datasets["signed_xor"].test(samples=n)
    scatter = plot_dataset(data.X, data.Y, limit=limit)
    drawn = [len(mark.get_xdata()) for mark in scatter.figure.axes[0].lines]
    assert [int(k.replace(",", "")) for k in re.findall(r"([\d,]+) of class", scatter.description)] == drawn
    assert sum(drawn) == min(n, limit)
    assert (f"first {limit:,} of {n:,} points" in scatter.description) == (limit < n)
    shown = scatter.figure.axes[0].get_legend().get_title().get_text()
    assert (f"{limit:,} of {n:,}" in shown) == (limit < n)


def test_a_curve_is_described_by_what_is_drawn_of_it():
    words = plot_curves(
        [1, 2, 3], {"a": [1, 0.1, -1], "b": [0, 0, 0]}, x_label="x", y_label="y", log_y=True
    ).description
    assert "a from 1 to 0.1; b has no point" in words
    assert "Of the 3 points of a (y): 1 not drawn" in words
    assert "Of the 3 points of b (y): 3 not drawn" in words


def test_one_class_alone_is_named_as_it_is():
    assert "5 of class 1" in plot_dataset(np.ones((5, 2)), np.ones((5, 1))).description
    assert "class 0" not in plot_dataset(np.ones((5, 2)), np.ones((5, 1))).description


@pytest.mark.parametrize(
    ("X", "Y", "limit"),
    [([[NAN, 0]], [[0]], 9), ([[np.inf, 0]], [[0]], 9), ([[1, 0]], [[0], [1]], 9), ([[1, 0]], [[NAN]], 9),
     ([[1, 0]], [[-1]], 9), ([[1, 0]], [[7]], 9), ([[1, 0]], [[0.3]], 9), ([[1, 0]], [[1, 1]], 9),
     ([[1, 0]], [[0]], 0), ([[1, 0]], [[0]], 2.5)],
)  # fmt: skip
def test_points_that_have_no_place_or_class_are_refused(X, Y, limit):
    with pytest.raises((TypeError, ValueError), match=r"^(X|Y|limit) "):
        plot_dataset(X, Y, limit=limit)


def test_scores_beyond_the_colours_are_said():
    assert "Scores go from -3.3 to 3.3" in decision_boundary(steep, [[1, 1]], size=9).description
    assert "Scores go" not in decision_boundary(lambda p: np.full((len(p), 1), 0.5), [[1, 1]], size=9).description


def test_the_repelling_fixed_point_is_in_no_basin():
    flow = PICTURES["plot_eigenvalue_flow"]()
    for part in ("25.0% goes to 0", "25.0% goes to 1", "25.0% neither so far", "25.0% diverges"):
        assert part in flow.description
    legend = [text.get_text() for text in flow.figure.axes[0].get_legend().get_texts()]
    assert legend == ["goes to 0", "goes to 1", "neither so far", "diverges"]
    half = plot_eigenvalue_flow([[0.5]], real=[0, 1], imaginary=[0, 1], ends=np.full((2, 2), 0.5))
    assert "100.0% neither so far" in half.description


def test_values_moved_to_an_edge_are_said_with_their_own_number():
    words = PICTURES["plot_cycle"]().description
    assert "change of z in step k: nan at k = 0, 1e+09 at k = 2" in words
    assert re.search(r"points of outside \(eigenvalues[^.]*: 2 moved to the edge", words)
    assert re.search(r"3 points of change of z in step k[^.]*1 moved to the edge", words)
    assert re.search(
        r"points of a \(idempotent error\): 1 moved to the edge", PICTURES["IdempotentProgress"]().description
    )


def test_a_mark_outside_is_not_given_a_value():
    for name, words in (("plot_scalar_maps", "2.5 lies outside"), ("plot_basins", "7 lies outside")):
        assert words in PICTURES[name]().description
    assert " at 2.5" not in PICTURES["plot_scalar_maps"]().description


def test_particulars_that_words_owe_the_reader():
    for name, words in (
        ("plot_step_sizes", "least 0 at 2 steps from h = 0.001 to 0.01"),
        ("plot_step_sizes", "its star stands at the edge"),
        ("plot_cobweb", "Only the first 2 of 4 iterates are drawn"),
        ("plot_rates", "2 diverged"),
        ("plot_rates", "1 errors below 1e-17"),
        ("plot_images", "2 pixels lie beyond 0 to 1"),
        ("plot_rule_table", "1 of 2 failed"),
        ("plot_rule_table", "b: d failed"),
        ("plot_rule_table", "1 medians lie below 0.5"),
        ("plot_backprop_progress", "the first 80 of 500 test points"),
        ("decision_boundary", "first 150 of 500 points"),
    ):
        assert words in PICTURES[name]().description, (name, PICTURES[name]().description)


def test_the_key_of_a_flow_names_the_arrows_that_are_drawn():
    for rule, flow in FLOWS.items():
        names = [text.get_text() for text in plot_flow(rule).figure.legends[0].get_texts()]
        assert ("label or target" in names) == bool(flow.label)


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.004, 0.5, 0.996, 1 - 1e-9, 1.0])
def test_a_percentage_is_0_or_100_only_where_the_share_is(share):
    for digits in (0, 1):
        text = percent(share, digits)
        assert (float(text.strip("%").split()[-1]) in (0, 100)) == (share in (0, 1))


def test_what_is_moved_to_an_edge_is_counted():
    (line,) = new_axes().plot([], [])
    assert to_edge(line, [0, 5, NAN, -3], -1, 1)[[0, 1, 3]].tolist() == [0, 1, -1]


@pytest.mark.parametrize("bad", [NAN, np.inf])
def test_what_no_axis_can_hold_is_refused_where_nothing_could_be_said(bad):
    with pytest.raises(ValueError, match="finite"):
        plot_angles({"a": np.full((2, 2, 1), bad)})
    with pytest.raises(ValueError, match="finite"):
        plot_differences({"d": {"a": [bad]}}, np.std, x_label="x")
    with pytest.raises(ValueError, match="finite"):
        plot_images({"a": [[bad] * 4]}, look_for="x")
    with pytest.raises(ValueError, match="one number for each x"):
        plot_curves([1, 2], {"a": [1, 2, 3]}, x_label="x", y_label="y")
