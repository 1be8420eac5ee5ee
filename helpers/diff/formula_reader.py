"""How the text of a formula is read: Python's parser makes a tree, we turn the tree into a program.

The program is in reverse Polish notation, ``x1 log x1 x2 * +`` for ``log(x1) + x1*x2``: operands first, then the
operation, which takes them from a stack. It needs no brackets, and `helpers.diff.formula` runs it in one loop. What is
not on the list of `Reader.parts` is refused, with its place in the text.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from helpers.diff.operations import ATOM
from helpers.diff.rules import RULES, apply, power_by

MAX_LENGTH, MAX_NESTING = 20_000, 50  # characters; brackets in brackets, or choices in choices
MAX_FLOAT = sys.float_info.max
CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e}
OPERATORS: dict[type[ast.operator], str] = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
REFUSED: dict[type[ast.expr], str] = {
    ast.Attribute: "an attribute, a dot behind a name,",
    ast.BinOp: "this operator",
    ast.BoolOp: "`and` or `or`",
    ast.Compare: "a comparison",
    ast.GeneratorExp: "a comprehension",
    ast.Starred: "a star before a name",
    ast.Tuple: "a comma outside a function's brackets (decimals take a point)",
    ast.UnaryOp: "`not`",
}
HINTS = {
    **dict.fromkeys("^²³", "; for a power write **"),
    **dict.fromkeys("×·⋅", "; for a product write *"),
    **dict.fromkeys("÷", "; for a quotient write /"),
    **dict.fromkeys("−–", "; for a minus write -"),
    **dict.fromkeys("[]{}", "; write round brackets"),
    "|": "; for an absolute value write abs(...)",
    "√": "; for a root write sqrt(...)",
    "<super>": "; for a power write **",
    "<sub>": "; for an index write it on the line, as in x1",
}
OTHER_NAMES = {"max": "maximum", "min": "minimum", "ln": "log", "sgn": "sign", "sqr": "sqrt", "fabs": "abs"}
WORDS = r"(?:if|else|and|or|not|in|is|for)\b"  # of Python, which may stand behind a number
# A number with a name or a bracket behind it: 2x, 2 x, 2(x + 1); but not 1e5, 1_000 or `2 if ...`.
NUMBER = r"(?<![\w.])((?:\d[\d_]*+(?:\.[\d_]*+)?+|\.\d[\d_]*+)(?:[eE][+-]?\d[\d_]*+)?+)"
IMPLICIT_PRODUCT = re.compile(NUMBER + rf"(?!\s*{WORDS})\s*(?=[^\W\d]|\()")
NO_SPACE = re.compile(NUMBER + f"({WORDS})")
SINGLE_EQUALS = re.compile("(?<![<>=!])=(?!=)")
PYTHONS_WORD = re.compile(rf"\b(?!{WORDS})(?:{'|'.join(keyword.kwlist)})\b")
LONG_NUMBER = re.compile(r"(?:\d_?){300}")


class FormulaError(ValueError):
    """A text that is no formula; the message shows where."""

    def __init__(self, what: str, text: str, position: int) -> None:
        start = max(0, position - 30)
        excerpt = text[start : position + 40]
        super().__init__(f"{what}\n    {excerpt}\n    {' ' * (position - start)}^")
        self.position = position


class Call(NamedTuple):
    """An instruction: take so many values from the stack, put back the result of the function."""

    function: Callable[..., Any]
    operands: int


class Choice(NamedTuple):
    """An instruction: run one of two programs, as a comparison of two others says."""

    compare: Callable[[Any, Any], Any]
    left: Program
    right: Program
    chosen: Program
    otherwise: Program


# A number is put on the stack, and so is the value of a name.
Instruction = float | str | Call | Choice
Program = tuple[Instruction, ...]


def functions() -> dict[str, int]:
    """Return the functions that a formula may use, each with its number of operands: rows that no operator writes."""
    return {name: len(rule.derivatives) for name, rule in RULES.items() if rule.precedence == ATOM}


class Reader:
    """Reads one text: its variables, its tree, its program."""

    def __init__(self, text: str, names: tuple[str, ...] | None) -> None:
        self.text = re.sub(r"\s", " ", text.strip())
        self.names = names
        self.found: dict[str, None] = {}  # in order
        self.constants: dict[str, None] = {}
        self.functions = functions()

    def error(self, what: str, place: ast.AST | int) -> FormulaError:
        """Return the error for a place in the text: an index, or a node of the tree."""
        if isinstance(place, ast.AST):  # the parser counts bytes
            place = len(self.text.encode()[: place.col_offset].decode())  # type: ignore[attr-defined]
        return FormulaError(what, self.text, place)

    def check_characters(self) -> None:
        """Refuse what is easier seen in the text than in its tree, and whatever might be too much for the parser."""
        if not self.text.strip():
            raise self.error("the formula is empty", 0)
        if len(self.text) > MAX_LENGTH:
            raise self.error(f"the formula has {len(self.text)} characters, at most {MAX_LENGTH} can be read", 0)
        nesting = 0
        for i, character in enumerate(self.text):
            kind = unicodedata.decomposition(character).split(" ")[0]  # "<super>" of ² and ⁿ
            hint = HINTS.get(character) or HINTS.get(kind, "")
            letter = f"x{character}".isidentifier() and not hint  # a bar above a letter is a part of a name
            if not (letter or character in "0123456789.+-*/(),<>=! "):
                raise self.error(f"{character!r} has no place in a formula{hint}", i)
            nesting += (character == "(") - (character == ")")
            if nesting > MAX_NESTING:
                raise self.error(f"brackets are nested more than {MAX_NESTING} deep", i)
        if product := IMPLICIT_PRODUCT.search(self.text):
            raise self.error(f"for a product write * after {product[1]}", product.end())
        if joined := NO_SPACE.search(self.text):
            raise self.error(f"write a space between {joined[1]} and {joined[2]}", joined.start(2))
        if number := LONG_NUMBER.search(self.text):
            raise self.error("a number of more than 300 digits cannot be read", number.start())

    def tree(self) -> ast.expr:
        """Let Python's parser read the text; it builds a tree and runs nothing."""
        try:
            return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            if (equals := SINGLE_EQUALS.search(self.text)) and "never closed" not in error.msg:
                raise self.error("no formula: a comparison is written ==", equals.start()) from None
            if word := PYTHONS_WORD.search(self.text):
                raise self.error(f"{word[0]!r} is a word of Python's own; choose another name", word.start()) from None
            raise self.error(f"no formula: {error.msg}", (error.offset or len(self.text) + 1) - 1) from None
        except (MemoryError, RecursionError):
            raise self.error("the formula is nested too deep, or has too many terms", 0) from None

    def program(self, tree: ast.expr, nesting: int) -> Program:
        """Write the tree in reverse Polish notation, from left to right, without recursion but for choices."""
        program: list[Instruction] = []
        todo: list[tuple[ast.expr | Instruction, ast.expr]] = [(tree, tree)]
        while todo:
            part, place = todo.pop()
            if isinstance(part, ast.expr):
                todo += [(inner, part) for inner in reversed(self.parts(part, nesting))]
                continue
            if isinstance(part, Call):
                split = len(program) - part.operands
                if all(isinstance(operand, float) for operand in program[split:]):
                    program[split:] = [self.constant(part, program[split:], place)]
                    continue
            program.append(part)
        return tuple(program)

    def parts(self, node: ast.expr, nesting: int) -> list[ast.expr | Instruction]:
        """Return what a node of the tree stands for: its operands, then its instruction."""
        match node:
            case ast.Constant(value=bool() | complex() | str() | bytes() | None):
                raise self.error(f"{node.value!r} is no real number", node)
            case ast.Constant(value=int() | float() as number):
                return [self.number(number, node)]
            case ast.Name(id=name):
                return [self.name(name, node)]
            case ast.UnaryOp(op=ast.UAdd(), operand=x):
                return [x]
            case ast.UnaryOp(op=ast.USub(), operand=x):
                return [x, Call(partial(apply, RULES["neg"]), 1)]
            case ast.BinOp(left=a, op=ast.Pow(), right=b):
                return [a, b, Call(_power, 2)]
            case ast.BinOp(left=a, op=op, right=b) if type(op) in OPERATORS:
                return [a, b, Call(partial(apply, RULES[OPERATORS[type(op)]]), 2)]
            case ast.Call():
                return [*node.args, self.call(node)]
            case ast.IfExp(test=ast.Compare(left=a, ops=[op], comparators=[b])) if type(op) in COMPARISONS:
                if not nesting:
                    raise self.error(f"choices are nested more than {MAX_NESTING} deep", node)
                programs = [self.program(part, nesting - 1) for part in (a, b, node.body, node.orelse)]
                return [Choice(COMPARISONS[type(op)], *programs)]
            case ast.IfExp():
                raise self.error(
                    "after `if` goes one comparison, such as a > 0; for two, write a choice in brackets within another",
                    node.test,
                )
            case ast.Compare():
                raise self.error("a comparison is no number; write 1 if a > 0 else 0", node)
        what = REFUSED.get(type(node), type(node).__name__)
        raise self.error(f"{what} has no place in a formula", node)

    def number(self, number: float, node: ast.expr) -> float:
        """Return a number as a float, or refuse one that is too large."""
        if abs(number) > MAX_FLOAT:
            raise self.error("the number is larger than the largest float, 1.8e308", node)
        return float(number)

    def name(self, name: str, node: ast.expr) -> str | float:
        """Return a variable, or the value of pi or e."""
        if name in (self.names or ()):
            return name
        if name in CONSTANTS:
            self.constants[name] = None
            return CONSTANTS[name]
        if name in self.functions:
            raise self.error(f"{name!r} is a function; write {name}(...)", node)
        if self.names is not None:
            raise self.error(f"unknown name {name!r}; the variables are {', '.join(self.names) or 'none'}", node)
        self.found[name] = None
        return name

    def call(self, node: ast.Call) -> Call:
        """Return the instruction of a call, or refuse it: unknown function, wrong number of operands."""
        if not isinstance(node.func, ast.Name):
            raise self.error("only a function can be called; for a product write *", node)
        name = node.func.id
        if name not in self.functions:
            known = ", ".join(self.functions)
            hint = f"write {OTHER_NAMES[name]}" if name in OTHER_NAMES else "for a product write *"
            raise self.error(f"unknown function {name!r}; {hint}; the functions are {known}", node)
        if node.keywords or len(node.args) != self.functions[name]:
            count = len(node.args) + len(node.keywords)
            raise self.error(f"{name} takes {self.functions[name]} operands without names, got {count}", node)
        return Call(partial(apply, RULES[name]), len(node.args))

    def constant(self, call: Call, operands: Iterable[Any], place: ast.expr) -> float:
        """Work out an operation on numbers, so that 10**10**10 and log(-1) are found now and not when it runs."""
        try:
            value = float(call.function(*operands))
        except (ValueError, ArithmeticError) as error:
            raise self.error(str(error), place) from error
        return self.number(value, place)


def _power(base: Any, exponent: Any) -> Any:
    """Apply the row for a constant exponent where it is a plain number: that one takes any base."""
    if isinstance(exponent, float):
        return apply(power_by(exponent), base)
    return apply(RULES["power"], base, exponent)
