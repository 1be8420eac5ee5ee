"""Feedback alignment: the error comes down through fixed random matrices, where back-propagation transposes weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import torch
from torch import Tensor, nn

from helpers.networks import seeded
from helpers.training.arguments import FLAG, Checked, Criterion, Factory, Options, Passes, check_apart
from helpers.training.layers import Batches, probe
from helpers.training.local import first_linear
from helpers.training.rules import Rule, Step, Training, finite, start


class Feedback(Rule):
    """The whole net, whose blocks are given their gradients one by one, from the last to the first."""

    def __init__(
        self, model: nn.Sequential, optimizer: Factory, criterion: Criterion, matrices: Sequence[Tensor],
        direct: bool, angles: bool,
    ) -> None:  # fmt: skip
        check_apart([block] for block in model)
        super().__init__(model, optimizer)
        self.criterion, self.direct, self.angles = Checked("criterion", criterion), direct, angles
        self.matrices: Any = nn.ParameterList(matrices).requires_grad_(False)
        self.begin(1)

    def begin(self, epoch: int) -> None:
        """Forget the true gradients of the epoch before, and its angles."""
        self.true: list[Tensor] = []  # the true gradient of each parameter, added up as the given one is
        self.seen: list[list[float]] = []  # the angles of each update in this epoch

    @property
    def groups(self) -> list[list[nn.Parameter]]:
        """The parameters that learn, block by block."""
        return [[p for p in block.parameters() if p.requires_grad] for block in self.model]

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        """Send the error down, and add to each block's gradient what that error makes of it."""
        passes, h = list[_Pass](), X
        for block in self.model:
            passes.append(_run(block, h))
            h = passes[-1].output
        loss = self.criterion(h, Y)
        value, groups = finite(loss), self.groups
        if self.angles:
            learned = [p for group in groups for p in group]
            found = [_or_zero(g, p) for p, g in zip(learned, _vjp(loss, learned))]
            self.true = [a + b for a, b in zip(self.true, found)] if self.true else found
        if not loss.requires_grad:
            self.refuse_unreached(self.reached(), " and in the criterion")
        output, error, top = loss, None, len(passes) - 1
        delta = loss  # δ of the block above, at its pre-activations; direct: of the output block
        for i in range(top, -1, -1):
            if i < top:
                output, error = passes[i].output, delta @ self.matrices[i]
                if self.direct:
                    error = error.view_as(output)
                else:  # what stands before the linear layer above, a flattening say, is a part of that block: exact
                    above = passes[i + 1]
                    error = _or_zero(_vjp(above.linear_input, [above.input], error)[0], output)
            found_delta, *gradients = _vjp(output, [passes[i].pre_activation, *groups[i]], error)
            for p, gradient in zip(groups[i], gradients):
                if gradient is not None:
                    p.grad = gradient if p.grad is None else p.grad + gradient
            if i == top or not self.direct:
                delta = _or_zero(found_delta, passes[i].pre_activation)
        return [value]

    def update(self) -> None:
        """Note the angles, then let the optimiser take one step."""
        if self.angles:
            true = iter(self.true)
            given = [[_or_zero(p.grad, p) for p in group] for group in self.groups]
            self.seen.append([angle(group, [next(true) for _ in group]) for group in given])
            self.true = []
        super().update()

    def report(self, step: Step) -> FeedbackStep:
        return FeedbackStep(step.epoch, step.loss, [math.fsum(block) / len(block) for block in zip(*self.seen)])


class FeedbackStep(NamedTuple):
    """What an epoch of feedback alignment yields: its number, the mean training loss before its update, and angles.

    For each block the angle in degrees, 0 to 180, between the gradient that it was given and the true one (of several
    updates in an epoch, the mean). NaN where one of the two is zero; empty with ``angles=False``.
    """

    epoch: int
    loss: float
    angles: list[float]


def feedback_alignment(
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches, *,
    direct: bool = False, angles: bool = True, **options: Unpack[Options],
) -> Training[FeedbackStep]:  # fmt: skip
    """Train a net by errors that fixed random matrices send down. Yields `FeedbackStep`.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; trained in place. Every block but the first has an ``nn.Linear`` (``direct``: only the last).
    optimizer, criterion, epochs, batches, **options
        As in `backprop_optimize`; the seed is that of the matrices: normal, with the variance of torch's own weights.
    direct : bool
        False: block by block, e ← B_i δ_i, where back-propagation has e ← W_i' δ_i, with δ_i the error at the
        pre-activations of block i (the output of its first linear layer) and e the error at the output of the block
        below. True: from the output to every block at once, e_i = B_i δ_L.
    angles : bool
        Compute the angles: costs a true backward pass per batch.

    Notes
    -----
    Within a block the vJp is exact. An epoch takes one forward and one backward pass, and the activations of all layers
    are kept. After Lillicrap, Cownden, Tweed & Akerman (2016), "Random synaptic feedback weights support error
    backpropagation for deep learning", and Nøkland (2016), "Direct feedback alignment provides learning in deep neural
    networks".
    """
    passes = Passes(epochs, batches, **options)
    matrices = feedback_matrices(model, probe(model, passes.X), FLAG.check("direct", direct), passes.seed)
    return start(Feedback(model, optimizer, criterion, matrices, direct, FLAG.check("angles", angles)), passes)


def feedback_matrices(model: nn.Sequential, outputs: Sequence[Tensor], direct: bool, seed: int | None) -> list[Tensor]:
    """Draw, for each hidden block, the matrix that brings its error, (out, in) as the weights of the block above.

    ``outputs`` are those of each block to one sample, as `probe` gives them; ``direct``: matrix i is (units of the
    output block's linear layer, numbers in the output of i).
    """
    layers: list[Any] = [first_linear(block) for block in model]
    for i, layer in enumerate(layers):
        if layer is None and (i == len(layers) - 1 or (i and not direct)):
            raise ValueError(f"model: block {i} has no nn.Linear, at which feedback takes the error; give it one")
    shapes = [
        (layers[-1].out_features, h[0].numel()) if direct else (above.out_features, above.in_features)
        for h, above in zip(outputs[:-1], layers[1:])
    ]
    with seeded(seed):
        # normal, not uniform: from the seed of the weights, uniform numbers would be the weights' own, in another order
        return [torch.randn(m, n).to(outputs[-1]) / math.sqrt(3 * n) for m, n in shapes]


class _Pass(NamedTuple):
    """What went through a block: its input, input and output of its first linear layer, its output."""

    input: Tensor
    linear_input: Tensor
    pre_activation: Tensor
    output: Tensor


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


def _or_zero(t: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if t is None else t


def _vjp(output: Tensor, inputs: Sequence[Tensor], cotangent: Tensor | None = None) -> list[Any]:
    """Pull a cotangent back from output to inputs; None for what the output does not depend on."""
    if not output.requires_grad:
        return [None] * len(inputs)
    return list(torch.autograd.grad(output, inputs, cotangent, retain_graph=True, allow_unused=True))


def angle(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """Return the angle in degrees between two lists of tensors, each taken as one long vector; NaN if one is zero."""
    if not a:
        return math.nan
    u, v = (torch.cat([t.flatten() for t in tensors]).double() for tensors in (a, b))
    u, v = u / u.norm(), v / v.norm()
    # Kahan's formula: exact at 0 and at 180 degrees, where the inverse cosine loses half its digits
    return math.degrees(2 * math.atan2(float((u - v).norm()), float((u + v).norm())))
