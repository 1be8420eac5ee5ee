"""Self-checks of lecture 08.

>>> def wrong_labels(labels, classes, generator):
...     raise NotImplementedError("Student exercise: another label than the true one")
>>> check_wrong_labels(wrong_labels)
○ not attempted: replace the `raise` by your answer, then run this cell again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.optim import SGD

from helpers.checks.verdict import check, judge
from helpers.networks import layered_net
from helpers.training import feedback_alignment, similarity_loss
from helpers.training.feedback import feedback_matrices
from helpers.training.layers import probe


@check
def check_similarity(similarity: Callable[[Tensor, Tensor], Any]) -> Iterator[str | None]:
    """Check ``similarity(features, targets)``, the mean squared difference of two matrices of cosines."""
    T = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for case, F, hint in (
        ("features like the targets", 3 * T, "cosines do not depend on lengths: scale each centred row to length 1"),
        ("features with a constant added to each row", T + torch.tensor([[5.0], [0.0], [1.0]]), "take each row less "
         "its mean first, of features and of targets"),
        ("three unlike rows", torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.5], [1.0, 1.0, -3.0]]),
         "the mean over all n² entries of the squared difference of FF' and TT'"),
        ("rows in another order", T[[2, 0, 1]], "compare the matrices (n, n), not the features themselves"),
    ):  # fmt: skip
        expected, got = float(similarity_loss(F, T)), float(similarity(F, T))
        yield judge(abs(got - expected) < 1e-5, case, f"{expected:.4f}", f"{got:.4f}", hint)
    F = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.5], [1.0, 1.0, -3.0]], requires_grad=True)
    value = similarity(F, T)
    graph = isinstance(value, Tensor) and value.requires_grad
    yield judge(
        graph, "features that require a gradient", "a loss with a graph", "none", "stay with tensors: no detach"
    )


@check
def check_direct_gradients(direct_gradients: Callable[..., Any]) -> Iterator[str | None]:
    """Check ``direct_gradients(X, activities, delta, matrices) -> [gradient of W1, of W2]`` against the rule itself."""
    model = layered_net([3, 5, 4, 2], activation=nn.Tanh, normalize=False, seed=3)
    X = torch.linspace(-1, 1, 18).reshape(6, 3).sin()
    Y = torch.eye(2)[[0, 1, 1, 0, 1, 0]]
    matrices = feedback_matrices(model, probe(model, X), True, 0)
    before = [block[0].weight.detach().clone() for block in model]  # type: ignore[index]
    with torch.no_grad():
        activities = [model[:1](X), model[:2](X)]
        delta = (model(X) - Y) / Y.numel()
        found = list(direct_gradients(X, activities, delta, matrices))
    yield judge(len(found) == 2, "two hidden layers", "2 gradients", len(found), "one a hidden layer, the first first")
    next(feedback_alignment(model, partial(SGD, lr=1.0), binary_cross_entropy, 1, [(X, Y)], direct=True, seed=0))
    for i, hint in ((1, "(δ B₂) times the slope 1 - a₂², then its transpose times what layer 2 got, a₁"),
                    (0, "the error comes straight from the output, δ B₁, not through layer 2")):  # fmt: skip
        expected, got = before[i] - model[i][0].weight.detach(), found[i]  # type: ignore[index]
        shape, asked = tuple(got.shape), tuple(expected.shape)
        yield judge(shape == asked, f"layer {i + 1}", f"a gradient {asked}, as its weights", shape, "δ' times inputs")
        gap = float((got - expected).abs().max())
        yield judge(gap < 1e-6, f"layer {i + 1}", "the rule's own step", f"one that is off by {gap:.2g}", hint)


@check
def check_wrong_labels(wrong_labels: Callable[..., Tensor]) -> Iterator[str | None]:
    """Check ``wrong_labels(labels, classes, generator)``: never the true label, all others alike."""
    for classes in (2, 3, 10):
        labels = torch.arange(classes).repeat_interleave(600)
        drawn = wrong_labels(labels, classes, torch.Generator().manual_seed(0))
        case = f"{classes} classes"
        shape = tuple(drawn.shape)
        yield judge(shape == tuple(labels.shape), case, tuple(labels.shape), shape, "a wrong label for each true one")
        same = int((drawn == labels).sum())
        yield judge(same == 0, case, "no true label among the wrong ones", same, "draw a move of 1 to classes - 1")
        inside = bool(((drawn >= 0) & (drawn < classes)).all())
        yield judge(inside, case, f"labels from 0 to {classes - 1}", "others", "go round: take the remainder, %")
        counts = torch.bincount(((drawn - labels) % classes).long(), minlength=classes)[1:]
        share = len(labels) / (classes - 1)
        even = bool((counts > 0.8 * share).all())
        hint = "each of the other classes has the same chance; the upper end of torch.randint is left out"
        yield judge(even, case, "all other classes alike", f"counts {counts.tolist()} of the moves 1, 2, ...", hint)
        again = wrong_labels(labels, classes, torch.Generator().manual_seed(0))
        yield judge(torch.equal(drawn, again), case, "equal labels from equal seeds", "others", "draw from `generator`")


@check
def check_paired_interval(paired_interval: Callable[..., tuple[float, float]]) -> Iterator[str | None]:
    """Check ``paired_interval(a, b, t) -> (mean, half width)`` of the differences a - b."""
    a, b = [0.9, 0.7, 0.8, 0.6], [0.8, 0.6, 0.7, 0.5]
    for case, first, second, t, mean, half, hint in (
        ("pairs that all differ by 0.1", a, b, 2.0, 0.1, 0.0, "subtract pair by pair first: then nothing varies"),
        ("the same, exchanged", b, a, 2.0, -0.1, 0.0, "a - b: a negative mean says that a is worse"),
        ("differences 0, 1, 2, 3", [0, 2, 4, 6], [0, 1, 2, 3], 2.0, 1.5, 1.2909944,
         "s has n - 1 below (ddof=1), and the half width is t s / √n"),
        ("the same with t = 3", [0, 2, 4, 6], [0, 1, 2, 3], 3.0, 1.5, 1.9364917, "use the t that is given"),
    ):  # fmt: skip
        found = tuple(float(x) for x in paired_interval(first, second, t))
        agrees = len(found) == 2 and abs(found[0] - mean) < 1e-6 and abs(found[1] - half) < 1e-6
        got = ", ".join(f"{x:.4f}" for x in found)
        yield judge(agrees, case, f"({mean}, {half:.4f})", f"({got})", hint)
