"""Forward mode: a number that carries its rate of change along.

`Dual` is a value and its tangent; every operation computes both. `jvp` pushes one direction through a function,
`derivative` is the case of one number, `jacobian` pushes the unit vectors, one after the other. All of them nest:
the derivative of a derivative is the second derivative.

A Dual carries whatever the table of rules takes: floats, NumPy arrays (float32 stays float32), a `Symbol` (which
makes forward mode symbolic differentiation), or a `Scalar` (and ``backward()`` from the tangent gives second
derivatives: reverse mode over forward mode).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from helpers.diff.array_trace import kept_index
from helpers.diff.operations import call, floating
from helpers.diff.rules import (
    Operand,
    Operators,
    Rule,
    absolute,
    apply,
    cos,
    exp,
    is_number,
    local_derivative,
    log,
    maximum,
    minimum,
    relu,
    sigmoid,
    sign,
    sin,
    sqrt,
    step,
    tan,
    tanh,
)

__all__ = [
    "Dual", "absolute", "cos", "derivative", "exp", "jacobian", "jvp", "log", "maximum", "minimum", "relu", "sigmoid",
    "sign", "sin", "sqrt", "step", "tan", "tanh",
]  # fmt: skip


class Dual(Operators):
    """A value and its tangent.

    Parameters
    ----------
    value : number, ndarray or Operand
        The primal x.
    tangent : like value
        The rate of change x_dot, of the same shape.
    level : int
        Which differentiation the tangent belongs to. `jvp` gives each call a level of its own, so that a derivative
        inside a derivative keeps the two apart.

    Raises
    ------
    TypeError, ValueError
        If one of them is no number, or the shapes differ.

    Examples
    --------
    >>> x = Dual(3.0, 1.0)
    >>> x * x + 1
    Dual(10.0, 6.0)
    """

    __slots__ = ("level", "tangent", "value")
    rank = 4

    def __init__(self, value: Any, tangent: Any = 0.0, level: int = 0) -> None:
        for name, given in (("value", value), ("tangent", tangent)):
            if not (is_number(given) or isinstance(given, Operand)):
                raise TypeError(f"{name} must be a number or an array of them, got {type(given).__name__}: {given!r}")
        if is_number(value) and is_number(tangent) and np.shape(value) != np.shape(tangent):
            raise ValueError(f"tangent must have the shape {np.shape(value)} of the value, got {np.shape(tangent)}")
        self.value, self.tangent, self.level = floating(value), floating(tangent), level

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Dual:
        """Carry out an operation: the tangent is the sum of local derivative times tangent over the operands."""
        level = max(x.level for x in operands if isinstance(x, Dual))
        varies = [isinstance(x, Dual) and x.level == level for x in operands]  # the others are constants at this level
        values = tuple(x.value if varying else x for x, varying in zip(operands, varies))
        value = apply(rule, *values)
        terms = []
        for i, x in enumerate(operands):
            if varies[i]:
                terms.append(local_derivative(rule, i, value, values) * x.tangent)
        tangent = terms[0] if len(terms) == 1 else terms[0] + terms[1]
        return _dual(value, tangent, level)

    # What is linear does to the tangent what it does to the value.

    def __getitem__(self, index: Any) -> Dual:
        index = kept_index(index)
        return _dual(self.value[index], self.tangent[index], self.level)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError("a Dual cannot change in place; where(...) of Arrays, or a list of Duals, makes a new one")

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Dual]:
        return (self[i] for i in range(len(self)))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Dual:
        """Add up along some axes, or all."""
        value, tangent = (np.sum(x, axis=axis, keepdims=keepdims) for x in (self.value, self.tangent))
        return _dual(value, tangent, self.level)

    def __matmul__(self, other: Any) -> Any:
        return _product(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _product(other, self)

    # Control flow looks at the value alone.

    def __eq__(self, other: object) -> Any:
        return self.value == (other.value if isinstance(other, Dual) else other)

    def __ne__(self, other: object) -> Any:
        return self.value != (other.value if isinstance(other, Dual) else other)

    def __lt__(self, other: Any) -> Any:
        return self.value < (other.value if isinstance(other, Dual) else other)

    def __le__(self, other: Any) -> Any:
        return self.value <= (other.value if isinstance(other, Dual) else other)

    def __gt__(self, other: Any) -> Any:
        return self.value > (other.value if isinstance(other, Dual) else other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= (other.value if isinstance(other, Dual) else other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.value)

    def __format__(self, form: str) -> str:
        return format(self.value, form) if form else str(self)

    def __repr__(self) -> str:
        return f"Dual({self.value}, {self.tangent})"


_levels = itertools.count(1)


def jvp(f: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Push a direction through a function: the Jacobian-vector product.

    Parameters
    ----------
    f : callable
        Computes with the operators and the functions of the table. It may also index, ``sum`` and ``@`` its arrays,
        and return one result or a list or tuple of them.
    primals : number, ndarray, or tuple or list of them
        Where: one argument, or the arguments of f. Integers become floats.
    tangents : like primals
        In which direction.

    Returns
    -------
    y, y_dot
        The value of f and its rate of change in that direction; lists, where f returns several results.

    Raises
    ------
    TypeError, ValueError
        If primals and tangents do not match, or f returns no number.

    Notes
    -----
    One pass, at a small constant times the cost of f, whatever the number of outputs; nothing is recorded.

    Examples
    --------
    >>> jvp(lambda x1, x2: log(x1) + x1 * x2, (2.0, 5.0), (1.0, 0.0))[1]
    5.5
    """
    several = isinstance(primals, (tuple, list))
    if several != isinstance(tangents, (tuple, list)) or (several and len(primals) != len(tangents)):
        raise ValueError(f"tangents must be like primals, a tangent for each; got {primals!r} and {tangents!r}")
    level = next(_levels)
    pairs = zip(primals, tangents) if several else [(primals, tangents)]
    y = call(f, *[_input(x, x_dot, level) for x, x_dot in pairs])
    if isinstance(y, (tuple, list)):
        results = [_output(part, level) for part in y]
        return [value for value, _ in results], [tangent for _, tangent in results]
    return _output(y, level)


