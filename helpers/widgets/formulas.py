"""A panel that differentiates what its reader types: value, gradient, graph and trace table of any formula.

>>> panel = formula_panel("x * y + 1", "x = 2, y = pi")
>>> words, graph, table = panel.run(at="x = 2")
>>> print(words)
f = 3 at x = 2, y = 1. Gradient: ∂f/∂x = 1, ∂f/∂y = 2. No value was given for y: taken as 1.
"""

from __future__ import annotations

import math
import re
from typing import Any

from helpers.diff.formula import Formula, FormulaError, parse
from helpers.diff.scalar import Scalar
from helpers.diff.trace import Trace
from helpers.plots.traces import LIMIT, plot_trace
from helpers.widgets.controls import text_box
from helpers.widgets.explorer import Explorer

FORMULA, AT = "log(x1) + x1*x2 - sin(x2)", "x1 = 2, x2 = 5"


def formula_panel(formula: str = FORMULA, at: str = AT) -> Explorer:
    """Make the panel: a box for a formula, a box for the place where it is differentiated.

    Parameters
    ----------
    formula : str
        As `helpers.diff.formula.parse` reads it: it is parsed, never evaluated as Python.
    at : str
        Values of the variables, such as "x1 = 2, x2 = pi/3"; a variable without one is taken as 1, and the panel says
        so.

    Returns
    -------
    Explorer
        ``run(formula=..., at=...)`` returns what the panel shows: a sentence, the graph, the trace table.
    """
    return Explorer(differentiate, formula=text_box("f =", formula), at=text_box("at", at))


def differentiate(formula: str, at: str) -> list[Any]:
    """Return what the panel shows of a formula at a place: a sentence, the graph, the table.

    Raises
    ------
    ValueError
        If the formula or a value cannot be read, nothing is to be differentiated, or an operation leaves its domain;
        the message says what and where.
    """
    f = parse(formula)
    if not f.names:
        raise ValueError(f"{f.text!r} has no variable, so there is nothing to differentiate by; write one, such as x")
    if taken := [name for name in f.names if re.fullmatch(r"v\d+", name)]:
        raise ValueError(f"{taken[0]!r} is what the trace calls an operation of its own; choose another name")
    given = read_values(at)
    inputs = [Scalar(given.get(name, 1.0), name=name) for name in f.names]
    y = f(*inputs)
    if not isinstance(y, Scalar):
        raise ValueError(f"at this place the formula is the number {y:.6g}; no variable takes part in it")
    table = Trace(y, inputs)
    graph: Any = f"No graph: it would have {len(table.rows)} nodes, and at most {LIMIT} can be drawn legibly."
    if len(table.rows) <= LIMIT:
        graph = plot_trace(table)
    return [sentence(f, y, inputs, given), graph, table]


def read_values(text: str) -> dict[str, float]:
    """Read "x1 = 2, x2 = pi/3": names, and formulas without a variable.

    Raises
    ------
    ValueError
        If a part is not ``name = number``, or a name stands twice.
    """
    values: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not (name or equals):
            continue  # nothing between two commas
        if not (equals and name.isidentifier()):
            raise ValueError(f"at: write name = number, with a comma between two of them, got {part.strip()!r}")
        if name in values:
            raise ValueError(f"at: {name} has two values")
        try:
            values[name] = float(parse(number, names=())())
        except FormulaError as error:
            raise ValueError(f"at: the value of {name} must be a number such as 2 or pi/3\n{error}") from error
        if not math.isfinite(values[name]):
            raise ValueError(f"at: the value of {name} must be finite, got {number}")
    return values


def sentence(f: Formula, y: Scalar, inputs: list[Scalar], given: dict[str, float]) -> str:
    """Say value and gradient, and which variables had no value or are not in the formula."""
    y.backward()
    place = ", ".join(f"{name} = {x.value:.6g}" for name, x in zip(f.names, inputs))
    gradient = ", ".join(f"∂f/∂{name} = {x.gradient:.6g}" for name, x in zip(f.names, inputs))
    words = [f"f = {y.value:.6g} at {place}. Gradient: {gradient}."]
    if missing := [name for name in f.names if name not in given]:
        words.append(f"No value was given for {', '.join(missing)}: taken as 1.")
    if unused := [name for name in given if name not in f.names]:
        words.append(f"Not in the formula: {', '.join(unused)}.")
    return " ".join(words)
