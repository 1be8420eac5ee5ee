"""Names in every text: one spelling each, none taken twice, and numbers that stay numbers."""

from __future__ import annotations

import keyword
import math
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff.formula import FormulaError, parse, read_values
from helpers.diff.graphs import in_numbers
from helpers.diff.scalar import Scalar
from helpers.diff.step_graphs import graph_of
from helpers.diff.steps import Sweep
from helpers.diff.symbolic import Symbol, differentiate, eliminate_common_subexpressions
from helpers.diff.trace import Trace, trace
from helpers.widgets.stepper import Stepper

FUNCTIONS = {"sin": math.sin, "cos": math.cos, "tanh": math.tanh, "abs": abs, "maximum": max, "minimum": min}
KNOWN = {*FUNCTIONS, "exp", "log", "sqrt", "tan", "sigmoid", "relu", "step", "sign"}


def usable(name):
    """Return whether a text can hold this name: Python's identifiers, but no raised or lowered letters."""
    plain = unicodedata.normalize("NFKC", name)
    marks = any(unicodedata.decomposition(c).startswith(("<super>", "<sub>")) or c in "·⋅" for c in name)
    return name.isidentifier() and not (keyword.iskeyword(plain) or plain in KNOWN or marks)


LIKELY = [
    "µ",
    "μ",
    "x̄",
    "ẋ",
    "ﬁ",
    "𝐱",
    "ℓ",
    "e",
    "pi",
    "π",
    "j",
    "inf",
    "nan",
    "Scalar",
    "sin_",
    "v1",
    "v2",
    "v3",
    "v0",
    "t0",
    "t1",
    "x",
    "E",
    "_",
    "__",
    "é",
    "é",
    "ſ",
    "Å",
    "Å",
    "λ_x",
    "O",
    "l",
    "E1",
    "e5",
    "x1e5",
    "E05",
    "_1",
]
names = st.one_of(
    st.sampled_from(LIKELY),
    st.text(st.characters(categories=["Lu", "Ll", "Lo", "Lm", "Mn", "Nd", "Nl", "Pc"]), min_size=1, max_size=4),
).filter(usable)
numbers = st.one_of(
    st.sampled_from(["1e-05", "1_000", ".5", "5.", "1E+3", "1_0.2_5e-0_2", "1e300", "1e-300", "5e-324", "0", "00.5"]),
    st.floats(0, allow_infinity=False).map(repr),
)
spaces = st.sampled_from(["", " ", "  "])


@st.composite
def texts(draw):
    """Draw a formula, and the names that it may use."""
    own = draw(st.lists(names, min_size=1, max_size=3, unique_by=lambda n: unicodedata.normalize("NFKC", n)))

    def joined(parts):
        left, operator, right = parts
        return f"{left}{draw(spaces)}{operator}{draw(spaces)}{right}"

    text = draw(
        st.recursive(
            st.one_of(st.sampled_from(own), numbers),
            lambda inner: st.one_of(
                st.tuples(inner, st.sampled_from("+-*/"), inner).map(joined),
                st.builds("({})".format, inner),
                st.builds("-{}".format, inner),
                st.builds("{}({})".format, st.sampled_from(["sin", "cos", "tanh", "abs"]), inner),
                st.builds("{}({},{})".format, st.sampled_from(["maximum", "minimum"]), inner, inner),
                st.builds("({} if {} > {} else {})".format, inner, inner, inner, inner),
            ),
            max_leaves=6,
        )
    )
    return text, own


def python(text, values):
    """Work the text out as Python does; the strings are made here, of names, numbers and operators."""
    return eval(
        text, {"__builtins__": {}}, FUNCTIONS | {unicodedata.normalize("NFKC", k): v for k, v in values.items()}
    )


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


