"""Symbolic differentiation: the table of rules, run on expressions.

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

from helpers.diff.expressions import (
    Comparison,
    Constant,
    Expression,
    Symbol,
    as_expression,
    operations,
    topological_order,
)
from helpers.diff.rules import (
    RULES,
    absolute,
    cos,
    exp,
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
from helpers.diff.simplification import StraightLine, eliminate_common_subexpressions, share, simplify

__all__ = [
    "Comparison", "Constant", "Expression", "StraightLine", "Symbol", "absolute", "cos", "differentiate",
    "eliminate_common_subexpressions", "exp", "log", "maximum", "minimum", "operations", "relu", "share", "sigmoid",
    "sign", "simplify", "sin", "sqrt", "step", "tan", "tanh", "topological_order",
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
