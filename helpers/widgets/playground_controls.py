"""The controls of the playground: one for each field of its state, and four for the rules."""

from __future__ import annotations

from typing import Any

from helpers.training import RULES
from helpers.training.race import EQUAL, LABELLED, MOST_RULES, RANGES, State
from helpers.training.session import ACTIVATIONS, OPTIMIZERS
from helpers.widgets.controls import choice, log_slider, slider, whole

NONE = "none"
ROWS = (
    ("data", "noise", "samples"),
    ("blocks", "width", "activation", "normalize"),
    ("rule 1", "rule 2", "rule 3", "rule 4", "equal"),
    ("optimizer", "rate", "seed", "epochs"),
    ("layer", "unit"),
)


def make_controls() -> dict[str, Any]:
    """Make them, each at its field's default."""

    def bar(name: str, text: str, step: float = 1, live: bool = False) -> Any:
        low, high = RANGES[name]
        return slider(text, getattr(State, name), low, high, step, show=".2f" if step < 1 else "", live=live)

    def box(name: str, text: str) -> Any:
        low, high = (int(end) for end in RANGES[name])
        return whole(text, getattr(State, name), low, high, width="190px")

    return {
        "data": choice("Data", LABELLED),
        "noise": bar("noise", "Noise σ", 0.05),
        "samples": bar("samples", "Training points", 10),
        "blocks": bar("blocks", "Hidden blocks"),
        "width": bar("width", "Units a block"),
        "activation": choice("Activation", list(ACTIVATIONS)),
        "normalize": choice("Rows scaled to length 1", [("yes", True), ("no", False)]),
        "rule 1": choice("Rule 1", list(RULES), width="270px"),
        **{f"rule {i}": choice(f"Rule {i}", [NONE, *RULES], width="270px") for i in range(2, MOST_RULES + 1)},
        "equal": choice("A race at equal", list(EQUAL)),
        "optimizer": choice("Optimiser", list(OPTIMIZERS)),
        "rate": log_slider("Learning rate η", State.rate, -4, 1, live=False),
        "seed": box("seed", "Seed"),
        "epochs": box("epochs", "Budget (epochs)"),
        "layer": bar("layer", "Shown large: layer", live=True),
        "unit": bar("unit", "and unit", live=True),
    }
