"""Curves that grow while something trains, and dots that show the spread over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from helpers.plots.pictures import (
    COLOURS,
    GREY,
    MARKERS,
    TEXT,
    Floats,
    Picture,
    label,
    look,
    new_axes,
    new_figure,
    to_edge,
)

Values = Mapping[str, ArrayLike]


class Curves(Picture):
    """Lines over a common axis, built once and updated in place; the limits only stretch.

    Each of the ``names`` has a line, each of the ``faint`` ones a thin line in the look of the first ones. ``log``: the
    values are on a logarithmic axis, which leaves out 0 and less, or draws what is below a ``floor`` at the floor.
    """

    def __init__(
        self, ax: Axes, names: Sequence[str], faint: Sequence[str] = (), *, log: bool = False, floor: float = 0.0
    ) -> None:
        super().__init__(ax.figure)
        self.ax, self.log, self.floor = ax, log, floor
        self.lines: dict[str, Line2D] = {}
        for group, width, alpha in ((names, 2.2, 1.0), (faint, 1.0, 0.55)):
            for i, name in enumerate(group):
                style = look(i, "linestyle")
                (self.lines[name],) = ax.plot([], [], label=name, linewidth=width, alpha=alpha, **style)
        if log:
            ax.set_yscale("log")
        self.low, self.high = np.full(2, np.inf), np.full(2, -np.inf)
        self.changing = list(self.lines.values())

    def update(self, x: ArrayLike, values: Values) -> bool:
        """Show new values, one for each x, by name of the line; lines that are not named stay.

        Returns whether the limits had to stretch, so that a kept background is out of date.
        """
        xs = np.asarray(x, dtype=float)
        seen = [np.empty(0)]
        for name, y in values.items():
            ys = np.asarray(y, dtype=float)
            if ys.shape != xs.shape or xs.ndim != 1:
                raise ValueError(f"values of {name!r} must have one number for each x, got {ys.shape} for {xs.shape}")
            ys = to_edge(self.lines[name], ys, self.floor, np.inf) if self.log and self.floor else ys
            self.lines[name].set_data(xs, ys)
            seen.append(ys[ys > 0] if self.log else ys)
        return self.stretch(xs, np.concatenate(seen))

    def clear(self, x: ArrayLike, y: ArrayLike) -> None:
        """Empty the lines, and set limits that hold these values."""
        self.low, self.high = np.full(2, np.inf), np.full(2, -np.inf)
        for line in self.lines.values():
            line.set_data([], [])
        self.stretch(x, y)

    def stretch(self, x: ArrayLike, y: ArrayLike) -> bool:
        """Widen the limits until they hold all the finite values, in steps; return whether that changed them."""
        before, known = (self.ax.get_xlim(), self.ax.get_ylim()), (self.low.tolist(), self.high.tolist())
        for k, values in enumerate((np.asarray(x, dtype=float), np.asarray(y, dtype=float))):
            values = values[np.isfinite(values)]
            self.low[k], self.high[k] = values.min(initial=self.low[k]), values.max(initial=self.high[k])
        if known == (self.low.tolist(), self.high.tolist()):
            return False
        (left, bottom), (right, top) = self.low, self.high
        if left <= right:
            self.ax.set_xlim(left, right if right > left else left + 1)
        if bottom <= top:
            self.ax.set_ylim(*_round_out(bottom, top, self.log))
        return before != (self.ax.get_xlim(), self.ax.get_ylim())

    @property
    def words(self) -> str:
        """Where each line starts and where it ends, of the points that are drawn."""
        parts = []
        for name, line in self.lines.items():
            y = np.asarray(line.get_ydata(), dtype=float)
            drawn = y[np.isfinite(y) & (y > 0 if self.log else True)]
            if len(y):
                ending = "" if np.isfinite(y[-1]) else f", and then {y[-1]:.3g}"  # a run that failed says so
                at = f"from {drawn[0]:.3g} to {drawn[-1]:.3g}{ending}" if len(drawn) else "has no point"
                parts.append(f"{name} {at}")
        return f"{self.ax.get_ylabel()} over {self.ax.get_xlabel()}: {'; '.join(parts) or 'nothing yet'}."


def _round_out(low: float, high: float, log: bool) -> tuple[float, float]:
    """Widen limits to round numbers, so that a curve that grows stretches its axis seldom."""
    if log:  # to a decade below, where curves of errors go; to a third of one above
        return 10 ** np.floor(np.log10(low)), 10 ** (np.ceil(3 * np.log10(high)) / 3 + 0.02)
    unit = 10 ** np.floor(np.log10(high - low or abs(high) or 1)) / 5
    return unit * np.floor(low / unit) - 0.1 * unit, unit * np.ceil(high / unit) + 0.1 * unit


class Tangent(Picture):
    """A curve with a point on it and the tangent there; below, the slope at each place where the point has been.

    ``slopes``, one for each x, only set the limits; ``update`` moves the point to its ``place``.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, slopes: ArrayLike) -> None:
        figure = new_figure(6.2, 4.6)
        super().__init__(figure, "how steep the tangent is, and the dot that it leaves below.")
        self.x, self.been, self.place = np.asarray(x, dtype=float), dict[float, float](), (0.0, 0.0)
        self.ax, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        self.ax.plot(self.x, y, color=COLOURS[0], linewidth=2.2)
        (self.line,) = self.ax.plot([], [], "--", color=COLOURS[1], linewidth=2.2)
        (self.point,) = self.ax.plot([], [], "o", color=COLOURS[1], markersize=11)
        below.axhline(0, color=GREY, linewidth=1)
        (self.trail,) = below.plot([], [], "o", color=COLOURS[1], markersize=4)
        (self.now,) = below.plot([], [], "o", color=COLOURS[1], markersize=8)
        self.changing = [self.line, self.point, self.trail, self.now]
        for ax, values, name in ((self.ax, y, "f(x)"), (below, slopes, "slope")):
            low, high = np.min(values), np.max(values)
            ax.set_ylim(low - 0.25 * (high - low) - 0.1, high + 0.25 * (high - low) + 0.1)
            label(ax, "", "x" if ax is below else "", name, grid="both")
        self.ax.set_xlim(self.x[0], self.x[-1])

    def update(self, at: float, value: float, slope: float) -> None:
        """Move the point to x = ``at``, with its tangent, and leave a dot below."""
        reach = np.array([-1.0, 1.0]) * (self.x[-1] - self.x[0]) / 6
        reach /= np.hypot(1, slope)
        self.line.set_data(at + reach, value + slope * reach)
        self.point.set_data([at], [value])
        self.place, self.been[at] = (at, value), slope
        self.trail.set_data(list(self.been), list(self.been.values()))
        self.now.set_data([at], [slope])
        self._words = f"At x = {at:.3g} the curve is at {value:.3g} and its tangent has the slope {slope:.3g}."