def derivative(f: Callable[[Any], Any], x: Any) -> Any:
    """Return the derivative of a function of one number at x; ``derivative`` of a derivative is the second one.

    Examples
    --------
    >>> derivative(lambda x: x**3, 2.0), derivative(lambda x: derivative(lambda z: z**3, x), 2.0)
    (12.0, 12.0)
    """
    if isinstance(x, (list, tuple)) or (isinstance(x, np.ndarray) and x.ndim):
        raise TypeError(
            f"derivative takes one number, got {x!r:.80}; for arrays call jacobian, or jvp with a direction"
        )
    return jvp(f, x, 1.0)[1]


def jacobian(f: Callable[[Any], Any], x: Any) -> NDArray[np.floating[Any]]:
    """Return all partial derivatives of a function of one array, one column after the other.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape, returns a number, an array, or a list of numbers.
    x : array_like
        Floats (integers become floats).

    Returns
    -------
    ndarray, of the shape of ``f(x)`` followed by that of x

    Raises
    ------
    ValueError
        If x is no array of real numbers, or empty.

    Notes
    -----
    One forward pass for each entry of x: right for few inputs, wrong for a loss of many weights.

    Examples
    --------
    >>> jacobian(lambda x: [x[0] * x[1], x[0] + x[1]], [2.0, 5.0])
    array([[5., 2.],
           [1., 1.]])
    """
    at = _array(x)
    columns = []
    for index in np.ndindex(at.shape):
        unit = np.zeros_like(at)
        unit[index] = 1
        column = jvp(f, at, unit)[1]
        if isinstance(column, list) and len({np.shape(part) for part in column}) > 1:
            shapes = ", ".join(str(np.shape(part)) for part in column)
            raise ValueError(f"f must return one array, or a list of results of one shape; got the shapes {shapes}")
        columns.append(np.asarray(column))
    return np.stack(columns, axis=-1).reshape(columns[0].shape + at.shape)


def _array(x: Any) -> NDArray[np.floating[Any]]:
    try:
        at = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"x must be an array of numbers, got {x!r}") from error
    if at.dtype.kind not in "biuf" or not at.size:
        raise ValueError(f"x must hold real numbers, one at least; got the type {at.dtype} and the shape {at.shape}")
    return at


def _input(x: Any, x_dot: Any, level: int) -> Dual:
    if is_number(x):
        x = x * 1.0  # makes floats of integers, and leaves float32 as it is
        if is_number(x_dot):
            x_dot = np.asarray(x_dot, dtype=x.dtype)[()] if isinstance(x, (np.ndarray, np.generic)) else x_dot * 1.0
    return Dual(x, x_dot, level)


def _output(y: Any, level: int) -> tuple[Any, Any]:
    if isinstance(y, Dual) and y.level == level:
        return y.value, y.tangent
    if not (is_number(y) or isinstance(y, Operand)):
        raise TypeError(f"f must return numbers, got {type(y).__name__}: {y!r}")
    return y, np.zeros_like(y) if isinstance(y, np.ndarray) else 0.0  # y does not depend on the primals


def _dual(value: Any, tangent: Any, level: int) -> Dual:
    """Make a Dual of results, which need no checks."""
    dual = object.__new__(Dual)
    if isinstance(value, np.ndarray) and np.shape(tangent) != value.shape:
        tangent = np.broadcast_to(tangent, value.shape)
    dual.value, dual.tangent, dual.level = value, tangent, level
    return dual


def _product(left: Any, right: Any) -> Any:
    """Return the matrix product by the product rule."""
    level = max(x.level for x in (left, right) if isinstance(x, Dual))
    a, b = (x if isinstance(x, Dual) and x.level == level else None for x in (left, right))
    if a is None:
        return _dual(left @ right.value, left @ right.tangent, level)
    if b is None:
        return _dual(left.value @ right, left.tangent @ right, level)
    return _dual(left.value @ right.value, left.tangent @ right.value + left.value @ right.tangent, level)
