"""Every panel of the lectures: the cell that makes it."""

from __future__ import annotations

WIDGETS = "import torch\ntorch.set_num_threads(1)\nfrom helpers.widgets"
RULES = "'local losses, predsim', 'direct feedback alignment', 'forward-forward', 'signal propagation'"
TWO = "'back-propagation', 'local, parallel'"
PANELS = {
    "00_tangent": f"{WIDGETS} import tangent_panel\npanel = tangent_panel(lambda x: x * x)",
    "01_descent": f"{WIDGETS}.derivatives import descent_panel\npanel = descent_panel()",
    "01_dual": f"{WIDGETS}.derivatives import dual_panel\npanel = dual_panel()",
    "01_expression": f"{WIDGETS}.derivatives import expression_panel\npanel = expression_panel()",
    "01_secant": f"{WIDGETS}.derivatives import secant_panel\npanel = secant_panel()",
    "02_scalar_net": f"{WIDGETS}.scalar_net import ScalarNetPanel\npanel = ScalarNetPanel()",
    "02_stepper": f"{WIDGETS} import Stepper\npanel = Stepper('log(x1) + x1*x2 - sin(x2)', at='x1 = 2, x2 = 5')",
    "03_jacobians": f"{WIDGETS}.jacobians import jacobian_panel\npanel = jacobian_panel()",
    "04_cycles": f"{WIDGETS}.lagrange import cycle_panel\npanel = cycle_panel()",
    "04_constraints": f"{WIDGETS}.lagrange import ConstraintPanel\npanel = ConstraintPanel()",
    "05_purification": f"{WIDGETS}.idempotent import idempotent_panel\npanel = idempotent_panel()",
    "05_idempotent_nets": f"{WIDGETS}.idempotent import IdempotentPanel\npanel = IdempotentPanel(epochs=200)",
    "06_gradient_graphs": f"{WIDGETS}.gradient_graphs import gradient_graph_panel\npanel = gradient_graph_panel()",
    "07_training": f"{WIDGETS} import TrainingPanel\npanel = TrainingPanel()",
    "07_side_by_side": f"{WIDGETS} import TrainingPanel\npanel = TrainingPanel([{TWO}])",
    "08_signals": f"{WIDGETS} import TrainingPanel\npanel = TrainingPanel([{RULES}])",
    "09_playground": f"{WIDGETS}.playground import Playground\npanel = Playground()",
}
