"""Runs of lectures 04 and 05 as they go on: three rules for idempotent nets side by side; constrained training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from helpers.plots.curves import Curves, Recording, Values
from helpers.plots.pictures import COLOURS, GREY, TEXT, Floats, label, look, new_figure, to_edge

SMALLEST = 1e-17  # an idempotent error below this, a zero too, is drawn here
LARGEST = 1e3  # what is larger is on its way to infinity, and left out of the curves
REACH = 2.2  # outputs lie in a square of this half side; what lies beyond is drawn at its edge


class RuleState(NamedTuple):
    """What is known of a rule after an epoch.

    ``outputs`` y (k, 2) of the same inputs in every epoch, and where the net sends them, ``again`` n(y); idempotent
    error, trace and rank of n(I). ``diverged``: it has left the finite numbers; the rest is its last finite state.
    """

    outputs: Floats
    again: Floats
    error: float
    trace: float
    rank: float
    diverged: bool = False


class IdempotentProgress(Recording):
    """Above: outputs of a net under each of three rules, with a line to where the net would send them; below: curves.

    ``total``: the last epoch. ``width``: outputs of the net; of more than two, the first two are drawn.
    """

    def __init__(self, rules: Sequence[str], total: int, width: int = 2) -> None:
        look_for = (
            "points come to rest on the image of the map as lines shrink; an image that is one point is a collapse."
        )
        super().__init__(new_figure(9.6, 5.0, layout=None), look_for)
        room = {"height_ratios": (1.6, 1), "wspace": 0.26, "hspace": 0.3}
        grid = self.figure.add_gridspec(2, 3, left=0.07, right=0.985, top=0.94, bottom=0.155, **room)
        self.rules, self.steps = list(rules), [0, total]
        self.points: list[Line2D] = []
        self.lines: list[LineCollection] = []
        self.titles = []
        for i, rule in enumerate(self.rules):
            ax = self.figure.add_subplot(grid[0, i])
            ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
            label(
                ax, rule, "", "" if i else "the two outputs" if width == 2 else f"two of {width} outputs", grid="both"
            )
            ax.title.set_color(COLOURS[i])
            self.lines.append(LineCollection([], colors=GREY, linewidths=0.9))
            ax.add_collection(self.lines[i])
            self.points += ax.plot([], [], linestyle="", markersize=4, alpha=0.8, **look(i, "marker"))
            self.titles.append(ax.text(0.03, 0.95, "", transform=ax.transAxes, fontsize=TEXT, va="top", weight="bold"))
        self.limits = {"idempotent error": (1e-6, 1.0), "trace of n(I)": (-0.5, width), "rank of n(I)": (0, width)}
        for i, name in enumerate(self.limits):
            ax = self.figure.add_subplot(grid[1, i])
            self.curves[name] = Curves(ax, self.rules, log=not i, floor=SMALLEST)
            label(ax, name, "epoch", grid="both")
        self.figure.legend(handles=ax.lines, fontsize=TEXT, loc="lower center", ncols=3, frameon=False, borderpad=0.1)
        self.changing = [*self.lines, *self.points, *self.titles]
        self.slow = [line for curves in self.curves.values() for line in curves.changing]
        self.clear()

    def clear(self) -> None:
        """Forget what has been recorded."""
        super().clear()
        for points, lines, words in zip(self.points, self.lines, self.titles):
            points.set_data([], [])
            lines.set_segments([])
            words.set_text("")

    def move(self) -> None:
        """Put points and lines where they were recorded last."""
        for state, points, lines, words in zip(self.history[-1], self.points, self.lines, self.titles):
            both = np.stack([state.outputs, state.again], axis=1)
            ends = both.clip(-REACH, REACH)
            to_edge(points, np.abs(both[:, 0]).max(axis=1), 0, REACH)
            points.set_data(ends[:, 0, 0], ends[:, 0, 1])
            lines.set_segments(list(ends))
            words.set_text(verdict(state))

    def columns(self, key: str) -> Values:
        field = {"idempotent error": "error", "trace of n(I)": "trace", "rank of n(I)": "rank"}[key]
        columns = np.array([[getattr(s, field) for s in states] for states in self.history], dtype=float)
        columns[np.abs(columns) > LARGEST] = np.nan
        return dict(zip(self.rules, columns.T))

    @property
    def words(self) -> str:
        """Error, trace and rank of each rule at the end, and whether it diverged or collapsed."""
        if not self.history:
            return "Nothing has been recorded yet."
        parts = [
            f"{rule}: error {s.error:.2g}, trace {s.trace:.2f}, rank {s.rank:.0f}{verdict(s) and ', ' + verdict(s)}"
            for rule, s in zip(self.rules, self.history[-1])
        ]
        return f"After epoch {self.x[-1]}, {'; '.join(parts)}."


def verdict(state: RuleState) -> str:
    """Say in a word or two what the error alone would hide."""
    if state.diverged:
        return "DIVERGED"
    return "the zero map" if np.abs(state.outputs).max() < 1e-2 else ""


class Measured(NamedTuple):
    """What is measured at a step of constrained training.

    The loss at the variables, and of the net itself fed forward. For each hidden layer: the largest gap, the norms of
    its multipliers and of its adjoints, the norm of their difference over that of the adjoints, and their cosine.
    """

    loss: float
    net_loss: float
    violation: Sequence[float]
    sizes: Sequence[float]
    adjoint_sizes: Sequence[float]
    differences: Sequence[float]
    cosines: Sequence[float]


class ConstraintProgress(Recording):
    """Five curves over the steps of constrained training, one line for each of the hidden ``layers``."""

    def __init__(self, layers: int, total: int, x_label: str = "epoch") -> None:
        look_for = (
            "whether the gaps go to zero, and whether the difference to the adjoints goes with them: it does with the "
            "weights held fixed, and need not while they learn."
        )
        super().__init__(new_figure(9.6, 5.0, layout=None), look_for)
        grid = self.figure.add_gridspec(2, 3, left=0.075, right=0.985, top=0.94, bottom=0.115, wspace=0.3, hspace=0.5)
        self.steps, names = [0, total], [f"layer {i + 1}" for i in range(layers)]
        thin = [f"{name}, adjoint" for name in names]
        for i, (key, title, limits, lines, faint) in enumerate((
            ("loss", "loss", (1e-3, 1), ["at the variables"], ["of the net fed forward"]),
            ("violation", "violation: largest |gap|", (1e-3, 1), names, []),
            ("sizes", "norm of λ (thin: of the adjoint)", (1e-3, 0.1), names, thin),
            ("differences", "|λ − adjoint| / |adjoint|", (1e-3, 1), names, []),
            ("cosines", "cosine of λ and adjoint", (-1, 1), names, []),
        )):  # fmt: skip
            ax = self.figure.add_subplot(grid[i // 3, i % 3])
            self.limits[key] = limits
            self.curves[key] = Curves(ax, lines, faint, log=key != "cosines", floor=1e-8)
            label(ax, title, x_label, grid="both")
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        early = {"violation": "no gap before the first step", "cosines": "λ = 0 before the first step"}
        where: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": TEXT, "color": GREY}
        self.early = [
            self.curves[name].ax.annotate(words, (0.5, 0.5), xycoords="axes fraction", **where)
            for name, words in early.items()
        ]
        side = self.figure.add_subplot(grid[1, 2])
        side.axis("off")
        handles = [*self.curves["loss"].lines.values(), *self.curves["sizes"].lines.values()]
        side.legend(handles=handles, fontsize=TEXT, loc="center left", frameon=False)
        self.slow = [*self.early, *(line for curves in self.curves.values() for line in curves.changing)]
        self.clear()

    def record(self, x: int, state: Measured) -> None:
        """Keep the state at step ``x``; the first leaves some axes empty, which then say why."""
        super().record(x, state)
        for text in self.early:
            text.set_visible(len(self.x) < 2)

    def columns(self, key: str) -> Values:
        fields = {"loss": ("loss", "net_loss"), "sizes": ("sizes", "adjoint_sizes")}.get(key, (key,))
        rows = [np.hstack([getattr(m, field) for field in fields]) for m in self.history]
        curves = self.curves[key]
        columns = np.array(rows, dtype=float).reshape(-1, len(curves.lines)).T
        return dict(zip(curves.lines, np.where(columns == 0, np.nan, columns) if curves.log else columns))

    @property
    def words(self) -> str:
        """What was measured last, layer by layer."""
        if not self.history:
            return "Nothing has been recorded yet."
        loss, net_loss, *of_layers = self.history[-1]
        layers = "; ".join(
            f"layer {i + 1}: violation {v:.2g}, norm of λ {s:.2g}, of the adjoint {a:.2g}, "
            f"relative difference {d:.2g}, cosine {c:.3f}"
            for i, (v, s, a, d, c) in enumerate(zip(*of_layers))
        )
        return (
            f"Five curves over {self.x[-1]} steps. At the end the loss is {loss:.2g} at the variables and "
            f"{net_loss:.2g} for the net fed forward; {layers}."
        )
