"""A training run described by plain values: equal runs, equal numbers. What panels show, races compare, scripts repeat.

`Run` has a form as a text, and one as the code that a reader would write; both give the same numbers again.
"""

from __future__ import annotations

import copy
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple, Self
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import SGD, Adam, RMSprop, Rprop

from helpers.datasets import Drawn, Points, build, datasets
from helpers.networks import layered_net
from helpers.options import Each, OneOf, Option, Real, Whole
from helpers.training import RULES
from helpers.training.layers import Scores, accuracy, fit_decoders, layer_outputs, layer_scores, like_weights, mode
from helpers.training.rules import TrainingError

ACTIVATIONS: dict[str, Callable[[], nn.Module]]
ACTIVATIONS = {"Mish": nn.Mish, "tanh": nn.Tanh, "ReLU": nn.ReLU, "sigmoid": nn.Sigmoid, "linear": nn.Identity}
OPTIMIZERS: dict[str, Callable[..., Any]] = {"Rprop": Rprop, "Adam": Adam, "RMSprop": RMSprop, "SGD": SGD}
LABELLED = tuple(name for name in datasets if name != "normal")  # whose targets are classes
EQUAL = ("passes", "updates", "seconds")
USUAL = "usual"  # as many test points as a data set brings: 1000, of the digits 797; of own points a fifth
RATIOS = (USUAL, "9:1", "4:1", "2:1", "1:1", "1:2", "1:4", "1:9")
OWN = WeakValueDictionary[str, Points]()  # a reader's own points, by the name that a run has them by
LONGEST = 1000  # characters of a text
MOST_EPOCHS = 100_000


def declared(default: Any, option: Option) -> Any:
    """Declare a field of a `Run`, or of what a panel adds to one: its default, and what it may be."""
    return field(default=default, metadata={"option": option})


class DataName(OneOf):
    """The name of a data set, or of own points."""

    def check(self, name: str, value: Any) -> Any:
        return value if isinstance(value, str) and value in OWN else super().check(name, value)


