"""Back-propagation as a list of steps: what a debugger shows one at a time, as plain data.

A `Sweep` is the list of steps over a `Graph`: each fills one value, or pushes one adjoint (in forward mode one tangent)
along one edge. Where a reader stands is a single number, the count of steps taken, so that a step back undoes a step
exactly.

>>> from helpers.diff.graph import trace
>>> sweep = Sweep(trace(lambda x: x * x + x, {"x": 3.0}))
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

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np

from helpers.diff.graph import Graph, Node, Product, Value, dotted, written

MODES = ("reverse", "forward", "values")


class Step(NamedTuple):
    """One step: fills a value; gives the first adjoint or tangent; or adds a product to an adjoint or tangent.

    ``node`` receives, of a push along the graph's edge number ``edge``. ``product`` comes out, and ``total`` is what
    the node then has. ``symbols``, ``numbers`` and ``shapes`` say what is computed, ``words`` all of it in one line.
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
    received: Counter[str]


class Sweep:
    """All steps over a graph in one mode: one for each computed node, one for the seed, one for each edge.

    Parameters
    ----------
    graph : Graph
    mode : {"reverse", "forward", "values"}
        Values, then adjoints back from the output; or each value together with its tangent; or values alone.
    seed : str, optional
        Forward mode: the input whose tangent is 1; the others have 0. The first one unless told. An array has tangent 1
        in every entry: what comes out is the derivative in this direction, the sum of the derivatives by its entries.

    ``slopes`` says what travels: "adjoints", "multipliers", "tangents", or "" if nothing does; ``expected``, how many
    products each node will have received at the end.
    """

    def __init__(self, graph: Graph, mode: str = "reverse", seed: str | None = None) -> None:
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
        self.expected = Counter(step.node for step in self.steps if step.kind == "push")

    def slope_name(self, name: str) -> str:
        """Return what the adjoint, or in forward mode the tangent, of a node is called."""
        return dotted(name) if self.mode == "forward" else self.nodes[name].adjoint

    def state(self, position: int) -> State:
        """Return what is known after so many steps: inputs at first, everything at the end."""
        state = State({name: self.nodes[name].value for name in self.inputs}, {}, Counter())
        for step in self.steps[:position]:
            if step.kind == "value":
                state.values[step.node] = step.total
                continue
            if step.kind == "seed":  # the others begin at zero
                state.slopes.update(self._zeros())
            state.slopes[step.node] = step.total
            state.received[step.node] += step.kind == "push"
        return state

    def jumps(self) -> dict[str, int]:
        """Return places worth going to, in words: where each value is filled, and where each slope is complete."""
        places = {}
        for position, step in enumerate(self.steps, 1):
            what = f"value of {step.node}" if step.kind == "value" else f"{self.slope_name(step.node)} complete"
            places[what] = position  # the last product that arrives completes it
        return places

    def sentence(self, position: int) -> str:
        """Say what the last of so many steps has computed, and what its node then has; at the end, what was found."""
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
        value = f"At the end {output} = {written(self.nodes[output].value)}"
        if self.mode == "forward" and np.ndim(self.nodes[self.seed].value):
            return (
                f"{value}, and its derivative in the direction {dotted(self.seed)}, 1 in every entry of {self.seed}, "
                f"is {written(slopes[output])}."
            )
        found = {"reverse": {n: slopes.get(n) for n in self.inputs}, "forward": {self.seed: slopes.get(output)}}
        slopes_found = [f"∂{output}/∂{n} = {written(slope)}" for n, slope in found.get(self.mode, {}).items()]
        return ", ".join([value, *slopes_found]) + "."

    def _values(self) -> Iterator[Step]:
        return (self._value(node) for node in self.graph.nodes if node.formula)

    def _value(self, node: Node) -> Step:
        numbers = in_numbers(node.formula, {name: other.value for name, other in self.nodes.items()})
        words = _joined(f"{node.name} = {node.formula}", numbers, written(node.value))
        return Step("value", node.name, None, node.formula, numbers, "", node.value, node.value, words)

    def _seed(self, name: str) -> Step:
        one = _full(1.0, self.nodes[name].value)
        words = f"{self.slope_name(name)} = {written(one)}{', 1 in every entry' if np.size(one) > 1 else ''}"
        return Step("seed", name, None, "", "", "", one, one, words)

    def _reverse(self) -> Iterator[Step]:
        """Yield the steps of back-propagation: it is these few lines, and the order of the edges."""
        yield from self._values()
        yield (seed := self._seed(self.graph.output))
        bars = self._zeros() | {self.graph.output: seed.total}
        for i, edge in enumerate(self.graph.edges):
            bar, derivative = bars[edge.child], edge.derivative
            product = bar * derivative if isinstance(derivative, float) else np.ravel(bar) @ derivative
            bars[edge.parent] = bars[edge.parent] + _shaped(product, bars[edge.parent])
            yield self._push(edge.parent, i, edge.back, bar, product, bars[edge.parent])

    def _forward(self) -> Iterator[Step]:
        """Yield the steps of forward mode: tangents travel with the values, so that nothing need be kept."""
        yield (seed := self._seed(self.seed))
        dots = self._zeros() | {self.seed: seed.total}
        for node in self.graph.nodes:
            if node.formula:
                yield self._value(node)
            for i, edge in enumerate(self.graph.edges):
                if edge.child == node.name:
                    dot, derivative = dots[edge.parent], edge.derivative
                    product = derivative * dot if isinstance(derivative, float) else derivative @ np.ravel(dot)
                    dots[node.name] = dots[node.name] + _shaped(product, dots[node.name])
                    yield self._push(node.name, i, edge.forth, dot, product, dots[node.name])

    def _zeros(self) -> dict[str, Value]:
        return {name: _full(0.0, node.value) for name, node in self.nodes.items()}

    def _push(self, node: str, edge: int, form: Product, travels: Value, product: Value, total: Value) -> Step:
        product = _shaped(product, total)
        numbers = form.numbers.format(written(travels, True))
        words = _joined(f"{self.slope_name(node)} += {form.symbols}", numbers, written(product))
        words += f", shapes {form.shapes}" if form.shapes else ""
        return Step("push", node, edge, form.symbols, numbers, form.shapes, product, total, words)


def _full(number: float, like: Value) -> Value:
    """Return a number, or an array that is full of it, in the shape of a value."""
    return np.full(np.shape(like), number) if np.ndim(like) else number


def _shaped(product: Value, like: Value) -> Value:
    """Return what came out of a product with a Jacobian in the shape of a value."""
    shaped: Value = np.reshape(product, np.shape(like))[()] if isinstance(product, np.ndarray) else product
    return shaped


def in_numbers(formula: str, values: Mapping[str, Value]) -> str:
    """Write a formula with numbers for the names; "" if one of them is an array."""
    longest_first = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    names = re.compile(rf"(?<![\w.])(?:{longest_first})(?![\w(])")  # not the e of 1e-05, not the function of log(log)
    if any(np.ndim(values[name]) for name in names.findall(formula)):
        return ""
    text = names.sub(lambda found: written(values[found[0]], True), formula)
    return re.sub(r"\(\(([^()]*)\)\)", r"(\1)", text)  # no brackets within brackets


def _joined(*parts: str) -> str:
    """Join parts by equals signs; empty ones and repetitions are left out."""
    return " = ".join(part for part in dict.fromkeys(parts) if part)
