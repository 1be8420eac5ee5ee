"""The one loop that every rule shares.

A rule cuts the net into learners. `sweep` sends each batch through the learners in turn; no gradient leaves a learner.
One learner that is the whole net is back-propagation, a learner for each block is local propagation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from helpers.training.arguments import Criterion, OptimizerFactory, StepMode, make_optimizer
from helpers.training.evaluation import Batches, mode


class TrainingError(ValueError):
    """Training met data, or a loss, that it cannot go on from; the last finite parameters are back in the model."""


class Learner:
    """A part of a net that learns by itself: block, decoder, criterion and optimiser of its own.

    Parameters
    ----------
    block, decoder : nn.Module
        ``decoder(block(h))`` is compared with the targets.
    criterion : callable
        ``(scores, targets) -> mean loss``.
    optimizer : callable
        Makes an optimiser from a list of parameters.
    train_decoder : bool
        Whether the decoder learns with its block.
    """

    def __init__(
        self,
        block: nn.Module,
        decoder: nn.Module,
        criterion: Criterion,
        optimizer: OptimizerFactory,
        train_decoder: bool,
    ) -> None:
        self.block, self.decoder, self.criterion = block, decoder, criterion
        decoder.requires_grad_(train_decoder)
        parameters = [p for part in (block, decoder) for p in part.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(optimizer, parameters) if parameters else None
        self.total, self.count = 0.0, 0

    def judge(self, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return what goes on to the next learner, and the mean loss of this batch, a number."""
        output = self.block(h)
        scores = self.decoder(output)
        if Y.is_floating_point() and scores.shape != Y.shape:
            raise ValueError(f"targets have shape {tuple(Y.shape)} but the scores have {tuple(scores.shape)}")
        return output, self.criterion(scores, Y)

    def add_gradient(self, loss: Tensor) -> None:
        """Add the gradient of a batch to the learner's parameters."""
        if loss.requires_grad:
            loss.backward()

    def learn(self, h: Tensor, Y: Tensor) -> Tensor:
        """Add this batch's gradient to the learner's parameters; return its output (n, ...), cut off from the graph."""
        output, loss = self.judge(h, Y)
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(f"the loss is {value}; try a smaller learning rate, and look for NaN in the data")
        self.add_gradient(loss)
        samples = len(Y)
        self.total += value * samples
        self.count += samples
        return output.detach()

    def forget_gradient(self) -> None:
        """Drop the gradient that has been added up."""
        if self.optimizer:
            self.optimizer.zero_grad()

    def update(self) -> None:
        """Let the optimiser take one step along the gradient that has been added up, and drop it."""
        if self.optimizer:
            self.optimizer.step()
            self.optimizer.zero_grad()

    def mean_loss(self) -> float:
        """Return the mean loss a sample since the last call."""
        mean, self.total, self.count = self.total / self.count, 0.0, 0
        return mean


def sweep(learners: Sequence[Learner], batches: Batches, step: StepMode, kept: LastFinite, epoch: int) -> list[float]:
    """Run one epoch: every learner sees its input as it was before this update, and all of them update together.

    With ``step="epoch"`` the gradients of the batches add up to one step; with ``"batch"`` each batch is a step.

    Returns
    -------
    list of float
        The mean loss of each learner, of the parameters before the update (with ``"batch"``: before each batch's own).

    Raises
    ------
    TrainingError
        At the first batch that cannot be learned from; the model is then as it was at the last finite loss.

    Notes
    -----
    One pass over the layers, O(L). A learner's graph is freed before the next learner runs, so the memory kept for the
    backward pass is that of the largest learner.
    """
    number = 0
    try:
        for learner in learners:
            learner.forget_gradient()
        for number, (X, Y) in enumerate(batches, start=1):
            h = X
            for learner in learners:
                h = learner.learn(h, Y)
            if step == "batch":
                kept.update(learners)
        if not number:
            raise ValueError("batches gave nothing in this epoch; give a list or a DataLoader")
        if step == "epoch":
            kept.update(learners)
        if not kept.finite():
            raise ValueError("the update made parameters infinite or NaN; try a smaller learning rate")
        return [learner.mean_loss() for learner in learners]
    except BaseException as error:
        for learner in learners:
            learner.forget_gradient()
        if isinstance(error, Exception):
            kept.restore()
        if isinstance(error, (ValueError, RuntimeError, TypeError, IndexError)):  # what torch says of unfit data
            where = f"batches, epoch {epoch}, batch {number}"
            raise TrainingError(f"{where}: {error} (the last finite parameters are restored)") from error
        raise


class LastFinite:
    """A copy of what modules held when their loss was last seen to be finite: parameters and buffers."""

    def __init__(self, *modules: nn.Module) -> None:
        self.live = [t.detach() for m in modules for t in (*m.parameters(), *m.buffers())]
        self.copy = [t.clone() for t in self.live]

    def update(self, learners: Iterable[Learner]) -> None:
        """Copy what has just given finite losses, then let the learners update."""
        for copy, live in zip(self.copy, self.live):
            copy.copy_(live)
        for learner in learners:
            learner.update()

    def finite(self) -> bool:
        """Return whether all parameters and buffers are finite now."""
        floats = (live for live in self.live if live.is_floating_point())
        return all(math.isfinite(torch.linalg.vector_norm(live, math.inf)) for live in floats if live.numel())

    def restore(self) -> None:
        """Put the copy back into the modules."""
        for copy, live in zip(self.copy, self.live):
            live.copy_(copy)


def epoch_loop(
    learners: Sequence[Learner], batches: Batches, epochs: int, step: StepMode
) -> Iterator[tuple[int, list[float]]]:
    """Yield (epoch, mean losses) after each sweep; in between, the modules are in the caller's mode."""
    modules = [part for learner in learners for part in (learner.block, learner.decoder)]
    kept = LastFinite(*modules)
    for epoch in range(1, epochs + 1):
        with mode(True, *modules):
            losses = sweep(learners, batches, step, kept, epoch)
        yield epoch, losses
