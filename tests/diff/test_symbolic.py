"""Symbols: against SymPy, with counts by hand; written and read again to the last bit; what algebra cannot do."""

from __future__ import annotations

import gc
import math
import re
from operator import neg

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import diff as s
from helpers.diff.formula import FormulaError, parse
from helpers.diff.forward import Dual, jvp
from helpers.diff.rules import RULES, DomainError, apply, power_by
from helpers.diff.symbolic import (
    Constant,
    Expression,
    Symbol,
    differentiate,
    eliminate_common_subexpressions,
    operations,
    share,
    simplify,
    topological_order,
)

X, Y = Symbol("x"), Symbol("y")
POINT = {"x": 0.7, "y": -1.3}
SYMPY = {
    "x": sympy.Symbol("x", real=True),
    "y": sympy.Symbol("y", real=True),
    "sigmoid": lambda u: 1 / (1 + sympy.exp(-u)),
    "relu": lambda u: sympy.Max(u, 0),
    "step": lambda u: sympy.Heaviside(u, 0),
    "abs": sympy.Abs,
    "maximum": sympy.Max,
    "minimum": sympy.Min,
}


def nested(depth):
    """Return x, x sin x, (x sin x) sin(x sin x), ..."""
    y = X
    for _ in range(depth):
        y = y * s.sin(y)
    return y


def check_against_sympy(expression, point=POINT):
    """The value, and both derivatives, before and after simplifying, agree with SymPy's to ten digits."""
    substitutions = {SYMPY[name]: value for name, value in point.items()}
    written = sympy.sympify(str(expression), locals=SYMPY)
    for ours, theirs in [
        (expression, written),
        *((differentiate(expression, v), sympy.diff(written, SYMPY[v.name])) for v in (X, Y)),
    ]:
        expected = float(theirs.evalf(30, subs=substitutions))
        # ten digits: operations round to sixteen, and the expressions here lose no more than a few to cancellation
        assert ours.evaluate(point) == pytest.approx(expected, rel=1e-10, abs=1e-10)
        assert simplify(ours).evaluate(point) == pytest.approx(expected, rel=1e-10, abs=1e-10)


