"""A panel on the shape of a Jacobian: choose an operation and its sizes, see the matrix and what its vJp does without.

Each of `OPERATIONS` says how it computes, what its vJp must keep of that, and the vJp itself, which reads nothing else.
The Jacobian comes from ``helpers.diff.arrays.jacobian``, which knows nothing of this table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.diff.arrays import exp, jacobian, log_sum_exp, tanh
from helpers.plots import Picture
from helpers.plots.jacobians import Stacking, as_matrix, plot_jacobian
from helpers.widgets.controls import choice, slider
from helpers.widgets.panel import Explorer

Floats = NDArray[np.float64]
WINDOW = 3
LARGE = 1024


class Operation(NamedTuple):
    """An operation y = f(x), with a constant a where it has one.

    ``value(x, a)`` computes y, on NumPy arrays and on ``helpers.diff.arrays.Array``. ``x``, ``y`` and ``a`` are the
    shapes, one letter of `sizes` per axis: no letter is a single number, and no a is no constant. The vJp
    ``vjp(y_bar, kept, shape of x)`` needs what ``keeps`` says: "x", "y", "a", or "" for nothing but shapes.
    ``remark`` says what the picture shows.
    """

    value: Callable[[Any, Any], Any]
    x: str
    y: str
    a: str
    keeps: str
    vjp: Callable[[Floats, Floats, tuple[int, ...]], Floats]
    remark: str

    def shape(self, part: str, length: dict[str, int]) -> tuple[int, ...]:
        """Return the shape of "x", "y" or "a", given the length of each letter."""
        return tuple(length[letter] for letter in getattr(self, part))


def softmax(x: Any) -> Any:
    """Return exp(x) over its sum."""
    return exp(x - log_sum_exp(x))


OPERATIONS: dict[str, Operation] = {
    "tanh(x)": Operation(
        lambda x, a: tanh(x), "n", "n", "", "y", lambda g, y, shape: g * (1 - y * y),
        "Elementwise: each output hangs on one input. A diagonal.",
    ),
    "a ⊙ x": Operation(
        lambda x, a: a * x, "n", "n", "n", "a", lambda g, a, shape: a * g,
        "Elementwise: the diagonal holds a itself.",
    ),
    "Ax": Operation(
        lambda x, a: a @ x, "n", "m", "mn", "a", lambda g, a, shape: a.T @ g,
        "Dense: the Jacobian is A. Here the vJp saves nothing, for A must be kept in any case.",
    ),
    "AX, in X": Operation(
        lambda x, a: a @ x, "nk", "mk", "mn", "a", lambda g, a, shape: a.T @ g,
        "A in every block of the diagonal (columns stacked: I ⊗ A), or spread out (rows stacked: A ⊗ I).",
    ),
    "XB, in X": Operation(
        lambda x, b: x @ b, "mn", "mk", "nk", "a", lambda g, b, shape: g @ b.T,
        "The other way round: B' ⊗ I with the columns stacked, I ⊗ B' with the rows stacked.",
    ),
    "b + X, in b": Operation(
        lambda b, x: b[:, None] + x, "m", "mk", "mk", "", lambda g, kept, shape: g.sum(axis=1),
        "A repeated input: every column of X brings an identity, and the vJp adds the columns up.",
    ),
    "sum(x)": Operation(
        lambda x, a: x.sum(), "n", "", "", "", lambda g, kept, shape: np.broadcast_to(g, shape),
        "A single row of ones: its vJp repeats one number.",
    ),
    "log-sum-exp(x)": Operation(
        lambda x, a: log_sum_exp(x), "n", "", "", "x", lambda g, x, shape: g * softmax(x),
        "A single row, which is softmax(x): positive, and it adds up to 1.",
    ),
    "softmax(x)": Operation(
        lambda x, a: softmax(x), "n", "n", "", "y", lambda g, y, shape: y * (g - g @ y),
        "Dense, and still the vJp keeps n numbers: the matrix is diag(y) − yy'. Sparsity is not the only way to save.",
    ),
    "reshape X": Operation(
        lambda x, a: x.reshape(*x.shape[::-1]), "nk", "kn", "", "", lambda g, kept, shape: g.reshape(shape),
        "Each output is one input. NumPy reads row by row, so with the rows stacked this is the identity.",
    ),
    "transpose X": Operation(
        lambda x, a: x.T, "nk", "kn", "", "", lambda g, kept, shape: g.T,
        "A permutation, whichever way you stack; the vJp transposes back.",
    ),
    "slice x[1:-1]": Operation(
        lambda x, a: x[1:-1], "n", "v", "", "", lambda g, kept, shape: np.pad(g, 1),
        "An identity with empty columns: what is cut away has no influence, so its gradient is 0.",
    ),
    "sliding window": Operation(
        lambda x, w: w[0] * x[:-2] + w[1] * x[1:-1] + w[2] * x[2:], "n", "v", "w", "a",
        lambda g, w, shape: np.convolve(g, w),
        "A convolution: the same three weights in every row, one place further on.",
    ),
}  # fmt: skip


def sizes(m: int, n: int, k: int) -> dict[str, int]:
    """Return the length that each letter stands for: w is the window's, v what a window leaves of n."""
    return {"m": m, "n": n, "k": k, "w": WINDOW, "v": n - WINDOW + 1}


