"""A computation as plain data: nodes with values, edges with local derivatives, and how all of it is written.

`helpers.diff.step_graphs` makes a `Graph` of what the engines record, `helpers.diff.steps` walks over it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Value = float | NDArray[np.float64]
MOST = 12  # entries of an array that is still written out


class Node(NamedTuple):
    """A variable: name, formula ("" of an input), value, and what its adjoint is called."""

    name: str
    formula: str
    value: Value
    adjoint: str


class Product(NamedTuple):
    """How the product along an edge is written.

    Attributes
    ----------
    symbols : str
        "v̄4 · ∂v4/∂x1".
    numbers : str
        "{} · 5", with a gap for what travels.
    shapes : str
        Of arrays, their shapes in the place of their names: "(3, 1) (2, 1)'".
    """

    symbols: str
    numbers: str
    shapes: str = ""


class Edge(NamedTuple):
    """An operand and the result of an operation, with the derivative of the one in the other.

    Attributes
    ----------
    parent, child : str
        The names of operand and result.
    derivative : float or ndarray, shape (size of the child, size of the parent)
        A number between numbers; with arrays the Jacobian, which is small here, since it is to be looked at.
    back, forth : Product
        What reverse mode and forward mode compute here.
    """

    parent: str
    child: str
    derivative: Value
    back: Product
    forth: Product


class Graph(NamedTuple):
    """What is stepped through.

    Attributes
    ----------
    nodes : tuple of Node
        Parents first.
    edges : tuple of Edge
        In the order of back-propagation: when a node hands on its adjoint, it has received all of it.
    output : str
        The node that is differentiated.
    adjoints : str
        What the adjoints are called: "adjoints", or "multipliers".
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    output: str
    adjoints: str = "adjoints"


def barred(name: str) -> str:
    """Write the adjoint of a variable: v1 with a bar."""
    return f"{name[0]}\u0304{name[1:]}"


def dotted(name: str) -> str:
    """Write the tangent of a variable: v1 with a dot."""
    return f"{name[0]}\u0307{name[1:]}"


def written(value: Value, factor: bool = False) -> str:
    """Write a number, as a factor with brackets around a sign; of an array its rows, or its shape if it is large."""
    if np.ndim(value) == 0:
        text = f"{float(value):.6g}"
        return f"({text})" if factor and text.startswith("-") else text
    array = np.asarray(value)
    if array.size > MOST or array.ndim > 2:
        return f"an array of shape {array.shape}"
    return "[" + "; ".join(" ".join(f"{entry:.3g}" for entry in row) for row in np.atleast_2d(array)) + "]"


def in_numbers(formula: str, values: Mapping[str, Value]) -> str:
    """Write a formula with numbers for the names; "" if one of them is an array."""
    longest_first = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    names = re.compile(rf"(?<![\w.])(?:{longest_first})(?![\w(])")  # not the e of 1e-05, not the function of log(log)
    if any(np.ndim(values[name]) for name in names.findall(formula)):
        return ""
    text = names.sub(lambda found: written(values[found[0]], True), formula)
    return re.sub(r"\(\(([^()]*)\)\)", r"(\1)", text)  # no brackets within brackets


def joined(*parts: str) -> str:
    """Join parts by equals signs; empty ones and repetitions are left out."""
    return " = ".join(part for part in dict.fromkeys(parts) if part)