# Functions of any real number; where the table's row has a domain, the operand is brought into it.
UNARY = [
    s.sin, s.cos, s.tanh, s.sigmoid, s.relu, abs, s.step, s.sign, lambda u: -u, lambda u: u**2, lambda u: u**3,
    lambda u: s.exp(s.tanh(u)), lambda u: s.log(u * u + 1), lambda u: s.sqrt(abs(u) + 1), lambda u: s.tan(s.sin(u)),
    lambda u: (u * u + 0.5) ** -1, lambda u: (u * u + 0.5) ** 1.5, lambda u: 2 ** s.sin(u),
]  # fmt: skip
BINARY = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (b * b + 1), s.maximum, s.minimum,
    lambda a, b: (a * a + 1) ** s.sin(b), lambda a, b: a * b + a,
]  # fmt: skip
leaves = st.sampled_from([X, Y, X, Y, Constant(0), Constant(1), Constant(-1), Constant(2.5), Constant(-0.3)])
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda f, u: f(u), st.sampled_from(UNARY), inner),
        st.builds(lambda f, a, b: f(a, b), st.sampled_from(BINARY), inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(expressions)
def test_values_derivatives_and_text_agree_with_sympy(expression):
    check_against_sympy(expression)


def test_every_row_of_the_table():
    for expression in (
        *(f(X * Y + 0.4) for f in UNARY),
        *(f(X * Y, X - 0.3) for f in BINARY),
        s.tan(X) / s.sqrt(X) + X**X,
    ):
        check_against_sympy(expression)
    for constant in (Y + 2, Constant(3)):
        assert differentiate(constant, X).evaluate({}) == 0
    assert str(differentiate(X * Y, Symbol("x"))) == "y * 1"  # found by its name


def test_expression_swell():
    """x -> x sin x, nested: sines, cosines, products and sums of the unsimplified product rule."""
    table = []
    for depth in range(1, 8):
        f = nested(depth)
        df = differentiate(f, X)
        table.append((operations(f, shared=False), operations(df, shared=False), operations(f, df)))
        assert operations(*share(f, df)) == operations(f, df)  # nothing was there twice
    trees, derivatives, shared = zip(*table)
    assert trees == (2, 6, 14, 30, 62, 126, 254)
    assert derivatives == (6, 24, 72, 192, 480, 1152, 2688)
    assert shared == (7, 14, 21, 28, 35, 42, 49)


def test_the_derivative_of_the_document():
    x1, x2 = Symbol("x1"), Symbol("x2")
    f = s.log(x1) + x1 * x2 - s.sin(x2)
    assert str(differentiate(f, x1)) == "1 / x1 * 1 + x2 * 1"
    assert str(simplify(differentiate(f, x2))) == "x1 - cos(x2)"
    values = {"x1": 2, "x2": 5}
    assert differentiate(f, x1).evaluate(values) == 5.5
    assert differentiate(f, x2).evaluate(values) == pytest.approx(1.71634, abs=5e-6)
    assert differentiate(differentiate(f, x1), x1).evaluate(values) == -0.25
    assert f._repr_latex_() == r"$\displaystyle \log\left(x_{1}\right) + x_{1} \, x_{2} - \sin\left(x_{2}\right)$"


def test_laues_equivalence():
    """Dual numbers that carry symbols give the derivative that `differentiate` gives, operation by operation."""
    f = lambda x: s.exp(s.sin(x)) * x + s.tanh(x) / x  # noqa: E731
    _, dot = jvp(f, X, 1.0)
    derivative = differentiate(f(X), X)
    assert str(simplify(dot)) == str(simplify(derivative))
    dual = f(X).evaluate({"x": Dual(0.7, 1.0)})
    assert dual.tangent == derivative.evaluate({"x": 0.7})


def test_simplify():
    for expression, simple in (
        (X + 0, "x"), (0 + X, "x"), (X - 0, "x"), (0 - X, "-x"), (1 * X * 1, "x"), (X * 0 + Y, "y"), (X / 1, "x"),
        (0 / X, "0"), (X * -1, "-x"), (neg(-X), "x"), (neg(neg(-X)), "-x"), (X + (-Y), "x - y"), (X - (-Y), "x + y"),
        (0 - (-X), "x"), (X**1, "x"), (X**0, "1"),
        (Constant(2) * 3 + X, "6 + x"), (s.log(Constant(-1)) + 0, "log(-1)"),
        (s.exp(Constant(1000)), "exp(1000)"), (s.sin(X * 1) + Y, "sin(x) + y"),
    ):  # fmt: skip
        assert str(simplify(expression)) == simple


@settings(max_examples=60, deadline=None)
@given(expressions)
def test_simplify_keeps_the_value_and_makes_nothing_larger(expression):
    for given_ in (expression, differentiate(expression, X)):
        simple = simplify(given_)
        assert simple.evaluate(POINT) == given_.evaluate(POINT)
        for shared in (True, False):
            assert operations(simple, shared=shared) <= operations(given_, shared=shared)
        assert str(simplify(simple)) == str(simple)


@settings(max_examples=40, deadline=None)
@given(expressions)
def test_common_subexpressions(expression):
    pair = expression, differentiate(expression, X)
    program = eliminate_common_subexpressions(*pair)
    values = dict(POINT)
    for name, value in program.replacements:
        values[name.name] = value.evaluate(values)
    assert [e.evaluate(values) for e in program.expressions] == [e.evaluate(POINT) for e in pair]
    right_hand_sides = [value for _, value in program.replacements] + program.expressions
    merged = share(*pair)
    assert operations(*right_hand_sides, shared=False) == operations(*merged) <= operations(*pair)


def test_common_subexpressions_of_equal_copies():
    """As in sympy.cse: two copies of a subtree are found, and no name that is taken is given."""
    t0 = Symbol("t0")
    f = s.sin(s.exp(t0)) + s.sin(s.exp(t0)) * s.exp(t0)
    assert operations(f) == 7
    replacements, (reduced,) = eliminate_common_subexpressions(f)
    assert [(str(name), str(value)) for name, value in replacements] == [("t1", "exp(t0)"), ("t2", "sin(t1)")]
    assert str(reduced) == "t2 + t2 * t1"
    assert operations(*share(X**2 * X**3 + X**2)) == 4  # two powers, their product, a sum


@pytest.mark.parametrize(
    ("expression", "text", "latex"),
    [
        (-((X * Y) ** 2) / (3 - X), "-(x * y) ** 2 / (3 - x)", r"\frac{-\left(x \, y\right)^{2}}{3 - x}"),
        (X - (Y - 1) - 2, "x - (y - 1) - 2", r"x - \left(y - 1\right) - 2"),
        ((-X) ** 2, "(-x) ** 2", r"\left(-x\right)^{2}"),
        ((X**2) ** 3, "(x ** 2) ** 3", r"\left(x^{2}\right)^{3}"),
        (X ** (-Y), "x ** -y", "x^{-y}"),
        (X * (-Y), "x * (-y)", r"x \, \left(-y\right)"),
        (X * (-1 * Y * X), "x * (-1 * y * x)", r"x \, \left(-1 \, y \, x\right)"),
        (X - -X * Y, "x - (-x * y)", r"x - \left(-x \, y\right)"),
        (X * (Y / X), "x * (y / x)", r"x \, \left(\frac{y}{x}\right)"),
        (X + -0.0, "x + (-0.0)", r"x + \left(-0.0\right)"),
        (X / (Y / X), "x / (y / x)", r"\frac{x}{\frac{y}{x}}"),
        ((X + Y) * s.exp(X), "(x + y) * exp(x)", r"\left(x + y\right) \, \exp\left(x\right)"),
        (abs(X) + s.sqrt(X + 1), "abs(x) + sqrt(x + 1)", r"\left|x\right| + \sqrt{x + 1}"),
        (Symbol("theta_2") + Symbol("rate"), "theta_2 + rate", r"\mathrm{theta}_{2} + \mathrm{rate}"),
    ],
)
def test_how_expressions_are_written(expression, text, latex):
    assert str(expression) == text
    assert expression._repr_latex_() == rf"$\displaystyle {latex}$"
    f, values = parse(text), {"x": 0.7, "y": 1.3, "theta_2": 0.7, "rate": 0.2}
    assert f(*map(values.get, f.names)) == pytest.approx(expression.evaluate(values))


def test_values_of_any_type_and_what_is_too_long_to_be_written():
    assert str(nested(40)) == "<80 operations as a graph, too long to be written out>"
    assert nested(40)._repr_latex_() == r"$\displaystyle \text{80 operations as a graph, too long to be written out}$"
    assert operations(nested(40), shared=False) == 2**41 - 2
    f = X * s.exp(Y)
    assert f.evaluate({"x": np.array([1, 2]), "y": 0}).tolist() == [1, 2]
    assert f.evaluate({"x": np.float32(2), "y": np.float32(0)}).dtype == np.float32
    assert str(f.evaluate({"x": Y + 1, "y": Y})) == "(y + 1) * exp(y)"
    assert (np.float64(2) * X).evaluate({"x": 3, "unused": "name"}) == 6
    assert (np.array(2.0) / X).evaluate({"x": 4}) == 0.5
    assert isinstance((X + 1).evaluate({"x": 1}), float)


def test_a_chain_of_45_000_nodes():
    y = X
    for _ in range(15_000):
        y = s.sin(y) * 1.0
    dy = differentiate(y, X)
    assert len(topological_order(y)) > 45_000
    assert operations(y, dy) == 5 * 15_000  # sine and product; cosine and two products of the derivative
    assert dy.evaluate({"x": 0.5}) > 0
    del y, dy
    gc.collect()  # freeing the chain does not recurse either


UNDECIDED = "neither true nor false while its symbols have no values.*relu or step"


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        *[(lambda f=f: f(X), TypeError, UNDECIDED) for f in (
            lambda x: x if x > 0 else -x, lambda x: x == 0, lambda x: 1 if x else 2, lambda x: max(x, 0),
            lambda x: x != 1, lambda x: x in [1, 2],
        )],
        (lambda: s.log(X).evaluate({"x": -1}), DomainError, "log needs x > 0, got -1.0"),
        (lambda: differentiate(X, "x"), TypeError, "symbol must be a Symbol"),
        (lambda: X + 1j, TypeError, "complex"),
        (lambda: X * np.array([1.0, 2.0]), TypeError, "0-dimensional|size-1"),
        (lambda: X + math.inf, ValueError, "finite real numbers"),
        (lambda: math.exp(X), TypeError, "functions of helpers.diff"),
    ],
)  # fmt: skip
def test_bad_input_is_named(mistake, error, words):
    with pytest.raises(error, match=words):
        mistake()


