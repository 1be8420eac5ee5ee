"""Errors of an iteration over its steps, on a logarithmic axis that a reader moves a mark over."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from helpers.plots.pictures import GREY, Handle, Picture, label, look, new_figure, to_edge

LOW, MOST = 1e-17, 1e4  # the ends of an iteration's axis
TURN = np.linspace(0, 2 * np.pi, 200)
KNOB: dict[str, Any] = {"marker": "D", "markersize": 9, "color": GREY, "markeredgecolor": "white"}  # to be dragged
REACH = 2.6  # the half side of the square in which eigenvalues are drawn


class CyclePicture(Picture):
    """A cycle z = F(z). Left: the eigenvalues of its Jacobian J, and the unit circle. Right: curves over steps k."""

    def __init__(self, eigenvalues: ArrayLike, changes: ArrayLike, errors: ArrayLike, *, k: int = 0) -> None:
        look_for = (
            "whether all eigenvalues lie inside the circle. If they do, both curves fall as steeply as the dash-dotted "
            "line; if one lies outside, they do not come down."
        )
        super().__init__(new_figure(9.6, 4.4), look_for)
        plane, ax = self.figure.subplots(1, 2, width_ratios=(1, 1.25))
        plane.plot(np.cos(TURN), np.sin(TURN), color=GREY, linewidth=1.5)
        plane.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
        dots = {"linestyle": "", "markersize": 6, "markeredgecolor": "white"}
        (self.inside,) = plane.plot([], [], label="inside", **dots, **look(0, "marker"))
        (self.outside,) = plane.plot([], [], label="outside", **dots, **look(1, "marker"))
        (self.ring,) = plane.plot([], [], "--", color=GREY, linewidth=1.2)
        (self.reach,) = plane.plot([], [], label="radius of W", **KNOB, linestyle="--")
        legend = {"loc": "upper left", "ncols": 3, "columnspacing": 1.0, "handletextpad": 0.3}
        label(plane, "eigenvalues of J; circle: |·| = 1", "real part", "imaginary part", grid="both", legend=legend)
        self.lines: list[Line2D] = []
        names = ("change of z in step k", "error of the gradient through k steps", "ρ to the power k")
        for i, name in enumerate(names):
            self.lines += ax.plot([], [], linewidth=2.2, label=name, **look(i, "linestyle"))
        self.mark = ax.axvline(0, color=GREY, linewidth=1.5, label="your k")
        (self.knob,) = ax.plot([], [], **KNOB)
        self.handles = [
            Handle("the radius of W", plane, lambda: self.at, lambda x, y: {"radius": math.hypot(x, y)}),
            Handle("your k", ax, lambda: (self.k, 1e-6), lambda x, _: {"k": x}),
        ]
        ax.set(yscale="log", xlim=(0, len(np.asarray(changes)) - 1), ylim=(LOW, MOST))
        legend = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 2, "frameon": False}
        label(ax, "", "steps k", "change, relative error", grid="both", legend=legend)
        self.changing = [self.ring, self.inside, self.outside, self.reach, *self.lines, self.mark, self.knob]
        self.update(eigenvalues, changes, errors)
        self.choose(k, 0.0)

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

    def choose(self, k: int, radius: float) -> None:
        """Mark a number of steps, and the spectral radius of W, which is not that of J."""
        self.k, self.at = k, (radius * math.sqrt(0.5), -radius * math.sqrt(0.5))
        self.mark.set_xdata([k, k])
        self.knob.set_data([k], [1e-6])
        self.ring.set_data(radius * np.cos(TURN), radius * np.sin(TURN))
        self.reach.set_data([self.at[0]], [self.at[1]])

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
