"""Learning rules as generators: pull one epoch at a time, look at the model in between, stop whenever you like.

``RULES`` names them; each entry is called alike:
``rule(model, optimizer, hidden_criterion, criterion, epochs, batches, train_decoders=, step=, seed=)``.
"""

from __future__ import annotations

from helpers.training.alternatives import (
    feedback_alignment,
    forward_forward,
    local_losses,
    locally_optimize_damped,
    locally_optimize_window,
    signal_propagation,
)
from helpers.training.backprop import BackpropStep, backprop_optimize
from helpers.training.constrained import ConstrainedStep, train_constrained
from helpers.training.evaluation import accuracy, average_loss, layer_scores, predictor
from helpers.training.layers import fit_decoders, make_decoders, make_encoders
from helpers.training.local import (
    ParallelStep,
    SequentialStep,
    locally_optimize,
    locally_optimize_parallel,
)
from helpers.training.loop import TrainingError
from helpers.training.multipliers import MultiplierStep, adjoints, cosine, multipliers_at, relative_difference
from helpers.training.rules import RULES

__all__ = [
    "RULES",
    "BackpropStep",
    "ConstrainedStep",
    "MultiplierStep",
    "ParallelStep",
    "SequentialStep",
    "TrainingError",
    "accuracy",
    "adjoints",
    "average_loss",
    "backprop_optimize",
    "cosine",
    "feedback_alignment",
    "fit_decoders",
    "forward_forward",
    "layer_scores",
    "local_losses",
    "locally_optimize",
    "locally_optimize_damped",
    "locally_optimize_parallel",
    "locally_optimize_window",
    "make_decoders",
    "make_encoders",
    "multipliers_at",
    "predictor",
    "relative_difference",
    "signal_propagation",
    "train_constrained",
]
