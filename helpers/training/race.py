"""One to four rules from the same initial weights, at an equal budget; and the text that describes such a race.

>>> state = State.from_text("data=moons; blocks=2; width=8; rules=back-propagation | local, parallel; epochs=30")
>>> race = Race(state)
>>> for count in race:
...     pass
>>> count, [outcome.rule for outcome in race.outcomes()]
(30, ['back-propagation', 'local, parallel'])
>>> State.from_text(state.text) == state
True
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from helpers.datasets import datasets
from helpers.options import OneOf, Option, Real, Several, Whole
from helpers.training.evaluation import accuracy
from helpers.training.loop import TrainingError
from helpers.training.rules import RULES
from helpers.training.session import ACTIVATIONS, OPTIMIZERS, Net, Session, Setting

LABELLED = [name for name in datasets if name != "normal"]  # whose targets are classes
EQUAL = ("passes", "updates", "seconds")
MOST_RULES = 4
OPTIONS: dict[str, Option] = {
    "data": OneOf(LABELLED),
    "noise": Real(0, 0.5),
    "samples": Whole(20, 1000),
    "blocks": Whole(1, 4),
    "width": Whole(1, 100),
    "activation": OneOf(ACTIVATIONS),
    "normalize": OneOf((True, False)),
    "rules": Several(RULES, MOST_RULES),
    "equal": OneOf(EQUAL),
    "epochs": Whole(1, 5000),
    "optimizer": OneOf(OPTIMIZERS),
    "rate": Real(1e-4, 10),
    "seed": Whole(0, 10**6),
    "layer": Whole(1, 4),
    "unit": Whole(1, 100),
}
"""What each field of a state may be; the controls of the playground are made from it."""
LONGEST = 1000  # characters of a text


@dataclass(frozen=True)
class State:
    """All that a picture of the playground depends on, but for the number of epochs trained so far.

    Attributes
    ----------
    data : str
        One of `LABELLED`.
    noise : float
        Added to the inputs of both sets, a standard deviation, 0 to 0.5.
    samples : int
        Training points, 20 to 1000.
    blocks, width : int
        Hidden blocks, 1 to 4, and the units of each, 1 to 100.
    activation : str
        One of ``ACTIVATIONS``.
    normalize : bool
        Whether each hidden block scales its rows to length 1.
    rules : tuple of str
        One to four different names in ``RULES``.
    equal : str
        "passes": each rule sees the data ``epochs`` times. "updates": each weight is changed ``epochs`` times.
        "seconds": each rule may take as long as ``epochs`` epochs of the first one, by speeds measured beforehand.
    epochs : int
        The budget, 1 to 5000.
    optimizer, rate, seed
        As in `Setting`; the rate from 0.0001 to 10.
    layer, unit : int
        The hidden unit that is shown large, both counted from 1.

    Raises
    ------
    TypeError, ValueError
        If a name is not known or a number is out of its range; the message names it.
    """

    data: str = "signed_xor"
    noise: float = 0.0
    samples: int = 500
    blocks: int = 3
    width: int = 32
    activation: str = "Mish"
    normalize: bool = True
    rules: tuple[str, ...] = ("local, parallel",)
    equal: str = "passes"
    epochs: int = 200
    optimizer: str = "Rprop"
    rate: float = 0.01
    seed: int = 0
    layer: int = 1
    unit: int = 1

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            object.__setattr__(self, name, option.check(name, getattr(self, name)))
        if self.layer > self.blocks or self.unit > self.width:
            raise ValueError(
                f"layer and unit must be in the net of {self.blocks} hidden blocks of {self.width}, got "
                f"layer {self.layer}, unit {self.unit}"
            )

    @property
    def text(self) -> str:
        """The state in one line: ``name=value`` in the order of the fields, parted by semicolons."""
        return "; ".join(f"{field.name}={_written(getattr(self, field.name))}" for field in fields(self))

    @classmethod
    def from_text(cls, text: str) -> State:
        """Read a state; what the text leaves out has its default. The text is parsed, never evaluated.

        Raises
        ------
        ValueError
            If it is not of the form ``name=value; name=value``, or a name or a value is not known.
        """
        if not isinstance(text, str) or len(text) > LONGEST:
            raise ValueError(f"a state is a text of at most {LONGEST} characters")
        defaults = {field.name: field.default for field in fields(cls)}
        values: dict[str, Any] = {}
        for part in filter(None, map(str.strip, text.split(";"))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or not value:
                raise ValueError(f"{part!r} is not of the form name=value; parts are parted by semicolons")
            if name not in defaults:
                raise ValueError(f"no part of the state is called {name!r}; there are {', '.join(defaults)}")
            if name in values:
                raise ValueError(f"{name} is given twice")
            values[name] = _read(name, value, defaults[name])
        return cls(**values)

    def setting(self, rule: str, epochs: int | None = None) -> Setting:
        """Return what one of the rules runs with."""
        return Setting(
            data=self.data, rule=rule, net=Net((self.width,) * self.blocks, self.activation, self.normalize),
            optimizer=self.optimizer, rate=self.rate, seed=self.seed, epochs=epochs or self.epochs, noise=self.noise,
            samples=self.samples, each_block=self.equal == "updates",
        )  # fmt: skip

    @property
    def words(self) -> str:
        """What is held equal, in a sentence."""
        return {
            "passes": f"equal passes: the data {self.epochs} times for each rule",
            "updates": f"equal updates: each weight {self.epochs} times under each rule",
            "seconds": f"equal seconds: each rule as long as {self.epochs} epochs of {self.rules[0]} take",
        }[self.equal]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " | ".join(value) if isinstance(value, tuple) else str(value)


def _read(name: str, value: str, default: Any) -> Any:
    """Turn a word into a value of the default's kind."""
    if isinstance(default, tuple):
        return tuple(part.strip() for part in value.split("|"))
    if isinstance(default, bool):
        if value not in ("yes", "no"):
            raise ValueError(f"{name} must be yes or no, got {value!r}")
        return value == "yes"
    if isinstance(default, str):
        return value
    form = r"\d{1,9}" if isinstance(default, int) else r"\d{1,9}(\.\d{1,20})?(e[+-]?\d{1,2})?"
    if not re.fullmatch(form, value, re.ASCII):
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise ValueError(f"{name} must be {kind}, got {value!r}")
    return type(default)(value)


