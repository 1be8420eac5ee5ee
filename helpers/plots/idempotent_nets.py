"""Maps on their way to be idempotent: eigenvalues that flow, rules side by side while they train, a sweep of rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from helpers.plots.curves import Curves
from helpers.plots.idempotent import ENDS, which_end
from helpers.plots.pictures import (
    COLOURS,
    DASHES,
    MARKERS,
    PIECES,
    TEXT,
    Picture,
    Recording,
    label,
    new_figure,
    percent,
    to_edge,
)

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

SMALLEST = 1e-17  # an error below this, a zero too, is drawn here
LARGEST = 1e3  # what is larger is on its way to infinity, and left out of the curves
REACH = 2.2  # outputs lie in a square of this half side; what lies beyond is drawn at its edge
PALE = ("#cfe3f1", "#f6cd9c", "#f7f7f5", "#9a9a9a")  # the ends of `helpers.plots.idempotent.ENDS`, as a background


class EigenvalueFlow(Picture):
    """Left: the paths of eigenvalues in the complex plane, over the basins. Right: their distance to 0 or 1."""

    def __init__(self, figure: Figure, paths: Complexes, real: Floats, imaginary: Floats, ends: Complexes) -> None:
        look = "every path stays in the basin that it begins in; near the end, each step doubles the number of digits."
        super().__init__(figure, look)
        self.paths = paths
        plane, ax = figure.subplots(1, 2, width_ratios=(1.1, 1))
        colours = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in PALE], dtype=np.uint8)
        self.ends = kinds = which_end(ends)
        extent = (real[0], real[-1], imaginary[0], imaginary[-1])
        dx, dy = ((places[-1] - places[0]) / (len(places) - 1) / 2 for places in (real, imaginary))
        cells = (extent[0] - dx, extent[1] + dx, extent[2] - dy, extent[3] + dy)  # each point of the grid has one
        plane.imshow(colours[kinds], origin="lower", extent=cells, interpolation="nearest")
        for name, colour in zip(ENDS, PALE):
            plane.plot([], [], "s", color=colour, markersize=12, markeredgecolor="#555555", label=name)
        steps = np.arange(len(paths))
        gap = np.minimum(np.abs(paths), np.abs(paths - 1))
        for i, path in enumerate(paths.T):
            look_of = {"color": COLOURS[i % 7], "marker": MARKERS[i % 10], "markersize": 5}
            plane.plot(path.real, path.imag, linewidth=1.4, **look_of)
            (line,) = ax.plot(steps, np.ones(len(steps)), linestyle=DASHES[i % 4], **look_of)
            line.set_ydata(np.where(gap[:, i] < LARGEST, to_edge(line, gap[:, i], SMALLEST, np.inf), np.nan))
        ax.relim()
        ax.autoscale_view()
        plane.legend(fontsize=TEXT - 1, loc="upper right")
        plane.set(xlim=extent[:2], ylim=extent[2:])
        ax.set_yscale("log")
        ax.grid(alpha=0.3)
        label(plane, "eigenvalues, step by step", "real part", "imaginary part")
        label(ax, "distance to 0 or 1, whichever is nearer", "step")

    @property
    def words(self) -> str:
        """Where each eigenvalue begins and ends."""
        parts = [f"{path[0]:.3g} to {path[-1]:.3g}" for path in self.paths.T]
        shares = ", ".join(f"{percent(float(np.mean(self.ends == k)), 1)} {name}" for k, name in enumerate(ENDS))
        flow = f"{len(parts)} eigenvalues over {len(self.paths) - 1} steps: {'; '.join(parts)}."
        return f"{flow} Of the plane behind them {shares}."


def plot_eigenvalue_flow(paths: ArrayLike, *, real: ArrayLike, imaginary: ArrayLike, ends: ArrayLike) -> EigenvalueFlow:
    """Draw how the eigenvalues of a matrix move under an iteration.

    Parameters
    ----------
    paths : array_like of complex, shape (steps + 1, n)
        The eigenvalues after each step, a column an eigenvalue.
    real, imaginary : array_like, shape (k,), (j,)
        The grid of the background.
    ends : array_like of complex, shape (j, k)
        The last iterate of each point of the grid; infinite or NaN where it diverged.

    Returns
    -------
    EigenvalueFlow
        Shows itself in a notebook.
    """
    path, last = np.asarray(paths, dtype=complex), np.asarray(ends, dtype=complex)
    x, y = np.asarray(real, dtype=float), np.asarray(imaginary, dtype=float)
    if path.ndim != 2 or min(x.size, y.size) < 2 or last.shape != (len(y), len(x)):
        raise ValueError(f"paths must be (steps + 1, n) and ends {(len(y), len(x))}, got {path.shape} and {last.shape}")
    return EigenvalueFlow(new_figure(10.5, 4.6), path, x, y, last)


class RuleState(NamedTuple):
    """What is known of a rule after an epoch.

    Attributes
    ----------
    outputs, again : ndarray, shape (k, 2)
        Outputs y of the same inputs in every epoch, and where the net sends them, n(y).
    error, trace, rank : float
        Idempotent error, trace and rank of n(I).
    diverged : bool
        The rule has left the finite numbers; the rest is its last finite state.
    """

    outputs: Floats
    again: Floats
    error: float
    trace: float
    rank: float
    diverged: bool = False


class IdempotentProgress(Recording):
    """Above: outputs of a net under each rule, with a line to where the net would send them; below: three curves.

    Parameters
    ----------
    rules : sequence of str
        Their names, three of them.
    total : int
        The last epoch.
    width : int
        Outputs of the net; of more than two, the first two are drawn.
    """

    def __init__(self, rules: Sequence[str], total: int, width: int = 2) -> None:
        look = "points come to rest on the image of the map as lines shrink; an image that is one point is a collapse."
        super().__init__(new_figure(10.5, 7.0, layout=None), look)
        grid = self.figure.add_gridspec(2, 3, left=0.07, right=0.985, top=0.945, bottom=0.075, wspace=0.26, hspace=0.3)
        self.rules, self.total, self.width = list(rules), total, width
        axes = "the two outputs" if width == 2 else f"the first two of {width} outputs"
        self.points: list[Line2D] = []
        self.lines: list[LineCollection] = []
        self.titles = []
        for i, rule in enumerate(self.rules):
            ax = self.figure.add_subplot(grid[0, i])
            ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
            ax.grid(alpha=0.3)
            label(ax, rule, axes)
            ax.title.set_color(COLOURS[i])
            self.lines.append(LineCollection([], colors="#555555", linewidths=0.9))
            ax.add_collection(self.lines[i])
            self.points.extend(ax.plot([], [], MARKERS[i], color=COLOURS[i], markersize=4, alpha=0.8))
            self.titles.append(ax.text(0.03, 0.95, "", transform=ax.transAxes, fontsize=TEXT, va="top", weight="bold"))
        self.curves: dict[str, Curves] = {}
        for i, (name, log) in enumerate(
            (("idempotent error", True), ("trace of n(I)", False), ("rank of n(I)", False))
        ):
            ax = self.figure.add_subplot(grid[1, i])
            self.curves[name] = Curves(ax, self.rules, log=log, floor=SMALLEST)
            label(ax, name, "epoch")
            ax.grid(alpha=0.3)
        self.curves["idempotent error"].ax.legend(fontsize=TEXT - 1, loc="lower left")
        self.changing = [*self.lines, *self.points, *self.titles]
        self.slow = [line for curves in self.curves.values() for line in curves.changing]
        self.clear()

    def clear(self) -> None:
        """Forget what has been recorded; the axes get back the limits that they began with."""
        self.x: list[int] = []
        self.history: list[list[RuleState]] = []
        for points, lines, words in zip(self.points, self.lines, self.titles):
            points.set_data([], [])
            lines.set_segments([])
            words.set_text("")
        for curves, limits in zip(self.curves.values(), ((1e-6, 1.0), (-0.5, self.width), (0, self.width))):
            curves.clear([0, self.total], limits)

    def record(self, epoch: int, states: Sequence[RuleState]) -> None:
        """Keep the state of each rule after an epoch; nothing is drawn."""
        self.x.append(epoch)
        self.history.append(list(states))

    def move(self) -> None:
        """Put points and lines where they were recorded last."""
        for state, points, lines, words in zip(self.history[-1], self.points, self.lines, self.titles):
            both = np.stack([state.outputs, state.again], axis=1)
            ends = both.clip(-REACH, REACH)
            to_edge(points, np.abs(both[:, 0]).max(axis=1), 0, REACH)
            points.set_data(ends[:, 0, 0], ends[:, 0, 1])
            lines.set_segments(list(ends))
            words.set_text(verdict(state))

    def trace(self) -> bool:
        """Bring the curves up to date; return whether limits stretched, so that a kept background is stale."""
        stretched = False
        for curves, field in zip(self.curves.values(), ("error", "trace", "rank")):
            columns = np.array([[getattr(s, field) for s in states] for states in self.history], dtype=float)
            columns[np.abs(columns) > LARGEST] = np.nan
            if curves.log:
                shown = (to_edge(line, c, SMALLEST, np.inf) for line, c in zip(curves.lines.values(), columns.T))
                columns = np.stack(list(shown), axis=1)
            stretched |= curves.update(self.x, dict(zip(self.rules, columns.T)))
        return stretched

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


class RateSweep(Picture):
    """Every run as a dot over its learning rate, medians as lines; below, how many runs diverged or collapsed."""

    def __init__(
        self, figure: Figure, rates: Floats, errors: Mapping[str, Floats], zero: Mapping[str, NDArray[np.bool_]]
    ) -> None:
        look = "the lower axes first: how many runs an error above leaves out (diverged) or flatters (the zero map)."
        super().__init__(figure, look)
        self.rates, self.errors, self.zero = rates, errors, zero
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
        for i, (rule, runs) in enumerate(errors.items()):
            shift = 1.05 ** (i - 1)  # rules side by side: none covers another
            look_of = {"color": COLOURS[i], "marker": MARKERS[i], "gid": PIECES}
            kept = np.where(zero[rule], np.nan, np.maximum(runs, SMALLEST))
            top.plot(rates * shift, kept.T, linestyle="", markersize=3, alpha=0.35, **look_of)
            median = [np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else np.nan for c in kept.T]
            top.plot(rates * shift, median, linestyle=DASHES[i], linewidth=2.2, label=rule, **look_of)
            for counts, style, what in ((~np.isfinite(runs), "-", "diverged"), (zero[rule], ":", "the zero map")):
                line = {"linestyle": style, "linewidth": 2.2, "label": f"{what}: {rule}"}
                bottom.plot(rates * shift, counts.sum(0), **look_of, **line)
        self.runs = len(next(iter(errors.values())))
        top.set(xscale="log", yscale="log")
        top.set_xticks(rates, [f"{rate:g}" for rate in rates])
        top.minorticks_off()
        bottom.set_ylim(-0.04 * self.runs, 1.04 * self.runs)
        label(top, f"{self.runs} nets at each rate; medians of those that neither diverged nor collapsed", "", "error")
        label(bottom, "", "learning rate", f"nets of {self.runs}")
        for ax in (top, bottom):
            ax.grid(alpha=0.3)
            ax.legend(fontsize=TEXT - 1, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)

    @property
    def words(self) -> str:
        """For each rule and rate: median error of the runs that count, diverged runs, collapsed runs."""
        parts = []
        for rule, runs in self.errors.items():
            cells = []
            for j, rate in enumerate(self.rates):
                good = runs[np.isfinite(runs[:, j]) & ~self.zero[rule][:, j], j]
                middle = f"{np.median(good):.1g}" if len(good) else "none"
                lost = int((~np.isfinite(runs[:, j])).sum())
                cells.append(f"{rate:g}: {middle}, {lost} diverged, {int(self.zero[rule][:, j].sum())} zero")
            parts.append(f"{rule} ({'; '.join(cells)})")
        low = sum(int(((runs < SMALLEST) & ~self.zero[rule]).sum()) for rule, runs in self.errors.items())
        edge = f" {low} errors below {SMALLEST:g} are drawn there." if low else ""
        return f"Median error by learning rate, {self.runs} nets each. {'. '.join(parts)}.{edge}"


def plot_rates(rates: ArrayLike, errors: Mapping[str, ArrayLike], zero: Mapping[str, ArrayLike]) -> RateSweep:
    """Draw the error of many nets against the learning rate, with the runs that the error cannot speak for.

    Parameters
    ----------
    rates : array_like, shape (k,)
        Learning rates, above 0.
    errors : mapping of str to array_like, shape (runs, k)
        By rule; NaN for a run that diverged.
    zero : mapping of str to array_like of bool, shape (runs, k)
        By rule: the runs that became the zero map. They count below, and not in the medians.

    Returns
    -------
    RateSweep
        Shows itself in a notebook.
    """
    x = np.asarray(rates, dtype=float)
    runs = {rule: np.asarray(values, dtype=float) for rule, values in errors.items()}
    collapsed = {rule: np.asarray(zero[rule], dtype=bool) for rule in runs}
    shapes = {values.shape for values in (*runs.values(), *collapsed.values())}
    if len(shapes) != 1 or len(one := shapes.pop()) != 2 or one[1:] != x.shape:
        raise ValueError(f"errors and zero must have shape (runs, {len(x)}), a column a rate, alike for every rule")
    return RateSweep(new_figure(11.0, 6.2), x, runs, collapsed)
