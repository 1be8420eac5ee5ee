"""What rules measure, side by side: angles of gradients, paired differences, a table of accuracies over seeds.

>>> import numpy as np
>>> picture = plot_angles({"a rule": np.full((3, 5, 2), 60.0)})
>>> picture.description
'a rule: block 1 from 60 to 60, block 2 from 60 to 60 degrees (medians of 3 seeds).'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from helpers.plots.pictures import COLOURS, DASHES, MARKERS, TEXT, Picture, label, new_axes, new_figure

Floats = NDArray[np.float64]
HalfWidth = Callable[[Floats], float]


class Angles(Picture):
    """The angle of each block's gradient to the true one, over the epochs, rule by rule."""

    def __init__(self, figure: Figure, angles: Mapping[str, Floats]) -> None:
        look = "whether a line falls below 90 degrees, and which block comes nearest to the true gradient."
        super().__init__(figure, look)
        self.angles = angles
        axes = figure.subplots(1, len(angles), sharey=True, squeeze=False)[0]
        for ax, (name, values) in zip(axes, angles.items()):
            epochs = np.arange(1, values.shape[1] + 1)
            for i in range(values.shape[2]):
                low, middle, high = np.quantile(values[:, :, i], [0, 0.5, 1], axis=0)
                ax.fill_between(epochs, low, high, color=COLOURS[i % 7], alpha=0.18, linewidth=0)
                ax.plot(epochs, middle, color=COLOURS[i % 7], linestyle=DASHES[i % 4], label=f"block {i + 1}")
            ax.axhline(90, color="black", linewidth=1)
            ax.text(epochs[-1], 91, "90°: no help", fontsize=TEXT - 1, ha="right", va="bottom")
            ax.grid(alpha=0.3)
            label(ax, name, "epoch", "angle to the true gradient (degrees)" if ax is axes[0] else "")
        axes[0].set_ylim(0, max(110.0, *(float(values.max()) + 5 for values in angles.values())))
        axes[0].legend(fontsize=TEXT - 1)

    @property
    def words(self) -> str:
        """First and last median angle of each block."""
        parts = []
        for name, values in self.angles.items():
            first, last = np.median(values[:, [0, -1]], axis=0)
            blocks = ", ".join(f"block {i + 1} from {a:.0f} to {b:.0f}" for i, (a, b) in enumerate(zip(first, last)))
            parts.append(f"{name}: {blocks} degrees (medians of {len(values)} seeds).")
        return " ".join(parts)


def plot_angles(angles: Mapping[str, ArrayLike]) -> Angles:
    """Draw angles to the true gradient: the median over seeds as a line, smallest to largest as a band.

    Parameters
    ----------
    angles : mapping of str to array_like, shape (seeds, epochs, blocks)
        In degrees, by rule; the output block, whose angle is 0, is best left out.

    Returns
    -------
    Angles
        Shows itself in a notebook.
    """
    values = {name: np.asarray(v, dtype=float) for name, v in angles.items()}
    if not values or any(v.ndim != 3 or not v.size or not np.isfinite(v).all() for v in values.values()):
        raise ValueError(
            "angles must map names to arrays (seeds, epochs, blocks) of finite numbers, none of them empty"
        )
    return Angles(new_figure(4.8 * len(values) + 0.6, 3.8), values)


class Differences(Picture):
    """Paired differences, a dot a pair, with mean and interval; groups of rows under one heading."""

    def __init__(self, ax: Axes, groups: Mapping[str, Mapping[str, Floats]], half: HalfWidth, x_label: str) -> None:
        look = "which intervals (thick bars) lie wholly on one side of zero, and whether they do so on every data set."
        super().__init__(ax.figure, look)  # type: ignore[arg-type]
        self.ax, self.rows = ax, [(f"{d}: {n}", v, half(v)) for d, group in groups.items() for n, v in group.items()]
        sizes = [len(group) for group in groups.values()]
        colours = [i for i, size in enumerate(sizes) for _ in range(size)]
        for row, ((_, values, reach), i) in enumerate(zip(self.rows, colours)):
            jitter = row + 0.2 * np.cos(2.4 * np.arange(len(values)))  # a fixed scatter
            ax.scatter(values, jitter, s=18, color=COLOURS[i % 7], marker=MARKERS[i % 10], alpha=0.6)
            mean = float(values.mean())
            ax.plot([mean - reach, mean + reach], [row, row], color="black", linewidth=3.2)
            ax.plot([mean], [row], "|", color="black", markersize=16, markeredgewidth=2.2)
            ax.annotate(f"{mean:+.3f} ± {reach:.3f}", (1.01, row), xycoords=("axes fraction", "data"), va="center",
                        fontsize=TEXT)  # fmt: skip
        for end in np.cumsum(sizes)[:-1]:
            ax.axhline(end - 0.5, color="#999999", linewidth=0.8)
        ax.axvline(0, color="black", linewidth=1)
        ax.set_yticks(range(len(self.rows)), [name for name, *_ in self.rows])
        ax.set_ylim(len(self.rows) - 0.5, -0.5)
        ax.grid(axis="x", alpha=0.3)
        label(ax, "", x_label)

    @property
    def words(self) -> str:
        """Mean and interval of every row."""
        rows = "; ".join(f"{name} {values.mean():+.3f} ± {reach:.3f}" for name, values, reach in self.rows)
        return f"{self.ax.get_xlabel()}, mean and half interval: {rows}."


