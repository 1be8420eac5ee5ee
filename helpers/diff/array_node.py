"""The number type of the array engine: a NumPy array that records what is done with it.

How adjoints run back through the record is in `helpers.diff.array_trace`, the rule of each operation in
`helpers.diff.array_rules`; `helpers.diff.arrays` is the front door.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from helpers.diff.array_rules import ROWS, Row, row_of
from helpers.diff.array_trace import kept_index, propagate, read_only, real_array, value_of
from helpers.diff.rules import DomainError, Operators, Rule, check_domain, is_number, no_copy

Axis = int | Sequence[int] | None
NOTHING: dict[str, Any] = {}
ONE = read_only(1.0)
serials = itertools.count(0, -1)  # downwards: the youngest node has the least number


def arithmetic(name: str) -> tuple[Any, Any]:
    """Make the two methods of an operator, for an Array on its left and for an Array on its right only."""
    row = ROWS[name]

    def method(self: Array, other: Any) -> Any:
        if isinstance(other, Array):
            return record(row, (self, other))
        return record(row, (self, constant(other, self))) if is_number(other) else NotImplemented

    def reflected(self: Array, other: Any) -> Any:
        return record(row, (constant(other, self), self)) if is_number(other) else NotImplemented

    return method, reflected


def comparison(compare: Callable[[Any, Any], Any]) -> Any:
    """Make a comparison by value, which gives plain bools; nothing is recorded."""

    def method(self: Array, other: Any) -> Any:
        if isinstance(other, Array):
            return compare(self.value, other.value)
        return compare(self.value, other) if is_number(other) else NotImplemented

    return method


class Array(Operators):
    """A node of a trace that holds an array of real numbers.

    Parameters
    ----------
    value : array_like
        Real numbers in any shape. They are copied. float32 stays float32, everything else becomes float64.
    dtype : dtype, optional
        float32 or float64, for numbers and integers; arrays of float32 or float64 keep their type.

    Attributes
    ----------
    value : ndarray
        Read-only, since the rules need it later: a change in place raises, where it would falsify a gradient.
    gradient : ndarray
        The derivative of the output whose ``backward`` ran, in the shape of ``value``; zeros before. Read-only.
    operation : Row or None
        The row of the table that made this node (``operation.name``: "add", "matmul", ...); None for an input.
    parents : tuple of Array
        The operands. A number or NumPy array among them has become a constant, which receives no gradient.
    shape, ndim, size, dtype
        As NumPy's.

    Raises
    ------
    TypeError, ValueError
        If the value is ragged, or holds complex numbers, text or objects.

    Notes
    -----
    A number, and an array of integers, takes the type (float32 or float64) of the Array that it meets. Comparisons are
    by value and give bools, so control flow works; as the key of a dict a node stands for itself. All values are kept
    until the output of the computation is forgotten: that is the price of reverse mode.
    """

    __slots__ = ("_gradient", "constant", "operation", "options", "parents", "serial", "value")
    rank: ClassVar[int] = 2

    def __init__(self, value: ArrayLike, dtype: DTypeLike | None = None) -> None:
        self.value = read_only(real_array(value, dtype))
        self.operation: Row | None = None
        self.parents: tuple[Array, ...] = ()
        self.options = NOTHING
        self.constant = False
        self.serial = next(serials)
        self._gradient: Any = None

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Array:
        """Carry out and record an elementary operation of `helpers.diff.rules`."""
        row = row_of(rule)
        return record(row, operands) if len(operands) == 1 else Array.operate(row, operands, NOTHING)

    @staticmethod
    def operate(row: Row, operands: tuple[Any, ...], options: dict[str, Any]) -> Array:
        """Carry out and record an operation on Arrays and, with at least one of them, numbers and NumPy arrays."""
        for operand in operands:
            if not isinstance(operand, Array):
                like = next(x for x in operands if isinstance(x, Array))
                operands = tuple([x if isinstance(x, Array) else constant(x, like) for x in operands])
                break
        return record(row, operands, options)

    def backward(self, seed: ArrayLike | None = None, zero_gradient: bool = True) -> None:
        """Set ``gradient``, here and in every node that this one was made of, to the derivative of this node.

        Parameters
        ----------
        seed : array_like, optional
            The adjoint of this node, in its shape: the gradient is that of ``(seed * self).sum()``. By default 1, for a
            node of one element.
        zero_gradient : bool
            False adds to the gradients that are there: call it so for each of several outputs.

        Raises
        ------
        ValueError
            If the seed has another shape than this node, or is missing though the node has several elements.

        Notes
        -----
        Twice gives the same numbers as once. The cost is a small multiple of that of the computation itself.
        """
        if seed is None and self.size != 1:
            raise ValueError(f"backward from the shape {self.shape} needs a seed of this shape; or take .sum() first")
        y_bar = adjoint_of(self, ONE.reshape(self.shape) if seed is None else real_array(seed))
        adjoints = dict(propagate(self, y_bar))  # all of them first: if one fails, every gradient stays as it was
        for node, x_bar in adjoints.items():
            node._gradient = np.asarray(x_bar if zero_gradient else node.gradient + x_bar)

    @property
    def gradient(self) -> NDArray[Any]:
        """The derivative of the output whose ``backward`` ran with respect to this node; zeros before."""
        if self._gradient is None:
            self._gradient = np.zeros_like(self.value)
        gradient: NDArray[Any] = self._gradient
        gradient.setflags(write=False)
        return gradient

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype

    @property
    def T(self) -> Array:
        """The axes in reverse order: the transpose of a matrix."""
        return self.transpose()

    @property
    def mT(self) -> Array:
        """The last two axes exchanged: the transpose of every matrix of a batch."""
        *batch, rows, columns = range(self.ndim)
        return self.transpose(*batch, columns, rows)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """Add up along some axes, or all."""
        return record(ROWS["sum"], (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """Average along some axes, or all."""
        return record(ROWS["mean"], (self,), {"axis": axis, "keepdims": keepdims})

    def max(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """Take the largest along some axes, or all; where several are the largest, they share the adjoint equally."""
        return record(ROWS["max"], (self,), {"axis": axis, "keepdims": keepdims})

    def reshape(self, *shape: Any) -> Array:
        """Arrange the elements in another shape, given as numbers or as a tuple; one length may be -1."""
        return record(ROWS["reshape"], (self,), {"shape": shape[0] if len(shape) == 1 else shape})

    def transpose(self, *axes: Any) -> Array:
        """Put the axes in another order, given as numbers or as a tuple; by default in reverse."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes or range(self.ndim)[::-1]
        return record(ROWS["transpose"], (self,), {"axes": tuple(order)})

    def astype(self, dtype: DTypeLike) -> Array:
        """Convert to float32 or float64."""
        if np.dtype(dtype).char not in "fd":
            raise ValueError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
        return record(ROWS["astype"], (self,), {"dtype": np.dtype(dtype)})

    __add__, __radd__ = arithmetic("add")
    __sub__, __rsub__ = arithmetic("sub")
    __mul__, __rmul__ = arithmetic("mul")
    __truediv__, __rtruediv__ = arithmetic("div")
    __matmul__, __rmatmul__ = arithmetic("matmul")

    __lt__, __le__, __gt__, __ge__ = map(comparison, (operator.lt, operator.le, operator.gt, operator.ge))
    __eq__, __ne__ = map(comparison, (operator.eq, operator.ne))
    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Array:
        return record(ROWS["getitem"], (self,), {"index": kept_index(index)})

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError("an Array cannot change in place: the trace needs its old values; where(...) makes a new one")

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.value)

    __reduce_ex__ = no_copy

    def __format__(self, form: str) -> str:
        return format(self.value[()], form) if form else str(self)

    def __repr__(self) -> str:
        return f"Array({np.array2string(self.value, separator=', ', prefix='Array(')})"


