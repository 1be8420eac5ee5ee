"""Reverse mode on scalars: a number that remembers how it was computed, and hands its derivative back.

Compute with `Scalar` as with floats; every operation records a node. ``y.backward()`` then walks from y back to the
inputs and leaves in each node its ``gradient``, the derivative of y with respect to that node. Control flow needs no
care: what is recorded is what was computed, whichever branch, loop or exception led there.
"""

from __future__ import annotations

from typing import Any

from helpers.diff.rules import *  # noqa: F403  (the elementary functions are names of this module too)
from helpers.diff.rules import RULES, Operators, Rule, local_derivative, real_numbers, value_of_floats


class Scalar(Operators):
    """A number that remembers how it was computed: a node of the trace.

    Attributes
    ----------
    value : float
        A real number. ``float(x)`` and the functions of ``math`` are refused, since they would lose the derivative.
    operation : Rule or None
        The row of the table that computed the value; None for an input.
    parents : tuple of Scalar
        The operands of that operation.
    local_derivatives : tuple of float
        Its derivative in each operand, computed when the value is: a later change of a value cannot spoil it.
    gradient : float
        The derivative of the output that was last asked ``backward()``; 0 before.

    Notes
    -----
    Scalars compare by value, so that control flow works as on floats, but hash by identity.

    >>> x1, x2 = Scalar(2.0), Scalar(5.0)
    >>> y = log(x1) + x1 * x2 - sin(x2)
    >>> y.backward()
    >>> x1.gradient, round(x2.gradient, 5)
    (5.5, 1.71634)
    """

    # Slots: a node is one small object, without a dictionary, tuples or closures. No node refers to a later one, so the
    # trace has no cycles: Python frees it as soon as nobody holds its output, and the garbage collector has no work.
    __slots__ = ("derivative1", "derivative2", "gradient", "operation", "parent1", "parent2", "value")
    rank = 3

    def __init__(self, value: Any) -> None:
        if type(value) is not float and (value := real_numbers(value, "the value of a Scalar")).ndim:
            raise TypeError(f"a Scalar holds one number, got an array of shape {value.shape}; use helpers.diff.arrays")
        self.value = float(value)
        self.operation: Rule | None = None
        self.parent1: Scalar | None = None
        self.parent2: Scalar | None = None
        self.derivative1 = self.derivative2 = self.gradient = 0.0

    @property
    def parents(self) -> tuple[Scalar, ...]:
        return tuple([parent for parent in (self.parent1, self.parent2) if parent is not None])

    @property
    def local_derivatives(self) -> tuple[float, ...]:
        return (self.derivative1, self.derivative2)[: len(self.parents)]

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Scalar:
        """Carry out an operation of one or two operands and record it, with its local derivatives."""
        parents = [x if isinstance(x, Scalar) else Constant(x) for x in operands]
        values = tuple([parent.value for parent in parents])
        value = value_of_floats(rule, *values)
        slopes = [local_derivative(rule, i, value, values) for i in range(len(values))]
        if len(operands) == 1:
            return _record(value, rule, parents[0], slopes[0])
        return _record(value, rule, parents[0], slopes[0], parents[1], slopes[1])

    # Nets are sums and products. These three repeat rows of the table, only to save the way through `apply`.

    def __add__(self, other: Any) -> Any:
        if type(other) is float:
            other = Constant(other)
        elif type(other) is not Scalar:
            return super().__add__(other)
        return _record(self.value + other.value, _ADD, self, 1.0, other, 1.0)

    def __sub__(self, other: Any) -> Any:
        if type(other) is float:
            other = Constant(other)
        elif type(other) is not Scalar:
            return super().__sub__(other)
        return _record(self.value - other.value, _SUB, self, 1.0, other, -1.0)

    def __mul__(self, other: Any) -> Any:
        if type(other) is float:
            other = Constant(other)
        elif type(other) is not Scalar:
            return super().__mul__(other)
        return _record(self.value * other.value, _MUL, self, other.value, other, self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value})"

    def backward(self, *, zero_gradient: bool = True) -> None:
        """Set ``gradient`` in every node of the trace to the derivative of this node in it; other nodes keep theirs.

        ``zero_gradient=False`` adds to the gradients that are there: the sum over several outputs. In reverse
        topological order all uses of a node come before the node, so its gradient is complete when it is handed on.
        """
        order = topological_order(self)
        before = [] if zero_gradient else [node.gradient for node in order]
        for node in order:
            node.gradient = 0.0
        self.gradient = 1.0
        for node in reversed(order):
            gradient, parent1, parent2 = node.gradient, node.parent1, node.parent2
            if parent1 is not None:
                parent1.gradient += gradient * node.derivative1
            if parent2 is not None:
                parent2.gradient += gradient * node.derivative2
        for node, gradient in zip(order, before):  # only now: what was there before must not travel again
            node.gradient += gradient


class Constant(Scalar):
    """A plain number that took part in an operation: an input that nobody made a `Scalar`."""

    __slots__ = ()


def topological_order(output: Scalar) -> list[Scalar]:
    """Return the nodes of a trace, each after its parents, the output last; linear in their number.

    A depth-first search that keeps its own stack: Python's would overflow at some thousand operations.

    >>> x = Scalar(3.0)
    >>> [node.value for node in topological_order(x * x + x)]
    [3.0, 9.0, 12.0]
    """
    order: list[Scalar] = []
    seen: set[Any] = {None, output}  # None stands for a parent that is not there
    stack: list[Any] = [output]
    while stack:
        node = stack[-1]
        if node.parent1 not in seen:
            waited_for = node.parent1
        elif node.parent2 not in seen:
            waited_for = node.parent2
        else:  # both parents are in order
            order.append(stack.pop())
            continue
        seen.add(waited_for)
        stack.append(waited_for)
    return order


_ADD, _SUB, _MUL = RULES["add"], RULES["sub"], RULES["mul"]
_new_node = object.__new__


def _record(
    value: float, operation: Rule, parent1: Scalar, slope1: float, parent2: Scalar | None = None, slope2: float = 0.0
) -> Scalar:
    """Make a node of a result, without the checks of ``Scalar(...)``."""
    node = _new_node(Scalar)
    node.value = value
    node.operation = operation
    node.parent1 = parent1
    node.derivative1 = slope1
    node.parent2 = parent2
    node.derivative2 = slope2
    node.gradient = 0.0
    return node
