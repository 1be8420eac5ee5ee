"""A panel on the shape of a Jacobian: choose an operation and its sizes, see the matrix and what its vJp does without.

The Jacobian comes from ``helpers.diff.arrays.jacobian``, which knows nothing of the table of `OPERATIONS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from ipywidgets import Layout, VBox
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from helpers.diff.arrays import exp, jacobian, log_sum_exp, tanh
from helpers.plots.jacobians import Stacking, as_matrix, plot_jacobian
from helpers.plots.pictures import COLOURS, Handle
from helpers.widgets.controls import choice, counted, whole
from helpers.widgets.panel import Explorer
from helpers.widgets.tables import Table, table

Floats = NDArray[np.float64]
Shape = tuple[int, ...]
WINDOW, LARGE = 3, 1024  # weights of a sliding window; the size at which bytes are counted too
LETTERS = {"XB, in X": "b", "sliding window": "w"}  # of constants that are not called a
SIZES = (("m", 3, 1, 5), ("n", 4, 3, 6), ("k", 2, 1, 4))  # of the panel: at first, from, to
DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Operation(NamedTuple):
    """An operation y = f(x), with a constant a where it has one.

    ``value(x, a)`` computes y, on NumPy arrays and on ``helpers.diff.arrays.Array``. ``x``, ``y`` and ``a`` are the
    shapes, one letter per axis (see `shapes`): no letter is a single number, and no a is no constant. Its vJp needs
    what ``keeps`` says: "x", "y", "a", or "" for nothing but shapes. ``remark`` says what the picture shows.
    """

    value: Callable[[Any, Any], Any]
    x: str
    y: str
    a: str
    keeps: str
    remark: str


OPERATIONS: dict[str, Operation] = {
    "tanh(x)": Operation(
        lambda x, a: tanh(x), "n", "n", "", "y", "Elementwise: each output hangs on one input. A diagonal."),
    "a ⊙ x": Operation(lambda x, a: a * x, "n", "n", "n", "a", "Elementwise: the diagonal holds a itself."),
    "Ax": Operation(lambda x, a: a @ x, "n", "m", "mn", "a",
        "Dense: the Jacobian is A. Here the vJp saves nothing, for A must be kept in any case."),
    "AX, in X": Operation(lambda x, a: a @ x, "nk", "mk", "mn", "a",
        "A in every block of the diagonal (columns stacked: I ⊗ A), or spread out (rows stacked: A ⊗ I)."),
    "XB, in X": Operation(lambda x, b: x @ b, "mn", "mk", "nk", "a",
        "The other way round: Bᵀ ⊗ I with the columns stacked, I ⊗ Bᵀ with the rows stacked."),
    "b + X, in b": Operation(lambda b, x: b[:, None] + x, "m", "mk", "mk", "",
        "A repeated input: every column of X brings an identity, and the vJp adds the columns up."),
    "sum(x)": Operation(lambda x, a: x.sum(), "n", "", "", "", "A single row of ones: its vJp repeats one number."),
    "log-sum-exp(x)": Operation(
        lambda x, a: log_sum_exp(x), "n", "", "", "x", "A single row: softmax(x), positive, and it adds up to 1."),
    "softmax(x)": Operation(lambda x, a: exp(x - log_sum_exp(x)), "n", "n", "", "y",
        "Dense, and still the vJp keeps n numbers: the matrix is diag(y) − yyᵀ. Sparsity is not the only way to save."),
    "reshape X": Operation(lambda x, a: x.reshape(*x.shape[::-1]), "nk", "kn", "", "",
        "Each output is one input. NumPy reads row by row, so with the rows stacked this is the identity."),
    "transpose X": Operation(
        lambda x, a: x.T, "nk", "kn", "", "", "A permutation, whichever way you stack; the vJp transposes back."),
    "slice x[1:-1]": Operation(lambda x, a: x[1:-1], "n", "v", "", "",
        "An identity with empty columns: what is cut away has no influence, so its gradient is 0."),
    "sliding window": Operation(lambda x, w: w[0] * x[:-2] + w[1] * x[1:-1] + w[2] * x[2:], "n", "v", "w", "a",
        "A convolution: the same three weights in every row, one place further on."),
}  # fmt: skip


def shapes(name: str, m: int, n: int, k: int) -> dict[str, Shape]:
    """Return the shapes of x, y and a of an operation; w is the length of a window, and v what it leaves of n."""
    length = {"m": m, "n": n, "k": k, "w": WINDOW, "v": n - WINDOW + 1}
    return {part: tuple(length[letter] for letter in getattr(OPERATIONS[name], part)) for part in "xya"}


def draw_operands(shape: dict[str, Shape]) -> tuple[Floats, Floats]:
    """Draw x and a from a normal distribution, the same ones each time."""
    rng = np.random.default_rng(0)
    return rng.normal(size=shape["x"]), rng.normal(size=shape["a"])


def bytes_needed(name: str, *lengths: int) -> tuple[int, int]:
    """Return the bytes of the dense Jacobian and of what the vJp keeps, in float32, at lengths m, n, k."""
    count = {part: 4 * math.prod(shape) for part, shape in shapes(name, *lengths).items()}
    return count["y"] * count["x"] // 4, count.get(OPERATIONS[name].keeps, 0)


def in_words(count: int) -> str:
    """Write a number of bytes with its unit."""
    power = min(max(count.bit_length() - 1, 0) // 10, 5)
    unit = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")[power]
    return f"{count / 1024**power:.4g} {unit}" if count else "nothing"


def letter_of(name: str, part: str) -> str:
    """Return the letter of "x", "y" or "a" of an operation; a matrix has a capital."""
    letter = LETTERS.get(name, part) if part == "a" else part
    return letter.upper() if len(getattr(OPERATIONS[name], part)) == 2 else letter


def names(letter: str, shape: Shape, stacking: Stacking) -> list[str]:
    """Name the elements of an array in the order in which they are stacked: X₁₁, X₂₁, ..."""
    order = np.arange(math.prod(shape)).reshape(shape).ravel("F" if stacking == "columns" else "C")
    places = zip(*np.unravel_index(order, shape)) if shape else [()]
    return [letter + "".join(str(int(i) + 1).translate(DIGITS) for i in place) for place in places]


def matrix_of(name: str, shape: dict[str, Shape], stacking: Stacking) -> Floats:
    """Return the Jacobian of an operation between stacked arrays, from the engine."""
    x, a = draw_operands(shape)
    return as_matrix(jacobian(lambda x: OPERATIONS[name].value(x, a), x), len(shape["y"]), stacking)


def costs(name: str, *lengths: int) -> Table:
    """Return a table of bytes: of the Jacobian, and of what the vJp keeps. Its caption has the shapes."""
    it, rows = OPERATIONS[name], []
    axes = {"input": it.x, "output": it.y} | ({"constant": it.a} if it.a else {})
    words = "; ".join(f"{part}: {' × '.join(letters) or 'one number'}" for part, letters in axes.items())
    kept = f" ({letter_of(name, it.keeps)})" if it.keeps else ""
    for case, some in (("as drawn", lengths), (f"all {LARGE}", [LARGE] * 3)):
        dense, needed = map(in_words, bytes_needed(name, *some))
        rows.append({"sizes": case, "whole matrix": dense, "vJp keeps": needed + kept})
    return table(rows, f"Bytes in float32; {words}{f' (v = n − {WINDOW - 1})' * (it.y == 'v')}")


def jacobian_panel() -> Explorer:
    """Make the panel; it answers with the picture, a table of bytes, and what the chosen entry is, in words."""

    def show(operation: str, m: int, n: int, k: int, stacking: Stacking, row: int, column: int) -> list[Any]:
        shape, it, side = shapes(operation, m, n, k), OPERATIONS[operation], 0 if stacking == "columns" else -1
        inputs, outputs = (names(letter_of(operation, part), shape[part], stacking) for part in "xy")
        blocks = None  # else: a column (or row) of the output by one of the input
        if len(shape["y"]) == 2:
            blocks = (shape["y"][side], shape["x"][side if len(shape["x"]) == 2 else 0])
        x_size, y_size = (" × ".join(map(str, shape[part])) or "1" for part in "xy")
        J, title = matrix_of(operation, shape, stacking), f"{operation}: from {x_size} to {y_size} numbers"
        picture = plot_jacobian(J, title=title, outputs=outputs, inputs=inputs, blocks=blocks, look_for=it.remark)
        (ax,) = picture.figure.axes
        picture.handles = [Handle("an entry", ax, click=lambda x, y: {"row": round(y) + 1, "column": round(x) + 1})]
        entry = f"The matrix has {counted(len(outputs), 'row')}, {counted(len(inputs), 'column')}: no entry there."
        if row <= len(outputs) and column <= len(inputs):
            value, a = J[row - 1, column - 1], draw_operands(shape)[1]
            constants = dict(zip(a.flat, names(letter_of(operation, "a"), shape["a"], "rows")))
            same = [constants[value]] if it.keeps == "a" and value in constants else []
            parts = [f"∂{outputs[row - 1]}/∂{inputs[column - 1]}", *same, f"{value:.4g}".replace("-", "−")]
            entry, place = f"Row {row}, column {column}: {' = '.join(parts)}", (column - 1.5, row - 1.5)
            ax.add_patch(Rectangle(place, 1, 1, fill=False, linewidth=3, edgecolor=COLOURS[1], zorder=3))
        return [picture, costs(operation, m, n, k), entry]

    def idle(operation: str, **_: Any) -> dict[str, str]:
        used = "".join(OPERATIONS[operation][1:4]).replace("v", "n")
        return {letter: f"{operation} has no {letter}" for letter in "mnk" if letter not in used}

    panel = Explorer(
        show,
        idle=idle,
        operation=choice("Operation", list(OPERATIONS), "AX, in X", "190px"),
        **{name: whole(f"size {name}", value, low, high, "97px") for name, value, low, high in SIZES},
        stacking=choice("Vec stacks the", ["columns", "rows"], width="180px"),
        row=whole("Entry in row", 1, 1, 24, "140px"),
        column=whole("column", 1, 1, 24, "115px"),
    )
    picture, *words = panel.place.children
    picture.layout.width, picture.layout.max_width, panel.place.layout.flex_flow = "630px", "100%", "row wrap"
    panel.place.children = [picture, VBox(words, layout=Layout(width="320px"))]
    return panel
