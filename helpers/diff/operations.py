"""What an elementary operation is, and how it finds the number type that carries it out.

`rules` holds the table of all operations; here is the form of a row, `apply`, which runs a row on operands of any type,
and the errors for operands that no row can take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)  # how tightly a written operation binds; a function binds like an atom


class DomainError(ValueError):
    """An operation met a value outside its domain; the message names both."""


class DivisionByZero(DomainError, ZeroDivisionError):
    """A domain error that is Python's ZeroDivisionError too: code that catches that one works on every number type."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One row of the table.

    Attributes
    ----------
    name : str
        The key of the row.
    value : callable
        ``(*operands) -> result`` on Python floats.
    array_value : callable
        The same on NumPy numbers and arrays and on complex numbers; float32 stays float32, complex stays complex.
    derivatives : tuple of callable
        One for each operand, called as ``derivative(result, *operands)``.
    text, latex : str
        How the operation is written, with ``{0}`` and ``{1}`` for its operands.
    domain : callable, optional
        ``(*operands) -> bool`` (of arrays, an array of bool) for real operands; None where every number will do.
    needs : str
        The domain in words.
    error : type
        What is raised outside the domain.
    precedence : int
        How tightly it binds when written: `SUM`, `PRODUCT`, `SIGN`, `POWER` or `ATOM`.
    exponent : int or float, optional
        Of a rule that `helpers.diff.rules.power_by` made.
    """

    name: str
    value: Callable[..., Any]
    array_value: Callable[..., Any]
    derivatives: tuple[Callable[..., Any], ...]
    text: str
    latex: str
    domain: Callable[..., Any] | None = None
    needs: str = ""
    error: type[DomainError] = DomainError
    precedence: int = ATOM
    exponent: int | float | None = None


class Operand:
    """The base of every number type of this package.

    Attributes
    ----------
    rank : int
        Of the operands of one operation, the type of the highest rank carries it out: Symbol 1, Array 2, Scalar 3,
        Dual 4.
    """

    __slots__ = ()
    __array_ufunc__ = None  # a NumPy number or array on the left of an operator leaves the work to us
    rank: ClassVar[int] = 0

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Any:
        """Carry out an operation of which at least one operand is of this type."""
        raise NotImplementedError(f"{cls.__name__} must say how it applies a rule")


def apply(rule: Rule, *operands: Any) -> Any:
    """Apply an operation to operands of any number type.

    Parameters
    ----------
    rule : Rule
        A row of the table, or ``power_by(n)``.
    operands : number, ndarray or Operand
        One for each derivative of the rule. If there is an `Operand` among them, the type of the highest rank does the
        work with its own ``apply``; otherwise the rule's value is computed.

    Raises
    ------
    DomainError
        If a value lies outside the domain.
    OverflowError
        If the result is larger than the largest float.
    TypeError
        If an operand is no number.

    Examples
    --------
    >>> from helpers.diff.rules import RULES
    >>> apply(RULES["mul"], 2.0, 5.0)
    10.0
    >>> apply(RULES["log"], -1.0)
    Traceback (most recent call last):
    helpers.diff.operations.DomainError: log needs x > 0, got -1.0
    """
    engine: type[Operand] = Operand
    plain = True
    for operand in operands:
        if type(operand) is not float and type(operand) is not int:
            plain = False
            if isinstance(operand, Operand) and operand.rank > engine.rank:
                engine = type(operand)
    if plain:
        return value_of_floats(rule, *operands)
    if engine is not Operand:
        return engine.apply(rule, *operands)
    for operand in operands:
        if not is_number(operand):
            raise TypeError(f"{rule.name} takes numbers, got {operand!r} of type {type(operand).__name__}")
    check_domain(rule, *operands)
    return rule.array_value(*operands)


def value_of_floats(rule: Rule, *operands: float) -> Any:
    """Evaluate a rule on Python floats; the errors are those of `apply`."""
    if rule.domain is not None and not rule.domain(*operands):
        check_domain(rule, *operands)
    try:
        return rule.value(*operands)
    except OverflowError as error:
        raise OverflowError(f"{rule.name} of {_listed(operands)} is larger than the largest float, 1.8e308") from error
    except ValueError as error:  # what math says of the sine of infinity
        raise DomainError(f"{rule.name} has no value at {_listed(operands)}") from error


def local_derivative(rule: Rule, index: int, result: Any, operands: tuple[Any, ...]) -> Any:
    """Return the derivative of an operation in the operand number ``index``.

    Raises
    ------
    DomainError
        Where the value is finite and its derivative is not: sqrt at 0.
    """
    try:
        if not isinstance(result, (np.ndarray, np.generic)):
            return rule.derivatives[index](result, *operands)
        with np.errstate(divide="raise", invalid="raise"):  # as Python's floats do by themselves
            return rule.derivatives[index](result, *operands)
    except (ZeroDivisionError, FloatingPointError) as error:
        raise DomainError(f"{rule.name} has no finite derivative at {_listed(operands)}") from error


def is_number(operand: object) -> bool:
    """Return whether something is a number, or a NumPy array of numbers."""
    if isinstance(operand, (np.ndarray, np.generic)):
        return operand.dtype.kind in "biufc"
    return isinstance(operand, (int, float, complex))


def check_domain(rule: Rule, *operands: Any) -> None:
    """Raise DomainError, with operation and value, unless the operands lie in the domain; complex ones always do."""
    if rule.domain is None or any(np.iscomplexobj(operand) for operand in operands):
        return
    inside = rule.domain(*operands)
    if np.all(inside):
        return
    where, shape = "", np.broadcast_shapes(*map(np.shape, operands))
    if shape:
        index = tuple(int(i) for i in np.argwhere(~np.broadcast_to(inside, shape))[0])
        operands = tuple(np.broadcast_to(operand, shape)[index] for operand in operands)
        where = f" at index {index[0] if len(index) == 1 else index}"
    raise rule.error(f"{rule.name} needs {rule.needs}, got {_listed(operands)}{where}")


def _listed(operands: tuple[Any, ...]) -> str:
    return " and ".join(str(operand) for operand in operands)
