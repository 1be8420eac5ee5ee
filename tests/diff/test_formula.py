"""Formulas: against Python's own reading of the same text, on every number type, and what they refuse."""

from __future__ import annotations

import builtins
import math
import random
import re
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff.formula import FormulaError, parse, read_values
from helpers.diff.forward import Dual
from helpers.diff.rules import DomainError
from helpers.diff.scalar import Scalar
from helpers.diff.symbolic import Symbol

FUNCTIONS = {
    "abs": abs, "cos": math.cos, "exp": math.exp, "maximum": max, "minimum": min, "sin": math.sin, "tanh": math.tanh,
    "log": math.log, "sqrt": math.sqrt,
}  # fmt: skip
NAMES = [  # in the spelling of a keyboard, and as Python spells them
    "µ", "x̄", "ẋ", "ﬁ", "𝐱", "ℓ", "j", "inf", "nan", "Scalar", "sin_", "v1", "t0", "E", "_", "__", "é", "ſ", "Å",
    "λ_x", "O", "E1", "e5", "x1e5", "E05", "_1",
]  # fmt: skip
numbers = st.one_of(
    st.sampled_from(["1e-05", "1_000", ".5", "5.", "1E+3", "1_0.2_5e-0_2", "1e300", "1e-300", "5e-324", "0", "00.5"]),
    st.floats(0, allow_infinity=False).map(repr),
)
spaces = st.sampled_from(["", " ", "  "])


@st.composite
def texts(draw):
    """Draw a formula, and the names that it may use."""
    own = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))

    def joined(parts):
        left, operator, right = parts
        return f"{left}{draw(spaces)}{operator}{draw(spaces)}{right}"

    text = draw(
        st.recursive(
            st.one_of(st.sampled_from(own), numbers),
            lambda inner: st.one_of(
                st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "- -"]), inner).map(joined),
                st.builds("({})**{}".format, inner, st.sampled_from(["2", "3", "-1", "(1 - 1)"])),
                st.builds("({})".format, inner),
                st.builds("-{}".format, inner),
                st.builds("{}({})".format, st.sampled_from(["sin", "cos", "tanh", "abs"]), inner),
                st.builds("{}({},{})".format, st.sampled_from(["maximum", "minimum"]), inner, inner),
            ),
            max_leaves=6,
        )
    )
    return text, own


def check_against_python(text, values):
    """Compare with what Python makes of a text, which is made here, of names, numbers and operators."""
    own = {unicodedata.normalize("NFKC", name): value for name, value in values.items()}
    try:
        expected = float(eval(text, {"__builtins__": {}}, {"pi": math.pi, "e": math.e} | FUNCTIONS | own))
    except (ArithmeticError, ValueError):
        expected = math.nan
    at = read_values(" , ".join(f"{name} ={number!r}" for name, number in values.items()))
    try:
        f = parse(text)
        found = float(f(*[at[name] for name in f.names]))
    except FormulaError as error:  # a part without a name is refused, where Python may go on: 1 / inf is 0
        assert re.search("divisor|finite real|larger|no value|needs", str(error)), text  # noqa: PT017
    except (ArithmeticError, ValueError):
        assert not math.isfinite(expected), text
    else:
        assert found == expected or (math.isnan(found) and math.isnan(expected)), text


@settings(max_examples=120, deadline=None)
@given(texts(), st.data())
def test_a_text_means_what_python_makes_of_it(drawn, data):
    text, own = drawn
    check_against_python(text, {name: data.draw(st.floats(-10, 10)) for name in own})


def test_precedence_agrees_with_python():
    for text in (
        "log(z) + z*x - sin(x)", "-x**2", "2**-x", "x - y - z", "x / y / z", "z**x**y", "1 / (x - x)", "log(z - 2 + x)",
        "exp(-x*x/2) / sqrt(2*pi)", "+x - -y", "1 / 3 + x", "2 - (3 - x)",
    ):  # fmt: skip
        check_against_python(text, {"x": 0.7, "y": -1.3, "z": 2.0})


def test_a_value_belongs_to_its_name_in_every_spelling():
    for name in NAMES:
        (plain,) = parse(name).names
        for other in (name, plain, unicodedata.normalize("NFD", name)):
            assert read_values(f"{other} = 2") == {plain: 2.0}


