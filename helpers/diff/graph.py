"""The one record of a computation: nodes with values, edges with local derivatives, and how all of it is written.

A run of `Scalar`, of `Array` or of a `Program` becomes the same kind of `Graph`. `helpers.diff.steps` walks over it,
the pictures draw it, and `Graph.addends` writes out the addends of the chain rule.

>>> graph = trace(lambda x: x * x + x, {"x": 3.0})
>>> [(node.name, node.formula, node.value) for node in graph.nodes]
[('x', '', 3.0), ('v1', 'x * x', 9.0), ('v2', 'v1 + x', 12.0)]
>>> [(edge.parent, edge.child, edge.derivative) for edge in graph.edges]
[('v1', 'v2', 1.0), ('x', 'v2', 1.0), ('x', 'v1', 3.0), ('x', 'v1', 3.0)]
"""

from __future__ import annotations

import copy
import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.array_rules import sum_to
from helpers.diff.arrays import Array
from helpers.diff.expressions import topological_order
from helpers.diff.lagrange import Program
from helpers.diff.names import by_name, unused
from helpers.diff.scalar import Constant, Scalar

T = TypeVar("T")
Value = float | NDArray[np.float64]
LIMIT, LARGEST, MOST = 1000, 64, 12  # nodes or paths that one would read; entries of an array; those still written out

# How an operation on arrays hands an adjoint back and a tangent forth, for each operand: {bar} and {dot} stand for
# these, {a} and {b} for the operands, {y} for the result. Other operations are written with the sign of a derivative.
PRODUCTS = {
    "add": (("{bar}", "{dot}"), ("{bar}", "{dot}")),
    "sub": (("{bar}", "{dot}"), ("-{bar}", "-{dot}")),
    "neg": (("-{bar}", "-{dot}"),),
    "mul": (("{bar} ⊙ {b}", "{dot} ⊙ {b}"), ("{bar} ⊙ {a}", "{a} ⊙ {dot}")),
    "matmul": (("{bar} {b}'", "{dot} {b}"), ("{a}' {bar}", "{a} {dot}")),
    "tanh": (("{bar} ⊙ (1 - {y}²)", "(1 - {y}²) ⊙ {dot}"),),
    "square": (("{bar} ⊙ 2 {x}", "2 {x} ⊙ {dot}"),),
    "sum": (("{bar}, repeated", "sum of {dot}"),),
}
ELEMENTWISE = ("{bar} ⊙ ∂{y}/∂{x}", "∂{y}/∂{x} ⊙ {dot}")
OTHER = ("(∂{y}/∂{x})' {bar}", "(∂{y}/∂{x}) {dot}")


class Node(NamedTuple):
    """A variable: name, formula ("" of an input), value, and what its adjoint is called."""

    name: str
    formula: str
    value: Value
    adjoint: str


class Product(NamedTuple):
    """How the product along an edge is written: "v̄4 · ∂v4/∂x1", "{} · 5" with a gap for what travels, and shapes."""

    symbols: str
    numbers: str
    shapes: str = ""


class Edge(NamedTuple):
    """An operand and the result of an operation, with the derivative of the one in the other.

    The derivative is a number between numbers, else the Jacobian, of shape (size of the child, size of the parent).
    ``back`` and ``forth`` are what reverse mode and forward mode compute here.
    """

    parent: str
    child: str
    derivative: Value
    back: Product
    forth: Product


