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
from helpers.training import idempotent as training
from helpers.training.idempotent import Algorithm, IdempotentStep, Samples, purify, train_idempotent
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
    with np.errstate(over="ignore", invalid="ignore"):
        walk = itertools.accumulate(range(steps), lambda a, _: abs(a * (a - 1)), initial=np.asarray(a, dtype=float))
        return np.stack(list(walk))


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
    """

    @lru_cache(maxsize=1)
    def picture(view: str, low: float, high: float, x: float) -> ScalarMaps | Cobweb | Basins:
        a, name = np.linspace(low, high, POINTS), view.removeprefix(COBWEB)
        if name in MAPS:
            return Cobweb(a, MAPS[name](a, 1)[-1], [0.0], name=name, steps=STEPS)
        return figures(a, x, 0.0) if view == FIGURES else basins(a, 0.0)

    def show(view: str, start: float, steps: int, low: float, high: float, x: float) -> list[Any]:
        shown, words = picture(view, low, high, x), []
        for name, iterate in MAPS.items():
            path = iterate(start, steps)
            if isinstance(shown, Cobweb) and shown.name == name:
                shown.update(path)
            words.append(f"{name}: {f'{path[-1]:.4g}' if np.isfinite(path[-1]) else 'beyond all bounds'}")
        if not isinstance(shown, Cobweb):
            shown.choose(start)
        ends = f"After {counted(steps, 'step')} from {start:g}, {', '.join(words)}"
        change = x * (purified(start, 1)[1] - start)
        return [f"{ends}.  With n(x) = wx, w = {start:g}, x = {x:g}: Δn(x) = {change:.4g}", shown]

    controls: dict[str, Any] = {
        "view": choice("Show", [FIGURES, *(COBWEB + name for name in MAPS), BASINS], BASINS, width="250px"),
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

    watch = 60  # epochs, in which the points come to rest

    def __init__(self, net: str = "N1", **options: Any) -> None:
        controls: dict[str, Any] = {
            "net": choice("Net", list(NETS), width="210px"),
            "rate": log_slider("Learning rate η", 0.1, -2, 0, live=False),
            "samples": whole("Samples per epoch", 128, 1, 10_000, width="200px"),
            "seed": whole("Seed", 0, 0, 10**6, width="110px"),
            "epochs": whole("Epochs", 300, 1, 10**4, width="130px"),
        }
        super().__init__(set_controls(controls, {"net": net, **options}))

    def _begin(self, net: str, rate: float, samples: int, seed: int, epochs: int) -> tuple[Iterator[Any], int]:
        self.nets = [NETS[net](seed=seed) for _ in RULES]
        width = next(self.nets[0].parameters()).shape[1]
        self.inputs = datasets["normal"].test(samples=SHOWN, dimension=width, seed=seed).X
        data, sgd = partial(Samples, "normal", samples, fresh=True, seed=seed, dimension=width), partial(SGD, lr=rate)
        trainings = [train_idempotent(one, sgd, rule, epochs, data()) for one, rule in zip(self.nets, RULES)]
        self._use((epochs, width), lambda: IdempotentProgress([rule.value for rule in RULES], epochs, width))
        return side_by_side(trainings), epochs

    def _record(self, count: int) -> None:
        steps = self.last or [None] * len(RULES)
        self.picture.record(count, [rule_state(net, self.inputs, step) for net, step in zip(self.nets, steps)])

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
    """Return what the picture shows of a net after ``step``; before the first the error is that of ``inputs``."""
    step = step or IdempotentStep(0, training.idempotent_error(net, inputs), training.image_of_identity(net), False)
    with torch.no_grad():
        again = net(y := net(inputs))
    # A net about to diverge may overflow at its second turn; the picture has an edge, and puts it there.
    outputs, after = (np.nan_to_num(z[:, :2].numpy().astype(float), nan=np.finfo(float).max) for z in (y, again))
    return RuleState(outputs, after, step.error, step.trace, step.rank, step.diverged)
