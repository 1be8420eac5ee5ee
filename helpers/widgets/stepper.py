"""A debugger for back-propagation: a graph whose values are filled in, and whose adjoints travel back, step by step.

>>> stepper = Stepper("log(x1) + x1*x2 - sin(x2)", at="x1 = 2, x2 = 5")
>>> picture = stepper.run(steps=12)  # without hands; in a notebook, show the stepper and press Step
>>> stepper.words
'Step 12 of 14: x̄1 += v̄2 · ∂v2/∂x1 = 1 · 5 = 5. So far x̄1 = 5, 1 of 2 addends.'
"""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ipywidgets import HTML, Dropdown, IntSlider, Layout, Play, VBox, link

from helpers.diff.formula import CONSTANTS, parse, read_values
from helpers.diff.graph import Graph, trace
from helpers.diff.lagrange import Program
from helpers.diff.steps import Sweep
from helpers.options import OneOf, Whole, known
from helpers.plots.traces import StepPicture, check_size, trace_table
from helpers.widgets.controls import STYLE, buttons, choice, log_slider, row, set_controls, status_line, text_box
from helpers.widgets.panel import post, present_loop, take_over

MODES = {
    "reverse: values, then adjoints back": "reverse",
    "forward: tangents with the values": "forward",
    "values only": "values",
}
NOWHERE = "a node ..."


class Player:
    """Walk to and fro along a row of states: buttons with names and a slider, which drive ``ipywidgets.Play``.

    ``show(position)`` shows a state, from 0 to ``last``. The page keeps the time while it plays.
    """

    def __init__(self, show: Callable[[int], None]) -> None:
        self.show, self.shown, self.loop = show, -1, present_loop()
        self.clock = Play(0, 0, 1, show_repeat=False, layout=Layout(display="none"))
        rows = (
            ("Restart", "undo", "Back to the beginning", lambda: self.go(0)),
            ("Back", "step-backward", "Undo one step", lambda: self.go(self.position - 1)),
            ("Step", "step-forward", "Take one step", lambda: self.go(self.position + 1)),
            ("Play", "play", "Step on at the pace of the slider; press again to pause", self.play),
            ("End", "fast-forward", "Take all steps", self.end),
        )
        self.buttons = buttons(rows, lambda press: post(self.loop, press))
        self.pace = log_slider("Pace (steps/s)", 1.0, -1, 1, show=".1f")
        self.slider = IntSlider(0, 0, 1, description="Steps taken", style=STYLE, layout=Layout(width="360px"))
        link((self.clock, "value"), (self.slider, "value"))
        self.clock.observe(lambda _: post(self.loop, self._refresh), "value")
        self.clock.observe(self._name, "playing")
        self.pace.observe(self._pace, "value")
        self.row = row([self.slider])
        self.controls = VBox([row([*self.buttons.values(), self.pace]), self.row, self.clock])
        take_over(self)

    @property
    def position(self) -> int:
        """Which state is shown."""
        return int(self.clock.value)

    @property
    def last(self) -> int:
        """The largest position."""
        return int(self.clock.max)

    def use(self, last: int, position: int) -> None:
        """Walk along another row of states from now on."""
        self.pause()
        self.clock.max = self.slider.max = last
        self.shown = -1
        self.go(position)

    def go(self, position: int) -> None:
        """Stop playing and show a state; below 0 that is the first, behind the last it is the last."""
        self.pause()
        self.clock.value = min(max(position, 0), self.last)
        self._refresh()

    def end(self) -> None:
        """Take all steps."""
        self.go(self.last)

    def play(self) -> None:
        """Step on at the pace of the slider, from the beginning after an end; if it plays, pause."""
        if self.position == self.last and not self.clock.playing:
            self.go(0)
        self.clock.playing = not self.clock.playing

    def pause(self) -> None:
        """Stand still."""
        self.clock.playing = False

    def _refresh(self) -> None:
        if self.shown != self.position:
            self.shown = self.position
            self.show(self.position)

    def _name(self, _: object) -> None:
        button = self.buttons["Play"]
        button.description, button.icon = ("Pause", "pause") if self.clock.playing else ("Play", "play")

    def _pace(self, _: object) -> None:
        self.clock.interval = round(1000 / self.pace.value)


