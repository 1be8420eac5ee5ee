"""Solutions to the exercises of lecture 08. Try first: the checks in the notebook say what is missing."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.functional import normalize


def similarity(features: Tensor, targets: Tensor) -> Tensor:
    """Compare who resembles whom: the mean squared difference of two cosine-similarity matrices."""
    F, T = (normalize(rows - rows.mean(1, keepdim=True)) for rows in (features, targets))
    return (F @ F.T - T @ T.T).square().mean()


def direct_gradients(
    X: Tensor, activities: Sequence[Tensor], delta: Tensor, matrices: Sequence[Tensor]
) -> list[Tensor]:
    """Give each hidden tanh layer the gradient that the output's error makes through its own random matrix."""
    inputs = [X, *activities]
    return [((delta @ B) * (1 - a**2)).T @ h for B, a, h in zip(matrices, activities, inputs)]


def wrong_labels(labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """Move each label on by 1 to classes - 1 places, and round: every other class alike, never its own."""
    moves = torch.randint(1, classes, labels.shape, generator=generator)
    return (labels + moves) % classes


def paired_interval(a: ArrayLike, b: ArrayLike, t: float = 2.262) -> tuple[float, float]:
    """Return the mean of a - b over pairs, and the half width of its interval; t is Student's, 2.262 for 10 pairs."""
    d = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    return float(d.mean()), float(t * d.std(ddof=1) / np.sqrt(len(d)))
