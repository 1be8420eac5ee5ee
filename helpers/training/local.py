"""Local propagation: each block learns from its own linear decoder, all at once or one after the other.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy, mse_loss
>>> from helpers.datasets import datasets
>>> from helpers.networks import mertens_net
>>> data = datasets["signed_xor"].train()
>>> steps = locally_optimize_parallel(
...     mertens_net(seed=0), Rprop, mse_loss, binary_cross_entropy, 20, [(data.X, data.Y)], seed=0
... )
>>> for epoch, loss, encoders, decoders in steps:
...     pass
>>> epoch, len(encoders), decoders[0]
(20, 4, Linear(in_features=100, out_features=1, bias=False))
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.datasets import Shuffled
from helpers.training.arguments import Checked, Criterion, OptimizerFactory, Passes, StepMode, check_options
from helpers.training.evaluation import Batches, Scores, layer_scores, mode
from helpers.training.layers import FrozenPrefix, check_apart, make_decoders, make_encoders
from helpers.training.loop import Learner, epoch_loop, rehearse


class ParallelStep(NamedTuple):
    """What an epoch of the parallel rule yields: its number, the output block's loss before the update, both ends."""

    epoch: int
    loss: float
    encoders: list[FrozenPrefix]
    decoders: list[nn.Module]

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer to X (n, ...), from the model as it is now, in one sweep."""
        return layer_scores(self.encoders[-1].model, self.decoders, X)


class SequentialStep(NamedTuple):
    """What an epoch of the sequential rule yields: the block in training, its epoch and loss, both ends."""

    idx: int
    epoch: int
    loss: float
    encoders: list[FrozenPrefix]
    decoders: list[nn.Module]

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer to X (n, ...), from the model as it is now, in one sweep."""
        return layer_scores(self.encoders[-1].model, self.decoders, X)


def locally_optimize_parallel(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    hidden_criterion: Criterion,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[ParallelStep]:
    """Train all blocks at once, each by its own loss: one simultaneous sweep an epoch.

    Parameters
    ----------
    model : nn.Sequential
        Hidden blocks and the output block, each an ``nn.Sequential``; trained in place.
    optimizer : callable
        Makes an optimiser from parameters: a class, or ``functools.partial(Adam, lr=1e-2)``. Called once a block.
    hidden_criterion, criterion : callable
        ``(scores, targets) -> mean loss`` of the hidden blocks (through their decoders) and of the output block.
    epochs : int
        Number of passes over the batches, 1 or more.
    batches : iterable of (X, Y)
        X (n, ...) and Y (n, k), the shape of the scores; class indices, whole numbers (n,), where the criterion takes
        them for k > 1 scores. A ``DataLoader``, or any iterable that can be run through again.
    train_decoders : bool
        Train each decoder with its block, or leave it at its random start.
    step : {"epoch", "batch"}
        Add up the loss over the batches and take one step, or take a step each batch.
    seed : int or None
        Seed of the decoders' weights.

    Yields
    ------
    ParallelStep
        ``(epoch, loss, encoders, decoders)``; the model has then been updated, and the encoders and decoders are live.

    Raises
    ------
    TypeError, ValueError
        At the call, where each block judges a sample: a model that is not nested, does not fit the data, keeps state
        between calls or shares parameters between blocks; parameters that require a gradient and get none; targets
        that do not fit the scores; a criterion that is no loss or works in place; an unfit optimiser; bad batches.
    TrainingError
        At a batch: targets that the loss cannot take, a loss or an update that is not finite. The last finite
        parameters are back in the model.

    Notes
    -----
    An epoch takes L forward and L backward passes of a block, and the memory for the backward pass of one. Each block
    sees its input as it was before this epoch's update. A part that is in evaluation mode while the model as a whole
    is in training mode stays in it. After Mertens, "Local propagation by linear decoders"; Nokland
    & Eidnes (2019) train such decoders too.
    """
    passes, encoders, decoders, criteria = prepare_local(
        model, hidden_criterion, criterion, epochs, batches, train_decoders, step, seed
    )
    learners = [Learner(*parts, optimizer, train_decoders) for parts in zip(model, decoders, criteria)]
    rehearse(learners, *passes.first)
    steps = epoch_loop(model, learners, passes, epochs, step)
    return (ParallelStep(epoch, losses[-1], encoders, decoders) for epoch, losses in steps)


def locally_optimize(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    hidden_criterion: Criterion,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[SequentialStep]:
    """Train one block after the other, ``epochs`` epochs each, every block on the frozen outputs of the one below.

    Parameters
    ----------
    model, optimizer, hidden_criterion, criterion, batches, train_decoders, step
        As in `locally_optimize_parallel`.
    epochs : int
        Epochs a block, 1 or more.
    seed : int or None
        Seed of the decoders' weights and of the shuffles.

    Yields
    ------
    SequentialStep
        ``(idx, epoch, loss, encoders, decoders)``, with idx the block in training, from 0.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `locally_optimize_parallel`.

    Notes
    -----
    The batches are run through once. The features of a block are computed once, when the block below is done (in
    evaluation mode), kept in memory, and shuffled anew each epoch into batches of the sizes that were seen. An epoch
    takes one forward and one backward pass of one block.
    """
    passes, encoders, decoders, criteria = prepare_local(
        model, hidden_criterion, criterion, epochs, batches, train_decoders, step, seed
    )
    learners = [Learner(*parts, optimizer, train_decoders) for parts in zip(model, decoders, criteria)]
    rehearse(learners, *passes.first)
    return _block_by_block(*passes.gather(), encoders, decoders, learners, epochs, step, seed)


def _block_by_block(
    features: list[Tensor],
    targets: Tensor,
    encoders: list[FrozenPrefix],
    decoders: list[nn.Module],
    learners: list[Learner],
    epochs: int,
    step: StepMode,
    seed: int | None,
) -> Iterator[SequentialStep]:
    sizes = [len(X) for X in features]
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    for idx, learner in enumerate(learners):
        batches = Shuffled(torch.cat(features), targets, sizes, generator)
        for epoch, losses in epoch_loop(encoders[-1].model, [learner], batches, epochs, step):
            yield SequentialStep(idx, epoch, losses[0], encoders, decoders)
        if idx + 1 < len(learners):
            with torch.no_grad(), mode(False, learner.block):
                features = [learner.block(h.clone()) for h in features]  # a block may work in place


def prepare_local(
    model: nn.Sequential,
    hidden_criterion: Criterion,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    train_decoders: bool,
    step: StepMode,
    seed: int | None,
) -> tuple[Passes, list[FrozenPrefix], list[nn.Module], list[Criterion]]:
    """Check what the local rules are called with; return batches, encoders, decoders, and each block's criterion."""
    check_options(epochs, step, seed, train_decoders)
    inner, outer = Checked("hidden_criterion", hidden_criterion), Checked("criterion", criterion)
    passes = Passes(batches, epochs)
    encoders = make_encoders(model)
    decoders = make_decoders(model, passes.first[0], seed=seed)
    check_apart(model)
    criteria: list[Criterion] = [*[inner] * (len(model) - 1), outer]
    return passes, encoders, decoders, criteria
