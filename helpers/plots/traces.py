"""The graph of a scalar trace: values and adjoints on the nodes, local derivatives on the arrows.

Inputs are boxes, operations ellipses, the output a box with two borders. An arrow leads from an operand to what is
computed from it; adjoints travel against the arrows. `plot_trace` takes any object with the rows and edges of a trace.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from helpers.plots.drawing import Drawing, draw, fitting

LIMIT = 40  # more nodes than these nobody can read, and laying them out takes seconds
LONGEST = 28  # characters of a line in a node
SCALE = (5 / 6, 1.0)  # how far a drawing may shrink before it is scrolled: its text of 12 pt then has 10

LOOK_FOR = (
    "each adjoint (with a bar, brown) is a sum over the arrows that leave its node: the number on the arrow times the "
    "adjoint at its end."
)
LOOK_FOR_VALUES = "each value comes from the nodes whose arrows arrive; on an arrow stands the local derivative."

# Fill and border: pale and strong blue, grey, pale and strong vermilion of the course's colours.
STYLES = {
    "input": 'shape=box, style=filled, fillcolor="#d6eaf6", color="#0072B2"',
    "operation": 'shape=ellipse, style=filled, fillcolor="#f4f4f2", color="#555555"',
    "output": 'shape=box, peripheries=2, style=filled, fillcolor="#fbe0cf", color="#D55E00"',
}
BROWN = "#8f3d00"  # of the adjoints: dark enough to be read on each of the fills


class TraceRow(Protocol):
    """A node: name, formula ("" for an input), value; its adjoint's name, formula ("" where no edge leaves), value."""

    @property
    def name(self) -> str: ...
    @property
    def formula(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def adjoint(self) -> str: ...
    @property
    def adjoint_formula(self) -> str: ...
    @property
    def gradient(self) -> float: ...


class TraceEdge(Protocol):
    """An operand, the operation's result, and the derivative of the result with respect to the operand."""

    @property
    def parent(self) -> str: ...
    @property
    def child(self) -> str: ...
    @property
    def derivative(self) -> float: ...


class TraceTable(Protocol):
    """What `plot_trace` draws."""

    @property
    def rows(self) -> Sequence[TraceRow]: ...
    @property
    def edges(self) -> Sequence[TraceEdge]: ...


@dataclass(frozen=True, repr=False)
class TraceGraph:
    """A drawn trace: the ``drawing``, what to ``look_for``, and the same in words, ``description``."""

    drawing: Drawing
    look_for: str
    description: str

    def __repr__(self) -> str:
        return f"{self.description}\nWhat to look for: {self.look_for}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        words, look = html.escape(self.description), html.escape(self.look_for)
        if self.drawing.svg is None:
            graph = str(self.drawing._repr_mimebundle_()["text/html"])
        else:  # on a narrower page it shrinks as long as it can be read, and is then scrolled
            style = 'tabindex="0" style="overflow-x:auto;contain:inline-size"'
            graph = f'<div role="img" aria-label="{words}" {style}>{shrinkable(self.drawing.svg)}</div>'
        return {
            "text/html": f'<figure style="margin:0">{graph}<figcaption><b>What to look for:</b> {look}'
            f"<details><summary>Description of the figure</summary>{words}</details></figcaption></figure>",
            "text/plain": repr(self),
        }


def shrinkable(svg: str) -> str:
    """Let a page narrower than a drawing of Graphviz shrink it, as far as `SCALE` says."""
    width = re.match(r'<svg width="([\d.]+)pt"', svg)
    return svg.replace("<svg ", f'<svg style="{fitting(float(width[1]), "pt", *SCALE)}" ', 1) if width else svg


def plot_trace(trace: TraceTable, *, adjoints: bool = True, look_for: str = "") -> TraceGraph:
    """Draw the graph of a trace.

    Parameters
    ----------
    trace : TraceTable
        With ``rows`` and ``edges``, such as ``helpers.diff.trace.Trace(y)``; at most 40 rows.
    adjoints : bool
        Whether the adjoints are shown too, or the values alone, as before the backward pass.
    look_for : str
        What to look for; the rule of the sweep unless told.

    Returns
    -------
    TraceGraph
        Shows itself in a notebook: as a picture where the machine has Graphviz, as text where it has none.

    Raises
    ------
    TypeError
        If the trace has no rows and edges.
    ValueError
        If there are no nodes, or more than 40; if two rows have one name, or an edge leads to none of them.

    Examples
    --------
    >>> from helpers.diff.trace import trace
    >>> graph = plot_trace(trace(lambda x: x * x + 1, {"x": 3.0}))
    >>> print(graph.description)
    Graph of a computation. Input: x = 3, adjoint 6. Operation: v1 = x * x = 9, adjoint 1. Output: v2 = v1 + 1 = 10,
    adjoint 1. Arrows with local derivatives: v1 to v2, 1; x to v1, 3; x to v1, 3.
    """
    if not (hasattr(trace, "rows") and hasattr(trace, "edges")):
        raise TypeError(f"trace must have rows and edges, as Trace(y) has, got {type(trace).__name__}: {trace!r}")
    names = {row.name: f"n{i}" for i, row in enumerate(trace.rows)}
    if not 1 <= len(names) <= LIMIT:
        raise ValueError(
            f"a graph of {len(names)} nodes cannot be drawn legibly; draw 1 to {LIMIT}, or print the table"
        )
    if len(names) < len(trace.rows):
        raise ValueError(f"rows must have different names, got {', '.join(row.name for row in trace.rows)}")
    for edge in trace.edges:
        for end in (edge.parent, edge.child):
            if end not in names:
                raise ValueError(f"an edge leads from {edge.parent} to {edge.child}, but no row is called {end}")
    source = dot_source(trace, names, adjoints)
    look_for = look_for or (LOOK_FOR if adjoints else LOOK_FOR_VALUES)
    return TraceGraph(draw(source), look_for, describe(trace, adjoints))


def dot_source(trace: TraceTable, names: dict[str, str], adjoints: bool) -> str:
    """Write the graph in the DOT language; ``names`` gives each row a name of DOT's own, which needs no escape."""
    lines = [
        "digraph trace {",
        'rankdir=LR; bgcolor="white"; nodesep=0.25; ranksep=0.4;',
        'node [fontname="Helvetica,Arial,sans-serif", fontsize=12.5, penwidth=1.5, margin="0.08,0.05"];',
        'edge [fontname="Helvetica,Arial,sans-serif", fontsize=12, penwidth=1.2, color="#333333"];',
    ]
    lines += [f"{names[row.name]} [{STYLES[kind(row)]}, label=<{_label(row, adjoints)}>];" for row in trace.rows]
    lines += [f'{names[e.parent]} -> {names[e.child]} [label=" {e.derivative:.4g} "];' for e in trace.edges]
    return "\n".join([*lines, "}"])


def kind(row: TraceRow) -> str:
    """Return "output" for the node whose adjoint is given, "input" for one that nothing computes, else "operation"."""
    if row.gradient and not row.adjoint_formula:  # an input without use has neither
        return "output"
    return "operation" if row.formula else "input"


def describe(trace: TraceTable, adjoints: bool) -> str:
    """Say in words what the picture shows: the nodes by their kind, then the arrows."""
    sentences = ["Graph of a computation."]
    for which in STYLES:
        nodes = []
        for row in trace.rows:
            if kind(row) == which:
                equation = " = ".join(part for part in (row.name, row.formula, f"{row.value:.4g}") if part)
                nodes.append(equation + (f", adjoint {row.gradient:.4g}" if adjoints else ""))
        if nodes:
            sentences.append(f"{which.capitalize()}{'s' if len(nodes) > 1 else ''}: {'; '.join(nodes)}.")
    arrows = "; ".join(f"{edge.parent} to {edge.child}, {edge.derivative:.4g}" for edge in trace.edges)
    return " ".join([*sentences, f"Arrows with local derivatives: {arrows or 'none'}."])


def _label(row: TraceRow, adjoints: bool) -> str:
    """Return the lines of a node in Graphviz's form of HTML."""
    lines = [f"{row.name} = {row.formula}", f"{row.value:.4g}"] if row.formula else [f"{row.name} = {row.value:.4g}"]
    lines = [_escape(line) for line in lines]
    lines[0] = f"<b>{lines[0]}</b>"
    if adjoints:
        lines.append(f'<font color="{BROWN}">{_escape(f"{row.adjoint} = {row.gradient:.4g}")}</font>')
    return "<br/>".join(lines)


def _escape(line: str) -> str:
    return html.escape(line if len(line) <= LONGEST else line[: LONGEST - 1] + "…")
