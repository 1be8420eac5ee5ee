"""Pictures of lecture 05: stairs, basins, paths, points, counts and images are where the numbers are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.text import Text

from helpers.plots.idempotent import (
    ENDS,
    plot_basins,
    plot_cobweb,
    plot_eigenvalue_flow,
    plot_images,
    plot_rates,
    plot_scalar_maps,
    which_end,
)
from helpers.plots.recordings import IdempotentProgress, RuleState

A = np.linspace(-1, 2, 31)
H = 3 * A**2 - 2 * A**3


def legible(figure):
    figure.canvas.draw()
    return min(t.get_fontsize() for t in figure.findobj(Text) if t.get_text().strip() and "{" not in t.get_text()) >= 10


def test_scalar_maps_have_a_diagonal_or_a_zero_line():
    drawn = plot_scalar_maps(A, {"3a² - 2a³": H, "Δn(x)": H - A}, mark=0.5)
    first, second = drawn.figure.axes
    assert first.lines[0].get_ydata() == pytest.approx(H)
    assert list(first.lines[1].get_ydata()) == [-1, 2]
    assert list(second.lines[1].get_ydata()) == [0, 0]
    assert second.lines[2].get_xydata()[0] == pytest.approx([0.5, 0], abs=1e-3)
    assert "3a² - 2a³ is 5 at -1, 0.5 at 0.5 and -4 at 2" in drawn.description
    assert legible(drawn.figure)
    drawn.choose(1.0)
    assert drawn.dots["3a² - 2a³"].get_xydata()[0] == pytest.approx([1, 1])


def test_a_cobweb_climbs_from_the_diagonal_to_the_curve_and_back():
    drawn = plot_cobweb(A, H, [0.6, 0.648, 0.7155], name="h", steps=9)
    assert drawn.stairs.get_xydata() == pytest.approx(
        np.array([[0.6, 0.6], [0.6, 0.648], [0.648, 0.648], [0.648, 0.7155], [0.7155, 0.7155]])
    )
    assert drawn.iterates.get_xydata()[-1] == pytest.approx([2, 0.7155])
    assert legible(drawn.figure)
    before = drawn.png()
    drawn.update([2.0, -4.0, 176.0, -1e7, math.inf, math.nan])
    assert drawn.png() != before
    assert list(drawn.iterates.get_ydata()) == [2.0, -4.0, 176.0]
    assert drawn.update([2.0, 1e99]) is None
    assert "from 2 beyond all bounds in 1 step." in drawn.description


def test_basins_are_rows_of_their_ends():
    ends = [0.0, 1.0, 0.5, math.inf, math.nan, -1e9, 1 + 1e-9, 1e-9]
    assert [ENDS[i] for i in which_end(np.array(ends))] == [
        "goes to 0", "goes to 1", "neither so far", "diverges", "diverges", "diverges", "goes to 1", "goes to 0",
    ]  # fmt: skip
    near = np.logspace(-3, -1, 3)
    drawn = plot_basins(np.arange(8.0), ends, mark=2.0, distance=near, distance_ends=[0, 1, 0])
    rows = [line.get_ydata() for line in drawn.figure.axes[0].lines[:4]]
    assert [int(np.isfinite(row).sum()) for row in rows] == [2, 2, 1, 3]
    assert drawn.figure.axes[1].get_xlim() == pytest.approx((0.1, 0.001))
    assert "25.0% goes to 0, 25.0% goes to 1, 12.5% neither so far, 37.5% diverges" in drawn.description
    assert "Over the distance to the edge, 0.001 to 0.1: 2 times" in drawn.description
    assert legible(drawn.figure)


def test_eigenvalues_follow_their_paths_over_the_basins():
    paths = np.array([[0.2 + 0.1j, 1.5], [0.1, 1.1], [1e-20, 1e9]])
    ends = np.array([[0, 1, np.nan], [1, 1, 1e9]], dtype=complex)
    drawn = plot_eigenvalue_flow(paths, real=[0, 1, 2], imaginary=[-1, 1], ends=ends)
    plane, ax = drawn.figure.axes
    colours = plane.images[0].get_array()
    assert (colours[0, 1] == colours[1, 0]).all()
    assert (colours[0, 2] == colours[1, 2]).all()
    assert len({tuple(c) for c in colours.reshape(-1, 3)}) == 3
    assert ax.lines[0].get_ydata() == pytest.approx([abs(0.2 + 0.1j), 0.1, 1e-17])
    assert np.isnan(ax.lines[1].get_ydata()[-1])  # too far to be drawn
    assert drawn.description.startswith("2 eigenvalues over 2 steps: 0.2+0.1j to 1e-20+0j")
    assert legible(drawn.figure)


def state(x=1.0, error=1e-3, **other):
    return RuleState(np.array([[x, 0.0], [0.0, 9.0 * x]]), np.array([[x, 0.5], [0.0, 9.0 * x]]), error, 1.0, 1, **other)


def test_progress_moves_points_names_failures_and_starts_again():
    drawn = IdempotentProgress(["one", "two", "three"], 10)
    first = drawn.png()
    assert drawn.description == "Nothing has been recorded yet."
    drawn.record(1, [state(), state(0.0, 0.0), state(error=math.nan, diverged=True)])
    drawn.move()
    drawn.trace()
    assert drawn.points[0].get_xydata() == pytest.approx(np.array([[1, 0], [0, 2.2]]))  # what lies beyond: at the edge
    assert drawn.lines[0].get_segments()[0] == pytest.approx(np.array([[1, 0], [1, 0.5]]))
    assert [words.get_text() for words in drawn.titles] == ["", "the zero map", "DIVERGED"]
    assert drawn.curves["idempotent error"].lines["two"].get_ydata()[0] == 1e-17  # a zero has no logarithm
    assert "two: error 0, trace 1.00, rank 1, the zero map; three: error nan" in drawn.description
    drawn.record(2, [state(error=1e9)] * 3)
    drawn.trace()
    assert np.isnan(drawn.curves["idempotent error"].lines["one"].get_ydata()[1])
    drawn.clear()
    assert legible(drawn.figure)
    assert not drawn.history
    fresh = IdempotentProgress(["one", "two", "three"], 10)
    assert fresh.png() == first


def test_a_sweep_counts_what_the_medians_leave_out():
    errors = {"r": [[1e-2, math.nan], [1e-4, math.nan], [0.0, 1e-6]], "s": [[1e-3, 1e-3]] * 3}
    zero = {"r": [[False, False], [False, False], [True, False]], "s": np.zeros((3, 2), dtype=bool)}
    drawn = plot_rates([0.1, 1.0], errors, zero)
    top, bottom = drawn.figure.axes
    medians = next(line for line in top.lines if line.get_label() == "r").get_ydata()
    assert medians == pytest.approx([(1e-2 + 1e-4) / 2, 1e-6])
    counts = {line.get_label(): list(line.get_ydata()) for line in bottom.lines}
    assert counts["diverged: r"] == [0, 2]
    assert counts["the zero map: r"] == [1, 0]
    assert "r (0.1: 0.005, 0 diverged, 1 zero; 1: 1e-06, 2 diverged, 0 zero)" in drawn.description
    assert legible(drawn.figure)


def test_images_lie_in_rows():
    rows = {"black": np.zeros((2, 9)), "mixed": np.arange(18).reshape(2, 9) / 18}
    drawn = plot_images(rows, look_for="grey.")
    images = drawn.figure.axes[0].images
    assert len(images) == 4
    np.testing.assert_array_equal(images[3].get_array(), rows["mixed"][1].reshape(3, 3))
    assert images[3].get_extent() == [4, 7, 7, 4]
    assert legible(drawn.figure)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plot_scalar_maps([1, 0], {"f": [1, 2], "g": [1, 2]}), "growing order"),
        (lambda: plot_scalar_maps(A, {"f": H}), "two curves or more"),
        (lambda: plot_cobweb(A, H[:-1], [0.5], name="h"), "values must have shape"),
        (lambda: plot_basins(A, H[:-1]), "ends must have shape"),
        (lambda: plot_eigenvalue_flow([0.5], real=[0, 1], imaginary=[0], ends=[[0, 0]]), "paths must be"),
        (lambda: plot_rates([0.1], {"r": [[1.0, 2.0]]}, {"r": [[False, False]]}), "one column per rate"),
        (lambda: plot_images({"x": np.zeros((2, 8))}, look_for=""), "one shape"),
    ],
)
def test_what_does_not_fit_is_refused(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()