class Recording(Picture):
    """A picture of a run that goes on: it records a state from time to time, and draws its curves from what it has.

    ``x`` and ``history`` are the steps that were recorded and the state at each. A picture of its own fills ``curves``,
    the ``limits`` that each begins with, and ``steps``, and says in ``columns`` what the curves show.
    """

    def __init__(self, figure: Figure, look_for: str) -> None:
        super().__init__(figure, look_for)
        self.curves: dict[str, Curves] = {}
        self.limits: dict[str, tuple[float, float]] = {}
        self.steps: list[int] = []  # the first and the last, where the last is known: the axis then never stretches
        self.x: list[int] = []
        self.history: list[Any] = []

    def clear(self) -> None:
        """Forget what has been recorded; the axes get back the limits that they began with."""
        self.x, self.history = [], []
        for key, curves in self.curves.items():
            curves.clear(self.steps, self.limits[key])
            for line in curves.lines.values():  # a dot where it is now: before the first step there is nothing else
                line.set(marker="o", markersize=5, markevery=slice(-1, None))

    def record(self, x: int, state: Any) -> None:
        """Keep the state at step ``x``; nothing is drawn."""
        self.x.append(x)
        self.history.append(state)

    def columns(self, key: str) -> Values:
        """Return what the lines of some curves show, one number for each recorded state."""
        raise NotImplementedError

    def trace(self) -> bool:
        """Bring the curves up to date; return whether limits stretched, so that a kept background is stale."""
        return max([curves.update(self.x, self.columns(key)) for key, curves in self.curves.items()])


