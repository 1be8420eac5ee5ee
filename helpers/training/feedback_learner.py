"""How an error comes down through fixed matrices: the mechanics of feedback alignment, and the angle to the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.training.arguments import Criterion, OptimizerFactory
from helpers.training.loop import Learner
from helpers.training.signals import first_linear


class _Pass(NamedTuple):
    """What went through a block: its input, input and output of its first linear layer, its output."""

    input: Tensor
    linear_input: Tensor
    pre_activation: Tensor
    output: Tensor


class FeedbackLearner(Learner):
    """The whole net, whose blocks are given their gradients one by one, from the last to the first.

    Parameters
    ----------
    model, criterion, optimizer, direct, angles
        As in `feedback_alignment`.
    matrices : list of Tensor
        For each hidden block the matrix that brings its error, as `feedback_matrices` draws them.
    """

    def __init__(
        self,
        model: nn.Sequential,
        criterion: Criterion,
        optimizer: OptimizerFactory,
        matrices: list[Tensor],
        direct: bool,
        angles: bool,
    ) -> None:
        super().__init__(model, nn.Identity(), criterion, optimizer, False)
        self.blocks, self.matrices, self.direct, self.angles = list(model), matrices, direct, angles
        self.learned = [[p for p in block.parameters() if p.requires_grad] for block in self.blocks]
        self.passes: list[_Pass] = []
        self.true: list[Tensor] = []  # the true gradient of each parameter, added up as the given one is
        self.seen: list[list[float]] = []  # the angles of each update in this epoch

    def judge(self, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and loss; keep what passed through each block."""
        self.passes = []
        for block in self.blocks:
            self.passes.append(_run(block, h))
            h = self.passes[-1].output
        return h, self.compare(h, Y)

    def add_gradient(self, loss: Tensor) -> None:
        """Send the error down, and add to each block's gradient what that error makes of it."""
        if self.angles:
            self._add_true(loss)
        top = len(self.blocks) - 1
        delta = self._give(top, loss, None)
        for i in range(top - 1, -1, -1):
            error = self._error_above(i, delta)
            below = self._give(i, self.passes[i].output, error)
            delta = delta if self.direct else below
        self.passes = []

    def _give(self, i: int, output: Tensor, error: Tensor | None) -> Tensor:
        """Add to the gradient of block i what the error at its output makes of it; return δ, at its pre-activations."""
        pre_activation = self.passes[i].pre_activation
        if not output.requires_grad:  # cut off inside: nothing is learned here, and the loop says so
            return torch.zeros_like(pre_activation)
        inputs = [pre_activation, *self.learned[i]]
        delta, *found = torch.autograd.grad(output, inputs, error, retain_graph=True, allow_unused=True)
        for p, gradient in zip(self.learned[i], found):
            if gradient is not None:
                p.grad = gradient if p.grad is None else p.grad + gradient
        return torch.zeros_like(pre_activation) if delta is None else delta

    def _error_above(self, i: int, delta: Tensor) -> Tensor:
        """Return the error at the output of block i, from δ of the block above it (direct: of the output block)."""
        error = delta @ self.matrices[i]
        if self.direct:
            return error.view_as(self.passes[i].output)
        if not self.passes[i + 1].linear_input.requires_grad:  # cut off between the blocks: no error arrives below
            return torch.zeros_like(self.passes[i].output)
        # what stands in front of the linear layer above, a flattening say, is a part of that block: exact
        return _vjp(self.passes[i + 1].linear_input, [self.passes[i + 1].input], error)[0]

    def _add_true(self, loss: Tensor) -> None:
        learned = [p for block in self.learned for p in block]
        found = _vjp(loss, learned)
        self.true = [a + b for a, b in zip(self.true, found)] if self.true else found

    def forget_gradient(self) -> None:
        """Drop the gradient that has been added up, the true one too."""
        super().forget_gradient()
        self.passes, self.true, self.seen = [], [], []

    def update(self) -> None:
        """Note the angles, then let the optimiser take one step."""
        if self.angles:
            true = iter(self.true)
            self.seen.append([angle(_gradients(learned), [next(true) for _ in learned]) for learned in self.learned])
            self.true = []
        super().update()

    def mean_angles(self) -> list[float]:
        """Return the mean angle of each block over the updates of this epoch."""
        return [math.fsum(block) / len(block) for block in zip(*self.seen)]


def _run(block: nn.Module, h: Tensor) -> _Pass:
    """Run a block, and note what enters and leaves its first linear layer (in a block without: itself)."""
    noted: list[tuple[Tensor, Tensor]] = []

    def note(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        # δ is asked for in every block, also where all below is frozen
        noted.append((inputs[0], output if output.requires_grad else output.requires_grad_()))
        return output.clone()  # goes on in its place: an activation may work in place

    handle = (first_linear(block) or block).register_forward_hook(note)
    try:
        output = block(h)
    finally:
        handle.remove()
    return _Pass(h, *noted[0], output)


def _vjp(output: Tensor, inputs: Sequence[Tensor], cotangent: Tensor | None = None) -> list[Tensor]:
    """Pull a cotangent back from output to inputs; what the output does not depend on gets zeros."""
    return list(torch.autograd.grad(output, inputs, cotangent, retain_graph=True, materialize_grads=True))


def _gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]


def angle(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """Return the angle in degrees between two lists of tensors, each taken as one long vector; NaN if one is zero.

    >>> angle([torch.tensor([1.0, 0.0])], [torch.tensor([1.0, 1.0])])
    45.0
    """
    if not a:
        return math.nan
    u, v = (torch.cat([t.flatten() for t in tensors]).double() for tensors in (a, b))
    u, v = u / u.norm(), v / v.norm()
    # Kahan's formula: exact at 0 and at 180 degrees, where the inverse cosine loses half its digits
    return math.degrees(2 * math.atan2(float((u - v).norm()), float((u + v).norm())))
