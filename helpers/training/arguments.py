"""What a rule is called with: refused by name, at the call, where no rule could run with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from helpers.datasets import whole_number
from helpers.training.evaluation import Batches, unfit_targets

Criterion = Callable[[Tensor, Tensor], Tensor]
OptimizerFactory = Callable[[list[nn.Parameter]], Optimizer]
StepMode = Literal["epoch", "batch"]
FAILURES = (ValueError, RuntimeError, TypeError, IndexError, AttributeError)  # of code that is handed unfit tensors


class NamedError(ValueError):
    """An error whose message names the argument that it is about."""


class Passes:
    """The batches, epoch by epoch, started early so that an empty or unfit iterable is refused at the call.

    The first batch is looked at (``.first``) and still served in the first epoch, so that no shuffle is drawn twice.
    Every batch is checked as it enters: two tensors, a row a sample, finite (``targets=False``: Y is not looked at).
    """

    def __init__(self, batches: Batches, epochs: int, *, targets: bool = True) -> None:
        try:
            self.started: Iterator[tuple[Tensor, Tensor]] = iter(batches)
        except TypeError:
            raise TypeError(f"batches must be an iterable of pairs (X, Y), got {type(batches).__name__}") from None
        if isinstance(batches, Tensor):
            raise TypeError("batches must yield pairs (X, Y), got one tensor; give [(X, Y)]")
        if epochs > 1 and self.started is batches:
            raise ValueError(
                f"batches is a one-shot iterator ({type(batches).__name__}), used up after one of {epochs} epochs; "
                "give a list or a DataLoader"
            )
        self.batches, self.fresh, self.targets = batches, True, targets
        try:
            first = next(self.started)
        except StopIteration:
            raise ValueError("batches is empty; it must hold at least one pair (X, Y)") from None
        self.first = self._checked(first)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.fresh:
            self.fresh = False
            yield self.first
            yield from map(self._checked, self.started)
        else:
            yield from map(self._checked, self.batches)

    def _checked(self, pair: Any) -> tuple[Tensor, Tensor]:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"batches must yield pairs (X, Y) of tensors, got {type(pair).__name__}")
        for part in pair:
            if not isinstance(part, Tensor):
                raise TypeError(
                    f"batches must yield pairs (X, Y) of tensors, got one of {type(part).__name__}; "
                    "torch.as_tensor(..., dtype=torch.float32) makes one"
                )
        X, Y = pair
        if not self.targets:
            return X, Y
        if not X.dim() or not Y.dim() or len(X) != len(Y):
            raise ValueError(
                f"batches: X and Y must have a row for each sample, got shapes {tuple(X.shape)} and {tuple(Y.shape)}"
            )
        if not len(X):
            raise ValueError(f"batches: a batch is empty, its X has shape {tuple(X.shape)}; leave it out")
        for name, part in (("X", X), ("Y", Y)):
            # a sum is quicker than a look at each number; where it overflows, each is looked at
            if not part.detach().sum().isfinite() and not part.isfinite().all():
                raise ValueError(f"batches: {name} holds NaN or infinite values")
        return X, Y

    def gather(self) -> tuple[list[Tensor], Tensor]:
        """Run through all batches once; return each X, and all Y together."""
        pairs = list(self)
        for X, Y in pairs[1:]:
            for name, part, first in (("X", X, pairs[0][0]), ("Y", Y, pairs[0][1])):
                if part.shape[1:] != first.shape[1:] or part.dtype != first.dtype or part.device != first.device:
                    raise ValueError(
                        f"batches: they must fit together, sample under sample, but rows of {name} are "
                        f"{tuple(first.shape[1:])}, {first.dtype}, and then {tuple(part.shape[1:])}, {part.dtype}"
                    )
        return [X for X, _ in pairs], torch.cat([Y for _, Y in pairs])


class Checked:
    """A criterion that is refused by its name where it gives no loss, or changes what it is given.

    Parameters
    ----------
    name : str
        What the rule calls it.
    criterion : callable
        ``(scores, targets) -> mean loss``, one number with its graph.
    """

    def __init__(self, name: str, criterion: Criterion) -> None:
        if isinstance(criterion, type):
            raise TypeError(
                f"{name} must be a callable (scores, targets) -> loss; {criterion.__name__} is a class, "
                f"write {criterion.__name__}()"
            )
        if not callable(criterion):
            raise TypeError(f"{name} must be a callable (scores, targets) -> loss, got {criterion!r}")
        self.name, self.criterion = name, criterion

    def __call__(self, scores: Tensor, Y: Tensor) -> Tensor:
        """Return the loss of targets that fit the scores."""
        if reason := unfit_targets(scores, Y):
            raise NamedError(reason)
        versions = scores._version, Y._version
        loss = self._loss(scores, Y)
        if (scores._version, Y._version) != versions:
            raise NamedError(self.in_place)
        return loss

    @property
    def in_place(self) -> str:
        """What is said of a criterion that changes its arguments."""
        return (
            f"{self.name} changes its scores or targets in place, and others go on with them; let it make new "
            "tensors: y * 2 in place of y.mul_(2)"
        )

    def _loss(self, scores: Tensor, Y: Tensor) -> Tensor:
        try:
            loss: Any = self.criterion(scores, Y)
        except FAILURES as error:
            reason = unfit_targets(scores, Y, indices=False)
            raise NamedError(
                f"{self.name} cannot take scores of shape {tuple(scores.shape)}, {scores.dtype}, and targets of shape "
                f"{tuple(Y.shape)}, {Y.dtype}: {error}" + (f"; {reason}" if reason else "")
            ) from error
        if not isinstance(loss, Tensor) or not loss.is_floating_point() or loss.numel() != 1:
            got = f"{loss.dtype} of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise NamedError(f"{self.name} must return one number, a tensor with its graph such as a mean, got {got}")
        return loss

    def rehearse(self, scores: Tensor, Y: Tensor) -> Tensor:
        """Return the loss as a call does, on copies; see also changes that torch does not count, and what broadcasts.

        Class indices (n,) may not be confused with a row of k targets: with n = k both would broadcast, so such a
        criterion is asked a second time, with another number of samples.
        """
        given, targets = scores.clone(), Y.clone()
        if reason := unfit_targets(given, targets):
            raise NamedError(reason)
        n, k = len(Y), scores.shape[1] if scores.dim() > 1 else 1
        if scores.shape != Y.shape and n in (1, k):
            rows = torch.arange(2 + (k == 2)) % n
            with torch.no_grad():
                try:
                    self._loss(scores[rows], Y[rows])
                except NamedError:
                    raise NamedError(unfit_targets(scores, Y, indices=False)) from None
        before = scores.detach().clone()
        loss = self._loss(given, targets)
        if given._version or targets._version or not (torch.equal(given, before) and torch.equal(targets, Y)):
            raise NamedError(self.in_place)
        return loss


def make_optimizer(factory: OptimizerFactory, parameters: list[nn.Parameter]) -> Optimizer:
    """Call the reader's factory, and refuse what no rule can step with.

    Raises
    ------
    TypeError
        If ``factory`` is an optimiser object, is no callable, makes something else, or one that needs a closure.
    ValueError
        If the optimiser is not of these parameters and no others.
    """
    if isinstance(factory, Optimizer):
        name = type(factory).__name__
        raise TypeError(
            f"optimizer must be a class or a factory, such as {name} or functools.partial({name}, lr=0.01), got an "
            f"{name} object: shared by all layers, it is zeroed and stepped once a layer, and its state adapts to none"
        )
    if not callable(factory):
        raise TypeError(f"optimizer must be a class or a factory of optimisers, got {factory!r}")
    try:
        optimizer = factory(parameters)
    except FAILURES as error:
        raise NamedError(f"optimizer could not be made from a list of parameters: {error}") from error
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must make a torch.optim.Optimizer, got {type(optimizer).__name__}")
    name = type(optimizer).__name__
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise TypeError(
            f"optimizer {name} needs a closure that computes the loss anew, and a rule gives one gradient a step; "
            "choose one that does not, such as Rprop, Adam or SGD"
        )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if held != {id(p) for p in parameters}:
        raise NamedError(
            f"optimizer must make a new {name} of the parameters that it is given, all of them and no others; it is "
            "called once for each part that learns by itself"
        )
    return optimizer


def check_options(epochs: int, step: str, seed: int | None, train_decoders: bool) -> None:
    """Refuse, by name, options that no rule can run with, and a place where nothing can be learned."""
    check_recording()
    whole_number("epochs", epochs, 1)
    if step not in ("epoch", "batch"):
        raise ValueError(f"step must be 'epoch' or 'batch', got {step!r}")
    if seed is not None:
        whole_number("seed", seed, 0)
    if not isinstance(train_decoders, bool):
        raise TypeError(f"train_decoders must be True or False, got {train_decoders!r}")


def check_recording() -> None:
    """Refuse to train where torch records no gradient."""
    if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
        where = "torch.inference_mode()" if torch.is_inference_mode_enabled() else "torch.no_grad()"
        raise NamedError(f"nothing can be learned under {where}, where torch records no gradient; train outside of it")
