"""What readers touch: panels with buttons over training generators and live pictures."""

from helpers.widgets.explorer import Explorer
from helpers.widgets.formulas import formula_panel
from helpers.widgets.jacobians import jacobian_panel
from helpers.widgets.panels import TrainingPanel
from helpers.widgets.runner import Runner
from helpers.widgets.scalar_net import ScalarNetPanel
from helpers.widgets.step_sizes import step_size_panel

__all__ = [
    "Explorer",
    "Runner",
    "ScalarNetPanel",
    "TrainingPanel",
    "formula_panel",
    "jacobian_panel",
    "step_size_panel",
]
