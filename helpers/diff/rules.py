"""The table of rules: each elementary operation with its value and its derivatives, stated once.

A row writes its derivatives with operations of the same table, so the table does not care what it runs on. On floats
the rows give values and local derivatives: automatic differentiation. On symbols they give expressions: symbolic
differentiation (Laue, 2019). A new operation is one row; the functions and Python's operators are made from the rows.

At a kink the derivatives are those that torch takes: relu has 0 at 0, the absolute value has 0 at 0, and maximum and
minimum give one half to each operand at a tie. On complex numbers the operations with a kink look at the real part,
which is what the complex step needs.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RULES", "absolute", "cos", "exp", "log", "maximum", "minimum", "relu", "sigmoid", "sign", "sin", "sqrt", "step",
    "tan", "tanh",
]  # fmt: skip

Function = Callable[..., Any]
SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)  # how tightly a written operation binds; a function binds like an atom
COMMANDS = {"exp", "log", "sin", "cos", "tan", "tanh"}  # that LaTeX has under the same name


class DomainError(ValueError):
    """An operation met a value outside its domain; the message names both."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One row of the table. Without a text it is written as a function."""

    name: str
    value: Function  # (*operands) -> result, on Python floats
    array_value: Function  # on complex numbers and NumPy's; float32 stays float32, complex stays complex
    derivatives: tuple[Function, ...]  # one for each operand, called as derivative(result, *operands)
    text: str = ""  # with {0} and {1} for the operands
    latex: str = ""
    domain: Function | None = None  # (*operands) -> bool, of real operands; None: every number will do
    needs: str = ""  # the domain in words
    precedence: int = ATOM
    exponent: int | float | None = None  # of a rule that `power_by` made

    def __post_init__(self) -> None:
        if not self.text:
            operands = ", ".join(f"{{{i}}}" for i in range(len(self.derivatives)))
            command = self.name if self.name in COMMANDS else f"operatorname{{{{{self.name}}}}}"
            object.__setattr__(self, "text", f"{self.name}({operands})")
            object.__setattr__(self, "latex", self.latex or rf"\{command}\left({operands}\right)")


# How a row is carried out.


def apply(rule: Rule, *operands: Any) -> Any:
    """Apply an operation to operands of any type: numbers, arrays, or number types of this package.

    A value outside the domain raises DomainError, a result above the largest float OverflowError.

    >>> apply(RULES["mul"], 2.0, 5.0)
    10.0
    >>> apply(RULES["log"], -1.0)
    Traceback (most recent call last):
    helpers.diff.rules.DomainError: log needs x > 0, got -1.0
    """
    engine: type[Operators] = Operators
    plain = True
    for operand in operands:
        if type(operand) is not float and type(operand) is not int:
            plain = False
            if isinstance(operand, Operators) and operand.rank > engine.rank:
                engine = type(operand)
    if plain:
        return value_of_floats(rule, *operands)
    if engine is not Operators:
        return engine.apply(rule, *operands)
    for operand in operands:
        if not is_number(operand):
            raise TypeError(f"{rule.name} takes numbers, got {operand!r} of type {type(operand).__name__}")
    # NumPy's whole numbers and bools would overflow in silence, or lose digits in float16
    whole = [isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biu" for x in operands]
    operands = tuple([x * 1.0 if each else x for x, each in zip(operands, whole)])
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
    """Return the derivative in an operand; where it is not finite though the value is, as of sqrt at 0, DomainError."""
    try:
        if not isinstance(result, (np.ndarray, np.generic)):
            return rule.derivatives[index](result, *operands)
        with np.errstate(divide="raise", invalid="raise"):  # as Python's floats do by themselves
            return rule.derivatives[index](result, *operands)
    except (ZeroDivisionError, FloatingPointError) as error:
        raise DomainError(f"{rule.name} has no finite derivative at {_listed(operands)}") from error


def check_domain(rule: Rule, *operands: Any) -> None:
    """Raise a DomainError with the first value outside the domain; complex numbers always lie inside."""
    if rule.domain is None or any(map(np.iscomplexobj, operands)) or np.all(inside := rule.domain(*operands)):
        return
    where, shape = "", np.broadcast_shapes(*map(np.shape, operands))
    if shape:
        index = tuple(int(i) for i in np.argwhere(~np.broadcast_to(inside, shape))[0])
        operands = tuple(np.broadcast_to(operand, shape)[index] for operand in operands)
        where = f" at index {index}"
    raise DomainError(f"{rule.name} needs {rule.needs}, got {_listed(operands)}{where}")


def _listed(operands: tuple[Any, ...]) -> str:
    return " and ".join(str(operand) for operand in operands)


def is_number(operand: object) -> bool:
    """Return whether something is a number, or a NumPy array of numbers."""
    if isinstance(operand, (np.ndarray, np.generic)):
        return operand.dtype.kind in "biufc"
    return isinstance(operand, (int, float, complex))


# What all number types have in common: Python's operators, and no way out but ``x.value``. What leaves a number type
# loses its derivative, in silence; NumPy's functions make arrays of their operands, which is such a way.


def _kept_in(way: str) -> Any:
    """Make the method that refuses a way out."""

    def refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            f"{way} would turn {type(self).__name__} into plain numbers, and its derivative would be lost: compute "
            "with operators and the functions of helpers.diff (sin, exp, ...); for the plain number say x.value"
        )

    return refuse


