"""Names of variables: one spelling for each, and automatic ones that are not yet taken.

Python takes letters that look alike or are variants of one letter as the same, by Unicode's form NFKC: the micro sign
is the Greek mu. So does everything here that reads a name, and two spellings cannot become two variables.

>>> folded("\\N{MICRO SIGN}") == "\\N{GREEK SMALL LETTER MU}"
True
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import TypeVar

T = TypeVar("T")


def folded(name: str) -> str:
    """Return a name as Python spells it."""
    return unicodedata.normalize("NFKC", name)


def checked_name(name: object, what: str = "name") -> str:
    """Return a name as Python spells it, or raise a ValueError that says what cannot be a name."""
    if isinstance(name, str):
        plain = folded(name)
        if keyword.iskeyword(plain):
            raise ValueError(f"{what} must be a name as Python has them, but {name!r} is a word of Python's own")
        if name.isidentifier() and plain.isidentifier():
            return plain
    raise ValueError(f"{what} must be a name as Python has them, such as 'x1', got {name!r}")


def by_name(values: Mapping[str, T]) -> dict[str, T]:
    """Return values by names as Python spells them; what is no str stays as it is."""
    plain: dict[str, T] = {}
    for name, value in values.items():
        spelt = folded(name) if isinstance(name, str) else name
        if spelt in plain:
            raise ValueError(f"{spelt} has two values, in two spellings that Python takes as one name")
        plain[spelt] = value
    return plain


def unused(letter: str, taken: Collection[str], first: int = 1) -> Iterator[str]:
    """Yield v1, v2, ..., but none that is taken.

    >>> names = unused("v", {"v2"})
    >>> next(names), next(names)
    ('v1', 'v3')
    """
    return (name for name in map(f"{letter}{{}}".format, count(first)) if name not in taken)
