"""Symbolic differentiation: the table of rules, run on expressions.

>>> from helpers.diff import sin
>>> x = Symbol("x")
>>> differentiate(x * sin(x), x)
sin(x) * 1 + x * (cos(x) * 1)
>>> simplify(differentiate(x * sin(x), x))
sin(x) + x * cos(x)

`Symbol` starts an expression, `differentiate` gives its derivative, `simplify` tidies it; `operations` counts, as a
tree or as a graph; `share` and `eliminate_common_subexpressions` find what is there twice. ``expression.evaluate``
gives numbers. The elementary functions are those of the table in `rules`.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from typing import Any, NamedTuple

from helpers.diff.expressions import (
    Constant,
    Expression,
    Symbol,
    as_expression,
    operations,
    topological_order,
)
from helpers.diff.names import unused
from helpers.diff.rules import RULES, Rule, apply, power_by

__all__ = [
    "Constant", "Expression", "StraightLine", "Symbol", "differentiate", "eliminate_common_subexpressions",
    "operations", "share", "simplify", "topological_order",
]  # fmt: skip


def differentiate(expression: Expression, symbol: Symbol) -> Expression:
    """Return the derivative of an expression with respect to a symbol.

    Parameters
    ----------
    expression : Expression
    symbol : Symbol
        Found in the expression by its name.

    Returns
    -------
    Expression
        As the rules give it, nothing simplified. It shares nodes with the expression, and an operation used twice is
        differentiated once.

    Raises
    ------
    TypeError
        If an argument is no expression or no symbol.

    Notes
    -----
    The chain rule, from the symbol upwards: ``v_dot = sum over parents p of (dv/dp) * p_dot``. Run on numbers, the same
    loop is forward-mode automatic differentiation (`helpers.diff.forward`); that is Laue's equivalence. A parent that
    does not depend on the symbol gives no term. Where the table says that dv/dp is the number 1, of sums and
    differences, p_dot stands alone.

    Time and the new nodes are linear in the nodes of the expression. Written out as a tree, the derivative can be
    exponentially larger: expression swell.

    References
    ----------
    Laue (2019), "On the equivalence of forward mode automatic differentiation and symbolic differentiation".
    """
    if not isinstance(symbol, Symbol):
        raise TypeError(f"symbol must be a Symbol, such as Symbol('x'), got {symbol!r}")
    expression = as_expression(expression)
    dots: dict[int, Expression] = {}
    for node in topological_order(expression):
        if isinstance(node, Symbol) and node.name == symbol.name:
            dots[id(node)] = Constant(1)
        elif node.operation:
            terms = [_term(node, i, dots[id(p)]) for i, p in enumerate(node.parents) if id(p) in dots]
            if terms:
                dots[id(node)] = functools.reduce(operator.add, terms)
    return dots.get(id(expression), Constant(0))


def _term(node: Expression, index: int, parent_dot: Expression) -> Expression:
    """Return the part of a node's derivative that comes through one parent."""
    assert node.operation
    local = node.operation.derivatives[index](node, *node.parents)
    if isinstance(local, (int, float)) and local == 1:
        return parent_dot
    return Expression.apply(RULES["mul"], local, parent_dot)


def simplify(expression: Expression) -> Expression:
    """Leave out additions of 0, multiplications by 0 or 1 and double signs, and work out operations on numbers.

    Returns
    -------
    Expression
        With at most as many operations, as a graph and as a tree. Simplifying it again changes nothing.

    Notes
    -----
    Where the expression has a value, the result has the same, to the last bit (0.0 and -0.0 count as one). It may have
    a value where the expression has none: 0 * log(x) becomes 0. Sums and products are not reordered, for that would
    round differently; terms are not collected. For earnest algebra there is SymPy. Time is linear in the graph.

    Examples
    --------
    >>> x = Symbol("x")
    >>> simplify(1 * x + 0 * x + 2 * 3 - (-x))
    x + 6 + x
    """
    simple: dict[int, Expression] = {}
    expression = as_expression(expression)
    for node in topological_order(expression):
        simple[id(node)] = node
        if node.operation:
            parents = tuple(simple[id(parent)] for parent in node.parents)
            smaller = _smaller(node.operation, parents)
            if smaller is not None:
                simple[id(node)] = smaller
            elif any(new is not old for new, old in zip(parents, node.parents)):
                simple[id(node)] = Expression(node.operation, parents)
    return simple[id(expression)]


