"""Between parallel and sequential: a window of layers in training that slides from the input to the output.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy, mse_loss
>>> from helpers.datasets import datasets
>>> from helpers.networks import mertens_net
>>> data = datasets["signed_xor"].train()
>>> steps = locally_optimize_window(
...     mertens_net(seed=0), Rprop, mse_loss, binary_cross_entropy, 6, [(data.X, data.Y)], width=2, seed=0
... )
>>> [list(step.active) for step in steps]
[[0, 1], [0, 1], [1, 2], [1, 2], [2, 3], [2, 3]]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.datasets import whole_number
from helpers.training.arguments import Criterion, OptimizerFactory, Passes, StepMode
from helpers.training.evaluation import Batches, Modes, Scores, layer_scores
from helpers.training.layers import FrozenPrefix
from helpers.training.local import prepare_local
from helpers.training.loop import LastFinite, Learner, rehearse, sweep


class WindowStep(NamedTuple):
    """What an epoch of the window rule yields: blocks in training, epoch, loss of the highest of them, both ends."""

    active: range
    epoch: int
    loss: float
    encoders: list[FrozenPrefix]
    decoders: list[nn.Module]

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer to X (n, ...), from the model as it is now, in one sweep."""
        return layer_scores(self.encoders[-1].model, self.decoders, X)


def locally_optimize_window(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    hidden_criterion: Criterion,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    width: int | None = None,
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[WindowStep]:
    """Train the blocks in a window at once; the window slides from the input to the output.

    Parameters
    ----------
    model, optimizer, hidden_criterion, criterion, batches, train_decoders, step, seed
        As in `locally_optimize_parallel`.
    epochs : int
        Number of passes over the batches in all, 1 or more: the positions of the window share them. Give one or more a
        position, or a block is left out.
    width : int, optional
        Number of blocks in the window, from 1 (one after the other) to all L (`locally_optimize_parallel`, number for
        number). By default 2, or 1 if there is but one block.

    Yields
    ------
    WindowStep
        ``(active, epoch, loss, encoders, decoders)``.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `locally_optimize_parallel`; and a width of 0 or of more than L.

    Notes
    -----
    There are L - width + 1 positions. Blocks below the window are frozen (and run in evaluation mode), those above do
    not run. An epoch takes as many forward passes of a block as the window's top is high, ``width`` backward passes.
    """
    passes, encoders, decoders, criteria = prepare_local(
        model, hidden_criterion, criterion, epochs, batches, train_decoders, step, seed
    )
    layers = len(model)
    if width is None:
        width = min(2, layers)
    if whole_number("width", width, 1) > layers:
        raise ValueError(f"width must be {layers} or less, the number of blocks of the model, got {width}")
    learners = [Learner(*parts, optimizer, train_decoders) for parts in zip(model, decoders, criteria)]
    rehearse(learners, *passes.first)
    return _sliding(passes, encoders, decoders, learners, epochs, step, width)


def _sliding(
    passes: Passes,
    encoders: list[FrozenPrefix],
    decoders: list[nn.Module],
    learners: list[Learner],
    epochs: int,
    step: StepMode,
    width: int,
) -> Iterator[WindowStep]:
    kept, modes = LastFinite(encoders[-1].model, *decoders), Modes(encoders[-1].model)
    positions = len(learners) - width + 1
    for epoch in range(1, epochs + 1):
        lowest = (epoch - 1) * positions // epochs
        active = range(lowest, lowest + width)
        window = learners[lowest : lowest + width]
        with modes.training(*(part for learner in window for part in (learner.block, learner.decoder))):
            losses = sweep(window, _Encoded(passes, encoders[lowest]), step, kept, epoch)
        yield WindowStep(active, epoch, losses[-1], encoders, decoders)


class _Encoded:
    """Batches as the lowest block of the window sees them."""

    def __init__(self, batches: Batches, encoder: FrozenPrefix) -> None:
        self.batches, self.encoder = batches, encoder

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((self.encoder(X), Y) for X, Y in self.batches)
