"""What readers touch: panels with buttons over training generators and live pictures.

A name is imported when it is asked for: who steps through a graph does not wait for torch.
"""

from importlib import import_module
from typing import Any

HOMES = {
    "ConstraintPanel": "lagrange",
    "Explorer": "panel",
    "IdempotentPanel": "idempotent",
    "Playground": "playground",
    "ScalarNetPanel": "scalar_net",
    "Stepper": "stepper",
    "TrainingPanel": "playground",
    "cycle_panel": "lagrange",
    "descent_panel": "derivatives",
    "dual_panel": "derivatives",
    "expression_panel": "derivatives",
    "gradient_graph_panel": "gradient_graphs",
    "idempotent_panel": "idempotent",
    "jacobian_panel": "jacobians",
    "predict": "questions",
    "predictions": "questions",
    "secant_panel": "derivatives",
    "table": "tables",
    "tangent_panel": "tangents",
}
__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(HOMES)}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(HOMES)
