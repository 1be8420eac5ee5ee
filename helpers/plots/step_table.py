"""The trace table of a stepper: values downwards, adjoints downwards, each line filled in when its step has come."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

ROWS = 4  # rows and columns of an array that are written out
CELL = "text-align:left;padding:2px 20px 2px 6px;font-size:1.15em;line-height:1.4"
NOW = ";background:#ffe9a8;color:#000000;font-weight:bold;box-shadow:inset 5px 0 #D55E00"
DOTS = "…"


def trace_table(sweep: Any, position: int) -> str:
    """Return the table of a sweep after so many steps, as HTML; what has not been computed is pale, with dots."""
    names = [node.name for node in sweep.graph.nodes]
    state = sweep.state(position)
    kind, changed = (sweep.steps[position - 1].kind, sweep.steps[position - 1].node) if position else ("", "")
    columns = {
        "values, downwards": [(_value(n, state), (kind, changed) == ("value", n.name)) for n in sweep.graph.nodes]
    }
    if sweep.mode != "values":
        order = names[::-1] if sweep.mode == "reverse" else names
        cells = [(_slope(sweep, name, position, state), kind != "value" and changed == name) for name in order]
        columns[f"{sweep.slopes}, downwards"] = cells
    head = "".join(f'<th scope="col" style="{CELL}">{title}</th>' for title in columns)
    rows = [
        "".join(f'<td style="{CELL}{NOW if on else ""}">{text}</td>' for text, on in row)
        for row in zip(*columns.values())
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody><tr>{'</tr><tr>'.join(rows)}</tr></tbody></table>"


def _value(node: Any, state: Any) -> str:
    known = node.name in state.values
    parts = [node.name, node.formula, short(node.value) if known else DOTS]
    return _pale(" = ".join(part for part in parts if part), not known)


def _slope(sweep: Any, name: str, position: int, state: Any) -> str:
    """Write an adjoint or tangent: the sum in symbols, the same in numbers as far as they have come, the result."""
    pushes = [(k, step) for k, step in enumerate(sweep.steps) if step.kind == "push" and step.node == name]
    done = name in state.slopes and state.received[name] == len(pushes)
    result = short(state.slopes[name]) if done else DOTS
    if not state.received[name]:
        symbols = " + ".join(step.symbols for _, step in pushes)
        return _pale(" = ".join(part for part in (sweep.slope_name(name), symbols, result) if part), not done)
    symbols = " + ".join(_pale(step.symbols, k >= position) for k, step in pushes)
    numbers = " + ".join(_pale(step.numbers if k < position else DOTS, k >= position) for k, step in pushes)
    parts = [html.escape(sweep.slope_name(name)), symbols, _pale(result, not done)]
    if all(step.numbers and np.ndim(step.product) == 0 for _, step in pushes):  # arrays would not fit
        parts.insert(2, numbers)
    return " = ".join(parts)


def _pale(text: str, pale: bool) -> str:
    escaped = html.escape(text)
    return f'<span style="opacity:0.6">{escaped}</span>' if pale else escaped


def lines_of(value: Any) -> list[str]:
    """Write a value in lines: a number, the rows of a small array, the shape of a large one."""
    if np.size(value) == 1:
        return [f"{float(np.ravel(value)[0]):.4g}"]
    if np.ndim(value) > 2 or max(np.shape(value)) > ROWS:
        return [f"{np.size(value)} numbers"]
    if np.size(value) == np.shape(value)[-1]:
        return ["  ".join(f"{number:.2f}" for number in np.ravel(value))]
    return ["".join(f"{number:6.2f}" for number in row).replace(" ", "\u2007") for row in np.atleast_2d(value)]


def short(value: Any) -> str:
    """Write a value in one line."""
    if np.ndim(value) == 0:
        return f"{value:.6g}"
    lines = lines_of(value)
    return lines[0] if "numbers" in lines[0] else f"[{'; '.join(' '.join(line.split()) for line in lines)}]"
