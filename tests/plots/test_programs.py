"""Programs as graphs and matrices, cycles, constrained training: drawn, updated in place, described, refused."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from helpers.plots.errors import plot_cycle
from helpers.plots.programs import plot_matrices
from helpers.plots.recordings import ConstraintProgress, Measured


def smallest_text(figure):
    figure.canvas.draw()
    return min(t.get_fontsize() for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible())


def test_matrices_tell_sign_by_number_and_place_in_words():
    picture = plot_matrices(
        {"no cycle": [[0, 0], [2, 0]], "cycle": [[0, -0.5], [2, 1]], "gone": np.zeros((2, 2))},
        names=["a", "b"], look_for="the triangle", rows="equation", columns="variable",
    )  # fmt: skip
    assert "no cycle: 1 of 4 entries is not zero, all below the diagonal" in picture.description
    assert "cycle: 3 of 4 entries are not zero, 1 above the diagonal, 1 on it" in picture.description
    assert "gone: every entry is zero" in picture.description
    shown = [t.get_text() for ax in picture.figure.axes for t in ax.texts]
    assert shown == ["2", "−0.5", "2", "1"]
    assert smallest_text(picture.figure) >= 10
    assert picture.png().startswith(b"\x89PNG")


def test_many_small_cells_hold_a_cross_or_a_bar():
    matrix = np.diag(np.ones(19), 1) - np.diag(np.ones(19), -1)
    picture = plot_matrices({"J": matrix, "K": matrix}, names=[""] * 20, look_for="")
    assert {t.get_text() for t in picture.figure.axes[0].texts} == {"+", "−"}


@pytest.mark.parametrize(
    ("matrices", "names", "words"),
    [
        ({}, ["a"], "a matrix at least"),
        ({"J": np.zeros((2, 3))}, ["a", "b"], "J must be 2 rows of 2"),
        ({"J": np.full((1, 1), np.nan)}, ["a"], "finite"),
        ({"J": np.zeros((40, 40))}, ["a"] * 40, "1 to 32 names"),
    ],
)
def test_what_is_no_square_matrix_is_refused(matrices, names, words):
    with pytest.raises(ValueError, match=words):
        plot_matrices(matrices, names=names, look_for="")


def test_a_cycle_is_updated_in_place_and_counts_what_lies_outside():
    k = np.arange(11)
    picture = plot_cycle([0.5, -0.2j], 0.5**k, 2 * 0.5**k, k=3)
    first = picture.png()
    assert "0 of them on or outside the unit circle" in picture.description
    assert picture.radius == 0.5
    assert "error of the gradient through k steps: 0.25 at k = 3" in picture.description
    dots = picture.outside
    picture.update([1.5, 9j], np.full(11, np.nan), np.full(11, 1e9))
    picture.choose(10)
    assert picture.outside is dots
    assert "2 of them on or outside" in picture.description
    assert picture.radius == 9
    assert max(dots.get_ydata()) < 3  # what lies far out is shown at the edge
    assert picture.png() != first
    assert smallest_text(picture.figure) >= 10


@pytest.mark.parametrize(("changes", "errors", "k"), [([1.0], [1.0], 0), ([1, 2], [1], 0), ([1, 2], [1, 2], 2)])
def test_curves_of_a_cycle_that_do_not_fit_are_refused(changes, errors, k):
    with pytest.raises(ValueError, match="one value per step"):
        plot_cycle([], changes, errors, k=k)


def measured(size):
    return Measured(size, 2 * size, [size, 0.1], [0.0, 0.02], [0.1, 0.05], [1.0, 0.5], [float("nan"), 0.9])


def test_constrained_training_is_recorded_drawn_and_cleared():
    picture = ConstraintProgress(2, total=10)
    assert picture.description == "Nothing has been recorded yet."
    empty = picture.png()
    picture.record(1, measured(0.5))
    assert not picture.trace()  # the axes have room
    picture.record(2, measured(1e-5))
    assert picture.trace()
    assert "Five curves over 2 steps. At the end the loss is 1e-05" in picture.description
    assert (
        "layer 2: violation 0.1, norm of λ 0.02, of the adjoint 0.05, relative difference 0.5, cosine 0.900"
        in picture.description
    )
    sizes = picture.curves["sizes"].lines["layer 1"].get_ydata()
    assert np.isnan(sizes).all()  # a zero is left out of a logarithmic axis
    assert smallest_text(picture.figure) >= 10
    picture.clear()
    picture.trace()
    assert picture.png() == empty