def draw_operands(operation: Operation, length: dict[str, int]) -> tuple[Floats, Floats]:
    """Draw x and a from a normal distribution, the same ones each time."""
    rng = np.random.default_rng(0)
    return rng.normal(size=operation.shape("x", length)), rng.normal(size=operation.shape("a", length))


def bytes_needed(operation: Operation, length: dict[str, int]) -> tuple[int, int]:
    """Return the bytes of the dense Jacobian and of what the vJp keeps, in float32."""
    count = {part: 4 * int(np.prod(operation.shape(part, length))) for part in "xya"}
    return count["y"] * count["x"] // 4, count.get(operation.keeps, 0)


def in_words(count: int) -> str:
    """Write a number of bytes with its unit.

    >>> [in_words(c) for c in (0, 144, 4096, 1024**4 * 4)]
    ['nothing', '144 bytes', '4 KiB', '4 TiB']
    """
    power = min(max(count.bit_length() - 1, 0) // 10, 5)
    unit = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")[power]
    return f"{count / 1024**power:.4g} {unit}" if count else "nothing"


def names(letter: str, shape: tuple[int, ...], stacking: Stacking) -> list[str]:
    """Name the elements of an array in the order in which they are stacked: X₁₁, X₂₁, ..."""
    digits = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    order = np.arange(int(np.prod(shape))).reshape(shape).ravel("F" if stacking == "columns" else "C")
    places = zip(*np.unravel_index(order, shape)) if shape else [()]
    return [letter + "".join(str(int(i) + 1).translate(digits) for i in place) for place in places]


def matrix_of(name: str, length: dict[str, int], stacking: Stacking) -> Floats:
    """Return the Jacobian of an operation between stacked arrays, from the engine."""
    operation = OPERATIONS[name]
    x, a = draw_operands(operation, length)
    derivatives = jacobian(lambda x: operation.value(x, a), x)
    return as_matrix(derivatives, len(operation.y), stacking)


def picture_of(name: str, length: dict[str, int], stacking: Stacking) -> Picture:
    """Draw the Jacobian of an operation; a block is a column (or row) of the output by one of the input."""
    operation = OPERATIONS[name]
    x_shape, y_shape = operation.shape("x", length), operation.shape("y", length)
    blocks, side = None, 0 if stacking == "columns" else -1
    if len(y_shape) == 2:
        blocks = (y_shape[side], x_shape[side] if len(x_shape) == 2 else x_shape[0])
    x_size, y_size = (" × ".join(map(str, shape)) or "1" for shape in (x_shape, y_shape))
    return plot_jacobian(
        matrix_of(name, length, stacking),
        title=f"{name}: from {x_size} to {y_size} numbers",
        outputs=names("y" if len(y_shape) < 2 else "Y", y_shape, stacking),
        inputs=names("x" if len(x_shape) < 2 else "X", x_shape, stacking),
        blocks=blocks,
        look_for=operation.remark,
    )


def costs(operation: Operation, length: dict[str, int]) -> tuple[str, pd.DataFrame]:
    """Return the shapes in words, and a table of bytes: of the Jacobian, and of what the vJp keeps."""
    shapes = [("input", operation.x), ("output", operation.y), *[("constant", operation.a)] * bool(operation.a)]
    words = "; ".join(f"{part}: {' × '.join(axes) or 'one number'}" for part, axes in shapes)
    window = f" (v = n − {WINDOW - 1})" * (operation.y == "v")
    rows = {}
    for case, lengths in {"as drawn": length, f"every size {LARGE}": sizes(LARGE, LARGE, LARGE)}.items():
        dense, kept = map(in_words, bytes_needed(operation, lengths))
        what = {"": "", "a": " (the constant)"}.get(operation.keeps, f" ({operation.keeps})")
        rows[case] = {"dense Jacobian": dense, "kept by the vJp": kept + what}
    return f"Shapes. {words}{window}.", pd.DataFrame(rows).T.rename_axis("float32", axis="columns")


def jacobian_panel() -> Explorer:
    """Make the panel; it answers with the picture, a table of bytes, and the shapes in words."""

    def show(operation: str, m: int, n: int, k: int, stacking: Stacking) -> list[Any]:
        length = sizes(m, n, k)
        shapes, table = costs(OPERATIONS[operation], length)
        return [picture_of(operation, length, stacking), table, shapes]

    return Explorer(
        show,
        operation=choice("Operation", list(OPERATIONS), "AX, in X"),
        m=slider("Length m", 3, 1, 5, live=False),
        n=slider("Length n", 4, 3, 6, live=False),
        k=slider("Length k", 2, 1, 4, live=False),
        stacking=choice("Vec stacks the", ["columns", "rows"]),
    )
