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
    """A net of two inputs, a layer of tanh units and one output; ``weights``, all in ``parameters``, are Scalars."""

    def __init__(self, hidden: int = 8, seed: int = 0) -> None:
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
        x0, x1 = np.asarray(points, dtype=float).T
        result: NDArray[np.float64] = 0.5 * (1.0 + answer(self.numbers(), x0, x1))[:, None]
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

    ``points`` have the shape (n, 2); ``classes`` are 0 or 1 for each, where the net is to answer -1 or 1.

    >>> steps = list(train(ScalarNet(2), [[1, 1], [-1, 1]], [1, 0], epochs=20))
    >>> steps[-1].loss < steps[0].loss
    True
    """
    x, t = np.asarray(points, dtype=float), np.asarray(classes, dtype=float).reshape(-1)
    if x.shape != (len(t), 2) or not np.isfinite(x).all() or not np.isin(t, (0.0, 1.0)).all():
        raise ValueError("points must be finite, of shape (n, 2), and classes 0 or 1 for each")
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
