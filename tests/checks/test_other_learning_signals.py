"""Each check of lecture 08 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import normalize

from helpers.checks import other_learning_signals as exercises
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("other_learning_signals")


def cosines(rows, centre=True, unit=True):
    rows = rows - rows.mean(1, keepdim=True) if centre else rows
    rows = normalize(rows) if unit else rows
    return rows @ rows.T


def through_the_layers(X, activities, delta, matrices):
    """Feedback alignment where the direct kind is asked for: the first layer's error comes from the second's."""
    (a1, a2), (_, B2) = activities, matrices
    d2 = (delta @ B2) * (1 - a2**2)
    return [((d2 @ torch.ones(4, 5)) * (1 - a1**2)).T @ X, d2.T @ a1]


def gradients(slope=lambda a: 1 - a**2, inputs=lambda X, activities: [X, *activities], scale=1.0):
    def direct_gradients(X, activities, delta, matrices):
        errors = [(scale * delta @ B) * slope(a) for B, a in zip(matrices, activities)]
        return [e.T @ h for e, h in zip(errors, inputs(X, activities))]

    return direct_gradients


def moved(low, high):
    def wrong_labels(labels, classes, generator):
        drawn = labels + torch.randint(low, max(low + 1, classes + high), labels.shape, generator=generator)
        return drawn % classes

    return wrong_labels


def unpaired(a, b, t):
    half = t * np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a))
    return np.mean(a) - np.mean(b), half


test_wrong_answers = refusing(
    exercises,
    {
        "similarity": [
            (lambda F, T: (cosines(F, unit=False) - cosines(T, unit=False)).square().mean(), "length 1"),
            (lambda F, T: (cosines(F, centre=False) - cosines(T, centre=False)).square().mean(), "less its mean"),
            (lambda F, T: (cosines(F) - cosines(T)).square().sum(), "mean over all"),
            (lambda F, T: (cosines(F) - cosines(T)).abs().mean(), "squared"),
            (lambda F, T: solution.similarity(F.detach(), T), "graph"),
        ],
        "direct_gradients": [
            (through_the_layers, "straight from the output"),
            (gradients(slope=torch.ones_like), "slope"),
            (gradients(inputs=lambda X, activities: activities), "layer 2"),
            (gradients(scale=1.001), "entry"),
        ],
        "wrong_labels": [
            (lambda labels, classes, g: torch.randint(0, classes, labels.shape, generator=g), "no true label"),
            (moved(1, 1), "no true label"),
            (moved(1, -1), "all other classes alike"),
            (lambda labels, classes, g: (labels + 1) % classes, "all other classes alike"),
            (
                lambda labels, classes, g: solution.wrong_labels(labels, classes, torch.Generator().manual_seed(7))[:5],
                "5",
            ),
            (lambda labels, classes, g: solution.wrong_labels(labels, classes, None), "equal seeds"),
        ],
        "paired_interval": [
            (unpaired, "pair by pair"),
            (lambda a, b, t: solution.paired_interval(b, a, t), "all differ by 0.1"),
            (lambda a, b, t: solution.paired_interval(a, b), "use the t|√n"),
            (lambda a, b, t: (np.mean(np.subtract(a, b)), t * np.std(np.subtract(a, b)) / np.sqrt(len(a))), "ddof=1"),
            (lambda a, b, t: (abs(np.mean(np.subtract(a, b))), solution.paired_interval(a, b, t)[1]), "exchanged"),
        ],
    },
)
