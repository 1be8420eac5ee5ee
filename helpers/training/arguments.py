"""Where batches, options, criterion and optimiser enter a rule: what it could not learn from is refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypedDict

from torch import Tensor, nn
from torch.optim import Optimizer

from helpers.options import OneOf, Whole
from helpers.training.layers import Batches

Criterion = Callable[[Tensor, Tensor], Tensor]
Factory = Callable[[list[nn.Parameter]], Optimizer]  # makes an optimiser
StepMode = Literal["epoch", "batch"]
FLAG = OneOf((True, False))


class Options(TypedDict, total=False):
    """What every rule may be told beside its arguments: see `backprop_optimize`."""

    train_decoders: bool
    step: StepMode
    seed: int | None


class Passes:
    """The batches, epoch by epoch, and the options of a call, checked.

    The first batch is looked at (``.X``, ``.Y``) and still served in the first epoch, so no shuffle is drawn twice.
    """

    def __init__(
        self, epochs: int, batches: Batches, *, train_decoders: bool = True, step: StepMode = "epoch",
        seed: int | None = None,
    ) -> None:  # fmt: skip
        self.epochs = Whole(1).check("epochs", epochs)
        self.step: StepMode = OneOf(("epoch", "batch")).check("step", step)
        self.seed = None if seed is None else Whole(0, 2**63 - 1).check("seed", seed)  # what torch can hold
        self.train_decoders = FLAG.check("train_decoders", train_decoders)
        self.batches, self.started, self.fresh = batches, iter(batches), True
        if (first := next(self.started, None)) is None:
            raise ValueError("batches is empty; it must hold at least one pair (X, Y)")
        self.X, self.Y = checked_pair(first)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.fresh:
            self.fresh = False
            yield self.X, self.Y
            yield from map(checked_pair, self.started)
        else:
            yield from map(checked_pair, self.batches)


def checked_pair(pair: Any) -> tuple[Tensor, Tensor]:
    """Return a batch, if it is two tensors with a row for each sample, all finite."""
    if not isinstance(pair, (tuple, list)) or [isinstance(part, Tensor) for part in pair] != [True, True]:
        got = [type(part).__name__ for part in pair] if isinstance(pair, (tuple, list)) else type(pair).__name__
        raise TypeError(f"batches must yield pairs (X, Y) of tensors, got {got}; torch.as_tensor makes one")
    X, Y = pair
    if not X.dim() or not Y.dim() or not len(X) == len(Y) > 0:
        shapes = f"{tuple(X.shape)} and {tuple(Y.shape)}"
        raise ValueError(f"batches: X and Y must have a row for each sample, one at least, got shapes {shapes}")
    for name, part in (("X", X), ("Y", Y)):
        if not part.isfinite().all():
            raise ValueError(f"batches: {name} holds NaN or infinite values")
    return X, Y


def checked(name: str, criterion: Criterion) -> Criterion:
    """Return a criterion that refuses targets which it would broadcast, and, by its name, to return no loss."""

    def judge(scores: Tensor, Y: Tensor) -> Tensor:
        if scores.shape != Y.shape:
            codes = f"torch.nn.functional.one_hot(Y, {scores.shape[-1]})" if scores.shape[-1] > 1 else "Y[:, None]"
            remedy = f", for instance {codes}.float()" if Y.dim() == 1 else ""
            shapes = f"targets have shape {tuple(Y.shape)} but the scores have {tuple(scores.shape)}"
            raise ValueError(f"{shapes}; give Y the shape of the scores{remedy}")
        loss: Any = criterion(scores, Y)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            got = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise TypeError(f"{name} must return one number, a tensor with its graph such as a mean, got {got}")
        return loss

    return judge


def make_optimizer(factory: Factory, parameters: list[nn.Parameter]) -> Optimizer:
    """Call the reader's factory; refuse an optimiser object, and an optimiser of other parameters than these."""
    if isinstance(factory, Optimizer):
        name = type(factory).__name__
        raise TypeError(
            f"optimizer must be a class or a factory, such as {name} or functools.partial({name}, lr=0.01), and no "
            f"{name} object: shared by all layers, it would be zeroed and stepped once a layer, and adapt to none"
        )
    optimizer = factory(parameters)
    if {id(p) for group in optimizer.param_groups for p in group["params"]} != {id(p) for p in parameters}:
        once = "all of them and no others, once for each part that learns by itself"
        raise ValueError(f"optimizer must make a new optimiser of the parameters that it is given, {once}")
    return optimizer


def check_apart(parts: Iterable[Iterable[nn.Module]]) -> None:
    """Refuse parts that share parameters or buffers: each learns by a step of its own."""
    owners: dict[int, int] = {}
    for i, part in enumerate(parts):
        for t in (t for module in part for t in (*module.parameters(), *module.buffers()) if t.numel()):
            if (other := owners.setdefault(t.data_ptr(), i)) != i:
                both = f"blocks {other} and {i} share a parameter or a buffer, but each learns by itself"
                raise ValueError(f"model: {both}; give each its own, or use backprop_optimize")
