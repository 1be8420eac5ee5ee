"""Pictures of what a derivative is: a step downhill, a secant that becomes a tangent, a dual number in a graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch
from numpy.typing import ArrayLike

from helpers.plots.pictures import (
    COLOURS,
    GREY,
    PIECES,
    TEXT,
    Floats,
    Handle,
    Picture,
    label,
    look,
    new_figure,
    to_edge,
)

BLUE, VERMILION, GREEN = COLOURS[:3]
LOW, HIGH = 1e-17, 1e2  # the errors of a difference that the axis holds; what lies beyond is drawn at its edge
SPAN = (-0.6, 3.0)  # what a secant is drawn over, in units of its window
NEAR, FAR = 0.25, 2.4  # where the second point may be in its window
ABOVE: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3, "frameon": False}
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
DOT: dict[str, Any] = {"marker": "o", "markersize": 11, "markeredgecolor": "black", "linestyle": ""}


def scientific(value: float) -> str:
    """Write a number in two digits: 0.095, 4.8·10⁻⁶.

    >>> scientific(0.0951), scientific(4.79e-06), scientific(-12.3), scientific(0.0)
    ('0.095', '4.8·10⁻⁶', '−12', '0')
    """
    text = f"{value:.2g}"
    if "e" in text:
        front, exponent = text.split("e")
        text = f"{front}·10{str(int(exponent)).translate(RAISED)}".removeprefix("1·")
    return text.replace("-", "−")


def window(step: float) -> float:
    """Return the power of ten in which a step is drawn: 0.25 to 2.5 of these units."""
    return float(10.0 ** math.floor(math.log10(step / NEAR) + 1e-9))


class DescentPicture(Picture):
    """A model with one weight. Left: the data and what the model says. Right: the loss, its slope, and a step downhill.

    ``points`` are the data, x and y (n,); ``weights`` those over which the loss is drawn.
    """

    def __init__(self, points: Sequence[ArrayLike], weights: ArrayLike) -> None:
        look_for = (
            "the slope says which way is down and how steep it is, and nothing else. With the model w x, from which "
            "learning rate on does a step make the loss larger?"
        )
        super().__init__(new_figure(9.6, 3.9), look_for)
        self.x, self.weights = np.linspace(-2.2, 2.2, 150), np.asarray(weights, dtype=float)
        left, self.ax = left, ax = self.figure.subplots(1, 2)
        left.plot(*points, **{**DOT, "markersize": 7}, color="black", label="data")
        (self.model,) = left.plot([], [], color=BLUE, linewidth=2.5, label="the model", gid=PIECES)
        left.set(xlim=(-2.2, 2.2), ylim=(-2, 2))
        label(left, "", "input", "output", grid="both", legend={**ABOVE, "ncols": 2})
        (self.loss,) = ax.plot([], [], color=BLUE, linewidth=2.5, label="loss", gid=PIECES)
        (self.tangent,) = ax.plot([], [], color=GREEN, linewidth=2, linestyle="--", label="slope", gid=PIECES)
        (self.step,) = ax.plot([], [], color=GREY, linewidth=1.5, linestyle=":", label="the step", gid=PIECES)
        (self.here,) = ax.plot([], [], color=BLUE, label="your weight", **DOT)
        (self.next,) = ax.plot([], [], color=VERMILION, label="the next weight", **{**DOT, "marker": "s"})
        ax.set(xlim=(self.weights[0], self.weights[-1]), ylim=(-0.15, 3))
        label(ax, "", "weight w", "loss", grid="both", legend={**ABOVE, "columnspacing": 1.2})
        self.changing = [self.model, self.loss, self.tangent, self.step, self.here, self.next]
        self.state = {"w": 0.0, "loss": 0.0, "slope": 1.0, "next": 0.0, "then": 0.0}
        self.handles = [
            Handle("your weight", ax, lambda: _place(self.here), lambda x, _: {"weight": x}),
            Handle(
                "the next weight",
                ax,
                lambda: _place(self.next),
                lambda x, _: {"rate": (self.state["w"] - x) / self.state["slope"]} if self.state["slope"] else None,
                lambda x, y: {"weight": self.state["next"]},
            ),
        ]

    def update(self, outputs: ArrayLike, losses: ArrayLike, **state: float) -> None:
        """Show what the model says at ``x``, the loss at the weights; and w, loss, slope, next weight, loss then."""
        self.state = state
        w, size, slope, later, then = (state[name] for name in ("w", "loss", "slope", "next", "then"))
        self.model.set_data(self.x, np.asarray(outputs, dtype=float))
        self.loss.set_data(self.weights, np.asarray(losses, dtype=float))
        reach = 0.8 / math.hypot(1, slope)
        self.tangent.set_data([w - reach, w + reach], [size - reach * slope, size + reach * slope])
        self.step.set_data([w, later, later], [size, size, then])
        low, high = self.weights[0], self.weights[-1]
        self.here.set_data([w], to_edge(self.here, [size], 0, 2.9))
        aside = int(not low <= later <= high and 0 <= then <= 2.9)
        self.next.set_data([np.clip(later, low, high)], to_edge(self.next, [then], 0, 2.9, aside))

    @property
    def words(self) -> str:
        """The weight, its loss and slope, and what the step does."""
        s = self.state
        return (
            f"At the weight {s['w']:.2f} the loss is {s['loss']:.3g} and its slope {s['slope']:.3g}. "
            f"The step leads to the weight {s['next']:.3g}, where the loss is {s['then']:.3g}."
        )


class SecantPicture(Picture):
    """Left: a secant that becomes a tangent, in a window as wide as the step. Right: the error over the step.

    ``steps`` (n,) are those of the dots at the right. Two series stand there, one for each of ``precisions``.
    """

    def __init__(self, steps: ArrayLike, precisions: Sequence[str]) -> None:
        super().__init__(new_figure(9.6, 4.3))
        self.steps = np.asarray(steps, dtype=float)
        left, ax = self.figure.subplots(1, 2, width_ratios=(1, 1.25))
        (self.curve,) = left.plot([], [], color=GREY, linewidth=2, label="f", gid=PIECES)
        (self.tangent,) = left.plot([], [], color=GREEN, linewidth=2.2, linestyle="--", label="tangent", gid=PIECES)
        (self.secant,) = left.plot([], [], color=VERMILION, linewidth=2.2, label="estimate", gid=PIECES)
        (self.fixed,) = left.plot([], [], color="black", **{**DOT, "markersize": 8})
        (self.second,) = left.plot([], [], color=VERMILION, **DOT)
        self.plus = left.text(0, SPAN[0] - 0.08, "x + h", va="top", fontsize=TEXT - 1)
        self.scale = left.text(0.98, 0.03, "", transform=left.transAxes, ha="right", fontsize=TEXT)
        left.set(xlim=SPAN, ylim=SPAN, yticks=[])
        left.set_xticks([0], ["x"])
        label(left, "", "", "f", legend=ABOVE)
        self.mark = ax.axvline(1.0, color=GREY, linewidth=1.5)
        self.dots: dict[str, Line2D] = {}
        self.dashed: dict[str, Line2D] = {}
        self.chosen: dict[str, Line2D] = {}
        self.texts = {}
        for i, name in enumerate(precisions):
            style = look(i, "marker")
            (self.dots[name],) = ax.plot([], [], markersize=4, linestyle="", label=name, **style)
            (self.dashed[name],) = ax.plot([], [], linestyle="--", linewidth=1.8, color=style["color"], gid=PIECES)
            (self.chosen[name],) = ax.plot([], [], linestyle="", markersize=11, markeredgecolor="black", **style)
            where = {"transform": ax.transAxes, "fontsize": TEXT + 1, "color": style["color"], "fontweight": "bold"}
            self.texts[name] = ax.text(0.03, 0.03 + 0.08 * (len(precisions) - 1 - i), "", **where)
        ax.plot([], [], color=GREY, linestyle="--", label="estimated by theory")
        ax.set(xscale="log", yscale="log", xlim=(self.steps[0] / 3, self.steps[-1] * 3), ylim=(LOW / 1e5, HIGH))
        label(ax, "", "step h", "error of the derivative", grid="both", legend=ABOVE)
        self.slow = [self.curve, self.tangent, *self.dashed.values(), *self.dots.values()]
        self.changing = [self.secant, self.fixed, self.second, self.mark, *self.chosen.values()]
        self.changing += [self.plus, self.scale, *self.texts.values()]
        self.errors: dict[str, Floats] = {}
        self.step, self.error, self.shown, self.name = 1.0, dict.fromkeys(precisions, 0.0), precisions[0], ""
        self.handles = [
            Handle(
                "the second point",
                left,
                lambda: _place(self.second),
                lambda x, _: {"step": min(max(x, NEAR), FAR) * window(self.step)},
                lambda x, y: {"step": self.step / 10},
            ),
            Handle("the step h", ax, lambda: _place(self.chosen[self.shown]), lambda x, _: {"step": x}),
        ]

    def sweep(self, errors: Mapping[str, ArrayLike], expected: Mapping[str, ArrayLike], name: str) -> None:
        """Show other errors over the steps, and those that theory estimates; ``name`` ends with the method."""
        left = (
            "left: the solid line turns onto the dashed one. Click the second point to look closer, until stairs show."
        )
        right = "stay low, since nothing cancels" if name.endswith("complex") else "rise again (rounding)"
        self.look_for, self.name = f"{left} Right: the dots fall with h (truncation), and {right}.", name
        for one, dots in self.dots.items():
            self.errors[one] = np.asarray(errors[one], dtype=float)
            dots.set_data(self.steps, to_edge(dots, self.errors[one], 1.3 * LOW, HIGH / 1.3))
            self.dashed[one].set_data(self.steps, np.asarray(expected[one], dtype=float))

    def choose(
        self, step: float, error: Mapping[str, float], shown: str, curve: Sequence[ArrayLike], line: Sequence[ArrayLike]
    ) -> None:
        """Mark a step: its error in each precision, and what is ``shown`` at the left in one of them.

        ``curve`` (x, y) and ``line``, two points of the estimate, of which the second is the one to drag, are in units
        of the window; the true tangent is the diagonal.
        """
        self.step, self.error, self.shown = step, dict(error), shown
        self.curve.set_data(*curve)
        self.tangent.set_data(SPAN, SPAN)
        (x0, x1), (y0, y1) = (np.asarray(values, dtype=float) for values in line)
        slope = (y1 - y0) / (x1 - x0)
        self.secant.set_data(SPAN, [y1 + slope * (x - x1) for x in SPAN])
        self.fixed.set_data([0], [0])
        self.second.set_data([x1], to_edge(self.second, [y1], SPAN[0] + 0.1, SPAN[1] - 0.1))
        self.plus.set_x(x1 - 0.06)
        self.scale.set_text(f"this window is {scientific((SPAN[1] - SPAN[0]) * window(step))} wide")
        self.mark.set_xdata([step, step])
        for name, dot in self.chosen.items():
            dot.set_data([step], to_edge(dot, [self.error[name]], 1.3 * LOW, HIGH / 1.3))
            self.texts[name].set_text(f"{name}: off by {scientific(self.error[name])}")

    @property
    def words(self) -> str:
        """The errors at the step that is marked, and where each series is least."""
        parts = []
        for name, errors in self.errors.items():
            best = int(np.nanargmin(errors))
            least = f"least {scientific(errors[best])}, at h = {scientific(self.steps[best])}"
            parts.append(f"{name}: off by {scientific(self.error[name])}; {least}")
        return f"{self.name}. Error of the derivative at the step h = {scientific(self.step)}. {'; '.join(parts)}."


class DualPicture(Picture):
    """A graph whose nodes are small plots: each a function of the input, with a point and its slope, a dual number.

    ``places`` are the columns and rows (0, 1, 2 from above) of the nodes, by name, parents first; ``formulas`` how
    each is written; ``arrows`` pairs of names; ``x`` (n,) where all are drawn, ``curves`` (n,) the values there.
    """

    def __init__(
        self,
        places: Mapping[str, tuple[int, int]],
        formulas: Mapping[str, str],
        arrows: Sequence[tuple[str, str]],
        x: ArrayLike,
        curves: Mapping[str, ArrayLike],
    ) -> None:
        look_for = (
            "each operation takes the height and the slope of its inputs, and no step h. Each box has its own scale."
        )
        super().__init__(new_figure(9.6, 4.4, layout=None), look_for)
        xs, columns = np.asarray(x, dtype=float), 1 + max(column for column, _ in places.values())
        self.axes: dict[str, Axes] = {}
        self.points: dict[str, Line2D] = {}
        self.slopes: dict[str, Line2D] = {}
        self.curves: dict[str, Line2D] = {}
        self.texts = {}
        self.duals: dict[str, tuple[float, float]] = {}
        self.done, self.half = 0, 0.16 * (xs[-1] - xs[0])
        for name, (column, row) in places.items():
            box = (0.012 + column * 0.862 / (columns - 1), (0.665, 0.37, 0.125)[row], 0.122, 0.28)
            self.axes[name] = ax = self.figure.add_axes(box)
            ys = np.asarray(curves[name], dtype=float)
            room = 0.15 * np.ptp(ys)
            ax.set(xlim=(xs[0], xs[-1]), ylim=(ys.min() - room, ys.max() + room), xticks=[], yticks=[])
            ax.set_title(formulas[name], fontsize=TEXT + 1)
            (self.curves[name],) = ax.plot(xs, ys, color=BLUE, linewidth=1.8, alpha=0.6)
            (self.slopes[name],) = ax.plot([], [], color=VERMILION, linewidth=3, gid=PIECES)
            (self.points[name],) = ax.plot([], [], color=VERMILION, **{**DOT, "markersize": 9})
            self.texts[name] = ax.text(0.5, -0.09, "", transform=ax.transAxes, ha="center", va="top", fontsize=TEXT)
            self.handles.append(
                Handle(f"the point of {name}", ax, lambda name=name: self._at(name), lambda x, _: {"x": x})  # type: ignore[misc]
            )
        for i, (name, ax) in enumerate(self.axes.items()):
            self.handles.append(Handle(f"the plot of {name}", ax, click=lambda x, y, i=i: {"done": i}))  # type: ignore[misc]
        for tail, head in arrows:
            ends: dict[str, Any] = {
                "xyA": (1.02, 0.5),
                "xyB": (-0.02, 0.5),
                "coordsA": "axes fraction",
                "coordsB": "axes fraction",
            }
            style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 16, "color": GREY, "linewidth": 1.5}
            self.figure.add_artist(ConnectionPatch(axesA=self.axes[tail], axesB=self.axes[head], **ends, **style))
        self.changing = [*self.curves.values(), *self.slopes.values(), *self.points.values(), *self.texts.values()]

    def _at(self, name: str) -> tuple[float, float]:
        return _place(self.points[name]) if name in self.duals else (math.inf, math.inf)

    def update(self, duals: Mapping[str, tuple[float, float]], x: float) -> None:
        """Show the values and slopes that have been computed so far, of the first nodes, at x."""
        self.duals = dict(duals)
        for name in self.axes:
            known = name in duals
            self.curves[name].set_visible(known)
            value, slope = duals.get(name, (math.nan, math.nan))
            self.points[name].set_data([x] if known else [], [value] if known else [])
            ends = [x - self.half, x + self.half] if known else []
            self.slopes[name].set_data(ends, [value + slope * (end - x) for end in ends])
            text = f"{value:.3g}\nslope {slope:.3g}".replace("-", "−")
            self.texts[name].set_text(text if known else "not done yet")

    @property
    def words(self) -> str:
        """The dual numbers that are known."""
        return "; ".join(f"{name}: {value:.4g}, slope {slope:.4g}" for name, (value, slope) in self.duals.items()) + "."


def _place(dot: Line2D) -> tuple[float, float]:
    """Return where a line of one point stands."""
    x, y = np.asarray(dot.get_data(), dtype=float)[:, 0]
    return float(x), float(y)
