"""How training went: a decision boundary for every layer, error and accuracy of every layer below.

One yardstick for all layers and rules: the mean squared error of a layer's answer against the targets. What a rule
itself minimises (for the output block often a cross-entropy) is the ``loss`` of its steps.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import ArrayLike

from helpers.plots.boundaries import DecisionField, Grid, class_of, draw_points
from helpers.plots.curves import Curves, Recording, Values
from helpers.plots.pictures import TEXT, Floats, label, new_figure, percent

Scores = Sequence[ArrayLike]
PredictLayers = Callable[[Any], Scores]
Samples = Any  # with inputs X (n, d) and targets Y (n, k), such as the data sets of the course

DRAWN = 80  # test points in a field
SHARE = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5}  # the ground of a percentage in a field
LOOK_AT_FIELDS = (
    "the boundary (black) of each layer; in the curves, which one gets there first, and the gap of thin to thick."
)
LOOK_AT_CURVES = "which curve reaches its final accuracy first, and the gap between the thin lines and the thick ones."


class LayerProgress(Recording):
    """The layers of a net while it learns, or of several nets under several rules: built once, updated in place.

    With two inputs the boundaries are drawn beside the curves; with more the curves alone, as no plane holds the
    points. A net gives an answer for each of its ``layers``, hidden ones and output. One rule: a curve for each layer.
    Several: a row of fields and a curve of the output for each. ``x_label``: what a step is. ``total``: the last one,
    if known; the curves' axis then never stretches. ``size``: grid points a side of each field. ``measured``: error and
    accuracy are those of the first so many points of each set, of all unless told.
    """

    drawn = DRAWN

    def __init__(
        self,
        training_set: Samples,
        test_set: Samples,
        layers: int,
        *,
        rules: Sequence[str] = ("",),
        x_label: str = "epoch",
        total: int | None = None,
        size: int = 64,
        measured: int | None = None,
    ) -> None:
        whole = [(np.asarray(s.X), np.asarray(s.Y)) for s in (training_set, test_set)]
        self.sets, self.sizes = [(X[:measured], Y[:measured]) for X, Y in whole], [len(X) for X, _ in whole]
        X, Y = whole[1]
        self.grid = Grid(X, size) if X.shape[1] == 2 else None
        self.rules = list(rules)
        self.layers = [*(f"layer {i + 1}" for i in range(layers - 1)), "output"]
        self.answers, race = layers * len(rules), len(rules) > 1  # answers of all the nets
        width = layers if race else math.ceil(math.sqrt(layers))
        self.names = self.rules if race else self.layers  # of the curves, and the answers that have one:
        self.watched = [layers * (r + 1) - 1 for r in range(len(rules))] if race else list(range(layers))
        figure = self._divide(math.ceil(self.answers / width), width, race)
        super().__init__(figure, LOOK_AT_FIELDS if self.grid else LOOK_AT_CURVES)
        self.fields, self.shares = list[DecisionField](), list[Text]()  # what share of the test points is right
        for i, name in enumerate(self.layers * len(rules) if self.grid else []):
            assert self.grid is not None
            ax = figure.add_subplot(self.above[divmod(i, width)])
            self.fields.append(DecisionField(self.grid, ax, name))
            if i % width or i + width < self.answers:
                ax.label_outer()
            if race:
                label(ax, "" if i >= width else name)
                ax.set_ylabel("" if i % width else textwrap.fill(self.rules[i // width], 12), fontsize=TEXT - 1)
                ax.tick_params(labelleft=False, labelbottom=False)
            where: dict[str, Any] = {"transform": ax.transAxes, "va": "bottom", "zorder": 4, "bbox": SHARE}
            self.shares.append(ax.text(0.02, 0.02, "", fontsize=TEXT - 1, **where))
            self.changing += [*self.fields[i].changing, *draw_points(X, Y, ax, DRAWN, 4.5), self.shares[i]]
        faint = [f"{name}, train" for name in self.names]
        self.error = Curves(figure.add_subplot(self.below[0]), self.names, faint, log=True, floor=1e-5)
        self.right = Curves(figure.add_subplot(self.below[1]), self.names, faint)
        self.curves = {"mean squared error": self.error, "accuracy": self.right}
        for what, curves in self.curves.items():
            place: Any = curves.ax.get_subplotspec()
            title = f"{'output. ' * race}thick: test, thin: training" * place.is_first_row()
            label(curves.ax, title, x_label * place.is_last_row(), what, grid="both")
            curves.ax.tick_params(labelbottom=place.is_last_row())
        thick, key = [self.right.lines[name] for name in self.names], {"borderpad": 0.2, "labelspacing": 0.25}
        style: dict[str, Any] = {"ncols": 1 if race else layers, "frameon": False, **key}
        figure.legend(handles=thick, fontsize=TEXT - 1, loc="lower right", **style)
        self.slow = [*self.error.changing, *self.right.changing]
        self.steps = [0, total] if total else []
        room = (1e-4, 0.4) if total else (0.03, 0.4)  # a live axis has room from the start
        self.limits = dict(zip(self.curves, (room, (0.4, 1.0))))
        self.clear()

    def _divide(self, rows: int, columns: int, race: bool) -> Figure:
        """Make the figure: rows and columns of fields, ``above``, and beside them room for two curves, ``below``."""
        height = 4.7 if self.grid else 3.6  # all lengths in inches
        names, gap = 0.18 * len(self.rules) + 0.15, 0.08 if race else 0.28  # what names below and titles take
        figure, sides = new_figure(9.6, height, layout=None), {"top": 1 - 0.3 / height, "right": 0.985}
        bottom, low = 0.1 if race else names + 0.5, (names + 0.5) / height
        if not self.grid:
            self.below = figure.add_gridspec(1, 2, left=0.08, bottom=low, wspace=0.2, **sides)
            return figure
        cell = min((5.5 if columns > 1 else 4.0) / columns - 0.1, (height - 0.3 - bottom + gap) / rows - gap)
        right = 0.65 + columns * (cell + 0.1) - 0.1
        space = {"wspace": 0.1 / cell, "hspace": gap / cell, "bottom": bottom / height, "right": right / 9.6}
        self.above = figure.add_gridspec(rows, columns, left=0.65 / 9.6, **sides | space)
        self.below = figure.add_gridspec(2, 1, left=(right + 0.85) / 9.6, hspace=0.12, bottom=low, **sides)
        return figure

    def clear(self) -> None:
        """Forget what has been recorded."""
        super().clear()
        self.latest: Floats | None = None

    def record(self, x: int, predict: PredictLayers) -> None:
        """Measure error and accuracy on both sets, at step ``x``, for the curves; nothing is drawn."""
        super().record(x, self.measure(predict).tolist())  # small arrays would settle between the large ones of frames

    def measure(self, predict: PredictLayers) -> Floats:
        """Measure error and accuracy on both sets, for titles and words alone: the curves do not get a point.

        ``latest`` (set, answer, 2) comes from one sweep of the net over both sets.
        """
        answers, cut = predict(np.concatenate([X for X, _ in self.sets])), [len(self.sets[0][0])]
        parts = zip(*(np.split(np.asarray(scores, dtype=float), cut) for scores in answers))
        self.latest = measured = np.array([
            [(((s - Y) ** 2).mean(), (class_of(s) == class_of(Y)).mean()) for s in part]
            for part, (_, Y) in zip(parts, self.sets, strict=True)
        ])  # fmt: skip
        return measured

    def draw(self, predict: PredictLayers) -> bool:
        """Bring fields and curves up to date; return whether limits stretched, so that a kept background is stale."""
        self.fill(predict(self.grid.points) if self.grid else [])
        return self.trace()

    def fill(self, answers: Scores) -> None:
        """Bring the fields alone up to date, the cheaper half of a live frame: the answers at the grid's points."""
        for field, scores in zip(self.fields, answers, strict=True):
            field.update(scores)

    def right_at(self, i: int) -> str:
        """Say what share of the test points an answer had right last."""
        return "" if self.latest is None else percent(self.latest[1, i, 1], 1)

    def columns(self, key: str) -> Values:
        kind = list(self.curves).index(key)
        past = np.array(self.history).reshape(-1, 2, self.answers, 2)[..., kind]
        test = {name: past[:, 1, i] for name, i in zip(self.names, self.watched)}
        train = {f"{name}, train": past[:, 0, i] for name, i in zip(self.names, self.watched)}
        return test | train

    def trace(self) -> bool:
        """Bring shares and curves up to date; return whether limits stretched."""
        for i, text in enumerate(self.shares):
            text.set_text(f"{self.right_at(i)} right" if self.x else "")
        return super().trace()

    @property
    def words(self) -> str:
        """The last error and accuracy of every layer, or of every rule."""
        if self.latest is None or not self.x:
            return "Nothing has been recorded yet."
        train, test = self.latest[:, self.watched]
        at_the_end = "; ".join(
            f"{name}: test accuracy {t[1]:.3f}, test error {t[0]:.3g}, training error {r[0]:.3g}"
            for name, r, t in zip(self.names, train, test)
        )
        kind = "A decision boundary for every layer, and" if self.grid else "The plane cannot hold these inputs; only"
        text = f"{kind} curves of error and accuracy over {self.x[-1]} steps. At the end, {at_the_end}."
        if self.grid and self.sizes[1] > self.drawn:
            text += f" In each field the first {self.drawn} of {self.sizes[1]:,} test points are drawn."
        measured = [len(X) for X, _ in self.sets]
        if measured != self.sizes:
            of = (f"{m:,} of {n:,} {which}" for m, n, which in zip(measured, self.sizes, ("training", "test")))
            text += f" Measured on the first {' and '.join(of)} points."
        return text