@dataclass(frozen=True)
class Run:
    """All that a training run depends on; each field is checked, refused by its name, and never changed in silence.

    ``data``, ``activation`` and ``optimizer`` are names in `LABELLED` (or ``OWN``), ``ACTIVATIONS``, ``OPTIMIZERS``;
    ``noise`` is a standard deviation, added to the inputs of both sets; ``samples`` are the training points (own ones
    at most), and ``ratio`` is that of training to test points; ``hidden`` are the widths of the hidden blocks, of which
    each scales its rows to length 1 (``normalize``); ``rules`` are names in ``RULES``, several for a `Race`;
    ``rate`` is the learning rate (of Rprop, the first step length); ``batch`` is the number of points in a step, 0 for
    all of them; ``l2`` is the weight decay of the optimiser; ``seed`` is that of data, net, decoders and shuffles.

    ``equal`` is held equal: "passes": each rule sees the data ``epochs`` times; the sequential rule shares them among
    its blocks. "updates": each weight is changed ``epochs`` times. "seconds": each rule of a race may take as long as
    ``epochs`` epochs of the first one, by speeds measured beforehand.
    """

    data: str = declared("signed_xor", DataName(LABELLED))
    noise: float = declared(0.0, Real(0, 0.5))
    samples: int = declared(500, Whole(20, 1000))
    ratio: str = declared(USUAL, OneOf(RATIOS))
    hidden: tuple[int, ...] = declared((32, 32, 32), Each(Whole(1, 100), 4))
    activation: str = declared("Mish", OneOf(ACTIVATIONS))
    normalize: bool = declared(True, OneOf((True, False)))
    rules: tuple[str, ...] = declared(("local, parallel",), Each(OneOf(RULES), 4, different=True))
    equal: str = declared("passes", OneOf(EQUAL))
    epochs: int = declared(200, Whole(1, MOST_EPOCHS))
    optimizer: str = declared("Rprop", OneOf(OPTIMIZERS))
    rate: float = declared(0.01, Real(1e-4, 10))
    batch: int = declared(0, Whole(0, 1000))
    l2: float = declared(0.0, Real(0, 1))
    seed: int = declared(0, Whole(0, 10**6))

    def __post_init__(self) -> None:
        for part in fields(self):
            kind: Any = type(part.default)
            value = part.metadata["option"].check(part.name, getattr(self, part.name))
            # frozen for everyone else; a list becomes a tuple here, 1 becomes 1.0, and no value changes
            object.__setattr__(self, part.name, kind(value))
        if self.l2 and self.optimizer == "Rprop":
            raise ValueError(f"l2 must be 0 with Rprop, which knows no weight decay, got {self.l2}; choose Adam or SGD")
        if self.batch and (whole := [rule for rule in self.rules if rule.startswith("constrained")]):
            raise ValueError(f"batch must be 0 (all points) for {whole[0]}, which keeps each point's own variables")

    @classmethod
    def options(cls) -> dict[str, Any]:
        """Return what each field may be, by name: what controls are made from."""
        return {part.name: part.metadata["option"] for part in fields(cls)}

    @property
    def text(self) -> str:
        """The run in one line, ``name=value`` parted by semicolons."""
        return "; ".join(f"{part.name}={_written(getattr(self, part.name))}" for part in fields(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a run; what the text leaves out has its default. The text is parsed, never evaluated."""
        if not isinstance(text, str) or len(text) > LONGEST:
            raise ValueError(f"a run is described by a text of at most {LONGEST} characters")
        defaults, values = {part.name: part.default for part in fields(cls)}, dict[str, Any]()
        for part in filter(None, map(str.strip, text.split(";"))):
            name, equals, word = (piece.strip() for piece in part.partition("="))
            if not equals or not word:
                raise ValueError(f"{part!r} is not of the form name=value; parts are parted by semicolons")
            if name not in defaults:
                raise ValueError(f"no part of a run is called {name!r}; there are {', '.join(defaults)}")
            if name in values:
                raise ValueError(f"{name} is given twice")
            values[name] = _read(name, word, defaults[name])
        return cls(**values)

    @property
    def schedule(self) -> tuple[int, int]:
        """The epochs that the (first) rule is called with, and the steps that it then yields."""
        blocks = len(self.hidden) + 1
        if self.rules[0] != "local, sequential":
            return self.epochs, self.epochs
        each = self.epochs if self.equal == "updates" else max(1, self.epochs // blocks)
        return each, each * blocks

    @property
    def words(self) -> str:
        """What is held equal, in a sentence."""
        steps = -(-len(self.points()[0]) // self.batch) if self.batch else 1  # in a pass over the data
        return {
            "passes": f"equal passes: the data {self.epochs} times for each rule",
            "updates": f"equal updates: each weight {self.epochs * steps} times under each rule",
            "seconds": f"equal seconds: each rule as long as {self.epochs} epochs of {self.rules[0]} take",
        }[self.equal]

    def points(self) -> tuple[Points, Points]:
        """Return training and test set: copies, to do with as one likes."""
        return copy.deepcopy(_points(self.data, self.noise, self.samples, self.seed, self.ratio))

    def net(self) -> nn.Sequential:
        """Make the net anew, a block a layer; equal runs have equal weights."""
        training_set = self.points()[0]
        widths = [training_set.X.shape[1], *self.hidden, training_set.Y.shape[1]]
        return layered_net(widths, activation=ACTIVATIONS[self.activation], normalize=self.normalize, seed=self.seed)


def _written(value: Any) -> str:
    """Write a value as `_read` reads it: yes or no; widths parted by hyphens, names by bars."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return (" | " if isinstance(value[0], str) else "-").join(map(str, value))
    return str(value)


def _read(name: str, word: str, default: Any) -> Any:
    """Turn a word into a value of the default's kind, whose range is not checked yet."""
    if isinstance(default, tuple):
        mark = "|" if isinstance(default[0], str) else "-"
        return tuple(_read(name, part.strip(), default[0]) for part in word.split(mark))
    if isinstance(default, bool):
        return {"yes": True, "no": False}.get(word, word)
    if isinstance(default, str):
        return word
    form = r"\d{1,9}" if isinstance(default, int) else r"\d{1,9}(\.\d{1,20})?(e[+-]?\d{1,2})?"
    if not re.fullmatch(form, word, re.ASCII):
        raise ValueError(f"{name} must be a {'whole ' * isinstance(default, int)}number, got {word!r}")
    return type(default)(word)


@lru_cache(maxsize=8)
def _points(data: str, noise: float, samples: int, seed: int, ratio: str) -> tuple[Points, Points]:
    share = 4.0 if ratio == USUAL else int(ratio[0]) / int(ratio[2])  # training points for each test point
    if own := OWN.get(data):
        order = np.random.default_rng(seed).permutation(len(own.X))
        tested = min(max(1, round(len(order) / (1 + share))), len(order) - 1) or 1  # a single point is in both sets
        both = order[: max(1, len(order) - tested)][:samples], order[-tested:]
        drawn = (partial(build, partial(_rows, own, chosen), i) for i, chosen in enumerate(both))
        ours, theirs = (draw(noise=noise, seed=seed) for draw in drawn)
        return ours, theirs
    train, test = datasets[data][:2]
    try:
        asked = {} if ratio == USUAL else {"samples": max(1, round(samples / share))}
        tests = test(noise=noise, seed=seed, **asked)
    except ValueError as error:
        raise ValueError(f"ratio {ratio} asks for too many test points: {error}") from error
    return train(samples=samples, noise=noise, seed=seed), tests


def _rows(points: Points, chosen: NDArray[np.intp], rng: object) -> Drawn:
    return points.X.numpy()[chosen], points.Y.numpy()[chosen]


class Session:
    """One run, by one rule, about to start: its data, its net, its steps, and the answer of every layer at any time.

    It has ``training_set`` and ``test_set``, ``rule`` and ``model``, and has taken ``count`` of ``total`` steps.
    """

    def __init__(self, run: Run) -> None:
        if len(run.rules) > 1:
            raise ValueError(f"rules must be one for a Session, got {' | '.join(run.rules)}; a Race runs several")
        self.run, (self.training_set, self.test_set) = run, run.points()
        epochs, self.total = run.schedule
        self.count, self.model = 0, run.net()
        optimizer = partial(OPTIMIZERS[run.optimizer], lr=run.rate, **{"weight_decay": run.l2} if run.l2 else {})
        batches: Any = [tuple(self.training_set.tensors)]
        options: dict[str, Any] = {"seed": run.seed}
        if run.batch:
            batches, options["step"] = self.training_set.batches(run.batch, run.seed), "batch"
        rule, losses = RULES[run.rules[0]], (mse_loss, binary_cross_entropy)
        self._steps = rule(self.model, optimizer, *losses, epochs, batches, **options)
        self.rule = self._steps.rule

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        step = next(self._steps)
        self.count += 1
        return step

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer; where the rule has none, by read-outs fitted on 200 points."""
        scores = self.rule.predict(X)
        if len(scores) == len(self.model):
            return scores
        decoders = fit_decoders(self.model, self.training_set.X[:200], self.training_set.Y[:200])
        return layer_scores(self.model, decoders, X)

    def units(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the outputs (n, width) of the hidden blocks."""
        with torch.no_grad(), mode(False, self.model):
            return [h.numpy() for h in layer_outputs(list(self.model)[:-1], like_weights(self.model, X))]


class Outcome(NamedTuple):
    """Where a rule stands: steps taken, accuracy of the output on both sets, seconds of training."""

    rule: str
    steps: int
    training: float
    test: float
    seconds: float


class Race:
    """Runs of one to four rules, each from the same initial weights, that spend an equal budget side by side.

    Iterating yields 1, 2, ... up to ``total``; after k of them each of the ``sessions`` has taken the share k / total
    of its steps, in so many ``seconds`` each. At equal seconds the speed of each rule is measured before the start.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.total = run, run.epochs
        epochs = [run.epochs] * len(run.rules)
        if run.equal == "seconds" and len(run.rules) > 1:
            speeds = [speed(replace(run, rules=(rule,))) for rule in run.rules]
            epochs = [min(max(1, round(run.epochs * own / speeds[0])), MOST_EPOCHS) for own in speeds]
        self.sessions = [Session(replace(run, rules=(rule,), epochs=n)) for rule, n in zip(run.rules, epochs)]
        self.seconds = [0.0] * len(self.sessions)

    def __iter__(self) -> Iterator[int]:
        for count in range(1, self.total + 1):
            for i, session in enumerate(self.sessions):
                begin = time.perf_counter()
                try:
                    while session.count < session.total * count // self.total:
                        next(session)
                except TrainingError as error:
                    raise TrainingError(f"{session.run.rules[0]}: {error}") from error
                self.seconds[i] += time.perf_counter() - begin
            yield count

    def outcomes(self) -> list[Outcome]:
        """Measure where each rule stands."""
        found = []
        for session, seconds in zip(self.sessions, self.seconds):
            training, test = (
                accuracy(session.predict(points.X)[-1], points.Y) for points in (session.training_set, session.test_set)
            )
            found.append(Outcome(session.run.rules[0], session.count, training, test, seconds))
        return found

    def code(self) -> str:
        """Return the race as the code that a reader would write: pasted into a cell, it gives the same numbers.

        It leaves ``models`` and ``found`` (test accuracies), each a dict by rule; at equal seconds, as measured here.
        """
        run, own, first = self.run, self.run.data in OWN, self.sessions[0]
        points, tests = first.training_set, first.test_set
        epochs = {session.run.rules[0]: session.run.schedule[0] for session in self.sessions}
        asked = "" if run.ratio == USUAL else f"samples={len(tests)}, "
        lists = [f"Points(tensor({p.X.tolist()}), tensor({p.Y.tolist()}))" for p in (points, tests) if own]
        return TEMPLATE.format(
            sets="training_set = {}\ntest_set = {}".format(*lists) if own else DRAWN.format(asked=asked, **vars(run)),
            needs=", tensor" if own else "",
            source="Points" if own else "datasets",
            text=textwrap.fill(f"The run: {run.text}", 110, initial_indent="# ", subsequent_indent="#   "),
            epochs=repr(epochs).replace("'", '"'),
            remark="  # for each of its blocks, where a rule is sequential" if "local, sequential" in epochs else "",
            widths=[points.X.shape[1], *run.hidden, points.Y.shape[1]],
            layer=ACTIVATIONS[run.activation].__name__,
            decay=f", weight_decay={run.l2}" if run.l2 else "",
            batches=f"training_set.batches({run.batch}, seed={run.seed})" if run.batch else ALL,
            step=', step="batch"' if run.batch else "",
            **{name: getattr(run, name) for name in ("seed", "normalize", "optimizer", "rate")},
        )


def speed(run: Run) -> float:
    """Measure how many steps a second a rule takes, on a few for each block."""
    session = Session(replace(run, epochs=4 * (len(run.hidden) + 1)))
    begin = time.perf_counter()
    for _ in session:
        pass
    return session.count / (time.perf_counter() - begin)


ALL = "[(training_set.X, training_set.Y)]"
DRAWN = """\
training_set = datasets["{data}"].train(samples={samples}, noise={noise}, seed={seed})
test_set = datasets["{data}"].test({asked}noise={noise}, seed={seed})"""
TEMPLATE = """\
from functools import partial

from torch import nn{needs}
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import {optimizer}

from helpers.datasets import {source}
from helpers.networks import layered_net
from helpers.training import RULES, accuracy, predictor

{text}
{sets}
epochs = {epochs}{remark}
models, found = {{}}, {{}}
for rule, count in epochs.items():
    model = layered_net({widths}, activation=nn.{layer}, normalize={normalize}, seed={seed})
    optimizer = partial({optimizer}, lr={rate}{decay})
    batches = {batches}
    for step in RULES[rule](model, optimizer, mse_loss, binary_cross_entropy, count, batches, seed={seed}{step}):
        pass
    predict = getattr(step, "predict", lambda X: [predictor(model)(X)])  # an answer a layer, where a rule has them
    models[rule], found[rule] = model, accuracy(predict(test_set.X)[-1], test_set.Y)
    print(f"{{rule}}: {{found[rule]:.3f}} of the test points right")
"""
