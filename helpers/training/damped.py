"""Between parallel and sequential: all layers learn at once, but slowly along input axes that still move.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy, mse_loss
>>> from helpers.datasets import datasets
>>> from helpers.networks import mertens_net
>>> data = datasets["signed_xor"].train()
>>> for step in locally_optimize_damped(
...     mertens_net(seed=0), Rprop, mse_loss, binary_cross_entropy, 6, [(data.X, data.Y)], strength=10, seed=0
... ):
...     pass
>>> step.epoch, [len(moved) for moved in step.displacements]
(6, [2, 100, 100, 10])
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.training.arguments import Criterion, OptimizerFactory, Passes, StepMode
from helpers.training.constrained import at_least
from helpers.training.evaluation import Batches, Scores, layer_scores, mode
from helpers.training.layers import FrozenPrefix
from helpers.training.local import prepare_local
from helpers.training.loop import Learner, epoch_loop, rehearse
from helpers.training.signals import first_linear

Damping = Literal["axes", "layer"]


class DampedStep(NamedTuple):
    """What an epoch of the damped rule yields: how far the input axes of each block have moved, else as `ParallelStep`.

    A displacement is relative, 0 to 2, as `relative_movement` gives it; the data themselves stay at 0.
    """

    displacements: list[Tensor]
    epoch: int
    loss: float
    encoders: list[FrozenPrefix]
    decoders: list[nn.Module]

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer to X (n, ...), from the model as it is now, in one sweep."""
        return layer_scores(self.encoders[-1].model, self.decoders, X)


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
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[DampedStep]:
    """Train all blocks at once, each slowly along the input axes that still move.

    Parameters
    ----------
    model : nn.Sequential
        As in `locally_optimize_parallel`; every block but the first has an ``nn.Linear``, whose inputs are the axes.
    optimizer, hidden_criterion, criterion, epochs, batches, train_decoders, step, seed
        As in `locally_optimize_parallel`.
    strength : float
        0 or more. 0 is `locally_optimize_parallel`, number for number; the larger, the longer a block waits for the
        one below.
    damping : {"axes", "layer"}
        ``"axes"``: each axis by its own displacement. ``"layer"``: all axes of a block by their mean factor, to see
        whether it matters which axis moves.

    Yields
    ------
    DampedStep
        ``(displacements, epoch, loss, encoders, decoders)``.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `locally_optimize_parallel`; and a strength below 0.

    Notes
    -----
    Between two epochs, axis j has moved by δ_j = rms(h_j - h_j before) / rms(h_j), on the first batch, in evaluation
    mode (`relative_movement`; before the first epoch nothing has moved). The optimiser's step in column j of the
    block's first weight matrix is then multiplied by 1 / (1 + strength δ_j). It is the step that is damped and not the
    gradient: to Rprop a gradient is a sign, and Adam divides the scale out. Beside the cost of the parallel rule: a
    forward pass of one batch an epoch, and a copy of the weights.

    This tests a conjecture that ends Mertens' "Local propagation by linear decoders": a rule between the parallel and
    the sequential, in which parameters of later layers move slowly along axes that are not yet stable.
    """
    passes, encoders, decoders, criteria = prepare_local(
        model, hidden_criterion, criterion, epochs, batches, train_decoders, step, seed
    )
    at_least("strength", strength, 0)
    if damping not in get_args(Damping):
        raise ValueError(f"damping must be one of {', '.join(get_args(Damping))}, got {damping!r}")
    inputs = Inputs(model, passes.first[0])
    learners = [DampedLearner(*parts, optimizer, train_decoders) for parts in zip(model, decoders, criteria)]
    rehearse(learners, *passes.first)
    return _damped(passes, encoders, decoders, learners, epochs, step, inputs, strength, damping)


def _damped(
    passes: Passes,
    encoders: list[FrozenPrefix],
    decoders: list[nn.Module],
    learners: list[DampedLearner],
    epochs: int,
    step: StepMode,
    inputs: Inputs,
    strength: float,
    damping: Damping,
) -> Iterator[DampedStep]:
    for epoch, losses in epoch_loop(encoders[-1].model, learners, passes, epochs, step):
        displacements = inputs.displacements()
        for learner, moved in zip(learners[1:], displacements[1:]):
            factor = 1 / (1 + strength * moved)
            learner.factor = factor if damping == "axes" else factor.mean()
        yield DampedStep(displacements, epoch, losses[-1], encoders, decoders)


class DampedLearner(Learner):
    """A learner whose step is scaled, column by column, in the first weight matrix of its block."""

    factor: Tensor | None = None  # (inputs,), or one number for all; None: nothing is damped

    def update(self) -> None:
        """Let the optimiser take its step, then go back part of the way where the input moves."""
        layer = first_linear(self.block)
        if self.factor is None or layer is None:
            super().update()
            return
        weight = layer.weight.detach()
        before = weight.clone()
        super().update()
        weight.copy_(before.lerp(weight, self.factor))  # lerp gives exactly the new weights where the factor is 1


class Inputs:
    """What reaches the first linear layer of each block, on a batch that stays the same.

    Parameters
    ----------
    model : nn.Sequential
        The blocks, live.
    X : Tensor, shape (n, ...)
        The batch.
    """

    def __init__(self, model: nn.Sequential, X: Tensor) -> None:
        self.model, self.X = model, X
        for i, block in enumerate(model):
            if i and first_linear(block) is None:
                raise ValueError(f"model: block {i} has no nn.Linear, along whose inputs a step could be damped")
        self.before = self.now()

    @torch.no_grad()
    def now(self) -> list[Tensor]:
        """Return the inputs, each (rows, axes), in evaluation mode."""
        found: list[Tensor] = []
        layers = [first_linear(block) or block for block in self.model]
        handles = [
            layer.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].flatten(0, -2)))
            for layer in layers
        ]
        try:
            with mode(False, self.model):
                self.model(self.X.clone())  # a block may work in place
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