def plot_differences(
    groups: Mapping[str, Mapping[str, ArrayLike]], half_width: HalfWidth, *, x_label: str
) -> Differences:
    """Draw differences of pairs, group by group.

    Parameters
    ----------
    groups : mapping of str to mapping of str to array_like, shape (pairs,)
        Heading (a data set, say), then row, then the differences.
    half_width : callable
        Differences (pairs,) -> half the width of the interval around their mean.
    x_label : str
        What the differences are of.

    Returns
    -------
    Differences
        Shows itself in a notebook.
    """
    values = {h: {n: np.asarray(v, dtype=float) for n, v in group.items()} for h, group in groups.items()}
    count = sum(len(group) for group in values.values())
    rows = [v for group in values.values() for v in group.values()]
    if not count or any(v.ndim != 1 or not v.size or not np.isfinite(v).all() for v in rows):
        raise ValueError("groups must map headings to rows of one-dimensional, non-empty, finite differences")
    return Differences(new_axes(9.6, 1.0 + 0.33 * count), values, half_width, x_label)


class RuleTable(Picture):
    """A table of medians with their range below, shaded by the median."""

    def __init__(self, figure: Figure, table: Mapping[str, Mapping[str, Floats]]) -> None:
        super().__init__(figure, "a row across, a column down: is any rule first, or last, on every data set?")
        self.table, columns = table, list(next(iter(table.values())))
        ax = figure.subplots()
        medians = np.array([[_median(row[c]) for c in columns] for row in table.values()])
        ax.imshow(medians, cmap="cividis", vmin=0.5, vmax=1.0, aspect="auto")
        for r, row in enumerate(table.values()):
            for c, name in enumerate(columns):
                dark = not medians[r, c] > 0.74
                ax.text(c, r, _cell(row[name]), ha="center", va="center", fontsize=TEXT - 1, linespacing=1.1,
                        color="white" if dark else "black")  # fmt: skip
        ax.set_xticks(range(len(columns)), columns)
        ax.set_yticks(range(len(table)), list(table))
        ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0, labelsize=TEXT)

    @property
    def words(self) -> str:
        """Every median."""
        rows = (
            f"{rule}: " + ", ".join(f"{data} {_said(v)}" for data, v in row.items()) for rule, row in self.table.items()
        )
        medians = np.array([_median(v) for row in self.table.values() for v in row.values()])
        below = (
            f" {count} medians lie below 0.5, where the shade no longer changes."
            if (count := int((medians < 0.5).sum()))
            else ""
        )
        return f"Median test accuracies, shaded from 0.5 to 1. {'; '.join(rows)}.{below}"


def _median(values: Floats) -> float:
    good = values[np.isfinite(values)]
    return float(np.median(good)) if len(good) else math.nan


def _cell(values: Floats) -> str:
    good = values[np.isfinite(values)]
    if not len(good):
        return "failed"
    lost = len(values) - len(good)
    return f"{np.median(good):.3f}\n{good.min():.2f} to {good.max():.2f}" + (f"\n{lost} failed" if lost else "")


def _said(values: Floats) -> str:
    lost = int((~np.isfinite(values)).sum())
    if lost == len(values):
        return "failed"
    return f"{_median(values):.3f}" + (f" ({lost} of {len(values)} failed)" if lost else "")


def plot_rule_table(table: Mapping[str, Mapping[str, ArrayLike]]) -> RuleTable:
    """Draw a table of accuracies over seeds: a row a rule, a column a data set.

    Parameters
    ----------
    table : mapping of str to mapping of str to array_like, shape (seeds,)
        Rule, then data set, then accuracies from 0 to 1; NaN for a run that failed. All rows have the same columns.

    Returns
    -------
    RuleTable
        Shows itself in a notebook.
    """
    values = {rule: {d: np.asarray(v, dtype=float) for d, v in row.items()} for rule, row in table.items()}
    if not values or len({tuple(row) for row in values.values()}) != 1 or not all(values.values()):
        raise ValueError("table must map rules to rows with the same columns, one or more")
    return RuleTable(new_figure(10.6, 0.8 + 0.5 * len(values)), values)
