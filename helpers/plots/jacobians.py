"""Jacobians as pictures: a row for each output, a column for each input, in each cell one derivative.

The sign is told three times: by colour, by the number (or, in small cells, a bar or a cross), and in the description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers.options import OneOf, Whole
from helpers.plots.pictures import TEXT, Floats, Picture, count, finite, label, new_figure, shades, short

Stacking = Literal["columns", "rows"]

LARGEST = 64  # cells a side: below that size a cell still holds a cross
WIDTH, HEIGHT, CELL = 4.8, 3.6, 0.6  # inches: of all cells at most, and of one cell at most
FOR_NUMBERS = 0.4  # inches: a cell of this width holds a number of five characters
NAMES = 14  # so many names fit beside each other
WHOLE, ACROSS = 10.4, 3  # of several matrices: inches of all, and how many in a row at most


def as_matrix(jacobian: ArrayLike, output_axes: int, stacking: Stacking = "columns") -> Floats:
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

    Examples
    --------
    >>> as_matrix(np.arange(8.0).reshape(2, 2, 2), output_axes=2)  # the rows: y11, y21, y12, y22
    array([[0., 1.],
           [4., 5.],
           [2., 3.],
           [6., 7.]])
    """
    derivatives = np.asarray(jacobian, dtype=float)
    Whole(0, derivatives.ndim).check("output_axes", output_axes)
    if OneOf(("columns", "rows")).check("stacking", stacking) == "columns":
        outputs, inputs = range(output_axes), range(output_axes, derivatives.ndim)
        derivatives = derivatives.transpose(*reversed(outputs), *reversed(inputs))
    rows = int(np.prod(derivatives.shape[:output_axes]))  # the order of the axes within each group does not change this
    return derivatives.reshape(rows, -1)


