"""Back-propagation as a list of steps: what a debugger shows one at a time, as plain data.

A `Graph` has nodes with values and edges with local derivatives. A `Sweep` is the list of steps over it: each fills one
value, or pushes one adjoint (in forward mode one tangent) along one edge. Where a reader stands is a single number,
the count of steps taken, so that a step back undoes a step exactly. `helpers.diff.step_graphs` makes the graphs.

>>> from helpers.diff.step_graphs import graph_of
>>> sweep = Sweep(graph_of(lambda x: x * x + x, {"x": 3.0}))
>>> for step in sweep.steps:
...     print(step.words)
v1 = x * x = 3 * 3 = 9
v2 = v1 + x = 9 + 3 = 12
v̄2 = 1
v̄1 += v̄2 · ∂v2/∂v1 = 1 · 1 = 1
x̄ += v̄2 · ∂v2/∂x = 1 · 1 = 1
x̄ += v̄1 · ∂v1/∂x = 1 · 3 = 3
x̄ += v̄1 · ∂v1/∂x = 1 · 3 = 3
>>> sweep.state(5).slopes["x"], sweep.state(7).slopes["x"]
(1.0, 7.0)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from helpers.diff.graphs import Graph, Node, Product, Value, dotted, in_numbers, joined, written

Mode = Literal["reverse", "forward", "values"]
MODES = ("reverse", "forward", "values")


class Step(NamedTuple):
    """One step.

    Attributes
    ----------
    kind : {"value", "seed", "push"}
        Fills a value; gives the first adjoint or tangent; adds a product to an adjoint or tangent.
    node : str
        Which node receives.
    edge : int or None
        Of a push, which edge of the graph it goes along.
    symbols, numbers, shapes : str
        What is computed: "v̄4 · ∂v4/∂x1" and "1 · 5"; of arrays also with their shapes.
    product : float or ndarray
        What comes out.
    total : float or ndarray
        What the node then has, with all that it had received before.
    words : str
        The step in one line: "x̄1 += v̄4 · ∂v4/∂x1 = 1 · 5 = 5".
    """

    kind: Literal["value", "seed", "push"]
    node: str
    edge: int | None
    symbols: str
    numbers: str
    shapes: str
    product: Value
    total: Value
    words: str


class State(NamedTuple):
    """What is known after some steps: ``values`` and ``slopes`` (adjoints or tangents, as far as they have come) by
    name, and how many products each node has ``received``."""

    values: dict[str, Value]
    slopes: dict[str, Value]
    received: dict[str, int]


class Sweep:
    """All steps over a graph in one mode.

    Parameters
    ----------
    graph : Graph
    mode : {"reverse", "forward", "values"}
        Values, then adjoints back from the output; or each value together with its tangent; or values alone.
    seed : str, optional
        Forward mode: the input whose tangent is 1; the others have 0. The first one unless told. An array has tangent 1
        in every entry: what comes out is the derivative in this direction, the sum of the derivatives by its entries.

    Attributes
    ----------
    steps : list of Step
    slopes : str
        What travels: "adjoints", "multipliers", "tangents", or "" if nothing does.
    expected : dict of str to int
        How many products each node will have received at the end.

    Raises
    ------
    ValueError
        If there is no such mode or input.

    Notes
    -----
    One step a computed node, one a seed, one an edge: both modes take equally many.
    """

    def __init__(self, graph: Graph, mode: Mode = "reverse", seed: str | None = None) -> None:
        self.inputs = [node.name for node in graph.nodes if not node.formula]
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        if seed is not None and seed not in self.inputs:
            raise ValueError(f"seed must be one of the inputs {', '.join(self.inputs)}, got {seed!r}")
        self.graph, self.mode, self.seed = graph, mode, seed or next(iter(self.inputs), graph.output)
        self.slopes = {"reverse": graph.adjoints, "forward": "tangents", "values": ""}[mode]
        self.nodes = {node.name: node for node in graph.nodes}
        ways = {"reverse": self._reverse, "forward": self._forward, "values": self._values}
        self.steps = list(ways[mode]())
        pushes = [step.node for step in self.steps if step.kind == "push"]
        self.expected = {name: pushes.count(name) for name in self.nodes}

    def slope_name(self, name: str) -> str:
        """Return what the adjoint, or in forward mode the tangent, of a node is called."""
        return dotted(name) if self.mode == "forward" else self.nodes[name].adjoint

    def state(self, position: int) -> State:
        """Return what is known after so many steps: inputs at first, everything at the end."""
        state = State({name: self.nodes[name].value for name in self.inputs}, {}, dict.fromkeys(self.nodes, 0))
        for step in self.steps[:position]:
            if step.kind == "value":
                state.values[step.node] = step.total
                continue
            if step.kind == "seed":  # the others begin at zero
                state.slopes.update(self._zeros())
            state.slopes[step.node] = step.total
            state.received[step.node] += step.kind == "push"
        return state

    def complete(self, position: int) -> set[str]:
        """Return the nodes whose adjoint or tangent has received all that it will."""
        state = self.state(position)
        return {name for name in state.slopes if state.received[name] == self.expected[name]}

    def jumps(self) -> dict[str, int]:
        """Return places worth going to, in words: where each value is filled, and where each slope is complete."""
        places = {}
        for position, step in enumerate(self.steps, 1):
            what = f"value of {step.node}" if step.kind == "value" else f"{self.slope_name(step.node)} complete"
            places[what] = position  # the last product that arrives completes it
        return places

    def sentence(self, position: int) -> str:
        """Say what the last of so many steps has computed, and what its node then has; at the end, what was found.

        Examples
        --------
        >>> from helpers.diff.step_graphs import graph_of
        >>> print(Sweep(graph_of(lambda x: x * x, {"x": 3.0})).sentence(3))
        Step 3 of 4: x̄ += v̄1 · ∂v1/∂x = 1 · 3 = 3. So far x̄ = 3, 1 of 2 addends.
        """
        if not position:
            return f"Step 0 of {len(self.steps)}: the inputs are given. Press Step."
        step = self.steps[position - 1]
        words = [f"Step {position} of {len(self.steps)}: {step.words}."]
        if step.kind == "push" and self.expected[step.node] > 1:
            received, expected = self.state(position).received[step.node], self.expected[step.node]
            total = f"{self.slope_name(step.node)} = {written(step.total)}"
            so_far = f"So far {total}, {received} of {expected} addends."
            words.append(f"Complete: {total}." if received == expected else so_far)
        if not np.isfinite(step.total).all():
            words.append("That is no finite number, and nothing that is computed from it will be right.")
        if position == len(self.steps):
            words.append(self._result())
        return " ".join(words)

    def _result(self) -> str:
        output, slopes = self.graph.output, self.state(len(self.steps)).slopes
        found = {}
        if self.mode == "reverse":
            found = {name: slopes[name] for name in self.inputs}
        elif self.mode == "forward" and not np.ndim(self.nodes[self.seed].value):
            found = {self.seed: slopes[output]}
        elif self.mode == "forward":
            return (
                f"At the end {output} = {written(self.nodes[output].value)}, and its derivative in the direction "
                f"{dotted(self.seed)}, 1 in every entry of {self.seed}, is {written(slopes[output])}."
            )
        slopes_found = ", ".join(f"∂{output}/∂{name} = {written(slope)}" for name, slope in found.items())
        return f"At the end {output} = {written(self.nodes[output].value)}{', ' if found else ''}{slopes_found}."

    def _values(self) -> Iterator[Step]:
        for node in self.graph.nodes:
            if node.formula:
                yield self._value(node)

    def _value(self, node: Node) -> Step:
        numbers = in_numbers(node.formula, {name: other.value for name, other in self.nodes.items()})
        words = joined(f"{node.name} = {node.formula}", numbers, written(node.value))
        return Step("value", node.name, None, node.formula, numbers, "", node.value, node.value, words)

    def _seed(self, name: str) -> Step:
        one = constant(1.0, self.nodes[name].value)
        words = f"{self.slope_name(name)} = {written(one)}"
        words += ", 1 in every entry" if np.size(one) > 1 else ""
        return Step("seed", name, None, "", "", "", one, one, words)

    def _reverse(self) -> Iterator[Step]:
        """Yield the steps of back-propagation: it is these few lines, and the order of the edges."""
        yield from self._values()
        yield self._seed(self.graph.output)
        bars = self._zeros() | {self.graph.output: constant(1.0, self.nodes[self.graph.output].value)}
        for i, edge in enumerate(self.graph.edges):
            product = transposed_product(edge.derivative, bars[edge.child], np.shape(bars[edge.parent]))
            bars[edge.parent] = bars[edge.parent] + product
            yield self._push(edge.parent, i, edge.back, bars[edge.child], product, bars[edge.parent])

    def _forward(self) -> Iterator[Step]:
        """Yield the steps of forward mode: tangents travel with the values, so that nothing need be kept."""
        yield self._seed(self.seed)
        dots = self._zeros() | {self.seed: constant(1.0, self.nodes[self.seed].value)}
        for node in self.graph.nodes:
            if node.formula:
                yield self._value(node)
            for i, edge in enumerate(self.graph.edges):
                if edge.child != node.name:
                    continue
                dot = dots[edge.parent]
                product = plain_product(edge.derivative, dot, np.shape(dots[node.name]))
                dots[node.name] = dots[node.name] + product
                yield self._push(node.name, i, edge.forth, dot, product, dots[node.name])

    def _zeros(self) -> dict[str, Value]:
        return {name: constant(0.0, node.value) for name, node in self.nodes.items()}

    def _push(self, node: str, edge: int, form: Product, travels: Value, product: Value, total: Value) -> Step:
        numbers = form.numbers.format(written(travels, True))
        words = joined(f"{self.slope_name(node)} += {form.symbols}", numbers, written(product))
        words += f", shapes {form.shapes}" if form.shapes else ""
        return Step("push", node, edge, form.symbols, numbers, form.shapes, product, total, words)


def constant(number: float, like: Value) -> Value:
    """Return a number, or an array that is full of it, in the shape of a value."""
    return np.full(np.shape(like), number) if np.ndim(like) else number


def transposed_product(derivative: Value, bar: Value, shape: tuple[int, ...]) -> Value:
    """Return J' bar: what an adjoint hands to an operand of this shape."""
    if isinstance(derivative, float):
        return bar * derivative
    product: Value = (np.ravel(bar) @ derivative).reshape(shape)[()]
    return product


def plain_product(derivative: Value, dot: Value, shape: tuple[int, ...]) -> Value:
    """Return J dot: what a tangent hands to a result of this shape."""
    if isinstance(derivative, float):
        return derivative * dot
    product: Value = (derivative @ np.ravel(dot)).reshape(shape)[()]
    return product
