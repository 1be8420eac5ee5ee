"""The learning rules by name, all called alike: what panels, sweeps and races offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from helpers.training.arguments import Criterion, OptimizerFactory
from helpers.training.backprop import BackpropStep, backprop_optimize
from helpers.training.local import locally_optimize, locally_optimize_parallel


def _backprop_rule(
    model: nn.Sequential, optimizer: OptimizerFactory, hidden_criterion: Criterion, *rest: Any, **options: Any
) -> Iterator[BackpropStep]:
    """Call back-propagation as the local rules are called; it has no use for ``hidden_criterion``."""
    return backprop_optimize(model, optimizer, *rest, **options)


RULES: dict[str, Callable[..., Iterator[Any]]] = {
    "back-propagation": _backprop_rule,
    "local, parallel": locally_optimize_parallel,
    "local, sequential": locally_optimize,
}