def _operator(name: str) -> tuple[Any, Any]:
    """Make the two methods of a row's operator, for an operand on its left and for one on its right only."""

    def method(self: Any, other: Any) -> Any:
        return apply(RULES[name], self, other) if _fits(other) else NotImplemented  # Python then names both types

    def reflected(self: Any, other: Any) -> Any:
        return apply(RULES[name], other, self) if _fits(other) else NotImplemented

    return method, reflected


def _fits(other: Any) -> bool:
    return isinstance(other, Operators) or is_number(other)


def _comparison(compare: Callable[[Any, Any], Any]) -> Any:
    """Make a comparison by value, so that control flow works; nothing is recorded."""
    return lambda self, other: compare(self.value, other.value if getattr(other, "rank", 0) == self.rank else other)


class Operators:
    """The operators of a number type, which itself adds ``rank``, ``value`` and ``apply``.

    Symbols have the rank 1, Arrays 2, Scalars 3, Duals 4. Of several operands the highest carries an operation out.
    """

    __slots__ = ()
    rank: ClassVar[int] = 0
    value: Any
    apply: ClassVar[Function]  # (rule, *operands), of which at least one is of this type

    __add__, __radd__ = _operator("add")
    __sub__, __rsub__ = _operator("sub")
    __mul__, __rmul__ = _operator("mul")
    __truediv__, __rtruediv__ = _operator("div")
    _power, __rpow__ = _operator("power")

    def __pow__(self, other: Any) -> Any:
        exponent = other.item() if isinstance(other, (np.ndarray, np.generic)) and other.ndim == 0 else other
        return apply(power_by(exponent), self) if isinstance(exponent, (int, float)) else self._power(other)

    def __neg__(self) -> Any:
        return apply(RULES["neg"], self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return apply(RULES["abs"], self)

    __lt__, __le__, __gt__, __ge__ = map(_comparison, (operator.lt, operator.le, operator.gt, operator.ge))
    __eq__, __ne__ = map(_comparison, (operator.eq, operator.ne))
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.value)

    __reduce_ex__ = _kept_in("a copy")  # it would be another input, whose gradient nobody asks for
    __float__ = _kept_in("float(x), or a function of math,")
    __array__ = _kept_in("an array of NumPy (made of it, filled with it, or by a function such as np.exp)")

    def __array_function__(self, function: Any, *_: Any) -> Any:
        return _kept_in(f"{function.__module__}.{function.__name__}")(self)

    __array_priority__ = 1000.0  # NumPy's arrays and numbers leave an operator to us


class Indexed(Operators):
    """What number types with axes have besides."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


def kept_index(index: Any) -> Any:
    """Return an index of NumPy's with its lists and arrays copied: the way back needs them later as they are now."""

    def kept(part: Any) -> Any:
        if not isinstance(part, (list, tuple, np.ndarray)):
            return part
        return np.array(part) if np.size(part) or isinstance(part, np.ndarray) else np.array(part, np.intp)

    return tuple(map(kept, index)) if isinstance(index, tuple) else kept(index)


def real_numbers(value: Any, name: str) -> NDArray[Any]:
    """Return a copy of real numbers as an array, or raise an error that says what ``name`` must be."""
    array = np.array(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got {value!r:.80} ({array.dtype})")
    return array


# Values that neither Python nor NumPy has. `np.where(...)[()]` makes a number of an array without axes.


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))  # never overflows
    return (1.0 if x >= 0 else small) / (1.0 + small)


def _sigmoid_of_array(x: Any) -> Any:
    small = np.exp(np.where(np.real(x) >= 0, -x, x))
    return (np.where(np.real(x) >= 0, 1, small) / (1 + small))[()]


def _magnitude(x: Any) -> Any:
    return np.where(np.real(x) < 0, -x, x)[()] if np.iscomplexobj(x) else np.abs(x)


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0)) if x == x else x