class Graph(NamedTuple):
    """A computation that was carried out.

    Attributes
    ----------
    nodes : tuple of Node
        Parents first. An unnamed operation is called v1, v2, ..., an unnamed input v0, v-1, ...
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

    def addends(self, name: str) -> list[str]:
        """Return the addends of the chain rule for the derivative with respect to a node, one for each path.

        Their sum is the derivative. Back-propagation finds it without following any path to its end, by adding up at
        every node; the number of paths can double with each operation, and more than 1000 are refused.

        Examples
        --------
        >>> for line in trace(lambda x: x * x + x, {"x": 3.0}).addends("x"):
        ...     print(line)
        ∂v2/∂v1 · ∂v1/∂x = 1 · 3 = 3
        ∂v2/∂v1 · ∂v1/∂x = 1 · 3 = 3
        ∂v2/∂x = 1
        """
        names = [node.name for node in self.nodes]
        if name not in names:
            raise KeyError(f"no node is called {name!r}; there are {', '.join(names)}")
        ways = Counter({name: 1})  # from each node to this one: counted first, since they may be far too many
        for edge in reversed(self.edges):
            ways[edge.child] += ways[edge.parent] if edge.child != name else 0
        if ways[self.output] > LIMIT:
            raise ValueError(f"there are {ways[self.output]} paths, at most {LIMIT} are written out")
        paths: dict[str, list[list[int]]] = {each: [] for each in names} | {self.output: [[]]}
        for i, edge in enumerate(self.edges):
            if ways[edge.parent] and edge.child != name:
                paths[edge.parent] += [[*path, i] for path in paths[edge.child]]
        return [self._addend([self.edges[i] for i in path]) for path in sorted(paths[name])]

    def _addend(self, path: Sequence[Edge]) -> str:
        derivatives = [edge.derivative for edge in path]
        if any(map(np.ndim, derivatives)):
            raise ValueError("addends are written out of numbers, and on this path lie arrays")
        words = " · ".join(f"∂{edge.child}/∂{edge.parent}" for edge in path) or "1"
        numbers = " · ".join(written(d, True) for d in derivatives) if len(path) > 1 else ""
        return " = ".join(part for part in (words, numbers, written(math.prod(derivatives))) if part)


def trace(f: Callable[..., Any], inputs: Mapping[str, ArrayLike]) -> Graph:
    """Run a function and return its trace: what was computed, node by node.

    Parameters
    ----------
    f : callable
        Takes the inputs in their order, or by their names if its parameters are called so.
    inputs : mapping of str to float or array_like
        Names and values; an array has 64 entries at most.

    Returns
    -------
    Graph
        Its ``nodes`` are sorted by their distance from the inputs; plain numbers stand in the formulas.

    Raises
    ------
    TypeError
        If f does not compute its result from the inputs, or leaves the trace.
    ValueError
        If there are more than 1000 nodes, or the result is not one number.

    Examples
    --------
    >>> from helpers.diff import log, sin
    >>> graph = trace(lambda x1, x2: log(x1) + x1 * x2 - sin(x2), {"x1": 2.0, "x2": 5.0})
    >>> graph.nodes[2].formula, graph.edges[0].back.symbols
    ('log(x1)', 'v̄5 · ∂v5/∂v4')
    """
    return graph_of(f, inputs)


def graph_of(source: Any, at: Mapping[str, ArrayLike] | None = None, output: str | None = None) -> Graph:
    """Make the graph of a computation.

    Parameters
    ----------
    source : Graph, Scalar, Program or callable
        A graph as it is; the trace of a Scalar; a program without cycles, solved anew at ``at``, or as it was solved
        last; a function of numbers or of arrays, which is run on them.
    at : mapping of str to float or array_like
        The inputs: of a function by the names of its parameters, or, if these are called otherwise, in its order.
    output : str, optional
        Of a program: which variable is differentiated; the last one unless told. It must be a number.
    """
    if isinstance(source, Program):
        return _of_program(source, at, output)
    if output is not None:
        raise ValueError(f"output says which variable of a Program is differentiated; here is none, got {output!r}")
    if isinstance(source, (Graph, Scalar)):
        if at is not None:
            raise ValueError("at gives inputs to a function or a program; what was computed already has its own")
        return source if isinstance(source, Graph) else _recorded(source, {})
    if not callable(source):
        raise TypeError(
            f"source must be a function, a Program, a Scalar or a Graph, got {type(source).__name__}: {source!r:.80}"
        )
    if not at:
        raise ValueError("at must give the inputs of the function, such as {'x': 2.0}, got none")
    values = {name: _real(name, value) for name, value in by_name(at).items()}
    kind: Any = Array if any(map(np.ndim, values.values())) else Scalar
    inputs = {name: kind(value) for name, value in values.items()}
    y = source(*in_order(source, inputs))
    if not isinstance(y, kind):
        what = "a Scalar" if kind is Scalar else "an Array"
        raise TypeError(f"f must compute {what} from its inputs, got {type(y).__name__}: {y!r:.80}")
    return _recorded(y, inputs)


def in_order(f: Callable[..., Any], inputs: Mapping[str, T]) -> list[T]:
    """Return inputs as f takes them: by name if its parameters are called so, in whatever order, else in this order."""
    if (names := getattr(f, "names", None)) is None:
        try:
            names = inspect.signature(f).parameters
        except (TypeError, ValueError):  # some functions of C have none
            names = inputs
    return [inputs[name] for name in (names if set(names) == set(inputs) else inputs)]


def _real(name: str, value: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"at: {name} must be a real number or an array of them, got {value!r:.80}")
    return array.astype(np.float64)


def _checked(nodes: Iterable[Node], edges: Iterable[Edge], output: str, adjoints: str = "adjoints") -> Graph:
    """Return the graph, if it is small enough to be looked at and its output can be differentiated."""
    graph = Graph(tuple(nodes), tuple(edges), output, adjoints)
    for name, _, value, _ in graph.nodes:
        if np.size(value) > LARGEST:
            raise ValueError(f"{name} has {np.size(value)} entries, at most {LARGEST} can be looked at")
        if name == output and np.size(value) != 1:
            raise ValueError(
                f"the output {name} has shape {np.shape(value)}; differentiate one number, such as a sum of its entries"
            )
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
    names = _named(ordered, {node: name for name, node in inputs.items()})
    nodes = [Node(names[node], _formula(node, names), _value(node), barred(names[node])) for node in ordered]
    edges = [
        _edge(node, i, names) for node in reversed(ordered) for i, parent in enumerate(node.parents) if parent in names
    ]
    return _checked(nodes, edges, names[output])


def _named(nodes: Sequence[Any], names: dict[Any, str]) -> dict[Any, str]:
    names |= {node: node.name for node in nodes if getattr(node, "name", None)}
    taken = set(names.values())
    inputs, computed = ([n for n in nodes if n not in names and bool(n.parents) is made] for made in (False, True))
    names |= dict(zip(reversed(inputs), unused("v", taken, 0, -1))) | dict(zip(computed, unused("v", taken)))
    if len(set(names.values())) < len(names):
        raise ValueError(f"two nodes have one name in {', '.join(names.values())}")
    return names


def _value(node: Any) -> Value:
    value: Value = node.value if isinstance(node, Scalar) else node.value[()]
    return value


def _called(node: Any, names: Mapping[Any, str]) -> str:
    """Return the name of a node, or of a constant its value."""
    return names[node] if node in names else written(_value(node), True)


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
    parent = node.parents[i]
    if isinstance(node, Scalar):
        return _between_numbers(names[parent], names[node], node.local_derivatives[i], barred)
    row, operands = node.operation, [operand.value for operand in node.parents]
    name = "square" if row.rule and row.rule.exponent == 2 else row.name
    texts = PRODUCTS.get(name, [ELEMENTWISE if row.rule else OTHER] * len(operands))[i]
    units = np.eye(node.size).reshape(node.size, *node.shape)  # the vJp rule makes a row of the Jacobian of each
    rows = [sum_to(row.vjps[i](unit, node.value, *operands, **node.options), parent.shape) for unit in units]
    back, forth = _products(node, i, texts, names)
    if parent.shape != node.shape and row.rule:  # what broadcasting repeated
        back = back._replace(symbols=f"{back.symbols}, summed", numbers=back.numbers and f"{back.numbers}, summed")
    return Edge(names[parent], names[node], np.array(rows).reshape(node.size, parent.size), back, forth)


def _products(node: Any, i: int, texts: Sequence[str], names: Mapping[Any, str]) -> list[Product]:
    """Fill the letters of `PRODUCTS` with names, with values, and with shapes, for the operand number i."""
    a, b = [*node.parents, *node.parents][:2]
    parts = {"a": a, "b": b, "x": node.parents[i], "y": node}
    words = {letter: _called(part, names) for letter, part in parts.items()}
    values = {letter: written(_value(part), True) for letter, part in parts.items()}
    shapes = {letter: str(part.shape) for letter, part in parts.items()}
    slopes = {"bar": barred(names[node]), "dot": dotted(names[parts["x"]])}
    return [
        Product(
            text.format(**words, **slopes),
            "" if "∂" in text else text.format(**values, bar="{}", dot="{}"),
            text.format(**shapes, bar=node.shape, dot=parts["x"].shape) if node.operation.name == "matmul" else "",
        )
        for text in texts
    ]


def _between_numbers(parent: str, child: str, derivative: float, adjoint: Callable[[str], str]) -> Edge:
    partial, slope = f"∂{child}/∂{parent}", written(derivative, True)
    back = Product(f"{adjoint(child)} · {partial}", f"{{}} · {slope}")
    forth = Product(f"{partial} · {dotted(parent)}", f"{slope} · {{}}")
    return Edge(parent, child, float(derivative), back, forth)


def _of_program(program: Program, at: Mapping[str, ArrayLike] | None, output: str | None) -> Graph:
    """Make the graph of that part of a program which the output depends on; the program stays as it is."""
    if cycles := program.cycles():
        raise ValueError(
            f"{' and '.join(cycles[0])} form a cycle: none of them can be filled first, so there are no single steps; "
            "multipliers() solves for all of them at once"
        )
    names = [name for (name,) in program.order()]
    output = output or (names[-1] if names else "")
    if output not in names:
        raise ValueError(f"output must be one of {', '.join(names)}, got {output!r}")
    values: Mapping[str, Value] = (copy.copy(program).solve(at) if at is not None else program.solution) or {}
    if not values:
        raise ValueError("nothing has been solved yet: give the inputs as at, or call solve(inputs) first")
    needed = {output}
    for name in reversed(names):
        needed |= set(program.equations[name].parents) if name in needed else set()
    ours = [program.equations[name] for name in names if name in needed]
    nodes = [Node(name, "", values[name], f"λ_{name}") for name in program.inputs]
    for name, _, parents in ours:
        expression = program.equations[name].expression()
        formula = f"f({', '.join(parents)})" if expression is None else str(expression)
        nodes.append(Node(name, formula, values[name], f"λ_{name}"))
    edges = []
    for equation in reversed(ours):
        for parent, J in zip(equation.parents, equation.jacobians(values)):
            if np.ndim(values[equation.name]) == np.ndim(values[parent]) == 0:
                edges.append(_between_numbers(parent, equation.name, float(J[0, 0]), "λ_{}".format))
                continue
            words = {"bar": f"λ_{equation.name}", "dot": dotted(parent), "x": parent, "y": equation.name}
            shapes = (f"{J.shape}' ({J.shape[0]},)", f"{J.shape} ({J.shape[1]},)")
            products = [Product(text.format(**words), "", shape) for text, shape in zip(OTHER, shapes)]
            edges.append(Edge(parent, equation.name, J, *products))
    return _checked(nodes, edges, output, "multipliers")


# How it is written.


def barred(name: str) -> str:
    """Write the adjoint of a variable: v1 with a bar."""
    return f"{name[0]}\u0304{name[1:]}"


def dotted(name: str) -> str:
    """Write the tangent of a variable: v1 with a dot."""
    return f"{name[0]}\u0307{name[1:]}"


def written(value: Any, factor: bool = False) -> str:
    """Write a number, as a factor with brackets around a sign; of an array its rows, or its shape if it is large."""
    if np.ndim(value) == 0:
        text = f"{float(value):.6g}"
        return f"({text})" if factor and text.startswith("-") else text
    array = np.asarray(value)
    if array.size > MOST or array.ndim > 2:
        return f"an array of shape {array.shape}"
    return "[" + "; ".join(" ".join(f"{entry:.3g}" for entry in row) for row in np.atleast_2d(array)) + "]"
