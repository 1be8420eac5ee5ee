"""What reverse mode does, node by node: the trace of a `Scalar` as a table, as edges and as paths.

``trace(f, {"x1": 2.0, "x2": 5.0})`` runs a function and shows its trace; ``Trace(y)`` shows one that is there already.
Left the values, in the order in which they can be computed; right the adjoints, in the order in which they travel back
(Bellani, 2024, "Back-propagation lecture notes", figure 1). `Trace.addends` writes out the addends of the chain rule.
"""

from __future__ import annotations

import html
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from helpers.diff.graphs import barred, written
from helpers.diff.names import unused
from helpers.diff.paths import paths
from helpers.diff.scalar import Constant, Scalar, topological_order

T = TypeVar("T")
LIMIT = 1000  # more nodes than one would read


class Row(NamedTuple):
    """A node: v1 = log(x1) = 0.693, and its adjoint v̄1 = v̄4 · ∂v4/∂v1 = 1 · 1 = 1.

    Attributes
    ----------
    name, formula, value
        Of the node; the formula of an input is empty.
    adjoint, adjoint_formula, adjoint_numbers, gradient
        The adjoint's name, the sum over the operations that use the node, the same in numbers, and its value.
    """

    name: str
    formula: str
    value: float
    adjoint: str
    adjoint_formula: str
    adjoint_numbers: str
    gradient: float


class Edge(NamedTuple):
    """A step of back-propagation along one edge: the child hands ``product`` to the parent's adjoint.

    Attributes
    ----------
    parent, child : str
        The names of an operand and of the operation's result.
    derivative : float
        The local derivative of the child with respect to this operand.
    product : float
        The child's adjoint times that.
    """

    parent: str
    child: str
    derivative: float
    product: float


