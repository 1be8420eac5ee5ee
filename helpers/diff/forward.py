"""Forward mode: a number that carries its rate of change along.

`Dual` is a value and its tangent; every operation computes both. `jvp` pushes one direction through a function,
`derivative` is the case of one number, `jacobian` pushes the unit vectors, one after the other. All of them nest.

A Dual carries whatever the table of rules takes: floats, NumPy arrays (float32 stays float32), a `Symbol` (this is then
symbolic differentiation), or an `Array` or a `Scalar` (``backward()`` from the tangent gives second derivatives).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.rules import *  # noqa: F403  (the elementary functions are names of this module too)
from helpers.diff.rules import Indexed, Operators, Rule, apply, is_number, kept_index, local_derivative, real_numbers

levels = itertools.count(1)


class Dual(Indexed):
    """A value and its tangent.

    ``value`` and ``tangent``, the primal x and its rate of change x_dot, have one shape. ``level`` says to which
    differentiation the tangent belongs: each `jvp` has its own, so that derivatives nest.

    >>> Dual(3.0, 1.0) * Dual(3.0, 1.0) + 1
    Dual(10.0, 6.0)
    """

    __slots__ = ("level", "tangent", "value")
    rank = 4

    def __init__(self, value: Any, tangent: Any = 0.0, level: int = 0) -> None:
        if is_number(value):
            value = value * 1.0  # makes floats of integers, and leaves float32 as it is
        if is_number(value) and is_number(tangent):
            if np.shape(value) != np.shape(tangent):
                raise ValueError(f"tangent must have the shape {np.shape(value)} of the value, got {np.shape(tangent)}")
            tangent = np.asarray(tangent, value.dtype)[()] if hasattr(value, "dtype") else tangent * 1.0
        self.value, self.tangent, self.level = value, tangent, level

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Dual:
        """Carry out an operation: add local derivative times tangent over the operands; a factor 1 costs nothing."""
        level, values, tangents = _apart(operands)
        value = apply(rule, *values)
        pairs = [(local_derivative(rule, i, value, values), x_dot) for i, x_dot in tangents]
        addends = [x if type(a) is int and a == 1 and not isinstance(x, np.ndarray) else a * x for a, x in pairs]
        return _dual(value, addends, level)

    # What is linear in an operand does to its tangent what it does to its value.

    def __matmul__(self, other: Any) -> Any:
        return _product(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _product(other, self)

    def __getitem__(self, index: Any) -> Dual:
        index = kept_index(index)
        return _dual(self.value[index], [self.tangent[index]], self.level)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Dual:
        """Add up along some axes, or all."""
        value, tangent = (x.sum(axis=axis, keepdims=keepdims) for x in (self.value, self.tangent))
        return _dual(value, [tangent], self.level)

    def __repr__(self) -> str:
        return f"Dual({self.value}, {self.tangent})"


def jvp(f: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Push a direction through a function: the Jacobian-vector product.

    Parameters
    ----------
    f : callable
        Computes with operators, the functions of the table, indexing, ``sum`` and ``@``; returns one result or several.
    primals, tangents : number, ndarray, or tuple or list of them
        Where, and in which direction: of one argument, or of each argument of f.

    Returns
    -------
    y, y_dot
        The value of f and its rate of change in that direction; lists, where f returns several results.

    Notes
    -----
    One pass, at a small constant times the cost of f, whatever the number of outputs; nothing is recorded.

    >>> jvp(lambda x1, x2: log(x1) + x1 * x2, (2.0, 5.0), (1.0, 0.0))[1]
    5.5
    """
    several = isinstance(primals, (tuple, list))
    if several != isinstance(tangents, (tuple, list)) or (several and len(primals) != len(tangents)):
        raise ValueError(f"tangents must be like primals, a tangent for each; got {primals!r} and {tangents!r}")
    level = next(levels)
    pairs = zip(primals, tangents) if several else [(primals, tangents)]
    y = f(*[Dual(x, x_dot, level) for x, x_dot in pairs])
    if isinstance(y, (tuple, list)):
        results = [_output(part, level) for part in y]
        return [value for value, _ in results], [tangent for _, tangent in results]
    return _output(y, level)


def derivative(f: Callable[[Any], Any], x: Any) -> Any:
    """Return the derivative of a function of one number at x; ``derivative`` of a derivative is the second one.

    >>> derivative(lambda x: x**3, 2.0), derivative(lambda x: derivative(lambda z: z**3, x), 2.0)
    (12.0, 12.0)
    """
    return jvp(f, x, 1.0)[1]


def jacobian(f: Callable[[Any], Any], x: ArrayLike) -> NDArray[np.floating[Any]]:
    """Return all partial derivatives of a function of one array, one column after the other.

    f gives a number, an array, or a list of numbers; the result has the shape of ``f(x)`` followed by that of x. One
    forward pass for each entry of x: right for few inputs, wrong for a loss of many weights.

    >>> jacobian(lambda x: [x[0] * x[1], x[0] + x[1]], [2.0, 5.0])
    array([[5., 2.],
           [1., 1.]])
    """
    at = real_numbers(x, "x")
    columns = []
    for index in np.ndindex(at.shape):
        unit = np.zeros_like(at)
        unit[index] = 1
        columns.append(np.asarray(jvp(f, at, unit)[1]))
    return np.stack(columns, axis=-1).reshape(columns[0].shape + at.shape)


def _output(y: Any, level: int) -> tuple[Any, Any]:
    if isinstance(y, Dual) and y.level == level:
        return y.value, y.tangent
    if not (is_number(y) or isinstance(y, Operators)):
        raise TypeError(f"f must return numbers, got {type(y).__name__}: {y!r}")
    return y, np.zeros_like(y) if isinstance(y, np.ndarray) else 0.0  # y does not depend on the primals


def _apart(operands: tuple[Any, ...]) -> tuple[int, tuple[Any, ...], list[tuple[int, Any]]]:
    """Return the highest level, the values at it (others are constants), and each operand's number and tangent."""
    level = max(x.level for x in operands if isinstance(x, Dual))
    varies = [isinstance(x, Dual) and x.level == level for x in operands]
    values = tuple([x.value if varying else x for x, varying in zip(operands, varies)])
    return level, values, [(i, operands[i].tangent) for i, varying in enumerate(varies) if varying]


def _dual(value: Any, tangents: list[Any], level: int) -> Dual:
    """Make a Dual of results, which need no checks, from the one or two addends of its tangent."""
    dual = object.__new__(Dual)
    tangent = tangents[0] if len(tangents) == 1 else tangents[0] + tangents[1]
    if isinstance(value, np.ndarray) and np.shape(tangent) != value.shape:
        tangent = np.broadcast_to(tangent, value.shape)
    dual.value, dual.tangent, dual.level = value, tangent, level
    return dual


def _product(left: Any, right: Any) -> Any:
    level, (a, b), tangents = _apart((left, right))
    return _dual(a @ b, [a @ x_dot if i else x_dot @ b for i, x_dot in tangents], level)
