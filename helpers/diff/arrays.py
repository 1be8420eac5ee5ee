"""Reverse mode on NumPy arrays: one node per array operation, and vJp rules instead of local derivatives.

>>> W, x = Array([[1.0, 2.0], [3.0, 4.0]]), Array([5.0, 6.0])
>>> loss = (W @ x).sum()
>>> loss.backward()
>>> W.gradient, x.gradient
(array([[5., 6.], [5., 6.]]), array([4., 6.]))

`Array` records what is done with it, and ``backward`` fills in gradients. `vjp` does the same for a function, and
`jacobian` builds the matrix that both avoid. A function of arrays is written with operators (``+ - * / ** @``),
indexing, ``.T``, the methods ``sum``, ``mean``, ``max``, ``reshape`` and ``transpose``, and the functions of this
module. So it runs on NumPy's arrays as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from helpers.diff.array_rules import ROWS, Axis, Row, row_of, sum_to
from helpers.diff.rules import *  # noqa: F403  (the elementary functions are names of this module too)
from helpers.diff.rules import Indexed, Rule, check_domain, is_number, kept_index, real_numbers

NOTHING: dict[str, Any] = {}
serials = itertools.count()  # a node has a greater number than its parents
serial_of, value_of = attrgetter("serial"), attrgetter("value")


class Array(Indexed):
    """A node of a trace that holds an array of real numbers.

    Attributes
    ----------
    value : ndarray
        A copy of what was given; float32 stays float32, everything else becomes float64. Read-only, since the rules
        need it later: a change in place raises, where it would falsify a gradient.
    gradient : ndarray
        The derivative of the output whose ``backward`` ran, in the shape of ``value``; zeros before. Read-only.
    operation : Row or None
        The row of the table that made this node (``operation.name``: "add", "matmul", ...); None for an input.
    parents : tuple of Array
        The operands. A number or NumPy array among them has become a constant, which receives no gradient, of the type
        (float32 or float64) of the Array that it met.

    Notes
    -----
    Comparisons are by value and give bools. All values are kept until the output of the computation is forgotten: that
    is the price of reverse mode.
    """

    __slots__ = ("_gradient", "constant", "operation", "options", "parents", "serial", "value")
    rank: ClassVar[int] = 2

    def __init__(self, value: ArrayLike) -> None:
        self._remember(read_only(real_array(value)))

    def _remember(
        self, value: Any, row: Row | None = None, parents: tuple[Array, ...] = (), options: dict[str, Any] = NOTHING
    ) -> None:
        self.value, self.operation, self.parents, self.options = value, row, parents, options
        self.constant, self.serial = False, next(serials)
        self._gradient: Any = None

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Array:
        """Carry out and record an elementary operation of `helpers.diff.rules`."""
        return record(row_of(rule), operands)

    @staticmethod
    def operate(row: Row, operand: Array, options: dict[str, Any]) -> Array:
        """Carry out and record an operation of `helpers.diff.array_rules`."""
        return record(row, (operand,), options)

    def backward(self, seed: ArrayLike | None = None, zero_gradient: bool = True) -> None:
        """Set ``gradient``, here and in every node that this one was made of, to the derivative of this node.

        ``seed`` is the adjoint of this node, in its shape; a node of one element needs none. ``zero_gradient=False``
        adds to the gradients that are there: the sum over several outputs. The cost is a small multiple of that of the
        computation.
        """
        if seed is None and self.size != 1:
            raise ValueError(f"backward from the shape {self.shape} needs a seed of this shape; or take .sum() first")
        y_bar = adjoint_of(self, real_array(np.ones(self.shape) if seed is None else seed))
        adjoints = list(propagate(trace(self), y_bar))  # all first: if one fails, every gradient stays as it was
        for node, x_bar in adjoints:
            node._gradient = np.asarray(x_bar if zero_gradient else node.gradient + x_bar)

    @property
    def gradient(self) -> NDArray[Any]:
        return read_only(np.zeros_like(self.value) if self._gradient is None else self._gradient)

    shape = property(attrgetter("value.shape"))
    ndim = property(attrgetter("value.ndim"))
    size = property(attrgetter("value.size"))
    dtype = property(attrgetter("value.dtype"))
    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.transpose(*range(self.ndim - 2), -1, -2))

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

    def transpose(self, *axes: int) -> Array:
        """Put the axes in another order; by default in reverse."""
        return record(ROWS["transpose"], (self,), {"axes": axes or tuple(range(self.ndim)[::-1])})

    def astype(self, dtype: DTypeLike) -> Array:
        """Convert to float32 or float64."""
        return record(ROWS["astype"], (self,), {"dtype": np.dtype(dtype)})

    def __matmul__(self, other: Any) -> Any:
        return record(ROWS["matmul"], (self, other)) if _can_meet(other) else NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        return record(ROWS["matmul"], (other, self)) if _can_meet(other) else NotImplemented

    def __getitem__(self, index: Any) -> Array:
        return record(ROWS["getitem"], (self,), {"index": kept_index(index)})

    def __repr__(self) -> str:
        return f"Array({np.array2string(self.value, separator=', ', prefix='Array(')})"


def _can_meet(other: Any) -> bool:
    return isinstance(other, Array) or is_number(other)


def log_sum_exp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return log Σ exp(x) over some axes, or all, without overflow, of an Array or of NumPy's."""
    if isinstance(x, Array):
        return record(ROWS["log_sum_exp"], (x,), {"axis": axis, "keepdims": keepdims})
    return ROWS["log_sum_exp"].value(x, axis, keepdims)


