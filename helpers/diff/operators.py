"""What all number types have in common: Python's operators, NumPy's functions, and no way out but ``x.value``.

What leaves a number type loses its derivative, in silence; so every way out is refused. NumPy's functions do what the
one table `NUMPY` says; what is not in it, or what an entry does not take (``out``, ``where``, ``dtype``, ...), is
refused by name.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from helpers.diff import array_rules
from helpers.diff.rules import RULES, Operand, apply, function_of, is_number, power_by


def _kept_in(way: str) -> Any:
    """Make the method that refuses a way out."""

    def refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            f"{way} would turn {type(self).__name__} into plain numbers, and its derivative would be lost: compute "
            "with operators and the functions of helpers.diff (sin, exp, stack, ...); for the plain number say x.value"
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

    def method(self: Any, other: Any) -> Any:
        return compare(self.value, other.value if getattr(other, "rank", None) == self.rank else other)

    return method


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

    def __format__(self, form: str) -> str:
        return format(self.value, form) if form and hasattr(self, "value") else object.__format__(self, form)

    __float__ = __complex__ = _kept_in("float(x), or a function of math,")
    __int__ = __trunc__ = __floor__ = __ceil__ = _kept_in("int(x), or a rounding,")
    __round__ = _kept_in("round(x)")
    __index__ = _kept_in("an index or a count")
    __array__ = _kept_in("an array of NumPy (made of it, or filled with it)")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        name = f"numpy.{ufunc.__name__}" if ufunc.__name__ in vars(np) else ufunc.__name__
        name += "" if method == "__call__" else f".{method}"
        if "out" in options:
            self._refuse(name, "cannot write into out: write a = a + x, not a += x, where a is a plain array")
        if options:
            self._refuse(name, f"takes no option {', '.join(options)}")
        return self._as_numpy(NUMPY.get(ufunc) if method == "__call__" else None, name, inputs, {})

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: dict[str, Any]) -> Any:
        name, ours = f"{function.__module__}.{function.__name__}", NUMPY.get(function)
        if ours is not None:
            try:
                inspect.signature(ours).bind(*arguments, **options)
            except TypeError as error:  # an option of NumPy's that we do not have is never dropped
                self._refuse(name, f"takes less here than on plain arrays ({error})")
        return self._as_numpy(ours, name, arguments, options)

    def _as_numpy(self, ours: Callable[..., Any] | None, name: str, arguments: Any, options: dict[str, Any]) -> Any:
        result = NotImplemented if ours is None else ours(*arguments, **options)
        if result is NotImplemented:
            self._refuse(name, "has no rule here")
        return result

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise TypeError(
            f"{name} on {type(self).__name__} {why}. Compute with operators, with x.sum and its like, and with "
            "the functions of helpers.diff (sin, maximum, where, stack, ...); for plain numbers say x.value"
        )


class Indexed(Operators):
    """What number types with axes have besides."""

    __slots__ = ()

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot change in place, since its old values are needed: make a new one, as "
            "where(...) does of Arrays, or a list"
        )

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
    if isinstance(part, Operand):
        raise TypeError(f"an index must be plain whole numbers or bools, got a {type(part).__name__}; say x.value")
    if not isinstance(part, (list, tuple, np.ndarray)):
        return part
    array = np.array(part)
    return array if array.size or isinstance(part, np.ndarray) else array.astype(np.intp)  # NumPy takes [] for floats


def real_numbers(value: Any, name: str) -> NDArray[Any]:
    """Return a copy of real numbers as an array, or raise an error that says what ``name`` must be."""
    if isinstance(value, Operand):
        raise TypeError(f"{name} must be plain numbers, got {type(value).__name__}; take its .value")
    try:
        array = np.array(value)
    except ValueError as error:
        raise ValueError(f"{name} must be rectangular, but its rows have different lengths: {value!r:.80}") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got {value!r:.80} ({array.dtype})")
    return array


def call(f: Callable[..., Any], *arguments: Any) -> Any:
    """Call a reader's function. Where a value may not leave, NumPy speaks of "a sequence" only: tell the cause."""
    try:
        return f(*arguments)
    except ValueError as error:
        if isinstance(error.__cause__, TypeError) and "array element" in str(error):
            raise error.__cause__ from None
        raise


def no_copy(self: Any, *_: Any) -> NoReturn:
    """Refuse copies and pickles of a node: the copy would be another input, whose gradient nobody asks for."""
    kind = type(self).__name__
    raise TypeError(f"a copy of a {kind} would be no part of the computation; for a new input say {kind}(x.value)")


# NumPy's functions.


def _reflected(name: str, mirrored: str) -> Callable[..., Any]:
    """Do as Python's operators do: ask the left operand, then the right one. A plain left operand is not asked."""

    def ask(a: Any, b: Any) -> Any:
        if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
            return NotImplemented  # Python compares them as a whole, NumPy element by element
        result = getattr(a, name)(b) if isinstance(a, Operand) and hasattr(a, name) else NotImplemented
        if result is NotImplemented and isinstance(b, Operand) and hasattr(b, mirrored):
            result = getattr(b, mirrored)(a)
        return result

    return ask


def _method(x: Any, name: str, *arguments: Any, **options: Any) -> Any:
    """Call a method of the number type, if it has it."""
    return getattr(x, name)(*arguments, **options) if hasattr(type(x), name) else NotImplemented


def _reduction(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, *, keepdims=False: _method(a, name, axis=axis, keepdims=keepdims)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a question about the values or the form: the answer is a constant."""
    return lambda x, /: function(x.value) if hasattr(x, "value") else NotImplemented


def _dot(a: Any, b: Any) -> Any:
    """Multiply as NumPy does up to two axes; beyond, its sums are others than those of a matrix product."""
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    return np.matmul(a, b) if np.ndim(a) < 3 and np.ndim(b) < 3 else NotImplemented


OWN = {np.maximum: "maximum", np.minimum: "minimum", np.absolute: "abs", np.sign: "sign"}  # what our rows do to these
OWN |= {rule.array_value: name for name, rule in RULES.items() if isinstance(rule.array_value, np.ufunc)}
QUESTIONS = (
    np.shape, np.ndim, np.size, np.isnan, np.isfinite, np.isinf, np.iscomplexobj, np.isrealobj, np.zeros_like,
    np.ones_like,
)  # fmt: skip
NUMPY: dict[Any, Callable[..., Any]] = {
    **{function: function_of(name) for function, name in OWN.items()},
    **{function: _plain(function) for function in QUESTIONS},
    np.positive: operator.pos,
    np.square: lambda x: x * x,
    np.reciprocal: lambda x: 1.0 / x,
    np.power: _reflected("__pow__", "__rpow__"),
    np.matmul: _reflected("__matmul__", "__rmatmul__"),
    np.less: _reflected("__lt__", "__gt__"),
    np.less_equal: _reflected("__le__", "__ge__"),
    np.greater: _reflected("__gt__", "__lt__"),
    np.greater_equal: _reflected("__ge__", "__le__"),
    np.equal: _reflected("__eq__", "__eq__"),
    np.not_equal: _reflected("__ne__", "__ne__"),
    np.sum: _reduction("sum"),
    np.mean: _reduction("mean"),
    np.max: _reduction("max"),
    np.reshape: lambda a, /, shape: _method(a, "reshape", shape),
    np.transpose: lambda a, axes=None: _method(a, "transpose", *([] if axes is None else [axes])),
    np.dot: _dot,
    np.where: array_rules.where,
    np.concatenate: array_rules.concatenate,
    np.stack: array_rules.stack,
}