def plot_curves(
    x: ArrayLike,
    values: Values,
    *,
    x_label: str,
    y_label: str,
    look_for: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> Curves:
    """Draw several lines over one axis.

    Parameters
    ----------
    x : array_like, shape (n,)
        Common to all lines.
    values : mapping of str to array_like, shape (n,)
        A line each.
    x_label, y_label, look_for : str
        The words: axes with their units, what to look for.
    log_x, log_y : bool
        Logarithmic axes.
    """
    ax = new_axes(9, 4)
    curves = Curves(ax, list(values), log=log_y)
    xs = np.asarray(x)
    if log_x:
        ax.set_xscale("log", base=2)
        ax.set_xticks(xs, [f"{value:g}" for value in xs])
    curves.update(xs, values)
    if len(xs) < 12:
        for i, line in enumerate(curves.lines.values()):
            line.set_marker(MARKERS[i % 10])
        ends = ax.transData.inverted().transform(ax.transAxes.transform([(-0.02, 0), (1.02, 0)]))
        ax.set_xlim(*ends[:, 0])  # the first and the last marker are whole
    label(ax, "", x_label, y_label, grid="both", legend={})
    curves.look_for = look_for
    return curves


def summary(values: Floats) -> tuple[Floats, float, int]:
    """Return of some runs the good ones, their median (NaN if there is none), and how many failed."""
    good = values[np.isfinite(values)]
    return good, float(np.median(good)) if len(good) else np.nan, len(values) - len(good)


def plot_spread(
    groups: Values,
    *,
    x_label: str,
    title: str = "",
    look_for: str = "",
    half_width: Callable[[Floats], float] | None = None,
) -> Picture:
    """Draw every run as a dot, a row for each group, with the median as a bar and its value beside it.

    Parameters
    ----------
    groups : mapping of str to array_like, shape (runs,)
        The values of each group; a NaN is a run that failed, and is counted in the row's label.
    x_label, title, look_for : str
        The words, as of `plot_curves`.
    half_width : callable, optional
        Of paired differences: half the width of the interval around the mean of some, which is then drawn, over zero.
    """
    values = {name: np.asarray(v, dtype=float) for name, v in groups.items()}
    if any(v.ndim != 1 or not len(v) for v in values.values()):
        raise ValueError("groups must map names to one-dimensional, non-empty values")
    ax = new_axes(9.6, 0.9 + 0.38 * len(values))
    names, words = [], []
    for row, (name, v) in enumerate(values.items()):
        good, median, failed = summary(v)
        names.append(f"{name} ({failed} failed)" if failed else name)
        jitter = row + 0.18 * np.cos(2.4 * np.arange(len(good)))  # a fixed scatter: equal numbers, equal pictures
        ax.scatter(good, jitter, s=30, alpha=0.75, **look(row, "marker"))
        if not len(good):
            words.append(f"{name}: all {len(v)} runs failed.")
            continue
        if half_width:
            mean, reach = float(good.mean()), half_width(good)
            text = f"{mean:+.3f} ± {reach:.3f}"
            ax.plot([mean - reach, mean + reach], [row, row], color="black", linewidth=3.2)
            ax.plot([mean], [row], "|", color="black", markersize=16, markeredgewidth=2.2)
        else:
            text = f"{median:.3f}"
            ax.plot([median, median], [row - 0.35, row + 0.35], color="black", linewidth=2.5)
        ax.annotate(text, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=TEXT)
        runs = f"{len(good)} runs" + (f", {failed} failed" if failed else "")
        what = "mean and half interval" if half_width else "median"
        words.append(f"{name}: {what} {text} ({good.min():.3f} to {good.max():.3f}, {runs}).")
    if half_width:
        ax.axvline(0, color="black", linewidth=1)
    rows(ax, names)
    label(ax, title, x_label, grid="x")
    return Picture(ax.figure, look_for, f"{x_label}. {' '.join(words)}")


def rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows of a picture, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