def test_text_and_names():
    f = parse("x2*x1 + sin(x2) + pi")
    assert (f.text, f.names) == ("x2*x1 + sin(x2) + pi", ("x2", "x1"))
    assert parse("d - maximum(c, b)**a").names == ("d", "c", "b", "a")  # as they stand in the text
    assert parse("  x\n + y ")(1, 2) == 3
    assert (parse("2*e").names, parse("2*e")()) == ((), 2 * math.e)
    assert parse("α*x + π")(2, 3) == 6 + math.pi


def test_every_number_type():
    f = parse("log(x1) + x1*x2 - sin(x2)")
    value, gradient = f(2, 5), (5.5, 2 - math.cos(5))
    assert isinstance(value, float)
    assert f(np.array([2, 2]), np.float32(5)).tolist() == pytest.approx([value, value])
    assert f(np.float32(2), np.float32(5)).dtype == np.float32
    assert f(2 + 0j, 5).real == pytest.approx(value)
    x1, x2 = Scalar(2.0), Scalar(5.0)
    f(x1, x2).backward()
    assert (x1.gradient, x2.gradient) == pytest.approx(gradient)
    assert f(Dual(2.0, 1.0), 5.0).tangent == pytest.approx(gradient[0])
    assert str(f(Symbol("a"), Symbol("b"))) == "log(a) + a * b - sin(b)"
    assert str(parse("x**2 + x**y")(Symbol("x"), 3)) == "x ** 2 + x ** 3"  # a number as exponent is a constant one


def test_two_thousand_terms():
    f = parse("+".join(f"x{i}*{i}" for i in range(2000)))
    x = [Scalar(1.0) for _ in range(2000)]
    y = f(*x)
    y.backward()
    assert (y.value, x[1999].gradient) == (sum(range(2000)), 1999)


REFUSED = [
    (" \n ", "the formula is empty", 0), ("x^2", r"'\^' has no place in a formula; for a power write \*\*", 1),
    ("eˣ", r"for a power write \*\*", 1), ("x₁", "for an index write it on the line", 1),
    ("x·y", r"for a product write \*", 1), ("x − 1", "for a minus write -", 2),
    ("|x|", r"for an absolute value write abs\(...\)", 0), ("x[0]", "write round brackets", 1),
    ("1_0x", r"for a product write \* after 1_0", 3), ("2(x + 1)", r"for a product write \* after 2", 1),
    ("1,5*x", "decimals take a point", 0), ("max(x, y)", "no function 'max'; write maximum", 0),
    ("x(2)", r"no function 'x'; for a product write \*; there are exp, log", 0), ("add(x, y)", "no function 'add'", 0),
    ("(x + 1)(x + 2)", "only a function can be called", 0), ("α + foo(α)", "no function 'foo'", 4),
    ("sin + 1", r"'sin' is a function; write sin\(...\)", 0), ("log(x, y)", "log takes 1 operands, without names", 0),
    ("log(*x)", "no place", 4), ("log(**x)", "log takes 1 operands, without names", 0), ("x.real", "no place", 0),
    ("x if y else z", "'if' is a word of Python's own", 2), ("x + None", "'None' is a word", 4),
    ("x // 2", "no place", 0), ("y > 0", "'>' has no place", 2), ("...", "no place", 0), ("x y", "no formula", 2),
    ("x +", "no formula", 3), ("(x", "no formula", 0), ("x\0", "has no place", 1), ("\ud800", "has no place", 0),
    ("1e999", "larger than the largest float", 0), ("5" * 500, "larger than the largest float", 0),
    ("1e308 * 10 + x", "finite real numbers", 0), ("5" * 5000, "no formula: Exceeds the limit", 5000),
    ("1 / 0", "div needs a divisor that is not 0", 0), ("x + log(1 - 2)", "log needs x > 0, got -1.0", 4),
    ("x**9**9**9", "larger than the largest float", 3), ("(" * 10_000 + "x" + ")" * 10_000, "20001 characters", 0),
    ("(" * 9_000 + "x" + ")" * 9_000, "too many nested parentheses", 200),
    ("-" * 10_000 + "x", "too deep, or has too many terms", 0),
    ("x" + "**x" * 6_000, "too deep, or has too many terms", 0),
    ("x" + "+x" * 9_000, "too deep, or has too many terms", 0),
]  # fmt: skip


def test_what_is_no_formula_is_refused_with_its_place():
    for text, words, position in REFUSED:
        with pytest.raises(FormulaError, match=words) as caught:
            parse(text)
        assert caught.value.position == position, text[:40]
        what, excerpt, caret = str(caught.value).rsplit("\n", 2)
        assert what
        assert len(excerpt) <= 80
        at = caret.index("^")
        assert excerpt[at : at + 1] == text.strip().replace("\n", " ")[position : position + 1]


