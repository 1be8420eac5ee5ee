"""The table of rules: each elementary operation with its value and its derivatives, stated once.

A row writes its derivatives with operations of the same table, so the table does not care what it runs on. On floats
the rows give values and local derivatives: automatic differentiation. On symbols they give expressions: symbolic
differentiation (Laue, 2019, "On the equivalence of forward mode automatic differentiation and symbolic
differentiation"). A new operation is one row: every number type and every formula then takes it, by
``apply(RULES[name], ...)``. A function of its own name, such as `exp`, is written below the table.

The elementary functions (`log`, `exp`, `sin`, ...) are generic: one `exp` for floats, complex numbers, NumPy arrays and
every number type of this package. `Operators` gives a number type Python's arithmetic operators.

At a kink the derivatives are those that torch takes: relu has 0 at 0, the absolute value has 0 at 0, and maximum and
minimum give one half to each operand at a tie. On complex numbers the operations with a kink look at the real part,
which is what the complex step needs (Martins, Sturdza & Alonso, 2003).
"""

from __future__ import annotations

import math
import operator
from functools import lru_cache
from typing import Any

import numpy as np

from helpers.diff.operations import (
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    DivisionByZero,
    DomainError,
    Operand,
    Rule,
    apply,
    check_domain,
    is_number,
    local_derivative,
    no_copy,
    value_of_floats,
)

__all__ = [
    "RULES", "DivisionByZero", "DomainError", "Operand", "Operators", "Rule", "absolute", "apply", "check_domain",
    "cos", "exp", "is_number", "local_derivative", "log", "maximum", "minimum", "no_copy", "power_by", "relu",
    "sigmoid", "sign", "sin", "sqrt", "step", "tan", "tanh", "value_of_floats",
]  # fmt: skip

EXPONENTS = 256  # so many rules with a constant exponent are kept for the next time


# Values that neither Python nor NumPy has. `np.where(...)[()]` makes a number of an array without axes.


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))  # never overflows
    return (1.0 if x >= 0 else small) / (1.0 + small)


def _sigmoid_of_array(x: Any) -> Any:
    small = np.exp(np.where(np.real(x) >= 0, -x, x))
    return (np.where(np.real(x) >= 0, 1, small) / (1 + small))[()]


# NaN is the only number that is not itself: where a is NaN, so is the larger or the smaller of a and b.


def _larger(a: Any, b: Any) -> Any:
    return np.where((np.real(a) >= np.real(b)) | (a != a), a, b)[()] if _complex(a, b) else np.maximum(a, b)


def _smaller(a: Any, b: Any) -> Any:
    return np.where((np.real(a) <= np.real(b)) | (a != a), a, b)[()] if _complex(a, b) else np.minimum(a, b)


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0)) if x == x else x


def _side(a: Any, b: Any) -> Any:
    """Return the sign of a - b, and 0 at a tie: two infinite numbers have no difference."""
    if not (is_number(a) and is_number(b)):
        return sign(a - b)
    if type(a) is type(b) is float:
        return 0.0 if a == b else _sign(a - b)
    with np.errstate(invalid="ignore"):
        return np.where(np.equal(a, b), 0.0, np.sign(np.real(np.subtract(a, b))))[()]


def _magnitude(x: Any) -> Any:
    return np.where(np.real(x) < 0, -x, x)[()] if _complex(x) else np.abs(x)


def _complex(*operands: Any) -> bool:
    return any(np.iscomplexobj(operand) for operand in operands)


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
             "{0} / {1}", r"\frac{{{0}}}{{{1}}}", lambda a, b: b != 0, "a divisor that is not 0", DivisionByZero,
             precedence=PRODUCT),
        Rule("neg", operator.neg, np.negative, (lambda y, x: -1,), "-{0}", "-{0}", precedence=SIGN),
        Rule("power", operator.pow, np.power, (lambda y, a, b: b * a ** (b - 1), lambda y, a, b: y * log(a)),
             "{0} ** {1}", "{0}^{{{1}}}", lambda a, b: a > 0, "a base > 0 (a plain number as exponent takes any base)",
             precedence=POWER),
        Rule("exp", math.exp, np.exp, (lambda y, x: y,), "exp({0})", r"\exp\left({0}\right)"),
        Rule("log", math.log, np.log, (lambda y, x: 1 / x,), "log({0})", r"\log\left({0}\right)",
             lambda x: x > 0, "x > 0"),
        Rule("sqrt", math.sqrt, np.sqrt, (lambda y, x: 1 / (2 * y),), "sqrt({0})", r"\sqrt{{{0}}}",
             lambda x: x >= 0, "x >= 0"),
        Rule("sin", math.sin, np.sin, (lambda y, x: cos(x),), "sin({0})", r"\sin\left({0}\right)"),
        Rule("cos", math.cos, np.cos, (lambda y, x: -sin(x),), "cos({0})", r"\cos\left({0}\right)"),
        Rule("tan", math.tan, np.tan, (lambda y, x: 1 + y * y,), "tan({0})", r"\tan\left({0}\right)"),
        Rule("tanh", math.tanh, np.tanh, (lambda y, x: 1 - y * y,), "tanh({0})", r"\tanh\left({0}\right)"),
        Rule("sigmoid", _sigmoid, _sigmoid_of_array, (lambda y, x: y * (1 - y),),
             "sigmoid({0})", r"\operatorname{{sigmoid}}\left({0}\right)"),
        Rule("relu", lambda x: max(x, 0.0), lambda x: _larger(x, np.zeros_like(x)), (lambda y, x: step(x),),
             "relu({0})", r"\operatorname{{relu}}\left({0}\right)"),
        Rule("abs", abs, _magnitude, (lambda y, x: sign(x),), "abs({0})", r"\left|{0}\right|"),
        Rule("maximum", lambda a, b: a if a >= b or a != a else b, _larger,
             (lambda y, a, b: (1 + _side(a, b)) / 2, lambda y, a, b: (1 + _side(b, a)) / 2),
             "maximum({0}, {1})", r"\max\left({0}, {1}\right)"),
        Rule("minimum", lambda a, b: a if a <= b or a != a else b, _smaller,
             (lambda y, a, b: (1 + _side(b, a)) / 2, lambda y, a, b: (1 + _side(a, b)) / 2),
             "minimum({0}, {1})", r"\min\left({0}, {1}\right)"),
        Rule("step", lambda x: max(_sign(x), 0.0), lambda x: np.heaviside(np.real(x), np.zeros_like(np.real(x))),
             (lambda y, x: 0 * y,), "step({0})", r"\operatorname{{step}}\left({0}\right)"),
        Rule("sign", _sign, lambda x: np.sign(np.real(x)),
             (lambda y, x: 0 * y,), "sign({0})", r"\operatorname{{sign}}\left({0}\right)"),
    )
}  # fmt: skip


