"""How an expression is written: as text that Python can read again, and as LaTeX.

What is written and read again is the same graph, operation by operation, since another order rounds differently:
a * (b / a) keeps its brackets. How tightly an operation binds is said in its row of the table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from helpers.diff.operations import ATOM, POWER, PRODUCT, SIGN, Rule

GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip


def written(order: Sequence[Any], latex: bool) -> str:
    """Write the last of the nodes, which come parents first.

    Notes
    -----
    Time and length grow with the tree, where a shared node is written as often as it is used.
    """
    brackets = r"\left({0}\right)" if latex else "({0})"
    texts: dict[int, tuple[str, int]] = {}  # of each node, by its id: how it is written, and how tightly it binds
    for node in order:
        if node.operation is None:
            texts[id(node)] = node.written(latex)
            continue
        operands = [
            brackets.format(text) if _needs_brackets(node.operation, i, text, binds, latex) else text
            for i, (text, binds) in enumerate(_operand(node.operation, parent, texts, latex) for parent in node.parents)
        ]
        texts[id(node)] = _filled(node.operation, operands, latex), node.operation.precedence
    return texts[id(order[-1])][0]


def _operand(rule: Rule, parent: Any, texts: dict[int, tuple[str, int]], latex: bool) -> tuple[str, int]:
    """Return an operand as written, and how tightly it binds there: a bar holds a fraction together."""
    text, binds = texts[id(parent)]
    fraction = latex and rule.name == "mul" and parent.operation is not None and parent.operation.name == "div"
    return text, ATOM if fraction else binds


def _needs_brackets(rule: Rule, position: int, text: str, binds: int, latex: bool) -> bool:
    """Return whether an operand, written so and binding so tightly, must stand in brackets."""
    if rule.precedence == ATOM or (latex and rule.name == "div"):
        return False  # the brackets of a function, or the bar of a fraction, hold it together
    if rule.precedence == POWER:
        return binds <= POWER if position == 0 else binds < SIGN and not latex
    if rule.precedence == SIGN:
        return binds <= SIGN
    if position == 0:
        return binds < rule.precedence
    if text.startswith("-"):  # no sign behind an operator: x * -y would read as a difference
        return True
    return binds <= rule.precedence


def _filled(rule: Rule, operands: Sequence[str], latex: bool) -> str:
    if rule.exponent is not None:
        exponent, _ = number(float(rule.exponent), latex)
        return f"{operands[0]}^{{{exponent}}}" if latex else f"{operands[0]} ** {exponent}"
    if not latex:
        return rule.text.format(*operands)
    if rule.name == "mul" and operands[1][0].isdigit():  # two numbers side by side would read as one
        return rf"{operands[0]} \cdot {operands[1]}"
    return rule.latex.format(*operands)


def number(value: float, latex: bool) -> tuple[str, int]:
    """Write a number; whole ones without a decimal point."""
    negative = math.copysign(1, value) < 0
    text = str(int(value)) if value.is_integer() and abs(value) < 1e15 and (value or not negative) else repr(value)
    binds = SIGN if negative else ATOM
    if latex and "e" in text:
        mantissa, exponent = text.split("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}", min(binds, PRODUCT)
    return text, binds


def name(text: str, latex: bool) -> tuple[str, int]:
    r"""Write a name; in LaTeX, x1 as x_{1} and theta as \theta."""
    if not latex:
        return text, ATOM
    letters, digits = re.fullmatch(r"(.*?)_?(\d*)", text).groups()  # type: ignore[union-attr]
    if letters in GREEK:
        letters = rf"\{letters}"
    elif len(letters) > 1:
        letters = rf"\mathrm{{{letters}}}".replace("_", r"\_")
    return f"{letters}_{{{digits}}}" if digits else letters, ATOM
