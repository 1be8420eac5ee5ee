"""The playground: any labelled data, any small net, any rule or a race of up to four; its whole state is one text.

>>> panel = Playground.from_text("data=moons; hidden=8-8; epochs=4")
>>> picture = panel.run()  # without hands; in a notebook, show the panel and press Start
>>> panel.runner.count, panel.error, panel.text == Playground.from_text(panel.text).text
(4, None, True)
"""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ipywidgets import HTML, HBox, VBox

from helpers.options import known
from helpers.plots.playground import PlaygroundPicture
from helpers.training.layers import Scores
from helpers.training.runs import Outcome, Race
from helpers.widgets.cells import post
from helpers.widgets.controls import buttons, row, text_box
from helpers.widgets.live_panel import LivePanel
from helpers.widgets.playground_controls import MOST_RULES, NONE, ROWS, State, make_controls
from helpers.widgets.runner import PART

POINTS = 60  # of each curve: measured at fixed epochs, so that equal states give equal curves
CURVES_EVERY = 1.0  # seconds between two drawings of curves, titles and thumbnails
MEASURED = 300  # points of each set on which the curves are measured
SIZES = {1: 64, 2: 48, 3: 40, 4: 40}  # grid points a side of a field, by the number of rules
MIME = {"png": "image/png", "svg": "image/svg+xml"}
Seen = tuple[list[Scores], list[list[Scores]], tuple[int, int]]  # fields, units, and which of them is picked


