"""Every picture's words say what its artists show, and every picture is legible, dark page or not.

For each picture `PICTURES` has how it is made, and phrases that are read off its artists again: lines, dots, texts,
pixels. Each of them must stand in its words.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from helpers.datasets import datasets
from helpers.plots import (
    decision_boundary,
    plot_backprop_progress,
    plot_curves,
    plot_dataset,
    plot_jacobian,
    plot_spread,
)
from helpers.plots.derivatives import DescentPicture, DualPicture, SecantPicture
from helpers.plots.errors import CyclePicture
from helpers.plots.idempotent import (
    ENDS,
    PALE,
    Basins,
    Cobweb,
    ScalarMaps,
    plot_eigenvalue_flow,
    plot_images,
    plot_rates,
)
from helpers.plots.jacobians import plot_matrices
from helpers.plots.pictures import percent
from helpers.plots.playground import PlaygroundPicture
from helpers.plots.recordings import ConstraintProgress, IdempotentProgress, Measured, RuleState
from helpers.plots.signals import FLOWS, plot_angles, plot_flow

NAN, INF = float("nan"), float("inf")
A = np.linspace(-1, 2, 31)
CUBIC = 3 * A**2 - 2 * A**3
SET, TRAIN = datasets["signed_xor"].test(samples=500), datasets["signed_xor"].train(samples=90)
STEPS = np.array([1e-3, 1e-2, 1e-1])
THREE, LINES = ("back-propagation", "direct feedback alignment", "forward-forward"), ("#0072B2", "#D55E00", "#009E73")
ANGLES = np.array([[[80.0, 60], [40, 30]], [[90, 70], [60, 20]], [[100, 65], [50, 25]]])
RATES = {"r": [[0.0, INF], [1e-3, NAN], [1e-2, 1e-3]], "s": [[0.0, 1], [0.0, 1], [1e-20, 1]]}
ZERO = {"r": [[False] * 2] * 3, "s": [[True, False]] * 2 + [[False, True]]}


def axes(picture, i=0):
    return picture.figure.axes[i]


def line(picture, name, i=0):
    """Return the y values of the line of that name."""
    return np.asarray(next(one for one in axes(picture, i).lines if one.get_label() == name).get_ydata(), dtype=float)


def steep(points):
    return 3 * np.asarray(points)[:, :1]


def layers(points):
    return [steep(points), 1 - steep(points)]


def boundary():
    picture = decision_boundary(steep, SET.X, SET.Y, size=9)
    yield picture
    pixels = picture.image.get_array().astype(int)
    yield f"{percent((pixels[..., 0] >= pixels[..., 2]).mean())} of the square is given to class 1"  # at least white
    yield f"first {sum(len(mark.get_xdata()) for mark in axes(picture).lines[1:])} of 500 points"
    yield "Scores go from -3.3 to 3.3"


def dataset():
    picture = plot_dataset(SET.X, SET.Y)
    yield picture
    for mark in axes(picture).lines:
        yield f"{len(mark.get_xdata())} of {mark.get_label()} ({mark.get_marker()})"
    assert sum(len(mark.get_xdata()) for mark in axes(picture).lines) == 400
    yield f"first {axes(picture).get_legend().get_title().get_text().splitlines()[0]} points"


def curves():
    values = {"a": [1, NAN, 3], "b": [0, -1, 0]}
    picture = plot_curves([1, 2, 4], values, x_label="x", y_label="y", log_x=True, log_y=True)
    yield picture
    yield f"y over x: a from {line(picture, 'a')[0]:.3g} to {line(picture, 'a')[-1]:.3g}; b has no point"
    yield from ("Of the 3 points of a (y): 1 not drawn", "Of the 3 points of b (y): 3 not drawn")


def spread():
    picture = plot_spread({"a": [0.1, NAN], "b": [0.1, 0.2, 0.9], "c": [NAN]}, x_label="accuracy")
    yield picture
    for bar, dots, text in zip(axes(picture).lines, axes(picture).collections, axes(picture).texts):
        runs = dots.get_offsets()[:, 0]
        yield f"median {bar.get_xdata()[0]:.3f} ({runs.min():.3f} to {runs.max():.3f}, {len(runs)} runs"
        yield f"median {text.get_text()} ("
    yield from ("1 failed", "c: all 1 runs failed", "b: median 0.200")
    assert [tick.get_text() for tick in axes(picture).get_yticklabels()] == ["a (1 failed)", "b", "c (1 failed)"]


def jacobian():
    picture = plot_jacobian([[1, 0], [-2, 3], [4, 0]], title="f")
    yield picture
    written = [text.get_text() for text in axes(picture).texts[:-1]]
    minus = sum(text.startswith("−") for text in written)
    (zeros,) = (marks for marks in axes(picture).collections if len(marks.get_offsets()) > 1)
    yield f"{len(written) - minus} are positive, {minus} negative, {len(zeros.get_offsets())} zero"
    yield axes(picture).texts[-1].get_text()


def matrices():
    given = {"J": [[0, 1], [2, 0]], "K": [[0, 0], [3, 0]], "O": np.zeros((2, 2))}
    picture = plot_matrices(given, names="ab", look_for="0")
    yield picture
    yield f"J: {len(axes(picture).texts)} of 4 entries are not zero, 1 above the diagonal, 0 on it"
    yield "K: 1 of 4 entries is not zero, all below the diagonal. O: every entry is zero"


def secant():
    picture = SecantPicture(STEPS, ["a", "b"])
    picture.sweep({"a": [0.5, 0, 1e9], "b": [3, 2, 4]}, {"a": [1, 1, 1], "b": [1, 1, 1]}, "sin, forward")
    picture.choose(1e-2, {"a": 0, "b": 2}, "b", (A, A), ((0, 1), (0, 1.2)))
    yield picture
    yield f"sin, forward. Error of the derivative at the step h = {picture.mark.get_xdata()[0]:.2g}. a: off by 0;"
    dots, chosen = (artists["b"] for artists in (picture.dots, picture.chosen))
    at = STEPS[int(dots.get_ydata().argmin())]
    yield f"b: off by {chosen.get_ydata()[0]:.2g}; least {min(dots.get_ydata()):.2g}, at h = {at:.1g}"
    yield from ("points of a (error of the derivative): 2 moved to the edge", "1 moved to the edge")


def descent():
    picture = DescentPicture((A, A), A)
    picture.update(np.tanh(picture.x), A**2, w=1.0, loss=1.0, slope=2.0, next=-3.0, then=9.0)
    yield picture
    w, size = picture.here.get_xydata()[0]
    yield f"At the weight {w:.2f} the loss is {size:.3g} and its slope 2. The step leads to the weight -3"
    yield "points of the next weight (loss): 1 moved to the edge"


def duals():
    formulas = {"x": "x", "a": "a = x²"}
    picture = DualPicture({"x": (0, 1), "a": (1, 1)}, formulas, [("x", "a")], A, {"x": A, "a": A**2})
    picture.update({"x": (0.5, 1.0), "a": (0.25, 1.0)}, 0.5)
    yield picture
    for name, point in picture.points.items():
        left, right = picture.slopes[name].get_xydata()
        yield f"{name}: {point.get_ydata()[0]:.4g}, slope {(right[1] - left[1]) / (right[0] - left[0]):.4g}"


def of_progress(picture, error, right, more):
    texts = [text.get_text() for ax in picture.figure.axes for text in (ax.title, *ax.texts)]
    for name in ("layer 1", "output"):
        accuracy, test = line(picture, name, right)[-1], line(picture, name, error)[-1]
        train = line(picture, f"{name}, train", error)[-1]
        yield f"{name}: test accuracy {accuracy:.3f}, test error {test:.3g}, training error {train:.3g}"
        assert {name, f"{percent(accuracy, 1)}{more}"} <= set(texts)


def progress():
    picture = plot_backprop_progress([(1, 0.5), (2, 0.4)], layers, TRAIN, SET)
    yield picture
    yield from of_progress(picture, -2, -1, " right")


def playground():
    options = {"total": 3, "size": 8, "measured": 300, "x_label": "epoch", "rules": ["a rule"]}
    picture = PlaygroundPicture(TRAIN, SET, [2, 9, 1], sets={}, chosen="", **options)
    picture.heading = "signed_xor: a rule"
    picture.record(0, layers)
    weights = [np.full((9, 3), 0.25), np.ones((1, 10))]
    picture.fill(layers(picture.where))
    picture.look([steep(picture.probes) * np.arange(1, 10)], weights, (1, 3, 2), choose=True)
    picture.trace()
    yield picture
    yield from ("signed_xor: a rule", "2-9-1 units", "1 of layer 1 are left out", "its weight from 2 is 0.25")
    for i, name in enumerate(("layer 1", "output")):
        accuracy, test = line(picture, name, -1)[-1], line(picture, name, -2)[-1]
        yield f"{name}: test accuracy {accuracy:.3f}, test error {test:.3g}, training error "
        assert percent(accuracy, 1) in [*picture.shares, *picture.titles][i].get_text()
    low, high = (3 * steep(picture.probes)).min(), (3 * steep(picture.probes)).max()
    yield f"Unit 3 of layer 1 goes from {low:.2g} to {high:.2g}"


def cycle():
    picture = CyclePicture([5, 0.5, 3j], [NAN, 1, 1e9], [1, 0.25, 1], k=1)
    yield picture
    outside = next(one for one in axes(picture).lines if one.get_label() == "outside")
    yield f"{len(outside.get_xdata())} of them on or outside the unit circle"
    yield "change of z in step k: 1 at k = 1, 1e+09 at k = 2"
    yield "points of outside (eigenvalues of J; circle: |·| = 1): 2 moved to the edge"
    yield "change of z in step k (change, relative error): 1 not drawn, having no value that the axes can hold, 1 moved"
    name = "error of the gradient through k steps"
    yield f"{name}: {line(picture, name, 1)[1]:.2g} at k = 1"
    yield f"is {line(picture, 'ρ to the power k', 1)[1]:.3g}. change"


def maps():
    picture = ScalarMaps(A, {"f": CUBIC, "Δg": A**2}, mark=0.5)
    yield picture
    assert [list(ax.lines[1].get_ydata()) for ax in picture.figure.axes] == [[-1, 2], [0, 0]]  # diagonal, zero line
    for ax in picture.figure.axes:
        curve, _, dot = ax.lines
        (x, y), ends = dot.get_xydata()[0], curve.get_ydata()
        yield f"{ax.get_title()} is {ends[0]:.3g} at -1, {y:.3g} at {x:.3g} and {ends[-1]:.3g} at 2"


def cobweb():
    picture = Cobweb(A, CUBIC, [1.9, 5.0, 1e9, INF], name="f", steps=3)
    yield picture
    yield f"from {picture.start.get_ydata()[0]:.4g} beyond all bounds in 3 steps"
    yield f"Only the first {len(picture.iterates.get_ydata())} of 4 iterates"
    beyond = (line(picture, "f") > 2).sum() + (line(picture, "f") < -1).sum()
    yield f"Of the 31 points of f (cobweb): {beyond} beyond the axes"


def basins():
    picture = Basins(A, np.where(A < 0.5, 0, np.where(A > 0.5, 1, NAN)), STEPS, np.array([0, 1, 0]), mark=7.0)
    yield picture
    bars = axes(picture).lines[: len(ENDS)]
    seen = [np.isfinite(bar.get_ydata()) for bar in bars]
    yield ", ".join(f"{percent(here.mean(), 1)} {bar.get_label()}" for bar, here in zip(bars, seen))
    yield f"changes {np.count_nonzero(np.diff(np.argmax(seen, axis=0)))} times"
    low, high = sorted(axes(picture, 1).get_xlim())
    yield f"to the edge, {low:.1g} to {high:.1g}: 2 times"
    yield "the start 7. 7 lies outside"


def flow():
    picture = plot_eigenvalue_flow([[0.4, 9], [0, 2e3]], real=[0, 1], imaginary=[0, 1], ends=[[0, 1], [0.5, INF]])
    yield picture
    for path in axes(picture).lines[len(ENDS) :]:
        start, end = (complex(*point) for point in path.get_xydata()[[0, -1]])
        yield f"{start:.3g} to {end:.3g}"
    pixels = np.asarray(axes(picture).images[0].get_array())[..., :3]
    shares = [np.isclose(pixels, to_rgb(colour), atol=1e-9).all(-1).mean() for colour in PALE]
    yield ", ".join(f"{percent(share, 1)} {name}" for name, share in zip(ENDS, shares))


def rates():
    picture = plot_rates([0.1, 1], RATES, ZERO)
    yield picture
    for rule in "rs":
        counted = (line(picture, f"{what}: {rule}", 1) for what in ("diverged", "the zero map"))
        for rate, m, d, z in zip(("0.1", "1"), line(picture, rule), *counted):
            said = "1e-20" if m == 1e-17 else f"{m:.1g}"  # which is drawn at the edge
            yield f"{rate}: {said}, {d:.0f} diverged, {z:.0f} zero"
    yield "2 errors below 1e-17"


def images():
    picture = plot_images({"x": [[0, 1, 2, -1]] * 2}, look_for="white")
    yield picture
    yield f"{len(axes(picture).images)} images of 2 x 2 in each of 1 rows: x"
    yield "4 pixels lie beyond 0 to 1"


def angles():
    picture = plot_angles({"a": ANGLES, "b": ANGLES / 2})
    yield picture
    for ax in picture.figure.axes:
        ends = [f"{one.get_label()} from {one.get_ydata()[0]:.0f} to {one.get_ydata()[-1]:.0f}" for one in ax.lines[:2]]
        yield f"{ax.get_title()}: {', '.join(ends)} degrees (medians of 3 seeds)"


def differences():
    values = {"d: a": [0.1, 0.3], "d: b": [-0.2, 0], "e: a": [0, 1]}
    picture = plot_spread(values, x_label="difference", half_width=np.std)
    yield picture
    bars = [bar.get_xdata() for bar in axes(picture).lines if bar.get_linewidth() > 3]
    for name, (low, high), text in zip(values, bars, axes(picture).texts, strict=True):
        assert text.get_text() == f"{(low + high) / 2:+.3f} ± {(high - low) / 2:.3f}"
        yield f"{name}: mean and half interval {text.get_text()}"


def rules():
    picture = plot_flow(THREE)
    yield picture
    for ax, rule in zip(picture.figure.axes, THREE):
        flow, losses = FLOWS[rule], 3 if FLOWS[rule].judge else 1
        arrows = [patch.get_edgecolor()[:3] for patch in ax.patches]
        found = [sum(np.allclose(arrow, to_rgb(colour)) for arrow in arrows) for colour in LINES]
        assert found == [3 + losses, losses + len(flow.back), 2 if flow.label else 0]
        assert {name for *_, name in flow.back} <= {text.get_text() for text in ax.texts}
        yield f"{ax.get_title()}: {flow.words}."


def idempotent():
    picture = IdempotentProgress(["a", "b", "c"], 3)
    outputs = np.array([[9.0, 0.1], [0.1, -7.0], [0.5, 0.5]])
    made = ((1, 0), (0, 1), (1, 1e9))
    picture.record(1, [RuleState(outputs * scale, outputs, error, 1.25, 1) for scale, error in made])
    picture.move()
    picture.trace()
    yield picture
    error, trace, rank = (line(picture, "b", i)[0] for i in (3, 4, 5))
    yield f"b: error {error:.2g}, trace {trace:.2f}, rank {rank:.0f}, {picture.titles[1].get_text()}"
    yield "the zero map; c: error 1e+09"
    yield "points of a (idempotent error): 1 moved to the edge"


def constraints():
    picture = ConstraintProgress(2, 3)
    picture.record(1, Measured(0.5, 0.25, [0, 1e-9], [2, 3], [4, 5], [0.1, 0.2], [0.3, NAN]))
    picture.trace()
    yield picture
    at, fed = (line(picture, name)[0] for name in ("at the variables", "of the net fed forward"))
    yield f"loss is {at:.2g} at the variables and {fed:.2g} for the net"
    norm, adjoint = (line(picture, name, 2)[0] for name in ("layer 2", "layer 2, adjoint"))
    yield f"layer 2: violation 1e-09, norm of λ {norm:.2g}, of the adjoint {adjoint:.2g}"
    yield f"relative difference {line(picture, 'layer 2', 3)[0]:.2g}, cosine nan"
    yield "points of layer 1 (violation: largest |gap|): 1 not drawn"
    yield "points of layer 2 (violation: largest |gap|): 1 moved to the edge"


PICTURES = (
    boundary, dataset, curves, spread, jacobian, matrices, secant, descent, duals, progress, playground, cycle, maps,
    cobweb, basins, flow, rates, images, angles, differences, rules, idempotent, constraints,
)  # fmt: skip


@pytest.fixture(params=PICTURES, scope="module")
def said(request):
    """Make a picture, and the phrases that its words must have."""
    made = request.param()
    return next(made), made


@pytest.fixture
def picture(said):
    return said[0]


def test_the_words_say_what_the_artists_show(said):
    picture, phrases = said
    for phrase in phrases:
        assert phrase in picture.description, (phrase, picture.description)


def test_it_is_legible_inside_its_figure_and_light_on_a_dark_page(picture):
    page = picture._repr_mimebundle_()["text/html"]
    assert re.search(r'<img [^>]*alt="[^"]+"', page)
    assert "<summary>Description of the figure</summary>" in page
    assert picture.figure.get_facecolor() == (1, 1, 1, 1)
    ticks = [t for ax in picture.figure.axes for t in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    bounds = picture.figure.bbox
    for text in picture.figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and "{" not in text.get_text():  # exponents of ticks
            assert text.get_fontsize() >= 10, text
            box = text.get_window_extent()
            inside = box.x0 >= -3 and box.y0 >= -1 and box.x1 <= bounds.x1 + 1 and box.y1 <= bounds.y1 + 1
            assert inside or text in ticks, text
    for ax in picture.figure.axes:
        names = [text.get_text() for text in ax.get_legend().get_texts()] if ax.get_legend() else []
        assert len(set(names)) == len(names)
        for image in ax.images if "images of" not in picture.words else ():  # those have a white line between them
            box, limits = np.reshape(image.get_extent(), (2, 2)), [ax.get_xlim(), ax.get_ylim()]
            assert (np.sort(box)[:, 0] <= np.sort(limits)[:, 0] + 1e-9).all()
            assert (np.sort(box)[:, 1] >= np.sort(limits)[:, 1] - 1e-9).all()


def test_words_are_escaped_and_a_percentage_is_0_or_100_only_where_the_share_is():
    picture = plot_curves([1, 2], {'<b>"x"</b>': [1, 2]}, x_label="", y_label="", look_for="<i>")
    page = picture._repr_mimebundle_()["text/html"]
    assert "<b>&quot;" not in page
    assert "&lt;b&gt;" in page
    assert "<b>What to look for:</b> &lt;i&gt;" in page
    for share in (0.0, 1e-9, 0.004, 0.5, 0.996, 1 - 1e-9, 1.0):
        for digits in (0, 1):
            assert (float(percent(share, digits).strip("%").split()[-1]) in (0, 100)) == (share in (0, 1))
