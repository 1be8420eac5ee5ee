"""What NumPy's functions do with the number types of this package: the one table, which `Operand` looks them up in.

What is not in the table, and what an entry does not take (``out``, ``where``, ``dtype``, ...), is refused by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.diff import array_rules
from helpers.diff.operations import NUMPY, Operand, apply
from helpers.diff.rules import RULES


def elementwise(name: str) -> Callable[..., Any]:
    """Apply a row of the table of rules."""
    if len(RULES[name].derivatives) == 1:
        return lambda x, /: apply(RULES[name], x)
    return lambda a, b, /: apply(RULES[name], a, b)


def reflected(name: str, mirrored: str) -> Callable[..., Any]:
    """Do as Python's operators do: ask the left operand, then the right one. A plain left operand is not asked."""

    def ask(a: Any, b: Any, /) -> Any:
        if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
            return NotImplemented  # Python compares them as a whole, NumPy element by element
        result = getattr(a, name)(b) if isinstance(a, Operand) and hasattr(a, name) else NotImplemented
        if result is NotImplemented and isinstance(b, Operand) and hasattr(b, mirrored):
            result = getattr(b, mirrored)(a)
        return result

    return ask


def method(name: str, of: Callable[..., Callable[..., Any]]) -> Callable[..., Any]:
    """Call a method of the number type, if it has it; ``of`` says with which arguments."""

    def call(x: Any, *arguments: Any, **options: Any) -> Any:
        return getattr(x, name)(*arguments, **options) if hasattr(type(x), name) else NotImplemented

    return of(call)


def reduction(call: Callable[..., Any]) -> Callable[..., Any]:
    """Give a method the arguments of NumPy's sums."""
    return lambda a, axis=None, *, keepdims=False: call(a, axis=axis, keepdims=keepdims)


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a question about the values or the form: the answer is a constant."""
    return lambda x, /: function(x.value) if hasattr(x, "value") else NotImplemented


def joined(join: Callable[..., Any], *arguments: Any) -> Any:
    """Join Arrays; the other number types cannot be joined."""
    strangers = [x for x in arguments[0] if isinstance(x, Operand) and not hasattr(type(x), "operate")]
    return NotImplemented if strangers or not all(isinstance(x, int) for x in arguments[1:]) else join(*arguments)


def dot(a: Any, b: Any) -> Any:
    """Multiply as NumPy does up to two axes; beyond, its sums are others than those of a matrix product."""
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    return np.matmul(a, b) if np.ndim(a) < 3 and np.ndim(b) < 3 else NotImplemented


NUMPY.update(
    {rule.array_value: elementwise(name) for name, rule in RULES.items() if rule.array_value in vars(np).values()}
)
NUMPY.update(
    {
        np.maximum: elementwise("maximum"),
        np.minimum: elementwise("minimum"),
        np.absolute: elementwise("abs"),
        np.sign: elementwise("sign"),
        np.positive: operator.pos,
        np.square: lambda x, /: x * x,
        np.reciprocal: lambda x, /: 1.0 / x,
        np.power: reflected("__pow__", "__rpow__"),
        np.matmul: reflected("__matmul__", "__rmatmul__"),
        np.less: reflected("__lt__", "__gt__"),
        np.less_equal: reflected("__le__", "__ge__"),
        np.greater: reflected("__gt__", "__lt__"),
        np.greater_equal: reflected("__ge__", "__le__"),
        np.equal: reflected("__eq__", "__eq__"),
        np.not_equal: reflected("__ne__", "__ne__"),
        np.sum: method("sum", reduction),
        np.mean: method("mean", reduction),
        np.max: method("max", reduction),
        np.reshape: method("reshape", lambda call: lambda a, /, shape: call(a, shape)),
        np.transpose: method("transpose", lambda call: lambda a, axes=None: call(a) if axes is None else call(a, axes)),
        np.dot: dot,
        np.where: array_rules.where,
        np.concatenate: lambda arrays, /, axis=0: joined(array_rules.concatenate, arrays, axis),
        np.stack: lambda arrays, /: joined(array_rules.stack, arrays),
    }
)
NUMPY.update(
    {
        function: plain(function)
        for function in (
            np.shape, np.ndim, np.size, np.isnan, np.isfinite, np.isinf, np.iscomplexobj, np.isrealobj, np.zeros_like,
            np.ones_like,
        )
    }
)  # fmt: skip
