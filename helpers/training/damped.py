"""Between parallel and sequential: all layers learn at once, but slowly along input axes that still move."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Unpack, get_args

import torch
from torch import Tensor, nn

from helpers.training.arguments import Criterion, OptimizerFactory, Options, Passes, at_least, one_of
from helpers.training.layers import Batches, FrozenPrefix, mode
from helpers.training.local import Local, ParallelStep, first_linear, make_local
from helpers.training.rules import Training, start

Damping = Literal["axes", "layer"]


class Damped(Local):
    """The parallel rule, its steps scaled column by column in the first weights of a block, where the input moves."""

    def __init__(self, *arguments: Any, X: Tensor, strength: float, damping: Damping) -> None:
        super().__init__(*arguments)
        self.inputs, self.strength, self.damping = Inputs(self.model, X), strength, damping
        self.displacements: list[Tensor] | None = None  # since the epoch before; None: nothing is damped yet

    def update(self) -> None:
        """Let the optimisers take their steps, then go back part of the way where the input moves."""
        if self.displacements is None:
            super().update()
            return
        weights = [layer.weight.detach() for layer in self.inputs.layers[1:]]
        before = [weight.clone() for weight in weights]
        super().update()
        for weight, old, moved in zip(weights, before, self.displacements[1:]):
            factor = 1 / (1 + self.strength * moved)
            # lerp gives exactly the new weights where the factor is 1
            weight.copy_(old.lerp(weight, factor if self.damping == "axes" else factor.mean()))


class DampedStep(NamedTuple):
    """What an epoch of the damped rule yields: `relative_movement` of each block's inputs; else as `ParallelStep`."""

    displacements: list[Tensor]
    epoch: int
    loss: float
    encoders: list[FrozenPrefix]
    decoders: list[nn.Module]

    predict = ParallelStep.predict  # type: ignore[misc]


def locally_optimize_damped(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    hidden_criterion: Criterion,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    strength: float = 10.0,
    damping: Damping = "axes",
    **options: Unpack[Options],
) -> Training[DampedStep]:
    """Train all blocks at once, each slowly along the input axes that still move.

    Parameters
    ----------
    model : nn.Sequential
        As in `locally_optimize_parallel`; every block but the first has an ``nn.Linear``, whose inputs are the axes.
    optimizer, hidden_criterion, criterion, epochs, batches, **options
        As in `locally_optimize_parallel`.
    strength : float
        0 or more. 0 is `locally_optimize_parallel`, number for number; the larger, the longer a block waits for the
        one below.
    damping : {"axes", "layer"}
        Each axis by its own displacement, or all axes of a block by their mean factor.

    Yields
    ------
    DampedStep
        ``(displacements, epoch, loss, encoders, decoders)``.

    Notes
    -----
    Between two epochs, axis j has moved by δ_j = rms(h_j - h_j before) / rms(h_j), on the first batch, in evaluation
    mode (`relative_movement`; before the first epoch nothing has moved). The optimiser's step in column j of the
    block's first weight matrix is then multiplied by 1 / (1 + strength δ_j). It is the step that is damped and not the
    gradient: to Rprop a gradient is a sign, and Adam divides the scale out. This tests a conjecture that ends Mertens'
    "Local propagation by linear decoders": later parameters move slowly along axes that are not yet stable.
    """
    passes = Passes(epochs, batches, **options)
    at_least("strength", strength, 0)
    one_of("damping", damping, get_args(Damping))
    arguments = (model, optimizer, hidden_criterion, criterion)
    rule, ends = make_local(Damped, passes, *arguments, X=passes.X, strength=strength, damping=damping)

    def report(step: Any) -> DampedStep:
        rule.displacements = rule.inputs.displacements()
        return DampedStep(rule.displacements, step.epoch, step.loss, *ends)

    return start(rule, passes, report)


class Inputs:
    """What reaches the first linear layer of each block of a live model, on a batch X (n, ...) that stays the same."""

    def __init__(self, model: nn.Sequential, X: Tensor) -> None:
        self.model, self.X = model, X
        self.layers: list[Any] = [first_linear(block) or block for block in model]
        for i, layer in enumerate(self.layers):
            if i and not isinstance(layer, nn.Linear):
                raise ValueError(f"model: block {i} has no nn.Linear, along whose inputs a step could be damped")
        self.before = self.now()

    @torch.no_grad()
    def now(self) -> list[Tensor]:
        """Return the inputs, each (rows, axes), in evaluation mode."""
        found: list[Tensor] = []
        handles = [
            layer.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].flatten(0, -2)))
            for layer in self.layers
        ]
        try:
            with mode(False, self.model):
                self.model(self.X.clone())
        finally:
            for handle in handles:
                handle.remove()
        return found

    def displacements(self) -> list[Tensor]:
        """Return how far each axis has moved since the last call, relative to its size: (axes,) for each block."""
        before, self.before = self.before, self.now()
        return [relative_movement(old, now) for old, now in zip(before, self.before)]


def relative_movement(before: Tensor, now: Tensor) -> Tensor:
    """Return for each column (n, axes) the root mean square of its change over the larger of before and now: 0 to 2.

    >>> relative_movement(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[3.0, 2.0, 0.0]]))
    tensor([0.0000, 0.5000, 0.0000])
    """
    change, *sizes = (t.square().mean(0).sqrt() for t in (now - before, now, before))
    return torch.where(change > 0, change / torch.maximum(*sizes), 0)
