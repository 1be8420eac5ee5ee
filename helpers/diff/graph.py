"""The one record of a computation: nodes with values, edges with local derivatives, and how all of it is written.

A run of `Scalar`, of `Array` or of a `Program` becomes the same kind of `Graph`. `helpers.diff.steps` walks over it,
the pictures draw it, and `Graph.addends` writes out the addends of the chain rule.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.diff.array_rules import sum_to
from helpers.diff.arrays import Array
from helpers.diff.lagrange import Program, Value, value_of
from helpers.diff.scalar import Constant, Scalar
from helpers.diff.symbolic import topological_order, unused

LIMIT, LARGEST, MOST = 1000, 64, 12  # nodes or paths that one would read; entries of an array; those still written out

# How an operation hands an adjoint {bar} back and a tangent {dot} forth, for each operand {x}, of all operands {a} and
# {b}, with the result {y} and the derivative {d}. Capitals are factors of a product of matrices, {J} is the derivative.
NUMBER, ELEMENTWISE = ("{bar} · {d}", "{d} · {dot}"), ("{bar} ⊙ {d}", "{d} ⊙ {dot}")
MATRIX = ("{J}' {bar}", "{J} {dot}")
PRODUCTS = {  # of operations on arrays
    "add": (("{bar}", "{dot}"), ("{bar}", "{dot}")),
    "sub": (("{bar}", "{dot}"), ("-{bar}", "-{dot}")),
    "neg": (("-{bar}", "-{dot}"),),
    "mul": (("{bar} ⊙ {b}", "{dot} ⊙ {b}"), ("{bar} ⊙ {a}", "{a} ⊙ {dot}")),
    "matmul": (("{bar} {B}'", "{dot} {B}"), ("{A}' {bar}", "{A} {dot}")),
    "tanh": (("{bar} ⊙ (1 - {y}²)", "(1 - {y}²) ⊙ {dot}"),),
    "square": (("{bar} ⊙ 2 {x}", "2 {x} ⊙ {dot}"),),
    "sum": (("{bar}, repeated", "sum of {dot}"),),
}


class Node(NamedTuple):
    """A variable: name, formula ("" of an input) and value."""

    name: str
    formula: str
    value: Value


class Edge(NamedTuple):
    """An operand x and the result y of an operation, the derivative of the one in the other, and how it is used."""

    parent: str
    child: str
    derivative: Value  # a number between numbers, else the Jacobian, (size of the child, size of the parent)
    bar: str  # what the adjoint of the child is called
    forms: tuple[str, str]  # of what reverse mode computes here, and forward mode
    parts: Mapping[str, tuple[str, Value]]  # names and values, by the letters of the forms

    def product(self, forward: bool, travels: Value) -> tuple[str, str, str]:
        """Write the product: in symbols; in numbers, "" where there is a Jacobian; in shapes, if matrices are in it."""
        form, d, size = self.forms[forward], f"∂{self.child}/∂{self.parent}", np.shape(self.derivative)
        shape, number = (np.size(travels),) if "{J}" in form else np.shape(travels), written(travels, True)
        symbols = {"d": d, "J": f"({d})", "bar": self.bar, "dot": dotted(self.parent)}
        numbers = {"d": written(self.derivative, True), "bar": number, "dot": number}
        shapes: dict[str, Any] = {"J": size, "bar": shape, "dot": shape}
        for letter, (name, value) in self.parts.items():
            symbols[letter], numbers[letter], shapes[letter] = name, written(value, True), np.shape(value)
        in_numbers = "" if size and ("{d}" in form or "{J}" in form) else form.format(**numbers)
        matrices = any(letter in form for letter in ("{A}", "{B}", "{J}"))
        return form.format(**symbols), in_numbers, form.format(**shapes) if matrices else ""


class Graph(NamedTuple):
    """A computation that was carried out. What has no name is called v1, v2, ..."""

    nodes: tuple[Node, ...]  # parents first
    edges: tuple[Edge, ...]  # in the order of back-propagation: a node that hands on its adjoint has received all of it
    output: str  # the node that is differentiated
    adjoints: str  # "adjoints", or of a program "multipliers"

    def adjoint(self, name: str) -> str:
        """Return what the adjoint of a node is called."""
        return f"λ_{name}" if self.adjoints == "multipliers" else barred(name)

    def addends(self, name: str) -> list[str]:
        """Return the addends of the chain rule for the derivative with respect to a node, one for each path.

        Their sum is the derivative. Back-propagation finds it without following any path to its end, by adding up at
        every node; the number of paths can double with each operation, and more than 1000 are refused.

        >>> trace(lambda x: x * x + x, {"x": 3.0}).addends("x")[1:]
        ['∂v2/∂v1 · ∂v1/∂x = 1 · 3 = 3', '∂v2/∂x = 1']
        """
        paths: dict[str, list[tuple[int, ...]]] = {node.name: [] for node in self.nodes}  # from the named node up
        paths[name].append(())
        for i, edge in reversed(list(enumerate(self.edges))):
            paths[edge.child] += [(i, *path) for path in paths[edge.parent]]
            if len(paths[edge.child]) > LIMIT:
                raise ValueError(f"more than {LIMIT} paths lead from {name} to {self.output}: too many to write out")
        lines = []
        for path in sorted(paths[self.output]):
            edges = [self.edges[i] for i in path]
            words = " · ".join(f"∂{edge.child}/∂{edge.parent}" for edge in edges) or "1"
            numbers = " · ".join(written(edge.derivative, True) for edge in edges) if len(edges) > 1 else ""
            product = written(math.prod(float(edge.derivative) for edge in edges))
            lines.append(" = ".join(part for part in (words, numbers, product) if part))
        return lines


def trace(source: Any, at: Mapping[str, ArrayLike] | None = None, output: str | None = None) -> Graph:
    """Run a computation and return its graph: what was computed, node by node.

    Parameters
    ----------
    source : callable, Program or Graph
        A function of numbers or of arrays, which is run on the inputs, and whose result must be one number; a program
        without cycles, solved anew at ``at``, or as it was solved last; a graph as it is. At most 1000 nodes.
    at : mapping of str to float or array_like
        Names and values of the inputs: of a function by the names of its parameters, or, if these are called otherwise,
        in its order. An array has 64 entries at most.
    output : str, optional
        Of a program: which variable is differentiated; the last one unless told. It must be a number.

    >>> graph = trace(lambda x: x * x + x, {"x": 3.0})
    >>> [(node.name, node.formula, node.value) for node in graph.nodes]
    [('x', '', 3.0), ('v1', 'x * x', 9.0), ('v2', 'v1 + x', 12.0)]
    """
    if isinstance(source, Graph):
        if at is not None:
            raise ValueError("at gives inputs to a function or a program; a graph already has its own")
        return source
    if isinstance(source, Program):
        return _of_program(source, at, output)
    if not callable(source) or not at:
        raise TypeError(
            f"source must be a function, with inputs such as {{'x': 2.0}}, or a Program, got {source!r:.70}"
        )
    values = {name: value_of(value, f"at: {name}") for name, value in at.items()}
    kind: Any = Array if any(map(np.ndim, values.values())) else Scalar
    inputs = {name: kind(value) for name, value in values.items()}
    names = getattr(source, "names", None) or inspect.signature(source).parameters
    y = source(*[inputs[name] for name in (names if set(names) == set(inputs) else inputs)])
    if not isinstance(y, kind):
        what = "a Scalar" if kind is Scalar else "an Array"
        raise TypeError(f"f must compute {what} from its inputs, got {type(y).__name__}: {y!r:.80}")
    return _recorded(y, inputs)


def _graph(nodes: Iterable[Node], edges: Iterable[Edge], output: str, adjoints: str) -> Graph:
    """Return the graph, if it is small enough to be looked at and its output is a number."""
    graph = Graph(tuple(nodes), tuple(edges), output, adjoints)
    for name, _, value in graph.nodes:
        if np.size(value) > LARGEST:
            raise ValueError(f"{name} has {np.size(value)} entries, at most {LARGEST} can be looked at")
        if name == output and np.size(value) != 1:
            raise ValueError(f"the output {name} has shape {np.shape(value)}: differentiate one number, such as a sum")
    return graph


# What Scalars and Arrays remember. Both have value, parents and operation.


def _recorded(output: Any, inputs: Mapping[str, Any]) -> Graph:
    depths = dict.fromkeys(inputs.values(), 0)
    for node in topological_order(output):
        if node is output or not (isinstance(node, Constant) or getattr(node, "constant", False)):
            depths[node] = 1 + max((depths.get(parent, 0) for parent in node.parents), default=-1)
    if len(depths) > LIMIT:
        raise ValueError(f"a graph of {len(depths)} nodes is too long to be read; the limit is {LIMIT}")
    ordered = sorted(depths, key=lambda node: depths[node])
    names = {node: name for name, node in inputs.items()}
    names |= dict(zip((node for node in ordered if node not in names), unused("v", inputs)))
    nodes = [Node(names[node], _formula(node, names), value_of(node.value, names[node])) for node in ordered]
    pairs = [(node, i) for node in reversed(ordered) for i, parent in enumerate(node.parents) if parent in names]
    return _graph(nodes, (_edge(*pair, names) for pair in pairs), names[output], "adjoints")


def _called(node: Any, names: Mapping[Any, str]) -> str:
    """Return the name of a node, or of a constant its value."""
    return names[node] if node in names else written(node.value, True)


def _formula(node: Any, names: Mapping[Any, str]) -> str:
    """Write the operation that made a node; "" for an input."""
    if node.operation is None:
        return ""
    operands = [_called(parent, names) for parent in node.parents]
    if rule := getattr(node.operation, "rule", node.operation):  # of Arrays there are rows without one
        return str(rule.text.format(*operands))
    name = node.operation.name
    return " @ ".join(operands) if name == "matmul" else f"{name}({', '.join(operands)})"


def _edge(node: Any, i: int, names: Mapping[Any, str]) -> Edge:
    """Return the edge into an operation from its operand number i."""
    x, a, b = node.parents[i], node.parents[0], node.parents[-1]
    letters = {"x": x, "y": node, "a": a, "b": b, "A": a, "B": b}
    parts = {letter: (_called(part, names), part.value) for letter, part in letters.items()}
    if isinstance(node, Scalar):
        return Edge(names[x], names[node], float(node.local_derivatives[i]), barred(names[node]), NUMBER, parts)
    row, operands = node.operation, [operand.value for operand in node.parents]
    name = "square" if row.rule and row.rule.exponent == 2 else row.name
    back, forth = PRODUCTS.get(name, [ELEMENTWISE if row.rule else MATRIX] * len(operands))[i]
    back += ", summed" if x.shape != node.shape and row.rule else ""  # what broadcasting repeated
    units = np.eye(node.size).reshape(node.size, *node.shape)  # the vJp rule makes a row of the Jacobian of each
    rows = [sum_to(row.vjps[i](unit, node.value, *operands, **node.options), x.shape) for unit in units]
    J = np.array(rows).reshape(node.size, x.size)
    return Edge(names[x], names[node], J, barred(names[node]), (back, forth), parts)


def _of_program(program: Program, at: Mapping[str, ArrayLike] | None, output: str | None) -> Graph:
    """Make the graph of that part of a program which the output depends on; the program stays as it is."""
    if cycles := program.cycles():
        raise ValueError(f"{' and '.join(cycles[0])} form a cycle: none can be filled first, there are no single steps")
    names = [name for (name,) in program.order()]
    output = output or names[-1]
    if output not in names:
        raise ValueError(f"output must be one of {', '.join(names)}, got {output!r}")
    values: Mapping[str, Value] = program.solved() if at is None else copy.copy(program).solve(at)
    needed = {output}
    for name in reversed(names):
        needed |= set(program.equations[name].parents) if name in needed else set()
    nodes = [Node(name, "", values[name]) for name in program.inputs]
    edges: list[Edge] = []
    for name in (name for name in names if name in needed):
        equation = program.equations[name]
        expression = equation.expression()
        formula = f"f({', '.join(equation.parents)})" if expression is None else str(expression)
        nodes.append(Node(name, formula, values[name]))
        into = []
        for parent, J in zip(equation.parents, equation.jacobians(values)):
            number = np.ndim(values[name]) == np.ndim(values[parent]) == 0
            parts = {"x": (parent, values[parent]), "y": (name, values[name])}
            slope, forms = (float(J[0, 0]), NUMBER) if number else (J, MATRIX)
            into.append(Edge(parent, name, slope, f"λ_{name}", forms, parts))
        edges = into + edges
    return _graph(nodes, edges, output, "multipliers")


# How it is written.


def barred(name: str, mark: str = "\u0304") -> str:
    """Write the adjoint of a variable: v1 with a bar."""
    return f"{name[0]}{mark}{name[1:]}"


def dotted(name: str) -> str:
    """Write the tangent of a variable: v1 with a dot."""
    return barred(name, "\u0307")


def written(value: Any, factor: bool = False) -> str:
    """Write a number, as a factor with brackets around a sign; of an array its rows, or its shape if it is large."""
    if np.ndim(value) == 0:
        text = f"{float(value):.6g}"
        return f"({text})" if factor and text.startswith("-") else text
    array = np.asarray(value)
    if array.size > MOST or array.ndim > 2:
        return f"an array of shape {array.shape}"
    return "[" + "; ".join(" ".join(f"{entry:.3g}" for entry in row) for row in np.atleast_2d(array)) + "]"