def test_a_refused_formula_leaves_the_interpreter_alive():
    """In a process of its own: were one of these evaluated or too deep, the process would hang or die."""
    hostile = ["10**10**10", "9**9**9**9", "(" * 10_000, "-" * 19_000 + "x", "__import__('os')._exit(3)"]
    code = f"from helpers.diff.formula import FormulaError, parse\nfor text in {hostile!r}:\n"
    code += "    try: parse(text)\n    except FormulaError: print('refused')\n"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["refused"] * len(hostile)), done.stderr


HOSTILE = [
    "boom({})", "x.boom({})", "(boom)({})", "boom.__call__({})", "(lambda: boom({}))()", "[boom(i) for i in {}]",
    "(boom(i) for i in [{}])", "{{boom({}): 1}}", "f'{{boom({})}}'", "(y := boom({}))", "exp(*boom({}))",
    "exp(x=boom({}))", "exp(**boom({}))", "x[boom({})]", "boom({}) if x > 0 else 1", "1 if boom({}) > 0 else x",
    "x if x > boom({}) else 1", "getattr(x, 'boom')({})", "__builtins__['boom']({})",
    "__import__('builtins').boom({})", "eval('boom({})')", "exec('boom({})')",
    "().__class__.__mro__[1].__subclasses__()[boom({})]", "not boom({})", "boom({}) and x", "~boom({})",
    "await boom({})", "(yield boom({}))", "print(boom({}))", "boom @ ({})", "x := boom({})", "import boom; {}",
    "boom({})\nx", "breakpoint() + {}", "type('a', (), {{'b': boom}})({})", "exp(boom)({})", "(exp, boom)[1]({})",
]  # fmt: skip


def test_ten_thousand_hostile_formulas_are_refused_and_none_is_evaluated(monkeypatch):
    """Each calls, in one way or another, a function that Python would find, and that notes when it is called."""
    calls, draw = [], random.Random(0)
    monkeypatch.setattr(builtins, "boom", lambda *given, **named: calls.append(given) or 1.0, raising=False)
    assert eval(HOSTILE[0].format(1)) == 1.0  # Python would call it
    assert calls.pop() == (1,)

    def grown(depth):
        """Write a formula of which one part is hostile."""
        if not depth:
            return draw.choice(HOSTILE).format(draw.choice(["", "1", "x", "10**10**10", "'os'", "*x", "()"]))
        inner, harmless = grown(depth - 1), draw.choice(["x", "2.5", "sin(x)", "x**3"])
        frame = draw.choice(["{0} + {1}", "{1} * ({0})", "exp({0})", "({0})**{1}", "maximum({1}, {0})", "-({0})"])
        return frame.format(inner, harmless)

    for _ in range(10_000):
        with pytest.raises(FormulaError):
            parse(grown(draw.randrange(5)))
    assert not calls


def test_bad_values_are_named():
    for mistake, error, words in (
        (lambda: parse("x + y")(1), TypeError, r"takes the values \(x, y\), got 1"),
        (lambda: parse("2")(1), TypeError, r"takes the values \(\), got 1"),
        (lambda: parse("x + 1")([1, 2]), TypeError, "add takes numbers"),
        (lambda: parse("log(x)")(-1), DomainError, "log needs x > 0, got -1.0"),
        (lambda: parse("x**y")(10, 1000), OverflowError, "larger than the largest float"),
    ):
        with pytest.raises(error, match=words):
            mistake()


def test_values_are_read_as_formulas_without_names_or_refused_for_the_right_thing():
    for text, values in (
        ("x = 2, long_name=pi/3 ,, y = -1e-3,", {"x": 2.0, "long_name": math.pi / 3, "y": -1e-3}), ("  ", {}),
        ("x = 1\ny = 2; z = 3,\n", {"x": 1, "y": 2, "z": 3}), ("x=1_000,y=.5 ,  z =5.", {"x": 1000, "y": 0.5, "z": 5}),
    ):  # fmt: skip
        assert read_values(text) == values
    for text, words in (
        ("x", "write name = number"), ("x: 1", "write name = number"), ("x = 1, x = 2", "x has two values"),
        ("µ=2, μ=3", "μ has two values"), ("x = y", "the value of x must be a number"),
        ("x = ", "the value of x must be a number"), ("x = 1e999", "the value of x must be a number"),
        ("x = 2,5", "decimals with a point"), ("x = 2 y = 3", "the value of x"), ("x = y = 3", "the value of x"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            read_values(text)
