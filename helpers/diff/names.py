"""Names of variables: one spelling for each, and automatic ones that are not yet taken.

Python takes letters that look alike or are variants of one letter as the same, by Unicode's form NFKC: the micro sign
is the Greek mu. So does everything here that reads a name, and two spellings cannot become two variables.
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import TypeVar

T = TypeVar("T")


def checked_name(name: object, what: str = "name") -> str:
    """Return a name as Python spells it, or raise a ValueError that says what cannot be a name."""
    if isinstance(name, str):
        plain = unicodedata.normalize("NFKC", name)
        if keyword.iskeyword(plain):
            raise ValueError(f"{what} must be a name as Python has them, but {name!r} is a word of Python's own")
        if name.isidentifier() and plain.isidentifier():
            return plain
    raise ValueError(f"{what} must be a name as Python has them, such as 'x1', got {name!r}")


def by_name(values: Mapping[str, T]) -> dict[str, T]:
    """Return values by names as Python spells them."""
    plain: dict[str, T] = {}
    for name, value in values.items():
        spelt = unicodedata.normalize("NFKC", name) if isinstance(name, str) else name
        if spelt in plain:
            raise ValueError(f"{spelt} has two values, in two spellings that Python takes as one name")
        plain[spelt] = value
    return plain


def unused(letter: str, taken: Collection[str], first: int = 1, step: int = 1) -> Iterator[str]:
    """Yield v1, v2, ..., but none that is taken."""
    return (name for name in map(f"{letter}{{}}".format, count(first, step)) if name not in taken)
