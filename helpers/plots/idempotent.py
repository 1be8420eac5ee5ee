"""The scalar map behind idempotent nets: its graph, a cobweb of its iterates, and where every start ends.

>>> import numpy as np
>>> a = np.linspace(0, 1, 7)
>>> picture = plot_cobweb(a, 3 * a**2 - 2 * a**3, [0.75, 0.84375], name="3a² - 2a³")
>>> picture.description
'3a² - 2a³ from 0 to 1, and its iterates: from 0.75 to 0.8438 in 1 step.'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from helpers.plots.pictures import COLOURS, DASHES, MARKERS, PIECES, TEXT, Picture, label, new_figure, percent

Floats = NDArray[np.float64]

ENDS = ("goes to 0", "goes to 1", "neither so far", "diverges")  # where a start can end; a row of a picture each
FAR = 1e6  # an iterate beyond this is drawn as diverged


class ScalarMaps(Picture):
    """Curves over one range, an axes each, with a marked place."""

    def __init__(self, figure: Figure, a: Floats, maps: Mapping[str, Floats], mark: float) -> None:
        super().__init__(figure, "where a curve meets the dashed diagonal (its fixed points), or the dashed zero line.")
        self.a, self.maps = a, maps
        self.dots: dict[str, Line2D] = {}
        grid = figure.add_gridspec(1, len(maps), left=0.045, right=0.985, bottom=0.17, top=0.9, wspace=0.22)
        for i, (name, values) in enumerate(maps.items()):
            ax = figure.add_subplot(grid[i])
            ax.plot(a, values, color=COLOURS[i], linewidth=2.2)
            change = name.startswith("Δ")
            ax.plot(a[[0, -1]], 0 * a[[0, -1]] if change else a[[0, -1]], color="#555555", linestyle="--")
            (self.dots[name],) = ax.plot([], [], MARKERS[0], color="black", markersize=9)
            ax.set_xlim(a[0], a[-1])
            ax.grid(alpha=0.3)
            label(ax, name, "a" if i < 2 else "w")
        self.changing = list(self.dots.values())
        self.choose(mark)

    def choose(self, mark: float) -> None:
        """Mark a place on each curve."""
        self.mark = mark
        for name, dot in self.dots.items():
            dot.set_data([mark], [self.at(name, mark)])

    def at(self, name: str, mark: float) -> float:
        """Return the value of a curve at a place; NaN where it is not drawn."""
        return float(np.interp(mark, self.a, self.maps[name], left=np.nan, right=np.nan))

    @property
    def words(self) -> str:
        """What each curve is at both ends and at the mark."""
        parts = []
        for name, values in self.maps.items():
            here = self.at(name, self.mark)
            middle = "" if np.isnan(here) else f"{here:.3g} at {self.mark:.3g} and "
            parts.append(f"{name} is {values[0]:.3g} at {self.a[0]:.3g}, {middle}{values[-1]:.3g} at {self.a[-1]:.3g}")
        return f"{len(parts)} curves. {'; '.join(parts)}.{outside(self.mark, self.a)}"


def plot_scalar_maps(a: ArrayLike, maps: Mapping[str, ArrayLike], *, mark: float = 0.6) -> ScalarMaps:
    """Draw several maps of a scalar side by side.

    Parameters
    ----------
    a : array_like, shape (k,)
        Where they are evaluated, in growing order.
    maps : mapping of str to array_like, shape (k,)
        Two or more, by their names. A map has its diagonal drawn; a name that begins with Δ is a change, whose zeros
        count: it has a zero line.
    mark : float
        The place to mark on each curve.

    Returns
    -------
    ScalarMaps
        Shows itself in a notebook; ``.choose(mark)`` marks another place.
    """
    x = _growing(a)
    curves = {name: np.asarray(values, dtype=float) for name, values in maps.items()}
    if len(curves) < 2 or any(values.shape != x.shape for values in curves.values()):
        raise ValueError(f"maps must hold two curves or more of shape {x.shape}, one value for each of a")
    return ScalarMaps(new_figure(11.5, 3.2, layout=None), x, curves, mark)


class Cobweb(Picture):
    """Left: a map, its diagonal, and the stairs that an iteration climbs. Right: the iterates, step by step."""

    def __init__(self, figure: Figure, a: Floats, values: Floats, name: str) -> None:
        look = "stairs between curve and diagonal: do they end where both meet, turn around it, or run away?"
        super().__init__(figure, look)
        self.a, self.name, self.path = a, name, np.zeros(1)
        grid = figure.add_gridspec(1, 2, width_ratios=(1, 1.25), left=0.07, right=0.98, bottom=0.125, top=0.92)
        left, right = (figure.add_subplot(grid[i]) for i in (0, 1))
        left.plot(a, values, color=COLOURS[0], linewidth=2.2, label=name)
        left.plot(a[[0, -1]], a[[0, -1]], color="#555555", linestyle=DASHES[1], label="diagonal")
        (self.stairs,) = left.plot([], [], color=COLOURS[1], linewidth=1.5, label="stairs")
        (self.start,) = left.plot([], [], MARKERS[0], color="black", markersize=8, label="start")
        left.set(xlim=(a[0], a[-1]), ylim=(a[0], a[-1]))
        left.legend(fontsize=TEXT - 1, loc="upper left")
        self.steps = right
        (self.iterates,) = right.plot([], [], marker=MARKERS[0], color=COLOURS[1], linewidth=1.2)
        for level in (0.0, 0.5, 1.0):
            right.axhline(level, color="#555555", linestyle=DASHES[3], linewidth=1.2)
        right.set_ylim(a[0], a[-1])
        label(left, "cobweb", "a", "the next a")
        label(right, "iterates", "step", "a")
        self.changing = [self.stairs, self.start, self.iterates]

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
        return (
            f"{self.name} from {self.a[0]:.3g} to {self.a[-1]:.3g}, and its iterates: from {self.path[0]:.4g} {end} "
            f"in {steps} step{'' if steps == 1 else 's'}.{cut}"
        )


def plot_cobweb(a: ArrayLike, values: ArrayLike, path: ArrayLike, *, name: str, steps: int | None = None) -> Cobweb:
    """Draw an iteration of a scalar map as a cobweb, and its iterates beside it.

    Parameters
    ----------
    a, values : array_like, shape (k,)
        The map: growing arguments, and the value at each.
    path : array_like, shape (steps + 1,)
        The iterates.
    name : str
        What the map is called.
    steps : int, optional
        The last step on the axis; by default that of the path.

    Returns
    -------
    Cobweb
        Shows itself in a notebook; ``.update(path)`` shows other iterates in place.
    """
    x, y, iterates = _growing(a), np.asarray(values, dtype=float), np.asarray(path, dtype=float)
    if y.shape != x.shape or iterates.ndim != 1 or not len(iterates):
        raise ValueError(f"values must have shape {x.shape} like a, and path hold the start at least")
    picture = Cobweb(new_figure(10.5, 4.4, layout=None), x, y, name)
    picture.steps.set_xlim(-0.5, (len(iterates) - 1 if steps is None else steps) + 0.5)
    picture.update(iterates)
    return picture


class Basins(Picture):
    """A row for each end, and in it the starts that end there; below, the same over the distance to an edge."""

    def __init__(self, figure: Figure, a: Floats, ends: Floats) -> None:
        super().__init__(figure, "intervals that take turns, ever narrower towards the edge, and by the same factor.")
        self.a, self.ends, self.mark = a, which_end(ends), float("nan")
        self.near: tuple[Floats, NDArray[np.int64]] = (np.empty(0), np.empty(0, dtype=np.int64))

    def choose(self, mark: float) -> None:
        """Mark a start."""
        self.mark = mark
        if not self.changing:
            self.changing = [self.figure.axes[0].axvline(mark, color="black", linewidth=2)]
        for line in self.changing:
            line.set(xdata=[mark, mark])

    def rows(self, ax: Axes, x: Floats, ends: NDArray[np.int64]) -> None:
        """Draw the starts ``x`` as bars in the rows of their ends."""
        for row, name in enumerate(ENDS):
            here = np.where(ends == row, float(row), np.nan)
            # a start alone between others has no neighbour to draw a line to: the markers show it
            look: dict[str, Any] = {
                "gid": PIECES,
                "linewidth": 9,
                "solid_capstyle": "butt",
                "marker": "|",
                "markersize": 9,
            }
            ax.plot(x, here, color=COLOURS[row], label=name, **look)
        ax.set_yticks(range(len(ENDS)), ENDS)
        ax.set_ylim(len(ENDS) - 0.5, -0.5)
        ax.grid(axis="x", alpha=0.3)

    @property
    def words(self) -> str:
        """The share of each end, and how often it changes along the line."""
        shares = ", ".join(f"{percent(float(np.mean(self.ends == row)), 1)} {name}" for row, name in enumerate(ENDS))
        marked = "" if np.isnan(self.mark) else f" Marked: the start {self.mark:.4g}.{outside(self.mark, self.a)}"
        changes = int(np.count_nonzero(np.diff(self.ends)))
        text = f"Starts from {self.a[0]:.4g} to {self.a[-1]:.4g}: {shares}; the end changes {changes} times on the way."
        if len(self.near[0]):
            turns = int(np.count_nonzero(np.diff(self.near[1])))
            text += (
                f" Over the distance to the edge, {self.near[0].min():.1g} to {self.near[0].max():.1g}: {turns} times."
            )
        return text + marked


def plot_basins(
    a: ArrayLike,
    ends: ArrayLike,
    *,
    mark: float | None = None,
    distance: ArrayLike | None = None,
    distance_ends: ArrayLike | None = None,
    edge: str = "the edge",
) -> Basins:
    """Draw where each start of an iteration ends.

    Parameters
    ----------
    a : array_like, shape (k,)
        Starts, in growing order.
    ends : array_like, shape (k,)
        The last iterate of each; infinite or NaN where it diverged.
    mark : float, optional
        A start to mark.
    distance, distance_ends : array_like, shape (j,), optional
        Distances to an edge, growing and above 0, and the last iterates of the starts there: drawn below, logarithmic.
    edge : str
        What the distance is taken to.

    Returns
    -------
    Basins
        Shows itself in a notebook; ``.choose(mark)`` marks another start.
    """
    x, last = _growing(a), np.asarray(ends, dtype=float)
    if last.shape != x.shape:
        raise ValueError(f"ends must have shape {x.shape} like a, got {last.shape}")
    height = 2.6 if distance is None else 4.8
    figure = new_figure(10.5, height, layout=None)
    figure.subplots_adjust(left=0.125, right=0.98, bottom=0.55 / height, top=1 - 0.15 / height, hspace=0.32)
    axes = figure.subplots(1 if distance is None else 2, 1, squeeze=False)[:, 0]
    picture = Basins(figure, x, last)
    picture.rows(axes[0], x, picture.ends)
    axes[0].set_xlim(x[0], x[-1])
    if mark is not None:
        picture.choose(mark)
    label(axes[0], "", "start a")
    if distance is not None:
        near = _growing(distance)
        picture.near = near, which_end(np.asarray(distance_ends, dtype=float))
        picture.rows(axes[1], *picture.near)
        axes[1].set(xscale="log", xlim=(near[-1], near[0]))
        label(axes[1], "", f"distance of the start to {edge}, which lies at the right")
    return picture


def which_end(last: Floats | NDArray[np.complex128]) -> NDArray[np.int64]:
    """Return for each last iterate, real or complex, the index of its end in `ENDS`."""
    ends = np.full(last.shape, ENDS.index("neither so far"), dtype=np.int64)
    ends[np.abs(last) < 1e-3] = 0
    ends[np.abs(last - 1) < 1e-3] = 1
    ends[~(np.abs(last) < FAR)] = ENDS.index("diverges")  # NaN and infinite ones too
    return ends


def outside(mark: float, a: Floats) -> str:
    """Say that a marked place is not drawn, where that is so."""
    return "" if a[0] <= mark <= a[-1] else f" {mark:.4g} lies outside the drawn range, and is not marked."


def _growing(a: ArrayLike) -> Floats:
    x = np.asarray(a, dtype=float)
    if x.ndim != 1 or len(x) < 2 or not (np.diff(x) > 0).all():
        raise ValueError(f"a must be two or more numbers in growing order, got {a!r}")
    return x
