"""The one loop that every rule shares.

A rule cuts the net into learners. `sweep` sends each batch through the learners in turn; no gradient leaves a learner.
One learner that is the whole net is back-propagation, a learner for each block is local propagation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from helpers.training.arguments import (
    FAILURES,
    Checked,
    Criterion,
    NamedError,
    OptimizerFactory,
    StepMode,
    check_recording,
    make_optimizer,
)
from helpers.training.evaluation import Batches, Modes, untouched


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
        self.parameters = self.variables()
        self.optimizer = make_optimizer(optimizer, self.parameters) if self.parameters else None
        self.waiting = self.parameters  # for a first gradient
        self.total, self.count = 0.0, 0
        self.copies = False  # whether the block changes its input in place, and so needs a copy
        self.rehearsed: Tensor | None = None  # all targets of the first batch, while one sample is tried

    def variables(self) -> list[nn.Parameter]:
        """Return the parameters that this learner's optimiser moves."""
        return [p for part in (self.block, self.decoder) for p in part.parameters() if p.requires_grad]

    def judge(self, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return what goes on to the next learner, and the mean loss of this batch, a number."""
        output = self.block(h)
        return output, self.compare(self.decoder(output), Y)

    def compare(self, scores: Tensor, Y: Tensor) -> Tensor:
        """Return the criterion's loss; in a rehearsal that of as many samples as the first batch has."""
        if self.rehearsed is None or not isinstance(self.criterion, Checked):
            return self.criterion(scores, Y)
        return self.criterion.rehearse(scores.expand(len(self.rehearsed), *scores.shape[1:]), self.rehearsed)

    def add_gradient(self, loss: Tensor) -> None:
        """Add the gradient of a batch to the learner's parameters, and to no others."""
        if self.parameters:
            loss.backward(inputs=self.parameters)

    def rehearse(self, h: Tensor, Y: Tensor, first: Tensor) -> Tensor:
        """Judge a sample, or refuse what could not be learned from; return the output.

        Parameters
        ----------
        h, Y : Tensor, shapes (1, ...) and (1, k)
            One sample.
        first : Tensor, shape (n, k)
            The targets of the first batch, on which the criterion is tried.
        """
        given, self.rehearsed = h.clone(), first
        try:
            output, loss = self.judge(given, Y)
        finally:
            self.rehearsed = None
        self.copies = not torch.equal(given, h)
        if self.parameters:
            found = torch.autograd.grad(loss, self.parameters, allow_unused=True) if loss.requires_grad else ()
            missed = {id(p) for p, g in zip(self.parameters, found or [None] * len(self.parameters)) if g is None}
            self.refuse_unreached(missed, loss.requires_grad)
        return output.detach()

    def refuse_unreached(self, missed: set[int], partly: bool = True) -> None:
        """Refuse parameters that no gradient reaches, by their names."""
        if missed:
            parts = (self.block, self.decoder)
            names = [name for part in parts for name, p in part.named_parameters() if id(p) in missed]
            raise NamedError(
                f"no gradient of the loss reaches {', '.join(names)} of {type(self.block).__name__}, so nothing is "
                "learned there: look in the model" + ("" if partly else " and in the criterion") + " for .detach(), "
                ".data, .item(), no_grad or an unused layer; what shall not learn is marked by requires_grad_(False)"
            )

    def learn(self, h: Tensor, Y: Tensor) -> Tensor:
        """Add this batch's gradient to the learner's parameters; return its output (n, ...), cut off from the graph."""
        output, loss = self.judge(h.clone() if self.copies else h, Y)
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(f"the loss is {value}; try a smaller learning rate, and look for NaN in the data")
        if self.parameters and not loss.requires_grad:
            self.refuse_unreached({id(p) for p in self.parameters}, False)
        self.add_gradient(loss)
        if self.waiting:
            self.waiting = [p for p in self.waiting if p.grad is None]
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
            try:
                self.optimizer.step()
            except FAILURES as error:
                name = type(self.optimizer).__name__
                raise NamedError(f"optimizer {name} cannot take a step with these parameters: {error}") from error
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
    number = 1
    try:
        check_recording()
        for learner in learners:
            learner.forget_gradient()
        for X, Y in batches:
            h = X
            for learner in learners:
                h = learner.learn(h, Y)
            if step == "batch":
                kept.update(learners)
            number += 1
        if number == 1:
            raise ValueError("batches gave nothing in this epoch; give a list or a DataLoader")
        for learner in learners:
            learner.refuse_unreached({id(p) for p in learner.waiting})
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
        if isinstance(error, FAILURES):  # what torch says of unfit data
            where = f"{'' if isinstance(error, NamedError) else 'batches, '}epoch {epoch}, batch {number}"
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


def rehearse(learners: Sequence[Learner], X: Tensor, Y: Tensor, *, rows: int | None = 1) -> None:
    """Let each learner judge the first sample, or ``rows``; refuse at the call what could not be learned from."""
    if not any(learner.optimizer for learner in learners):
        raise NamedError("model has no parameter that requires a gradient; nothing can be trained")
    h = X[:rows]
    with untouched(*(part for learner in learners for part in (learner.block, learner.decoder))):
        for i, learner in enumerate(learners):
            try:
                h = learner.rehearse(h, Y[:rows], Y)
            except NamedError:
                raise
            except FAILURES as error:
                where = "model" if len(learners) == 1 else f"model: block {i}"
                raise NamedError(f"{where} cannot be trained on these batches: {error}") from error


def epoch_loop(
    model: nn.Module, learners: Sequence[Learner], batches: Batches, epochs: int, step: StepMode
) -> Iterator[tuple[int, list[float]]]:
    """Yield (epoch, mean losses) after each sweep; in between, the modules are in the caller's mode."""
    modules = [part for learner in learners for part in (learner.block, learner.decoder)]
    kept, modes = LastFinite(*modules), Modes(model)
    for epoch in range(1, epochs + 1):
        with modes.training(*modules):
            losses = sweep(learners, batches, step, kept, epoch)
        yield epoch, losses
