"""Expressions: a number type that computes nothing and keeps what there is to compute, as a graph.

>>> x = Symbol("x")
>>> y = x * 2 + 1
>>> y, y.evaluate({"x": 0.5})
(x * 2 + 1, 2.0)

An expression used twice is one node with two arrows to it, so the graph is directed and acyclic, and no tree. All
functions here are loops over `topological_order`: each node once, and no recursion, however deep it goes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from helpers.diff import printing
from helpers.diff.names import by_name, checked_name
from helpers.diff.operations import Operand, Rule, apply, is_number
from helpers.diff.rules import Operators, power_by

MAX_WRITTEN = 2_000  # operations of an expression that is still written out


class Expression(Operators):
    """An operation of the table and its operands: a node of the graph. Operators and functions make it.

    Attributes
    ----------
    operation : Rule or None
        The row of the table; None for a `Symbol` and a `Constant`.
    parents : tuple of Expression
        The operands.
    """

    __slots__ = ("operation", "parents")
    rank = 1

    operation: Rule | None
    parents: tuple[Expression, ...]

    def __init__(self, operation: Rule | None, parents: tuple[Expression, ...]) -> None:
        self.operation, self.parents = operation, parents

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Expression:
        """Return the expression of an operation; nothing is computed or simplified.

        A power with a number as exponent is the one that takes every base, however it came about, as it is when read.
        """
        if rule.name == "power" and not isinstance(operands[1], Symbol):
            exponent = as_expression(operands[1])
            if isinstance(exponent, Constant):
                return Expression(power_by(exponent.value), (as_expression(operands[0]),))
        return Expression(rule, tuple(as_expression(operand) for operand in operands))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value of the expression, in one pass over the graph.

        Parameters
        ----------
        values : mapping from str to number, ndarray or Operand
            A value for each symbol, by name; names that the expression does not have are left alone. Values can be of
            any number type: with expressions this is substitution, with duals it differentiates.

        Raises
        ------
        ValueError, TypeError
            If a symbol has no value, or one that is no number; DomainError as the operations raise it.
        """
        results: dict[int, Any] = {}
        values = by_name(values)
        for node in topological_order(self):
            if isinstance(node, Symbol):
                results[id(node)] = _value_of(node, values)
            elif isinstance(node, Constant):
                results[id(node)] = node.value
            elif node.operation:
                results[id(node)] = apply(node.operation, *[results[id(parent)] for parent in node.parents])
        return results[id(self)]

    def __repr__(self) -> str:
        return self._written(latex=False)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self._written(latex=True)}$"

    def _written(self, latex: bool) -> str:
        graph = operations(self)
        # of a large graph the tree is not even counted: the count can have as many digits as the graph has nodes
        if graph > MAX_WRITTEN or operations(self, shared=False) > MAX_WRITTEN:
            words = f"{graph} operations as a graph, too long to be written out"
            return rf"\text{{{words}}}" if latex else f"<{words}>"
        return printing.written(topological_order(self), latex)

    # Control flow asks for a truth that an expression does not have.

    def __bool__(self) -> bool:
        _no_truth(f"{self!r} != 0")

    def __eq__(self, other: object) -> Any:
        return Comparison(self, "==", other)

    def __ne__(self, other: object) -> Any:
        return Comparison(self, "!=", other)

    def __lt__(self, other: object) -> Any:
        return Comparison(self, "<", other)

    def __le__(self, other: object) -> Any:
        return Comparison(self, "<=", other)

    def __gt__(self, other: object) -> Any:
        return Comparison(self, ">", other)

    def __ge__(self, other: object) -> Any:
        return Comparison(self, ">=", other)

    __hash__ = object.__hash__

    def __float__(self) -> float:
        raise TypeError(
            f"{self!r} has no value; give its symbols values with evaluate, as in evaluate({{'x': 0.7}}), and in place "
            "of the functions of math use those of helpers.diff"
        )


