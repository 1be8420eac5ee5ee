"""Symbolic differentiation: the table of rules, run on expressions, which compute nothing and keep what there is to do.

>>> from helpers.diff import sin
>>> x = Symbol("x")
>>> differentiate(x * sin(x), x)
sin(x) * 1 + x * (cos(x) * 1)
>>> simplify(differentiate(x * sin(x), x))
sin(x) + x * cos(x)

An expression used twice is one node with two arrows to it. All functions here are loops over `topological_order`: each
node once, and no recursion. What is written and read again by `helpers.diff.formula` is the same graph, operation by
operation, since another order rounds differently: a * (b / a) keeps its brackets.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from helpers.diff.rules import ATOM, POWER, RULES, SIGN, Operators, Rule, apply, power_by

MAX_WRITTEN = 2_000  # operations of an expression that is still written out
T = TypeVar("T")
Written = tuple[str, int]  # a text, and how tightly it binds


class Expression(Operators):
    """A node: ``operation`` is a row of the table (None of a `Symbol` and a `Constant`), ``parents`` its operands."""

    __slots__ = ("operation", "parents")
    rank = 1

    def __init__(self, operation: Any, parents: tuple[Expression, ...]) -> None:
        self.operation, self.parents = operation, parents

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Expression:
        """Return the expression of an operation; nothing is computed or simplified."""
        return Expression(*narrowed(rule, *[as_expression(operand) for operand in operands]))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value, given those of the symbols by name: numbers, arrays, duals, or expressions to put in."""

        def value(node: Expression, operands: Sequence[Any]) -> Any:
            if isinstance(node, Symbol):
                given = values[node.name]
                return float(given) if isinstance(given, int) else given
            if not operands:
                return node.value
            rule, operands = narrowed(node.operation, *operands)
            return apply(rule, *operands)

        return fold(value, self)[0]

    def __repr__(self) -> str:
        return self.written(latex=False)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.written(latex=True)}$"

    def written(self, latex: bool) -> str:
        """Write the expression as Python reads it, or in LaTeX; where its tree is large, say how large it is."""
        graph = operations(self)  # of a large one the tree is not even counted: the count can have as many digits
        if graph > MAX_WRITTEN or operations(self, shared=False) > MAX_WRITTEN:
            words = f"{graph} operations as a graph, too long to be written out"
            return rf"\text{{{words}}}" if latex else f"<{words}>"
        return str(fold(lambda node, operands: node.text_of(operands, latex), self)[0][0])

    def text_of(self, operands: Sequence[Written], latex: bool) -> Written:
        """Write this node, given how its operands are written."""
        rule, texts = self.operation, []
        for i, (text, binds) in enumerate(operands):
            brackets = _needs_brackets(rule, i, text, binds, latex)
            texts.append((r"\left({0}\right)" if latex else "({0})").format(text) if brackets else text)
        form = rule.latex if latex else rule.text
        if rule.exponent is not None:
            texts.append(_number(float(rule.exponent))[0])
            form = "{}^{{{}}}" if latex else "{} ** {}"
        if latex and rule.name == "mul" and texts[1][0].isdigit():  # two numbers side by side would read as one
            form = r"{} \cdot {}"
        return form.format(*texts), rule.precedence

    def _no_truth(self, other: object = None) -> NoReturn:
        raise TypeError(
            f"{self!r}, or a comparison with it, is neither true nor false while its symbols have no values: an "
            "expression is written down once, for all values, and `if`, `while` and `max` choose anew for each. Write "
            "it with maximum, minimum, abs, relu or step, or differentiate the program itself, with Scalar or Dual"
        )

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _no_truth
    __hash__ = object.__hash__


class Symbol(Expression):
    """A name that stands for a number; two symbols of one name stand for the same number."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__(None, ())
        self.name = name

    def text_of(self, operands: Sequence[Written], latex: bool) -> Written:
        return latex_name(self.name) if latex else self.name, ATOM


class Constant(Expression):
    """A finite real number in an expression, kept as a float."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        super().__init__(None, ())
        self.value = float(value)
        if np.ndim(value) or not math.isfinite(self.value):
            raise ValueError(f"an expression is made of symbols and finite real numbers, got {value!r}")

    def text_of(self, operands: Sequence[Written], latex: bool) -> Written:
        return _number(self.value)


