"""Learning rules as generators: pull one epoch at a time, look at the model in between, stop whenever you like.

``RULES`` names them; each entry is called alike:
``rule(model, optimizer, hidden_criterion, criterion, epochs, batches, train_decoders=, step=, seed=)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from helpers.training.arguments import Criterion, OptimizerFactory
from helpers.training.backprop import BackpropStep, backprop_optimize
from helpers.training.evaluation import Batches, accuracy, average_loss, layer_scores, predictor
from helpers.training.layers import fit_decoders, make_decoders, make_encoders
from helpers.training.local import (
    ParallelStep,
    SequentialStep,
    locally_optimize,
    locally_optimize_parallel,
)
from helpers.training.loop import TrainingError

__all__ = [
    "RULES",
    "BackpropStep",
    "ParallelStep",
    "SequentialStep",
    "TrainingError",
    "accuracy",
    "average_loss",
    "backprop_optimize",
    "fit_decoders",
    "layer_scores",
    "locally_optimize",
    "locally_optimize_parallel",
    "make_decoders",
    "make_encoders",
    "predictor",
]


def _backprop_rule(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    hidden_criterion: Criterion,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    **options: Any,
) -> Iterator[BackpropStep]:
    return backprop_optimize(model, optimizer, criterion, epochs, batches, **options)


RULES: dict[str, Callable[..., Iterator[Any]]] = {
    "back-propagation": _backprop_rule,
    "local, parallel": locally_optimize_parallel,
    "local, sequential": locally_optimize,
}
