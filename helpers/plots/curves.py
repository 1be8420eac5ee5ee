"""Curves that grow while something trains, and dots that show the spread over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from helpers.plots.pictures import COLOURS, DASHES, MARKERS, TEXT, Picture, label, new_axes


class Curves(Picture):
    """Lines over a common axis, built once and updated in place; the limits only stretch.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    names : sequence of str
        A line each, told apart by colour and dash.
    faint : sequence of str
        Further lines, thin and pale in the colours of the first ones (train beside test, say).
    log : bool
        Whether the values are on a logarithmic axis; values of 0 or less are then left out.
    floor : float
        A logarithmic axis never stretches below this; lines that go deeper leave it at the bottom.
    """

    def __init__(
        self, ax: Axes, names: Sequence[str], faint: Sequence[str] = (), *, log: bool = False, floor: float = 0.0
    ) -> None:
        super().__init__(ax.figure)  # type: ignore[arg-type]
        self.ax, self.log, self.floor = ax, log, floor
        self.lines: dict[str, Line2D] = {}
        for group, width, alpha in ((names, 2.2, 1.0), (faint, 1.0, 0.55)):
            for i, name in enumerate(group):
                style = {"color": COLOURS[i % 7], "linestyle": DASHES[i % 4], "linewidth": width, "alpha": alpha}
                (self.lines[name],) = ax.plot([], [], label=name, **style)  # type: ignore[arg-type]
        if log:
            ax.set_yscale("log")
        self.low, self.high = np.full(2, np.inf), np.full(2, -np.inf)
        self.changing = list(self.lines.values())

    def update(self, x: ArrayLike, values: Mapping[str, ArrayLike]) -> bool:
        """Show new values.

        Parameters
        ----------
        x : array_like, shape (n,)
            Common to all lines.
        values : mapping of str to array_like, shape (n,)
            By name of the line; lines that are not named stay.

        Returns
        -------
        bool
            Whether the limits had to stretch, so that a kept background is out of date.
        """
        xs = np.asarray(x, dtype=float)
        seen = [np.empty(0)]
        for name, y in values.items():
            ys = np.asarray(y, dtype=float)
            if ys.shape != xs.shape or xs.ndim != 1:
                raise ValueError(
                    f"values of {name!r} must have one number for each x, got the shapes {ys.shape}, {xs.shape}"
                )
            self.lines[name].set_data(xs, ys)
            seen.append(ys[(ys > 0) & (ys >= self.floor)] if self.log else ys)
        return self.stretch(xs, np.concatenate(seen))

    def clear(self, x: ArrayLike, y: ArrayLike) -> None:
        """Empty the lines, and set limits that hold these values."""
        self.low, self.high = np.full(2, np.inf), np.full(2, -np.inf)
        for line in self.lines.values():
            line.set_data([], [])
        self.stretch(x, y)

    def stretch(self, x: ArrayLike, y: ArrayLike) -> bool:
        """Widen the limits until they hold all the finite values, in steps; return whether that changed them."""
        before, wider = (self.ax.get_xlim(), self.ax.get_ylim()), False
        for k, values in enumerate((np.asarray(x, dtype=float), np.asarray(y, dtype=float))):
            values = values[np.isfinite(values)]
            if len(values) and (values.min() < self.low[k] or values.max() > self.high[k]):
                self.low[k], self.high[k] = min(self.low[k], values.min()), max(self.high[k], values.max())
                wider = True
        if not wider:
            return False
        (left, bottom), (right, top) = self.low, self.high
        if np.isfinite([left, right]).all():
            self.ax.set_xlim(left, right if right > left else left + 1)
        if np.isfinite([bottom, top]).all():
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


def plot_curves(
    x: ArrayLike,
    values: Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    look_for: str = "",
    log_x: bool = False,
    log_y: bool = False,
    ax: Axes | None = None,
) -> Curves:
    """Draw several lines over one axis.

    Parameters
    ----------
    x : array_like, shape (n,)
        Common to all lines.
    values : mapping of str to array_like, shape (n,)
        A line each.
    x_label, y_label, title, look_for : str
        The words: axes with their units, title, what to look for.
    log_x, log_y : bool
        Logarithmic axes.
    ax : Axes, optional
        Where to draw; a new figure unless told.

    Returns
    -------
    Curves
        Shows itself in a notebook; ``.update(x, values)`` draws new values in place.
    """
    ax = new_axes(9, 4) if ax is None else ax
    curves = Curves(ax, list(values), log=log_y)
    if log_x:
        ax.set_xscale("log", base=2)
        ax.set_xticks(np.asarray(x), [f"{value:g}" for value in np.asarray(x)])
    curves.update(x, values)
    if len(np.asarray(x)) < 12:
        for i, line in enumerate(curves.lines.values()):
            line.set_marker(MARKERS[i % 10])
    label(ax, title, x_label, y_label)
    ax.legend(fontsize=TEXT - 1)
    ax.grid(alpha=0.3)
    curves.look_for = look_for
    return curves


class Spread(Picture):
    """One dot a run, grouped by condition, with a bar at each median."""

    def __init__(self, ax: Axes, groups: Mapping[str, NDArray[np.float64]], look_for: str) -> None:
        super().__init__(ax.figure, look_for)  # type: ignore[arg-type]
        self.ax, self.groups = ax, groups

    @property
    def words(self) -> str:
        """Median, smallest and largest value of each group, and how many runs failed."""
        return f"{self.ax.get_xlabel()}. " + " ".join(f"{name}: {_summary(v)}." for name, v in self.groups.items())


def _summary(values: NDArray[np.float64]) -> str:
    good = values[np.isfinite(values)]
    if not len(good):
        return f"all {len(values)} runs failed"
    failed = f", {len(values) - len(good)} failed" if len(good) < len(values) else ""
    return f"median {np.median(good):.3f} ({good.min():.3f} to {good.max():.3f}, {len(good)} runs{failed})"


def plot_spread(
    groups: Mapping[str, ArrayLike], *, x_label: str, title: str = "", look_for: str = "", ax: Axes | None = None
) -> Spread:
    """Draw every run as a dot, a row a group, with the median as a bar and its value beside it.

    Parameters
    ----------
    groups : mapping of str to array_like, shape (runs,)
        The values of each group; a NaN is a run that failed, and is counted in the row's label.
    x_label, title, look_for : str
        The words.
    ax : Axes, optional
        Where to draw; a new figure unless told.

    Returns
    -------
    Spread
        Shows itself in a notebook.
    """
    values = {name: np.asarray(v, dtype=float) for name, v in groups.items()}
    if not values or any(v.ndim != 1 or not len(v) for v in values.values()):
        raise ValueError("groups must map names to one-dimensional, non-empty values")
    ax = new_axes(9, 0.9 + 0.42 * len(values)) if ax is None else ax
    names = []
    for row, (name, v) in enumerate(values.items()):
        good, failed = v[np.isfinite(v)], int((~np.isfinite(v)).sum())
        names.append(f"{name} ({failed} failed)" if failed else name)
        jitter = row + 0.18 * np.cos(2.4 * np.arange(len(good)))  # a fixed scatter: equal numbers, equal pictures
        ax.scatter(good, jitter, s=30, color=COLOURS[row % 7], marker=MARKERS[row % 10], alpha=0.75)
        if len(good):
            median = float(np.median(good))
            ax.plot([median, median], [row - 0.35, row + 0.35], color="black", linewidth=2.5)
            ax.annotate(f"{median:.3f}", (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=TEXT)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    label(ax, title, x_label)
    ax.grid(axis="x", alpha=0.3)
    return Spread(ax, values, look_for)
