"""What an option may be: declared once, refused by its name where it does not fit, and offered by a control alike."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Real:
    """A finite number from ``low`` to ``high``; ``above``: more than ``low``."""

    low: float
    high: float = math.inf
    above: bool = False
    kind: ClassVar[Any] = numbers.Real
    noun: ClassVar[str] = "number"

    def check(self, name: str, value: Any) -> Any:
        """Return the value as a plain number, or refuse it by name."""
        ends = f" from {self.low:.15g} to {self.high:.15g}" if self.high < math.inf else f", {self.low:.15g} or more"
        ends = f", more than {self.low:.15g}" if self.above else ends
        words = f"{name} must be a {self.noun}{ends}, got {value!r}"
        if isinstance(value, bool) or not isinstance(value, self.kind):
            raise TypeError(words)
        number = int(value) if isinstance(value, numbers.Integral) else float(value)
        if not self.low <= number <= self.high or abs(number) == math.inf or (self.above and number == self.low):
            raise ValueError(words)
        return number


@dataclass(frozen=True)
class Whole(Real):
    """A whole number from ``low`` to ``high``."""

    kind: ClassVar[Any] = numbers.Integral
    noun: ClassVar[str] = "whole number"


@dataclass(frozen=True)
class OneOf:
    """One of some values, of the same type too: 1 is not True, and 64.0 is not 64."""

    values: Collection[Any]

    def check(self, name: str, value: Any) -> Any:
        """Return the value, or refuse it by name."""
        for known in self.values:
            if type(known) is type(value) and known == value:
                return known
        raise ValueError(f"{name} must be one of {', '.join(map(str, self.values))}, got {value!r}")


@dataclass(frozen=True)
class Each:
    """One to ``most`` values, each of which an option allows; ``different``: no two alike."""

    option: Real | OneOf
    most: int
    different: bool = False

    def check(self, name: str, value: Any) -> tuple[Any, ...]:
        """Return the values as a tuple, or refuse them by name; a single text is no list of names."""
        if not isinstance(value, (tuple, list)):
            raise TypeError(f"{name} must be a tuple or list, got {value!r}")
        values = tuple(self.option.check(name, one) for one in value)
        if not 1 <= len(values) <= self.most or (self.different and len(set(values)) < len(values)):
            raise ValueError(f"{name} must be one to {self.most}{' different' * self.different} values, got {value!r}")
        return values


@dataclass(frozen=True)
class Words:
    """Any text."""

    def check(self, name: str, value: Any) -> str:
        """Return the text, or refuse what is none."""
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a text, got {value!r}")
        return value


Option = Real | OneOf | Each | Words


def known(given: Iterable[str], names: Collection[str]) -> None:
    """Refuse options that do not exist: a TypeError that names them, and all that do."""
    if unknown := [name for name in given if name not in names]:
        raise TypeError(f"no option is called {', '.join(map(repr, unknown))}; there are {', '.join(names)}")