def power_by(exponent: float) -> Rule:
    """Return the rule with one operand x, x to the power of a constant.

    Parameters
    ----------
    exponent : int or float
        Finite. A whole number takes every base (a negative one, every base but 0), a fraction takes bases >= 0.

    Raises
    ------
    TypeError, ValueError
        If the exponent is no real number, or infinite or NaN.

    Examples
    --------
    >>> cube = power_by(3)
    >>> apply(cube, -2.0), cube.derivatives[0](None, -2.0)
    (-8.0, 12.0)
    """
    if not isinstance(exponent, (int, float, np.integer, np.floating)):
        raise TypeError(f"exponent must be a real number, got {exponent!r}")
    if not math.isfinite(exponent):
        raise ValueError(f"exponent must be finite, got {exponent}")
    return _power_by(int(exponent) if float(exponent).is_integer() else float(exponent))


@lru_cache(maxsize=EXPONENTS)
def _power_by(n: int | float) -> Rule:
    def derivative(y: Any, x: Any) -> Any:
        return n * x ** (n - 1) if n not in (0, 1, 2) else 2 * x if n == 2 else n

    domain, needs = None, ""
    if isinstance(n, float):
        domain, needs = ((lambda x: x >= 0), "x >= 0") if n > 0 else ((lambda x: x > 0), "x > 0")
    elif n < 0:
        domain, needs = (lambda x: x != 0), "x that is not 0"
    error = DivisionByZero if n < 0 else DomainError
    text, latex = f"{{0}} ** {n}", f"{{0}}^{{{{{n}}}}}"
    return Rule(
        "power_by", lambda x: float(x) ** n, lambda x: np.power(x, n), (derivative,), text, latex,
        domain, f"{needs} for the exponent {n}", error, POWER, n,
    )  # fmt: skip


# The elementary functions, for every number type.


def log(x: Any) -> Any:
    """Return the natural logarithm of x > 0."""
    return apply(RULES["log"], x)


def exp(x: Any) -> Any:
    """Return e to the power x."""
    return apply(RULES["exp"], x)


def sqrt(x: Any) -> Any:
    """Return the square root of x >= 0; at 0 it has a value, but no finite derivative."""
    return apply(RULES["sqrt"], x)


def sin(x: Any) -> Any:
    """Return the sine of x, in radians."""
    return apply(RULES["sin"], x)


def cos(x: Any) -> Any:
    """Return the cosine of x, in radians."""
    return apply(RULES["cos"], x)


def tan(x: Any) -> Any:
    """Return the tangent of x, in radians."""
    return apply(RULES["tan"], x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of x."""
    return apply(RULES["tanh"], x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)), without overflow for any x."""
    return apply(RULES["sigmoid"], x)


def relu(x: Any) -> Any:
    """Return the larger of x and 0."""
    return apply(RULES["relu"], x)


def absolute(x: Any) -> Any:
    """Return x without its sign; Python's ``abs`` does the same on every number type."""
    return apply(RULES["abs"], x)


def maximum(a: Any, b: Any) -> Any:
    """Return the larger of a and b."""
    return apply(RULES["maximum"], a, b)


def minimum(a: Any, b: Any) -> Any:
    """Return the smaller of a and b."""
    return apply(RULES["minimum"], a, b)


def step(x: Any) -> Any:
    """Return 1 where x > 0 and 0 elsewhere: the derivative of relu."""
    return apply(RULES["step"], x)


def sign(x: Any) -> Any:
    """Return -1, 0 or 1: the derivative of the absolute value."""
    return apply(RULES["sign"], x)


class Operators(Operand):
    """Python's arithmetic operators for a number type, each looked up in the table; the type itself adds ``apply``."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary("div", other, self)

    def __pow__(self, other: Any) -> Any:
        exponent = other.item() if isinstance(other, (np.ndarray, np.generic)) and other.ndim == 0 else other
        if isinstance(exponent, (int, float)):
            return apply(power_by(exponent), self)
        return _binary("power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return _binary("power", other, self)

    def __neg__(self) -> Any:
        return apply(RULES["neg"], self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return apply(RULES["abs"], self)


def _binary(name: str, left: Any, right: Any) -> Any:
    for operand in (left, right):
        if not (isinstance(operand, Operand) or is_number(operand)):
            return NotImplemented  # Python then raises TypeError and names both types
    return apply(RULES[name], left, right)
