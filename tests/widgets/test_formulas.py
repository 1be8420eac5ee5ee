"""The formula panel without a browser: it differentiates what is typed, and says in words what it cannot read."""

from __future__ import annotations

import math

import pytest

from helpers.diff.trace import Trace
from helpers.plots.traces import TraceGraph
from helpers.widgets.controls import ends
from helpers.widgets.formulas import formula_panel, read_values


def test_it_shows_value_gradient_graph_and_table():
    panel = formula_panel()
    assert panel.error is None
    words, graph, table = panel.answer
    assert words == "f = 11.6521 at x1 = 2, x2 = 5. Gradient: ∂f/∂x1 = 5.5, ∂f/∂x2 = 1.71634."
    assert isinstance(graph, TraceGraph)
    assert isinstance(table, Trace)
    shown = [part.value for part in panel.shown]
    assert "5.5" in shown[0]
    assert "What to look for" in shown[1]
    assert "<table" in shown[2]


@pytest.mark.parametrize("name", ["formula", "at"])
def test_every_control_takes_what_it_holds(name):
    panel = formula_panel()
    for value in ends(panel.controls[name]):
        panel.run(**{name: value})
        assert panel.error is None


def test_it_follows_what_is_typed():
    panel = formula_panel()
    panel.controls["formula"].value = "x1 * x2"
    assert "f = 10 at" in panel.answer[0]
    panel.controls["at"].value = "x1 = pi/2, x2 = -4, z = 1"
    assert "∂f/∂x1 = -4, ∂f/∂x2 = 1.5708. Not in the formula: z." in panel.answer[0]
    panel.controls["formula"].value = "q"
    assert "No value was given for q: taken as 1." in panel.answer[0]


def test_a_choice_runs_one_branch():
    panel = formula_panel("a + b if a > 0 else a + c", "a = 1, b = 2, c = 3")
    assert "∂f/∂b = 1, ∂f/∂c = 0" in panel.answer[0]
    assert "∂f/∂b = 0, ∂f/∂c = 1" in panel.run(at="a = -1, b = 2, c = 3")[0]


def test_a_large_graph_is_a_sentence_and_the_table_stays():
    words, graph, table = formula_panel().run(formula="+".join(["x"] * 100), at="x = 2")
    assert "f = 200 at" in words
    assert graph == "No graph: it would have 100 nodes, and at most 40 can be drawn legibly."
    assert len(table.rows) == 100


@pytest.mark.parametrize(
    ("formula", "at", "words"),
    [
        ("", "", "the formula is empty"),
        ("x^2", "x = 1", "for a power write"),
        ("2x", "x = 1", r"write \*"),
        ("x.real", "", "an attribute"),
        ("__import__('os')", "", "no place in a formula"),
        ("foo(x)", "", "unknown function"),
        ("10**10**10*x", "", "larger than the largest float"),
        ("(" * 10_000 + "x" + ")" * 10_000, "", "characters|nested"),
        ("(" * 900 + "x" + ")" * 900, "", "nested"),
        ("x" + "+x" * 1500, "", "too long to be read"),
        ("1 + 2", "", "nothing to differentiate by"),
        ("v1 + x", "", "choose another name"),
        ("log(x)", "x = -1", "log needs x > 0, got -1.0"),
        ("1/x", "x = 0", "divisor"),
        ("sqrt(x)", "x = 0", "no finite derivative"),
        ("exp(x)", "x = 1000", "larger than the largest float"),
        ("x if x > 0 else 3", "x = -1", "the formula is the number 3"),
        ("x", "x", "write name = number"),
        ("x", "x: 1", "write name = number"),
        ("x", "x = 1, x = 2", "x has two values"),
        ("x", "x = y", "the value of x must be a number"),
        ("x", "x = ", "the value of x must be a number"),
        ("x", "x = 1e999", "the value of x must be a number"),
        ("x", "x = 1e308 * 1e308", "larger than the largest float|must be finite"),
    ],
)
def test_what_cannot_be_read_is_said_in_the_panel_and_an_answer_stays(formula, at, words):
    panel = formula_panel()
    with pytest.raises((ValueError, OverflowError), match=words):
        panel.run(formula=formula, at=at)
    assert 'role="alert"' in panel.status.value
    assert "Gradient:" in panel.shown[0].value
    panel.run(formula="x", at="x = 2")
    assert panel.error is None
    assert panel.status.value == ""


def test_values_are_read_as_formulas_without_names():
    assert read_values("x = 2, long_name=pi/3 ,, y = -1e-3,") == {"x": 2.0, "long_name": math.pi / 3, "y": -1e-3}
    assert read_values("  ") == {}