NAMES = ("a", "b", "x1", "q")
EXTREME = [0.0, -0.0, 1.0, -1.0, 2.0, 0.1, -3.5, 1e200, -1e200, 1e-200, 1e308, 1.7976931348623157e308, 5e-324, 1e-310]
numbers = st.one_of(st.sampled_from(EXTREME), st.floats(allow_nan=False, allow_infinity=False))
EXPONENTS = [0, 1, 2, 3, -1, -2, 0.5, -1.5, 1e-5, 1e17, 1e300, -1e300]
PAIRS = ["add", "sub", "mul", "div", "power", "maximum", "minimum"]
SINGLES = ["neg", "abs", "sin", "exp", "tanh", "sqrt", "log", "relu"]


trees = st.recursive(
    st.one_of(st.sampled_from([Symbol(name) for name in NAMES]), numbers.map(Constant)),
    lambda inner: st.one_of(
        st.builds(lambda n, a, b: apply(RULES[n], a, b), st.sampled_from(PAIRS), inner, inner),
        st.builds(lambda n, a, b: apply(RULES[n], a, b), st.sampled_from(PAIRS[:4]), inner, inner),
        st.builds(lambda n, a: apply(RULES[n], a), st.sampled_from(SINGLES), inner),
        st.builds(lambda n, a: apply(power_by(n), a), st.sampled_from(EXPONENTS), inner),
    ),
    max_leaves=8,
)
points = st.fixed_dictionaries(dict.fromkeys(NAMES, numbers))


