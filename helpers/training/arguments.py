"""Where batches, options, criterion and optimiser enter a rule: refused by name, at the call, if none could run."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.optim import Optimizer

from helpers.options import OneOf, Whole
from helpers.training.layers import FAILURES, Batches, unfit_targets

Criterion = Callable[[Tensor, Tensor], Tensor]
Factory = Callable[[list[nn.Parameter]], Optimizer]  # makes an optimiser
StepMode = Literal["epoch", "batch"]
FLAG = OneOf((True, False))


class Options(TypedDict, total=False):
    """What every rule may be told beside its arguments: see `backprop_optimize`."""

    train_decoders: bool
    step: StepMode
    seed: int | None


class NamedError(ValueError):
    """An error whose message names the argument that it is about."""


class Passes:
    """The batches, epoch by epoch, and the options of a call, checked.

    The first batch is looked at (``.X``, ``.Y``) and still served in the first epoch, so that no shuffle is drawn
    twice. Every batch is checked as it enters: two tensors, a row a sample, finite. ``targets=False``: Y is not looked
    at.
    """

    def __init__(
        self, epochs: int, batches: Batches, *, train_decoders: bool = True, step: StepMode = "epoch",
        seed: int | None = None, targets: bool = True,
    ) -> None:  # fmt: skip
        check_recording()
        self.epochs = Whole(1).check("epochs", epochs)
        self.step: StepMode = OneOf(("epoch", "batch")).check("step", step)
        self.seed = None if seed is None else Whole(0, 2**63 - 1).check("seed", seed)  # what torch can hold
        self.train_decoders = FLAG.check("train_decoders", train_decoders)
        self.batches, self.targets, self.fresh = batches, targets, True
        try:
            self.started: Iterator[Any] = iter(batches if not isinstance(batches, Tensor) else None)  # type: ignore
        except TypeError:
            got = type(batches).__name__
            raise TypeError(f"batches must yield pairs (X, Y) of tensors, such as [(X, Y)], got one {got}") from None
        if epochs > 1 and self.started is batches:
            used = f"({type(batches).__name__}), used up after one of {epochs} epochs"
            raise ValueError(f"batches is a one-shot iterator {used}; give a list or a DataLoader")
        try:
            self.X, self.Y = self._checked(next(self.started))
        except StopIteration:
            raise ValueError("batches is empty; it must hold at least one pair (X, Y)") from None

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.fresh:
            self.fresh = False
            yield self.X, self.Y
            yield from map(self._checked, self.started)
        else:
            yield from map(self._checked, self.batches)

    def _checked(self, pair: Any) -> tuple[Tensor, Tensor]:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
            got = ", ".join(type(part).__name__ for part in (pair if isinstance(pair, (tuple, list)) else [pair]))
            raise TypeError(f"batches must yield pairs (X, Y) of tensors, got {got}; torch.as_tensor makes one")
        X, Y = pair
        if not self.targets:
            return X, Y
        if not X.dim() or not Y.dim() or not len(X) == len(Y) > 0:
            shapes = f"{tuple(X.shape)} and {tuple(Y.shape)}"
            raise ValueError(f"batches: X and Y must have a row for each sample, one at least, got shapes {shapes}")
        for name, part in (("X", X), ("Y", Y)):
            # a sum is quicker than a look at each number; where it overflows, each is looked at
            if not part.detach().sum().isfinite() and not part.isfinite().all():
                raise ValueError(f"batches: {name} holds NaN or infinite values")
        return X, Y

    def gather(self) -> tuple[list[Tensor], Tensor]:
        """Run through all batches once; return each X, and all Y together."""
        pairs = list(self)
        for name, (first, *others) in zip("XY", zip(*pairs)):
            for part in others:
                if part.shape[1:] != first.shape[1:] or part.dtype != first.dtype or part.device != first.device:
                    kinds = (f"{tuple(t.shape[1:])}, {t.dtype}, {t.device}" for t in (first, part))
                    raise ValueError(f"batches: they must fit together, but rows of {name} are {'; then '.join(kinds)}")
        return [X for X, _ in pairs], torch.cat([Y for _, Y in pairs])


class Checked:
    """A criterion that is refused by its name where it gives no loss, or changes what it is given.

    The first call is looked at closely: changes that torch does not count, and class indices (n,), which a criterion
    may take for a row of k targets where n = k: it is asked about k + 1 samples too, of which it must make one number.
    """

    def __init__(self, name: str, criterion: Criterion) -> None:
        if isinstance(criterion, type) or not callable(criterion):
            made = f"the class {criterion.__name__}, write {criterion.__name__}()"
            got = made if isinstance(criterion, type) else repr(criterion)
            raise TypeError(f"{name} must be a callable (scores, targets) -> loss, got {got}")
        self.name, self.criterion, self.first = name, criterion, True

    def __call__(self, scores: Tensor, Y: Tensor) -> Tensor:
        """Return the loss of targets that fit the scores."""
        if reason := unfit_targets(scores, Y):
            raise NamedError(reason)
        given, targets = scores, Y
        if self.first:
            self.first = False
            rows = torch.arange(1 + (scores.shape[1] if scores.dim() > 1 else 1), device=Y.device) % len(Y)
            try:
                self._loss(scores.detach()[rows], Y[rows])
            except NamedError:
                if scores.shape == Y.shape:
                    raise
                raise NamedError(unfit_targets(scores, Y, indices=False)) from None
            given, targets = scores.clone(), Y.clone()
        versions = given._version, targets._version
        loss = self._loss(given, targets)
        if (given._version, targets._version) != versions or not (_same(given, scores) and _same(targets, Y)):
            words = "changes its scores or targets in place; let it make new tensors: y * 2 for y.mul_(2)"
            raise NamedError(f"{self.name} {words}")
        return loss

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


def class_count(width: int) -> int:
    """Return how many classes a net with so many outputs tells apart: two, where it has one output."""
    return max(width, 2)


def class_labels(Y: Tensor, width: int) -> Tensor:
    """Return the class of each sample, (n,) whole numbers from 0; ValueError for what a net of that width cannot name.

    Targets are 0 or 1, (n, 1); one-hot, (n, width); or the classes themselves, whole numbers (n,).
    """
    if not Y.is_floating_point() and Y.dim() == 1:
        if len(Y) and not 0 <= int(Y.min()) <= int(Y.max()) < class_count(width):
            most = class_count(width) - 1
            raise ValueError(f"targets must be classes from 0 to {most}, got {int(Y.min())} to {int(Y.max())}")
        return Y.long()
    if Y.dim() != 2 or Y.shape[1] != width:
        raise ValueError(f"targets have shape {tuple(Y.shape)} but the net gives (n, {width}) scores")
    if not ((Y == 0) | (Y == 1)).all() or (width > 1 and not (Y.sum(1) == 1).all()):
        form = "0 or 1" if width == 1 else "one-hot, a single 1 in each row"
        raise ValueError(f"targets must be class labels, {form}: this rule has no use for other numbers")
    return Y[:, 0].long() if width == 1 else Y.argmax(1)


def codes(labels: Tensor, classes: int, like: Tensor | None = None) -> Tensor:
    """Return what stands for a label, (n, classes): one-hot less its mean, so that zero stands for "no label"."""
    dtype, device = (torch.get_default_dtype(), labels.device) if like is None else (like.dtype, like.device)
    return one_hot(labels, classes).to(device, dtype) - 1 / classes


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or bool(((a == b) | (a.isnan() & b.isnan())).all())


def make_optimizer(factory: Factory, parameters: list[nn.Parameter]) -> Optimizer:
    """Call the reader's factory, and refuse what no rule can step with: TypeError or ValueError."""
    if isinstance(factory, Optimizer) or not callable(factory):
        kind = type(factory).__name__
        name = kind if isinstance(factory, Optimizer) else "Rprop"
        raise TypeError(
            f"optimizer must be a class or a factory, such as {name} or functools.partial({name}, lr=0.01), and no "
            f"{kind} object: shared by all layers, it would be zeroed and stepped once a layer, and adapt to none"
        )
    try:
        optimizer = factory(parameters)
    except FAILURES as error:
        raise NamedError(f"optimizer could not be made from a list of parameters: {error}") from error
    name = type(optimizer).__name__
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must make a torch.optim.Optimizer, got {name}")
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise TypeError(f"optimizer {name} needs a closure, and a rule gives one gradient a step; choose Rprop or Adam")
    if {id(p) for group in optimizer.param_groups for p in group["params"]} != {id(p) for p in parameters}:
        once = "all of them and no others, once for each part that learns by itself"
        raise NamedError(f"optimizer must make a new {name} of the parameters that it is given, {once}")
    return optimizer


def check_apart(parts: Iterable[Iterable[nn.Module]]) -> None:
    """Refuse parts that share memory of parameters or buffers: each learns by a step of its own."""
    places = sorted(
        (t.data_ptr(), t.data_ptr() + t.element_size() * (1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride()))), i)
        for i, part in enumerate(parts)
        for t in dict.fromkeys(t for module in part for t in (*module.parameters(), *module.buffers()))
        if t.numel() and t.data_ptr()
    )
    for (_, end, i), (begin, _, j) in itertools.pairwise(places):
        if begin < end and i != j:
            both = f"blocks {min(i, j)} and {max(i, j)} share a parameter or a buffer"
            raise NamedError(f"model: {both}, but each learns by itself; give each its own, or use backprop_optimize")


def check_recording() -> None:
    """Refuse to train where torch records no gradient."""
    if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
        where = "torch.inference_mode()" if torch.is_inference_mode_enabled() else "torch.no_grad()"
        raise NamedError(f"nothing can be learned under {where}, where torch records no gradient; train outside of it")
