"""A panel in which a net of Scalars learns signed_xor, number by number.

>>> panel = ScalarNetPanel(hidden=3, points=8, epochs=4)
>>> picture = panel.run()  # without hands; in a notebook, show the panel and press Start
>>> panel.runner.count, panel.error
(4, None)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.datasets import Points, datasets
from helpers.diff.scalar_net import ScalarNet, Step, scores, train
from helpers.plots import Curves, DecisionField, Recording
from helpers.plots.boundaries import Grid, draw_points
from helpers.plots.pictures import TEXT, label, new_figure, percent
from helpers.widgets.controls import log_slider, set_controls, whole
from helpers.widgets.live_panel import LivePanel

GRID = 24  # points a side: the boundary is smooth, and the net answers all of them at once
CURVES_EVERY = 0.5  # seconds between two drawings of the curves, which take longer than the field
LOOK_FOR = "the boundary (black) turning from a line into two; the gap between the error on the points and on new ones."

Scores = NDArray[np.float64]


class NetPicture(Recording):
    """The decision of a net over the plane with its training points, and beside it the errors over the epochs."""

    def __init__(self, training_set: Points, test_set: Points, total: int) -> None:
        super().__init__(new_figure(9.6, 4.3, layout=None), LOOK_FOR)
        space = self.figure.add_gridspec(1, 2, left=0.08, right=0.98, bottom=0.13, top=0.92, width_ratios=(1, 1.2))
        left, right = (self.figure.add_subplot(space[i]) for i in (0, 1))
        self.sets = [(np.asarray(s.X), np.asarray(s.Y)) for s in (training_set, test_set)]
        self.grid = Grid(self.sets[1][0], GRID)
        self.field = DecisionField(self.grid, left, " ")
        self.covering = [*draw_points(*self.sets[0], left)]
        self.names = [f"the {len(self.sets[0][0])} training points", f"{len(self.sets[1][0])} new points"]
        self.curves, self.total = Curves(right, self.names, log=True, floor=1e-4), total
        label(right, "", "epoch", "mean squared error")
        right.legend(fontsize=TEXT - 1, loc="lower left")
        right.grid(alpha=0.3)
        self.changing = self.field.changing
        self.slow = [*self.curves.changing, left.title]
        self.clear()

    def clear(self) -> None:
        """Forget what has been recorded."""
        self.x: list[int] = []
        self.errors: list[list[float]] = []
        self.right = float("nan")
        self.curves.clear([0, self.total], [0.01, 2.0])

    def record(self, epoch: int, predict: Callable[[ArrayLike], Scores]) -> None:
        """Measure the error of the answers, -1 to 1, on both sets, and the share of new points that are right."""
        answers = [(2 * predict(X) - 1, 2 * Y - 1) for X, Y in self.sets]
        self.x.append(epoch)
        self.errors.append([float(((answer - target) ** 2).mean()) for answer, target in answers])
        answer, target = answers[1]
        self.right = float(((answer >= 0) == (target > 0)).mean())

    def trace(self) -> bool:
        """Bring curves and title up to date; return whether limits stretched."""
        self.field.ax.title.set_text(f"{percent(self.right, 1)} of new points right")
        return self.curves.update(self.x, dict(zip(self.names, np.array(self.errors).T)))

    @property
    def words(self) -> str:
        """Epoch, share of right answers, and where the errors went."""
        right, share = percent(self.right, 1), percent(self.field.share)
        return (
            f"Left the plane with the training points after epoch {self.x[-1]}: {right} of new points right, "
            f"{share} of the square given to class 1. Right the curves, {self.curves.words}"
        )


class ScalarNetPanel(LivePanel[NetPicture]):
    """Watch the boundary of a net of Scalars move while it learns.

    Parameters
    ----------
    hidden, points, rate, seed, epochs
        What the controls show at first: hidden units, training points, learning rate, seed, epochs.

    Attributes
    ----------
    runner : Runner
        Start, Pause, Step, Reset; the count of epochs.
    net : ScalarNet
        As it stands.

    Raises
    ------
    TypeError, ValueError
        If a number is out of the range of its control; the message names it and the range.
    """

    def __init__(self, hidden: int = 8, points: int = 40, rate: float = 0.2, seed: int = 0, epochs: int = 200) -> None:
        controls: dict[str, Any] = {
            "hidden": whole("Hidden units", 8, 1, 16),
            "points": whole("Training points", 40, 4, 100, width="180px"),
            "rate": log_slider("Learning rate η", 0.2, -2, 1, live=False),
            "seed": whole("Seed", 0, 0, 10**6),
            "epochs": whole("Epochs", 200, 1, 10**4),
        }
        set_controls(controls, {"hidden": hidden, "points": points, "rate": rate, "seed": seed, "epochs": epochs})
        self.next_curves = 0.0
        super().__init__(controls)

    def _begin(self) -> tuple[Iterator[Step], int]:
        """Build the net and data that the controls describe, and the picture if it no longer fits them."""
        hidden, points, rate, seed, epochs = (control.value for control in self.controls.values())
        training_set = datasets["signed_xor"].train(samples=points, seed=seed)
        test_set = datasets["signed_xor"].test(seed=seed)
        self._use((points, seed, epochs), lambda: NetPicture(training_set, test_set, epochs))
        self.net = ScalarNet(hidden, seed)
        return train(self.net, training_set.X, training_set.Y, epochs, rate), epochs

    def _look(self) -> Callable[[], Scores]:
        """Copy the weights, and hand out the longer work: the answers at every point of the grid."""
        numbers, points = self.net.numbers(), self._picture.grid.points
        return lambda: scores(numbers, points)

    def _note(self, count: int) -> None:
        self._picture.record(count, self.net.predict)

    def _show(self, count: int, seen: Scores | None) -> None:
        """Draw the field; now and then, and at every stop, measure and draw the curves and say it in words."""
        now, still = time.perf_counter(), seen is None
        self._picture.field.update(self._look()() if seen is None else seen)
        curves = still or now > self.next_curves
        if curves:
            self._note(count)
            self.next_curves = now + CURVES_EVERY
        self._send(curves=curves, words=still)
