"""What readers touch: panels with buttons over training generators and live pictures."""

from helpers.widgets.constraints import ConstraintPanel, constraint_panel
from helpers.widgets.cycles import cycle_panel
from helpers.widgets.explorer import Explorer
from helpers.widgets.gradient_graphs import gradient_graph_panel
from helpers.widgets.idempotent import IdempotentPanel, idempotent_panel
from helpers.widgets.jacobians import jacobian_panel
from helpers.widgets.panels import TrainingPanel
from helpers.widgets.playground import Playground
from helpers.widgets.runner import Runner
from helpers.widgets.scalar_net import ScalarNetPanel
from helpers.widgets.step_sizes import step_size_panel
from helpers.widgets.stepper import Stepper

__all__ = [
    "ConstraintPanel",
    "Explorer",
    "IdempotentPanel",
    "Playground",
    "Runner",
    "ScalarNetPanel",
    "Stepper",
    "TrainingPanel",
    "constraint_panel",
    "cycle_panel",
    "gradient_graph_panel",
    "idempotent_panel",
    "jacobian_panel",
    "step_size_panel",
]
