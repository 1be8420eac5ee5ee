"""What an option may be: declared once, refused by its name where it does not fit, and offered by a control alike.

>>> Real(1e-4, 10).check("rate", 100)
Traceback (most recent call last):
ValueError: rate must be a number from 0.0001 to 10, got 100
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``."""

    low: float
    high: float = math.inf

    def check(self, name: str, value: Any) -> int:
        """Return the value as an int, or refuse it by name."""
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise TypeError(f"{name} must be a whole number{_range(self.low, self.high)}, got {value!r}")
        if not self.low <= int(value) <= self.high:
            raise ValueError(f"{name} must be a whole number{_range(self.low, self.high)}, got {value!r}")
        return int(value)


@dataclass(frozen=True)
class Real:
    """A finite number from ``low`` to ``high``; ``above``: more than ``low``."""

    low: float
    high: float = math.inf
    above: bool = False

    def check(self, name: str, value: Any) -> float:
        """Return the value as a plain number, or refuse it by name."""
        words = f"{name} must be a number{_range(self.low, self.high, self.above)}, got {value!r}"
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(words)
        number = int(value) if isinstance(value, numbers.Integral) else float(value)
        if not self.low <= number <= self.high or abs(number) == math.inf or (self.above and number == self.low):
            raise ValueError(words)
        return number


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
class Several:
    """One or more different names out of some, ``most`` of them at most."""

    values: Collection[str]
    most: float = math.inf

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        """Return the names as a tuple, or refuse them by the option's name; a single string is no list of names."""
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise TypeError(
                f"{name} must be a list or tuple of names, such as ({next(iter(self.values))!r},), got {value!r}"
            )
        names = tuple(value)
        for one in names:
            if not isinstance(one, str) or one not in self.values:
                raise ValueError(f"{name} must be among {' | '.join(self.values)}, got {one!r}")
        if not 1 <= len(names) <= self.most or len(set(names)) < len(names):
            raise ValueError(
                f"{name} must be one {_most(self.most)} different names, got {' | '.join(names) or 'none'}"
            )
        return names


@dataclass(frozen=True)
class Each:
    """One to ``most`` values, each of which an option allows."""

    option: Whole | Real
    most: int

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        """Return the values as a tuple, or refuse them by name."""
        if not isinstance(value, (tuple, list)):
            raise TypeError(f"{name} must be a tuple of numbers, such as ({self.option.low:g},), got {value!r}")
        if not 1 <= len(value) <= self.most:
            raise ValueError(f"{name} must be one to {self.most} numbers, got {len(value)}")
        return tuple(self.option.check(name, one) for one in value)


@dataclass(frozen=True)
class Words:
    """Any text."""

    def check(self, name: str, value: Any) -> str:
        """Return the text, or refuse what is none."""
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a text, got {value!r}")
        return value


Option = Whole | Real | OneOf | Several | Each | Words


def known(given: Iterable[str], names: Collection[str]) -> None:
    """Refuse options that do not exist.

    Raises
    ------
    TypeError
        If there is one; the message names it, and all that exist.
    """
    if unknown := [name for name in given if name not in names]:
        raise TypeError(f"no option is called {', '.join(map(repr, unknown))}; there are {', '.join(names)}")


def _range(low: float, high: float, above: bool = False) -> str:
    if math.isfinite(high):
        return f" from {low:.15g} to {high:.15g}"
    return f", more than {low:.15g}" if above else f", {low:.15g} or more"


def _most(most: float) -> str:
    return f"to {most:g}" if math.isfinite(most) else "or more"
