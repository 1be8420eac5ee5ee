"""Local propagation: each block learns from its own linear decoder, all at once, one after the other, or in between.

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

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Unpack

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.datasets import Shuffled, whole_number
from helpers.training.arguments import (
    Checked,
    Criterion,
    OptimizerFactory,
    Options,
    Passes,
    StepMode,
    check_apart,
)
from helpers.training.layers import (
    Batches,
    FrozenPrefix,
    Scores,
    layer_outputs,
    layer_scores,
    make_decoders,
    make_encoders,
    mode,
)
from helpers.training.rules import Rule, Training, run, start

Damping = Literal["axes", "layer"]


class Blockwise(Rule):
    """A rule whose blocks learn one above the other, each with ends of its own; no gradient leaves a block."""

    def __init__(
        self, model: nn.Sequential, optimizer: OptimizerFactory, ends: Iterable[nn.Module], train_ends: bool
    ) -> None:
        check_apart([block] for block in model)  # also where the ends are not in the way
        ends = nn.ModuleList(ends).requires_grad_(train_ends)
        super().__init__(model, optimizer, zip(model, ends))
        self.ends = ends
        self.encoded = False  # whether the batches hold what the lowest active block reads, or X

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output of block i for h, and the loss that it learns from."""
        raise NotImplementedError

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        """Let each active block learn: it reads what the block below made of this batch, before any update."""
        h = X
        if not self.encoded and self.active.start:
            h = FrozenPrefix(self.model, self.active.start)(X)
        losses = []
        for i in self.active:
            output, loss = self.judge(i, h, Y)
            losses.append(self.learn(i, loss))
            h = output.detach()
            del output, loss  # their graph would be kept while the next block learns
        return losses


class Local(Blockwise):
    """Each block learns through its own decoder: the parallel rule; or those in ``active``, a window of blocks."""

    def __init__(
        self,
        model: nn.Sequential,
        optimizer: OptimizerFactory,
        hidden_criterion: Criterion,
        criterion: Criterion,
        decoders: Sequence[nn.Module],
        train_decoders: bool = True,
    ) -> None:
        hidden, last = Checked("hidden_criterion", hidden_criterion), Checked("criterion", criterion)
        super().__init__(model, optimizer, decoders, train_decoders)
        self.decoders, self.criteria = decoders, [*[hidden] * (len(model) - 1), last]

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output of block i, and the criterion of what its decoder reads there."""
        output = self.model[i](h)
        return output, self.criteria[i](self.decoders[i](output), Y)

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return the answer of every layer, through its decoder."""
        return [decoder(h) for decoder, h in zip(self.decoders, layer_outputs(self.model, X))]


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

    predict = ParallelStep.predict  # type: ignore[misc]


class WindowStep(NamedTuple):
    """What an epoch of the window rule yields: blocks in training, epoch, loss of the highest of them, both ends."""

    active: range
    epoch: int
    loss: float
    encoders: list[FrozenPrefix]
    decoders: list[nn.Module]

    predict = ParallelStep.predict  # type: ignore[misc]


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
) -> Training[ParallelStep]:
    """Train all blocks at once, each by its own loss: one simultaneous sweep per epoch.

    Parameters
    ----------
    model : nn.Sequential
        Hidden blocks and the output block, each an ``nn.Sequential``; trained in place. No two blocks share memory.
    optimizer : callable
        Makes an optimiser from parameters: a class, or ``functools.partial(Adam, lr=1e-2)``. Called once per block.
    hidden_criterion, criterion : callable
        ``(scores, targets) -> mean loss`` of the hidden blocks (through their decoders) and of the output block.
    epochs, batches, step
        As in `backprop_optimize`.
    train_decoders : bool
        Train each decoder with its block, or leave it at its random start.
    seed : int or None
        Seed of the decoders' weights.

    Yields
    ------
    ParallelStep
        ``(epoch, loss, encoders, decoders)``; the model has then been updated, and the encoders and decoders are live.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `backprop_optimize`.

    Notes
    -----
    An epoch takes L forward and L backward passes of a block, and the memory for the backward pass of one. Each block
    sees its input as it was before this epoch's update. After Mertens, "Local propagation by linear decoders"; Nokland
    & Eidnes (2019) train such decoders too.
    """
    passes = Passes(epochs, batches, train_decoders=train_decoders, step=step, seed=seed)
    rule, ends = make_local(Local, passes, model, optimizer, hidden_criterion, criterion)
    return start(rule, passes, lambda step: ParallelStep(step.epoch, step.loss, *ends))


