"""Where batches, options, criterion and optimiser enter a rule: refused by name, at the call, if none could run."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from helpers.datasets import whole_number
from helpers.training.layers import FAILURES, Batches, unfit_targets

Criterion = Callable[[Tensor, Tensor], Tensor]
OptimizerFactory = Callable[[list[nn.Parameter]], Optimizer]
StepMode = Literal["epoch", "batch"]


class Options(TypedDict, total=False):
    """What every rule may be told beside its arguments: see `locally_optimize_parallel`."""

    train_decoders: bool
    step: StepMode
    seed: int | None


class NamedError(ValueError):
    """An error whose message names the argument that it is about."""


class Passes:
    """The batches, epoch by epoch, and the options of a call, checked.

    The first batch is looked at (``.X``, ``.Y``) and still served in the first epoch, so that no shuffle is drawn
    twice. Every batch is checked as it enters: two tensors, a row a sample, finite. With ``targets=False`` Y is not
    looked at.
    """

    def __init__(
        self,
        epochs: int,
        batches: Batches,
        *,
        train_decoders: bool = True,
        step: StepMode = "epoch",
        seed: int | None = None,
        targets: bool = True,
    ) -> None:
        check_recording()
        self.epochs = whole_number("epochs", epochs, 1)
        if step not in ("epoch", "batch"):
            raise ValueError(f"step must be 'epoch' or 'batch', got {step!r}")
        self.seed = None if seed is None else whole_number("seed", seed, 0)
        if self.seed is not None and self.seed >= 2**63:
            raise ValueError(f"seed must be less than 2**63, what torch can hold, got {seed!r}")
        self.train_decoders = flag("train_decoders", train_decoders)
        self.step, self.batches, self.targets, self.fresh = step, batches, targets, True
        try:
            self.started: Iterator[Any] = iter(batches)
        except TypeError:
            raise TypeError(f"batches must be an iterable of pairs (X, Y), got {type(batches).__name__}") from None
        if isinstance(batches, Tensor):
            raise TypeError("batches must yield pairs (X, Y), got one tensor; give [(X, Y)]")
        if epochs > 1 and self.started is batches:
            raise ValueError(
                f"batches is a one-shot iterator ({type(batches).__name__}), used up after one of {epochs} epochs; "
                "give a list or a DataLoader"
            )
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
        for pair in pairs[1:]:
            for name, part, first in zip("XY", pair, pairs[0]):
                if part.shape[1:] != first.shape[1:] or part.dtype != first.dtype or part.device != first.device:
                    raise ValueError(
                        f"batches: they must fit together, sample under sample, but rows of {name} are "
                        f"{tuple(first.shape[1:])}, {first.dtype}, and then {tuple(part.shape[1:])}, {part.dtype}"
                    )
        return [X for X, _ in pairs], torch.cat([Y for _, Y in pairs])


class Checked:
    """A criterion that is refused by its name where it gives no loss, or changes what it is given.

    The first call is looked at closely: changes that torch does not count, and class indices (n,), which a criterion
    may take for a row of k targets where n = k: it is asked about k + 1 samples too, of which it must make one number.
    """

    def __init__(self, name: str, criterion: Criterion) -> None:
        if isinstance(criterion, type):
            form = f"{criterion.__name__} is a class, write {criterion.__name__}()"
            raise TypeError(f"{name} must be a callable (scores, targets) -> loss; {form}")
        if not callable(criterion):
            raise TypeError(f"{name} must be a callable (scores, targets) -> loss, got {criterion!r}")
        self.name, self.criterion, self.first = name, criterion, True

    def __call__(self, scores: Tensor, Y: Tensor) -> Tensor:
        """Return the loss of targets that fit the scores."""
        if reason := unfit_targets(scores, Y):
            raise NamedError(reason)
        first, self.first = self.first, False
        if first:
            classes = scores.shape[1] if scores.dim() > 1 else 1
            rows = torch.arange(classes + 1, device=Y.device) % len(Y)
            try:
                self._loss(scores.detach()[rows], Y[rows])
            except NamedError:
                if scores.shape == Y.shape:
                    raise
                raise NamedError(unfit_targets(scores, Y, indices=False)) from None
        given, targets = (scores.clone(), Y.clone()) if first else (scores, Y)
        versions = given._version, targets._version
        loss = self._loss(given, targets)
        if (given._version, targets._version) != versions or not (_same(given, scores) and _same(targets, Y)):
            raise NamedError(
                f"{self.name} changes its scores or targets in place, and others go on with them; let it make new "
                "tensors: y * 2 in place of y.mul_(2)"
            )
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


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or bool(((a == b) | (a.isnan() & b.isnan())).all())


def make_optimizer(factory: OptimizerFactory, parameters: list[nn.Parameter]) -> Optimizer:
    """Call the reader's factory, and refuse what no rule can step with: TypeError or ValueError."""
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
    if {id(p) for group in optimizer.param_groups for p in group["params"]} != {id(p) for p in parameters}:
        raise NamedError(
            f"optimizer must make a new {name} of the parameters that it is given, all of them and no others; it is "
            "called once for each part that learns by itself"
        )
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
            raise NamedError(
                f"model: blocks {min(i, j)} and {max(i, j)} share a parameter or a buffer, but under this rule each "
                "block learns by itself; give each its own (copy.deepcopy), or use backprop_optimize"
            )


def check_recording() -> None:
    """Refuse to train where torch records no gradient."""
    if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
        where = "torch.inference_mode()" if torch.is_inference_mode_enabled() else "torch.no_grad()"
        raise NamedError(f"nothing can be learned under {where}, where torch records no gradient; train outside of it")


def at_least(name: str, value: float, least: float, *, open_end: bool = False) -> float:
    """Return a finite number that is ``least`` or more (``open_end``: more), or refuse it by name."""
    words = f"{name} must be a finite number, {'more than' if open_end else 'at least'} {least}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(words)
    if not math.isfinite(value) or value < least or (open_end and value == least):
        raise ValueError(words)
    return value


def flag(name: str, value: bool) -> bool:
    """Return True or False, or refuse anything else by name."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def one_of(name: str, value: Any, options: Iterable[Any]) -> Any:
    """Return one of the options, or refuse anything else by name."""
    if value not in (known := list(options)):
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}, got {value!r}")
    return value
