"""What torch recorded of a gradient: facts of its graph that can be asserted, and a picture in two parts.

A gradient that was computed with ``create_graph=True`` knows the operations it came from. A ``grad_fn`` of torch says
its name, its operands (``next_functions``) and what it saved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from helpers.plots.drawing import Drawing, draw

ABOVE, BELOW, PAST = "dE/dy", "dn/dW", "past y"
LEAF = "AccumulateGrad"
LIMIT = 120  # operations: a larger graph takes seconds to lay out, and nobody can read it
# Fill, border and words of each part: pale and strong blue, vermilion and green of the course's colours.
PARTS = {
    ABOVE: ("#d6eaf6", "#0072B2", "dE/dy"),
    BELOW: ("#fbe0cf", "#D55E00", "dn/dW"),
    PAST: ("#d3efe5", "#009E73", ""),
    "": ("#f4f4f2", "#555555", ""),
}
FONT = 'fontname="Helvetica,Arial,sans-serif"'
LOOK_FOR = (
    "the line between the clusters. Blue ends in dE/dy, orange takes it to the weights; green, outside both, is what "
    "reaches them past y."
)

Address = tuple[int, tuple[int, ...], tuple[int, ...]]  # of the memory, then shape and strides


class Saved(NamedTuple):
    """A tensor that an operation keeps for its own derivative: its name, its shape, whether it depends on a leaf."""

    name: str
    shape: tuple[int, ...]
    recorded: bool


class Operation(NamedTuple):
    """A node: torch's ``kind`` such as "MmBackward0", the ``shape`` of its result, its ``part``, what it ``saved``.

    ``leaf`` is the name of the leaf that an "AccumulateGrad" stands for, else "".
    """

    kind: str
    shape: tuple[int, ...]
    part: str
    saved: tuple[Saved, ...]
    leaf: str


@dataclass(frozen=True, repr=False)
class GradientGraph:
    """The graph behind a gradient; shows itself in a notebook, as text where nothing can draw.

    Node 0 of ``nodes`` computes the gradient. ``edges`` lead from an operand to the operation that uses it, by number.
    """

    nodes: tuple[Operation, ...]
    edges: tuple[tuple[int, int], ...]

    @property
    def counts(self) -> Counter[str]:
        """How often each type of operation occurs; 0 for one that does not."""
        return Counter(node.kind for node in self.nodes)

    def counts_in(self, part: str) -> Counter[str]:
        """Return the counts of one part: "dE/dy", "dn/dW", "past y", or "" where there is no line."""
        return Counter(node.kind for node in self.nodes if node.part == part)

    @property
    def description(self) -> str:
        """The graph in words."""
        said = [f"Graph of a gradient: {len(self.nodes)} operations and leaves, {len(self.edges)} arrows."]
        for part in PARTS:
            if counts := self.counts_in(part):
                where = {PAST: "Past y", "": "Not divided"}.get(part, f"In {part}")
                said.append(f"{where}: {', '.join(f'{count} {kind}' for kind, count in sorted(counts.items()))}.")
        return " ".join([*said, f"Leaves: {', '.join(node.leaf for node in self.nodes if node.leaf) or 'none'}."])

    def __repr__(self) -> str:
        return self.description

    def source(self, saved: bool = False) -> str:
        """Write the graph in the DOT language, each of dE/dy and dn/dW a cluster; ``saved``: with saved tensors."""
        lines = [
            f'digraph gradient {{ bgcolor="white"; nodesep=0.12; ranksep=0.07; {FONT};',
            f'node [{FONT}, fontsize=12.5, style=filled, margin="0.04,0", height=0.23];',
            'edge [color="#333333", arrowsize=0.7];',
        ]
        for part, (fill, border, title) in PARTS.items():
            inside = [_node(i, node, fill, border) for i, node in enumerate(self.nodes) if node.part == part]
            if inside and title:
                style = "dashed" if part == BELOW else "solid"
                look = f'style={style}; penwidth=2; labeljust=l; fontsize=14; color="{border}"; fontcolor="{border}"'
                inside = [f'subgraph cluster_{style} {{ label="{title}"; {look};', *inside, "}"]
            lines += inside
        shape = _by(self.nodes[0].shape)
        lines.append(f'gradient [shape=box, peripheries=2, fillcolor="white", label="gradient  {shape}"];')
        lines += [f"n{a} -> n{b};" for a, b in self.edges] + ["n0 -> gradient;"]
        for i, node in enumerate(self.nodes if saved else ()):
            for j, kept in enumerate(node.saved):
                label = _quoted(f"{kept.name}  {_by(kept.shape)}" + ("" if kept.recorded else "\ndata"))
                lines.append(f's{i}_{j} [shape=note, fillcolor="#fff3cf", color="#E69F00", label={label}];')
                lines.append(f's{i}_{j} -> n{i} [style=dotted, color="#8f6200", arrowhead=none];')
        return "\n".join([*lines, "}"])

    def draw(self, saved: bool = False) -> Drawing:
        """Draw the graph, with caption and description; ``saved``: with the tensors that each operation keeps."""
        if len(self.nodes) > LIMIT:
            words = f"{len(self.nodes)} nodes are too many to read, {LIMIT} are drawn at most; assert on the facts"
            return Drawing(None, self.description, words, LOOK_FOR, self.description)
        return draw(self.source(saved), LOOK_FOR, self.description)

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
        behind it; without it there is none.
    names : mapping of str to Tensor, optional
        Names for leaves and saved tensors: ``dict(net.named_parameters())``, "x", "y".

    Raises
    ------
    TypeError, ValueError
        If ``gradient`` is no tensor, such as the None of a leaf that the loss did not reach, if there is no graph, or
        if ``y_bar`` is not part of it.

    Notes
    -----
    dE/dy is all that ``y_bar`` is computed from, the forward pass too; dn/dW takes it from there to the weights. Counts
    and names are those of the installed torch. The result holds numbers and words alone, and keeps no graph alive.
    """
    root = _function_behind("gradient", gradient)
    order = _reached_from(root)
    start = None if y_bar is None else _function_behind("y_bar", y_bar)
    if start is not None and start not in order:
        raise ValueError(
            "y_bar is not part of this gradient's graph; take it in the same backward pass, with y.register_hook(...)"
        )
    tensors = dict(names or {})
    primed = {f"{name}'": t.T for name, t in tensors.items() if t.dim() == 2}  # the transpose of a matrix gets a prime
    known = {_address(tensor): name for name, tensor in (primed | tensors).items()}
    part_of = _parts(order, start) if start is not None else dict.fromkeys(order, "")
    nodes = []
    for function in order:
        kind = function.name().rsplit("::", 1)[-1]
        shapes = [tuple(result.shape) for result in getattr(function, "_input_metadata", ())]
        leaf = known.get(_address(function.variable), "a leaf") if kind == LEAF else ""
        nodes.append(Operation(kind, shapes[0] if shapes else (), part_of[function], _saved_by(function, known), leaf))
    edges = ((order[operand], order[function]) for function in order for operand in _operands_of(function))
    return GradientGraph(tuple(nodes), tuple(edges))


