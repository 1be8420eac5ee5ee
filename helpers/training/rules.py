"""A learning rule is a module: the net, what the rule adds to it, and how a batch gives each part its gradient.

So `state_dict` is the last finite state, `train` and `eval` are the mode, and `copy.deepcopy` is a snapshot. One loop,
`run`, serves every rule. Back-propagation is the rule of a single part, the whole net.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar, Unpack

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.networks import seeded
from helpers.training.arguments import Criterion, Factory, Options, Passes, check_apart, checked, make_optimizer
from helpers.training.layers import Batches, Scores, like_weights, mode, probe

S = TypeVar("S")


class TrainingError(ValueError):
    """Training met data, or a loss, that it cannot go on from; the last finite parameters are back in the model."""


class Diverged(ValueError):
    """A loss or a parameter has become infinite or NaN."""


class Step(NamedTuple):
    """What an epoch of `train` yields: its number, from 1, the loss of each part before its update, and the rule."""

    epoch: int
    losses: list[float]
    rule: Any

    @property
    def loss(self) -> float:
        """The loss of the last part: of local rules the output block, of others the whole net."""
        return self.losses[-1]

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answers of the rule to X, as `Rule.predict` does."""
        answers: list[Scores] = self.rule.predict(X)
        return answers


class Rule(nn.Module):
    """A net and a way to teach it. A rule of one's own says in `backward` how a batch gives each part its gradient.

    ``parts`` are the modules that learn together, each part with an optimiser of its own; by default the whole net is
    one part.
    """

    ends_where_it_diverges = False  # whether a loss that is not finite is the last step, and no error

    def __init__(self, model: nn.Module, optimizer: Factory, parts: Iterable[Iterable[nn.Module]] = ()) -> None:
        super().__init__()
        self.model: Any = model
        modules = [list(part) for part in parts] or [[model]]
        check_apart(modules)
        self.learned = [[p for m in part for p in m.parameters() if p.requires_grad] for part in modules]
        if not any(self.learned):
            raise ValueError("model has no parameter that requires a gradient; nothing can be trained")
        self.optimizers = [make_optimizer(optimizer, group) if group else None for group in self.learned]
        self.active = range(len(modules))  # the parts in training
        self.random: Any = contextlib.nullcontext()  # where a net that draws at random (dropout) draws by the seed

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        """Add the gradient of a batch to each active part, by `learn`; return their losses."""
        raise NotImplementedError

    def learn(self, part: int, loss: Tensor) -> float:
        """Add the gradient of a loss to a part's parameters, and to no others; return the loss as a number."""
        value = finite(loss)
        if group := self.learned[part]:
            loss.backward(inputs=group)
        return value

    def update(self) -> None:
        """Let the optimiser of each active part take a step along the gradient that has been added up, and drop it."""
        for optimizer in filter(None, (self.optimizers[i] for i in self.active)):
            optimizer.step()
            optimizer.zero_grad()

    def begin(self, epoch: int) -> None:
        """Prepare for an epoch."""

    def report(self, step: Step) -> Any:
        """Return what the generator yields."""
        return step

    def steps(self, passes: Passes) -> Iterator[Any]:
        """Run the epochs."""
        return run(self, passes, passes)

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return the answer of every layer that has one, (n, k) each, the net's own last."""
        return [self.model(X.clone())]

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return what `forward` does, for arrays too: in evaluation mode, without a graph."""
        with torch.no_grad(), mode(False, self):
            return [scores.cpu().numpy() for scores in self(like_weights(self.model, X))]

    def reached(self) -> list[nn.Parameter]:
        """Return the parameters to which a batch must give a gradient."""
        return [p for group in self.learned for p in group]

    def rehearse(self, X: Tensor, Y: Tensor) -> None:
        """Run a batch in evaluation mode and leave no trace; refuse, by name, parameters that no gradient reaches."""
        self.zero_grad()
        try:
            with seeded(0), mode(False, self), contextlib.suppress(Diverged):  # which the first epoch reports
                self.backward(given := X.clone(), Y)
                if not torch.equal(given, X):
                    raise ValueError("model must not change its input in place: let its first layer make a new tensor")
                missed = {p for p in self.reached() if p.grad is None}
                if names := [name for name, p in self.named_parameters() if p in missed]:
                    raise ValueError(
                        f"no gradient of the loss reaches {', '.join(names)}, so nothing is learned there: look in the "
                        "model for .detach(), .data or an unused layer; mark by requires_grad_(False) what shall stay"
                    )
        finally:
            self.zero_grad()


class Training(Iterator[S], Generic[S]):
    """The steps of a rule, an epoch each: a generator that also knows the rule."""

    def __init__(self, rule: Rule, steps: Iterator[S]) -> None:
        self.rule, self._steps = rule, steps

    def __next__(self) -> S:
        return next(self._steps)

    def close(self) -> None:
        """Stop here; rule and net stay usable."""
        self._steps.close()  # type: ignore[attr-defined]


def train(rule: Rule, epochs: int, batches: Batches, **options: Unpack[Options]) -> Training[Step]:
    """Teach a net by any rule, one step of this generator per epoch; arguments as in `backprop_optimize`."""
    return start(rule, Passes(epochs, batches, **options))


def start(rule: Rule, passes: Passes, rows: int | None = 1) -> Training[Any]:
    """Rehearse a rule on the first sample, or so many ``rows``, and return its steps as it reports them."""
    rule.rehearse(passes.X[:rows], passes.Y[:rows])
    rule.random = seeded(passes.seed)
    return Training(rule, rule.steps(passes))


def run(rule: Rule, passes: Passes, batches: Batches) -> Iterator[Any]:
    """Run the epochs of a rule, and yield what it reports: the one loop that all rules share.

    With ``step="epoch"`` the gradients of the batches add up to one step; with ``"batch"`` each batch is a step. The
    losses are those before the update (with ``"batch"``: before each batch's own), a mean over the samples.
    """
    live = {name: t for name, t in rule.state_dict().items() if isinstance(t, Tensor)}
    kept, numbers = copy.deepcopy(live), [t for t in live.values() if t.is_floating_point() and t.numel()]
    quiet: range | None = None  # active parts that draw nothing at random: a second path, for a bound on the time
    resting = set[nn.Module]()  # parts of the model that the reader keeps in evaluation mode

    def update() -> None:
        for name, value in live.items():
            kept[name].copy_(value)
        rule.update()

    for epoch in range(1, passes.epochs + 1):
        number, totals, count, ended = 1, list[float](), 0, False
        if rule.model.training:  # otherwise the reader is only looking at the whole
            resting = {part for part in rule.model.modules() if not part.training}
        try:
            with mode(True, rule):
                for part in resting:
                    part.training = False
                rule.zero_grad()
                rule.begin(epoch)
                for X, Y in batches:
                    with contextlib.nullcontext() if quiet == rule.active else rule.random:
                        losses = rule.backward(X, Y)
                    quiet = None if getattr(rule.random, "has_drawn", False) else rule.active
                    totals = [t + value * len(X) for t, value in zip(totals or [0.0] * len(losses), losses)]
                    count += len(X)
                    if passes.step == "batch":
                        update()
                    number += 1
                if not count:
                    raise ValueError("batches gave nothing in this epoch; give a list or a DataLoader")
                if passes.step == "epoch":
                    update()
                if not all(math.isfinite(torch.linalg.vector_norm(t, math.inf)) for t in numbers):
                    raise Diverged("the update made parameters infinite or NaN; try a smaller learning rate")
        except BaseException as error:
            rule.zero_grad()
            if not isinstance(error, Exception):  # a reader's interrupt
                raise
            for name, value in live.items():
                value.copy_(kept[name])
            ended = isinstance(error, Diverged) and rule.ends_where_it_diverges
            if not ended:
                words = f"epoch {epoch}, batch {number}: {error} (the last finite parameters are restored)"
                raise TrainingError(words) from error
        yield rule.report(Step(epoch, [math.nan] if ended else [total / count for total in totals], rule))
        if ended:
            return


def finite(loss: Tensor) -> float:
    """Return a loss as a number, or refuse one that is infinite or NaN."""
    value = loss.item()
    if not math.isfinite(value):
        raise Diverged(f"the loss is {value}; try a smaller learning rate, and look for NaN in the data")
    return value


class BackpropStep(NamedTuple):
    """What an epoch of back-propagation yields: its number, from 1, and the mean training loss before its update."""

    epoch: int
    loss: float


class Backprop(Rule):
    """One part, the whole net: the gradient of its loss goes through all blocks."""

    def __init__(self, model: nn.Sequential, optimizer: Factory, criterion: Criterion) -> None:
        super().__init__(model, optimizer)
        self.criterion = checked("criterion", criterion)

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        return [self.learn(0, self.criterion(self.model(X), Y))]

    def report(self, step: Step) -> BackpropStep:
        return BackpropStep(step.epoch, step.loss)


def backprop_optimize(
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches,
    **options: Unpack[Options],
) -> Training[BackpropStep]:  # fmt: skip
    """Train a net by back-propagation, one step of this generator per epoch.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks, as for the local rules; trained in place. A part that you have put into ``eval()`` stays in it.
    optimizer : callable
        Makes an optimiser from parameters: a class, or ``functools.partial(Adam, lr=1e-2)``.
    criterion : callable
        ``(scores, targets) -> mean loss``.
    epochs, batches : int, iterable of (X, Y)
        How often, 1 or more, to pass over the batches: X (n, ...) and Y (n, k) from a ``DataLoader``, or any iterable
        that can be run through again.
    step : {"epoch", "batch"}
        Add up the loss over the batches and take one step (the default), or take a step each batch.
    seed : int or None
        Seed of all that is drawn: the rule's own weights, and dropout. None draws from torch's global state.
    train_decoders : bool
        Of local rules: train what judges a block with it (the default), or leave it at its random start.

    Yields
    ------
    BackpropStep
        ``(epoch, loss)``; the model has then been updated.

    Raises
    ------
    TypeError, ValueError
        At the call: what does not fit, or could not be learned from.
    TrainingError
        At a batch: targets that the loss cannot take, a loss or an update that is not finite. The last finite
        parameters are back in the model.
    """
    passes = Passes(epochs, batches, **options)
    probe(model, passes.X)
    return start(Backprop(model, optimizer, criterion), passes)
