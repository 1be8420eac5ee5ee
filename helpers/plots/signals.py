"""Pictures of lecture 08: what flows where under a rule, and what rules measure, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers.plots.curves import Values
from helpers.plots.pictures import COLOURS, TEXT, Picture, finite, label, look, new_figure

PLACES = {1: 1.2, 2: 2.4, 3: 3.6}  # of the blocks in a diagram; 3 is the output
STYLES = ("-", "--", ":")  # of activity, error, label


class Flow(NamedTuple):
    """Who sends what to whom under a rule, in a net of two hidden blocks and an output block, 3; ``words``: a sentence.

    ``back``: errors that pass (from block, to block, through which matrix). ``judge``: by what each hidden block is
    judged, where it has a loss of its own. ``label``: what goes in beside x.
    """

    words: str
    back: tuple[tuple[int, int, str], ...] = ()
    judge: str = ""
    label: str = ""


THROUGH = "one loss; its error {}, through fixed random matrices"
FLOWS = {
    "back-propagation": Flow(
        "one loss; its error returns through the transposed weights of every block",
        ((3, 2, "$W_3^\\top$"), (2, 1, "$W_2^\\top$")),
    ),
    "local, parallel": Flow(
        "each block has a linear decoder and a loss; nothing passes between blocks", judge="linear\ndecoder"
    ),
    "local losses, predsim": Flow(
        "each block has two heads, one predicts, one compares; nothing else flows back", judge="two\nheads"
    ),
    "feedback alignment": Flow(THROUGH.format("returns block by block"), ((3, 2, "$B_2$"), (2, 1, "$B_1$"))),
    "direct feedback alignment": Flow(
        THROUGH.format("goes from the output to every block at once"), ((3, 2, "$B_2$"), (3, 1, "$B_1$"))
    ),
    "forward-forward": Flow(
        "two passes, with the true label and with a wrong one; each block is judged by its own activity",
        judge="good-\nness", label="label: true, wrong",
    ),
    "signal propagation": Flow(
        "inputs and targets go forward through the same blocks; each block makes the two meet",
        judge="$h \\cdot t$", label="targets t",
    ),
}  # fmt: skip


def plot_flow(rules: str | Sequence[str]) -> Picture:
    """Draw a small diagram for each rule: activity in blue, error in vermilion and dashed, labels green and dotted.

    Parameters
    ----------
    rules : str or sequence of str
        Names in ``FLOWS``.
    """
    names = [rules] if isinstance(rules, str) else list(rules)
    down, across = -(-len(names) // 2), min(len(names), 2)
    figure = new_figure(10 if across > 1 else 6, 2.5 * down + 0.4)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, rule in zip(axes, names):
        _draw_flow(ax, rule, FLOWS[rule])
    kinds = ["activity", "error", *(["label or target"] if any(FLOWS[name].label for name in names) else [])]
    lines = [Line2D([], [], color=COLOURS[k], ls=STYLES[k], lw=2.2, label=kind) for k, kind in enumerate(kinds)]
    figure.legend(handles=lines, loc="outside lower center", ncols=len(kinds), fontsize=TEXT, frameon=False)
    return Picture(
        figure,
        "the dashed arrows, what comes back: how far each of them reaches, and through which matrix.",
        "Two hidden blocks and an output block.\n" + "\n".join(f"{name}: {FLOWS[name].words}." for name in names),
    )


def _draw_flow(ax: Axes, rule: str, flow: Flow) -> None:
    """Blocks in a row; losses above them; errors come back below, deeper the farther they go."""
    label(ax, rule)
    ax.set(xlim=(-0.45, 4.5), ylim=(-1.35, 1.3))
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    for block, name in ((1, "block 1"), (2, "block 2"), (3, "output")):
        _box(ax, PLACES[block], 0, name, 0.7)
    ax.text(-0.1, 0, "x", fontsize=TEXT + 1, style="italic", **middle)
    for start, end in ((0.05, 0.82), (1.58, 2.02), (2.78, 3.22)):
        _arrow(ax, (start, 0.1 if flow.label else 0), (end, 0.1 if flow.label else 0), 0)
        if flow.label and end < PLACES[3] - 0.5:  # the output block learns from inputs alone
            _arrow(ax, (start, -0.12), (end, -0.12), 2)
    if flow.label:
        ax.text(-0.05, -0.45, flow.label, fontsize=TEXT - 1, color=COLOURS[2], ha="left", va="center")
    for block in (1, 2, 3) if flow.judge else (3,):
        x = PLACES[block]
        _box(ax, x, 0.92, "loss" if block == 3 else flow.judge, 0.62)
        _arrow(ax, (x - 0.12, 0.26), (x - 0.12, 0.62), 0)
        _arrow(ax, (x + 0.12, 0.62), (x + 0.12, 0.26), 1)
    for first, last, matrix in flow.back:
        start, end = PLACES[first], PLACES[last]
        depth, far = (-0.55, 0.15) if start - end < 2 else (-1.2, -0.15)
        _arrow(ax, (start - far, -0.28), (end + 0.1, -0.28), 1, bend=-0.5)
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        ax.text((start + end) / 2, depth, matrix, fontsize=TEXT, color=COLOURS[1], bbox=white, **middle)


def _box(ax: Axes, x: float, y: float, name: str, width: float) -> None:
    ax.add_patch(FancyBboxPatch((x - width / 2, y - 0.22), width, 0.44, boxstyle="round,pad=0.03", fill=False))
    ax.text(x, y, name, fontsize=TEXT - 1, ha="center", va="center", linespacing=0.95)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], kind: int, bend: float = 0.0) -> None:
    """Draw an arrow: 0 activity, 1 error, 2 label."""
    form: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 14, "shrinkA": 0, "shrinkB": 0, "linewidth": 2}
    line: dict[str, Any] = {"linestyle": STYLES[kind], "color": COLOURS[kind]}
    ax.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", **form, **line))


def plot_angles(angles: Values) -> Picture:
    """Draw angles to the true gradient: the median over seeds as a line, smallest to largest as a band.

    Parameters
    ----------
    angles : mapping of str to array_like, shape (seeds, epochs, blocks)
        In degrees, by rule; the output block, whose angle is 0, is best left out.
    """
    values = {name: finite(f"angles of {name!r}", v, "(seeds, epochs, blocks)", 3) for name, v in angles.items()}
    figure, words = new_figure(4.8 * len(values) + 0.6, 3.8), list[str]()
    axes = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    for ax, (name, v) in zip(axes, values.items()):
        epochs, blocks = np.arange(1, v.shape[1] + 1), []
        for i in range(v.shape[2]):
            low, middle, high = np.quantile(v[:, :, i], [0, 0.5, 1], axis=0)
            ax.fill_between(epochs, low, high, alpha=0.18, linewidth=0, **look(i))
            ax.plot(epochs, middle, label=f"block {i + 1}", **look(i, "linestyle"))
            blocks.append(f"block {i + 1} from {middle[0]:.0f} to {middle[-1]:.0f}")
        ax.axhline(90, color="black", linewidth=1)
        ax.text(epochs[-1], 91, "90°: no help", fontsize=TEXT - 1, ha="right", va="bottom")
        y_label = "" if words else "angle to the true gradient (degrees)"
        label(ax, name, "epoch", y_label, grid="both", legend=None if words else {})
        words.append(f"{name}: {', '.join(blocks)} degrees (medians of {len(v)} seeds).")
    axes[0].set_ylim(0, max(110.0, *(float(v.max()) + 5 for v in values.values())))
    look_for = "whether a line falls below 90 degrees, and which block comes nearest to the true gradient."
    return Picture(figure, look_for, " ".join(words))
