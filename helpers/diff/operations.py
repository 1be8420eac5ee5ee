"""What an elementary operation is, and how it finds the number type that carries it out.

`rules` holds the table of all operations; here is the form of a row, `apply`, which runs a row on operands of any type,
and the errors for operands that no row can take. `Operand` is what all number types have in common: no value leaves
them unseen, and NumPy's functions on them do what `helpers.diff.numpy_functions` says, or are refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

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


NUMPY: dict[Any, Callable[..., Any]] = {}  # what does the work of a function of NumPy: `numpy_functions` fills it


def _kept_in(way: str) -> Callable[..., Any]:
    """Make the method that refuses a way out of the number type: what leaves has no derivative any more."""

    def refuse(self: Operand, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            f"{way} would turn {type(self).__name__} into plain numbers, and its derivative would be lost: compute "
            "with operators and the functions of helpers.diff (sin, exp, stack, ...); for the plain number say x.value"
        )

    return refuse


class Operand:
    """The base of every number type of this package.

    Attributes
    ----------
    rank : int
        Of the operands of one operation, the type of the highest rank carries it out: Symbol 1, Array 2, Scalar 3,
        Dual 4.
    """

    __slots__ = ()
    rank: ClassVar[int] = 0

    @classmethod
    def apply(cls, rule: Rule, *operands: Any) -> Any:
        """Carry out an operation of which at least one operand is of this type."""
        raise NotImplementedError(f"{cls.__name__} must say how it applies a rule")

    __float__ = __complex__ = _kept_in("float(x), or a function of math,")
    __int__ = __trunc__ = __floor__ = __ceil__ = _kept_in("int(x), or a rounding,")
    __round__ = _kept_in("round(x)")
    __index__ = _kept_in("an index or a count")
    __array__ = _kept_in("an array of NumPy (made of it, or filled with it)")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        name = f"numpy.{ufunc.__name__}" if ufunc.__name__ in vars(np) else ufunc.__name__
        name += "" if method == "__call__" else f".{method}"
        if "out" in options:
            self._refuse(name, "cannot write into out: write a = a + x, not a += x, where a is a plain array")
        if options:
            self._refuse(name, f"takes no option {', '.join(options)}")
        return self._as_numpy(NUMPY.get(ufunc) if method == "__call__" else None, name, inputs, {})

    def __array_function__(
        self, function: Callable[..., Any], types: Any, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        name = f"{function.__module__}.{function.__name__}"
        ours = NUMPY.get(function)
        if ours is not None:
            try:
                inspect.signature(ours).bind(*arguments, **options)
            except TypeError as error:  # an option of NumPy's that we do not have is never dropped
                self._refuse(name, f"takes less here than on plain arrays ({error})")
        return self._as_numpy(ours, name, arguments, options)

    def _as_numpy(self, ours: Callable[..., Any] | None, name: str, arguments: Any, options: dict[str, Any]) -> Any:
        result = NotImplemented if ours is None else ours(*arguments, **options)
        if result is NotImplemented:
            self._refuse(name, "has no rule here")
        return result

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise TypeError(
            f"{name} on {type(self).__name__} {why}. Compute with operators, with x.sum and its like, and with "
            "the functions of helpers.diff (sin, maximum, where, stack, ...); for plain numbers say x.value"
        )


def call(f: Callable[..., Any], *arguments: Any) -> Any:
    """Call a reader's function. Where a value may not leave, NumPy speaks of "a sequence" only: tell the cause."""
    try:
        return f(*arguments)
    except ValueError as error:
        if isinstance(error.__cause__, TypeError) and "array element" in str(error):
            raise error.__cause__ from None
        raise


def no_copy(self: Any, *_: Any) -> NoReturn:
    """Refuse copies and pickles of a node: the copy would be another input, whose gradient nobody asks for."""
    kind = type(self).__name__
    raise TypeError(f"a copy of a {kind} would be no part of the computation; for a new input say {kind}(x.value)")


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
    operands = tuple([floating(operand) for operand in operands])
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


def floating(operand: Any) -> Any:
    """Make floats of NumPy's whole numbers and bools, which would overflow in silence, or lose digits in float16."""
    whole = isinstance(operand, (np.ndarray, np.generic)) and operand.dtype.kind in "biu"
    return operand * 1.0 if whole else operand


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
