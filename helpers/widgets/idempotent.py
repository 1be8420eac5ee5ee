"""The panels of lecture 05: the scalar map over a range of one's choice, and three rules that train side by side."""

from __future__ import annotations

import itertools
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
from helpers.widgets.controls import choice, counted, log_slider, set_controls, slider, whole
from helpers.widgets.panel import Explorer
from helpers.widgets.trainer import Trainer

Floats = NDArray[np.float64]

GOLDEN = (1 + 5**0.5) / 2
STEPS = 40  # the most steps of a cobweb
LONG = 200  # steps after which a start has gone where it goes
POINTS = 1201  # of a curve, or starts in a picture of basins


def purified(a: Floats | float, steps: int) -> Floats:
    """Return the iterates of 3a² - 2a³, shape (steps + 1, ...)."""
    return np.asarray(purify(np.asarray(a, dtype=float), steps))


def folded(a: Floats | float, steps: int) -> Floats:
    """Return the iterates of |a² - a|, shape (steps + 1, ...), infinite where they overflow."""
    iterates = [np.asarray(a, dtype=float)]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            iterates.append(np.abs(iterates[-1] * (iterates[-1] - 1)))
    return np.stack(iterates)


MAPS: dict[str, Callable[[Floats | float, int], Floats]] = {"3a² - 2a³": purified, "|a² - a|": folded}
COBWEB, FIGURES, BASINS = "cobweb of ", "Figures 1 to 4", "basins of 3a² - 2a³"


def figures(a: Floats, x: float, mark: float) -> ScalarMaps:
    """Draw Figures 1 to 4 of the document over ``a``; the net of the last two is n(x) = wx."""
    change = x * (3 * a**2 - 2 * a**3 - a)
    maps = {name: iterate(a, 1)[1] for name, iterate in MAPS.items()}
    maps |= {f"3n(n(x)) - 2n(n(n(x))), x = {x:g}": change + x * a, f"Δn(x), x = {x:g}": change}
    return ScalarMaps(a, maps, mark=mark)


def basins(a: Floats, mark: float) -> Basins:
    """Draw where the starts ``a`` of 3a² - 2a³ end, and below the last tenth before the golden ratio."""
    distance = np.logspace(-7, -0.5, POINTS)
    ends, near = purified(a, LONG)[-1], purified(GOLDEN - distance, LONG)[-1]
    return Basins(a, ends, distance, near, mark=mark)


def idempotent_panel(view: str = BASINS, **options: Any) -> Explorer:
    """Make the panel of the scalar map: its figures, cobwebs and basins, over a range of the reader's choice.

    ``options`` are ``start`` (-1.5 to 2.5), ``steps`` (1 to 40), the range ``low`` (-2 to 0) to ``high`` (0.6 to 3) and
    the input ``x`` (-2 to 2).

    Examples
    --------
    >>> print(idempotent_panel().run(start=2.0, view="cobweb of |a² - a|")[0].split(".  ")[1])
    |a² - a|: from 2 to 2 in 12 steps
    """

    @lru_cache(maxsize=1)
    def picture(view: str, low: float, high: float, x: float) -> ScalarMaps | Cobweb | Basins:
        a, name = np.linspace(low, high, POINTS), view.removeprefix(COBWEB)
        if name in MAPS:
            return Cobweb(a, MAPS[name](a, 1)[-1], [0.0], name=name, steps=STEPS)
        return figures(a, x, 0.0) if view == FIGURES else basins(a, 0.0)

    def show(view: str, start: float, steps: int, low: float, high: float, x: float) -> list[Any]:
        shown, paths = picture(view, low, high, x), {name: iterate(start, steps) for name, iterate in MAPS.items()}
        if isinstance(shown, Cobweb):
            shown.update(paths[view.removeprefix(COBWEB)])
        else:
            shown.choose(start)
        ends = {
            name: f"to {path[-1]:.4g}" if np.isfinite(path[-1]) else "beyond all bounds" for name, path in paths.items()
        }
        words = [f"{name}: from {start:g} {end} in {counted(steps, 'step')}" for name, end in ends.items()]
        words.append(f"n(x) = wx at w = {start:g}, x = {x:g}: Δn(x) = {x * (purified(start, 1)[1] - start):.4g}")
        return [".  ".join(words), shown]

    controls: dict[str, Any] = {
        "view": choice("Show", [FIGURES, *(COBWEB + name for name in MAPS), BASINS], BASINS, width="260px"),
        "start": slider("start a (and weight w)", 0.6, -1.5, 2.5, 0.01, show=".2f"),
        "steps": slider("steps", 12, 1, STEPS),
        "low": slider("range from", -1.0, -2.0, 0.0, 0.1, show=".1f"),
        "high": slider("to", 2.0, 0.6, 3.0, 0.1, show=".1f"),
        "x": slider("input x", 1.0, -2.0, 2.0, 0.1, show=".1f"),
    }
    return Explorer(show, **set_controls(controls, {"view": view, **options}))


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
        the first two are drawn. As they stand the ``nets`` are a list, one per rule.
    **options
        What the other controls are to show at first: the ``rate`` (0.01 to 1) of plain gradient descent, ``samples``
        (1 to 10,000, fresh in each epoch), the ``seed`` of net and data, ``epochs`` (1 to 10,000).
    """

    def __init__(self, net: str = "N1", **options: Any) -> None:
        controls: dict[str, Any] = {
            "net": choice("Net", list(NETS), width="280px"),
            "rate": log_slider("Learning rate η", 0.1, -2, 0, live=False),
            "samples": whole("Samples per epoch", 128, 1, 10_000, width="200px"),
            "seed": whole("Seed", 0, 0, 10**6),
            "epochs": whole("Epochs", 300, 1, 10**4),
        }
        super().__init__(set_controls(controls, {"net": net, **options}))

    def _begin(self, net: str, rate: float, samples: int, seed: int, epochs: int) -> tuple[Iterator[Any], int]:
        self.nets = [NETS[net](seed=seed) for _ in RULES]
        width = next(self.nets[0].parameters()).shape[1]
        self.inputs = datasets["normal"].test(samples=SHOWN, dimension=width, seed=seed).X
        data: dict[str, Any] = {"fresh": True, "seed": seed, "dimension": width}
        trainings = [
            train_idempotent(one, partial(SGD, lr=rate), rule, epochs, Samples("normal", samples, **data))
            for one, rule in zip(self.nets, RULES)
        ]
        names = [rule.value for rule in RULES]
        self._use((epochs, width), lambda: IdempotentProgress(names, epochs, width))
        return side_by_side(trainings), epochs

    def _record(self, count: int) -> None:
        states = [rule_state(net, self.inputs, step) for net, step in zip(self.nets, self.last or [None] * len(RULES))]
        self.picture.record(count, states)

    def _move(self, still: bool) -> None:
        super()._move(still)
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
    # A net about to diverge may overflow at its second turn; the picture has an edge, and puts it there.
    outputs, after = (np.nan_to_num(z[:, :2].numpy().astype(float), nan=np.finfo(float).max) for z in (y, again))
    return RuleState(outputs, after, step.error, step.trace, step.rank, step.diverged)