def _function_behind(name: str, tensor: Any) -> Any:
    """Return ``tensor.grad_fn``, or say why there is none."""
    if not hasattr(tensor, "grad_fn"):
        hint = ": a leaf that the loss did not reach has .grad None" if tensor is None else ""
        raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}{hint}")
    if tensor.grad_fn is None:
        what = "is a leaf: nothing was computed" if tensor.requires_grad else "has no graph"
        raise ValueError(
            f"nothing here requires grad: {name}, of shape {tuple(tensor.shape)}, {what}. Compute a gradient with "
            "torch.autograd.grad(loss, W, create_graph=True). A constant has no graph even then, nor has what a rule "
            "computes under no_grad or behind .detach()"
        )
    return tensor.grad_fn


def _operands_of(function: Any) -> list[Any]:
    """Return the functions whose results this one uses; constants have none."""
    return [operand for operand, _ in function.next_functions if operand is not None]


def _reached_from(root: Any, steps: Callable[[Any], list[Any]] = _operands_of) -> dict[Any, int]:
    """Number the root and all that it is computed from, depth first, without recursion; ``steps``: follow others."""
    numbers: dict[Any, int] = {}
    waiting = [root]
    while waiting:
        function = waiting.pop()
        if function not in numbers:
            numbers[function] = len(numbers)
            waiting += reversed(steps(function))
    return numbers


def _parts(order: Mapping[Any, int], y_bar: Any) -> dict[Any, str]:
    """Say of each function which part it belongs to.

    dE/dy is all that y_bar is computed from. The product (dE/dy) · dn/dW is linear in y_bar, so what is *added* to it
    without depending on y_bar is no part of it: that came past y. All else is a factor of dn/dW.
    """
    users: dict[Any, list[Any]] = {f: [] for f in order}
    for f in order:
        for operand in _operands_of(f):
            users[operand].append(f)
    above = _reached_from(y_bar)
    below = _reached_from(y_bar, users.__getitem__).keys() - {y_bar}
    added = [f for total in below if total.name().startswith("Add") for f in _operands_of(total) if f not in below]
    past = {f for term in added for f in _reached_from(term)}
    return {f: ABOVE if f in above else PAST if f in past else BELOW for f in order}


def _saved_by(function: Any, names: Mapping[Address, str]) -> tuple[Saved, ...]:
    """Return the tensors that an operation keeps; a custom Function has ``saved_tensors``, others ``_saved_...``."""
    saved = []
    for attribute in dir(function):
        if attribute.startswith("_saved_") or attribute == "saved_tensors":
            try:
                value = getattr(function, attribute)
            except RuntimeError:  # freed by a backward pass, or changed in place since: nothing is kept
                continue
            for tensor in value if isinstance(value, tuple) else (value,):
                if hasattr(tensor, "data_ptr"):
                    name = names.get(_address(tensor), attribute.removeprefix("_saved_"))
                    saved.append(Saved(name, tuple(tensor.shape), tensor.requires_grad))
    return tuple(saved)


def _address(tensor: Any) -> Address:
    """Return what two tensors have in common if they are the same view of the same memory."""
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride())


def _node(i: int, node: Operation, fill: str, border: str) -> str:
    words, look = node.kind, f'shape=ellipse, fillcolor="{fill}"'
    if node.leaf:
        words, look = node.leaf, 'shape=box, penwidth=2, fillcolor="white"'
    return f'n{i} [{look}, color="{border}", label={_quoted(f"{words}  {_by(node.shape)}")}];'


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "number"


def _quoted(words: str) -> str:
    """Quote a label for DOT, whatever a parameter is called."""
    return '"' + words.replace("\\", "/").replace('"', "'").replace("\n", "\\n") + '"'
