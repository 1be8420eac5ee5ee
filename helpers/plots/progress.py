"""How training went: a decision boundary for every layer, error and accuracy of every layer below.

One yardstick for all layers and rules: the mean squared error of a layer's answer against the targets. What a rule
itself minimises (for the output block often a cross-entropy) is the ``loss`` of its steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.plots.boundaries import DecisionField, Grid, class_of, draw_points
from helpers.plots.curves import Curves
from helpers.plots.pictures import TEXT, Picture, label, new_figure

Scores = Sequence[ArrayLike]
PredictLayers = Callable[[Any], Scores]
Predict = Callable[[Any], Any]


class Samples(Protocol):
    """Anything with inputs ``X`` (n, d) and targets ``Y`` (n, k), such as the data sets of the course."""

    X: Any
    Y: Any


class LayerProgress(Picture):
    """The layers of a net while it learns: built once, ``record`` and ``draw`` as often as one likes.

    Parameters
    ----------
    training_set, test_set : Samples
        With two inputs the boundaries are drawn; with more only the curves, as no plane holds the points.
    layers : int
        How many answers ``predict`` gives: the hidden layers and the output.
    x_label : str
        What a step of the curves is.
    size : int
        Grid points a side of each field.
    """

    def __init__(
        self, training_set: Samples, test_set: Samples, layers: int, *, x_label: str = "epoch", size: int = 64
    ) -> None:
        self.sets = [(np.asarray(s.X), np.asarray(s.Y)) for s in (training_set, test_set)]
        self.names = [*(f"layer {i + 1}" for i in range(layers - 1)), "output"]
        X, Y = self.sets[1]
        self.grid = Grid(X, size) if X.shape[1] == 2 else None
        columns = min(layers, 4)
        rows = -(-layers // columns) if self.grid else 0
        super().__init__(
            new_figure(10.5, 2.9 * rows + 3.3),
            "in which layer, and how early, the black line takes the shape of the classes, and whether it stays.",
        )
        below = self.figure.add_gridspec(rows + 1, 1, height_ratios=[2.9] * rows + [3.3])
        self.fields = []
        if self.grid:
            above = below[:rows].subgridspec(rows, columns)
            for i, name in enumerate(self.names):
                field = DecisionField(self.grid, self.figure.add_subplot(above[i // columns, i % columns]), name)
                if i % columns:
                    field.ax.set_ylabel("")
                    field.ax.tick_params(labelleft=False)
                draw_points(X, Y, field.ax, limit=80)
                self.fields.append(field)
        curves_row = below[rows].subgridspec(1, 2)
        left, right = (self.figure.add_subplot(curves_row[i]) for i in range(2))
        faint = [f"{name}, train" for name in self.names]
        self.error = Curves(left, self.names, faint, log=True, floor=1e-5)
        self.right = Curves(right, self.names, faint)
        for curves, what in ((self.error, "mean squared error"), (self.right, "accuracy")):
            label(curves.ax, "thick: test, thin: training", x_label, what)
            curves.ax.grid(alpha=0.3)
        self.right.ax.legend(handles=[self.right.lines[n] for n in self.names], fontsize=TEXT - 1, loc="lower right")
        self.changing = [a for part in (*self.fields, self.error, self.right) for a in part.changing]
        self.changing += [field.ax.title for field in self.fields]
        self.x: list[int] = []
        self.history: list[NDArray[np.float64]] = []

    def record(self, x: int, predict: PredictLayers) -> None:
        """Measure error and accuracy of every layer on both sets, at step ``x``; nothing is drawn."""
        measured = [[_measure(s, Y) for s in predict(X)] for X, Y in self.sets]
        self.x.append(x)
        self.history.append(np.array(measured))

    def draw(self, predict: PredictLayers) -> bool:
        """Bring fields and curves up to date; return whether limits stretched, so that a kept background is stale."""
        if self.grid:
            for field, scores in zip(self.fields, predict(self.grid.points), strict=True):
                field.update(scores)
        if not self.history:
            return False
        past = np.array(self.history)  # (steps, train or test, layer, error or accuracy)
        for field, name, rate in zip(self.fields, self.names, past[-1, 1, :, 1]):
            field.ax.set_title(f"{name}: {rate:.1%} right")
        stretched = False
        for kind, curves in enumerate((self.error, self.right)):
            test = {name: past[:, 1, i, kind] for i, name in enumerate(self.names)}
            train = {f"{name}, train": past[:, 0, i, kind] for i, name in enumerate(self.names)}
            stretched |= curves.update(self.x, test | train)
        return stretched

    @property
    def description(self) -> str:
        """The last error and accuracy of every layer."""
        if not self.history:
            return "Nothing has been recorded yet."
        train, test = self.history[-1]
        rows = [
            f"{name}: test accuracy {t[1]:.3f}, test error {t[0]:.3g}, training error {r[0]:.3g}"
            for name, r, t in zip(self.names, train, test)
        ]
        kind = "A decision boundary for every layer, and" if self.grid else "The plane cannot hold these inputs; only"
        return f"{kind} curves of error and accuracy over {self.x[-1]} steps. At the end, {'; '.join(rows)}."


def plot_local_progress(
    steps: Iterable[Any], training_set: Samples, test_set: Samples, *, every: int = 1, size: int = 64
) -> LayerProgress:
    """Run a local rule to its end and draw how every layer learned.

    Parameters
    ----------
    steps : iterable of steps
        What ``locally_optimize`` or ``locally_optimize_parallel`` returns.
    training_set, test_set : Samples
        With ``.X`` and ``.Y``.
    every : int
        Measure at each so many steps, and at the last.
    size : int
        Grid points a side of each field.

    Returns
    -------
    LayerProgress
        Shows itself in a notebook.
    """
    return _run(steps, lambda step: step.predict, training_set, test_set, every, size)


def plot_backprop_progress(
    steps: Iterable[Any],
    predict: Predict,
    training_set: Samples,
    test_set: Samples,
    *,
    every: int = 1,
    size: int = 64,
) -> LayerProgress:
    """Run back-propagation to its end and draw how the net learned.

    Parameters
    ----------
    steps : iterable of steps
        What ``backprop_optimize`` returns.
    predict : callable
        ``points (n, d) -> scores (n, k)`` of the output, or a list of them, one a layer.
    training_set, test_set, every, size
        As in `plot_local_progress`.

    Returns
    -------
    LayerProgress
        Shows itself in a notebook.
    """

    def layers(X: Any) -> Scores:
        scores = predict(X)
        return scores if isinstance(scores, list) else [scores]

    return _run(steps, lambda _: layers, training_set, test_set, every, size)


def _run(
    steps: Iterable[Any],
    predict_of: Callable[[Any], PredictLayers],
    training_set: Samples,
    test_set: Samples,
    every: int,
    size: int,
) -> LayerProgress:
    view, predict, count = None, None, 0
    for count, step in enumerate(steps, start=1):
        predict = predict_of(step)
        if view is None:
            blocks = hasattr(step, "idx")
            layers = len(predict(np.asarray(test_set.X)[:1]))
            x_label = "epoch, one block after the other" if blocks else "epoch"
            view = LayerProgress(training_set, test_set, layers, x_label=x_label, size=size)
        if count % every == 0 or count == 1:
            view.record(count, predict)
    if view is None or predict is None:
        raise ValueError("steps is empty; give what a rule returns")
    if view.x[-1] != count:
        view.record(count, predict)
    view.draw(predict)
    return view


def _measure(scores: ArrayLike, targets: NDArray[Any]) -> tuple[float, float]:
    s = np.asarray(scores, dtype=float)
    return float(((s - targets) ** 2).mean()), float((class_of(s) == class_of(targets)).mean())