class Playground(LivePanel[PlaygroundPicture]):
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
        The runs as they stand.
    runner : Runner
        Start, Pause, Step, Reset; the count of epochs.

    Raises
    ------
    TypeError, ValueError
        If a name is not known or a number is out of its range; the message names it.
    """

    def __init__(self, **state: Any) -> None:
        known(state, [field.name for field in fields(State)])
        self.state = State(**state)
        self.quiet = self.pending = False  # whether controls follow the state; whether a reset has been asked for
        self.next_curves = 0.0
        controls = make_controls()
        self.line = text_box("State (copy it; paste one and press Enter)", "", width="calc(100% - 4px)")
        self.refusal, self.export = HTML(), HTML()
        rows = [row(controls[name] for name in names) for names in ROWS]
        super().__init__({}, [*rows, self.line, self.refusal])
        self.controls = controls
        self.box.children = [*self.box.children, VBox([self._exports(), self.export])]
        self._follow()
        for name, control in controls.items():
            control.observe(lambda _, name=name: self._changed(name), "value")
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
        place.write_bytes(self._picture.file(place.suffix.removeprefix(".")))
        return place

    def outcomes(self) -> list[Outcome]:
        """Measure where each rule stands, on all points of both sets."""
        return self.race.outcomes()

    # From the controls to the state, and back: from any thread.

    def _changed(self, name: str) -> None:
        """Take over what one control says; its neighbours follow where they must."""
        if self.quiet:
            return
        value: Any = self.controls[name].value
        if name.startswith("rule"):
            chosen = [self.controls[f"rule {i + 1}"].value for i in range(MOST_RULES)]
            name, value = "rules", tuple(dict.fromkeys(rule for rule in chosen if rule != NONE))
        try:
            if name == "hidden":
                value = State.from_text(f"hidden={value}").hidden
            now = vars(self.state) | {name: float(f"{value:.3g}") if isinstance(value, float) else value}
            now["layer"] = min(now["layer"], len(now["hidden"]))
            now["unit"] = min(now["unit"], now["hidden"][now["layer"] - 1])
            state = State(**now)
        except (TypeError, ValueError) as error:
            self._refuse(error)
        else:
            self._take(state)

    def _typed(self, change: dict[str, Any]) -> None:
        if self.quiet:
            return
        try:
            self.apply(change["new"])
        except (TypeError, ValueError) as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        """Say why what was typed is not taken over."""
        words = html.escape(f"Nothing has changed: {error}.")
        self.refusal.value = f'<p role="alert" style="color:#a33b00;font-size:1.1em">{words}</p>'

    def _take(self, state: State) -> None:
        """Make a state the present one; only another unit to look at leaves the training as it is."""
        before, self.state = self.state, state
        self._follow()
        if replace(before, layer=1, unit=1) == replace(state, layer=1, unit=1):
            self._post(lambda: self._look_at(state))
        elif not self.pending:
            self.pending = True
            self.runner.reset()

    def _follow(self) -> None:
        """Let controls and text say what the state says."""
        self.quiet = True
        for i in range(MOST_RULES):
            self.controls[f"rule {i + 1}"].value = self.state.rules[i] if i < len(self.state.rules) else NONE
        for name, control in self.controls.items():
            if not name.startswith("rule"):
                value = getattr(self.state, name)
                control.value = "-".join(map(str, value)) if name == "hidden" else value
        self.line.value, self.refusal.value = self.state.text, ""
        self.quiet = False

    def _post(self, action: Callable[[], None]) -> None:
        """Let the loop do something, between two steps."""
        post(self.runner.loop, action)

    # What follows runs on the loop only.

    def _look_at(self, state: State) -> None:
        self.looked_at = (state.layer, state.unit)
        if self.runner.state != "running" and not self.error:
            self._show(self.runner.count, None)

    def _begin(self) -> tuple[Iterator[Any], int]:
        """Build the runs that the state describes, and the picture if it no longer fits them."""
        self.pending, state = False, self.state
        self.race = race = Race(state)
        first, several = race.sessions[0], len(state.rules) > 1
        self.looked_at = (state.layer, state.unit)
        same = replace(
            state,
            activation="tanh",
            normalize=True,
            optimizer="Adam",
            rate=1.0,
            hidden=(100,) * len(state.hidden),
            layer=1,
            unit=1,
            rules=state.rules if several else ("local, parallel",),
        )

        def make() -> PlaygroundPicture:
            return PlaygroundPicture(
                first.training_set, first.test_set, len(first.model), rules=state.rules, total=race.total,
                size=SIZES[len(state.rules)], measured=MEASURED, x_label=self._unit(),
            )  # fmt: skip

        self._use(same, make)
        self._picture.heading.set_text(f"{state.data}: {f'race at {state.words}' if several else state.rules[0]}")
        self._picture.record(0, self.predict)
        return self._measured(race), race.total

    def _measured(self, race: Race) -> Iterator[object]:
        every = max(1, race.total // POINTS)
        for count in race.parts():
            if count and (count % every == 0 or count == race.total):
                self._picture.record(count, self.predict)
            yield count or PART

    def predict(self, X: Any) -> list[Scores]:
        """Return the answers (n, k) of every layer of every net, in one list."""
        return [scores for session in self.race.sessions for scores in session.predict(X)]

    def _unit(self) -> str:
        return "update" if self.state.equal == "updates" else "epoch"

    def _note(self, count: int) -> None:
        """Nothing: the curves get their points as the training goes, watched or not."""

    def _look(self) -> Callable[[], Seen]:
        """Copy the nets as they stand, and hand out the longer work: answers over the plane, outputs of the units."""
        views, picture = [session.snapshot() for session in self.race.sessions], self._picture
        picked = self.looked_at
        layers = None if picture.small else picked[0]  # without thumbnails only the unit that is shown large

        def work() -> Seen:
            answers = [scores for view in views for scores in view.predict(picture.grid.points)] if picture.grid else []
            return answers, [view.units(picture.probes, layers) for view in views], picked

        return work

    def _show(self, count: int, seen: Seen | None) -> None:
        """Draw fields and the large unit; now and then, and at every stop, the rest too."""
        now, still = time.perf_counter(), seen is None
        answers, units, picked = self._look()() if seen is None else seen
        self._picture.fill(answers)
        self._picture.look(units, *picked)
        if still:
            self._picture.measure(self.predict)
        curves = still or now > self.next_curves
        if curves:
            self.next_curves = now + CURVES_EVERY
        self._send(curves=curves, words=still)

    # Export.

    def _exports(self) -> HBox:
        rows = (
            ("Code", "", "The same training as Python code", lambda: self.offer("Code")),
            ("PNG", "", "The figure as pixels", lambda: self.offer("PNG")),
            ("SVG", "", "The figure as lines", lambda: self.offer("SVG")),
        )
        return row([HTML("Export:"), *buttons(rows, self._post).values()])

    def offer(self, name: str) -> None:
        """Show the code ("Code"), or a link that saves the figure ("PNG", "SVG"), below the buttons."""
        if name == "Code":
            self.export.value = f'<pre style="user-select:all">{html.escape(self.code())}</pre>'
            return
        kind = name.lower()
        data, mime = base64.b64encode(self._picture.file(kind)).decode(), MIME[kind]
        self.export.value = (
            f'<a download="playground.{kind}" href="data:{mime};base64,{data}">Save playground.{kind}</a>'
        )
