"""The learning rules by name, all called alike: what panels, sweeps and races offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from helpers.training.alternatives import (
    feedback_alignment,
    forward_forward,
    local_losses,
    locally_optimize_damped,
    locally_optimize_window,
    signal_propagation,
)
from helpers.training.arguments import Criterion, OptimizerFactory
from helpers.training.backprop import backprop_optimize
from helpers.training.constrained import train_constrained
from helpers.training.local import locally_optimize, locally_optimize_parallel

Rule = Callable[..., Iterator[Any]]


def _without_hidden(train: Rule, **chosen: Any) -> Rule:
    """Call a rule as the local rules are called, one that has no use for ``hidden_criterion``."""

    def rule(
        model: nn.Sequential, optimizer: OptimizerFactory, hidden_criterion: Criterion, *rest: Any, **options: Any
    ) -> Iterator[Any]:
        return train(model, optimizer, *rest, **{**chosen, **options})

    return rule


RULES: dict[str, Rule] = {
    "back-propagation": _without_hidden(backprop_optimize),
    "local, parallel": locally_optimize_parallel,
    "local, sequential": locally_optimize,
    "local, window": locally_optimize_window,
    "local, damped": locally_optimize_damped,
    "local losses, pred": _without_hidden(local_losses, signal="pred"),
    "local losses, sim": _without_hidden(local_losses, signal="sim"),
    "local losses, predsim": _without_hidden(local_losses, signal="predsim"),
    "feedback alignment": _without_hidden(feedback_alignment),
    "direct feedback alignment": _without_hidden(feedback_alignment, direct=True),
    "forward-forward": _without_hidden(forward_forward),
    "signal propagation": _without_hidden(signal_propagation),
    "constrained, penalty": _without_hidden(train_constrained, method="penalty"),
    "constrained, augmented Lagrangian": _without_hidden(train_constrained, method="augmented_lagrangian"),
    "constrained, ADMM": _without_hidden(train_constrained, method="admm"),
}
