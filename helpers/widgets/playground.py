"""The playground: any labelled data, any small net, any rule or a race of up to four; its whole state is one text.

>>> panel = Playground.from_text("data=moons; hidden=8-8; epochs=4")
>>> picture = panel.run()  # without hands; in a notebook, show the panel and press Start
>>> panel.count, panel.error, panel.text == Playground.from_text(panel.text).text
(4, None, True)
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ipywidgets import HTML

from helpers.options import Each, OneOf, Whole, known
from helpers.plots import LayerProgress
from helpers.plots.playground import PlaygroundPicture
from helpers.training.layers import Scores
from helpers.training.runs import Outcome, Race, Run, Session, declared
from helpers.widgets.controls import buttons, choice, log_slider, row, slider, status_line, text_box, whole
from helpers.widgets.panel import post
from helpers.widgets.trainer import Trainer, command

MEASURED = 300  # points of each set on which the curves are measured
SIZES = {1: 64, 2: 48, 3: 40, 4: 40}  # grid points per side of a field, by the number of rules
MIME = {"png": "image/png", "svg": "image/svg+xml"}
NONE = "none"
ROWS = (
    {"data": "Data", "noise": "Noise σ", "samples": "Training points"},
    {"hidden": "Hidden blocks (units of each)", "activation": "Activation", "normalize": "Rows scaled to length 1"},
    {"rule 1": "Rule 1", "rule 2": "Rule 2", "rule 3": "Rule 3", "rule 4": "Rule 4", "equal": "A race at equal"},
    {"optimizer": "Optimiser", "rate": "Learning rate η", "seed": "Seed", "epochs": "Budget (epochs)"},
    {"layer": "Shown large: layer", "unit": "and unit"},
)
STEPS = {"noise": 0.05, "samples": 10}  # of the sliders; 1 of the others


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
            net, got = _widths(self.hidden), f"layer {self.layer}, unit {self.unit}"
            raise ValueError(f"layer and unit must be in the net of hidden widths {net}, got {got}")


OPTIONS = State.options()


def _widths(hidden: Sequence[int]) -> str:
    return "-".join(map(str, hidden))


def make_control(name: str, text: str) -> Any:
    """Make the control of a field of the state, at its default and of its range; or of one of the four rules."""
    if name.startswith("rule"):
        return choice(text, [*[NONE] * (name != "rule 1"), *OPTIONS["rules"].option.values], width="270px")
    option, default = OPTIONS[name], getattr(State, name)
    if isinstance(option, Each):
        return text_box(text, _widths(default), "360px")
    if isinstance(option, OneOf):
        return choice(text, [("yes", True), ("no", False)] if default is True else list(option.values))
    if name in ("seed", "epochs"):
        return whole(text, default, option.low, option.high, width="190px")
    if name == "rate":
        return log_slider(text, default, math.log10(option.low), math.log10(option.high), live=False)
    show = ".2f" if isinstance(default, float) else ""
    return slider(text, default, option.low, option.high, STEPS.get(name, 1), show=show, live=name in ROWS[-1])


class Playground(Trainer[LayerProgress]):
    """Choose data, net, rules and budget, press Start, and watch every layer and its hidden units learn.

    Parameters
    ----------
    **state
        The fields of `State`, where they are to differ from the defaults; what does not fit is refused by name.

    Attributes
    ----------
    state : State
        What the controls say.
    race : Race
        The runs as they stand; its ``sessions``, one per rule, hold models and data.
    """

    rows: Sequence[dict[str, str]] = ROWS
    kind: type[LayerProgress] = PlaygroundPicture
    size: int | None = None  # of the grid, where it is not that of `SIZES`

    def __init__(self, **state: Any) -> None:
        known(state, OPTIONS)
        self.state = State(**state)
        self.quiet = False  # whether controls follow the state
        self.line = text_box("State (copy it; paste one and press Enter)", "", width="calc(100% - 4px)")
        self.refusal, self.export = HTML(), HTML()
        controls = {name: make_control(name, text) for names in self.rows for name, text in names.items()}
        self._follow(controls)
        super().__init__(controls, [row(controls[name] for name in names) for names in self.rows])
        tips = {"Code": "The same training as Python code", "PNG": "The figure as pixels", "SVG": "The figure as lines"}
        exports = [(name, "", tip, partial(self.offer, name)) for name, tip in tips.items()]
        offers = buttons(exports, lambda offer: post(self.loop, lambda: self._try(offer)))
        self._lay_out(self.line, self.refusal, *self.player)
        self.box.children = [*self.box.children, row([HTML("Export:"), *offers.values()]), self.export]
        self.line.observe(lambda _: None if self.quiet else self._try(lambda: self.apply(self.line.value)), "value")

    @classmethod
    def from_text(cls, text: str) -> Playground:
        """Make the playground that a text describes; what is no state is refused by the part that is wrong."""
        return cls(**vars(State.from_text(text)))

    @property
    def text(self) -> str:
        """The whole state as a short text: equal texts give equal pictures, a race at equal seconds excepted."""
        return self.state.text

    @property
    def sessions(self) -> list[Session]:
        """The runs as they stand, one per rule: models, data."""
        return self.race.sessions

    def apply(self, text: str) -> None:
        """Begin again with the state that a text describes; after a TypeError or ValueError nothing has changed."""
        self._take(State.from_text(text))

    def code(self) -> str:
        """Return Python code that trains the same nets without the panel and gets the same numbers."""
        return self.race.code()

    def outcomes(self) -> list[Outcome]:
        """Measure where each rule stands, on all points of both sets."""
        return self.race.outcomes()

    def predict(self, X: Any) -> list[Scores]:
        """Return the answers (n, k) of every layer of every net, in one list."""
        return [scores for session in self.sessions for scores in session.predict(X)]

    def offer(self, name: str) -> None:
        """Show the code ("Code"), or a link that saves the figure ("PNG", "SVG"), below the buttons."""
        if name == "Code":
            self.export.value = f'<pre style="user-select:all">{html.escape(self.code())}</pre>'
            return
        assert isinstance(self.picture, PlaygroundPicture)
        kind = name.lower()
        link = f"data:{MIME[kind]};base64,{base64.b64encode(self.picture.file(kind)).decode()}"
        self.export.value = f'<a download="playground.{kind}" href="{link}">Save playground.{kind}</a>'

    # From the controls to the state, and back: from any thread.

    def _try(self, action: Callable[[], None]) -> None:
        """Do what a reader asks for, or say why not."""
        try:
            action()
        except Exception as error:
            self.refusal.value = status_line(f"Nothing has changed: {error}.", "alert")

    def _changed(self, name: str) -> None:
        if not self.quiet:
            self._try(lambda: self._adopt(name))

    def _adopt(self, name: str) -> None:
        """Take over what one control says; its neighbours follow where they must."""
        value: Any = self.controls[name].value
        if name.startswith("rule"):
            chosen = [control.value for key, control in self.controls.items() if key.startswith("rule")]
            name, value = "rules", tuple(dict.fromkeys(rule for rule in chosen if rule != NONE))
        elif name == "hidden":
            value = State.from_text(f"hidden={value}").hidden
        now = vars(self.state) | {name: float(f"{value:.3g}") if isinstance(value, float) else value}
        now["layer"] = min(now["layer"], len(now["hidden"]))
        now["unit"] = min(now["unit"], now["hidden"][now["layer"] - 1])
        self._take(State(**now))

    def _take(self, state: State) -> None:
        """Make a state the present one; only another unit to look at leaves the training as it is."""
        before, self.state = self.state, state
        self._follow(self.controls)
        if replace(before, layer=1, unit=1) == replace(state, layer=1, unit=1):
            self._look_at(state.layer, state.unit)
        else:
            super()._changed("state")

    def _follow(self, controls: dict[str, Any]) -> None:
        """Let controls and text say what the state says."""
        self.quiet = True
        for name, control in controls.items():
            if name.startswith("rule"):
                control.value = dict(enumerate(self.state.rules, start=1)).get(int(name[-1]), NONE)
            else:
                value = getattr(self.state, name)
                control.value = _widths(value) if name == "hidden" else value
        self.line.value, self.refusal.value = self.state.text, ""
        self.quiet = False

    @command
    def _look_at(self, layer: int, unit: int) -> None:
        self.looked_at = (layer, unit)

    # What follows runs on the loop only.

    def _begin(self, **_: Any) -> tuple[Iterator[Any], int]:
        """Build the runs that the state describes, and the picture if it no longer fits them."""
        state = self.state
        self.race = race = Race(state)
        self.looked_at = (state.layer, state.unit)
        rows, first = state.rules if len(state.rules) > 1 else None, self.sessions[0]
        size, unit = self.size or SIZES[len(state.rules)], "update" if state.equal == "updates" else "epoch"
        self.unit = unit
        self._use(
            (state.data, state.noise, state.samples, state.seed, len(state.hidden), rows, race.total, unit),
            lambda: self.kind(
                first.training_set, first.test_set, len(first.model), rules=state.rules, total=race.total, size=size,
                measured=MEASURED, x_label=unit,
            ),
        )  # fmt: skip
        if isinstance(self.picture, PlaygroundPicture):
            self.picture.heading.set_text(f"{state.data}: {f'race at {state.words}' if rows else state.rules[0]}")
        return iter(race), race.total

    def _record(self, count: int) -> None:
        self.picture.record(count, self.predict)

    def _move(self, still: bool) -> None:
        """Draw the fields and the unit that is shown large; where a reader stops does not change the curves."""
        picture = self.picture
        if still:
            picture.measure(self.predict)
        picture.fill(self.predict(picture.grid.points) if picture.grid else [])
        if isinstance(picture, PlaygroundPicture):
            # without thumbnails the layers above the one that is shown need not be worked out
            layers = None if picture.small else self.looked_at[0]
            picture.look([session.units(picture.probes, layers) for session in self.sessions], *self.looked_at)


class TrainingPanel(Playground):
    """Watch the boundary of every layer move while a net trains: the playground with fewer controls.

    Parameters
    ----------
    rule : str or sequence of str
        One rule, which the reader can then change, or several, which train side by side from the same start.
    size : int
        Grid points per side of each field, 64 or, slower and finer, 100.
    **run
        The other fields of `Run`, here with the net of the document and 1000 samples unless told. Those without a
        control (noise, samples, normalize, equal) stay as they are given. What does not fit is refused by name.
    """

    kind = LayerProgress

    def __init__(self, rule: str | Sequence[str] = "local, parallel", *, size: int = 64, **run: Any) -> None:
        known(run, Run.options())
        rules = OPTIONS["rules"].check("rule", (rule,) if isinstance(rule, str) else rule)
        self.size = OneOf((64, 100)).check("size", size)
        first = {"data": "Data", "rule 1": "Rule", "hidden": ROWS[1]["hidden"], "activation": "Activation"}
        if len(rules) > 1:
            del first["rule 1"]
        self.rows = (first, ROWS[3])
        super().__init__(rules=rules, **{"hidden": (100, 100, 10), "samples": 1000, **run})
        self._lay_out(self.refusal, *self.player)
