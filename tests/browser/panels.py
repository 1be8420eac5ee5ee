"""Every panel of the lectures: how a notebook makes it."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A panel: the cell that makes it, whether it trains, and whether a test of its own moves its controls."""

    make: str
    trains: bool = False
    apart: bool = False


WIDGETS = "import torch\ntorch.set_num_threads(1)\nfrom helpers.widgets"
PANELS = {
    "01_step_sizes": Case("from helpers.widgets.step_sizes import step_size_panel\npanel = step_size_panel()"),
    "02_scalar_net": Case(f"{WIDGETS}.scalar_net import ScalarNetPanel\npanel = ScalarNetPanel()", trains=True),
    "02_stepper": Case(
        "from helpers.widgets.stepper import Stepper\n"
        "panel = Stepper('log(x1) + x1*x2 - sin(x2)', at='x1 = 2, x2 = 5')",
        apart=True,
    ),
    "03_jacobians": Case("from helpers.widgets.jacobians import jacobian_panel\npanel = jacobian_panel()"),
    "04_cycles": Case("from helpers.widgets.cycles import cycle_panel\npanel = cycle_panel()"),
    "04_constraints": Case(f"{WIDGETS}.constraints import constraint_panel\npanel = constraint_panel()", trains=True),
    "05_purification": Case(f"{WIDGETS}.idempotent import idempotent_panel\npanel = idempotent_panel()"),
    "05_idempotent_nets": Case(
        f"{WIDGETS}.idempotent import IdempotentPanel\npanel = IdempotentPanel(epochs=200)", trains=True
    ),
    "06_gradient_graphs": Case(
        f"{WIDGETS}.gradient_graphs import gradient_graph_panel\npanel = gradient_graph_panel()"
    ),
    "07_training": Case(f"{WIDGETS} import TrainingPanel\npanel = TrainingPanel(net='16-16 tanh')", trains=True),
    "07_side_by_side": Case(
        f"{WIDGETS} import TrainingPanel\n"
        "panel = TrainingPanel(['back-propagation', 'local, parallel', 'local, sequential'], net='16-16 tanh')",
        trains=True,
    ),
    "08_signals": Case(
        f"{WIDGETS} import TrainingPanel\n"
        "panel = TrainingPanel(['local losses, predsim', 'direct feedback alignment', 'forward-forward', "
        "'signal propagation'], net='16-16 tanh')",
        trains=True,
    ),
}