def plot_local_progress(
    steps: Iterable[Any], training_set: Samples, test_set: Samples, *, every: int = 1
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
    """
    return _run(((step, step.predict) for step in steps), training_set, test_set, every)


def plot_backprop_progress(
    steps: Iterable[Any], predict: Callable[[Any], Any], training_set: Samples, test_set: Samples, *, every: int = 1
) -> LayerProgress:
    """Run back-propagation to its end and draw how the net learned.

    Parameters
    ----------
    steps : iterable of steps
        What ``backprop_optimize`` returns.
    predict : callable
        ``points (n, d) -> scores (n, k)`` of the output, or a list of them, one for each layer.
    training_set, test_set, every
        As in `plot_local_progress`.
    """

    def layers(X: Any) -> Scores:
        scores = predict(X)
        return scores if isinstance(scores, list) else [scores]

    return _run(((step, layers) for step in steps), training_set, test_set, every)


def _run(
    steps: Iterable[tuple[Any, PredictLayers]], training_set: Samples, test_set: Samples, every: int
) -> LayerProgress:
    view, count = None, 0
    for count, (step, predict) in enumerate(steps, start=1):
        if view is None:
            x_label = "epoch, one block after the other" if hasattr(step, "idx") else "epoch"
            layers = len(predict(np.asarray(test_set.X)[:1]))
            view = LayerProgress(training_set, test_set, layers, x_label=x_label)
        if count % every == 0 or count == 1:
            view.record(count, predict)
    if view is None:
        raise ValueError("steps is empty; give what a rule returns")
    if view.x[-1] != count:
        view.record(count, predict)
    view.draw(predict)
    return view