@settings(max_examples=150, deadline=None)
@given(texts(), st.data())
def test_a_text_means_what_python_makes_of_it(drawn, data):
    text, own = drawn
    values = {name: data.draw(st.floats(-10, 10)) for name in own}
    try:
        expected = float(python(text, values))
    except (ArithmeticError, ValueError):
        expected = math.nan
    written = " , ".join(f"{name} ={number!r}" for name, number in values.items())
    at = read_values(written)
    try:
        found = float(parse(text, own)(*at.values()))
    except (FormulaError, ArithmeticError, ValueError) as error:
        right = re.search("divisor|larger than the largest|no value", str(error)) and not math.isfinite(expected)
    else:
        right = same(found, expected)
    assert right, text


@settings(max_examples=60, deadline=None)
@given(names, numbers)
def test_a_value_belongs_to_its_name_in_every_spelling(name, number):
    value = float(number)
    for other in (name, unicodedata.normalize("NFKC", name), unicodedata.normalize("NFD", name)):
        if usable(other) and unicodedata.normalize("NFKC", other) == unicodedata.normalize("NFKC", name):
            assert parse(name, [other])(value) == value
            assert read_values(f"{other} = {number}") == {unicodedata.normalize("NFKC", name): value}
            assert (Symbol(name) + 0.0).evaluate({other: value}) == value
            assert differentiate(Symbol(name) * 2, Symbol(other)).evaluate({}) == 2


@settings(max_examples=25, deadline=None)
@given(st.lists(names, min_size=2, max_size=3, unique_by=lambda n: unicodedata.normalize("NFKC", n)))
def test_the_stepper_takes_any_names(own):
    values = {unicodedata.normalize("NFKC", name): 2.0 + i for i, name in enumerate(own)}
    stepper = Stepper(" * ".join(own), ", ".join(f"{name} = {value}" for name, value in values.items()))
    stepper.run()
    product = math.prod(values.values())
    assert stepper.sweep.nodes[stepper.sweep.graph.output].value == product
    slopes = stepper.sweep.state(len(stepper.sweep.steps)).slopes
    assert {name: slopes[name] for name in values} == {name: product / value for name, value in values.items()}
    assert stepper.problem.value == ""


def test_the_micro_sign_is_the_greek_mu():
    for at in ("µ=2, x=3", "μ=2, x=3", {"µ": 2, "x": 3}, {"μ": 2, "x": 3}):
        assert Stepper("µ*x", at=at).run().nodes["v1"].value == 6
    with pytest.raises(ValueError, match="μ has two values"):
        read_values("µ=2, μ=3")
    with pytest.raises(ValueError, match="names must differ"):
        parse("x", ["µ", "μ"])
    with pytest.raises(ValueError, match="two spellings"):
        Symbol("µ").evaluate({"µ": 1.0, "μ": 2.0})


def test_automatic_names_avoid_those_that_are_taken():
    stepper = Stepper("v1*v2 + v1", at="v1 = 2, v2 = 5")
    stepper.run()
    assert "v4 = 12, ∂v4/∂v1 = 6, ∂v4/∂v2 = 2" in stepper.words
    table = Trace(Scalar(2.0, name="v0") * Scalar(3.0) + Scalar(1.0, name="v1"))
    assert [row.name for row in table.rows] == ["v0", "v-1", "v1", "v2", "v3"]
    graph = graph_of(lambda v1, v2: (v1 * v2).sum(), {"v1": np.ones(2), "v2": np.ones(2)})
    assert [node.name for node in graph.nodes] == ["v1", "v2", "v3", "v4"]
    x = Symbol("t0")
    assert str(eliminate_common_subexpressions((x + 1) * (x + 1)).replacements[0][0]) == "t1"
    with pytest.raises(ValueError, match="two nodes have one name"):
        Trace(Scalar(1.0, name="a") * Scalar(2.0, name="a"))


def test_constants_with_a_value_are_variables():
    assert Stepper("e*x", at="e=2, x=3").run().nodes["v1"].value == 6
    assert Stepper("pi*x + π", at="pi=2, x=3").run().nodes["v2"].value == 6 + math.pi
    assert Stepper("e*x", at="x=3").run().nodes["v1"].value == 3 * math.e


