"""Self-checks of lecture 08."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.optim import SGD

from helpers.checks.verdict import Answer, Cases, check, judge, same
from helpers.networks import layered_net
from helpers.training import feedback_alignment, similarity_loss
from helpers.training.feedback import feedback_matrices


@check
def check_similarity(similarity: Answer) -> Cases:
    """Check ``similarity(features, targets)``, the mean squared difference of two matrices of cosines."""
    T = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    unlike = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.5], [1.0, 1.0, -3.0]], requires_grad=True)
    shifted = T + torch.tensor([[5.0], [0.0], [1.0]])
    for case, F, hint in (
        ("features like the targets", 3 * T, "cosines do not depend on lengths: scale each centred row to length 1"),
        ("a constant added to each row", shifted, "take each row less its mean first, of features and of targets"),
        ("three unlike rows", unlike, "the mean over all n² entries of the squared difference of FF' and TT'"),
        ("rows in another order", T[[2, 0, 1]], "compare the matrices (n, n), not the features themselves"),
    ):
        yield same(similarity(F, T), similarity_loss(F, T), case, hint, absolute=1e-5)
    value = similarity(unlike, T)
    graph = isinstance(value, Tensor) and value.requires_grad
    yield judge(graph, "features that need a gradient", "a loss with a graph", "none", "stay with tensors: no detach")


@check
def check_direct_gradients(direct_gradients: Answer) -> Cases:
    """Check ``direct_gradients(X, activities, delta, matrices) -> [gradient of W1, of W2]`` against the rule itself."""
    model = layered_net([3, 5, 4, 2], activation=nn.Tanh, normalize=False, seed=3)
    X = torch.linspace(-1, 1, 18).reshape(6, 3).sin()
    Y = torch.eye(2)[[0, 1, 1, 0, 1, 0]]
    matrices = feedback_matrices(model, True, 0)
    before = [block[0].weight.detach().clone() for block in model]  # type: ignore[index]
    with torch.no_grad():
        activities = [model[:1](X), model[:2](X)]
        delta = (model(X) - Y) / Y.numel()
        found = list(direct_gradients(X, activities, delta, matrices))
    yield same(len(found), 2, "two hidden layers, the gradients", "one per hidden layer, the first first")
    next(feedback_alignment(model, partial(SGD, lr=1.0), binary_cross_entropy, 1, [(X, Y)], direct=True, seed=0))
    for i, hint in (
        (1, "(δ B₂) times the slope 1 - a₂², then δ' times inputs: its transpose times what layer 2 got, a₁"),
        (0, "the error comes straight from the output, δ B₁, not through layer 2"),
    ):
        expected = before[i] - model[i][0].weight.detach()  # type: ignore[index]
        yield same(found[i], expected, f"layer {i + 1}, the rule's own step", hint, 1e-5)


@check
def check_wrong_labels(wrong_labels: Answer) -> Cases:
    """Check ``wrong_labels(labels, classes, generator)``: never the true label, all others alike."""
    for classes in (2, 3, 10):
        labels = torch.arange(classes).repeat_interleave(600)
        drawn, again = (wrong_labels(labels, classes, torch.Generator().manual_seed(0)) for _ in range(2))
        yield judge(drawn.shape == labels.shape, "labels", "as many", drawn.shape, "a wrong label for each true one")
        true, moves = int((drawn == labels).sum()), ((drawn - labels) % classes).long()
        counts = torch.bincount(moves, minlength=classes)[1:].tolist()
        for agrees, expected, got, hint in (
            (true == 0, "no true label among the wrong ones", true, "draw a move of 1 to classes - 1"),
            (((drawn >= 0) & (drawn < classes)).all(), f"labels from 0 to {classes - 1}", "others",
             "go round: take the remainder, %"),
            (min(counts) > 0.8 * len(labels) / (classes - 1), "all other classes alike", f"counts {counts}",
             "each move 1, 2, ... has the same chance; the upper end of torch.randint is left out"),
            (torch.equal(drawn, again), "equal labels from equal seeds", "others", "draw from the generator"),
        ):  # fmt: skip
            yield judge(agrees, f"{classes} classes", expected, got, hint)


@check
def check_paired_interval(paired_interval: Answer) -> Cases:
    """Check ``paired_interval(a, b, t) -> (mean, half width)`` of the differences a - b."""
    a, b = [0.9, 0.7, 0.8, 0.6], [0.8, 0.6, 0.7, 0.5]
    for case, first, second, t, expected, hint in (
        ("pairs that all differ by 0.1", a, b, 2.0, (0.1, 0.0), "subtract pair by pair first: then nothing varies"),
        ("the same, exchanged", b, a, 2.0, (-0.1, 0.0), "a - b: a negative mean says that a is worse"),
        ("differences 0, 1, 2, 3", [0, 2, 4, 6], [0, 1, 2, 3], 2.0, (1.5, 1.2909944),
         "s has n - 1 below (ddof=1), and the half width is t s / √n"),
        ("the same with t = 3", [0, 2, 4, 6], [0, 1, 2, 3], 3.0, (1.5, 1.9364917), "use the t that is given"),
    ):  # fmt: skip
        yield same([float(x) for x in paired_interval(first, second, t)], expected, case, hint, 1e-6)
