"""Learning rules as generators: pull one epoch at a time, look at the model in between, stop whenever you like.

``RULES`` names them; each entry is called alike:
``rule(model, optimizer, hidden_criterion, criterion, epochs, batches, train_decoders=, step=, seed=)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers.training.constrained import adjoints, cosine, multipliers_at, relative_difference, train_constrained
from helpers.training.feedback import feedback_alignment
from helpers.training.layers import (
    accuracy,
    average_loss,
    fit_decoders,
    layer_scores,
    make_decoders,
    make_encoders,
    predictor,
)
from helpers.training.local import (
    locally_optimize,
    locally_optimize_damped,
    locally_optimize_parallel,
    locally_optimize_window,
)
from helpers.training.rules import Rule, Step, Training, TrainingError, backprop_optimize, train
from helpers.training.signals import forward_forward, local_losses, signal_propagation, similarity_loss

__all__ = [
    "RULES", "Rule", "Step", "Training", "TrainingError", "accuracy", "adjoints", "average_loss", "backprop_optimize",
    "cosine", "feedback_alignment", "fit_decoders", "forward_forward", "layer_scores", "local_losses",
    "locally_optimize", "locally_optimize_damped", "locally_optimize_parallel", "locally_optimize_window",
    "make_decoders", "make_encoders", "multipliers_at", "predictor", "relative_difference", "signal_propagation",
    "similarity_loss", "train", "train_constrained",
]  # fmt: skip


def _without_hidden(train: Callable[..., Training[Any]], **chosen: Any) -> Callable[..., Training[Any]]:
    """Call a rule as the local rules are called, one that has no use for ``hidden_criterion``."""
    return lambda model, optimizer, _, *rest, **options: train(model, optimizer, *rest, **chosen | options)


RULES: dict[str, Callable[..., Training[Any]]] = {
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
