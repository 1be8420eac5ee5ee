"""Panels of lecture 05: the scalar map over a range of one's choice, and three rules that train side by side.

>>> words, picture = idempotent_panel().run(start=0.6, steps=20)
>>> words.split(".  ")[0]
'3a² - 2a³: from 0.6 to 1 in 20 steps'
>>> panel = IdempotentPanel(net="N1", epochs=5)
>>> panel.run().description.startswith("After epoch 5, ordinary: error")
True
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import SGD

from helpers.datasets import datasets
from helpers.networks import NETWORKS, square_net
from helpers.options import Whole
from helpers.plots.idempotent import Basins, Cobweb, ScalarMaps
from helpers.plots.recordings import IdempotentProgress, RuleState
from helpers.training.idempotent import (
    Algorithm,
    IdempotentStep,
    Samples,
    idempotent_error,
    image_of_identity,
    purify,
    train_idempotent,
)
from helpers.widgets.controls import choice, log_slider, set_controls, slider, whole
from helpers.widgets.panel import Explorer
from helpers.widgets.runner import Trainer

Floats = NDArray[np.float64]

GOLDEN = (1 + math.sqrt(5)) / 2
STEPS = 40  # the most steps of a cobweb
LONG = 200  # steps after which a start has gone where it goes
POINTS = 1201  # of a curve, or starts in a picture of basins


def purified(a: Floats | float, steps: int) -> Floats:
    """Return the iterates of 3a² - 2a³, shape (steps + 1, ...)."""
    iterates: Floats = purify(np.asarray(a, dtype=float), steps).numpy()
    return iterates


def folded(a: Floats | float, steps: int) -> Floats:
    """Return the iterates of |a² - a|, shape (steps + 1, ...), infinite where they overflow."""
    iterates = [np.asarray(a, dtype=float)]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            iterates.append(np.abs(iterates[-1] * (iterates[-1] - 1)))
    return np.stack(iterates)


COBWEBS: dict[str, tuple[str, Callable[[Floats | float, int], Floats]]] = {
    "cobweb of 3a² - 2a³": ("3a² - 2a³", purified),
    "cobweb of |a² - a|": ("|a² - a|", folded),
}
FIGURES, BASINS = "Figures 1 to 4", "basins of 3a² - 2a³"


def figures(a: Floats, x: float, mark: float) -> ScalarMaps:
    """Draw Figures 1 to 4 of the document over ``a``; the net of the last two is n(x) = wx."""
    change = x * (3 * a**2 - 2 * a**3 - a)
    return ScalarMaps(
        a,
        {
            "3a² - 2a³": 3 * a**2 - 2 * a**3,
            "|a² - a|": np.abs(a**2 - a),
            f"3n(n(x)) - 2n(n(n(x))), x = {x:g}": change + x * a,
            f"Δn(x), x = {x:g}": change,
        },
        mark=mark,
    )


def basins(a: Floats, mark: float | None = None) -> Basins:
    """Draw where the starts ``a`` of 3a² - 2a³ end, and below the last tenth before the golden ratio."""
    distance = np.logspace(-7, -0.5, POINTS)
    return Basins(
        a,
        purified(a, LONG)[-1],
        mark=mark,
        distance=distance,
        distance_ends=purified(GOLDEN - distance, LONG)[-1],
        edge="(1 + √5)/2",
    )


def idempotent_panel(view: str = BASINS, start: float = 0.6) -> Explorer:
    """Make the panel of the scalar map: its figures, cobwebs and basins, over a range of the reader's choice.

    Examples
    --------
    >>> print(idempotent_panel().run(start=2.0, view="cobweb of |a² - a|")[0].split(".  ")[1])
    |a² - a|: from 2 to 2 in 12 steps
    """

    @lru_cache(maxsize=1)
    def picture(view: str, low: float, high: float, x: float) -> ScalarMaps | Cobweb | Basins:
        a = np.linspace(low, high, POINTS)
        if view in COBWEBS:
            name, iterate = COBWEBS[view]
            return Cobweb(a, iterate(a, 1)[-1], [start], name=name, steps=STEPS)
        return figures(a, x, start) if view == FIGURES else basins(a, start)

    def show(view: str, start: float, steps: int, low: float, high: float, x: float) -> list[Any]:
        shown = picture(view, low, high, x)
        if isinstance(shown, Cobweb):
            shown.update(COBWEBS[view][1](start, steps))
        else:
            shown.choose(start)
        parts = [_where_to(name, iterate(start, steps)) for name, iterate in COBWEBS.values()]
        parts.append(f"n(x) = wx at w = {start:g}, x = {x:g}: Δn(x) = {x * (purified(start, 1)[1] - start):.4g}")
        return [".  ".join(parts), shown]

    controls = {
        "view": choice("Show", [FIGURES, *COBWEBS, BASINS], width="260px"),
        "start": slider("start a (and weight w)", 0.6, -1.5, 2.5, 0.01, show=".2f"),
        "steps": slider("steps", 12, 1, STEPS),
        "low": slider("range from", -1.0, -2.0, 0.0, 0.1, show=".1f"),
        "high": slider("to", 2.0, 0.6, 3.0, 0.1, show=".1f"),
        "x": slider("input x", 1.0, -2.0, 2.0, 0.1, show=".1f"),
    }
    set_controls(controls, {"view": view, "start": start})
    return Explorer(show, **controls)


def _where_to(name: str, path: Floats) -> str:
    steps = f"{len(path) - 1} step{'' if len(path) == 2 else 's'}"
    if not np.isfinite(path[-1]):
        return f"{name}: from {path[0]:g} beyond all bounds in {steps}"
    return f"{name}: from {path[0]:g} to {path[-1]:.4g} in {steps}"


RULES = (Algorithm.ORDINARY, Algorithm.ORDINARY_SCALED, Algorithm.MODIFIED)
NETS: dict[str, Callable[..., nn.Sequential]] = {
    "plane, tanh (2-16-2)": partial(square_net, [2, 16, 2], bias=False, activation=nn.Tanh),
    "plane, linear (2-2)": partial(square_net, [2, 2], bias=False),
    "N1": NETWORKS["N1"],
    "N2": NETWORKS["N2"],
}
SHOWN = 200  # inputs whose outputs are drawn


class IdempotentPanel(Trainer[IdempotentProgress]):
    """Watch three rules from one start: ordinary, ordinary times n/2, modified; the same data, the same rate.

    Parameters
    ----------
    net : str
        One of `NETS`, all without bias, so that the image of the identity speaks for them. Of more than two outputs
        the first two are drawn.
    rate : float
        Learning rate of plain gradient descent.
    samples, seed, epochs
        Of the run: fresh normal samples an epoch, the seed of net and data, and how long it takes.

    Attributes
    ----------
    runner : Runner
        Start, Pause, Step, Reset; the count of epochs.
    nets : list of nn.Sequential
        As they stand, one a rule.

    Raises
    ------
    TypeError, ValueError
        If an option is out of its range; the message names it and the range.
    """

    curves_every = 0.0

    def __init__(
        self, net: str = "N1", *, rate: float = 0.1, samples: int = 128, seed: int = 0, epochs: int = 300
    ) -> None:
        self.samples = Whole(1, 10_000).check("samples", samples)
        controls: dict[str, Any] = {
            "net": choice("Net", list(NETS), width="280px"),
            "rate": log_slider("Learning rate η", 0.1, -2, 0, live=False),
            "seed": whole("Seed", 0, 0, 10**6),
            "epochs": whole("Epochs", 300, 1, 10**4),
        }
        set_controls(controls, {"net": net, "rate": rate, "seed": seed, "epochs": epochs})
        super().__init__(controls)

    def _begin(self) -> tuple[Iterator[Any], int]:
        name, rate, seed, epochs = (control.value for control in self.controls.values())
        self.nets = [NETS[name](seed=seed) for _ in RULES]
        width = next(self.nets[0].parameters()).shape[1]
        self.inputs = datasets["normal"].test(samples=SHOWN, dimension=width, seed=seed).X
        trainings = []
        for net, rule in zip(self.nets, RULES):
            data = Samples("normal", self.samples, fresh=True, seed=seed, dimension=width)
            trainings.append(train_idempotent(net, partial(SGD, lr=rate), rule, epochs, data))
        names = [rule.value for rule in RULES]
        self._use((epochs, width), lambda: IdempotentProgress(names, epochs, width))
        return side_by_side(trainings), epochs

    def _record(self, count: int) -> None:
        states = [rule_state(net, self.inputs, step) for net, step in zip(self.nets, self.step or [None] * len(RULES))]
        self.picture.record(count, states)

    def _draw(self, count: int) -> None:
        self._stop(count)
        self.picture.move()


def side_by_side(trainings: Sequence[Iterator[IdempotentStep]]) -> Iterator[list[IdempotentStep | None]]:
    """Take an epoch of each training in turn; one that has diverged keeps its last step, the others go on."""
    last: list[IdempotentStep | None] = [None] * len(trainings)
    for steps in itertools.zip_longest(*trainings):
        last = [new or old for new, old in zip(steps, last)]
        yield last


def rule_state(net: nn.Module, inputs: torch.Tensor, step: IdempotentStep | None) -> RuleState:
    """Return what the picture shows of a net after ``step``: outputs, where it sends them, error, trace and rank.

    Before the first step the error is that of ``inputs``.
    """
    step = step or IdempotentStep(0, idempotent_error(net, inputs), image_of_identity(net), False)
    with torch.no_grad():
        y = net(inputs)
        again = net(y)
    # a net about to diverge may overflow at its second turn; the picture has an edge, and puts it there
    outputs, after = (np.nan_to_num(z[:, :2].numpy().astype(float), nan=np.finfo(float).max) for z in (y, again))
    return RuleState(outputs, after, step.error, step.trace, step.rank, step.diverged)