def record(row: Row, operands: tuple[Any, ...], options: dict[str, Any] = NOTHING) -> Array:
    """Carry out an operation on Arrays and, with at least one of them, numbers and NumPy arrays; return its node."""
    for operand in operands:
        if type(operand) is not Array:
            like = next(x for x in operands if isinstance(x, Array))
            operands = tuple([x if isinstance(x, Array) else constant(x, like) for x in operands])
            break
    values = [*map(value_of, operands)]
    rule = row.rule
    if rule is not None and rule.domain is not None and not np.all(rule.domain(*values)):
        check_domain(rule, *values)
    try:
        value = row.value(*values, **options)
    except ValueError as error:
        shapes = " and ".join(str(x.shape) for x in values)
        raise ValueError(f"{row.name} cannot take the shape {shapes}: {error}") from error
    node = Array.__new__(Array)
    node._remember(read_only(value), row, operands, options)
    return node


def constant(value: Any, like: Array) -> Array:
    """Make a node that receives no gradient; a number takes the type of the Array that it meets."""
    node = Array.__new__(Array)
    node._remember(read_only(real_array(value, like.value.dtype)))
    node.constant = True
    return node


def real_array(value: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Copy real numbers into an array; float32 and float64 are kept, the rest becomes dtype, by default float64."""
    array = real_numbers(value, "value")
    kept = array.dtype.char in "fd" and (array.ndim or dtype is None)
    return array if kept else array.astype(dtype or np.float64)


def read_only(value: Any) -> NDArray[Any]:
    """Lock an array, so that a change in place raises; make an array of a number."""
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    array.setflags(write=False)
    return array


# The way back.


def trace(output: Array) -> list[Array]:
    """Return all nodes that an output was made of, constants left out: the youngest, which is the output, first."""
    reached, found = {output}, [output]
    for node in found:  # the list grows while it is read: no recursion, however deep the trace
        for parent in node.parents:
            if not parent.constant and parent not in reached:
                reached.add(parent)
                found.append(parent)
    return sorted(found, key=serial_of, reverse=True)


def propagate(nodes: list[Array], y_bar: Any, recorded: bool = False) -> Iterator[tuple[Array, Any]]:
    """Run back through the nodes of a trace, the output first, and yield each with its adjoint.

    If ``recorded``, the rules are applied to nodes, not to their values: then all adjoints are Arrays, and can be
    differentiated. A node is younger than its parents. So when its turn comes, all that was made of it has had its own,
    and its adjoint is complete; it is dropped once it is passed on.
    """
    wanted, adjoints = set(nodes), {nodes[0]: y_bar}
    for node in nodes:
        y_bar = adjoints.pop(node)
        yield node, y_bar
        parents, row = node.parents, node.operation
        if row is None:
            continue
        arguments = (y_bar, node, *parents) if recorded else (y_bar, node.value, *map(value_of, parents))
        for parent, vjp in zip(parents, row.vjps):
            if parent not in wanted:
                continue
            x_bar = vjp(*arguments, **node.options)
            x = parent.value
            if x_bar.shape != x.shape:
                x_bar = sum_to(x_bar, x.shape)
            if x_bar.dtype is not x.dtype:
                x_bar = x_bar.astype(x.dtype)
            # never in place: other nodes may hold the same array
            adjoints[parent] = adjoints[parent] + x_bar if parent in adjoints else x_bar


def adjoint_of(y: Array, y_bar: Any) -> Any:
    """Return an adjoint of y (ndarray or Array) in y's type, if it has y's shape."""
    if y_bar.shape != y.shape:
        raise ValueError(f"the adjoint of an output of shape {y.shape} must have this shape, got {y_bar.shape}")
    return y_bar if y_bar.dtype == y.dtype else y_bar.astype(y.dtype)


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Compute a function, and return its pullback: the vector-Jacobian product, for any number of vectors.

    Parameters
    ----------
    f : callable
        A function of arrays to one array, written as this module says.
    *primals : array_like
        Its arguments, one at least.

    Returns
    -------
    y : ndarray, or float for a single number
        The result, read-only.
    pullback : callable
        ``pullback(y_bar) -> x_bars``: from the adjoint of y, in its shape, the adjoints of the primals, in theirs:
        always a tuple, one entry per primal, read-only. The cost of a call is a small multiple of that of f.

    Notes
    -----
    Where a primal, or something that f takes from outside, is an `Array`, all results are Arrays, which can be
    differentiated again.

    >>> y, pullback = vjp(lambda A, x: A @ x, [[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0])
    >>> A_bar, x_bar = pullback([1.0, 0.0])
    >>> y, x_bar
    (array([17., 39.]), array([1., 2.]))
    >>> slope = lambda x: vjp(lambda x: x**3, x)[1](1.0)[0]
    >>> print(slope(2.0), vjp(slope, 2.0)[1](1.0)[0])  # 3x² and 6x
    12.0 12.0
    """
    inputs = [record(ROWS["identity"], (x,)) if isinstance(x, Array) else Array(x) for x in primals]
    result = f(*inputs)
    if not _can_meet(result):
        raise TypeError(f"f must return one array, got {result!r} of type {type(result).__name__}")
    y = result if isinstance(result, Array) else constant(result, inputs[0])
    nodes, between = trace(y), set(inputs)
    nested = any(not (node.parents or node.constant or node in between) for node in nodes)  # it leads to outer Arrays
    for node in reversed(nodes):  # the oldest first: what lies between the inputs and y
        if not between.isdisjoint(node.parents):
            between.add(node)
    path = [node for node in nodes if node in between]
    for x in inputs:
        x.constant = not x.parents  # from here on: nobody else holds an input made of numbers, to ask for its adjoint

    def pullback(y_bar: Any) -> tuple[Any, ...]:
        seed = adjoint_of(y, y_bar if isinstance(y_bar, Array) else real_array(y_bar))
        recorded = nested or isinstance(seed, Array)
        if recorded and not isinstance(seed, Array):
            seed = constant(seed, y)
        found: dict[Array, Any] = {x: np.zeros_like(x.value) for x in inputs}
        found |= {node: x_bar for node, x_bar in propagate(path, seed, recorded) if node in found} if path else {}
        if recorded:
            return tuple([x_bar if isinstance(x_bar, Array) else constant(x_bar, y) for x_bar in found.values()])
        return tuple([read_only(x_bar)[()] for x_bar in found.values()])

    return (y if nested else y.value[()]), pullback


def jacobian(f: Callable[[Any], Any], x: ArrayLike) -> Any:
    """Return the Jacobian of a function of one array, row by row: at y.size times the cost of a gradient.

    The result has the shape (*y.shape, *x.shape): the derivative of y[i] in x[j] is at index (i, j), where i and j may
    be several numbers each. For the matrix of the textbooks: ``jacobian(f, x).reshape(y.size, x.size)``.

    >>> jacobian(lambda x: x * x, [1.0, 3.0])
    array([[2., 0.],
           [0., 6.]])
    """
    y, pullback = vjp(f, x)
    rows = [pullback(row.reshape(np.shape(y)))[0] for row in np.eye(np.size(y))]
    return np.array(rows).reshape((*np.shape(y), *np.shape(x)))
