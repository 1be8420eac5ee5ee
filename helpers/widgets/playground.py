"""The playground: any labelled data, any small net, any rule or a race of up to four; its whole state is one text.

>>> panel = Playground.from_text("data=moons; hidden=8-8; epochs=4")
>>> picture = panel.run()  # without hands; in a notebook, show the panel and press Start
>>> panel.count, panel.error, panel.text == Playground.from_text(panel.text).text
(4, None, True)
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from ipywidgets import HTML, BoundedFloatText

from helpers.options import OneOf, known
from helpers.plots import LayerProgress
from helpers.plots.pictures import Handle
from helpers.plots.playground import PlaygroundPicture
from helpers.training.layers import Scores
from helpers.training.runs import LABELLED, OWN, Outcome, Race, Run, Session
from helpers.widgets.controls import buttons, choice, more, row, status_line, text_box
from helpers.widgets.own_data import OFF, OwnData, is_source
from helpers.widgets.panel import post
from helpers.widgets.states import (
    FEWER,
    HOW,
    MINE,
    NONE,
    OPTIONS,
    PICKED,
    PRESETS,
    ROWS,
    State,
    fitting,
    make_control,
    sized,
    thumbnails,
    written,
)
from helpers.widgets.trainer import Trainer, command

MEASURED = 300  # points of each set on which the curves are measured
SIZES = {1: 64, 2: 48, 3: 40, 4: 40}  # grid points per side of a field, by the number of rules
MIME = {"png": "image/png", "svg": "image/svg+xml"}
TOLD = "Own points: choose a class at Paint, then press and drag in the output's field; or upload a CSV file."


class Playground(Trainer[LayerProgress]):
    """Choose data, net, rules and budget, press Start, and watch the network learn, unit by unit and edge by edge.

    Click on a data set, a unit, an edge, a + or a -; paint points of your own.

    Parameters
    ----------
    data : str, DataFrame, path or bytes
        The name of a data set, or points of your own: a table or a CSV file with the columns x0, x1 and class.
    **state
        The other fields of `State`, where they are to differ from the defaults; what does not fit is refused by name.

    Attributes
    ----------
    state : State
        What the controls say.
    race : Race
        The runs as they stand; its ``sessions``, one per rule, hold models and data.
    edits : int
        How many weights were changed by hand since the training began; the text of the state does not hold them.
    """

    rows: Sequence[dict[str, tuple[str, int]]] = ROWS
    kind: type[LayerProgress] = PlaygroundPicture
    size: int | None = None  # of the grid, where it is not that of `SIZES`

    def __init__(self, data: Any = State.data, **state: Any) -> None:
        known(state, OPTIONS)
        self.own, self.edits = OwnData(self._use_own, issubclass(self.kind, PlaygroundPicture)), 0
        self.own.paint.observe(lambda _: self._offer_paper(), "value")
        self.state = State(data=self.own.read(data) if is_source(data) else data, **state)
        self.before = self.state.data if self.state.data in LABELLED else State.data  # to go back to from own points
        self.quiet, self.looked_at = False, (1, 1, 1)  # quiet: controls follow the state
        self.line = text_box("State (copy it; paste one and press Enter)", "", width="calc(100% - 4px)")
        self.refusal, self.export = HTML(), HTML()
        self.weight = sized(BoundedFloatText(description="is", min=-100, max=100, step=0.1), "120px")
        controls = {name: make_control(name, *how) for names in self.rows for name, how in names.items()}
        self._follow(controls)
        super().__init__(controls, [row(controls[name] for name in names) for names in self.rows])
        self.weight.observe(lambda change: None if self.quiet else self._edit(change.new), "value")
        tips = {"Code": "The same training as Python code", "PNG": "The figure as pixels", "SVG": "The figure as lines"}
        exports = [(name, "", tip, partial(self.offer, name)) for name, tip in tips.items()]
        offers = buttons(exports, lambda offer: post(self.loop, lambda: self._try(offer)))
        self.preset = choice("Begin with", ["...", *PRESETS], width="230px")
        self.question = HTML()
        self.preset.observe(lambda change: self._begin_with(change.new), "value")
        self.line.observe(lambda _: None if self.quiet else self._try(lambda: self.apply(self.line.value)), "value")
        self.offers = row([HTML("Export:"), *offers.values()])
        self._arrange()

    def _arrange(self) -> None:
        """Put what one uses all the time above the picture, and the rest, folded, below it."""
        data, net, picked, *others = self.settings
        picked.children = [*picked.children, self.weight, *self.own.row.children]
        tip = "Budget, seed, weight decay, races of rules, the state as a text, export"
        unfold, folded = more([*others, self.line, self.offers, self.export], tip=tip)
        self.player[0].children = [*self.player[0].children, unfold]
        above = [*self.player, row([self.preset, self.question]), data, net, picked, self.refusal]
        self.box.children = [*above, self.place, self.own.words, folded]

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
        edited = f"# without the {self.edits} weights that were changed by hand in the panel\n" if self.edits else ""
        return edited + self.race.code()

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

    def _begin_with(self, name: str) -> None:
        """Load a state to begin with, and ask its question."""
        if name in PRESETS:
            text, question = PRESETS[name]
            self._try(lambda: self.apply(text))
            self.question.value = f"<b>{html.escape(question)}</b>"

    def _use_own(self, make: Callable[[], str]) -> None:
        """Begin again with own points that were uploaded or painted, or, once they are cleared, without."""

        def begin() -> None:
            name = make() or self.before
            if name != self.state.data:
                self._take(self._shown(self.state, data=name))

        self._try(begin)

    def _changed(self, name: str) -> None:
        if not self.quiet:
            self._try(lambda: self._adopt(name))

    def _adopt(self, name: str) -> None:
        """Take over what one control says; its neighbours follow where they must."""
        value: Any = self.controls[name].value
        if value == MINE and not self.own.points:
            self._follow(self.controls)
            self.refusal.value = status_line(TOLD, problem=False)
            self.own.paint.value = max(self.own.paint.value, 0)
            return
        value = self.own.name if value == MINE else value
        if name.startswith("rule"):
            chosen = [control.value for key, control in self.controls.items() if key.startswith("rule")]
            name, value = "rules", tuple(dict.fromkeys(rule for rule in chosen if rule != NONE))
        elif name == "hidden":
            value = State.from_text(f"hidden={value}").hidden
        self._take(self._shown(self.state, **{name: float(f"{value:.3g}") if isinstance(value, float) else value}))

    @staticmethod
    def _shown(state: State, **changes: Any) -> State:
        """Return a state with some fields changed, and with a unit, a weight and a decay that it then can have."""
        now = vars(state) | changes | dict.fromkeys(PICKED, 1)
        now["l2"] = 0.0 if now["optimizer"] == "Rprop" else now["l2"]
        widths, wanted = State(**now).widths, vars(state) | changes
        picked = fitting(widths, *(wanted[name] for name in PICKED))
        return State(**now | dict(zip(PICKED, picked)))

    def _take(self, state: State) -> None:
        """Make a state the present one; only another unit to look at leaves the training as it is."""
        before, self.state = self.state, state
        self.before = state.data if state.data in LABELLED else self.before
        self._follow(self.controls)
        if all(vars(before)[name] == value for name, value in vars(state).items() if name not in PICKED):
            self._look_at(state.layer, state.unit, state.source)
        else:
            super()._changed("state")

    def _follow(self, controls: Mapping[str, Any]) -> None:
        """Let controls and text say what the state says."""
        self.quiet = True
        for name, control in controls.items():
            if name.startswith("rule"):
                control.value = dict(enumerate(self.state.rules, start=1)).get(int(name[-1]), NONE)
                continue
            value: Any = getattr(self.state, name)
            value = MINE if name == "data" and value not in LABELLED else value
            control.value = written(value) if name == "hidden" else value
        self.line.value, self.refusal.value = self.state.text, ""
        self.quiet = False

    def idle(self, **values: Any) -> dict[str, str]:
        """Say why the weight decay does nothing where it cannot."""
        blind = self.state.optimizer == "Rprop" and "l2" in values
        return {"l2": "Rprop knows no weight decay: choose another optimiser"} if blind else {}

    @command
    def _look_at(self, layer: int, unit: int, source: int) -> None:
        self.looked_at = (layer, unit, source)

    @command
    def _edit(self, value: float) -> None:
        """Set the weight that is shown to another value, in the (first) net as it stands."""
        layer, unit, source = self.looked_at
        linear = self._linears()[layer - 1]
        with torch.no_grad():
            (linear.weight[unit - 1, source - 1 : source] if source else linear.bias[unit - 1 : unit]).fill_(value)
        self.edits += 1

    def _linears(self) -> list[Any]:
        """Return the linear layers of the (first) net."""
        model: Any = self.sessions[0].model
        return [block[0] for block in model]

    # What follows runs on the loop only.

    def _begin(self, **_: Any) -> tuple[Iterator[Any], int]:
        """Build the runs that the state describes, and the picture if it no longer fits them."""
        state, self.edits = self.state, 0
        self.race = race = Race(state)
        self.looked_at = (state.layer, state.unit, state.source)
        first, mine = self.sessions[0], state.data in OWN
        size, unit = self.size or SIZES[len(state.rules)], "update" if state.equal == "updates" else "epoch"
        self.unit, options = unit, {"rules": state.rules, "total": race.total, "size": size, "measured": MEASURED}
        sets = (first.training_set, first.test_set)
        live = mine and issubclass(self.kind, PlaygroundPicture)  # points that are painted into the same picture
        drawn = (self.own.base, state.widths) if live else (state.data, state.samples, state.seed, state.ratio)
        self._use(
            (drawn, state.noise, state.hidden, state.rules, race.total, unit, state.equal),
            lambda: self._picture(*sets, options),
        )
        if isinstance(self.picture, PlaygroundPicture):
            rules = f"race at {state.words}" if len(state.rules) > 1 else state.rules[0]
            self.picture.heading = f"{state.data}: {rules}"
            self.picture.use_points(*sets)
        self._offer_paper()
        return iter(race), race.total

    def _picture(self, training_set: Any, test_set: Any, options: dict[str, Any]) -> LayerProgress:
        state, widths = self.state, self.state.widths
        x_label = self.unit + (f", at equal {state.equal}" if len(state.rules) > 1 else "")
        if not issubclass(self.kind, PlaygroundPicture):
            return self.kind(training_set, test_set, len(widths) - 1, x_label=self.unit, **options)
        chosen = state.data if state.data in LABELLED else MINE
        options |= {"sets": thumbnails(), "chosen": chosen, "x_label": x_label}
        return PlaygroundPicture(training_set, test_set, widths, **options)

    def _offer_paper(self) -> None:
        """Let points be painted in the fields of the picture, as long as a class is chosen."""
        kept = [handle for handle in self.picture.handles if not handle.name.startswith("paper")]
        fields = self.picture.fields if self.own.paint.value != OFF else []
        what = f"paper for class {self.own.paint.value}"
        papers = [Handle(f"{what}, {i + 1}" if i else what, f.ax, drag=self._dab) for i, f in enumerate(fields)]
        self.picture.handles = [*kept, *papers]

    def _dab(self, x: float, y: float) -> None:
        self._use_own(lambda: self.own.dab(x, y))

    def _record(self, count: int) -> None:
        self.picture.record(count, self.predict)

    def _move(self, still: bool) -> None:
        """Draw the fields and the network; where a reader stops does not change the curves."""
        picture, first = self.picture, self.sessions[0]
        if still:
            picture.measure(self.predict)
        if not isinstance(picture, PlaygroundPicture):
            picture.fill(self.predict(picture.grid.points) if picture.grid else [])
            return
        weights = [torch.cat([one.bias[:, None], one.weight], 1).detach().numpy() for one in self._linears()]
        picture.fill(self.predict(picture.where))
        picture.look(first.units(picture.probes), weights, self.looked_at, choose=still or self.count < 2)
        if still or self.frames % 10 == 0:
            layer, unit, source = self.looked_at
            now = float(weights[layer - 1][unit - 1, source])
            self.quiet, self.weight.value = True, float(f"{now:.4g}")
            self.quiet = False


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
        control (such as noise, samples, normalize, equal) stay as they are given. ``data`` may be points of your own,
        as in `Playground`. What does not fit is refused by name.
    """

    kind, watch = LayerProgress, 60  # epochs, in which the boundaries form

    def __init__(self, rule: str | Sequence[str] = "local, parallel", *, size: int = 64, **run: Any) -> None:
        known(run, Run.options())
        rules = OPTIONS["rules"].check("rule", (rule,) if isinstance(rule, str) else rule)
        self.size = OneOf((64, 100)).check("size", size)
        many = len(rules) > 1  # then they stay
        self.rows = [{name: HOW[name] for name in names if name != "rule 1" or not many} for names in FEWER]
        super().__init__(rules=rules, **{"hidden": (100, 100, 10), "samples": 1000, **run})

    def _arrange(self) -> None:
        self.player[1].children = [*self.player[1].children, *self.own.row.children]
        self._lay_out(self.refusal, *self.player, self.own.words)