def test_numbers_stay_numbers_in_what_is_shown():
    table = trace(lambda e, x: 1e-05 * e + x, {"e": 2.0, "x": 3.0})
    sweep = Sweep(graph_of(table))
    assert sweep.steps[0].words == "v1 = e * 1e-05 = 2 * 1e-05 = 2e-05" or "1e-05 * 2" in sweep.steps[0].words
    assert in_numbers("log(log) + exp * 1e-05", {"log": 2.0, "exp": 3.0, "e": 7.0}) == "log(2) + 3 * 1e-05"
    assert in_numbers("x̄ * x + v-1", {"x": 2.0, "x̄": 5.0, "v-1": 3.0}) == "5 * 2 + 3"


def test_inputs_reach_the_parameters_of_their_names():
    for f in (lambda x, y: x - 2 * y, parse("x - 2*y")):
        graph = graph_of(f, {"y": 1.0, "x": 5.0})
        assert graph.nodes[-1].value == 3
        slopes = Sweep(graph).state(99).slopes
        assert (slopes["x"], slopes["y"]) == (1, -2)
    assert graph_of(lambda x, y: (x - 2 * y).sum(), {"y": [1.0], "x": [5.0]}).nodes[-1].value == 3
    assert graph_of(lambda a, b: a - 2 * b, {"y": 1.0, "x": 5.0}).nodes[-1].value == -9  # other names: in order


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x1 = maximum(2, 3)", {"x1": 3}),
        ("x = maximum(minimum(1, 2), 3), y = (4)", {"x": 3, "y": 4}),
        ("x = 1\ny = 2; z = 3,\n", {"x": 1, "y": 2, "z": 3}),
        ("x = 1 if 2 == 2 else 3", {"x": 1}),
        ("x=1_000,y=.5 ,  z =5.", {"x": 1000, "y": 0.5, "z": 5}),
    ],
)
def test_values_are_split_outside_of_brackets(text, values):
    assert read_values(text) == values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 2,5", "write decimals with a point"),
        ("x = 2 y = 3", "with a comma between two of them, got 'x = 2 y = 3'"),
        ("x = y = 3", "with a comma between two"),
        ("if = 2", "word of Python's own"),
        ("sin = 2", "'sin' is a function"),
        ("2x = 3", "must be a name"),
        ("x = maximum(2, 3", "never closed"),
    ],
)
def test_values_that_cannot_be_read_blame_the_right_thing(text, words):
    with pytest.raises(ValueError, match=words):
        read_values(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 if x > 0 and x < 1 else 0", "after `if` goes one comparison, .* for two, write a choice"),
        ("1 if 0 < x < 1 else 0", "after `if` goes one comparison"),
        ("2 or x", "`and` or `or`"),
        ("1if x > 0 else 2", "write a space between 1 and if"),
        ("1_0x", r"for a product write \* after 1_0"),
        ("1,5*x", "decimals take a point"),
        ("max(x, y)", "unknown function 'max'; write maximum"),
        ("ln(x)", "write log"),
        ("|x|", r"for an absolute value write abs\(...\)"),
        ("eˣ", r"for a power write \*\*"),
        ("x₁", "for an index write it on the line"),
        ("x·y", r"for a product write \*"),
        ("lambda*x", "'lambda' is a word of Python's own"),
        ("x if y = 0 else z", "a comparison is written =="),
    ],
)
def test_a_refused_text_blames_the_right_thing(text, words):
    with pytest.raises(FormulaError, match=words):
        parse(text)


@pytest.mark.parametrize("value", [True, "2", None, 1j, [[1.0], ["a"]]])
def test_inputs_that_are_no_real_numbers_are_named(value):
    with pytest.raises(TypeError, match="at: x must be a real number"):
        Stepper("x*x", at={"x": value})
