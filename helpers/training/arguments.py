"""What a rule is called with: refused by name, at the call, where no rule could run with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from helpers.datasets import whole_number
from helpers.training.evaluation import Batches

Criterion = Callable[[Tensor, Tensor], Tensor]
OptimizerFactory = Callable[[list[nn.Parameter]], Optimizer]
StepMode = Literal["epoch", "batch"]


class Passes:
    """The batches, epoch by epoch, started early so that an empty or unfit iterable is refused at the call.

    The first batch is looked at (``.first``) and still served in the first epoch, so that no shuffle is drawn twice.
    """

    def __init__(self, batches: Batches, epochs: int) -> None:
        try:
            self.started: Iterator[tuple[Tensor, Tensor]] = iter(batches)
        except TypeError:
            raise TypeError(f"batches must be an iterable of pairs (X, Y), got {type(batches).__name__}") from None
        if epochs > 1 and self.started is batches:
            raise ValueError(
                f"batches is a one-shot iterator ({type(batches).__name__}), used up after one of {epochs} epochs; "
                "give a list or a DataLoader"
            )
        self.batches, self.fresh = batches, True
        try:
            self.first = next(self.started)
        except StopIteration:
            raise ValueError("batches is empty; it must hold at least one pair (X, Y)") from None
        pair: Any = self.first
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(t, Tensor) for t in pair)):
            raise TypeError(f"batches must yield pairs (X, Y) of tensors, got {type(pair).__name__}")

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.fresh:
            self.fresh = False
            yield self.first
            yield from self.started
        else:
            yield from self.batches


def make_optimizer(factory: OptimizerFactory, parameters: list[nn.Parameter]) -> Optimizer:
    """Call the reader's factory, and refuse what is no factory.

    Raises
    ------
    TypeError
        If ``factory`` is an optimiser object, is no callable, or makes something else.
    """
    if isinstance(factory, Optimizer):
        name = type(factory).__name__
        raise TypeError(
            f"optimizer must be a class or a factory, such as {name} or functools.partial({name}, lr=0.01), got an "
            f"{name} object: shared by all layers, it is zeroed and stepped once a layer, and its state adapts to none"
        )
    if not callable(factory):
        raise TypeError(f"optimizer must be a class or a factory of optimisers, got {factory!r}")
    optimizer = factory(parameters)
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must make a torch.optim.Optimizer, got {type(optimizer).__name__}")
    return optimizer


def check_options(epochs: int, step: str, seed: int | None, train_decoders: bool, **criteria: Any) -> None:
    """Refuse, by name, options that no rule can run with."""
    whole_number("epochs", epochs, 1)
    if step not in ("epoch", "batch"):
        raise ValueError(f"step must be 'epoch' or 'batch', got {step!r}")
    if seed is not None:
        whole_number("seed", seed, 0)
    if not isinstance(train_decoders, bool):
        raise TypeError(f"train_decoders must be True or False, got {train_decoders!r}")
    for name, criterion in criteria.items():
        if not callable(criterion):
            raise TypeError(f"{name} must be a callable (scores, targets) -> loss, got {criterion!r}")
