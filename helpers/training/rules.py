"""The learning rules by name, all called alike: what panels, sweeps and races offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import nn

from helpers.training.arguments import Criterion, OptimizerFactory
from helpers.training.backprop import BackpropStep, backprop_optimize
from helpers.training.constrained import ConstrainedStep, train_constrained
from helpers.training.local import locally_optimize, locally_optimize_parallel


def _backprop_rule(
    model: nn.Sequential, optimizer: OptimizerFactory, hidden_criterion: Criterion, *rest: Any, **options: Any
) -> Iterator[BackpropStep]:
    """Call back-propagation as the local rules are called; it has no use for ``hidden_criterion``."""
    return backprop_optimize(model, optimizer, *rest, **options)


def _constrained_rule(
    model: nn.Sequential, optimizer: OptimizerFactory, hidden_criterion: Criterion, *rest: Any, **options: Any
) -> Iterator[ConstrainedStep]:
    """Call constrained training as the local rules are called; it has no use for ``hidden_criterion`` either."""
    return train_constrained(model, optimizer, *rest, **options)


RULES: dict[str, Callable[..., Iterator[Any]]] = {
    "back-propagation": _backprop_rule,
    "local, parallel": locally_optimize_parallel,
    "local, sequential": locally_optimize,
    "constrained, penalty": partial(_constrained_rule, method="penalty"),
    "constrained, augmented Lagrangian": partial(_constrained_rule, method="augmented_lagrangian"),
    "constrained, ADMM": partial(_constrained_rule, method="admm"),
}