class Stepper:
    """Step through the values and derivatives of a computation.

    Parameters
    ----------
    source : str, or whatever `helpers.diff.graph.trace` takes
        A formula, which is parsed and never evaluated as Python; a program without cycles; a function of numbers or
        arrays, such as a small net; a graph. 40 nodes at most.
    at : str or mapping
        The inputs: "x1 = 2, x2 = pi/3", or values by name, arrays of 64 entries at most. A name of a formula without
        a value is taken as 1, which the panel says. A program without any is taken as it was solved last.
    output : str, optional
        Of a program, which variable is differentiated; the last one unless told.
    mode : {"reverse", "forward", "values"}
        What is shown at first.

    Attributes
    ----------
    player : Player
        ``player.position`` is how many steps have been taken; ``player.end()`` takes all.
    sweep : Sweep
    words : str
        The steps as data, and what the status line says.
    error : Exception or None
        What could not be read or computed. At first it is raised; later the panel says it, and what it showed stays.
    """

    picture: StepPicture
    sweep: Sweep

    def __init__(
        self, source: Any, at: str | Mapping[str, Any] = "", *, output: str | None = None, mode: str = "reverse"
    ) -> None:
        OneOf(MODES.values()).check("mode", mode)
        self.source, self.at, self.output = source, at, output
        self.error: Exception | None = None
        self.words, self.posted = "", False
        self.places: dict[str, int] = {}
        self.controls: dict[str, Any] = {}
        if isinstance(source, str):
            self.controls["formula"] = text_box("Formula f =", source)
        if isinstance(at, str) and not isinstance(source, Graph):
            self.controls["at"] = text_box("Inputs at", at or _solved_at(source), width="330px")
        self.controls["mode"] = choice("Mode", list(MODES.items()), mode, width="330px")
        self.controls["seed"] = choice("Input with tangent 1", [""], width="230px")
        self.player = Player(self._show)
        self.jump = Dropdown(options=[NOWHERE], description="Jump to", style=STYLE, layout=Layout(width="240px"))
        self.player.row.children = [*self.player.row.children, self.jump]
        self.status, self.problem, self.graph, self.caption, self.table = (HTML() for _ in range(5))
        self.graph.layout = Layout(width="100%", overflow="auto")
        settings = row(self.controls.values())
        parts = [settings, self.player.controls, self.problem, self.status, self.graph, self.table, self.caption]
        self.box = VBox(parts)
        self.box.add_class("panel")
        for control in self.controls.values():
            control.observe(self._post, "value")
        self.jump.observe(self._chosen, "value")
        self._change()
        if self.error:
            raise self.error

    def _post(self, _: object) -> None:
        """Ask for another graph; several changes before it is made count as one."""
        if not self.posted:
            self.posted = True
            post(self.player.loop, self._change)

    def _chosen(self, change: Mapping[str, Any]) -> None:
        """Go to a node that has been chosen in the list."""
        position = self.places.get(change["new"])
        if position is not None:
            post(self.player.loop, lambda: self.player.go(position))

    def _change(self) -> None:
        """Make the sweep that the controls describe; what cannot be made is said, and the former one stays."""
        self.posted = False
        values = {name: control.value for name, control in self.controls.items()}
        try:
            graph, note = self._graph(values)
            check_size(len(graph.nodes))
            inputs = [node.name for node in graph.nodes if not node.formula]
            picture = StepPicture(Sweep(graph, values["mode"], values["seed"] if values["seed"] in inputs else None))
        except Exception as error:
            self.error = error
            self.problem.value = status_line(f"{type(error).__name__}: {error}", "alert")
            return
        self.error, self.problem.value = None, note and f"<p>{html.escape(note)}</p>"
        self._use(picture)

    def _graph(self, values: Mapping[str, Any]) -> tuple[Graph, str]:
        """Return the graph, and a note about inputs that are missing or too many."""
        given = values.get("at", self.at)
        at: Mapping[str, Any] = read_values(given) if isinstance(given, str) else given
        if not isinstance(self.source, str):
            return trace(self.source, at or None, self.output), ""
        if fixed := [name for name in at if name in CONSTANTS]:
            raise ValueError(f"at: {fixed[0]} is a constant in a formula, and takes no value; choose another name")
        f = parse(values["formula"])
        if not f.names:
            raise ValueError(f"{f.text!r} has no variable, so there is nothing to differentiate by; write one, say x")
        missing, unused = [n for n in f.names if n not in at], [n for n in at if n not in f.names]
        if unused and not self.places:  # in the call; who types another formula may leave the inputs as they are
            raise ValueError(f"at: {unused[0]} is not in the formula {f.text!r}, which has {', '.join(f.names)}")
        note = f"No value was given for {', '.join(missing)}: taken as 1. " if missing else ""
        note += f"Not in the formula: {', '.join(unused)}." if unused else ""
        return trace(f, {name: at.get(name, 1.0) for name in f.names}, self.output), note

    def _use(self, picture: StepPicture) -> None:
        """Show another graph: at its end if the former one was there, else at its beginning."""
        ended = bool(self.places) and self.player.position == self.player.last
        self.picture, self.sweep, self.places = picture, picture.sweep, picture.sweep.jumps()
        self.posted = True  # what is set here asks for nothing new
        self.controls["seed"].options = self.sweep.inputs
        self.controls["seed"].value = self.sweep.seed
        self.posted = False
        self.controls["seed"].layout.display = "flex" if self.sweep.mode == "forward" else "none"
        self.jump.options = [NOWHERE, *self.places]
        self.caption.value = f"<p><b>What to look for:</b> {html.escape(picture.look_for)}{picture.legend()}</p>"
        last = len(self.sweep.steps)
        self.player.use(last, last if ended else 0)

    def _show(self, position: int) -> None:
        """Show the graph after so many steps: what the page gets is one picture, one table and one line of words."""
        self.jump.value = NOWHERE
        self.graph.value = self.picture.svg(position)
        self.table.value = trace_table(self.sweep, position)
        self.words = self.sweep.sentence(position)
        self.status.value = status_line(self.words, problem=False)

    def run(self, steps: int | None = None, **settings: Any) -> StepPicture:
        """Step without hands: set controls as a reader would (formula, at, mode, seed), and take so many steps, or all.

        Returns the graph and the table as they are now, which show themselves in a page without a kernel too; or raises
        what could not be read or computed.
        """
        if steps is not None:
            Whole(0).check("steps", steps)
        known(settings, self.controls)
        try:  # the input with tangent 1 last: which there are depends on the others
            for some in (settings.keys() - {"seed"}, settings.keys() & {"seed"}):
                self.posted = True  # all of them count as one change
                set_controls(self.controls, {name: settings[name] for name in some})
                self._change()
        finally:
            self.posted = False
        if self.error:
            raise self.error
        self.player.go(self.player.last if steps is None else steps)
        shown = copy.copy(self.picture)
        shown.position = self.player.position
        return shown

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)


def _solved_at(source: object) -> str:
    """Return the numbers at which a program was solved last; "" if there are none."""
    if not isinstance(source, Program) or not source.solution:
        return ""
    given = {name: source.solution[name] for name in source.inputs}
    return "" if any(map(np.ndim, given.values())) else ", ".join(f"{name} = {value}" for name, value in given.items())