class Trace:
    """The trace of an output as a table; shows itself in a notebook, prints as text.

    Parameters
    ----------
    output : Scalar
        The end of the trace. Its nodes and their gradients are left as they are.
    inputs : sequence of Scalar
        Inputs that are to be listed first, whether the output depends on them or not.

    Attributes
    ----------
    rows : list of Row
        One a node, parents first: sorted by their distance from the inputs. Plain numbers are no nodes of their own,
        they stand in the formulas.
    edges : list of Edge
        In the order of back-propagation: when a node hands on its adjoint, it has received all of it.
    nodes : dict of str to Scalar
        By name. An unnamed operation is called v1, v2, ..., an unnamed input v0, v-1, ... (the last one v0);
        names that are taken are left out.

    Raises
    ------
    TypeError
        If the output is no Scalar.
    ValueError
        If there are more than 1000 nodes, or two have one name.

    Examples
    --------
    >>> x = Scalar(3.0, name="x")
    >>> print(Trace(x * x + x))
    x  = 3            v̄2 = 1
    v1 = x * x = 9    v̄1 = v̄2 · ∂v2/∂v1 = 1 · 1 = 1
    v2 = v1 + x = 12  x̄  = v̄2 · ∂v2/∂x + v̄1 · ∂v1/∂x + v̄1 · ∂v1/∂x = 1 · 1 + 1 · 3 + 1 · 3 = 7
    """

    def __init__(self, output: Scalar, inputs: Sequence[Scalar] = ()) -> None:
        if not isinstance(output, Scalar):
            raise TypeError(f"output must be a Scalar, got {type(output).__name__}: {output!r}")
        ordered = _by_depth(output, inputs)
        if len(ordered) > LIMIT:
            raise ValueError(f"a table of {len(ordered)} nodes is too long to be read; the limit is {LIMIT}")
        self._output, self._names = output, _named(ordered)
        self.nodes = {name: node for node, name in self._names.items()}
        self.edges: list[Edge] = []
        adjoints = {node: float(node is output) for node in ordered}
        for node in reversed(ordered):
            for parent, derivative in zip(node.parents, node.local_derivatives):
                if parent in adjoints:
                    product = adjoints[node] * derivative
                    adjoints[parent] += product
                    self.edges.append(Edge(self._names[parent], self._names[node], derivative, product))
        self.rows = [self._row(node, adjoints) for node in ordered]

    def _row(self, node: Scalar, adjoints: Mapping[Scalar, float]) -> Row:
        name = self._names[node]
        operands = [self._names.get(parent) or written(parent.value, True) for parent in node.parents]
        formula = node.operation.text.format(*operands) if node.operation else ""
        uses = [edge for edge in self.edges if edge.parent == name]
        words = " + ".join(f"{barred(edge.child)} · {_partial(edge.child, name)}" for edge in uses)
        received = {edge.child: written(adjoints[self.nodes[edge.child]], True) for edge in uses}
        numbers = " + ".join(f"{received[edge.child]} · {written(edge.derivative, True)}" for edge in uses)
        return Row(name, formula, node.value, barred(name), words, numbers, adjoints[node])

    def columns(self) -> list[tuple[str, str]]:
        """Return the lines of the table: a value in computing order, an adjoint in the order of back-propagation."""
        width = max(len(row.name) for row in self.rows)
        values = [_equation(row.name.ljust(width), row.formula, row.value) for row in self.rows]
        adjoints = [
            _equation(barred(row.name.ljust(width)), row.adjoint_formula, row.gradient, row.adjoint_numbers)
            for row in reversed(self.rows)
        ]
        return list(zip(values, adjoints))

    def addends(self, name: str) -> list[str]:
        """Return the addends of the chain rule for the derivative with respect to a node, one for each path.

        Examples
        --------
        >>> for line in trace(lambda x: x * x + x, {"x": 3.0}).addends("x"):
        ...     print(line)
        ∂v2/∂v1 · ∂v1/∂x = 1 · 3 = 3
        ∂v2/∂v1 · ∂v1/∂x = 1 · 3 = 3
        ∂v2/∂x = 1
        """
        if name not in self.nodes:
            raise KeyError(f"no node is called {name!r}; there are {', '.join(self.nodes)}")
        lines = []
        for nodes, derivatives, product in paths(self._output, self.nodes[name]):
            names = [self._names[node] for node in nodes]
            words = " · ".join(_partial(child, parent) for child, parent in itertools.pairwise(names))
            numbers = " · ".join(written(derivative, True) for derivative in derivatives)
            lines.append(_equation(words or "1", "", product, numbers if len(derivatives) > 1 else ""))
        return lines

    def __str__(self) -> str:
        lines = self.columns()
        width = max(len(left) for left, _ in lines)
        return "\n".join(f"{left.ljust(width)}  {right}" for left, right in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        left = 'style="text-align:left;padding:2px 24px 2px 0"'
        cell = f"<td {left}>"
        body = "".join(f"<tr>{cell}{html.escape(a)}</td>{cell}{html.escape(b)}</td></tr>" for a, b in self.columns())
        return (
            "<table><caption>Forward: each value from its operands. Backward: each adjoint from the nodes that use it."
            f'</caption><thead><tr><th scope="col" {left}>values, downwards</th>'
            f'<th scope="col" {left}>adjoints, downwards</th></tr>'
            f"</thead><tbody>{body}</tbody></table>"
        )


def trace(f: Callable[..., Any], inputs: Mapping[str, float]) -> Trace:
    """Run a function on Scalars and return its trace.

    Parameters
    ----------
    f : callable
        Takes the inputs in their order, or by their names if its parameters are called so.
    inputs : mapping of str to float
        Names and values.

    Raises
    ------
    TypeError
        If f does not return a Scalar, because it uses none of its inputs or leaves the trace.

    Examples
    --------
    >>> from helpers.diff import log, sin
    >>> table = trace(lambda x1, x2: log(x1) + x1 * x2 - sin(x2), {"x1": 2.0, "x2": 5.0})
    >>> table.rows[2].formula, table.rows[2].adjoint_formula
    ('log(x1)', 'v̄4 · ∂v4/∂v1')
    """
    nodes = [Scalar(value, name=name) for name, value in inputs.items()]
    output = f(*in_order(f, dict(zip(inputs, nodes))))
    if not isinstance(output, Scalar):
        raise TypeError(f"f must compute a Scalar from its inputs, got {type(output).__name__}: {output!r}")
    return Trace(output, nodes)


def in_order(f: Callable[..., Any], inputs: Mapping[str, T]) -> list[T]:
    """Return inputs as f takes them: by name if its parameters are called so, in whatever order, else in this order."""
    if (names := getattr(f, "names", None)) is None:
        try:
            names = inspect.signature(f).parameters
        except (TypeError, ValueError):  # some functions of C have none
            names = inputs
    return [inputs[name] for name in (names if set(names) == set(inputs) else inputs)]


def _by_depth(output: Scalar, inputs: Sequence[Scalar]) -> list[Scalar]:
    depths = dict.fromkeys(inputs, 0)
    for node in topological_order(output):
        if not isinstance(node, Constant) or node is output:
            depths[node] = 1 + max((depths.get(p, 0) for p in node.parents), default=-1)
    return sorted(depths, key=lambda node: depths[node])


def _named(nodes: Sequence[Scalar]) -> dict[Scalar, str]:
    names = {node: node.name for node in nodes if node.name}
    taken = set(names.values())
    unnamed = [node for node in nodes if not node.name]
    inputs, computed = [n for n in unnamed if n.operation is None], [n for n in unnamed if n.operation]
    downwards = (name for name in map("v{}".format, itertools.count(0, -1)) if name not in taken)
    names |= dict(zip(reversed(inputs), downwards)) | dict(zip(computed, unused("v", taken)))
    if len(set(names.values())) < len(names):
        raise ValueError(f"two nodes have one name in {', '.join(names.values())}")
    return {node: names[node] for node in nodes}


def _partial(child: str, parent: str) -> str:
    return f"∂{child}/∂{parent}"


def _equation(name: str, formula: str, value: float, numbers: str = "") -> str:
    return " = ".join(part for part in (name, formula, numbers, f"{value:.6g}") if part)
