"""Pictures of lecture 05: the scalar map behind idempotent nets, eigenvalues that flow, a sweep of rates, images.

>>> import numpy as np
>>> a = np.linspace(0, 1, 7)
>>> picture = Cobweb(a, 3 * a**2 - 2 * a**3, [0.75, 0.84375], name="3a² - 2a³", steps=9)
>>> picture.description
'3a² - 2a³ from 0 to 1, and its iterates: from 0.75 to 0.8438 in 1 step.'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from helpers.plots.curves import Values, rows, summary
from helpers.plots.pictures import (
    ASIDE,
    DASHES,
    GREY,
    PIECES,
    TEXT,
    Floats,
    Handle,
    Picture,
    count,
    finite,
    label,
    look,
    new_figure,
    percent,
    to_edge,
)

Ends = NDArray[np.int64]

ENDS = ("goes to 0", "goes to 1", "neither so far", "diverges")  # where a start can end
PALE = ("#cfe3f1", "#f6cd9c", "#f7f7f5", "#9a9a9a")  # the same as a background
FAR = 1e6  # an iterate beyond this is drawn as diverged
SMALLEST = 1e-17  # an error below this, a zero too, is drawn here
LARGEST = 1e3  # an eigenvalue farther from 0 and 1 is left out of the curves


class ScalarMaps(Picture):
    """Two to four maps of a scalar side by side, at growing arguments ``a`` (k,), with a marked place.

    A map has its diagonal drawn; a name that begins with Δ is a change, whose zeros count: it has a zero line.
    """

    def __init__(self, a: Floats, maps: Mapping[str, Floats], *, mark: float) -> None:
        self.a, self.maps = a, maps
        look_for = "where a curve meets the dashed diagonal (its fixed points), or the dashed zero line."
        super().__init__(new_figure(9.6, 4.8), look_for)
        self.dots: dict[str, Line2D] = {}
        axes = self.figure.subplots(-(-len(maps) // 2), 2).ravel()
        for i, (ax, (name, values)) in enumerate(zip(axes, self.maps.items())):
            ax.plot(a, values, linewidth=2.2, **look(i))
            ax.plot(a[[0, -1]], (0 if name.startswith("Δ") else 1) * a[[0, -1]], color=GREY, linestyle="--")
            (self.dots[name],) = (dot,) = ax.plot([], [], "o", color="black", markersize=9)
            self.handles.append(start_handle(ax, lambda dot=dot: tuple(dot.get_xydata()[0]), f" on {name}"))  # type: ignore
            ax.set_xlim(a[0], a[-1])
            label(ax, name, "a" if i < 2 else "w", grid="both")
        self.changing = list(self.dots.values())
        self.choose(mark)

    def choose(self, mark: float) -> None:
        """Mark a place on each curve; no curve is marked where it is not drawn."""
        self.mark = mark
        for name, dot in self.dots.items():
            dot.set_data([mark], [np.interp(mark, self.a, self.maps[name], left=np.nan, right=np.nan)])

    @property
    def words(self) -> str:
        """What each curve is at both ends and at the mark."""
        parts = []
        for (name, values), dot in zip(self.maps.items(), self.dots.values()):
            here = float(np.asarray(dot.get_ydata())[0])
            middle = "" if np.isnan(here) else f"{here:.3g} at {self.mark:.3g} and "
            parts.append(f"{name} is {values[0]:.3g} at {self.a[0]:.3g}, {middle}{values[-1]:.3g} at {self.a[-1]:.3g}")
        return f"{len(parts)} curves. {'; '.join(parts)}.{outside(self.mark, self.a)}"


class Cobweb(Picture):
    """Left: a map, its diagonal, and the stairs that an iteration climbs. Right: the iterates, step by step.

    ``values`` (k,) at growing arguments ``a`` are the map; ``path`` is as in `update`; ``steps`` ends the axis.
    """

    def __init__(self, a: Floats, values: Floats, path: ArrayLike, *, name: str, steps: int) -> None:
        self.a, self.name = a, name
        look_for = "stairs between curve and diagonal: do they end where both meet, turn around it, or run away?"
        super().__init__(new_figure(9.6, 4.4, layout=None), look_for)
        grid = self.figure.add_gridspec(1, 2, width_ratios=(1, 1.25), left=0.07, right=0.98, bottom=0.125, top=0.92)
        left, right = (self.figure.add_subplot(grid[i]) for i in (0, 1))
        left.plot(a, values, linewidth=2.2, label=name, **look(0))
        left.plot(a[[0, -1]], a[[0, -1]], color=GREY, linestyle="--", label="diagonal")
        (self.stairs,) = left.plot([], [], linewidth=1.5, label="stairs", **look(1))
        (self.start,) = left.plot([], [], "o", color="black", markersize=8, label="start")
        left.set(xlim=(a[0], a[-1]), ylim=(a[0], a[-1]))
        (self.iterates,) = right.plot([], [], marker="o", linewidth=1.2, **look(1))
        for level in (0.0, 0.5, 1.0):
            right.axhline(level, color=GREY, linestyle=":", linewidth=1.2)
        label(left, "cobweb", "a", "the next a", legend={"loc": "upper left"})
        label(right, "iterates", "step", "a")
        self.changing = [self.stairs, self.start, self.iterates]
        self.handles = [start_handle(left, lambda: (self.path[0], self.path[0]))]
        self.update(path)
        right.set(xlim=(-0.5, steps + 0.5), ylim=(a[0], a[-1]))

    def update(self, path: ArrayLike) -> None:
        """Show other iterates, shape (steps + 1,), the start first, up to the first that is not finite or is huge."""
        self.path = np.asarray(path, dtype=float)
        far = np.flatnonzero(~(np.abs(self.path) < FAR))
        shown = self.path[: far[0] if len(far) else None]
        corners = np.repeat(shown, 2)
        self.stairs.set_data(corners[:-1], np.append(shown[:1], corners[2:]))
        self.start.set_data(shown[:1], shown[:1])
        self.iterates.set_data(np.arange(len(shown)), shown)

    @property
    def words(self) -> str:
        """The range, the start and the last iterate."""
        steps, last = len(self.path) - 1, self.path[-1]
        end = f"to {last:.4g}" if abs(last) < FAR else "beyond all bounds"
        drawn = len(np.asarray(self.iterates.get_xdata()))
        cut = f" Only the first {drawn} of {steps + 1} iterates are drawn." if drawn <= steps else ""
        range_ = f"{self.name} from {self.a[0]:.3g} to {self.a[-1]:.3g}"
        return f"{range_}, and its iterates: from {self.path[0]:.4g} {end} in {count(steps, 'step')}.{cut}"


class Basins(Picture):
    """A row for each end, and in it the starts ``a`` (k,), growing, whose last iterates, ``ends``, lie there.

    Below, on a logarithmic axis: the starts at growing distances ``near`` (j,) to an ``edge``, which end at ``there``.
    """

    def __init__(
        self, a: Floats, ends: Floats, near: Floats, there: Floats, *, edge: str = "(1 + √5)/2", mark: float
    ) -> None:
        look_for = "intervals that take turns, ever narrower towards the edge, and by the same factor."
        super().__init__(new_figure(9.6, 4.5, layout=None), look_for)
        self.figure.subplots_adjust(left=0.125, right=0.98, bottom=0.115, top=0.97, hspace=0.32)
        top, bottom = self.figure.subplots(2, 1)
        self.a, self.ends, close = a, which_end(ends), which_end(there)
        _bars(top, a, self.ends)
        top.set_xlim(a[0], a[-1])
        label(top, "", "start a", grid="x")
        _bars(bottom, near, close)
        bottom.set(xscale="log", xlim=(near[-1], near[0]))
        label(bottom, "", f"distance of the start to {edge}, which lies at the right", grid="x")
        span = f"{near[0]:.1g} to {near[-1]:.1g}"
        self.near = f"Over the distance to the edge, {span}: {np.count_nonzero(np.diff(close))} times."
        self.line = top.axvline(mark, color="black", linewidth=2)
        (self.knob,) = top.plot([], [], "o", color="black", markersize=10, markeredgecolor="white")
        self.changing = [self.line, self.knob]
        self.handles = [start_handle(top, lambda: (self.mark, 1.5))]
        self.choose(mark)

    def choose(self, mark: float) -> None:
        """Mark a start."""
        self.mark = mark
        self.line.set_xdata([mark, mark])
        self.knob.set_data([mark], [1.5])

    @property
    def words(self) -> str:
        """The share of each end, and how often it changes along the line."""
        changes = f"the end changes {np.count_nonzero(np.diff(self.ends))} times on the way."
        marked = f"Marked: the start {self.mark:.4g}.{outside(self.mark, self.a)}"
        return f"Starts from {self.a[0]:.4g} to {self.a[-1]:.4g}: {_shares(self.ends)}; {changes} {self.near} {marked}"


def start_handle(ax: Axes, at: Callable[[], tuple[float, float]], where: str = "") -> Handle:
    """Return the handle by which a start is dragged along its axis."""
    return Handle(f"the start{where}", ax, at, lambda x, _: {"start": x})


def _bars(ax: Axes, x: Floats, ends: Ends) -> None:
    """Draw the starts ``x`` as bars in the rows of their ends."""
    # a start alone between others has no neighbour to draw a line to: the markers show it
    bar: dict[str, Any] = {"linewidth": 9, "solid_capstyle": "butt", "marker": "|", "markersize": 9, "gid": PIECES}
    for row, name in enumerate(ENDS):
        ax.plot(x, np.where(ends == row, float(row), np.nan), label=name, **bar, **look(row))
    rows(ax, ENDS)


def which_end(last: Floats | NDArray[np.complex128]) -> Ends:
    """Return for each last iterate, real or complex, the index of its end in `ENDS`."""
    ends = np.full(last.shape, ENDS.index("neither so far"), dtype=np.int64)
    ends[np.abs(last) < 1e-3] = 0
    ends[np.abs(last - 1) < 1e-3] = 1
    ends[~(np.abs(last) < FAR)] = ENDS.index("diverges")  # NaN and infinite ones too
    return ends


def _shares(ends: Ends) -> str:
    return ", ".join(f"{percent(float(np.mean(ends == k)), 1)} {name}" for k, name in enumerate(ENDS))


def outside(mark: float, a: Floats) -> str:
    """Say that a marked place is not drawn, where that is so."""
    return "" if a[0] <= mark <= a[-1] else f" {mark:.4g} lies outside the drawn range, and is not marked."


def plot_eigenvalue_flow(paths: ArrayLike, *, real: ArrayLike, imaginary: ArrayLike, ends: ArrayLike) -> Picture:
    """Draw how the eigenvalues of a matrix move under an iteration, over the basins, and their distance to 0 or 1.

    Parameters
    ----------
    paths : array_like of complex, shape (steps + 1, n)
        The eigenvalues after each step, a column for each eigenvalue.
    real, imaginary : array_like, shape (k,), (j,)
        The grid of the background.
    ends : array_like of complex, shape (j, k)
        The last iterate of each point of the grid; infinite or NaN where it diverged.
    """
    path, last = np.asarray(paths, dtype=complex), np.asarray(ends, dtype=complex)
    x, y = np.asarray(real, dtype=float), np.asarray(imaginary, dtype=float)
    if path.ndim != 2 or min(x.size, y.size) < 2 or last.shape != (len(y), len(x)):
        raise ValueError(f"paths must be (steps + 1, n) and ends {(len(y), len(x))}, got {path.shape} and {last.shape}")
    figure = new_figure(10.5, 4.6)
    plane, ax = figure.subplots(1, 2, width_ratios=(1.1, 1))
    kinds = which_end(last)
    dx, dy = ((places[-1] - places[0]) / (len(places) - 1) / 2 for places in (x, y))
    cells = (x[0] - dx, x[-1] + dx, y[0] - dy, y[-1] + dy)  # each point of the grid has one
    colours = np.array([to_rgb(colour) for colour in PALE])
    plane.imshow(colours[kinds], origin="lower", extent=cells, interpolation="nearest")
    for name, colour in zip(ENDS, PALE):
        plane.plot([], [], "s", color=colour, markersize=12, markeredgecolor=GREY, label=name)
    steps, gap = np.arange(len(path)), np.minimum(np.abs(path), np.abs(path - 1))
    for i, one in enumerate(path.T):
        plane.plot(one.real, one.imag, linewidth=1.4, markersize=5, **look(i, "marker"))
        (line,) = ax.plot(steps, np.ones(len(steps)), markersize=5, **look(i, "marker", "linestyle"))
        line.set_ydata(np.where(gap[:, i] < LARGEST, to_edge(line, gap[:, i], SMALLEST, np.inf), np.nan))
    ax.relim()
    ax.autoscale_view()
    plane.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    ax.set_yscale("log")
    label(plane, "eigenvalues, step by step", "real part", "imaginary part", legend={"loc": "upper right"})
    label(ax, "distance to 0 or 1, whichever is nearer", "step", grid="both")
    moves = "; ".join(f"{one[0]:.3g} to {one[-1]:.3g}" for one in path.T)
    return Picture(
        figure,
        "every path stays in the basin that it begins in; near the end, each step doubles the number of digits.",
        f"{path.shape[1]} eigenvalues over {len(path) - 1} steps: {moves}. Of the plane behind them {_shares(kinds)}.",
    )


def plot_rates(rates: ArrayLike, errors: Values, zero: Values) -> Picture:
    """Draw the error of many nets against the learning rate, with the runs that the error cannot speak for.

    Parameters
    ----------
    rates : array_like, shape (k,)
        Learning rates, above 0.
    errors : mapping of str to array_like, shape (runs, k)
        By rule; NaN for a run that diverged.
    zero : mapping of str to array_like of bool, shape (runs, k)
        By rule: the runs that became the zero map. They count below, and not in the medians.
    """
    x = np.asarray(rates, dtype=float)
    runs = {rule: np.asarray(values, dtype=float) for rule, values in errors.items()}
    collapsed = {rule: np.asarray(zero[rule], dtype=bool) for rule in runs}
    shapes = {values.shape for values in (*runs.values(), *collapsed.values())}
    if len(shapes) != 1 or len(one := shapes.pop()) != 2 or one[1:] != x.shape:
        raise ValueError(f"errors and zero must have shape (runs, {len(x)}), one column per rate, alike for every rule")
    figure = new_figure(11.0, 6.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
    words, low, nets = [], 0, one[0]
    for i, (rule, values) in enumerate(runs.items()):
        places = x * 1.05 ** (i - 1)  # rules side by side: none covers another
        mark = {"gid": PIECES, **look(i, "marker")}
        kept = np.where(collapsed[rule], np.nan, values)
        top.plot(places, np.maximum(kept, SMALLEST).T, linestyle="", markersize=3, alpha=0.35, **mark)
        middle = np.array([summary(column)[1] for column in kept.T])
        top.plot(places, np.maximum(middle, SMALLEST), linestyle=DASHES[i], linewidth=2.2, label=rule, **mark)
        lost, gone = (~np.isfinite(values)).sum(0), collapsed[rule].sum(0)
        for number, style, what in ((lost, "-", "diverged"), (gone, ":", "the zero map")):
            bottom.plot(places, number, linestyle=style, linewidth=2.2, label=f"{what}: {rule}", **mark)
        said = ["none" if np.isnan(median) else f"{median:.1g}" for median in middle]
        cells = (f"{rate:g}: {m}, {n} diverged, {z} zero" for rate, m, n, z in zip(x, said, lost, gone))
        words.append(f"{rule} ({'; '.join(cells)})")
        low += int((kept < SMALLEST).sum())
    top.set(xscale="log", yscale="log")
    top.set_xticks(x, [f"{rate:g}" for rate in x])
    top.minorticks_off()
    bottom.set_ylim(-0.04 * nets, 1.04 * nets)
    title = f"{nets} nets at each rate; medians of those that neither diverged nor collapsed"
    label(top, title, "", "error", grid="both", legend=ASIDE)
    label(bottom, "", "learning rate", f"nets of {nets}", grid="both", legend=ASIDE)
    edge = f" {low} errors below {SMALLEST:g} are drawn there." if low else ""
    return Picture(
        figure,
        "the lower axes first: how many runs an error above leaves out (diverged) or flatters (the zero map).",
        f"Median error by learning rate, {nets} nets each. {'. '.join(words)}.{edge}",
    )


def plot_images(images: Values, *, look_for: str) -> Picture:
    """Draw rows of square grey images: what a map makes of them, side by side.

    Parameters
    ----------
    images : mapping of str to array_like, shape (k, side²)
        Each row by its name; values of 0 to 1, what lies beyond is drawn black or white.
    look_for : str
        What to look for.
    """
    arrays = {name: finite(f"images {name!r}", values, "(k, side²)", 2) for name, values in images.items()}
    shapes = {values.shape for values in arrays.values()}
    if len(shapes) != 1 or math.isqrt(pixels := (shape := shapes.pop())[1]) ** 2 != pixels:
        raise ValueError("images must hold arrays of one shape (k, side²), an image in each line")
    number, side = shape[0], math.isqrt(pixels)
    ax, edge = new_figure(0.75 * number + 2.0, 0.8 * len(arrays) + 0.3).add_subplot(), side + 1
    for i, values in enumerate(arrays.values()):
        for j, image in enumerate(values):  # a white line between the images
            corner = (edge * j, edge * j + side, edge * i + side, edge * i)
            ax.imshow(image.reshape(side, side), cmap="gray", vmin=0, vmax=1, extent=corner)
    ax.set(xlim=(0, edge * number), ylim=(edge * len(arrays), 0), xticks=[], aspect="equal")
    ax.set_yticks([edge * i + side / 2 for i in range(len(arrays))], list(arrays), fontsize=TEXT + 1)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    beyond = sum(int(((v < 0) | (v > 1)).sum()) for v in arrays.values())
    words = f"{number} images of {side} x {side} in each of {len(arrays)} rows: {'; '.join(arrays)}."
    words += f" {beyond:,} pixels lie beyond 0 to 1: drawn black or white." if beyond else ""
    return Picture(ax.figure, look_for, words)
