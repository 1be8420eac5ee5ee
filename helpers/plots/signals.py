"""What flows where under a learning rule: activity, errors, labels.

>>> picture = plot_flow(["back-propagation", "direct feedback alignment"])
>>> picture.description.splitlines()[-1].startswith("direct feedback alignment: ")
True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers.plots.pictures import COLOURS, TEXT, Picture, new_figure


class Flow(NamedTuple):
    """Who sends what to whom under a rule, in a net of two hidden blocks and an output block.

    Attributes
    ----------
    back : tuple of (from, to, name)
        Errors that pass from block to block (1, 2, and 3, the output), and the matrix that they pass.
    judged : tuple of int
        The blocks with a loss of their own; block 3 always has the loss of the output.
    judge : str
        What such a block is judged by.
    label : str
        What goes in at the input beside x, if anything does.
    words : str
        The rule in a sentence.
    """

    back: tuple[tuple[int, int, str], ...]
    judged: tuple[int, ...]
    judge: str
    label: str
    words: str


FLOWS: dict[str, Flow] = {
    "back-propagation": Flow(
        ((3, 2, "$W_3^\\top$"), (2, 1, "$W_2^\\top$")), (), "", "",
        "one loss; its error returns through the transposed weights of every block",
    ),
    "local, parallel": Flow(
        (), (1, 2), "linear\ndecoder", "", "each block has a linear decoder and a loss; nothing passes between blocks"
    ),
    "local losses, predsim": Flow(
        (), (1, 2), "two\nheads", "", "each block has two heads, one predicts, one compares; nothing else flows back"
    ),
    "feedback alignment": Flow(
        ((3, 2, "$B_2$"), (2, 1, "$B_1$")), (), "", "",
        "one loss; its error returns block by block, through fixed random matrices",
    ),
    "direct feedback alignment": Flow(
        ((3, 2, "$B_2$"), (3, 1, "$B_1$")), (), "", "",
        "one loss; its error goes from the output to every block at once, through fixed random matrices",
    ),
    "forward-forward": Flow(
        (), (1, 2), "good-\nness", "label: true, wrong", "two passes, with the true label and with a wrong one; each "
        "block is judged by its own activity",
    ),
    "signal propagation": Flow(
        (), (1, 2), "$h \\cdot t$", "targets t", "inputs and targets go forward through the same blocks; each block "
        "makes the two meet",
    ),
}  # fmt: skip


class FlowPicture(Picture):
    """A small diagram a rule: activity in blue, error in vermilion and dashed, labels in green and dotted."""

    def __init__(self, figure: Figure, rules: Sequence[str]) -> None:
        look = "the dashed arrows, what comes back: how far each of them reaches, and through which matrix."
        super().__init__(figure, look)
        self.rules = list(rules)
        columns = min(len(rules), 2)
        axes = figure.subplots(-(-len(rules) // columns), columns, squeeze=False).ravel()
        for ax in axes:
            ax.axis("off")
        for ax, rule in zip(axes, rules):
            _draw_flow(ax, rule, FLOWS[rule])
        there = ["activity", "error", *(["label or target"] if any(FLOWS[rule].label for rule in rules) else [])]
        kinds = {"activity": (0, "-"), "error": (1, "--"), "label or target": (2, ":")}
        lines = [Line2D([], [], color=COLOURS[c], ls=d, lw=2.2, label=k) for k, (c, d) in kinds.items() if k in there]
        figure.legend(handles=lines, loc="outside lower center", ncols=len(there), fontsize=TEXT, frameon=False)

    @property
    def words(self) -> str:
        """Each rule in a sentence."""
        return "Two hidden blocks and an output block.\n" + "\n".join(f"{r}: {FLOWS[r].words}." for r in self.rules)


def plot_flow(rules: str | Sequence[str]) -> FlowPicture:
    """Draw what flows where under one rule or several.

    Parameters
    ----------
    rules : str or sequence of str
        Names in ``FLOWS``.

    Returns
    -------
    FlowPicture
        Shows itself in a notebook.
    """
    names = [rules] if isinstance(rules, str) else list(rules)
    unknown = [name for name in names if name not in FLOWS]
    if unknown or not names:
        raise ValueError(f"rules must be of {', '.join(FLOWS)}, got {', '.join(unknown) or 'none'}")
    height = 2.5 * -(-len(names) // 2) + 0.4
    return FlowPicture(new_figure(10 if len(names) > 1 else 6, height), names)


def _draw_flow(ax: Axes, rule: str, flow: Flow) -> None:
    """Blocks in a row; losses above them; errors come back below."""
    ax.set(xlim=(-0.45, 4.5), ylim=(-1.35, 1.3))
    ax.set_title(rule, fontsize=TEXT + 1)
    places = {1: 1.2, 2: 2.4, 3: 3.6}
    for block, name in ((1, "block 1"), (2, "block 2"), (3, "output")):
        _box(ax, places[block], 0, name, 0.7)
    ax.text(-0.1, 0, "x", fontsize=TEXT + 1, ha="center", va="center", style="italic")
    for start, end in ((0.05, 0.82), (1.58, 2.02), (2.78, 3.22)):
        _arrow(ax, (start, 0.1 if flow.label else 0), (end, 0.1 if flow.label else 0), 0)
        if flow.label and end < places[3] - 0.5:  # the output block learns from inputs alone
            _arrow(ax, (start, -0.12), (end, -0.12), 2)
    if flow.label:
        ax.text(-0.05, -0.45, flow.label, fontsize=TEXT - 1, color=COLOURS[2], ha="left", va="center")
    for block in (*flow.judged, 3):
        x = places[block]
        _box(ax, x, 0.92, "loss" if block == 3 else flow.judge, 0.62)
        _arrow(ax, (x - 0.12, 0.26), (x - 0.12, 0.62), 0)
        _arrow(ax, (x + 0.12, 0.62), (x + 0.12, 0.26), 1)
    for start, end, name in flow.back:
        _error_back(ax, places[start], places[end], name)


def _error_back(ax: Axes, start: float, end: float, name: str) -> None:
    """Draw an error that passes below the blocks, deeper the farther it goes."""
    bend, depth, far = (-0.5, -0.55, 0.15) if start - end < 2 else (-0.5, -1.2, -0.15)
    _arrow(ax, (start - far, -0.28), (end + 0.1, -0.28), 1, bend)
    ax.text((start + end) / 2, depth, name, fontsize=TEXT, ha="center", va="center", color=COLOURS[1],
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip


def _box(ax: Axes, x: float, y: float, name: str, width: float) -> None:
    shape = FancyBboxPatch((x - width / 2, y - 0.22), width, 0.44, boxstyle="round,pad=0.03", fill=False, linewidth=1.3)
    ax.add_patch(shape)
    ax.text(x, y, name, fontsize=TEXT - 1, ha="center", va="center", linespacing=0.95)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], kind: int, bend: float = 0.0) -> None:
    """Draw an arrow: 0 activity, 1 error, 2 label."""
    ax.add_patch(
        FancyArrowPatch(
            start, end, connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>", mutation_scale=14, shrinkA=0, shrinkB=0,
            linewidth=2, linestyle=("-", "--", ":")[kind], color=COLOURS[kind],
        )
    )  # fmt: skip
