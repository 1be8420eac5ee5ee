"""Graphs to be stepped through: made from a `Scalar` trace, from a `Program` with multipliers, from a net on `Array`.

>>> from helpers.diff.lagrange import Program
>>> program = Program(inputs=["x"]).let("a", lambda x: x * x, "x").let("f", lambda a, x: a + x, "a", "x")
>>> graph = graph_of(program, {"x": 3.0}, output="f")
>>> [node.formula for node in graph.nodes], graph.edges[0].back.symbols
(['', 'x * x', 'a + x'], 'λ_f · ∂f/∂a')
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff import array_trace
from helpers.diff.array_node import Array
from helpers.diff.array_rules import sum_to
from helpers.diff.equations import Equation
from helpers.diff.expressions import Expression, Symbol
from helpers.diff.graphs import Edge, Graph, Node, Product, Value, barred, dotted, written
from helpers.diff.lagrange import Program
from helpers.diff.names import by_name, unused
from helpers.diff.trace import Trace, in_order, trace

LARGEST = 64  # entries of an array that is to be looked at

# How an operation on arrays hands an adjoint back and a tangent forth, an entry an operand: {bar} and {dot} stand for
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


def graph_of(
    source: Trace | Program | Callable[..., Any], at: Mapping[str, ArrayLike] | None = None, output: str | None = None
) -> Graph:
    """Make the graph of a computation.

    Parameters
    ----------
    source : Trace, Program or callable
        A trace as it is; a program without cycles, solved anew at ``at``, or as it was solved last; a function of
        numbers or of arrays, which is run on them.
    at : mapping of str to float or array_like
        The inputs: of a function by the names of its parameters, or, if these are called otherwise, in its order. An
        array has 64 entries at most.
    output : str, optional
        Of a program: which variable is differentiated; the last one unless told. It must be a number.

    Raises
    ------
    TypeError
        If the source is something else, or a function computes no `Scalar` or `Array`.
    ValueError
        If inputs are missing, the program has a cycle, the output is not one number, or an array is too large.
    """
    if isinstance(source, Trace):
        return of_trace(source)
    if isinstance(source, Program):
        return of_program(source, at, output)
    if not callable(source):
        raise TypeError(f"source must be a Trace, a Program or a function, got {type(source).__name__}: {source!r:.80}")
    if not at:
        raise ValueError("at must give the inputs of the function, such as {'x': 2.0}, got none")
    values = {name: _real(name, value) for name, value in by_name(at).items()}
    if any(np.ndim(value) for value in values.values()):
        return of_arrays(source, values)
    return of_trace(trace(source, {name: float(value) for name, value in values.items()}))


def _real(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return an input as an array of floats, or refuse what is no real number."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"at: {name} must be a real number or an array of them, got {value!r:.80}")
    return array.astype(np.float64)


def of_trace(table: Trace) -> Graph:
    """Make the graph of a trace of Scalars."""
    output = next(row.name for row in table.rows if row.gradient and not row.adjoint_formula)
    nodes = tuple(Node(row.name, row.formula, row.value, row.adjoint) for row in table.rows)
    return Graph(nodes, tuple(_between_numbers(e.parent, e.child, e.derivative, barred) for e in table.edges), output)


def of_program(program: Program, at: Mapping[str, ArrayLike] | None, output: str | None) -> Graph:
    """Make the graph of a program, or of that part of it which the output depends on; the program stays as it is."""
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
    _check_sizes(values, output)
    needed = {output}
    for name in reversed(names):
        needed |= set(program.equations[name].parents) if name in needed else set()
    ours = [name for name in names if name in needed]
    nodes = [Node(name, "", values[name], f"λ_{name}") for name in program.inputs]
    nodes += [Node(name, _formula(program.equations[name]), values[name], f"λ_{name}") for name in ours]
    edges = []
    for name in reversed(ours):
        equation = program.equations[name]
        for parent, J in zip(equation.parents, equation.jacobians(values)):
            if np.ndim(values[name]) == np.ndim(values[parent]) == 0:
                edges.append(_between_numbers(parent, name, float(J[0, 0]), "λ_{}".format))
            else:
                edges.append(Edge(parent, name, J, *_with_jacobian(parent, name, J)))
    return Graph(tuple(nodes), tuple(edges), output, "multipliers")


def of_arrays(f: Callable[..., Any], at: Mapping[str, ArrayLike]) -> Graph:
    """Run a function on Arrays and make the graph of what was recorded."""
    inputs = {name: Array(value) for name, value in at.items()}
    y = f(*in_order(f, inputs))
    if not isinstance(y, Array):
        raise TypeError(f"f must compute an Array from its inputs, got {type(y).__name__}: {y!r:.80}")
    recorded = sorted(array_trace.trace(y) - set(inputs.values()), key=attrgetter("serial"), reverse=True)
    if outside := [node for node in recorded if not node.parents]:
        raise ValueError(f"f uses an Array that is none of its inputs, of shape {outside[0].shape}: make it an input")
    names = {node: name for name, node in inputs.items()}
    names |= dict(zip(recorded, unused("v", at)))
    _check_sizes({name: node.value for node, name in names.items()}, names[y])
    nodes = [Node(name, _operation(node, names), node.value[()], barred(name)) for node, name in names.items()]
    edges = [edge for node in reversed(recorded) for edge in _edges(node, names)]
    return Graph(tuple(nodes), tuple(edges), names[y])


def _check_sizes(values: Mapping[str, Value], output: str) -> None:
    for name, value in values.items():
        if np.size(value) > LARGEST:
            raise ValueError(f"{name} has {np.size(value)} entries, at most {LARGEST} can be looked at")
    if np.size(values[output]) != 1:
        raise ValueError(
            f"the output {output} has shape {np.shape(values[output])}; differentiate one number, a sum say"
        )


def _between_numbers(parent: str, child: str, derivative: float, adjoint: Callable[[str], str]) -> Edge:
    partial, slope = f"∂{child}/∂{parent}", written(derivative, factor=True)
    back = Product(f"{adjoint(child)} · {partial}", f"{{}} · {slope}")
    forth = Product(f"{partial} · {dotted(parent)}", f"{slope} · {{}}")
    return Edge(parent, child, float(derivative), back, forth)


def _with_jacobian(parent: str, child: str, J: NDArray[np.float64]) -> list[Product]:
    words = {"bar": f"λ_{child}", "dot": dotted(parent), "x": parent, "y": child}
    shapes = (f"{J.shape}' ({J.shape[0]},)", f"{J.shape} ({J.shape[1]},)")
    return [Product(text.format(**words), "", shape) for text, shape in zip(OTHER, shapes)]


def _edges(node: Array, names: Mapping[Array, str]) -> list[Edge]:
    """Return the edges into an operation on Arrays; each Jacobian is what the vJp rule makes of the unit vectors."""
    assert node.operation is not None
    row, operands = node.operation, [parent.value for parent in node.parents]
    name = "square" if row.rule and row.rule.exponent == 2 else row.name
    texts = PRODUCTS.get(name, [ELEMENTWISE if row.rule else OTHER] * len(operands))
    units = np.eye(node.size).reshape(node.size, *node.shape)
    edges = []
    for i, (parent, text) in enumerate(zip(node.parents, texts)):
        if parent.constant:
            continue
        rows = [sum_to(row.vjps[i](unit, node.value, *operands, **node.options), parent.shape) for unit in units]
        J = np.array(rows).reshape(node.size, parent.size)
        back, forth = _products(node, names, i, text)
        if parent.shape != node.shape and row.rule:
            numbers = back.numbers and back.numbers + ", summed"
            back = back._replace(symbols=back.symbols + ", summed", numbers=numbers)  # what broadcasting repeated
        edges.append(Edge(names[parent], names[node], J, back, forth))
    return edges


def _products(node: Array, names: Mapping[Array, str], i: int, texts: Sequence[str]) -> list[Product]:
    """Fill the letters of `PRODUCTS` with names, with values, and with shapes, for the operand number i."""
    assert node.operation is not None
    operands = [*node.parents, *node.parents]
    (a, b), x = operands[:2], node.parents[i]
    parts = {"a": a, "b": b, "x": x, "y": node}
    words = {letter: _name(part, names) for letter, part in parts.items()}
    values = {letter: written(part.value[()], factor=True) for letter, part in parts.items()}
    shapes = {letter: str(part.shape) for letter, part in parts.items()}
    slopes = {"bar": barred(names[node]), "dot": dotted(names[x])}
    return [
        Product(
            text.format(**words, **slopes),
            "" if "∂" in text else text.format(**values, bar="{}", dot="{}"),
            text.format(**shapes, bar=node.shape, dot=x.shape) if node.operation.name == "matmul" else "",
        )
        for text in texts
    ]


def _name(node: Array, names: Mapping[Array, str]) -> str:
    """Return the name of a node, or of a constant its value."""
    return names[node] if node in names else written(node.value[()], factor=True)


def _operation(node: Array, names: Mapping[Array, str]) -> str:
    """Write the operation that made a node; "" for an input."""
    if node.operation is None:
        return ""
    operands = [_name(parent, names) for parent in node.parents]
    if node.operation.name == "matmul":
        return " @ ".join(operands)
    return (
        node.operation.rule.text.format(*operands)
        if node.operation.rule
        else (f"{node.operation.name}({', '.join(operands)})")
    )


def _formula(equation: Equation) -> str:
    """Run a variable's function on symbols and write what comes out; what takes arrays only stays f(parents)."""
    try:
        result = equation.f(*map(Symbol, equation.parents))
    except (TypeError, ValueError, AttributeError):
        result = None
    return str(result) if isinstance(result, Expression) else f"f({', '.join(equation.parents)})"