# The table. A derivative is called as derivative(result, *operands): tanh'(x) = 1 - y², from the result y alone.

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("add", operator.add, np.add, (lambda y, a, b: 1, lambda y, a, b: 1), "{0} + {1}", "{0} + {1}",
             precedence=SUM),
        Rule("sub", operator.sub, np.subtract, (lambda y, a, b: 1, lambda y, a, b: -1), "{0} - {1}", "{0} - {1}",
             precedence=SUM),
        Rule("mul", operator.mul, np.multiply, (lambda y, a, b: b, lambda y, a, b: a), "{0} * {1}", r"{0} \, {1}",
             precedence=PRODUCT),
        Rule("div", operator.truediv, np.divide, (lambda y, a, b: 1 / b, lambda y, a, b: -y / b),
             "{0} / {1}", r"\frac{{{0}}}{{{1}}}", lambda a, b: b != 0, "a divisor that is not 0",
             precedence=PRODUCT),
        Rule("neg", operator.neg, np.negative, (lambda y, x: -1,), "-{0}", "-{0}", precedence=SIGN),
        Rule("power", operator.pow, np.power, (lambda y, a, b: b * a ** (b - 1), lambda y, a, b: y * log(a)),
             "{0} ** {1}", "{0}^{{{1}}}", lambda a, b: a > 0, "a base > 0 (a plain number as exponent takes any base)",
             precedence=POWER),
        Rule("exp", math.exp, np.exp, (lambda y, x: y,)),
        Rule("log", math.log, np.log, (lambda y, x: 1 / x,), domain=lambda x: x > 0, needs="x > 0"),
        Rule("sqrt", math.sqrt, np.sqrt, (lambda y, x: 1 / (2 * y),), latex=r"\sqrt{{{0}}}",
             domain=lambda x: x >= 0, needs="x >= 0"),
        Rule("sin", math.sin, np.sin, (lambda y, x: cos(x),)),
        Rule("cos", math.cos, np.cos, (lambda y, x: -sin(x),)),
        Rule("tan", math.tan, np.tan, (lambda y, x: 1 + y * y,)),
        Rule("tanh", math.tanh, np.tanh, (lambda y, x: 1 - y * y,)),
        Rule("sigmoid", _sigmoid, _sigmoid_of_array, (lambda y, x: y * (1 - y),)),
        Rule("relu", lambda x: max(x, 0.0), lambda x: np.maximum(x, np.zeros_like(x)), (lambda y, x: step(x),)),
        Rule("abs", abs, _magnitude, (lambda y, x: sign(x),), latex=r"\left|{0}\right|"),
        Rule("maximum", lambda a, b: a if a >= b or a != a else b, np.maximum,
             (lambda y, a, b: (1 + sign(a - b)) / 2, lambda y, a, b: (1 + sign(b - a)) / 2),
             latex=r"\max\left({0}, {1}\right)"),
        Rule("minimum", lambda a, b: a if a <= b or a != a else b, np.minimum,
             (lambda y, a, b: (1 + sign(b - a)) / 2, lambda y, a, b: (1 + sign(a - b)) / 2),
             latex=r"\min\left({0}, {1}\right)"),
        Rule("step", lambda x: max(_sign(x), 0.0), lambda x: np.heaviside(np.real(x), np.zeros_like(np.real(x))),
             (lambda y, x: 0 * y,)),
        Rule("sign", _sign, lambda x: np.sign(np.real(x)), (lambda y, x: 0 * y,)),
    )
}  # fmt: skip


def power_by(exponent: float) -> Rule:
    """Return the rule of x to a constant power: a whole number takes every base, a fraction takes bases >= 0."""
    return _power_by(int(exponent) if float(exponent).is_integer() else float(exponent))


@lru_cache(maxsize=256)
def _power_by(n: int | float) -> Rule:
    def derivative(y: Any, x: Any) -> Any:
        return n * x ** (n - 1) if n not in (0, 1, 2) else 2 * x if n == 2 else n

    domain, needs = None, ""
    if isinstance(n, float):
        domain, needs = ((lambda x: x >= 0), "x >= 0") if n > 0 else ((lambda x: x > 0), "x > 0")
    elif n < 0:
        domain, needs = (lambda x: x != 0), "x that is not 0"
    return Rule(
        "power_by", lambda x: float(x) ** n, lambda x: np.power(x, n), (derivative,), f"{{0}} ** {n}",
        f"{{0}}^{{{{{n}}}}}", domain, f"{needs} for the exponent {n}", POWER, n,
    )  # fmt: skip


def function_of(name: str) -> Function:
    """Make the function of a row, for numbers of every type."""

    def of_one(x: Any) -> Any:
        return apply(RULES[name], x)

    def of_two(a: Any, b: Any) -> Any:
        return apply(RULES[name], a, b)

    function: Function = of_one if len(RULES[name].derivatives) == 1 else of_two
    function.__name__ = function.__qualname__ = "absolute" if name == "abs" else name
    function.__doc__ = f"Return {name} of numbers of any type."
    return function


log: Function = function_of("log")
exp: Function = function_of("exp")
sqrt: Function = function_of("sqrt")
sin: Function = function_of("sin")
cos: Function = function_of("cos")
tan: Function = function_of("tan")
tanh: Function = function_of("tanh")
sigmoid: Function = function_of("sigmoid")
relu: Function = function_of("relu")
step: Function = function_of("step")
sign: Function = function_of("sign")
absolute: Function = function_of("abs")
maximum: Function = function_of("maximum")
minimum: Function = function_of("minimum")