def _smaller(rule: Rule, parents: tuple[Expression, ...]) -> Expression | None:
    """Return something smaller in place of an operation on simple operands, or None."""
    numbers = [parent.value for parent in parents if isinstance(parent, Constant)]
    if len(numbers) == len(parents):
        try:
            return Constant(apply(rule, *numbers))
        except (ValueError, ArithmeticError):  # log(-1) and exp(1000) stay, to be found where they are evaluated
            return None
    if rule.name == "power" and isinstance(parents[1], Constant):
        return _made(power_by(parents[1].value), parents[0])
    if rule.exponent in (0, 1):
        return parents[0] if rule.exponent else Constant(1)
    a, b = parents[0], parents[-1]
    match rule.name:
        case "neg":
            return _opposite(a)
        case "add":
            if _is(a, 0) or _is(b, 0):
                return b if _is(a, 0) else a
            if (positive := _opposite(b)) is not None:
                return _made(RULES["sub"], a, positive)
            return None if (positive := _opposite(a)) is None else _made(RULES["sub"], b, positive)
        case "sub":
            if _is(a, 0) or _is(b, 0):
                return _made(RULES["neg"], b) if _is(a, 0) else a
            return None if (positive := _opposite(b)) is None else _made(RULES["add"], a, positive)
        case "mul":
            for factor, other in ((a, b), (b, a)):
                if _is(factor, 0) or _is(factor, 1):
                    return other if _is(factor, 1) else Constant(0)
                if _is(factor, -1):
                    return _made(RULES["neg"], other)
        case "div":
            if _is(a, 0) or _is(b, 1):
                return a
            return _made(RULES["neg"], a) if _is(b, -1) else None
    return None


def _is(expression: Expression, value: float) -> bool:
    return isinstance(expression, Constant) and expression.value == value


def _opposite(expression: Expression) -> Expression | None:
    """Return x if the expression is -x, or a negative number; else None."""
    if isinstance(expression, Constant) and expression.value < 0:
        return Constant(-expression.value)
    return expression.parents[0] if expression.operation is RULES["neg"] else None


def _made(rule: Rule, *parents: Expression) -> Expression:
    """Return an operation on simple operands, itself simple."""
    smaller = _smaller(rule, parents)
    return Expression(rule, parents) if smaller is None else smaller


def share(*expressions: Expression) -> tuple[Expression, ...]:
    """Return the expressions as one graph in which equal parts are one node.

    Notes
    -----
    Equal means: the same operation on equal operands, in the same order, down to the same symbols and numbers; a + b
    and b + a differ. Each node is looked up once in a table (hash-consing), so time is linear in the graph.

    Examples
    --------
    >>> x = Symbol("x")
    >>> y, z = share((x + 1) * (x + 1), x + 1)
    >>> y.parents[0] is y.parents[1] is z
    True
    """
    table: dict[tuple[Any, ...], Expression] = {}
    merged: dict[int, Expression] = {}
    given = [as_expression(expression) for expression in expressions]
    for node in topological_order(*given):
        parents = tuple(merged[id(parent)] for parent in node.parents)
        if isinstance(node, Symbol):
            key: tuple[Any, ...] = ("symbol", node.name)
        elif isinstance(node, Constant):
            key = ("constant", repr(node.value))  # 0.0 and -0.0 are two
        else:
            key = (node.operation.name, node.operation.exponent, *map(id, parents))
        if key not in table:
            same = all(new is old for new, old in zip(parents, node.parents))
            table[key] = node if same else Expression(node.operation, parents)
        merged[id(node)] = table[key]
    return tuple(merged[id(expression)] for expression in given)


class StraightLine(NamedTuple):
    """Expressions as a short program: first the replacements in order, each with its name, then the expressions."""

    replacements: list[tuple[Symbol, Expression]]
    expressions: list[Expression]

    def __repr__(self) -> str:
        lines = [f"{name!r} = {value!r}" for name, value in self.replacements]
        return "\n".join([*lines, *map(repr, self.expressions)])


def eliminate_common_subexpressions(*expressions: Expression) -> StraightLine:
    """Give a name to each operation that is used more than once, and use the name.

    Returns
    -------
    StraightLine
        A named tuple (replacements, expressions), as of ``sympy.cse``. The names are t0, t1, ..., but none that is
        taken. As trees, all right-hand sides together have as many operations as the graph of `share`.

    Examples
    --------
    >>> from helpers.diff.rules import sin
    >>> x = Symbol("x")
    >>> y = x * sin(x)
    >>> eliminate_common_subexpressions(y * sin(y), sin(x))
    t0 = sin(x)
    t1 = x * t0
    t1 * sin(t1)
    t0
    """
    merged = share(*expressions)
    order = topological_order(*merged)
    uses = Counter([id(parent) for node in order for parent in node.parents] + [id(output) for output in merged])
    names = unused("t", {node.name for node in order if isinstance(node, Symbol)}, first=0)
    replacements: list[tuple[Symbol, Expression]] = []
    short: dict[int, Expression] = {}
    for node in order:
        short[id(node)] = node
        if node.operation:
            short[id(node)] = Expression(node.operation, tuple(short[id(parent)] for parent in node.parents))
            if uses[id(node)] > 1:
                replacements.append((Symbol(next(names)), short[id(node)]))
                short[id(node)] = replacements[-1][0]
    return StraightLine(replacements, [short[id(output)] for output in merged])