class Outcome(NamedTuple):
    """Where a rule stands: steps taken, accuracy of the output on both sets, seconds of training."""

    rule: str
    steps: int
    training: float
    test: float
    seconds: float


class Race:
    """Runs of one to four rules, each from the same initial weights, that spend an equal budget side by side.

    Iterating yields 1, 2, ... up to ``total``; after k of them each rule has taken the share k / total of its steps.

    Attributes
    ----------
    sessions : list of Session
        The runs, a rule each.
    total : int
        The state's ``epochs``.
    seconds : list of float
        What each rule has taken so far, its training alone.

    Notes
    -----
    At equal seconds the speed of each rule is measured before the start, on some steps of a net that is thrown away.
    """

    def __init__(self, state: State) -> None:
        self.state, self.total = state, state.epochs
        epochs = [state.epochs] * len(state.rules)
        if state.equal == "seconds" and len(state.rules) > 1:
            speeds = [speed(state, rule) for rule in state.rules]
            epochs = [max(1, round(state.epochs * own / speeds[0])) for own in speeds]
        self.sessions = [Session(state.setting(rule, n)) for rule, n in zip(state.rules, epochs)]
        self.seconds = [0.0] * len(self.sessions)

    def __iter__(self) -> Iterator[int]:
        return filter(None, self.parts())

    def parts(self) -> Iterator[int]:
        """Yield 0 after each rule of a count but the last, then the count: a turn each for whoever watches buttons."""
        last = len(self.sessions) - 1
        for count in range(1, self.total + 1):
            for i, session in enumerate(self.sessions):
                begin = time.perf_counter()
                try:
                    while session.count < session.total * count // self.total:
                        next(session)
                except TrainingError as error:
                    raise TrainingError(f"{session.setting.rule}: {error}") from error
                self.seconds[i] += time.perf_counter() - begin
                yield count if i == last else 0

    def outcomes(self) -> list[Outcome]:
        """Measure where each rule stands."""
        found = []
        for session, seconds in zip(self.sessions, self.seconds):
            training, test = (
                accuracy(session.predict(points.X)[-1], points.Y) for points in (session.training_set, session.test_set)
            )
            found.append(Outcome(session.setting.rule, session.count, training, test, seconds))
        return found


def speed(state: State, rule: str) -> float:
    """Measure how many steps a second a rule takes, on a few for each block."""
    session = Session(state.setting(rule, 4 * (state.blocks + 1)))
    begin = time.perf_counter()
    for _ in session:
        pass
    return session.count / (time.perf_counter() - begin)
