"""The error of a numerical derivative against its step: one U for each way of taking the difference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from helpers.plots.pictures import COLOURS, MARKERS, TEXT, Picture, label, new_axes, to_edge

LOW, HIGH = 1e-17, 1e2  # the errors that the axis holds; what lies beyond is drawn at its edge
LOOK_FOR = (
    "the dots fall from the right with the dashed lines (truncation) and rise again to the left (rounding). "
    "Is the star, the default step, near the lowest dots?"
)


class StepSizes(Picture):
    """Errors as dots, expected errors as dashed lines, the default step as a star, a chosen step as a vertical line.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    methods : sequence of str
        The ways of taking the difference, told apart by colour and marker.
    steps : ndarray, shape (n,)
        The steps h, above 0, in growing order; they stay.
    """

    def __init__(self, ax: Axes, methods: list[str], steps: NDArray[np.float64]) -> None:
        super().__init__(ax.figure, LOOK_FOR)  # type: ignore[arg-type]
        self.ax, self.steps, self.step, self.name = ax, steps, steps[0], ""
        self.errors: dict[str, NDArray[np.float64]] = {}
        self.defaults: dict[str, float] = {}
        self.dots: dict[str, Line2D] = {}
        self.dashed: dict[str, Line2D] = {}
        self.stars: dict[str, Line2D] = {}
        self.chosen: dict[str, Line2D] = {}
        self.mark = ax.axvline(self.step, color="#555555", linewidth=1.5, label="your step h")
        for i, method in enumerate(methods):
            look = {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": ""}
            (self.dots[method],) = ax.plot([], [], markersize=4, label=method, **look)  # type: ignore[arg-type]
            (self.dashed[method],) = ax.plot([], [], color=COLOURS[i], linestyle="--", linewidth=1.8)
            (self.stars[method],) = ax.plot([], [], "*", color=COLOURS[i], markersize=17, markeredgecolor="black")
            (self.chosen[method],) = ax.plot([], [], markersize=11, markeredgecolor="black", **look)  # type: ignore[arg-type]
        ax.plot([], [], color="#555555", linestyle="--", label="expected: truncation + rounding")
        ax.plot([], [], "*", color="white", markersize=14, markeredgecolor="black", label="default step")
        ax.set(xscale="log", yscale="log", xlim=(steps[0], steps[-1]), ylim=(LOW, HIGH))
        ax.grid(alpha=0.3)
        ax.legend(fontsize=TEXT - 1, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        self.changing = [self.mark, *self.chosen.values()]
        self.slow = [*self.dashed.values(), *self.dots.values(), *self.stars.values()]

    def update(
        self,
        errors: Mapping[str, ArrayLike],
        expected: Mapping[str, ArrayLike],
        defaults: Mapping[str, float],
        name: str = "",
    ) -> None:
        """Show other curves over the same steps.

        Parameters
        ----------
        errors, expected : mapping of str to array_like, shape (n,)
            For each method: the measured error at each step, and the error that theory expects.
        defaults : mapping of str to float
            For each method the step that is taken unless one is given; its star lies on the dashed line.
        name : str
            Which function, in which precision; begins the description.
        """
        self.name, self.defaults = name, dict(defaults)
        for method, dots in self.dots.items():
            self.errors[method] = np.asarray(errors[method], dtype=float)
            theory = np.asarray(expected[method], dtype=float)
            if not self.errors[method].shape == theory.shape == self.steps.shape:
                raise ValueError(f"errors and expected of {method!r} must have shape {self.steps.shape}, one a step")
            dots.set_data(self.steps, to_edge(dots, self.errors[method], 1.3 * LOW, HIGH / 1.3))
            self.dashed[method].set_data(self.steps, theory)
            h = defaults[method]
            height = np.exp(np.interp(np.log(h), np.log(self.steps), np.log(theory)))
            left_of_the_axis = h < self.steps[0]  # the complex step's default is smaller than any step worth drawing
            self.stars[method].set_data(
                [self.steps[0] * 2 if left_of_the_axis else min(h, self.steps[-1])], [max(height, 2 * LOW)]
            )
        self.choose(self.step)

    def choose(self, step: float) -> None:
        """Mark the drawn step that is nearest to ``step``."""
        if not step > 0:
            raise ValueError(f"step must be above 0, got {step}")
        i = int(np.abs(np.log(self.steps / step)).argmin())
        self.step = float(self.steps[i])
        self.mark.set_xdata([self.step, self.step])
        for method, dot in self.chosen.items():
            dot.set_data([self.step], [np.clip(self.errors[method][i], 1.3 * LOW, HIGH / 1.3)])

    @property
    def words(self) -> str:
        """For each method the error at the marked step, the least error and where it lies, and the default step."""
        i = int(np.abs(self.steps - self.step).argmin())
        parts = []
        for method, errors in self.errors.items():
            best = np.flatnonzero(errors == np.nanmin(errors)) if np.isfinite(errors).any() else np.empty(0, int)
            least = "no error is a number"
            if len(best):
                first, last = self.steps[best[0]], self.steps[best[-1]]
                where = (
                    f"h = {first:.1g}" if len(best) == 1 else f"{len(best)} steps from h = {first:.1g} to {last:.1g}"
                )
                least = f"least {errors[best[0]]:.2g} at {where}"
            default = f"default step {self.defaults[method]:.1g}"
            if not self.steps[0] <= self.defaults[method] <= self.steps[-1]:
                default += ", beyond the axis: its star stands at the edge"
            parts.append(f"{method}: {errors[i]:.2g} at the marked step, {least}, {default}")
        head = f"{self.name}. " if self.name else ""
        return f"{head}Error of the derivative over the step h, marked at h = {self.step:.2g}. {'; '.join(parts)}."


def plot_step_sizes(
    steps: ArrayLike,
    errors: Mapping[str, ArrayLike],
    expected: Mapping[str, ArrayLike],
    defaults: Mapping[str, float],
    *,
    step: float | None = None,
    name: str = "",
    ax: Axes | None = None,
) -> StepSizes:
    """Draw the error of numerical derivatives over the step, measured and expected.

    Parameters
    ----------
    steps : array_like, shape (n,)
        The steps h, above 0, in growing order.
    errors, expected, defaults, name
        As in `StepSizes.update`.
    step : float, optional
        The step to mark; the middle one unless told.
    ax : Axes, optional
        Where to draw; a new figure unless told.

    Returns
    -------
    StepSizes
        Shows itself in a notebook; ``.choose(step)`` moves the mark in place.

    Raises
    ------
    ValueError
        If the steps are not above 0 and growing, or the other arrays have another length.
    """
    h = np.asarray(steps, dtype=float)
    if h.ndim != 1 or len(h) < 2 or not (h > 0).all() or not (np.diff(h) > 0).all():
        raise ValueError(f"steps must be two or more numbers above 0 in growing order, got {steps!r}")
    ax = new_axes(10.5, 4.8) if ax is None else ax
    picture = StepSizes(ax, list(errors), h)
    picture.update(errors, expected, defaults, name)
    picture.choose(h[len(h) // 2] if step is None else step)
    label(ax, "", "step h", "error of the derivative")
    return picture
