"""A small net that learns with nothing but `Scalar`: plain Python, number by number.

`answer` is the whole net. On Scalars it records what the loss needs for its gradient; on floats and NumPy arrays, the
same lines answer at once for every point of a picture. `train` is gradient descent, one epoch per step.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.scalar import Scalar, tanh

HIDDEN, POINTS = 32, 200  # more takes seconds per epoch: what lecture 03 is about


class Weights(NamedTuple):
    """What a net knows."""

    hidden: list[list[Any]]  # a row (w0, w1, bias) for each hidden unit
    output: list[Any]  # a weight for each hidden unit, and the bias


def answer(weights: Weights, x0: Any, x1: Any) -> Any:
    """Return the answer of the net at a point, between -1 and 1, on numbers of any type."""
    *of_units, total = weights.output
    for weight, (w0, w1, bias) in zip(of_units, weights.hidden):
        total = total + weight * tanh(w0 * x0 + w1 * x1 + bias)
    return tanh(total)


class ScalarNet:
    """A net with two inputs, 1 to 32 tanh units in one layer and one output; its ``weights`` are Scalars.

    ``parameters`` holds the same Scalars in one list. Equal seeds (0 or more) give equal weights.
    """

    def __init__(self, hidden: int = 8, seed: int = 0) -> None:
        _check_whole("hidden", hidden, 1, HIDDEN)
        _check_whole("seed", seed, 0, 2**63)
        rng = random.Random(seed)
        self.weights = Weights(
            [[Scalar(rng.gauss(0.0, 1.0)) for _ in range(3)] for _ in range(hidden)],
            [*(Scalar(rng.gauss(0.0, 1.0) / math.sqrt(hidden)) for _ in range(hidden)), Scalar(0.0)],
        )
        self.parameters: list[Scalar] = [w for row in (*self.weights.hidden, self.weights.output) for w in row]

    def numbers(self) -> Weights:
        """Return the weights as plain floats: a copy that training does not change."""
        return Weights([[w.value for w in row] for row in self.weights.hidden], [w.value for w in self.weights.output])

    def predict(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return the score of class 1, in [0, 1] and of shape (m, 1), at points of shape (m, 2)."""
        x = np.asarray(points, dtype=float)
        if x.ndim != 2 or x.shape[1] != 2:
            raise ValueError(f"points must have shape (m, 2), got {x.shape}")
        result: NDArray[np.float64] = 0.5 * (1.0 + answer(self.numbers(), x[:, 0], x[:, 1]))[:, None]
        return result


class Step(NamedTuple):
    """What `train` yields after each epoch."""

    epoch: int
    loss: float  # of the weights before the update
    net: ScalarNet  # which the update has changed


def loss_of(net: ScalarNet, points: Sequence[Sequence[Scalar]], targets: Sequence[Scalar]) -> Scalar:
    """Return the mean squared error over the points, with all that a gradient needs."""
    total = Scalar(0.0)
    for (x0, x1), target in zip(points, targets):
        error = answer(net.weights, x0, x1) - target
        total = total + error * error
    mean: Scalar = total / len(points)
    return mean


def train(
    net: ScalarNet, points: ArrayLike, classes: ArrayLike, epochs: int, learning_rate: float = 0.2
) -> Iterator[Step]:
    """Train a net by plain gradient descent, on all points at once; it is changed.

    ``points``, shape (n, 2), are 1 to 200; ``classes`` are 0 or 1 for each, where the net is to answer -1 or 1. Stop
    whenever you like: each step is complete. An epoch visits every Scalar of the loss twice, O(n · hidden).

    >>> steps = list(train(ScalarNet(2), [[1, 1], [-1, 1]], [1, 0], epochs=20))
    >>> steps[-1].loss < steps[0].loss
    True
    """
    x, t = np.asarray(points, dtype=float), np.asarray(classes, dtype=float).reshape(-1)
    if x.ndim != 2 or x.shape[1] != 2 or not 1 <= len(x) <= POINTS or not np.isfinite(x).all():
        raise ValueError(f"points must be finite, of shape (n, 2) with n from 1 to {POINTS}, got shape {x.shape}")
    if len(t) != len(x) or not np.isin(t, (0.0, 1.0)).all():
        raise ValueError(f"classes must be 0 or 1, one for each of the {len(x)} points, got {np.asarray(classes)!r}")
    _check_whole("epochs", epochs, 1, 10**6)
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be more than 0 and finite, got {learning_rate!r}")
    inputs = [[Scalar(value) for value in point] for point in x.tolist()]
    return descend(net, inputs, [Scalar(2 * c - 1) for c in t.tolist()], epochs, learning_rate)


def descend(
    net: ScalarNet, inputs: list[list[Scalar]], targets: list[Scalar], epochs: int, learning_rate: float
) -> Iterator[Step]:
    """Take a step against the gradient, and hand out what happened; `train` without its checks."""
    for epoch in range(1, epochs + 1):
        loss = loss_of(net, inputs, targets)
        loss.backward()
        for weight in net.parameters:
            weight.value -= learning_rate * weight.gradient
        yield Step(epoch, loss.value, net)


def _check_whole(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
