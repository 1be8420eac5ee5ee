"""Solutions to the exercises of lecture 03. Try first: the checks in the notebook say what is missing."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Push = Callable[[Floats], Floats]


def agree(pushforward: Push, pullback: Push, x_size: int, y_size: int, seed: int) -> bool:
    """Compare <y_bar, J x_dot> with <J' y_bar, x_dot>, up to the rounding of sums of this size."""
    rng = np.random.default_rng(seed)
    x_dot, y_bar = rng.normal(size=x_size), rng.normal(size=y_size)
    y_dot, x_bar = pushforward(x_dot), pullback(y_bar)
    scale = np.linalg.norm(y_bar) * np.linalg.norm(y_dot) + np.linalg.norm(x_bar) * np.linalg.norm(x_dot)
    return bool(abs(y_bar @ y_dot - x_bar @ x_dot) <= 1e-9 * scale)


def softmax_vjp(y: Floats, y_bar: Floats) -> Floats:
    """Multiply by diag(y) - yy', column by column."""
    return y * (y_bar - (y * y_bar).sum(axis=0, keepdims=True))


def matmul_vjp(A: Floats, X: Floats, G: Floats) -> tuple[Floats, Floats]:
    """Return GX' and A'G."""
    return G @ X.T, A.T @ G


def unbroadcast(G: Floats, shape: tuple[int, int]) -> Floats:
    """Add up along the axes of length 1, which broadcasting repeated."""
    repeated = tuple(axis for axis in range(2) if shape[axis] == 1)
    return G.sum(axis=repeated, keepdims=True)
