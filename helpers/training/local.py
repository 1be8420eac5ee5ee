"""Local propagation: each block learns from a judge of its own, all at once, one after the other, or in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, Unpack

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.datasets import Shuffled
from helpers.options import OneOf, Real, Whole
from helpers.training.arguments import Criterion, Factory, Options, Passes, check_apart, checked
from helpers.training.layers import (
    Batches,
    FrozenPrefix,
    Scores,
    first_layers,
    layer_outputs,
    layer_scores,
    make_decoders,
    make_encoders,
    mode,
)
from helpers.training.rules import Rule, Step, Training, run, start

Damping = Literal["axes", "layer"]


class Blockwise(Rule):
    """A rule whose blocks learn one above the other, each with ends of its own; no gradient leaves a block."""

    both: Any  # encoders and decoders, of a rule that has them

    def __init__(
        self, model: nn.Sequential, optimizer: Factory, ends: Iterable[nn.Module], train_ends: bool = True
    ) -> None:
        check_apart([block] for block in model)  # also where the ends are not in the way
        ends = nn.ModuleList(ends).requires_grad_(train_ends)
        super().__init__(model, optimizer, zip(model, ends))
        self.ends = ends

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output of block i for h, and the loss that it learns from."""
        raise NotImplementedError

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        """Let each active block learn: it reads what the block below made of this batch, before any update."""
        h, losses = X, []
        for i in self.active:
            output, loss = self.judge(i, h, Y)
            losses.append(self.learn(i, loss))
            h = output.detach()
            del output, loss  # their graph would be kept while the next block learns
        return losses

    def forward(self, X: Tensor) -> list[Tensor]:
        return [decoder(h) for decoder, h in zip(self.both[1], layer_outputs(self.model, X))]

    def report(self, step: Step) -> Any:
        return ParallelStep(step.epoch, step.loss, *self.both)