def value_of(f):
    try:
        return repr(f())  # to the last bit, with the sign of 0
    except (ValueError, ArithmeticError):
        return "no value"


@settings(max_examples=400, deadline=None)
@given(trees, points)
def test_written_and_read_again_is_the_same_number_and_the_same_text(tree, point):
    expected = value_of(lambda: tree.evaluate(point))
    try:
        read = parse(str(tree))
    except FormulaError as error:  # a part without a variable has no finite value, or is not even a float
        assert re.search("needs|finite|larger than the largest|no value", str(error))  # noqa: PT017
        return
    if expected != "no value":  # a formula takes (-2)**x at x = 3, as Python does; the graph refuses it
        assert value_of(lambda: read(*map(point.get, read.names))) == expected, str(tree)
    again, nodes = read(*map(Symbol, read.names)), topological_order(tree)
    if isinstance(again, Expression) and not any(  # the reader works these out
        node.parents and all(type(parent) is Constant for parent in node.parents) for node in nodes
    ):
        assert str(again) == str(tree)


def test_a_power_with_a_number_as_exponent_takes_every_base():
    x, y = Symbol("x"), Symbol("y")
    assert (x**y).evaluate({"x": x, "y": 3.0}).evaluate({"x": -2.0}) == -8
    assert simplify(x ** (Constant(2) + 1)).evaluate({"x": -2.0}) == -8
    assert (x**y).evaluate({"x": -2.0, "y": 3.0}) == parse("x**y")(-2.0, 3.0) == -8
    assert differentiate(x**y, x).evaluate({"x": -2.0, "y": 3.0}) == 12
    for refused, exponent in ((x**y, 2.5), (differentiate(x**y, y), 3.0)):
        with pytest.raises(DomainError):
            refused.evaluate({"x": -2.0, "y": exponent})