def narrowed(rule: Rule, *operands: Any) -> tuple[Rule, tuple[Any, ...]]:
    """Return an operation, a power of a number by the rule for a constant exponent: that one takes negative bases."""
    exponent = operands[-1].value if isinstance(operands[-1], Constant) else operands[-1]
    if rule.name == "power" and isinstance(exponent, float) and math.isfinite(exponent):
        return power_by(exponent), operands[:1]
    return rule, operands


def as_expression(value: Any) -> Expression:
    """Return an expression as it is, and a real number as a `Constant`."""
    return value if isinstance(value, Expression) else Constant(value)


def topological_order(*nodes: Any) -> list[Any]:
    """Return all nodes that the given ones need, each once, its ``parents`` before it."""
    order: list[Any] = []
    seen: set[int] = set()
    todo = [(node, False) for node in reversed(nodes)]
    while todo:
        node, parents_are_done = todo.pop()
        if parents_are_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            todo.append((node, True))
            todo += [(parent, False) for parent in reversed(node.parents)]
    return order


def fold(f: Callable[[Any, list[T]], T], *nodes: Any) -> list[T]:
    """Work out f(node, results of its parents) for all that the given nodes need; return the results of these."""
    results: dict[int, T] = {}
    for node in topological_order(*nodes):
        results[id(node)] = f(node, [results[id(parent)] for parent in node.parents])
    return [results[id(node)] for node in nodes]


def _needs_brackets(rule: Rule, position: int, text: str, binds: int, latex: bool) -> bool:
    if rule.precedence == ATOM or (latex and rule.name == "div"):
        return False  # the brackets of a function, or the bar of a fraction, hold it together
    if rule.precedence == POWER:
        return binds <= POWER if position == 0 else binds < SIGN and not latex
    if position == 0:
        return binds < rule.precedence or binds == rule.precedence == SIGN
    return binds <= rule.precedence or text.startswith("-")  # x * -y would read as a difference


def _number(value: float) -> Written:
    """Write a number; whole ones without a decimal point, except -0.0."""
    text = repr(value)
    if abs(value) < 1e15 and text != "-0.0":
        text = text.removesuffix(".0")
    return text, SIGN if text.startswith("-") else ATOM


def unused(letter: str, taken: Collection[str], first: int = 1) -> Iterator[str]:
    """Yield v1, v2, ..., but none that is taken."""
    return (name for name in map(f"{letter}{{}}".format, itertools.count(first)) if name not in taken)


def latex_name(text: str) -> str:
    """Write a name in LaTeX: x1 as x_{1}."""
    letters, digits = re.fullmatch(r"(.*?)_?(\d*)", text).groups()  # type: ignore[union-attr]
    if len(letters) > 1:
        letters = rf"\mathrm{{{letters}}}".replace("_", r"\_")
    return f"{letters}_{{{digits}}}" if digits else letters


def operations(*expressions: Expression, shared: bool = True) -> int:
    """Count the operations of expressions together, as nodes of their graph, or unless ``shared`` of their tree.

    >>> y = Symbol("x") + 1
    >>> operations(y * y), operations(y * y, shared=False)
    (2, 3)
    """
    if shared:
        return sum(node.operation is not None for node in topological_order(*expressions))
    return sum(fold(lambda node, sizes: sum(sizes, int(node.operation is not None)), *expressions))


def differentiate(expression: Expression, symbol: Symbol) -> Expression:
    """Return the derivative of an expression with respect to a symbol, which is found by its name.

    As the rules give it, nothing simplified: the chain rule, from the symbol upwards, ``v_dot = sum over parents p of
    (dv/dp) * p_dot``, without terms of 0 and factors of 1. Run on numbers, the same loop is forward-mode automatic
    differentiation (Laue, 2019). The graph of the derivative is linear in that of the expression; written out as a
    tree, it can be exponentially larger: expression swell.
    """
    if not isinstance(symbol, Symbol):
        raise TypeError(f"symbol must be a Symbol, such as Symbol('x'), got {symbol!r}")

    def v_dot(node: Expression, dots: Sequence[Expression | None]) -> Expression | None:
        if isinstance(node, Symbol) and node.name == symbol.name:
            return Constant(1)
        terms = []
        for rule, p_dot in zip(node.operation.derivatives if dots else (), dots):
            if p_dot is not None:
                local = rule(node, *node.parents)
                one = isinstance(local, (int, float)) and local == 1
                terms.append(p_dot if one else Expression.apply(RULES["mul"], local, p_dot))
        return functools.reduce(operator.add, terms) if terms else None

    (found,) = fold(v_dot, as_expression(expression))
    return Constant(0) if found is None else found


