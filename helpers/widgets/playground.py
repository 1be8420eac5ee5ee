"""The playground: any labelled data, any small net, any rule or a race of up to four; its whole state is one text.

>>> panel = Playground.from_text("data=moons; hidden=8-8; epochs=4")
>>> picture = panel.run()  # without hands; in a notebook, show the panel and press Start
>>> panel.runner.count, panel.error, panel.text == Playground.from_text(panel.text).text
(4, None, True)
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ipywidgets import HTML, VBox

from helpers.options import Each, OneOf, Whole, known
from helpers.plots import LayerProgress
from helpers.plots.playground import PlaygroundPicture
from helpers.training.layers import Scores
from helpers.training.runs import Outcome, Race, Run, Session, declared
from helpers.widgets.controls import buttons, choice, log_slider, row, slider, status_line, text_box, whole
from helpers.widgets.panel import post
from helpers.widgets.runner import Trainer

MEASURED = 300  # points of each set on which the curves are measured
SIZES = {1: 64, 2: 48, 3: 40, 4: 40}  # grid points a side of a field, by the number of rules
MIME = {"png": "image/png", "svg": "image/svg+xml"}
NONE = "none"
MOST_RULES = 4
NETS: dict[str, dict[str, Any]] = {
    "100-100-10 Mish": {"hidden": (100, 100, 10), "activation": "Mish", "normalize": True},
    "32-32-32 tanh": {"hidden": (32, 32, 32), "activation": "tanh", "normalize": False},
    "16-16 tanh": {"hidden": (16, 16), "activation": "tanh", "normalize": False},
}
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
            raise ValueError(
                f"layer and unit must be in the net of hidden widths {_widths(self.hidden)}, got "
                f"layer {self.layer}, unit {self.unit}"
            )


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
        The fields of `State`, where they are to differ from the defaults.

    Attributes
    ----------
    state : State
        What the controls say.
    race : Race
        The runs as they stand; its ``sessions``, one per rule, hold models and data.
    runner : Runner
        Start, Pause, Step, Reset; the count of epochs.

    Raises
    ------
    TypeError, ValueError
        If a name is not known or a number is out of its range; the message names it.
    """

    rows: Sequence[dict[str, str]] = ROWS
    size: int | None = None  # of the grid, where it is not that of `SIZES`

    def __init__(self, **state: Any) -> None:
        known(state, OPTIONS)
        self.state = State(**state)
        self.quiet = self.pending = False  # whether controls follow the state; whether a reset has been asked for
        controls = {name: make_control(name, text) for names in self.rows for name, text in names.items()}
        self.line = text_box("State (copy it; paste one and press Enter)", "", width="calc(100% - 4px)")
        self.refusal, self.export = HTML(), HTML()
        self._follow(controls)
        rows = [row(controls[name] for name in names) for names in self.rows]
        super().__init__(controls, [*rows, self.line, self.refusal])
        exports = (
            ("Code", "", "The same training as Python code", lambda: self.offer("Code")),
            ("PNG", "", "The figure as pixels", lambda: self.offer("PNG")),
            ("SVG", "", "The figure as lines", lambda: self.offer("SVG")),
        )
        offers = row([HTML("Export:"), *buttons(exports, lambda action: post(self.loop, action)).values()])
        self.box.children = [*self.box.children, VBox([offers, self.export])]
        self.line.observe(self._typed, "value")

    @classmethod
    def from_text(cls, text: str) -> Playground:
        """Make the playground that a text describes.

        Raises
        ------
        TypeError, ValueError
            If the text is no state; the message names the part.
        """
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
        """Take over the state that a text describes, and begin again with it.

        Raises
        ------
        TypeError, ValueError
            If the text is no state. Nothing has then changed.
        """
        self._take(State.from_text(text))

    def code(self) -> str:
        """Return Python code that trains the same nets without the panel and gets the same numbers."""
        return self.race.code()

    def save(self, path: str | Path) -> Path:
        """Write the figure as it is now to a file.

        Raises
        ------
        ValueError
            If the name ends neither in .png nor in .svg.
        """
        place = Path(path)
        place.write_bytes(self._file(place.suffix.removeprefix(".")))
        return place

    def _file(self, kind: str) -> bytes:
        assert isinstance(self.picture, PlaygroundPicture)
        return self.picture.file(kind)

    def offer(self, name: str) -> None:
        """Show the code ("Code"), or a link that saves the figure ("PNG", "SVG"), below the buttons."""
        if name == "Code":
            self.export.value = f'<pre style="user-select:all">{html.escape(self.code())}</pre>'
            return
        kind = name.lower()
        data = base64.b64encode(self._file(kind)).decode()
        self.export.value = (
            f'<a download="playground.{kind}" href="data:{MIME[kind]};base64,{data}">Save playground.{kind}</a>'
        )

    def outcomes(self) -> list[Outcome]:
        """Measure where each rule stands, on all points of both sets."""
        return self.race.outcomes()

    def predict(self, X: Any) -> list[Scores]:
        """Return the answers (n, k) of every layer of every net, in one list."""
        return [scores for session in self.sessions for scores in session.predict(X)]

    # From the controls to the state, and back: from any thread.

    def _changed(self, name: str) -> None:
        """Take over what one control says; its neighbours follow where they must."""
        if self.quiet:
            return
        value: Any = self.controls[name].value
        try:
            if name.startswith("rule"):
                chosen = [control.value for key, control in self.controls.items() if key.startswith("rule")]
                name, value = "rules", tuple(dict.fromkeys(rule for rule in chosen if rule != NONE))
            elif name == "hidden":
                value = State.from_text(f"hidden={value}").hidden
            now = vars(self.state) | {name: float(f"{value:.3g}") if isinstance(value, float) else value}
            now["layer"] = min(now["layer"], len(now["hidden"]))
            now["unit"] = min(now["unit"], now["hidden"][now["layer"] - 1])
            self._take(State(**now))
        except (TypeError, ValueError) as error:
            self.refusal.value = status_line(f"Nothing has changed: {error}.", "alert")

    def _typed(self, change: dict[str, Any]) -> None:
        try:
            if not self.quiet:
                self.apply(change["new"])
        except (TypeError, ValueError) as error:
            self.refusal.value = status_line(f"Nothing has changed: {error}.", "alert")

    def _take(self, state: State) -> None:
        """Make a state the present one; only another unit to look at leaves the training as it is."""
        before, self.state = self.state, state
        self._follow(self.controls)
        if replace(before, layer=1, unit=1) == replace(state, layer=1, unit=1):
            post(self.loop, lambda: self._look_at(state))
        elif not self.pending:
            self.pending = True
            self.runner.reset()

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

    # What follows runs on the loop only.

    def _look_at(self, state: State) -> None:
        self.looked_at = (state.layer, state.unit)
        if self.runner.state != "running" and not self.error:
            self._show(self.runner.count, still=True)

    def _begin(self) -> tuple[Iterator[Any], int]:
        """Build the runs that the state describes, and the picture if it no longer fits them."""
        self.pending, state = False, self.state
        self.race = race = Race(state)
        self.looked_at = (state.layer, state.unit)
        points = (state.data, state.noise, state.samples, state.seed)
        rows = state.rules if len(state.rules) > 1 else None
        self._use((*points, len(state.hidden), rows, race.total, self._unit()), self._make_picture)
        if isinstance(self.picture, PlaygroundPicture):
            self.picture.heading.set_text(f"{state.data}: {f'race at {state.words}' if rows else state.rules[0]}")
        return iter(race), race.total

    def _make_picture(self, kind: type[LayerProgress] = PlaygroundPicture) -> LayerProgress:
        first, rules = self.sessions[0], self.race.run.rules
        size = self.size or SIZES[len(rules)]
        return kind(
            first.training_set, first.test_set, len(first.model), rules=rules, total=self.race.total, size=size,
            measured=MEASURED, x_label=self._unit(),
        )  # fmt: skip

    def _unit(self) -> str:
        return "update" if self.state.equal == "updates" else "epoch"

    def _record(self, count: int) -> None:
        self.picture.record(count, self.predict)

    def _stop(self, count: int) -> None:
        """Measure for titles and words alone: where a reader stops does not change the curves."""
        self.picture.measure(self.predict)

    def _draw(self, count: int) -> None:
        """Draw the fields and the unit that is shown large."""
        picture = self.picture
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
    net : str
        A name in `NETS`; a net of one's own by the fields ``hidden``, ``activation``, ``normalize``.
    **run
        The other fields of `Run`. Those without a control (noise, samples, normalize, equal) stay as they are given.

    Attributes
    ----------
    state, race, runner
        As of a `Playground`.

    Raises
    ------
    TypeError, ValueError
        If an option is not known or out of its range; the message names it and the range.
    """

    def __init__(
        self, rule: str | Sequence[str] = "local, parallel", *, size: int = 64, net: str = "100-100-10 Mish", **run: Any
    ) -> None:
        known(run, Run.options())
        rules = OPTIONS["rules"].check("rule", (rule,) if isinstance(rule, str) else rule)
        self.size = OneOf((64, 100)).check("size", size)
        first = {"data": "Data", "rule 1": "Rule", "hidden": ROWS[1]["hidden"], "activation": "Activation"}
        if len(rules) > 1:
            del first["rule 1"]
        self.rows = (first, ROWS[3])
        super().__init__(rules=rules, **{"samples": 1000, **NETS[OneOf(NETS).check("net", net)], **run})
        self.box.children = [*self.settings[:-2], self.refusal, self.runner.controls, self.place]

    def _make_picture(self, kind: type[LayerProgress] = LayerProgress) -> LayerProgress:
        return super()._make_picture(kind)
