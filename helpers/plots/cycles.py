"""A cycle z = F(z) at a glance: the eigenvalues of its Jacobian, and what each step of the iteration still lacks."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from helpers.plots.pictures import COLOURS, DASHES, MARKERS, TEXT, Picture, label, new_figure, to_edge

LOW, HIGH = 1e-17, 1e4  # what the logarithmic axis holds; what lies beyond is drawn at its edge
REACH = 2.6  # the half side of the square in which eigenvalues are drawn; those beyond it lie on its edge
LOOK_FOR = (
    "whether all eigenvalues lie inside the circle. If they do, both curves fall as steeply as the dash-dotted line; "
    "if one lies outside, they do not come down."
)


class CyclePicture(Picture):
    """Left: eigenvalues of J in the complex plane, with the unit circle. Right: curves over the steps of the iteration.

    Parameters
    ----------
    figure : Figure
        Where to draw.
    steps : int
        The last step k on the axis.
    """

    def __init__(self, figure: Figure, steps: int) -> None:
        super().__init__(figure, LOOK_FOR)
        self.plane, self.ax = figure.subplots(1, 2, width_ratios=(1, 1.7))
        self.k, self.radius, self.eigenvalues = 0, 0.0, np.zeros(0, complex)
        turn = np.linspace(0, 2 * np.pi, 200)
        self.plane.plot(np.cos(turn), np.sin(turn), color="#555555", linewidth=1.5)
        self.plane.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
        self.plane.grid(alpha=0.3)
        label(self.plane, "eigenvalues of J; circle: |·| = 1", "real part", "imaginary part")
        look = {"linestyle": "", "markersize": 6, "markeredgecolor": "white"}
        (self.inside,) = self.plane.plot([], [], MARKERS[0], color=COLOURS[0], label="inside", **look)
        (self.outside,) = self.plane.plot([], [], MARKERS[1], color=COLOURS[1], label="outside", **look)
        self.plane.legend(fontsize=TEXT - 1, loc="upper left", ncols=2)
        self.lines: dict[str, Line2D] = {}
        self.values: dict[str, NDArray[np.float64]] = {}
        for i, name in enumerate(
            ("change of z in step k", "error of the gradient through k steps", "ρ to the power k")
        ):
            (self.lines[name],) = self.ax.plot([], [], color=COLOURS[i], linestyle=DASHES[i], linewidth=2.2, label=name)
        self.mark = self.ax.axvline(0, color="#555555", linewidth=1.5, label="your k")
        self.ax.set(yscale="log", xlim=(0, steps), ylim=(LOW, HIGH))
        self.ax.grid(alpha=0.3)
        label(self.ax, "", "steps k", "change, relative error")
        self.ax.legend(fontsize=TEXT - 1, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        self.changing = [self.inside, self.outside, self.mark, *self.lines.values()]

    def update(self, eigenvalues: ArrayLike, changes: ArrayLike, errors: ArrayLike) -> None:
        """Show another cycle.

        Parameters
        ----------
        eigenvalues : array_like of complex, shape (n,)
            Of J, where the equations hold.
        changes, errors : array_like, shape (steps + 1,)
            At k = 0, 1, ...: the largest change of z in that step, and the relative error of the gradient that is
            taken through the first k steps. NaN where there is none.
        """
        self.eigenvalues = np.asarray(eigenvalues, dtype=complex)
        sizes = np.abs(self.eigenvalues)
        self.radius = float(sizes.max(initial=0.0))
        for dots, chosen in ((self.inside, sizes < 1), (self.outside, sizes >= 1)):
            shown = self.eigenvalues[chosen]
            far = (np.abs(shown.real) > REACH) & (np.abs(shown.imag) <= REACH)
            place = to_edge(dots, shown.imag, -REACH, REACH, int(far.sum()))
            dots.set_data(np.clip(shown.real, -REACH, REACH), place)
        k = np.arange(len(np.asarray(changes)))
        with np.errstate(over="ignore"):
            powers = self.radius ** k.astype(float)
        for line, values in zip(self.lines.values(), (changes, errors, powers)):
            self.values[str(line.get_label())] = np.asarray(values, dtype=float)
            line.set_data(k, to_edge(line, values, 2 * LOW, HIGH / 2))

    def choose(self, k: int) -> None:
        """Mark a number of steps."""
        self.k = k
        self.mark.set_xdata([k, k])

    def value(self, name: str, k: int) -> float:
        """Return the value of a curve at step k, which is drawn at the edge where the axis does not hold it."""
        return float(self.values[name][k])

    @property
    def words(self) -> str:
        """How many eigenvalues lie outside, and what the curves say at the marked step and at the last."""
        outside = int((np.abs(self.eigenvalues) >= 1).sum())
        last = len(np.asarray(self.lines["change of z in step k"].get_ydata())) - 1
        parts = [
            f"{name}: {self.value(name, self.k):.2g} at k = {self.k}, {self.value(name, last):.2g} at k = {last}"
            for name in self.lines
        ]
        return (
            f"{len(self.eigenvalues)} eigenvalues of J, {outside} of them on or outside the unit circle; their "
            f"spectral radius ρ is {self.radius:.3g}. {'; '.join(parts)}."
        )


def plot_cycle(eigenvalues: ArrayLike, changes: ArrayLike, errors: ArrayLike, *, k: int = 0) -> CyclePicture:
    """Draw a cycle: the eigenvalues of its Jacobian, the iteration, and the gradient through k steps of it.

    Parameters
    ----------
    eigenvalues, changes, errors
        As in `CyclePicture.update`.
    k : int
        The step to mark.

    Returns
    -------
    CyclePicture
        Shows itself in a notebook; ``.update(...)`` and ``.choose(k)`` change it in place.

    Raises
    ------
    ValueError
        If the curves have not one value for each of the same steps, two at least, or k is none of them.
    """
    steps = np.asarray(changes).shape
    if len(steps) != 1 or steps[0] < 2 or np.asarray(errors).shape != steps or not 0 <= k < steps[0]:
        raise ValueError(
            "changes and errors must have one value a step, and k must be one of the steps; got the shapes "
            f"{steps} and {np.asarray(errors).shape}, k = {k}"
        )
    picture = CyclePicture(new_figure(10.5, 4.6), steps[0] - 1)
    picture.update(eigenvalues, changes, errors)
    picture.choose(k)
    return picture
