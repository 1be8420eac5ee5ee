"""A panel of lecture 04: a net pulled apart, its gaps and its multipliers, while it trains or with the weights fixed.

>>> panel = constraint_panel(samples=50)
>>> picture = panel.run(4)  # without hands; in a notebook, show the panel and press Start
>>> panel.count, panel.error
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
from helpers.plots.constraints import ConstraintProgress, Measured
from helpers.training.constrained import Method, train_constrained
from helpers.training.multipliers import adjoints, cosine, multipliers_at, relative_difference
from helpers.widgets.controls import choice, log_slider, set_controls, whole
from helpers.widgets.trainer import Trainer

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
        otherwise an epoch. The ``model`` is 2-32-32-1 with tanh.
    **options
        What the other controls are to show at first: ``data``, training ``samples`` (1 to 10,000), the first
        ``penalty`` μ (0.1 to 100), the ``seed`` of data and net.
    """

    def __init__(self, way: str = FIXED, **options: Any) -> None:
        controls: dict[str, Any] = {
            "way": choice("What moves", list(WAYS), width="360px"),
            "data": choice("Data", PLANE),
            "samples": whole("Training points", 200, 1, 10_000, width="190px"),
            "penalty": log_slider("Penalty μ, at first", 1.0, -1, 2, live=False),
            "seed": whole("Seed", 0, 0, 10**6),
        }
        super().__init__(set_controls(controls, {"way": way, **options}))

    def _begin(self, way: str, data: str, samples: int, penalty: float, seed: int) -> tuple[Iterator[Any], int]:
        self.training_set = datasets[data].train(samples=samples, seed=seed)
        total, self.unit = WAYS[way], "outer step" if way == FIXED else "epoch"
        X, Y = self.training_set.X, self.training_set.Y
        self.model = layered_net([2, *[32] * HIDDEN, 1], activation=nn.Tanh, normalize=False, seed=seed)
        self._use((total, self.unit), lambda: ConstraintProgress(HIDDEN, total, self.unit))
        if way == FIXED:
            method: dict[str, Any] = {"penalty": penalty, "growth": 1.0, "outer": total, "inner": 50}
            return multipliers_at(self.model, X, Y, binary_cross_entropy, **method), total
        loss, batches = binary_cross_entropy, [(X, Y)]
        return train_constrained(self.model, Rprop, loss, total, batches, method=METHODS[way], penalty=penalty), total

    def _record(self, count: int) -> None:
        if count:  # before the first step there are no multipliers
            self.picture.record(count, measure(self.model, self.training_set.X, self.training_set.Y, self.last))


def measure(model: nn.Sequential, X: Tensor, Y: Tensor, step: Any) -> Measured:
    """Measure a step, of training or of the method of multipliers, against the adjoints at the net itself."""
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


def constraint_panel(way: str = FIXED, **options: Any) -> ConstraintPanel:
    """Make the panel; its options are those of `ConstraintPanel`."""
    return ConstraintPanel(way, **options)
