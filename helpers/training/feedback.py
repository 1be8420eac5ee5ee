"""Feedback alignment: the error comes down through fixed random matrices, where back-propagation transposes weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from helpers.networks import seeded
from helpers.training.arguments import FLAG, Criterion, Factory, Options, Passes, check_apart, checked
from helpers.training.layers import Batches, first_layers, probe
from helpers.training.rules import Rule, Step, Training, finite, start


class Feedback(Rule):
    """The whole net, whose blocks are given their gradients one by one, from the last to the first.

    ``angles``, of the last epoch: for each block the angle in degrees, 0 to 180, between the gradient that it was given
    and the true one (the mean over the updates). NaN where one of the two is zero.
    """

    def __init__(
        self, model: nn.Sequential, optimizer: Factory, criterion: Criterion, matrices: Sequence[Tensor],
        direct: bool, measure: bool,
    ) -> None:  # fmt: skip
        check_apart([block] for block in model)
        super().__init__(model, optimizer)
        self.criterion, self.direct, self.measure = checked("criterion", criterion), direct, measure
        self.matrices: Any = nn.ParameterList(matrices).requires_grad_(False)
        self.angles: list[float] = []
        self.begin(1)

    def begin(self, epoch: int) -> None:
        self.true: list[Tensor] = []  # the true gradient of each parameter, added up as the given one is
        self.seen: list[list[float]] = []  # the angles of each update in this epoch

    @property
    def groups(self) -> list[list[nn.Parameter]]:
        """The parameters that learn, block by block."""
        return [[p for p in block.parameters() if p.requires_grad] for block in self.model]

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        """Send the error down, and add to each block's gradient what that error makes of it."""
        h, passes = X, list[tuple[Tensor, Tensor]]()  # of each block: its pre-activations, its output
        for block in self.model:
            linear, *rest = block
            a = linear(h)
            if not a.requires_grad:  # δ is asked for in every block, also where all below is frozen
                a.requires_grad_()
            h = nn.Sequential(*rest)(a.clone())  # an activation may work in place
            passes.append((a, h))
        loss, groups = self.criterion(h, Y), self.groups
        value = finite(loss)
        if self.measure:
            found = torch.autograd.grad(loss, [p for group in groups for p in group], retain_graph=True)
            self.true = [a + b for a, b in zip(self.true, found)] if self.true else list(found)
        output, error, delta = loss, None, loss  # δ of the block above, at its pre-activations; direct: of the output
        for i in reversed(range(len(passes))):
            if i + 1 < len(passes):
                output, error = passes[i][1], delta @ self.matrices[i]
            below, *gradients = torch.autograd.grad(output, [passes[i][0], *groups[i]], error, retain_graph=True)
            for p, gradient in zip(groups[i], gradients):
                p.grad = gradient if p.grad is None else p.grad + gradient
            if not self.direct or i + 1 == len(passes):
                delta = below
        return [value]

    def update(self) -> None:
        """Note the angles, then let the optimiser take one step."""
        if self.measure:
            true = iter(self.true)
            self.seen.append([angle([p.grad for p in group], [next(true) for _ in group]) for group in self.groups])
            self.true = []
        super().update()

    def report(self, step: Step) -> Step:
        self.angles = [math.fsum(block) / len(block) for block in zip(*self.seen)]
        return step


def feedback_alignment(
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches, *,
    direct: bool = False, angles: bool = True, **options: Unpack[Options],
) -> Training[Step]:  # fmt: skip
    """Train a net by errors that fixed random matrices send down. Yields `Step`; its ``rule.angles`` are `Feedback`'s.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks, each of which begins with an ``nn.Linear``; trained in place.
    optimizer, criterion, epochs, batches, **options
        As in `backprop_optimize`; the seed is that of the matrices: normal, with the variance of torch's own weights.
    direct : bool
        False: block by block, e ← B_i δ_i, where back-propagation has e ← W_i' δ_i, with δ_i the error at the
        pre-activations of block i and e that at the output of the block below. True: from the output to every block at
        once, e_i = B_i δ_L.
    angles : bool
        Compute the angles: costs a true backward pass per batch.

    Notes
    -----
    Within a block the vJp is exact. After Lillicrap, Cownden, Tweed & Akerman (2016), "Random synaptic feedback weights
    support error backpropagation for deep learning", and Nøkland (2016), "Direct feedback alignment provides learning
    in deep neural networks".
    """
    passes = Passes(epochs, batches, **options)
    probe(model, passes.X)
    matrices = feedback_matrices(model, FLAG.check("direct", direct), passes.seed)
    return start(Feedback(model, optimizer, criterion, matrices, direct, FLAG.check("angles", angles)), passes)


def feedback_matrices(model: nn.Sequential, direct: bool, seed: int | None) -> list[Tensor]:
    """Draw, for each hidden block, the matrix that brings its error, (out, in) as the weights of the block above.

    ``direct``: matrix i is (units of the output block's linear layer, units of block i).
    """
    _, *above = first_layers(model)
    shapes = [(above[-1] if direct else layer).out_features for layer in above], [layer.in_features for layer in above]
    with seeded(seed):
        # normal, not uniform: from the seed of the weights, uniform numbers would be the weights' own, in another order
        return [torch.randn(m, n).to(model[0][0].weight) / math.sqrt(3 * n) for m, n in zip(*shapes)]  # type: ignore[index]


def angle(a: Sequence[Any], b: Sequence[Tensor]) -> float:
    """Return the angle in degrees between two lists of tensors, each taken as one long vector; NaN if one is zero."""
    if not a:
        return math.nan
    u, v = (torch.cat([t.flatten() for t in tensors]).double() for tensors in (a, b))
    u, v = u / u.norm(), v / v.norm()
    # Kahan's formula: exact at 0 and at 180 degrees, where the inverse cosine loses half its digits
    return math.degrees(2 * math.atan2(float((u - v).norm()), float((u + v).norm())))