def make_local(kind: Any, passes: Passes, model: nn.Sequential, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """Make a local rule, and its encoders and decoders."""
    ends = make_encoders(model), make_decoders(model, passes.X, seed=passes.seed)
    return kind(model, *arguments, ends[1], passes.train_decoders, **options), ends


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
) -> Training[SequentialStep]:
    """Train one block after the other, ``epochs`` epochs each, every block on the frozen outputs of the one below.

    Parameters
    ----------
    model, optimizer, hidden_criterion, criterion, batches, train_decoders, step
        As in `locally_optimize_parallel`.
    epochs : int
        Epochs per block, 1 or more.
    seed : int or None
        Seed of the decoders' weights and of the shuffles.

    Yields
    ------
    SequentialStep
        ``(idx, epoch, loss, encoders, decoders)``, with idx the block in training, from 0.

    Notes
    -----
    The batches are run through once, at the call. The features of a block are computed once, when the block below is
    done (in evaluation mode), kept in memory, and shuffled anew each epoch into batches of the sizes that were seen. An
    epoch takes one forward and one backward pass of one block.
    """
    passes = Passes(epochs, batches, train_decoders=train_decoders, step=step, seed=seed)
    rule, ends = make_local(Local, passes, model, optimizer, hidden_criterion, criterion)
    rule.rehearse(passes.X[:1], passes.Y[:1])
    features, targets = passes.gather()
    return Training(rule, _block_by_block(rule, passes, features, targets, ends))


def _block_by_block(
    rule: Local, passes: Passes, features: list[Tensor], targets: Tensor, ends: Any
) -> Iterator[SequentialStep]:
    rule.encoded, sizes = True, [len(h) for h in features]
    generator = None if passes.seed is None else torch.Generator().manual_seed(passes.seed)
    for idx, block in enumerate(rule.model):
        rule.active = range(idx, idx + 1)
        batches = Shuffled(torch.cat(features), targets, sizes, generator)
        for step in run(rule, passes.epochs, batches, passes.step):
            yield SequentialStep(idx, step.epoch, step.loss, *ends)
        if idx + 1 < len(rule.model):
            with torch.no_grad(), mode(False, block):
                features = [block(h.clone()) for h in features]


class Window(Local):
    """Blocks in a window learn at once; the window slides from the input to the output."""

    def __init__(self, *arguments: Any, width: int, epochs: int) -> None:
        super().__init__(*arguments)
        self.width, self.epochs = width, epochs

    def begin(self, epoch: int) -> None:
        """Put the window where it belongs in this epoch."""
        lowest = (epoch - 1) * (len(self.model) - self.width + 1) // self.epochs
        self.active = range(lowest, lowest + self.width)


def locally_optimize_window(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    hidden_criterion: Criterion,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    width: int | None = None,
    **options: Unpack[Options],
) -> Training[WindowStep]:
    """Train the blocks in a window at once; the window slides from the input to the output.

    Arguments are as in `locally_optimize_parallel`, but for two. The L - width + 1 positions of the window share the
    ``epochs``: give one or more per position, or a block is left out. ``width`` is the number of blocks in the window,
    from 1 (one after the other) to all L (the parallel rule, number for number); by default 2, or 1 if there is but one
    block.

    Yields `WindowStep`. Blocks below the window are frozen (and run in evaluation mode), those above do not run.
    """
    passes, ends = Passes(epochs, batches, **options), make_encoders(model)
    width = min(2, len(model)) if width is None else whole_number("width", width, 1)
    if width > len(model):
        raise ValueError(f"width must be {len(model)} or less, the number of blocks of the model, got {width}")
    arguments = (model, optimizer, hidden_criterion, criterion)
    rule, ends = make_local(Window, passes, *arguments, width=width, epochs=epochs)
    return start(rule, passes, lambda step: WindowStep(rule.active, step.epoch, step.loss, *ends))


def first_linear(block: nn.Module) -> nn.Linear | None:
    """Return the first linear layer of a block, if it has one."""
    return next((part for part in block.modules() if isinstance(part, nn.Linear)), None)
