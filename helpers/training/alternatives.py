"""Other learning signals than a gradient from the output: local losses, feedback alignment, two forward passes.

Each is a generator like the other rules, and has a name in ``RULES``. What flows where:

- `local_losses`: each block has heads of its own; nothing flows between blocks but activity.
- `feedback_alignment`: the error comes down through fixed random matrices, block by block or straight from the output.
- `forward_forward`: true and wrong labels go forward with the input; each block learns to tell them apart.
- `signal_propagation`: the target goes forward as the input does; each block learns to make them meet.
- `locally_optimize_window`, `locally_optimize_damped`: between the parallel and the sequential local rule.
"""

from __future__ import annotations

from helpers.training.damped import DampedStep, locally_optimize_damped
from helpers.training.feedback import FeedbackStep, feedback_alignment
from helpers.training.forward_forward import ForwardForwardStep, forward_forward
from helpers.training.local_losses import local_losses, similarity_loss
from helpers.training.signal_propagation import SignalStep, signal_propagation
from helpers.training.window import WindowStep, locally_optimize_window

__all__ = [
    "DampedStep",
    "FeedbackStep",
    "ForwardForwardStep",
    "SignalStep",
    "WindowStep",
    "feedback_alignment",
    "forward_forward",
    "local_losses",
    "locally_optimize_damped",
    "locally_optimize_window",
    "signal_propagation",
    "similarity_loss",
]
