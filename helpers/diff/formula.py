"""From the text of a formula to a function: Python's parser reads it, we walk the tree, nothing is ever evaluated.

>>> f = parse("log(x1) + x1*x2 - sin(x2)")
>>> f.names
('x1', 'x2')
>>> round(f(2.0, 5.0), 6)
11.652071

The function runs on every number type: floats, NumPy arrays, `Scalar`, `Dual`, `Symbol`. A formula may hold numbers,
names, ``+ - * / **``, brackets, the functions of the table of rules, pi and e, and a choice
``a + b if a > 0 else a + c``. Everything else is refused, with the place where it stands: the list is one of what is
allowed, so nobody had to think of all that might be harmful.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from helpers.diff.expressions import checked_value
from helpers.diff.formula_reader import (
    MAX_NESTING,
    SINGLE_EQUALS,
    Call,
    Choice,
    FormulaError,
    Program,
    Reader,
    functions,
)
from helpers.diff.names import checked_name

__all__ = ["Formula", "FormulaError", "parse", "read_values"]


class Formula:
    """A function of numbers of any type, made by `parse`.

    Attributes
    ----------
    text : str
        The formula as it was written.
    names : tuple of str
        The variables, in the order in which a call takes them, as Python spells them.
    constants : tuple of str
        Which of pi, π and e stand for the constant.
    """

    __slots__ = ("_program", "constants", "names", "text")

    def __init__(self, text: str, names: tuple[str, ...], program: Program, constants: tuple[str, ...] = ()) -> None:
        self.text, self.names, self._program, self.constants = text, names, program, constants

    def __call__(self, *values: Any) -> Any:
        """Return the value of the formula; whole numbers are taken as floats.

        Raises
        ------
        TypeError, ValueError
            If there are too many or too few values, or one is no number; DomainError as the operations raise it.
        """
        if len(values) != len(self.names):
            expected = f"{len(self.names)} values ({', '.join(self.names)})" if self.names else "no values"
            raise TypeError(f"the formula {self.text!r} takes {expected}, got {len(values)}")
        return run(self._program, {name: checked_value(name, value) for name, value in zip(self.names, values)})

    def __repr__(self) -> str:
        return f"parse({self.text!r}, names={self.names})"


def run(program: Program, values: Mapping[str, Any]) -> Any:
    """Run a program in reverse Polish notation: operands come first, operations take them from a stack."""
    stack: list[Any] = []
    for instruction in program:
        match instruction:
            case float():
                stack.append(instruction)
            case str():
                stack.append(values[instruction])
            case Call(function, operands):
                split = len(stack) - operands
                stack[split:] = [function(*stack[split:])]
            case Choice(compare, left, right, chosen, otherwise):
                holds = compare(run(left, values), run(right, values))
                if np.ndim(holds):
                    raise ValueError("a comparison takes numbers, got an array; call the formula a point at a time")
                stack.append(run(chosen if holds else otherwise, values))
    (result,) = stack
    return result


def parse(text: str, names: Iterable[str] | None = None) -> Formula:
    """Turn the text of a formula into a function.

    Parameters
    ----------
    text : str
        At most 20,000 characters and some 2,000 terms, with brackets at most 50 deep.
    names : iterable of str, optional
        The variables, in the order in which the function is to take them; others are refused. By default all names
        that are neither functions nor pi or e, in the order in which they first stand in the text.

    Returns
    -------
    Formula
        Parts without a variable are worked out already.

    Raises
    ------
    FormulaError
        A ValueError that names what cannot be read, and shows where it stands.
    TypeError, ValueError
        If text is no str, or names are no variables.

    Notes
    -----
    Time and memory are linear in the length of the text.

    Examples
    --------
    >>> parse("x^2")
    Traceback (most recent call last):
    helpers.diff.formula_reader.FormulaError: '^' has no place in a formula; for a power write **
        x^2
         ^
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a formula as a str, got {text!r}")
    reader = Reader(text, None if names is None else checked_names(names))
    reader.check_characters()
    program = reader.program(reader.tree(), MAX_NESTING)
    return Formula(
        text, tuple(reader.found) if reader.names is None else reader.names, program, tuple(reader.constants)
    )


def checked_names(names: Iterable[str], what: str = "names") -> tuple[str, ...]:
    """Return the names as a tuple, or raise an error that says which of them cannot be a variable."""
    chosen = tuple(checked_name(name, what) for name in ((names,) if isinstance(names, str) else names))
    for name in chosen:
        if name in functions():
            raise ValueError(f"{what}: {name!r} is a function; choose another name")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"names must differ from one another, got {chosen}")
    return chosen


def read_values(text: str) -> dict[str, float]:
    """Read the text "x1 = 2, x2 = pi/3": names, and formulas without a variable; a new line parts like a comma.

    Raises
    ------
    ValueError
        If a part is not ``name = number``, or a name stands twice.
    """
    values: dict[str, float] = {}
    for part in _parts(text):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not (name or equals):
            continue  # nothing between two commas
        if not equals or SINGLE_EQUALS.search(number):
            decimals = "; write decimals with a point" if name.isdecimal() else ""
            raise ValueError(
                f"at: write name = number, with a comma between two of them, got {part.strip()!r}{decimals}"
            )
        (name,) = checked_names([name], "at: the name before =")
        if name in values:
            raise ValueError(f"at: {name} has two values")
        try:
            values[name] = float(parse(number, names=())())
        except FormulaError as error:
            raise ValueError(f"at: the value of {name} must be a number such as 2 or pi/3\n{error}") from error
        if not math.isfinite(values[name]):
            raise ValueError(f"at: the value of {name} must be finite, got {number}")
    return values


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between commas, semicolons and new lines that are in no brackets."""
    start = depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth <= 0 and character in ",;\n":
            yield text[start:i]
            start = i + 1
    yield text[start:]
