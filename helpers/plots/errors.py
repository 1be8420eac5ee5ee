"""Errors over a logarithmic axis that a reader moves a mark over: of a difference quotient, and of an iteration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from helpers.plots.curves import Values
from helpers.plots.pictures import ASIDE, GREY, Floats, Picture, label, look, new_figure, to_edge

LOW, HIGH = 1e-17, 1e2  # the errors of a difference that the axis holds; what lies beyond is drawn at its edge
MOST, REACH = 1e4, 2.6  # of an iteration's axis, and the half side of the square in which eigenvalues are drawn


class StepSizes(Picture):
    """The error of numerical derivatives over the step h: one U for each way of taking the difference.

    Errors are dots, expected errors dashed lines, the default step a star, a chosen step a vertical line. ``steps``
    (n,) are above 0 and grow; the rest is as in `update` and `choose`.
    """

    def __init__(
        self, steps: ArrayLike, errors: Values, expected: Values, defaults: Mapping[str, float], *, step: float
    ) -> None:
        self.steps = steps = np.asarray(steps, dtype=float)
        self.ax = ax = new_figure(9.6, 4.6).add_subplot()
        look_for = (
            "the dots fall from the right with the dashed lines (truncation) and rise again to the left (rounding). "
            "Is the star, the default step, near the lowest dots?"
        )
        super().__init__(ax.figure, look_for)
        self.step, self.errors = step, dict[str, Floats]()
        self.dots, self.dashed, self.stars, self.chosen = (dict[str, Line2D]() for _ in range(4))
        self.mark = ax.axvline(self.step, color=GREY, linewidth=1.5, label="your step h")
        for i, method in enumerate(errors):
            mark = {"linestyle": "", **look(i, "marker")}
            (self.dots[method],) = ax.plot([], [], markersize=4, label=method, **mark)
            (self.dashed[method],) = ax.plot([], [], linestyle="--", linewidth=1.8, **look(i))
            (self.stars[method],) = ax.plot([], [], "*", markersize=17, markeredgecolor="black", **look(i))
            (self.chosen[method],) = ax.plot([], [], markersize=11, markeredgecolor="black", **mark)
        ax.plot([], [], color=GREY, linestyle="--", label="expected: truncation + rounding")
        ax.plot([], [], "*", color="white", markersize=14, markeredgecolor="black", label="default step")
        ax.set(xscale="log", yscale="log", xlim=(steps[0], steps[-1]), ylim=(LOW, HIGH))
        label(ax, "", "step h", "error of the derivative", grid="both", legend=ASIDE)
        self.changing = [self.mark, *self.chosen.values()]
        self.slow = [*self.dashed.values(), *self.dots.values(), *self.stars.values()]
        self.update(errors, expected, defaults)

    def update(self, errors: Values, expected: Values, defaults: Mapping[str, float], name: str = "") -> None:
        """Show other curves over the same steps.

        For each method the errors (n,), measured and as theory expects them, and the step taken unless one is given.
        ``name`` (which function, in which precision) begins the description.
        """
        self.name, self.defaults = name, dict(defaults)
        for method, dots in self.dots.items():
            self.errors[method], theory = (np.asarray(y[method], dtype=float) for y in (errors, expected))
            dots.set_data(self.steps, to_edge(dots, self.errors[method], 1.3 * LOW, HIGH / 1.3))
            self.dashed[method].set_data(self.steps, theory)
            h, first = defaults[method], self.steps[0]
            height = np.exp(np.interp(np.log(h), np.log(self.steps), np.log(theory)))
            # the complex step's default is smaller than any step worth drawing
            place = first * 2 if h < first else min(h, self.steps[-1])
            self.stars[method].set_data([place], [max(height, 2 * LOW)])
        self.choose(self.step)

    def choose(self, step: float) -> None:
        """Mark the drawn step that is nearest to ``step``."""
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
            least = "no error is a number"
            if np.isfinite(errors).any():
                best = np.flatnonzero(errors == np.nanmin(errors))
                more = f" and {len(best) - 1} steps more" if len(best) > 1 else ""
                least = f"least {errors[best[0]]:.2g} at h = {self.steps[best[0]]:.1g}{more}"
            default = f"default step {self.defaults[method]:.1g}"
            if not self.steps[0] <= self.defaults[method] <= self.steps[-1]:
                default += ", beyond the axis: its star stands at the edge"
            parts.append(f"{method}: {errors[i]:.2g} at the marked step, {least}, {default}")
        head = f"{self.name}. " if self.name else ""
        return f"{head}Error of the derivative over the step h, marked at h = {self.step:.2g}. {'; '.join(parts)}."


class CyclePicture(Picture):
    """A cycle z = F(z). Left: the eigenvalues of its Jacobian J, and the unit circle. Right: curves over steps k."""

    def __init__(self, eigenvalues: ArrayLike, changes: ArrayLike, errors: ArrayLike, *, k: int = 0) -> None:
        look_for = (
            "whether all eigenvalues lie inside the circle. If they do, both curves fall as steeply as the dash-dotted "
            "line; if one lies outside, they do not come down."
        )
        super().__init__(new_figure(9.6, 4.4), look_for)
        plane, ax = self.figure.subplots(1, 2, width_ratios=(1, 1.25))
        turn = np.linspace(0, 2 * np.pi, 200)
        plane.plot(np.cos(turn), np.sin(turn), color=GREY, linewidth=1.5)
        plane.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
        dots = {"linestyle": "", "markersize": 6, "markeredgecolor": "white"}
        (self.inside,) = plane.plot([], [], label="inside", **dots, **look(0, "marker"))
        (self.outside,) = plane.plot([], [], label="outside", **dots, **look(1, "marker"))
        legend = {"loc": "upper left", "ncols": 2}
        label(plane, "eigenvalues of J; circle: |·| = 1", "real part", "imaginary part", grid="both", legend=legend)
        self.lines: list[Line2D] = []
        names = ("change of z in step k", "error of the gradient through k steps", "ρ to the power k")
        for i, name in enumerate(names):
            self.lines += ax.plot([], [], linewidth=2.2, label=name, **look(i, "linestyle"))
        self.mark = ax.axvline(0, color=GREY, linewidth=1.5, label="your k")
        ax.set(yscale="log", xlim=(0, len(np.asarray(changes)) - 1), ylim=(LOW, MOST))
        legend = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 2, "frameon": False}
        label(ax, "", "steps k", "change, relative error", grid="both", legend=legend)
        self.changing = [self.inside, self.outside, self.mark, *self.lines]
        self.update(eigenvalues, changes, errors)
        self.choose(k)

    def update(self, eigenvalues: ArrayLike, changes: ArrayLike, errors: ArrayLike) -> None:
        """Show another cycle: the eigenvalues (n,) of J, complex, where the equations hold.

        At k = 0, 1, ..., steps: the largest change of z in that step, and the relative error of the gradient through
        the first k steps; NaN where there is none.
        """
        self.values = [np.asarray(changes, dtype=float), np.asarray(errors, dtype=float)]
        k = np.arange(len(self.values[0]), dtype=float)
        self.eigenvalues = np.asarray(eigenvalues, dtype=complex)
        sizes = np.abs(self.eigenvalues)
        self.radius = float(sizes.max(initial=0.0))
        for dots, chosen in ((self.inside, sizes < 1), (self.outside, sizes >= 1)):
            shown = self.eigenvalues[chosen]
            far = (np.abs(shown.real) > REACH) & (np.abs(shown.imag) <= REACH)
            place = to_edge(dots, shown.imag, -REACH, REACH, int(far.sum()))
            dots.set_data(np.clip(shown.real, -REACH, REACH), place)
        with np.errstate(over="ignore"):
            self.values.append(self.radius**k)
        for line, values in zip(self.lines, self.values):
            line.set_data(k, to_edge(line, values, 2 * LOW, MOST / 2))

    def choose(self, k: int) -> None:
        """Mark a number of steps."""
        self.k = k
        self.mark.set_xdata([k, k])

    @property
    def words(self) -> str:
        """How many eigenvalues lie outside, and what the curves say at the marked step and at the last."""
        outside, last = int((np.abs(self.eigenvalues) >= 1).sum()), len(self.values[0]) - 1
        curves = "; ".join(
            f"{line.get_label()}: {values[self.k]:.2g} at k = {self.k}, {values[last]:.2g} at k = {last}"
            for line, values in zip(self.lines, self.values)
        )
        return (
            f"{len(self.eigenvalues)} eigenvalues of J, {outside} of them on or outside the unit circle; their "
            f"spectral radius ρ is {self.radius:.3g}. {curves}."
        )
