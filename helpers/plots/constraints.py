"""How constrained training goes: loss, gaps, multipliers, and how far these are from the adjoints, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from helpers.plots.curves import Curves
from helpers.plots.pictures import TEXT, Recording, label, new_figure, to_edge

LOOK_FOR = (
    "whether the gaps go to zero, and whether the difference to the adjoints goes with them: it does with the weights "
    "held fixed, and need not while they learn."
)
SMALLEST = 1e-8  # what is smaller is drawn there; a zero, which a logarithm does not have, is left out


class Measured(NamedTuple):
    """What is measured at a step of constrained training.

    Attributes
    ----------
    loss, net_loss : float
        At the variables, and of the net itself fed forward.
    violation : sequence of float
        The largest gap of each hidden layer.
    sizes, adjoint_sizes : sequence of float
        The norm of each hidden layer's multipliers, and of its adjoints.
    differences : sequence of float
        Norm of multipliers minus adjoints, over the norm of the adjoints.
    cosines : sequence of float
        Between multipliers and adjoints; NaN where one of them is zero.
    """

    loss: float
    net_loss: float
    violation: Sequence[float]
    sizes: Sequence[float]
    adjoint_sizes: Sequence[float]
    differences: Sequence[float]
    cosines: Sequence[float]


class ConstraintProgress(Recording):
    """Five curves over the steps of constrained training, one line a hidden layer; built once, updated in place.

    Parameters
    ----------
    layers : int
        Hidden layers.
    total : int
        The last step.
    x_label : str
        What a step is.
    """

    def __init__(self, layers: int, total: int, x_label: str = "epoch") -> None:
        super().__init__(new_figure(10.5, 6.6, layout=None), LOOK_FOR)
        grid = self.figure.add_gridspec(2, 3, left=0.075, right=0.985, top=0.945, bottom=0.09, wspace=0.27, hspace=0.42)
        self.total, names = total, [f"layer {i + 1}" for i in range(layers)]
        thin = [f"{name}, adjoint" for name in names]
        self.curves: dict[str, Curves] = {}
        for i, (key, title, lines, faint, log) in enumerate((
            ("loss", "loss", ["at the variables"], ["of the net fed forward"], True),
            ("violation", "violation: largest |gap|", names, [], True),
            ("sizes", "norm of λ (thin: of the adjoint)", names, thin, True),
            ("differences", "|λ − adjoint| / |adjoint|", names, [], True),
            ("cosines", "cosine of λ and adjoint", names, [], False),
        )):  # fmt: skip
            ax = self.figure.add_subplot(grid[i // 3, i % 3])
            curves = Curves(ax, lines, faint, log=log)
            label(ax, title, x_label)
            ax.grid(alpha=0.3)
            self.curves[key] = curves
        words = self.figure.add_subplot(grid[1, 2])
        words.axis("off")
        handles = [*self.curves["loss"].lines.values(), *self.curves["sizes"].lines.values()]
        words.legend(handles=handles, fontsize=TEXT, loc="center left", frameon=False)
        self.slow = [line for curves in self.curves.values() for line in curves.changing]
        self.clear()

    def clear(self) -> None:
        """Forget what has been recorded; the axes get back the limits that they began with."""
        self.x: list[int] = []
        self.history: list[Measured] = []
        for key, limits in (
            ("loss", (1e-3, 1)), ("violation", (1e-3, 1)), ("sizes", (1e-3, 0.1)), ("differences", (1e-3, 1)),
            ("cosines", (-1, 1)),
        ):  # fmt: skip
            self.curves[key].clear([0, self.total], limits)

    def record(self, x: int, measured: Measured) -> None:
        """Keep what was measured at step ``x``; nothing is drawn."""
        self.x.append(x)
        self.history.append(measured)

    def trace(self) -> bool:
        """Bring the curves up to date; return whether limits stretched, so that a kept background is stale."""
        stretched = False
        for key, curves in self.curves.items():
            rows = [[m.loss, m.net_loss] if key == "loss" else list(getattr(m, key)) for m in self.history]
            if key == "sizes":
                rows = [row + list(m.adjoint_sizes) for row, m in zip(rows, self.history)]
            columns = np.array(rows, dtype=float).reshape(len(rows), len(curves.lines)).T
            if curves.log:
                columns = np.where(columns == 0, np.nan, columns)
                columns = np.array(
                    [to_edge(line, c, SMALLEST, np.inf) for line, c in zip(curves.lines.values(), columns)]
                )
            stretched |= curves.update(self.x, dict(zip(curves.lines, columns)))
        return stretched

    @property
    def words(self) -> str:
        """What was measured last, layer by layer."""
        if not self.history:
            return "Nothing has been recorded yet."
        last = self.history[-1]
        layers = [
            f"layer {i + 1}: violation {v:.2g}, norm of λ {s:.2g}, of the adjoint {a:.2g}, "
            f"relative difference {d:.2g}, cosine {c:.3f}"
            for i, (v, s, a, d, c) in enumerate(
                zip(last.violation, last.sizes, last.adjoint_sizes, last.differences, last.cosines)
            )
        ]
        return (
            f"Five curves over {self.x[-1]} steps. At the end the loss is {last.loss:.2g} at the variables and "
            f"{last.net_loss:.2g} for the net fed forward; {'; '.join(layers)}."
        )