def plot_jacobian(
    jacobian: ArrayLike,
    *,
    title: str = "Jacobian",
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
    blocks: tuple[int, int] | None = None,
    look_for: str = "which entries are zero, and why.",
) -> Picture:
    """Draw a Jacobian: blue cells are negative, orange ones positive; large ones hold the number, others a sign.

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
    """
    matrix = finite("jacobian", jacobian, "(outputs, inputs)", 2) + 0.0  # which turns −0 into 0
    rows, columns = matrix.shape
    if max(rows, columns) > LARGEST:
        raise ValueError(f"jacobian must have 1 to {LARGEST} rows and columns, got the shape {matrix.shape}")
    for what, names, size in (("outputs", outputs, rows), ("inputs", inputs, columns)):
        if len(names) not in (0, size):
            raise ValueError(f"{what} must name all {size}, got {len(names)} names")
    cell = min(CELL, WIDTH / columns, HEIGHT / rows)
    width, height = columns * cell, rows * cell
    whole, tall, bottom = WIDTH + 1.4, height + 1.35, 0.45  # with room for names, title and the line below
    ax = new_figure(whole, tall, layout=None).add_subplot()
    ax.set_position(((whole - width) / 2 / whole, bottom / tall, width / whole, height / tall))
    draw_matrix(ax, matrix, cell)
    for down, across in ((rows, columns), *([blocks] if blocks else [])):
        _lines(ax, down, across, "black", 1.6)
    label(ax, title, "inputs", "outputs")
    for axis, names, size, step in (
        (ax.yaxis, outputs, rows, blocks[0] if blocks else 1),
        (ax.xaxis, inputs, columns, blocks[1] if blocks else 1),
    ):  # where the names are many, of the first row or column of each block only
        ticks = range(0, size, 1 if size <= NAMES else max(step, -(-size // NAMES)))
        axis.set_ticks(list(ticks), [names[i] if names else str(i + 1) for i in ticks])
    signs = _signs(matrix)
    ax.text(0.5, -0.12 / height, signs, transform=ax.transAxes, ha="center", va="top", fontsize=TEXT)
    sizes = f"{count(rows, 'row')} (outputs) and {count(columns, 'column')} (inputs)"
    words = f"{title}: a Jacobian with {sizes}. {signs}. {_pattern(matrix, blocks)}".strip()
    return Picture(ax.figure, look_for, words)


def plot_matrices(
    matrices: Mapping[str, ArrayLike], *, names: Sequence[str], look_for: str, rows: str = "", columns: str = ""
) -> Picture:
    """Draw square matrices beside each other, such as the derivatives of a program; a line marks the diagonal.

    Parameters
    ----------
    matrices : mapping of str to array_like, shape (n, n)
        By title, finite. The colours of each are scaled to its own largest entry.
    names : sequence of str, length n
        Of the rows and of the columns.
    look_for, rows, columns : str
        One sentence; what the rows and columns are.
    """
    n, arrays = len(names), {t: finite(t, matrix, f"({len(names)}, {len(names)})", 2) for t, matrix in matrices.items()}
    across = min(ACROSS, len(arrays))
    side = min(WHOLE / across - 0.75, 0.62 * n)
    height = -(-len(arrays) // across) * (side + 0.95)
    figure = new_figure(WHOLE, height, layout=None)
    for i, (title, array) in enumerate(arrays.items()):
        if array.shape != (n, n):
            raise ValueError(f"{title} must be {n} rows of {n} numbers, got the shape {array.shape}")
        left, top = (i % across) * WHOLE / across + 0.6, height - (i // across) * (side + 0.95) - 0.8
        ax = figure.add_axes((left / WHOLE, (top - side) / height, side / WHOLE, side / height))
        draw_matrix(ax, array, side / n)
        ax.plot((-0.5, n - 0.5), (-0.5, n - 0.5), color="#777777", linewidth=1.2, linestyle=":")
        label(ax, title, columns, rows if i % across == 0 else "")
        ax.set_xticks(range(n), names)
        ax.set_yticks(range(n), names)
    words = " ".join(f"{title}: {_triangle(array)}." for title, array in arrays.items())
    return Picture(figure, look_for, words)


def _triangle(matrix: Floats) -> str:
    """Say in words how many entries are not zero, and on which side of the diagonal they lie."""
    there, above, on = (np.count_nonzero(part) for part in (matrix, np.triu(matrix, 1), np.diag(matrix)))
    where = f"{above} above the diagonal, {on} on it" if above + on else "all below the diagonal"
    entries = f"{there} of {matrix.size} entries {'is' if there == 1 else 'are'} not zero"
    return f"{entries}, {where}" if there else "every entry is zero"


def draw_matrix(ax: Axes, matrix: Floats, cell: float) -> None:
    """Draw the cells of a matrix, each so many inches wide: colours by sign and size, numbers or signs, thin lines."""
    sizes = np.abs(matrix) / (np.abs(matrix).max() or 1)
    ax.imshow(shades(np.sign(matrix) * (0.3 + 0.7 * sizes)), interpolation="nearest")  # a small entry is no zero
    if cell >= FOR_NUMBERS:
        for i, j in np.argwhere(matrix):
            ax.text(j, i, short(matrix[i, j]), ha="center", va="center", fontsize=TEXT - 1)
        marks = [("$0$", matrix == 0, 50.0, "#6b6b6b", 0.0)]  # as large as the texts, and far quicker
    else:
        size = (0.55 * 72 * cell) ** 2
        marks = [("+", matrix > 0, size, "black", 1.2), ("_", matrix < 0, size, "black", 1.2)]
    for marker, chosen, size, colour, width in marks:
        i, j = np.nonzero(chosen)
        ax.scatter(j, i, marker=marker, s=size, color=colour, linewidth=width)
    _lines(ax, 1, 1, "#bbbbbb", 0.8)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.tick_params(length=0)


def _lines(ax: Axes, down: int, across: int, colour: str, width: float) -> None:
    """Draw lines around blocks of so many rows and columns."""
    columns, rows = (round(abs(b - a)) for a, b in (ax.get_xlim(), ax.get_ylim()))
    ax.hlines(np.arange(0, rows + 1, down) - 0.5, -0.5, columns - 0.5, colour, linewidth=width, clip_on=False)
    ax.vlines(np.arange(0, columns + 1, across) - 0.5, -0.5, rows - 0.5, colour, linewidth=width, clip_on=False)


def _signs(matrix: Floats) -> str:
    """Say in words how many entries there are, and of which sign."""
    positive, negative = int((matrix > 0).sum()), int((matrix < 0).sum())
    verb, zero = "is" if positive == 1 else "are", matrix.size - positive - negative
    return f"Of {count(matrix.size, 'entry')} {positive} {verb} positive, {negative} negative, {zero} zero"


def _pattern(matrix: Floats, blocks: tuple[int, int] | None) -> str:
    """Say in words where the entries lie that are not zero."""
    there, (rows, columns) = matrix != 0, matrix.shape
    if there.all():
        return "No entry is zero."
    if rows == columns and not there[~np.eye(rows, dtype=bool)].any():
        return "The entries that are not zero lie on the diagonal."
    if blocks and rows // blocks[0] == columns // blocks[1]:
        diagonal = np.kron(np.eye(rows // blocks[0]), np.ones(blocks)) > 0
        if not there[~diagonal].any():
            return "The entries that are not zero lie in the blocks of the diagonal."
    each = set(there.sum(axis=1).tolist())
    return f"Entries that are not zero in each row: {each.pop()}." if len(each) == 1 else ""
