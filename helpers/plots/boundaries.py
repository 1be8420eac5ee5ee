"""Decision boundaries: a field over the plane, the line where the decision turns, the points on top.

A field is drawn once and then updated in place, so that the static figure and the live one are the same code.
Scores are in [0, 1] for one column (class 1 from 0.5 on); of several columns the largest wins.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from helpers.options import Whole
from helpers.plots.pictures import ASIDE, COLOURS, PIECES, TEXT, Picture, finite, label, look, new_axes, percent, shades

Array = NDArray[np.floating]
Predict = Callable[[Array], ArrayLike]

MOST = 400  # points that a picture of a data set shows


class Grid:
    """A grid of ``size`` by ``size`` points over the square around the points X.

    ``points`` (size * size, 2) are float32, the first coordinate running fastest; ``extent`` is left, right, bottom,
    top.
    """

    def __init__(self, X: ArrayLike, size: int = 64) -> None:
        if np.ndim(X) == 2 and np.shape(X)[1] != 2:
            raise ValueError(f"X must have shape (n, 2): only the plane can be drawn, got {np.shape(X)}")
        reach = 1.1 * float(np.abs(finite("X", X, "(n, 2)", 2).astype(np.float32)).max())
        self.size, self.extent = Whole(2).check("size", size), (-reach, reach, -reach, reach)
        ticks = np.linspace(-reach, reach, size, dtype=np.float32).astype(float)
        self.mesh = np.meshgrid(ticks, ticks)
        self.points = np.stack(self.mesh, axis=-1, dtype=np.float32).reshape(-1, 2)

    def boundaries(self, margin: Array) -> list[Array]:
        """Return the lines, each (m, 2), along which ``margin`` (size, size) is zero."""
        x, y = self.mesh
        return [np.asarray(line) for line in contour_generator(x, y, margin).lines(0.0)]


class DecisionField(Picture):
    """The decision of one layer over the plane: colour for the score, a black line where the decision turns."""

    def __init__(self, grid: Grid, ax: Axes, title: str = "") -> None:
        look_for = "the black line, where the decision turns; the paler the colour, the closer the call."
        super().__init__(ax.figure, look_for)
        self.grid, self.ax = grid, ax
        self.shares: list[float] = []  # of the square, a class each
        self.span, self.drawn = (0.0, 1.0), (0, 0)  # of the scores; points drawn, and points given
        left, right, bottom, top = grid.extent
        reach = right * grid.size / (grid.size - 1)  # half a cell more: the outermost points lie on the edge
        self.image = ax.imshow(
            shades(np.zeros((grid.size, grid.size))),
            extent=(-reach, reach, -reach, reach), origin="lower", interpolation="bilinear", zorder=0,
        )  # fmt: skip
        ax.set(xlim=(left, right), ylim=(bottom, top))
        (self.line,) = ax.plot([], [], gid=PIECES, color="black", linewidth=1.5, zorder=2, scalex=False, scaley=False)
        label(ax, title, "$x_0$", "$x_1$")
        ax.locator_params(nbins=4)
        self.changing = [self.image, self.line]

    def update(self, scores: ArrayLike) -> None:
        """Show new scores at the grid's points, (size * size, k): in [0, 1] for one column, any numbers for several.

        A shape that does not fit, a NaN or an infinity is refused, and the picture stays as it was.
        """
        s = np.asarray(scores, dtype=float)
        s = s[:, None] if s.ndim == 1 else s
        if s.ndim != 2 or len(s) != len(self.grid.points):
            raise ValueError(f"scores must have shape ({len(self.grid.points)}, k), got {s.shape}")
        if not np.isfinite(s).all():
            raise ValueError("scores must be finite; the net has diverged")
        self.span = (float(s.min()), float(s.max()))
        square = s.reshape(self.grid.size, self.grid.size, -1)
        if s.shape[1] == 1:
            signed = 2 * square[..., 0] - 1
            self.image.set_data(shades(signed))
            segments = self.grid.boundaries(signed)
            share = float((s >= 0.5).mean())
            self.shares = [1 - share, share]
        else:
            self.image.set_data(_class_colours(square))
            leads = (square[..., c] - np.delete(square, c, axis=-1).max(axis=-1) for c in range(s.shape[1]))
            segments = [line for lead in leads for line in self.grid.boundaries(lead)]
            self.shares = [float((s.argmax(1) == c).mean()) for c in range(s.shape[1])]
        gap = np.full((1, 2), np.nan)  # lifts the pen between two pieces of the boundary
        points = np.concatenate([part for segment in segments for part in (segment, gap)] or [gap])
        self.line.set_data(*points.T)

    @property
    def words(self) -> str:
        """The share of the plane that each class is given, what the colours hide, how many points there are."""
        title = self.ax.get_title() or "Decision field"
        if not self.shares:
            return f"{title}: nothing has been drawn yet."
        given = ", ".join(f"{percent(share)} to class {c}" for c, share in enumerate(self.shares))
        text = f"{title}: of the square is given {given}."
        low, high = self.span
        if len(self.shares) == 2:
            text = f"{title}: {percent(self.shares[1])} of the square is given to class 1."
            if low < 0 or high > 1:
                text += f" Scores go from {low:.3g} to {high:.3g} and are cut at 0.5 (logits want a sigmoid first);"
                text += " below 0 and above 1 the colours do not change."
        return f"{text} {drawn_of(*self.drawn)}".strip()


def decision_boundary(
    predict: Predict,
    X: ArrayLike,
    Y: ArrayLike | None = None,
    *,
    title: str = "",
    size: int = 64,
) -> DecisionField:
    """Draw the decision of ``predict`` over the square around the points.

    Parameters
    ----------
    predict : callable
        ``points (m, 2) float32 -> scores (m, k)``; of a torch net, ``helpers.training.predictor(net)``. One column is
        cut at 0.5, so logits want a sigmoid first; of several the largest wins.
    X : array_like, shape (n, 2)
        Points that the square is to hold.
    Y : array_like, shape (n, k), optional
        Their targets; with them the points are drawn too.
    title : str
        Title of the axes.
    size : int
        Grid points a side; ``.update(scores)`` at these draws new scores in place.
    """
    field = DecisionField(Grid(X, size), new_axes(), title)
    field.update(predict(field.grid.points))
    if Y is not None:
        field.drawn = sum(counts(draw_points(X, Y, field.ax))), len(np.asarray(X))
    return field


def plot_dataset(X: ArrayLike, Y: ArrayLike, *, title: str = "") -> Picture:
    """Draw the points of a data set in the plane, the first 400, a colour and a marker for each class.

    Parameters
    ----------
    X : array_like, shape (n, 2)
        The points.
    Y : array_like, shape (n, k)
        Targets: one column in {0, 1}, or one-hot.
    title : str
        Title of the axes.
    """
    ax = new_axes(5.6, 4.5)
    left, right, bottom, top = Grid(X).extent
    marks, total = draw_points(X, Y, ax, MOST), len(np.asarray(X))
    label(ax, title, "$x_0$", "$x_1$", legend={"fontsize": TEXT, **ASIDE})
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.locator_params(nbins=5)
    if (legend := ax.get_legend()) and total > MOST:
        legend.set_title(f"{MOST:,} of {total:,}\npoints", FontProperties(size=TEXT))
    drawn = counts(marks)
    classes = ", ".join(f"{n:,} of {mark.get_label()} ({mark.get_marker()})" for n, mark in zip(drawn, marks))
    words = f"{title or 'Points'} in the plane: {classes}. {drawn_of(sum(drawn), total)}".strip()
    return Picture(ax.figure, "which classes a straight line could separate, and which it could not.", words)


def draw_points(X: ArrayLike, Y: ArrayLike, ax: Axes, limit: int = 150, size: float = 5.5) -> list[Line2D]:
    """Put the first ``limit`` points on the axes and return the artists, one per class."""
    x, targets = np.asarray(X, dtype=float), np.asarray(Y, dtype=float)
    if len(x) != len(targets):
        raise ValueError(f"X and Y must have one row per point each, got {len(x)} and {len(targets)} rows")
    many = targets.ndim == 2 and targets.shape[1] > 1
    if not (np.isin(targets, (0, 1)) | np.isnan(targets)).all() or (many and (targets.sum(axis=1) != 1).any()):
        raise ValueError("Y must be one column of 0 and 1, or one-hot; of scores take Y >= 0.5, of -1 and 1 take Y > 0")
    x, classes = x[:limit], class_of(Y)[:limit]
    marks = []
    for c in np.unique(classes):
        style = {"label": f"class {c}", "linestyle": "", "markersize": size, **look(int(c), "marker")}
        marks += ax.plot(*x[classes == c].T, markeredgecolor="white", markeredgewidth=0.7, zorder=3, **style)
    return marks


def counts(marks: list[Line2D]) -> list[int]:
    """Return how many points each artist has."""
    return [len(np.asarray(mark.get_xdata())) for mark in marks]


def drawn_of(drawn: int, total: int) -> str:
    """Say how many of the points are drawn where these are not all."""
    return f"Only the first {drawn:,} of {total:,} points are drawn." if drawn < total else ""


def class_of(Y: ArrayLike) -> NDArray[np.intp]:
    """Return the class of each row of targets, (n, k) -> (n,): a column is cut at 0.5, of several the largest wins."""
    y = np.asarray(Y, dtype=float)
    if np.isnan(y).any():
        raise ValueError("Y must hold no NaN: it is of no class")
    if y.ndim != 2 or not y.shape[1]:
        raise ValueError(f"Y must have shape (n, k), got {y.shape}")
    return (y[:, 0] >= 0.5).astype(np.intp) if y.shape[1] == 1 else y.argmax(axis=1)


def _class_colours(square: Array) -> NDArray[np.uint8]:
    """Mix each point's colour from white and its class: the clearer the lead, the stronger."""
    palette = np.array([to_rgb(COLOURS[c % 7]) for c in range(square.shape[-1])])
    ranked = np.sort(square, axis=-1)
    lead = np.clip(ranked[..., -1:] - ranked[..., -2:-1], 0, 1)
    mixed = 1 - (0.15 + 0.7 * lead) * (1 - palette[square.argmax(axis=-1)])
    colours: NDArray[np.uint8] = np.rint(255 * np.dstack([mixed, np.ones(square.shape[:2])])).astype(np.uint8)
    return colours