class ParallelStep(NamedTuple):
    """What an epoch of a local rule yields: its number, the loss of the highest block before the update, both ends."""

    epoch: int
    loss: float
    encoders: list[FrozenPrefix]
    decoders: list[nn.Module]

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer to X (n, ...), from the model as it is now, in one sweep."""
        return layer_scores(*self.encoders[-1].hidden, self.decoders, X)


class SequentialStep(NamedTuple):
    """What an epoch of the sequential rule yields: the block in training, from 0; its epoch and loss; both ends."""

    idx: int
    epoch: int
    loss: float
    encoders: list[FrozenPrefix]
    decoders: list[nn.Module]

    predict = ParallelStep.predict  # type: ignore[misc]


class Local(Blockwise):
    """The parallel rule: each block learns through its own decoder."""

    def __init__(
        self, model: nn.Sequential, optimizer: Factory, hidden: Criterion, criterion: Criterion, passes: Passes
    ) -> None:
        decoders = make_decoders(model, passes.X, seed=passes.seed)
        self.both = make_encoders(model), decoders
        self.criteria = [checked("hidden_criterion", hidden)] * (len(model) - 1) + [checked("criterion", criterion)]
        super().__init__(model, optimizer, decoders, passes.train_decoders)

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model[i](h)
        return output, self.criteria[i](self.ends[i](output), Y)


def locally_optimize_parallel(
    model: nn.Sequential, optimizer: Factory, hidden_criterion: Criterion, criterion: Criterion, epochs: int,
    batches: Batches, **options: Unpack[Options],
) -> Training[ParallelStep]:  # fmt: skip
    """Train all blocks at once, each by its own loss: one simultaneous sweep per epoch.

    Parameters
    ----------
    model : nn.Sequential
        Hidden blocks and the output block, each an ``nn.Sequential``; trained in place. No two blocks share memory.
    hidden_criterion, criterion : callable
        ``(scores, targets) -> mean loss`` of the hidden blocks (through their decoders) and of the output block.
    optimizer, epochs, batches, **options
        As in `backprop_optimize`, as are the errors; the optimiser is made once per block.

    Yields
    ------
    ParallelStep
        ``(epoch, loss, encoders, decoders)``; the model has then been updated, and the encoders and decoders are live.

    Notes
    -----
    Each block sees its input as it was before this epoch's update, and memory is kept for the backward pass of one
    block. After Mertens, "Local propagation by linear decoders"; Nøkland & Eidnes (2019) train such decoders too.
    """
    passes = Passes(epochs, batches, **options)
    return start(Local(model, optimizer, hidden_criterion, criterion, passes), passes)


class Sequential(Local):
    """The block that is active reads features that were computed when the block below was done."""

    def report(self, step: Step) -> SequentialStep:
        return SequentialStep(self.active.start, step.epoch, step.loss, *self.both)

    def steps(self, passes: Passes) -> Iterator[SequentialStep]:
        """Train block after block."""
        features, Y = (list(parts) for parts in zip(*passes))
        sizes = [len(h) for h in features]
        generator = None if passes.seed is None else torch.Generator().manual_seed(passes.seed)
        for i, block in enumerate(self.model):
            self.active = range(i, i + 1)
            yield from run(self, passes, Shuffled(torch.cat(features), torch.cat(Y), sizes, generator))
            if i + 1 < len(self.model):
                with torch.no_grad(), mode(False, block):
                    features = [block(h.clone()) for h in features]


def locally_optimize(
    model: nn.Sequential, optimizer: Factory, hidden_criterion: Criterion, criterion: Criterion, epochs: int,
    batches: Batches, **options: Unpack[Options],
) -> Training[SequentialStep]:  # fmt: skip
    """Train one block after the other, ``epochs`` epochs each, every block on the frozen outputs of the one below.

    Arguments are as in `locally_optimize_parallel`; the seed is that of the shuffles, too. Yields `SequentialStep`. The
    batches are run through once. The features of a block are computed once, when the block below is done (in evaluation
    mode), kept in memory, and shuffled anew each epoch into batches of the sizes that were seen.
    """
    passes = Passes(epochs, batches, **options)
    return start(Sequential(model, optimizer, hidden_criterion, criterion, passes), passes)


class Window(Local):
    """Blocks in a window learn at once; the window slides from the input to the output."""

    width: int
    epochs: int

    def begin(self, epoch: int) -> None:
        lowest = (epoch - 1) * (len(self.model) - self.width + 1) // self.epochs
        self.active = range(lowest, lowest + self.width)

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        return super().backward(FrozenPrefix(self.model, self.active.start)(X), Y)


def locally_optimize_window(
    model: nn.Sequential, optimizer: Factory, hidden_criterion: Criterion, criterion: Criterion, epochs: int,
    batches: Batches, *, width: int | None = None, **options: Unpack[Options],
) -> Training[ParallelStep]:  # fmt: skip
    """Train the blocks in a window at once; the window slides from the input to the output. Yields `ParallelStep`.

    ``width`` is the number of blocks in the window, from 1 (one after the other) to all L (the parallel rule, number
    for number); by default 2, or 1 if there is but one block. Its L - width + 1 positions share the ``epochs``: give
    one or more per position, or a block is left out. Blocks below the window are frozen, those above do not run.
    """
    passes = Passes(epochs, batches, **options)
    rule = Window(model, optimizer, hidden_criterion, criterion, passes)
    rule.width = Whole(1, len(model)).check("width", min(2, len(model)) if width is None else width)
    rule.epochs = epochs
    return start(rule, passes)


class Damped(Local):
    """The parallel rule, its steps scaled column by column in the first weights of a block, where the input moves."""

    def __init__(self, strength: float, damping: Damping, X: Tensor, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.inputs, self.strength, self.damping = Inputs(self.model, X), strength, damping
        self.displacements: list[Tensor] = []  # since the epoch before; before the first, nothing is damped

    def update(self) -> None:
        """Let the optimisers take their steps, then go back part of the way where the input moves."""
        weights = [layer.weight.detach() for layer in first_layers(self.model, 1)]
        before = [weight.clone() for weight in weights]
        super().update()
        for weight, old, moved in zip(weights, before, self.displacements[1:]):
            factor = 1 / (1 + self.strength * moved)
            # lerp gives exactly the new weights where the factor is 1
            weight.copy_(old.lerp(weight, factor if self.damping == "axes" else factor.mean()))

    def report(self, step: Step) -> ParallelStep:
        self.displacements = self.inputs.displacements()
        return ParallelStep(step.epoch, step.loss, *self.both)


def locally_optimize_damped(
    model: nn.Sequential, optimizer: Factory, hidden_criterion: Criterion, criterion: Criterion, epochs: int,
    batches: Batches, *, strength: float = 10.0, damping: Damping = "axes", **options: Unpack[Options],
) -> Training[ParallelStep]:  # fmt: skip
    """Train all blocks at once, each slowly along the input axes that still move. Yields `ParallelStep`.

    Parameters
    ----------
    model, optimizer, hidden_criterion, criterion, epochs, batches, **options
        As in `locally_optimize_parallel`; every block but the first begins with an ``nn.Linear``.
    strength : float
        0 or more. 0 is `locally_optimize_parallel`, number for number; the larger, the longer a block waits.
    damping : {"axes", "layer"}
        Each axis by its own displacement, or all axes of a block by their mean factor.

    Notes
    -----
    Between two epochs, axis j has moved by δ_j (`relative_movement`, on the first batch; ``rule.displacements``). The
    optimiser's step in column j of the block's first weight matrix is multiplied by 1 / (1 + strength δ_j): the step
    and not the gradient, since to Rprop a gradient is a sign, and Adam divides the scale out. A conjecture of Mertens'
    "Local propagation by linear decoders": later parameters move slowly along axes that are not yet stable.
    """
    passes = Passes(epochs, batches, **options)
    chosen: Any = Real(0).check("strength", strength), OneOf(("axes", "layer")).check("damping", damping)
    return start(Damped(*chosen, passes.X, model, optimizer, hidden_criterion, criterion, passes), passes)


class Inputs:
    """What each block of a live model reads, (n, axes), on a batch X (n, d) that stays the same."""

    def __init__(self, model: nn.Sequential, X: Tensor) -> None:
        first_layers(model, 1)  # along whose inputs a step could be damped
        self.model, self.X = model, X
        self.before = self.now()

    def now(self) -> list[Tensor]:
        """Return the inputs, in evaluation mode."""
        with torch.no_grad(), mode(False, self.model):
            return [self.X, *layer_outputs(list(self.model)[:-1], self.X)]

    def displacements(self) -> list[Tensor]:
        """Return how far each axis has moved since the last call, relative to its size: (axes,) for each block."""
        before, self.before = self.before, self.now()
        return [relative_movement(old, now) for old, now in zip(before, self.before)]


def relative_movement(before: Tensor, now: Tensor) -> Tensor:
    """Return for each column (n, axes) the root mean square of its change over the larger of before and now: 0 to 2."""
    change, *sizes = (t.square().mean(0).sqrt() for t in (now - before, now, before))
    return torch.where(change > 0, change / torch.maximum(*sizes), 0)
