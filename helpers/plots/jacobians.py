"""A Jacobian as a picture: a row for each output, a column for each input, in each cell one derivative.

>>> picture = plot_jacobian([[2.0, 0.0], [0.0, -1.0]], title="a⊙x")
>>> print(picture.description)
a⊙x: a Jacobian with 2 rows (outputs) and 2 columns (inputs). Of 4 entries 1 is positive, 1 negative, 2 zero.
The entries that are not zero lie on the diagonal.

The sign is told three times: by colour, by the number (or, in small cells, a bar or a cross), and in the description.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from helpers.plots.pictures import BLUE_ORANGE, TEXT, Picture, label, new_figure

Stacking = Literal["columns", "rows"]
Matrix = NDArray[np.float64]

LARGEST = 64  # cells a side: below that size a cell still holds a cross
WIDTH, HEIGHT, CELL = 7.0, 4.6, 0.6  # inches: of all cells at most, and of one cell at most
FOR_NUMBERS = 0.42  # inches: a cell of this width holds a number of five characters
NAMES = 14  # so many names fit beside each other


def as_matrix(jacobian: ArrayLike, output_axes: int, stacking: Stacking = "columns") -> Matrix:
    """Arrange the derivatives of an array by an array as the matrix of the textbooks.

    Parameters
    ----------
    jacobian : array_like, shape (*output, *input)
        The derivative of output[i] with respect to input[j] at index (i, j).
    output_axes : int
        How many of the axes belong to the output.
    stacking : {"columns", "rows"}
        How a matrix becomes a vector: its columns on top of each other, which is vec in the textbooks, or its rows one
        after the other, which is NumPy's ``reshape(-1)``.

    Returns
    -------
    ndarray, shape (output size, input size)

    Examples
    --------
    >>> as_matrix(np.arange(8.0).reshape(2, 2, 2), output_axes=2)  # the rows: y11, y21, y12, y22
    array([[0., 1.],
           [4., 5.],
           [2., 3.],
           [6., 7.]])
    """
    derivatives = np.asarray(jacobian, dtype=float)
    if not 0 <= output_axes <= derivatives.ndim:
        raise ValueError(f"output_axes must lie between 0 and {derivatives.ndim}, got {output_axes}")
    if stacking not in ("columns", "rows"):
        raise ValueError(f'stacking must be "columns" or "rows", got {stacking!r}')
    if stacking == "columns":
        outputs, inputs = range(output_axes), range(output_axes, derivatives.ndim)
        derivatives = derivatives.transpose(*reversed(outputs), *reversed(inputs))
    rows = int(np.prod(derivatives.shape[:output_axes]))  # the order of the axes within each group does not change this
    return derivatives.reshape(rows, -1)


class JacobianPicture(Picture):
    """A drawn Jacobian; ``matrix`` holds its entries, ``blocks`` the rows and columns of a block, or None."""

    def __init__(self, ax: Axes, matrix: Matrix, blocks: tuple[int, int] | None, look_for: str) -> None:
        super().__init__(ax.figure, look_for)  # type: ignore[arg-type]
        self.ax, self.matrix, self.blocks = ax, matrix, blocks

    @property
    def words(self) -> str:
        """Sizes, signs and pattern."""
        rows, columns = self.matrix.shape
        sizes = f"{_count(rows, 'row')} (outputs) and {_count(columns, 'column')} (inputs)"
        pattern = _pattern(self.matrix, self.blocks)
        return f"{self.ax.get_title()}: a Jacobian with {sizes}. {count_signs(self.matrix)}. {pattern}".strip()


def count_signs(matrix: Matrix) -> str:
    """Say in words how many entries there are, and of which sign."""
    positive, negative = int((matrix > 0).sum()), int((matrix < 0).sum())
    verb = "is" if positive == 1 else "are"
    zero = matrix.size - positive - negative
    return f"Of {_count(matrix.size, 'entry')} {positive} {verb} positive, {negative} negative, {zero} zero"


def plot_jacobian(
    jacobian: ArrayLike,
    *,
    title: str = "Jacobian",
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
    blocks: tuple[int, int] | None = None,
    look_for: str = "which entries are zero, and why.",
) -> JacobianPicture:
    """Draw a Jacobian: blue cells are negative, orange ones positive, empty or grey ones zero.

    Parameters
    ----------
    jacobian : array_like, shape (outputs, inputs)
        The derivative of output i with respect to input j at (i, j), at most 64 on a side; see `as_matrix`.
    title, look_for : str
        The words.
    outputs, inputs : sequence of str
        A name for each row and each column; without names the rows and columns are numbered.
    blocks : (int, int), optional
        Rows and columns of a block: heavy lines are drawn between blocks.

    Returns
    -------
    JacobianPicture
        Shows itself in a notebook. Cells that are large enough hold the number, others a cross (positive) or a bar
        (negative).

    Raises
    ------
    ValueError
        If the Jacobian is no matrix, is empty or too large, holds nan or infinity, or if names or blocks do not fit.
    """
    matrix = np.asarray(jacobian, dtype=float) + 0.0  # which turns −0 into 0
    _refuse(matrix, outputs, inputs, blocks)
    rows, columns = matrix.shape
    cell = min(CELL, WIDTH / columns, HEIGHT / rows)
    ax = _axes_for(columns * cell, rows * cell)
    shades = np.sign(matrix) * (0.3 + 0.7 * np.abs(matrix) / (np.abs(matrix).max() or 1))  # a small entry is no zero
    ax.imshow(shades, cmap=BLUE_ORANGE, vmin=-1, vmax=1, interpolation="nearest")
    _mark(ax, matrix, cell)
    _rule(ax, rows, columns, blocks)
    label(ax, title)
    _name(ax, outputs, inputs, blocks)
    ax.text(
        0.5, -0.12 / (rows * cell), count_signs(matrix), transform=ax.transAxes, ha="center", va="top", fontsize=TEXT
    )
    return JacobianPicture(ax, matrix, blocks, look_for)


def _refuse(matrix: Matrix, outputs: Sequence[str], inputs: Sequence[str], blocks: tuple[int, int] | None) -> None:
    if matrix.ndim != 2:
        raise ValueError(f"jacobian must be a matrix, got the shape {matrix.shape}; as_matrix(jacobian, ...) makes one")
    if not 1 <= min(matrix.shape) <= max(matrix.shape) <= LARGEST:
        raise ValueError(f"jacobian must have 1 to {LARGEST} rows and columns, got the shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("jacobian must be finite, got nan or infinity")
    for what, names, size in (("outputs", outputs, matrix.shape[0]), ("inputs", inputs, matrix.shape[1])):
        if len(names) not in (0, size):
            raise ValueError(f"{what} must name all {size}, got {len(names)} names")
    if blocks and (min(blocks) < 1 or matrix.shape[0] % blocks[0] or matrix.shape[1] % blocks[1]):
        raise ValueError(f"blocks of {blocks} do not fill a Jacobian of shape {matrix.shape}")


def _axes_for(width: float, height: float) -> Axes:
    """Make axes of so many inches, with fixed margins for names, title and the line below."""
    left, right, bottom, top = 1.1, 0.3, 0.5, 0.95
    whole, tall = max(left + width + right, 7.5), bottom + height + top
    ax = new_figure(whole, tall, layout=None).add_subplot()
    ax.set_position(((whole - width) / 2 / whole, bottom / tall, width / whole, height / tall))
    return ax


def _mark(ax: Axes, matrix: Matrix, cell: float) -> None:
    """Write the numbers where they fit, else a cross or a bar for the sign."""
    if cell >= FOR_NUMBERS:
        for i, j in np.argwhere(matrix):
            ax.text(j, i, short(matrix[i, j]), ha="center", va="center", fontsize=TEXT - 1)
        i, j = np.nonzero(matrix == 0)
        ax.scatter(j, i, marker="$0$", s=50, color="#6b6b6b", linewidth=0)  # as large as the texts, and far quicker
        return
    for marker, chosen in (("+", matrix > 0), ("_", matrix < 0)):
        i, j = np.nonzero(chosen)
        ax.scatter(j, i, marker=marker, s=(0.55 * 72 * cell) ** 2, color="black", linewidth=1.2)


def short(value: float) -> str:
    """Write a number in at most five characters.

    >>> [short(v) for v in (1.0, -0.25, 0.001, 0.0, 123.4, -0.999)]
    ['1', '−0.25', '≈0', '0', '123', '−1']
    """
    if abs(value) >= 10_000:
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e").replace("-", "−")
    text = f"{value:.0f}" if abs(value) >= 99.995 else f"{value:.2f}".rstrip("0").rstrip(".")
    return "≈0" if value and text in ("0", "-0") else text.replace("-", "−")


def _rule(ax: Axes, rows: int, columns: int, blocks: tuple[int, int] | None) -> None:
    """Draw thin lines between cells, heavy ones between blocks."""
    steps = [((1, 1), "#bbbbbb", 0.8), ((rows, columns), "black", 1.6)]
    if blocks:
        steps.append((blocks, "black", 1.6))
    for (down, across), colour, width in steps:
        ax.hlines(np.arange(0, rows + 1, down) - 0.5, -0.5, columns - 0.5, colour, linewidth=width, clip_on=False)
        ax.vlines(np.arange(0, columns + 1, across) - 0.5, -0.5, rows - 0.5, colour, linewidth=width, clip_on=False)


def _name(ax: Axes, outputs: Sequence[str], inputs: Sequence[str], blocks: tuple[int, int] | None) -> None:
    """Write the names beside the rows and above the columns; where they are many, of the first of each block only."""
    rows, columns = (int(max(limits) + 0.5) for limits in (ax.get_ylim(), ax.get_xlim()))
    for axis, names, size, block in (
        (ax.yaxis, outputs, rows, blocks and blocks[0]),
        (ax.xaxis, inputs, columns, blocks and blocks[1]),
    ):
        step = 1 if size <= NAMES else max(block or 1, -(-size // NAMES))
        ticks = range(0, size, step)
        axis.set_ticks(list(ticks), [names[i] if names else str(i + 1) for i in ticks])
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.tick_params(length=0, labelsize=TEXT - 1)
    ax.set_xlabel("inputs", fontsize=TEXT)
    ax.set_ylabel("outputs", fontsize=TEXT)


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else plural}"


def _pattern(matrix: Matrix, blocks: tuple[int, int] | None) -> str:
    """Say in words where the entries lie that are not zero."""
    there = matrix != 0
    if there.all():
        return "No entry is zero."
    rows, columns = matrix.shape
    if rows == columns and not there[~np.eye(rows, dtype=bool)].any():
        return "The entries that are not zero lie on the diagonal."
    if blocks and rows // blocks[0] == columns // blocks[1]:
        diagonal = np.kron(np.eye(rows // blocks[0]), np.ones(blocks)) > 0
        if not there[~diagonal].any():
            return "The entries that are not zero lie in the blocks of the diagonal."
    each = set(there.sum(axis=1).tolist())
    return f"Entries that are not zero in each row: {each.pop()}." if len(each) == 1 else ""
