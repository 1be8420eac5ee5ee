"""From the text of a formula to a function: Python's parser reads it, we walk the tree, nothing is ever evaluated.

>>> f = parse("log(x1) + x1*x2 - sin(x2)")
>>> f.names
('x1', 'x2')
>>> round(f(2.0, 5.0), 6)
11.652071

The function runs on every number type: floats, NumPy arrays, `Scalar`, `Dual`, `Symbol`. A formula may hold numbers,
names, ``+ - * / **``, brackets, the functions of the table of rules, pi and e. Everything else is refused, with the
place where it stands: the list is one of what is allowed, so nobody had to think of all that might be harmful.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from helpers.diff.rules import ATOM, RULES, Rule
from helpers.diff.symbolic import Constant, Expression, Symbol

MAX_LENGTH = 20_000  # characters
CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e}
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power"
}  # fmt: skip
HINTS = {
    **dict.fromkeys(["^", "<super>"], "; for a power write **"),  # "<super>" is what Unicode says of ² and ⁿ
    **dict.fromkeys("×·⋅", "; for a product write *"),
    **dict.fromkeys("÷", "; for a quotient write /"),
    **dict.fromkeys("−–", "; for a minus write -"),
    **dict.fromkeys("[]{}", "; write round brackets"),
    "|": "; for an absolute value write abs(...)",
    "√": "; for a root write sqrt(...)",
    "<sub>": "; for an index write it on the line, as in x1",
}
OTHER_NAMES = {"max": "maximum", "min": "minimum", "ln": "log", "sgn": "sign", "sqr": "sqrt", "fabs": "abs"}
# A number with a name or a bracket behind it: 2x, 2 x, 2(x + 1); but not 1e5 or 1_000.
NUMBER = r"(?<![\w.])((?:\d[\d_]*+(?:\.[\d_]*+)?+|\.\d[\d_]*+)(?:[eE][+-]?\d[\d_]*+)?+)"
IMPLICIT_PRODUCT = re.compile(NUMBER + r"\s*(?=[^\W\d]|\()")
PYTHONS_WORD = re.compile(rf"\b(?:{'|'.join(keyword.kwlist)})\b")


class FormulaError(ValueError):
    """A text that is no formula; the message shows where, ``position`` says it."""

    def __init__(self, what: str, text: str, position: int) -> None:
        start = max(0, position - 30)
        super().__init__(f"{what}\n    {text[start : position + 40]}\n    {' ' * (position - start)}^")
        self.position = position


@dataclass(frozen=True, eq=False)
class Formula:
    """A function of numbers of any type, made by `parse`; it takes the variables ``names`` in order."""

    text: str
    names: tuple[str, ...]
    expression: Expression

    def __call__(self, *values: Any) -> Any:
        """Return the value of the formula; whole numbers are taken as floats."""
        if len(values) != len(self.names):
            raise TypeError(f"the formula {self.text!r} takes the values ({', '.join(self.names)}), got {len(values)}")
        return self.expression.evaluate(dict(zip(self.names, values)))


def parse(text: str) -> Formula:
    """Turn the text of a formula into a function, in which parts without a variable are worked out already.

    Parameters
    ----------
    text : str
        At most 20,000 characters and some 2,000 terms. Its variables are all names but functions, pi and e, in the
        order in which they first stand in it. What cannot be read raises a FormulaError that shows where it stands.

    >>> parse("x^2")
    Traceback (most recent call last):
    helpers.diff.formula.FormulaError: '^' has no place in a formula; for a power write **
        x^2
         ^
    """
    reader = Reader(text)
    reader.check_characters()
    try:  # Python's parser builds a tree and runs nothing
        expression = reader.read(ast.parse(reader.text, mode="eval").body)
    except SyntaxError as error:
        position = (error.offset or len(reader.text) + 1) - 1
        raise reader.error(f"no formula: {error.msg.partition(';')[0]}", position) from None
    except (MemoryError, RecursionError):
        raise reader.error("the formula is nested too deep, or has too many terms", 0) from None
    return Formula(text, tuple(reader.found), expression)


class Reader:
    """Reads one text: its variables, ``found`` in order, and its parts."""

    def __init__(self, text: str) -> None:
        self.text = re.sub(r"\s", " ", text.strip())
        self.found: dict[str, None] = {}
        # rows that no operator writes, each with its number of operands
        self.functions = {name: len(rule.derivatives) for name, rule in RULES.items() if rule.precedence == ATOM}

    def error(self, what: str, place: ast.expr | int) -> FormulaError:
        """Return the error for a place in the text: an index, or a node of the tree."""
        if isinstance(place, ast.expr):  # the parser counts bytes
            place = len(self.text.encode()[: place.col_offset].decode())
        return FormulaError(what, self.text, place)

    def check_characters(self) -> None:
        """Refuse what is easier seen in the text than in its tree, and whatever might be too much for the parser."""
        if not self.text:
            raise self.error("the formula is empty", 0)
        if len(self.text) > MAX_LENGTH:
            raise self.error(f"the formula has {len(self.text)} characters, at most {MAX_LENGTH} can be read", 0)
        for i, character in enumerate(self.text):
            kind = unicodedata.decomposition(character).split(" ")[0]
            hint = HINTS.get(character) or HINTS.get(kind, "")
            letter = f"x{character}".isidentifier() and not hint  # a bar above a letter is a part of a name
            if not (letter or character in "0123456789.+-*/(), "):
                raise self.error(f"{character!r} has no place in a formula{hint}", i)
        if product := IMPLICIT_PRODUCT.search(self.text):
            raise self.error(f"for a product write * after {product[1]}", product.end())
        if word := PYTHONS_WORD.search(self.text):
            raise self.error(f"{word[0]!r} is a word of Python's own, and has no place in a formula", word.start())

    def read(self, tree: ast.expr) -> Expression:
        """Check a tree and return it as an expression, its numbers worked out."""
        outer = []
        while found := self.operation(tree):  # a sum of 2,000 terms is nested so deep: down them goes a loop
            outer.append((tree, *found))
            tree = found[1][0]
        part = self.leaf(tree)
        for place, rule, operands in reversed(outer):
            parts = [part, *[self.read(operand) for operand in operands[1:]]]
            part = Expression.apply(rule, *parts) if rule else part
            if all(isinstance(each, Constant) for each in parts):  # 10**10**10 and log(-1) are found before it runs
                try:
                    part = Constant(part.evaluate({}))
                except (ValueError, ArithmeticError) as error:
                    raise self.error(str(error), place) from error
        return part

    def operation(self, tree: ast.expr) -> tuple[Rule | None, list[ast.expr]] | None:
        """Return rule and operands where the tree is an operation that is allowed; a plus sign has no rule."""
        match tree:
            case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=x):
                return RULES["neg"] if isinstance(tree.op, ast.USub) else None, [x]
            case ast.BinOp(left=a, op=op, right=b) if type(op) in OPERATORS:
                return RULES[OPERATORS[type(op)]], [a, b]
            case ast.Call(func=ast.Name(id=name)):
                if name not in self.functions:
                    hint = f"write {OTHER_NAMES[name]}" if name in OTHER_NAMES else "for a product write *"
                    raise self.error(f"no function {name!r}; {hint}; there are {', '.join(self.functions)}", tree)
                if tree.keywords or len(tree.args) != self.functions[name]:
                    raise self.error(f"{name} takes {self.functions[name]} operands, without names", tree)
                return RULES[name], tree.args
        return None

    def leaf(self, tree: ast.expr) -> Expression:
        """Return a number or a variable, or refuse what is neither."""
        match tree:
            case ast.Constant(value=int() | float() as value):
                try:
                    return Constant(value)
                except (ValueError, OverflowError):
                    raise self.error("the number is larger than the largest float, 1.8e308", tree) from None
            case ast.Name(id=name) if name in CONSTANTS:
                return Constant(CONSTANTS[name])
            case ast.Name(id=name) if name in self.functions:
                raise self.error(f"{name!r} is a function; write {name}(...)", tree)
            case ast.Name(id=name):
                self.found[name] = None
                return Symbol(name)
            case ast.Tuple():
                raise self.error("a comma has no place outside a function's brackets; decimals take a point", tree)
            case ast.Call():
                raise self.error("only a function can be called; for a product write *", tree)
        raise self.error(f"{type(tree).__name__} has no place in a formula", tree)


def read_values(text: str) -> dict[str, float]:
    """Read the text "x1 = 2, x2 = pi/3": names, and formulas without a variable; a new line parts like a comma."""
    values: dict[str, float] = {}
    for part in filter(str.strip, re.split("[,;\n]", text)):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals:
            what = "write name = number, with a comma between two of them, and decimals with a point"
            raise ValueError(f"at: {what}; got {part.strip()!r}")
        name = unicodedata.normalize("NFKC", name)  # as Python does: the micro sign and the Greek mu are one variable
        if name in values:
            raise ValueError(f"at: {name} has two values")
        try:
            values[name] = float(parse(number)())
        except (FormulaError, TypeError) as error:
            raise ValueError(f"at: the value of {name} must be a number such as 2 or pi/3\n{error}") from error
    return values