class Symbol(Expression):
    """A name that stands for a number; two symbols of one name stand for the same number.

    Parameters
    ----------
    name : str
        As Python has them: letters, digits, underscores; kept as Python spells it, the micro sign as mu.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__(None, ())
        self.name = checked_name(name)

    def written(self, latex: bool) -> tuple[str, int]:
        """Return how it is written, and how tightly that binds."""
        return printing.name(self.name, latex)


class Constant(Expression):
    """A number in an expression.

    Parameters
    ----------
    value : float
        A finite real number, a NumPy number or an array without axes; kept as a float.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        if not is_number(value) or np.iscomplexobj(value) or np.ndim(value):
            raise TypeError(f"an expression is made of symbols and real numbers, got {value!r}")
        super().__init__(None, ())
        self.value = float(value)
        if not math.isfinite(self.value):
            raise ValueError(f"a constant of an expression must be finite, got {value!r}")

    def written(self, latex: bool) -> tuple[str, int]:
        """Return how it is written, and how tightly that binds."""
        return printing.number(self.value, latex)


class Comparison:
    """What comparing an expression gives: a question that has no answer yet."""

    def __init__(self, left: Expression, sign: str, right: object) -> None:
        self.left, self.sign, self.right = left, sign, right

    def __repr__(self) -> str:
        return f"{self.left!r} {self.sign} {self.right!r}"

    def __bool__(self) -> bool:
        _no_truth(repr(self))


def as_expression(value: Any) -> Expression:
    """Return an expression as it is, and a real number as a `Constant`."""
    return value if isinstance(value, Expression) else Constant(value)


def topological_order(*expressions: Expression) -> list[Expression]:
    """Return all nodes that the expressions need, each once, parents before what is made of them."""
    order: list[Expression] = []
    seen: set[int] = set()
    todo = [(expression, False) for expression in reversed(expressions)]
    while todo:
        node, parents_are_done = todo.pop()
        if parents_are_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            todo.append((node, True))
            todo += [(parent, False) for parent in reversed(node.parents)]
    return order


def operations(*expressions: Expression, shared: bool = True) -> int:
    """Count the operations of one or more expressions; symbols and constants are none.

    Parameters
    ----------
    expressions : Expression
        Counted together.
    shared : bool
        True: nodes of the graph, where each is counted once, whatever uses it. False: nodes of the tree, which repeats
        a node each time it is used, as the written formula does.

    Examples
    --------
    >>> from helpers.diff.rules import sin
    >>> x = Symbol("x")
    >>> y = sin(x)
    >>> operations(y * y), operations(y * y, shared=False)
    (2, 3)
    """
    size: dict[int, int] = {}
    for node in topological_order(*expressions):
        own = int(node.operation is not None)
        size[id(node)] = own if shared else own + sum(size[id(parent)] for parent in node.parents)
    return sum(size.values()) if shared else sum(size[id(expression)] for expression in expressions)


def checked_value(name: str, value: Any) -> Any:
    """Return a value as the operations take it, whole numbers as floats, or raise an error that names the variable."""
    if not (isinstance(value, Operand) or is_number(value)):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    if isinstance(value, (np.ndarray, np.generic)):
        return value.astype(np.float64) if value.dtype.kind in "iub" else value
    return float(value) if isinstance(value, int) else value


def _value_of(symbol: Symbol, values: Mapping[str, Any]) -> Any:
    if symbol.name not in values:
        raise ValueError(f"values must have a number for {symbol.name!r}, got {', '.join(values) or 'nothing'}")
    return checked_value(symbol.name, values[symbol.name])


def _no_truth(question: str) -> NoReturn:
    raise TypeError(
        f"{question} is neither true nor false while its symbols have no values: an expression is written down once, "
        "for all values, and `if`, `while` and `max` choose anew for each. Write it with maximum, minimum, abs, relu "
        "or step, or differentiate the program itself, with Scalar or Dual"
    )
