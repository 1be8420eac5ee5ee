"""What torch recorded of a gradient: facts of its graph that can be asserted, and a picture in two parts.

A gradient that was computed with ``create_graph=True`` knows the operations it came from.

>>> import torch
>>> W, x = torch.eye(2, requires_grad=True), torch.ones(3, 2)
>>> (gradient,) = torch.autograd.grad((x @ W).square().sum(), W, create_graph=True)
>>> graph = gradient_graph(gradient, names={"W": W})
>>> graph.counts["MmBackward0"], graph.counts["ExpBackward0"], graph.leaves  # x @ W, and x' times its adjoint
(2, 0, ('W',))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from helpers.plots.drawing import Drawing, TraceGraph, draw
from helpers.plots.recorded import (
    ABOVE,
    BELOW,
    PAST,
    Operation,
    behind_data,
    by_address,
    function_behind,
    operands_of,
    operation,
    parts,
    reached_from,
)

LIMIT = 120  # operations: a larger graph takes seconds to lay out, and nobody can read it
# Fill, border and words of each part: pale and strong blue, vermilion and green of the course's colours.
PARTS = {
    ABOVE: ("#d6eaf6", "#0072B2", "dE/dy"),
    BELOW: ("#fbe0cf", "#D55E00", "dn/dW"),
    PAST: ("#d3efe5", "#009E73", ""),
    "": ("#f4f4f2", "#555555", ""),
}
LOOK_FOR = (
    "the line between the clusters. Blue ends in dE/dy, orange takes it to the weights; green, outside both, is what "
    "reaches them past y."
)


@dataclass(frozen=True, repr=False)
class GradientGraph:
    """The graph behind a gradient; shows itself in a notebook, as text where nothing can draw.

    Attributes
    ----------
    nodes : tuple of Operation
        Node 0 computes the gradient.
    edges : tuple of (int, int)
        From an operand to the operation that uses it, by number of the node.
    y_bar : int or None
        The node that computes dE/dy; None where no line was found.
    """

    nodes: tuple[Operation, ...]
    edges: tuple[tuple[int, int], ...]
    y_bar: int | None

    @property
    def counts(self) -> Counter[str]:
        """How often each type of operation occurs; 0 for one that does not."""
        return Counter(node.kind for node in self.nodes)

    def counts_in(self, part: str) -> Counter[str]:
        """Return the counts of one part: "dE/dy", "dn/dW" or "past y"."""
        if part not in PARTS:
            raise ValueError(f"part must be one of {', '.join(filter(None, PARTS))}, got {part!r}")
        return Counter(node.kind for node in self.nodes if node.part == part)

    @property
    def leaves(self) -> tuple[str, ...]:
        """The leaves that the gradient depends on, by name."""
        return tuple(node.leaf for node in self.nodes if node.leaf)

    @property
    def line(self) -> tuple[tuple[int, int], ...]:
        """The edges on which dE/dy crosses over to dn/dW; none where no line was found."""
        return tuple((a, b) for a, b in self.edges if a == self.y_bar)

    @property
    def description(self) -> str:
        """The graph in words."""
        said = [f"Graph of a gradient: {len(self.nodes)} operations and leaves, {len(self.edges)} arrows."]
        for part in PARTS:
            if counts := self.counts_in(part):
                where = {PAST: "Past y", "": "Not divided"}.get(part, f"In {part}")
                said.append(f"{where}: {', '.join(f'{count} {kind}' for kind, count in sorted(counts.items()))}.")
        return " ".join([*said, f"Leaves: {', '.join(self.leaves) or 'none'}."])

    def __repr__(self) -> str:
        return self.description

    def all_in(self, part: str) -> GradientGraph:
        """Return the same graph with every node in one part and no line."""
        return GradientGraph(tuple(node._replace(part=part) for node in self.nodes), self.edges, None)

    def source(self, saved: bool = False) -> str:
        """Write the graph in the DOT language, each of dE/dy and dn/dW a cluster; ``saved``: with saved tensors."""
        lines = [
            'digraph gradient { bgcolor="white"; nodesep=0.2; ranksep=0.22; fontname="Helvetica,Arial,sans-serif";',
            'node [fontname="Helvetica,Arial,sans-serif", fontsize=12.5, style=filled, margin="0.08,0.04"];',
            'node [height=0.3]; edge [color="#333333"];',
        ]
        for part, (fill, border, title) in PARTS.items():
            inside = [_node(i, node, fill, border) for i, node in enumerate(self.nodes) if node.part == part]
            lines += _cluster(inside, title, border, dashed=part == BELOW) if inside and title else inside
        shape = _by(self.nodes[0].shape)
        lines.append(f'gradient [shape=box, peripheries=2, fillcolor="white", label="gradient  {shape}"];')
        lines += [f"n{a} -> n{b};" for a, b in self.edges] + ["n0 -> gradient;"]
        for i, node in enumerate(self.nodes if saved else ()):
            for j, kept in enumerate(node.saved):
                words = f"{kept.name}  {_by(kept.shape)}" + ("" if kept.recorded else "\ndata")
                lines.append(f's{i}_{j} [shape=note, fillcolor="#fff3cf", color="#E69F00", label={_quoted(words)}];')
                lines.append(f's{i}_{j} -> n{i} [style=dotted, color="#8f6200", arrowhead=none];')
        return "\n".join([*lines, "}"])

    def draw(self, saved: bool = False) -> TraceGraph:
        """Draw the graph, with caption and description; ``saved``: with the tensors that each operation keeps."""
        if len(self.nodes) > LIMIT:
            words = f"{len(self.nodes)} nodes are too many to read, {LIMIT} are drawn at most; assert on the facts"
            return TraceGraph(Drawing(None, self.description, words), LOOK_FOR, self.description)
        return TraceGraph(draw(self.source(saved)), LOOK_FOR, self.description)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.draw()._repr_mimebundle_()


def gradient_graph(gradient: Any, *, y_bar: Any | None = None, names: Mapping[str, Any] | None = None) -> GradientGraph:
    """Return the facts of torch's graph behind a gradient, or behind any tensor that has one.

    Parameters
    ----------
    gradient : Tensor
        Computed with ``torch.autograd.grad(loss, W, create_graph=True)``.
    y_bar : Tensor, optional
        dE/dy as the same backward pass had it: what a hook on y, ``y.register_hook(...)``, was given. The line runs
        behind it. Without it, it is looked for behind the first product with data, which is the place for one layer.
    names : mapping of str to Tensor, optional
        Names for leaves and saved tensors: ``dict(net.named_parameters())``, "x", "y".

    Returns
    -------
    GradientGraph
        Numbers and words alone: it holds no tensor, and keeps no graph alive.

    Raises
    ------
    TypeError
        If ``gradient`` is no tensor, such as the None of a leaf that the loss did not reach.
    ValueError
        If there is no graph, or ``y_bar`` is not part of it.

    Notes
    -----
    dE/dy is all that ``y_bar`` is computed from, the forward pass too; dn/dW takes it from there to the weights. Counts
    and names are those of the installed torch. Linear in the operations.
    """
    root = function_behind("gradient", gradient)
    order = reached_from(root)
    if y_bar is None:
        start = behind_data(root)
    elif (start := function_behind("y_bar", y_bar)) not in order:
        raise ValueError(
            "y_bar is not part of this gradient's graph; take it in the same backward pass, with y.register_hook(...)"
        )
    tensors = by_address(names or {})
    part_of = parts(order, start) if start is not None else dict.fromkeys(order, "")
    nodes = tuple(operation(function, part_of[function], tensors) for function in order)
    edges = ((order[operand], order[function]) for function in order for operand in operands_of(function))
    return GradientGraph(nodes, tuple(edges), None if start is None else order[start])


def _cluster(inside: list[str], title: str, colour: str, dashed: bool) -> list[str]:
    style = f"style={'dashed' if dashed else 'solid'}; penwidth=2; labeljust=l; fontsize=14"
    name = "cluster_below" if dashed else "cluster_above"
    return [f'subgraph {name} {{ label="{title}"; {style}; color="{colour}"; fontcolor="{colour}";', *inside, "}"]


def _node(i: int, node: Operation, fill: str, border: str) -> str:
    if node.leaf:
        label = _quoted(f"{node.leaf}  {_by(node.shape)}")
        return f'n{i} [shape=box, penwidth=2, fillcolor="white", color="{border}", label={label}];'
    label = _quoted(f"{node.kind}  {_by(node.shape)}")
    return f'n{i} [shape=ellipse, fillcolor="{fill}", color="{border}", label={label}];'


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "number"


def _quoted(words: str) -> str:
    """Quote a label for DOT, whatever a parameter is called."""
    return '"' + words.replace("\\", "/").replace('"', "'").replace("\n", "\\n") + '"'
