"""The derivatives of a program as matrices beside each other.

>>> picture = plot_matrices({"J": [[0, 0], [2, 0]], "J²": [[0, 0], [0, 0]]}, names=["a", "b"], look_for="zeros")
>>> print(picture.description)
J: 1 of 4 entries is not zero, all below the diagonal. J²: every entry is zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from helpers.plots.pictures import BLUE_ORANGE, TEXT, Picture, label, new_figure, short

Matrix = NDArray[np.float64]

WIDTH, ACROSS = 10.4, 3  # inches of the figure; so many matrices in a row at most
LARGEST = 32  # rows of a matrix: below that size a cell still holds a cross
FOR_NUMBERS = 0.4  # inches: a cell of this width holds a number


class Matrices(Picture):
    """Square matrices beside each other, all with the same rows and columns."""

    def __init__(self, figure: Figure, matrices: Mapping[str, Matrix], look_for: str) -> None:
        super().__init__(figure, look_for)
        self.matrices = matrices

    @property
    def words(self) -> str:
        """How many entries of each matrix are not zero, and where they lie."""
        return " ".join(f"{title}: {_pattern(matrix)}." for title, matrix in self.matrices.items())


def _pattern(matrix: Matrix) -> str:
    there = int((matrix != 0).sum())
    if not there:
        return "every entry is zero"
    above, on = int((np.triu(matrix, 1) != 0).sum()), int((np.diag(matrix) != 0).sum())
    where = "all below the diagonal" if not above + on else f"{above} above the diagonal, {on} on it"
    return f"{there} of {matrix.size} entries {'is' if there == 1 else 'are'} not zero, {where}"


def plot_matrices(
    matrices: Mapping[str, ArrayLike], *, names: Sequence[str], look_for: str, rows: str = "", columns: str = ""
) -> Matrices:
    """Draw square matrices: blue cells are negative, orange ones positive, empty ones zero; a line marks the diagonal.

    Parameters
    ----------
    matrices : mapping of str to array_like, shape (n, n)
        By title; n is 32 at most. The colours of each are scaled to its own largest entry.
    names : sequence of str, length n
        Of the rows and of the columns.
    look_for : str
        One sentence.
    rows, columns : str
        What the rows and columns are.

    Returns
    -------
    Matrices
        Shows itself in a notebook. Cells that are large enough hold the number, others a cross or a bar for the sign.

    Raises
    ------
    ValueError
        If there is no matrix, one is not square or has another size than names, or is not finite.
    """
    arrays = {title: np.asarray(matrix, dtype=float) for title, matrix in matrices.items()}
    n = len(names)
    if not arrays or not 1 <= n <= LARGEST:
        raise ValueError(f"give a matrix at least and 1 to {LARGEST} names, got {len(arrays)} matrices, {n} names")
    for title, array in arrays.items():
        if array.shape != (n, n) or not np.isfinite(array).all():
            raise ValueError(f"{title} must be {n} rows of {n} finite numbers, got the shape {array.shape}")
    across = min(ACROSS, len(arrays))
    down = -(-len(arrays) // across)
    side = min(WIDTH / across - 0.75, 0.62 * n)
    height = down * (side + 0.95)
    figure = new_figure(WIDTH, height, layout=None)
    for i, (title, array) in enumerate(arrays.items()):
        left, top = (i % across) * WIDTH / across + 0.6, height - (i // across) * (side + 0.95) - 0.8
        ax = figure.add_axes((left / WIDTH, (top - side) / height, side / WIDTH, side / height))
        _fill(ax, array, side / n)
        label(ax, title, columns, rows if i % across == 0 else "")
        ax.set_xticks(range(n), names)
        ax.set_yticks(range(n), names)
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        ax.tick_params(length=0, labelsize=TEXT)
    return Matrices(figure, arrays, look_for)


def _fill(ax: Axes, matrix: Matrix, cell: float) -> None:
    shades = np.sign(matrix) * (0.3 + 0.7 * np.abs(matrix) / (np.abs(matrix).max() or 1))  # a small entry is no zero
    ax.imshow(shades, cmap=BLUE_ORANGE, vmin=-1, vmax=1, interpolation="nearest")
    edges = np.arange(len(matrix) + 1) - 0.5
    ax.hlines(edges, edges[0], edges[-1], "#cccccc", linewidth=0.8)
    ax.vlines(edges, edges[0], edges[-1], "#cccccc", linewidth=0.8)
    ax.plot(edges[[0, -1]], edges[[0, -1]], color="#777777", linewidth=1.2, linestyle=":")
    for (i, j), value in np.ndenumerate(matrix):
        if value and cell >= FOR_NUMBERS:
            ax.text(j, i, short(value), ha="center", va="center", fontsize=TEXT - 1)
        elif value:
            ax.text(j, i, "+" if value > 0 else "−", ha="center", va="center", fontsize=TEXT - 1)
