"""The controls of the playground: one for each field of its state, and four for the rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from helpers.options import OneOf, Real, Whole
from helpers.training import RULES
from helpers.training.runs import Run, declared
from helpers.widgets.controls import choice, log_slider, slider, text_box, whole

NONE = "none"
ROWS = (
    ("data", "noise", "samples"),
    ("hidden", "activation", "normalize"),
    ("rule 1", "rule 2", "rule 3", "rule 4", "equal"),
    ("optimizer", "rate", "seed", "epochs"),
    ("layer", "unit"),
)


@dataclass(frozen=True)
class State(Run):
    """All that a picture of the playground depends on, but for the epochs trained so far: a run, and what is shown.

    ``layer`` and ``unit`` are the hidden unit that is shown large, both counted from 1.
    """

    layer: int = declared(1, Whole(1, 4))
    unit: int = declared(1, Whole(1, 100))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer > len(self.hidden) or self.unit > self.hidden[self.layer - 1]:
            raise ValueError(
                f"layer and unit must be in the net of hidden widths {'-'.join(map(str, self.hidden))}, got "
                f"layer {self.layer}, unit {self.unit}"
            )


OPTIONS = State.options()
MOST_RULES = 4


def make_controls() -> dict[str, Any]:
    """Make them, each at its field's default and of its field's range."""

    def ends_of(name: str) -> tuple[Any, Any]:
        option = OPTIONS[name]
        assert isinstance(option, Whole | Real)
        return option.low, option.high

    def pick(name: str, text: str) -> Any:
        option = OPTIONS[name]
        assert isinstance(option, OneOf)
        return choice(text, list(option.values))

    def bar(name: str, text: str, step: float = 1, live: bool = False) -> Any:
        low, high = ends_of(name)
        return slider(text, getattr(State, name), low, high, step, show=".2f" if step < 1 else "", live=live)

    def box(name: str, text: str) -> Any:
        low, high = ends_of(name)
        return whole(text, getattr(State, name), low, high, width="190px")

    return {
        "data": pick("data", "Data"),
        "noise": bar("noise", "Noise σ", 0.05),
        "samples": bar("samples", "Training points", 10),
        "hidden": text_box("Hidden blocks (units of each, such as 32-32-32)", "", width="420px"),
        "activation": pick("activation", "Activation"),
        "normalize": choice("Rows scaled to length 1", [("yes", True), ("no", False)]),
        "rule 1": choice("Rule 1", list(RULES), width="270px"),
        **{f"rule {i}": choice(f"Rule {i}", [NONE, *RULES], width="270px") for i in range(2, MOST_RULES + 1)},
        "equal": pick("equal", "A race at equal"),
        "optimizer": pick("optimizer", "Optimiser"),
        "rate": log_slider("Learning rate η", State.rate, *map(math.log10, ends_of("rate")), live=False),
        "seed": box("seed", "Seed"),
        "epochs": box("epochs", "Budget (epochs)"),
        "layer": bar("layer", "Shown large: layer", live=True),
        "unit": bar("unit", "and unit", live=True),
    }
