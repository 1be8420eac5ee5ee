"""What all number types have in common: Python's operators, and no way out but ``x.value``.

What leaves a number type loses its derivative, in silence; so every way out is refused. NumPy's functions make arrays
of their operands, which is such a way: a function that is to be differentiated takes those of `helpers.diff`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from helpers.diff.rules import RULES, Operand, apply, is_number, power_by


def _kept_in(way: str) -> Any:
    """Make the method that refuses a way out."""

    def refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            f"{way} would turn {type(self).__name__} into plain numbers, and its derivative would be lost: compute "
            "with operators and the functions of helpers.diff (sin, exp, ...); for the plain number say x.value"
        )

    return refuse


def _operator(name: str) -> tuple[Any, Any]:
    """Make the two methods of a row's operator, for an operand on its left and for one on its right only."""

    def method(self: Any, other: Any) -> Any:
        return apply(RULES[name], self, other) if _fits(other) else NotImplemented  # Python then names both types

    def reflected(self: Any, other: Any) -> Any:
        return apply(RULES[name], other, self) if _fits(other) else NotImplemented

    return method, reflected


def _fits(other: Any) -> bool:
    return isinstance(other, Operand) or is_number(other)


def _comparison(compare: Callable[[Any, Any], Any]) -> Any:
    """Make a comparison by value, so that control flow works; nothing is recorded."""
    return lambda self, other: compare(self.value, other.value if getattr(other, "rank", 0) == self.rank else other)


class Operators(Operand):
    """The operators of a number type, which itself adds ``rank``, ``value`` and ``apply``."""

    __slots__ = ()
    value: Any

    __add__, __radd__ = _operator("add")
    __sub__, __rsub__ = _operator("sub")
    __mul__, __rmul__ = _operator("mul")
    __truediv__, __rtruediv__ = _operator("div")
    _power, __rpow__ = _operator("power")

    def __pow__(self, other: Any) -> Any:
        exponent = other.item() if isinstance(other, (np.ndarray, np.generic)) and other.ndim == 0 else other
        return apply(power_by(exponent), self) if isinstance(exponent, (int, float)) else self._power(other)

    def __neg__(self) -> Any:
        return apply(RULES["neg"], self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return apply(RULES["abs"], self)

    __lt__, __le__, __gt__, __ge__ = map(_comparison, (operator.lt, operator.le, operator.gt, operator.ge))
    __eq__, __ne__ = map(_comparison, (operator.eq, operator.ne))
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.value)

    __float__ = _kept_in("float(x), or a function of math,")
    __array__ = _kept_in("an array of NumPy (made of it, or filled with it)")
    __array_function__ = _kept_in("a function of NumPy")
    __array_priority__ = 1000.0  # NumPy's arrays and numbers leave an operator to us


class Indexed(Operators):
    """What number types with axes have besides."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


def kept_index(index: Any) -> Any:
    """Return an index of NumPy's with its lists and arrays copied: the way back needs them later as they are now."""
    return tuple(map(_kept_part, index)) if isinstance(index, tuple) else _kept_part(index)


def _kept_part(part: Any) -> Any:
    if not isinstance(part, (list, tuple, np.ndarray)):
        return part
    array = np.array(part)
    return array if array.size or isinstance(part, np.ndarray) else array.astype(np.intp)  # NumPy takes [] for floats


def real_numbers(value: Any, name: str) -> NDArray[Any]:
    """Return a copy of real numbers as an array, or raise an error that says what ``name`` must be."""
    array = np.array(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got {value!r:.80} ({array.dtype})")
    return array
