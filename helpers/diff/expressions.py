"""Expressions: a number type that computes nothing and keeps what there is to compute, as a graph.

>>> x = Symbol("x")
>>> y = x * 2 + 1
>>> y, y.evaluate({"x": 0.5})
(x * 2 + 1, 2.0)

An expression used twice is one node with two arrows to it, so the graph is directed and acyclic, and no tree. All
functions here are loops over `topological_order`: each node once, and no recursion, however deep it goes. What is
written and read again by `helpers.diff.formula` is the same graph, operation by operation, since another order rounds
differently: a * (b / a) keeps its brackets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from helpers.diff.names import by_name, checked_name
from helpers.diff.operators import Operators
from helpers.diff.rules import ATOM, POWER, PRODUCT, SIGN, Operand, Rule, apply, is_number, power_by

MAX_WRITTEN = 2_000  # operations of an expression that is still written out
GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip


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
        parents = tuple([as_expression(operand) for operand in operands])
        if rule.name == "power" and isinstance(parents[1], Constant):
            return Expression(power_by(parents[1].value), parents[:1])
        return Expression(rule, parents)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value of the expression, in one pass over the graph.

        Parameters
        ----------
        values : mapping from str to number, ndarray or Operand
            A value for each symbol, by name; names that the expression does not have are left alone. Values can be of
            any number type: with expressions this is substitution, with duals it differentiates.
        """
        results: dict[int, Any] = {}
        values = by_name(values)
        for node in topological_order(self):
            if isinstance(node, Symbol):
                if node.name not in values:
                    given = ", ".join(values) or "nothing"
                    raise ValueError(f"values must have a number for {node.name!r}, got {given}")
                results[id(node)] = checked_value(node.name, values[node.name])
            elif isinstance(node, Constant):
                results[id(node)] = node.value
            elif node.operation:
                results[id(node)] = apply(node.operation, *[results[id(parent)] for parent in node.parents])
        return results[id(self)]

    def __repr__(self) -> str:
        return self.written(latex=False)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.written(latex=True)}$"

    def written(self, latex: bool) -> str:
        """Write the expression as Python reads it, or in LaTeX; where its tree is large, say how large it is."""
        graph = operations(self)
        # of a large graph the tree is not even counted: the count can have as many digits as the graph has nodes
        if graph > MAX_WRITTEN or operations(self, shared=False) > MAX_WRITTEN:
            words = f"{graph} operations as a graph, too long to be written out"
            return rf"\text{{{words}}}" if latex else f"<{words}>"
        texts: dict[int, tuple[str, int]] = {}  # of each node, by its id: how it is written, and how tightly it binds
        for node in topological_order(self):
            texts[id(node)] = _written(node, [texts[id(parent)] for parent in node.parents], latex)
        return texts[id(self)][0]

    def _no_truth(self, other: object = None) -> NoReturn:
        """Refuse what control flow asks for: a truth."""
        raise TypeError(
            f"{self!r}, or a comparison with it, is neither true nor false while its symbols have no values: an "
            "expression is written down once, for all values, and `if`, `while` and `max` choose anew for each. Write "
            "it with maximum, minimum, abs, relu or step, or differentiate the program itself, with Scalar or Dual"
        )

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = _no_truth
    __eq__ = __ne__ = _no_truth
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


# How a node is written: a text, and how tightly it binds.


def _written(node: Expression, operands: Sequence[tuple[str, int]], latex: bool) -> tuple[str, int]:
    if isinstance(node, Symbol):
        return latex_name(node.name) if latex else node.name, ATOM
    if isinstance(node, Constant):
        return _number(node.value, latex)
    rule, texts = node.operation, []
    assert rule
    for i, ((text, binds), parent) in enumerate(zip(operands, node.parents)):
        if latex and rule.name == "mul" and parent.operation is not None and parent.operation.name == "div":
            binds = ATOM  # the bar of a fraction holds it together
        brackets = _needs_brackets(rule, i, text, binds, latex)
        texts.append((r"\left({0}\right)" if latex else "({0})").format(text) if brackets else text)
    if rule.exponent is not None:
        exponent, _ = _number(float(rule.exponent), latex)
        return (f"{texts[0]}^{{{exponent}}}" if latex else f"{texts[0]} ** {exponent}"), POWER
    if latex and rule.name == "mul" and texts[1][0].isdigit():  # two numbers side by side would read as one
        return rf"{texts[0]} \cdot {texts[1]}", PRODUCT
    return (rule.latex if latex else rule.text).format(*texts), rule.precedence


def _needs_brackets(rule: Rule, position: int, text: str, binds: int, latex: bool) -> bool:
    if rule.precedence == ATOM or (latex and rule.name == "div"):
        return False  # the brackets of a function, or the bar of a fraction, hold it together
    if rule.precedence == POWER:
        return binds <= POWER if position == 0 else binds < SIGN and not latex
    if rule.precedence == SIGN:
        return binds <= SIGN
    if position == 0:
        return binds < rule.precedence
    return binds <= rule.precedence or text.startswith("-")  # x * -y would read as a difference


def _number(value: float, latex: bool) -> tuple[str, int]:
    """Write a number; whole ones without a decimal point."""
    negative = math.copysign(1, value) < 0
    text = str(int(value)) if value.is_integer() and abs(value) < 1e15 and (value or not negative) else repr(value)
    binds = SIGN if negative else ATOM
    if latex and "e" in text:
        mantissa, exponent = text.split("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}", min(binds, PRODUCT)
    return text, binds


def latex_name(text: str) -> str:
    r"""Write a name in LaTeX: x1 as x_{1} and theta as \theta."""
    letters, digits = re.fullmatch(r"(.*?)_?(\d*)", text).groups()  # type: ignore[union-attr]
    if letters in GREEK:
        letters = rf"\{letters}"
    elif len(letters) > 1:
        letters = rf"\mathrm{{{letters}}}".replace("_", r"\_")
    return f"{letters}_{{{digits}}}" if digits else letters
