"""A panel of lecture 04: a net pulled apart, its gaps and its multipliers, while it trains or with the weights fixed.

>>> panel = constraint_panel(samples=50)
>>> picture = panel.run(4)  # without hands; in a notebook, show the panel and press Start
>>> panel.runner.count, panel.error
(4, None)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.options import Whole
from helpers.plots.recordings import ConstraintProgress, Measured
from helpers.training import adjoints, cosine, multipliers_at, relative_difference
from helpers.training.constrained import Method, train_constrained
from helpers.widgets.controls import choice, log_slider, set_controls, whole
from helpers.widgets.runner import Trainer

FIXED = "weights held fixed"
METHODS: dict[str, Method] = {
    "weights learn: augmented Lagrangian": "augmented_lagrangian",
    "weights learn: penalty alone": "penalty",
    "weights learn: ADMM": "admm",
}
WAYS = {FIXED: 12} | dict.fromkeys(METHODS, 300)  # and how many steps each takes
PLANE = ["signed_xor", "gaussian", "rings", "moons"]
HIDDEN = 2  # layers, of 32 tanh units each


class ConstraintPanel(Trainer[ConstraintProgress]):
    """Watch gaps close and multipliers move, layer by layer, beside the adjoints that back-propagation computes.

    Parameters
    ----------
    way : str
        What trains, one of `WAYS`. With the weights held fixed a step is an outer step of the method of multipliers,
        otherwise an epoch.
    samples : int
        Training points, 1 to 10,000.
    data, penalty, seed
        Of the run: a name in ``datasets``, the first penalty μ, and the seed of data and net.

    Attributes
    ----------
    runner : Runner
        Start, Pause, Step, Reset; the count of steps.
    model : nn.Sequential
        The net, 2-32-32-1 with tanh, as it stands.

    Raises
    ------
    TypeError, ValueError
        If an option is out of its range; the message names it and the range.
    """

    curves_every = 0.0

    def __init__(
        self, way: str = FIXED, *, samples: int = 200, data: str = "signed_xor", penalty: float = 1.0, seed: int = 0
    ) -> None:
        self.samples = Whole(1, 10_000).check("samples", samples)
        controls: dict[str, Any] = {
            "way": choice("What moves", list(WAYS), width="360px"),
            "data": choice("Data", PLANE),
            "penalty": log_slider("Penalty μ, at first", 1.0, -1, 2, live=False),
            "seed": whole("Seed", 0, 0, 10**6),
        }
        set_controls(controls, {"way": way, "data": data, "penalty": penalty, "seed": seed})
        super().__init__(controls)

    def _unit(self) -> str:
        return "outer step" if self.controls["way"].value == FIXED else "epoch"

    def _begin(self) -> tuple[Iterator[Any], int]:
        way, seed, penalty = (self.controls[name].value for name in ("way", "seed", "penalty"))
        train, test = datasets[self.controls["data"].value][:2]
        self.training_set, self.test_set = train(samples=self.samples, seed=seed), test(seed=seed)
        X, Y = self.training_set.X, self.training_set.Y
        self.model = layered_net([2, *[32] * HIDDEN, 1], activation=nn.Tanh, normalize=False, seed=seed)
        if way == FIXED:
            steps: Iterator[Any] = multipliers_at(
                self.model, X, Y, binary_cross_entropy, penalty=penalty, growth=1.0, outer=WAYS[way], inner=50
            )
        else:
            steps = train_constrained(
                self.model, Rprop, binary_cross_entropy, WAYS[way], [(X, Y)], method=METHODS[way], penalty=penalty
            )
        total, unit = WAYS[way], self._unit()
        self._use((total, unit), lambda: ConstraintProgress(HIDDEN, total, unit))
        return steps, total

    def _record(self, count: int) -> None:
        if count:  # before the first step there are no multipliers
            self.picture.record(count, measure(self.model, self.training_set.X, self.training_set.Y, self.step))

    def _draw(self, count: int) -> None:
        self._stop(count)


def measure(model: nn.Sequential, X: Tensor, Y: Tensor, step: Any) -> Measured:
    """Measure a step of constrained training, or of the method of multipliers, against the adjoints at the net itself.

    Notes
    -----
    One forward and one backward pass of the net.
    """
    now = getattr(step, "adjoints", None) or adjoints(model, X, Y, binary_cross_entropy)
    with torch.no_grad():
        net_loss = float(binary_cross_entropy(model(X), Y))
    sizes, adjoint_sizes = ([float(torch.linalg.vector_norm(t)) for t in some] for some in (step.multipliers, now))
    return Measured(
        getattr(step, "loss", net_loss),
        net_loss,
        step.violation,
        sizes,
        adjoint_sizes,
        relative_difference(step.multipliers, now),
        cosine(step.multipliers, now),
    )


def constraint_panel(way: str = FIXED, **setting: Any) -> ConstraintPanel:
    """Make the panel; ``way`` and the settings as in `ConstraintPanel`."""
    return ConstraintPanel(way, **setting)
