"""The matrices of a program: drawn, described, refused."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from helpers.plots.jacobians import plot_matrices


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
    assert [len(marks.get_offsets()) for marks in picture.figure.axes[0].collections[:2]] == [19, 19]


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
