"""What a playground can be set to: its state in one text, the control of each field, states to begin with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ipywidgets import BoundedFloatText, Layout

from helpers.datasets import datasets
from helpers.options import Each, OneOf, Whole
from helpers.training.runs import LABELLED, Run, declared
from helpers.widgets.controls import choice, log_slider, slider, text_box, whole

NONE, MINE = "none", "your own points"
PLAIN = "normalize=no; rules=back-propagation"
PRESETS: dict[str, tuple[str, str]] = {  # a state, and a question
    "a first look": ("", "Press Start. Which layer parts the classes first? Click a unit, an edge, a + or a -."),
    "one unit": ("hidden=1; rules=back-propagation", "Why must one unit fail? Add units with +. How few are enough?"),
    "straight lines": (f"data=rings; activation=linear; {PLAIN}", "Why does this fail, and would more layers help?"),
    "too long a step": (
        f"data=moons; activation=tanh; optimizer=SGD; rate=10; {PLAIN}",
        "Why does this fail? Find the largest learning rate that works.",
    ),
    "a signal that fades": (
        f"data=rings; hidden=8-8-8-8; activation=sigmoid; optimizer=SGD; rate=0.3; {PLAIN}",
        "Why does nothing move? Which edges stay as they were? Try another activation, or a local rule.",
    ),
    "learned by heart": (
        "data=moons; noise=0.3; samples=40; hidden=32-32; optimizer=Adam; rate=0.03; epochs=300; "
        "rules=back-propagation",
        "Why do the thin and the thick curves part? What does L2 = 0.01 change? And more points?",
    ),
    "small batches": (
        "data=moons; noise=0.2; batch=10; epochs=50; rules=back-propagation",
        "Rprop looks at signs alone. Why do small batches confuse it, and not Adam?",
    ),
    "a bottleneck": (
        f"data=spirals; hidden=16-1-16; activation=tanh; epochs=400; {PLAIN}",
        "Everything passes through one unit. What does it have to say?",
    ),
    "a race": (
        "data=spirals; rules=back-propagation | local, parallel | local, sequential",
        "Who is first at equal passes? And at equal updates (More)?",
    ),
    "digits": ("data=digits; samples=1000; hidden=16; epochs=100", "Which strokes does each unit look for?"),
}
ROWS: tuple[dict[str, tuple[str, int]], ...] = (
    {
        "data": ("Data", 180), "noise": ("Noise σ", 185), "samples": ("Training points", 240),
        "ratio": ("Train : test", 140), "batch": ("Batch (0: all)", 155),
    },
    {
        "hidden": ("Hidden units", 195), "activation": ("Activation", 155), "rule 1": ("Rule", 200),
        "optimizer": ("Optimiser", 145), "rate": ("Rate η", 215),
    },
    {"layer": ("Unit shown large: layer", 190), "unit": ("unit", 80), "source": ("its weight from (0: bias)", 210)},
    {
        "epochs": ("Budget (epochs)", 180), "seed": ("Seed", 120), "l2": ("L2 (weight decay)", 185),
        "normalize": ("Rows scaled to length 1", 220), "equal": ("A race at equal", 190),
    },
    {"rule 2": ("Rule 2", 300), "rule 3": ("Rule 3", 300), "rule 4": ("Rule 4", 300)},
)  # fmt: skip
HOW = {name: how for names in ROWS for name, how in names.items()}
FEWER = ("data", "rule 1", "hidden", "activation"), ("optimizer", "rate", "seed", "epochs")  # of a TrainingPanel
PICKED = ("layer", "unit", "source")
STEPS = {"noise": 0.05, "samples": 10}  # of the sliders; 1 of the others


@dataclass(frozen=True)
class State(Run):
    """All that a picture of the playground depends on, but for the epochs trained so far: a run, and what is shown.

    The unit that is shown large is number ``unit`` of a ``layer``, the output's included, and ``source`` the unit below
    whose weight is shown, all counted from 1; source 0 is the bias.
    """

    hidden: tuple[int, ...] = declared((8, 8), Run.options()["hidden"])
    layer: int = declared(1, Whole(1, 5))
    unit: int = declared(1, Whole(1, 100))
    source: int = declared(1, Whole(0, 100))

    def __post_init__(self) -> None:
        super().__post_init__()
        widths, picked = self.widths, (self.layer, self.unit, self.source)
        if picked != fitting(widths, *picked):
            net, got = written(widths), "layer {}, unit {}, source {}".format(*picked)
            raise ValueError(f"layer, unit and source must be in the net of widths {net}, got {got}")

    @property
    def widths(self) -> list[int]:
        """Inputs, hidden units, outputs."""
        points = self.points()[0]
        return [points.X.shape[1], *self.hidden, points.Y.shape[1]]


OPTIONS = State.options()


def written(widths: Sequence[int]) -> str:
    """Write the widths of layers as a text has them."""
    return "-".join(map(str, widths))


def fitting(widths: Sequence[int], layer: int, unit: int, source: int) -> tuple[int, int, int]:
    """Return the layer, unit and source of a net that are next to these."""
    layer = min(layer, len(widths) - 1)
    return layer, min(unit, widths[layer]), min(source, widths[layer - 1])


@cache
def thumbnails() -> dict[str, Any]:
    """Return a few points of each data set, as arrays; of digits and own points a sign."""
    sets = {name: datasets[name].train(samples=60) for name in LABELLED if name != "digits"}
    return {name: (points.X.numpy(), points.Y.numpy()) for name, points in sets.items()} | {"digits": "7", MINE: "✎"}


def make_control(name: str, text: str, width: int) -> Any:
    """Make the control of a field of the state, at its default and of its range; or of one of the four rules."""
    wide = f"{width}px"
    if name.startswith("rule"):
        return choice(text, [*[NONE] * (name != "rule 1"), *OPTIONS["rules"].option.values], width=wide)
    option, default = OPTIONS[name], getattr(State, name)
    if isinstance(option, Each):
        return text_box(text, written(default), wide)
    if isinstance(option, OneOf):
        more = [MINE] if name == "data" else []
        return choice(text, [("yes", True), ("no", False)] if default is True else [*option.values, *more], width=wide)
    if isinstance(option, Whole) and name != "samples":
        return whole(text, default, int(option.low), int(option.high), width=wide)
    if name == "l2":
        return sized(BoundedFloatText(description=text, max=option.high, step=0.001), wide)
    if name == "rate":
        control = log_slider(text, default, math.log10(option.low), math.log10(option.high), live=False)
    else:
        show = ".2f" if isinstance(default, float) else ""
        control = slider(text, default, option.low, option.high, STEPS[name], show=show, live=False)
    return sized(control, wide)


def sized(control: Any, width: str) -> Any:
    """Give a control a width."""
    control.layout, control.style.description_width = Layout(width=width), "initial"
    return control
