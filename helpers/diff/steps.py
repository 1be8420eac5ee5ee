"""Back-propagation as a list of steps: what a debugger shows one at a time, as plain data.

Where a reader stands is a single number, the count of steps taken, so that a step back undoes a step exactly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np

from helpers.diff.graph import Edge, Graph, Node, dotted, written
from helpers.diff.lagrange import Value


class Step(NamedTuple):
    """One step: fills a value; gives the first adjoint or tangent; or adds a product to an adjoint or tangent."""

    kind: Literal["value", "seed", "push"]
    node: str  # which receives
    product: Value
    total: Value  # what the node then has
    words: str  # all of it in one line
    symbols: str = ""
    numbers: str = ""
    shapes: str = ""
    edge: int | None = None  # the number of the edge along which a push goes


class State(NamedTuple):
    """What is known after some steps, by name."""

    values: dict[str, Value]
    slopes: dict[str, Value]  # adjoints or tangents, as far as they have come
    received: Counter[str]  # how many products have arrived


class Sweep:
    """All steps over a graph: one for each computed node, one for the seed, one for each edge.

    ``mode`` is "reverse": values, then adjoints back from the output; "forward": each value together with its tangent;
    or "values" alone. ``seed`` is the input whose tangent is 1, in every entry, where the others have 0. ``slopes`` is
    what travels: "adjoints", "multipliers", "tangents", or "". ``expected`` counts the products that will arrive.
    """

    def __init__(self, graph: Graph, mode: str = "reverse", seed: str | None = None) -> None:
        self.inputs = [node.name for node in graph.nodes if not node.formula]
        if seed is not None and seed not in self.inputs:
            raise ValueError(f"seed must be one of the inputs {', '.join(self.inputs)}, got {seed!r}")
        self.graph, self.mode, self.seed = graph, mode, seed or next(iter(self.inputs), graph.output)
        self.slopes = {"reverse": graph.adjoints, "forward": "tangents", "values": ""}[mode]
        self.nodes = {node.name: node for node in graph.nodes}
        self.steps = list(self._steps())
        self.expected = Counter(step.node for step in self.steps if step.kind == "push")

    def _order(self) -> Iterator[Node | str | tuple[int, Edge]]:
        """Yield what is done: nodes are filled, a name gets the seed, edges are pushed along."""
        edges = list(enumerate(self.graph.edges))
        if self.mode == "forward":
            yield self.seed
        for node in self.graph.nodes:
            if node.formula:
                yield node
            if self.mode == "forward":
                yield from (each for each in edges if each[1].child == node.name)
        if self.mode == "reverse":
            yield self.graph.output
            yield from edges

    def _steps(self) -> Iterator[Step]:
        """Yield the steps. Back-propagation is the last few lines, and the order of the edges."""
        slopes = self._full(0.0)
        for each in self._order():
            if isinstance(each, Node):
                numbers = in_numbers(each.formula, {name: node.value for name, node in self.nodes.items()})
                words = _joined(f"{each.name} = {each.formula}", numbers, written(each.value))
                yield Step("value", each.name, each.value, each.value, words, each.formula, numbers)
            elif isinstance(each, str):
                one = slopes[each] = self._full(1.0)[each]
                words = f"{self.slope_name(each)} = {written(one)}{', 1 in every entry' if np.size(one) > 1 else ''}"
                yield Step("seed", each, one, one, words)
            else:
                i, edge = each
                forward, d = self.mode == "forward", edge.derivative
                giver, taker = (edge.parent, edge.child) if forward else (edge.child, edge.parent)
                travels = slopes[giver]
                if isinstance(d, np.ndarray):
                    row = d @ np.ravel(travels) if forward else np.ravel(travels) @ d
                    product: Value = np.reshape(row, np.shape(slopes[taker]))[()]
                else:
                    product = travels * d
                slopes[taker] = slopes[taker] + product
                symbols, numbers, shapes = edge.product(forward, travels)
                words = _joined(f"{self.slope_name(taker)} += {symbols}", numbers, written(product))
                words += f", shapes {shapes}" if shapes else ""
                yield Step("push", taker, product, slopes[taker], words, symbols, numbers, shapes, i)

    def _full(self, number: float) -> dict[str, Value]:
        """Return a slope of this number in every entry, for every node."""
        shapes = {name: np.shape(node.value) for name, node in self.nodes.items()}
        return {name: np.full(shape, number) if shape else number for name, shape in shapes.items()}

    def slope_name(self, name: str) -> str:
        """Return what the adjoint, or in forward mode the tangent, of a node is called."""
        return dotted(name) if self.mode == "forward" else self.graph.adjoint(name)

    def state(self, position: int) -> State:
        """Return what is known after so many steps: inputs at first, everything at the end."""
        state = State({name: self.nodes[name].value for name in self.inputs}, {}, Counter())
        for step in self.steps[:position]:
            if step.kind == "value":
                state.values[step.node] = step.total
                continue
            if step.kind == "seed":  # the others begin at zero
                state.slopes.update(self._full(0.0))
            state.slopes[step.node] = step.total
            state.received[step.node] += step.kind == "push"
        return state

    def jumps(self) -> dict[str, int]:
        """Return places worth going to: where each value is filled, and where the last part of each slope arrives."""
        return {
            f"value of {step.node}" if step.kind == "value" else f"{self.slope_name(step.node)} complete": position
            for position, step in enumerate(self.steps, 1)
        }

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
            direction = f"{dotted(self.seed)}, 1 in every entry of {self.seed},"
            return f"{value}, and its derivative in the direction {direction} is {written(slopes[output])}."
        found = {"reverse": {n: slopes.get(n) for n in self.inputs}, "forward": {self.seed: slopes.get(output)}}
        slopes_found = [f"∂{output}/∂{n} = {written(slope)}" for n, slope in found.get(self.mode, {}).items()]
        return ", ".join([value, *slopes_found]) + "."


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