def simplify(expression: Expression) -> Expression:
    """Leave out additions of 0, multiplications by 0 or 1 and double signs, and work out operations on numbers.

    Where the expression has a value, the result has the same one, to the last bit (0.0 and -0.0 count as one). It may
    have a value where the expression has none: 0 * log(x) becomes 0. For earnest algebra there is SymPy.

    >>> x = Symbol("x")
    >>> simplify(1 * x + 0 * x + 2 * 3 - (-x))
    x + 6 + x
    """
    whole = as_expression(expression)
    return fold(lambda node, parents: _made(node.operation, *parents) if parents else node, whole)[0]


def _made(rule: Rule, *parents: Expression) -> Expression:
    """Return an operation on simple operands, or something smaller in its place."""
    rule, parents = narrowed(rule, *parents)
    a, b = parents[0], parents[-1]
    if all(isinstance(parent, Constant) for parent in parents):
        try:
            return Constant(Expression(rule, parents).evaluate({}))
        except (ValueError, ArithmeticError):  # log(-1) and exp(1000) stay, to be found where they are evaluated
            return Expression(rule, parents)
    match rule.name:
        case "power_by" if rule.exponent in (0, 1):
            return a if rule.exponent else Constant(1)
        case "neg" if (positive := _opposite(a)) is not None:
            return positive
        case "add" | "sub" if _is(b, 0):
            return a
        case "add" | "sub" if _is(a, 0):
            return b if rule.name == "add" else _made(RULES["neg"], b)
        case "add" | "sub" if (positive := _opposite(b)) is not None:
            return _made(RULES["sub" if rule.name == "add" else "add"], a, positive)
        case "mul":
            for factor, other in ((a, b), (b, a)):
                if _is(factor, 0) or _is(factor, 1):
                    return other if _is(factor, 1) else Constant(0)
                if _is(factor, -1):
                    return _made(RULES["neg"], other)
        case "div" if _is(a, 0) or _is(b, 1):
            return a
    return Expression(rule, parents)


def _is(expression: Expression, value: float) -> bool:
    return isinstance(expression, Constant) and expression.value == value


def _opposite(expression: Expression) -> Expression | None:
    """Return x if the expression is -x; else None."""
    return expression.parents[0] if expression.operation is RULES["neg"] else None


def share(*expressions: Expression) -> tuple[Expression, ...]:
    """Return the expressions as one graph in which equal parts are one node (hash-consing).

    >>> x = Symbol("x")
    >>> y, z = share((x + 1) * (x + 1), x + 1)
    >>> y.parents[0] is y.parents[1] is z
    True
    """
    table: dict[tuple[Any, ...], Expression] = {}

    def merged(node: Expression, parents: Sequence[Expression]) -> Expression:
        if not parents:
            return table.setdefault((type(node), node.text_of([], False)), node)  # 0.0 and -0.0 are two
        key = (node.operation.name, node.operation.exponent, *map(id, parents))
        return table.setdefault(key, Expression(node.operation, tuple(parents)))

    return tuple(fold(merged, *map(as_expression, expressions)))


class StraightLine(NamedTuple):
    """Expressions as a short program: first the replacements in order, each with its name, then the expressions."""

    replacements: list[tuple[Symbol, Expression]]
    expressions: list[Expression]

    def __repr__(self) -> str:
        lines = [f"{name!r} = {value!r}" for name, value in self.replacements]
        return "\n".join([*lines, *map(repr, self.expressions)])


def eliminate_common_subexpressions(*expressions: Expression) -> StraightLine:
    """Give a name to each operation that is used more than once, and use the name, as ``sympy.cse`` does.

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
    uses = Counter(map(id, [*merged, *(parent for node in order for parent in node.parents)]))
    names = unused("t", {node.name for node in order if isinstance(node, Symbol)}, first=0)
    replacements: list[tuple[Symbol, Expression]] = []

    def short(node: Expression, parents: Sequence[Expression]) -> Expression:
        if not parents:
            return node
        new = Expression(node.operation, tuple(parents))
        if uses[id(node)] == 1:
            return new
        replacements.append((Symbol(next(names)), new))
        return replacements[-1][0]

    return StraightLine(replacements, fold(short, *merged))