def record(row: Row, parents: tuple[Array, ...], options: dict[str, Any] = NOTHING) -> Array:
    """Carry out an operation on Arrays and return the node that remembers it.

    Raises
    ------
    ValueError
        If the shapes do not fit, or (DomainError) a value lies outside the domain; the message names the operation.
    """
    try:
        if row.guard is not None:
            check_values(row.guard, [parent.value for parent in parents])
        value = row.value(*map(value_of, parents), **options)
    except DomainError:
        raise
    except TypeError as error:
        given = ", ".join(f"{name}={option!r}" for name, option in options.items())
        raise TypeError(f"{row.name} cannot take {given or 'these arrays'}: {error}") from error
    except ValueError as error:
        shapes = " and ".join(str(parent.shape) for parent in parents)
        raise ValueError(f"{row.name} cannot take the shape {shapes}: {error}") from error
    if not isinstance(value, np.ndarray):
        value = np.asarray(value)  # NumPy makes a number of what has no axes
    value.setflags(write=False)
    node = Array.__new__(Array)
    node.value = value
    node.operation = row
    node.parents = parents
    node.options = options
    node.constant = False
    node.serial = next(serials)
    node._gradient = None
    return node


def constant(value: Any, like: Array) -> Array:
    """Make a node that receives no gradient; a number takes the type of the Array that it meets."""
    node = Array(value, like.value.dtype)
    node.constant = True
    return node


def check_values(rule: Rule, values: list[NDArray[Any]]) -> None:
    """Raise DomainError unless the values lie in the domain; it names operation, offending value and its index."""
    if rule.domain is not None and not np.all(rule.domain(*values)):
        check_domain(rule, *np.broadcast_arrays(*values))  # all of one shape, so that the index is one of the result


def adjoint_of(y: Array, y_bar: Any) -> Any:
    """Return an adjoint of y (ndarray or Array) in y's type, if it has y's shape."""
    if y_bar.shape != y.shape:
        raise ValueError(f"the adjoint of an output of shape {y.shape} must have this shape, got {y_bar.shape}")
    return y_bar if y_bar.dtype == y.dtype else y_bar.astype(y.dtype)
