"""A debugger for back-propagation: a graph whose values are filled in, and whose adjoints travel back, step by step.

>>> stepper = Stepper("log(x1) + x1*x2 - sin(x2)", at="x1 = 2, x2 = 5")
>>> picture = stepper.run(steps=12)  # without hands; in a notebook, show the stepper and press Step
>>> stepper.words
'Step 12 of 14: x̄1 += v̄2 · ∂v2/∂x1 = 1 · 5 = 5. So far x̄1 = 5, 1 of 2 addends.'
"""

from __future__ import annotations

import copy
import html
from collections.abc import Mapping
from typing import Any

import numpy as np
from ipyevents import Event
from ipywidgets import HTML, Dropdown, IntSlider, Layout, Play, link

from helpers.diff.formula import CONSTANTS, parse, read_values
from helpers.diff.graph import Graph, trace
from helpers.diff.lagrange import Program
from helpers.diff.steps import Sweep
from helpers.options import OneOf, Whole, known
from helpers.plots.traces import StepPicture, trace_table
from helpers.widgets.controls import STYLE, buttons, choice, row, set_controls, status_line, text_box
from helpers.widgets.panel import Panel, as_html, post, take_over
from helpers.widgets.static import strip

MODES = ("reverse", "forward", "values")
PACES = [("slow", 0.4), ("medium", 1.0), ("fast", 4.0)]  # steps a second while it plays
NOWHERE = "a node ..."


class Stepper(Panel):
    """Step through the values and derivatives of a computation; a click on a node goes to where it is computed.

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
    position : int
        How many of the ``sweep.steps`` have been taken; ``go(position)`` takes or undoes some.
    words : str
        What the status line says.
    error : Exception or None
        What could not be read or computed. At first it is raised; later the panel says it, and what it showed stays.
    """

    picture: StepPicture
    sweep: Sweep

    def __init__(
        self, source: Any, at: str | Mapping[str, Any] = "", *, output: str | None = None, mode: str = "reverse"
    ) -> None:
        OneOf(MODES).check("mode", mode)
        self.source, self.at, self.output, self.words = source, at, output, ""
        self.places: dict[str, int] = {}
        controls: dict[str, Any] = {}
        if isinstance(source, str):
            controls["formula"] = text_box("Formula f =", source, "380px")
        if isinstance(at, str) and not isinstance(source, Graph):
            controls["at"] = text_box("Inputs at", at or _solved_at(source), "230px")
        controls["mode"] = choice("Mode", MODES, mode, "150px")
        controls["seed"] = choice("Input with tangent 1", [""], width="230px")
        self.clock: Any = Play(0, 0, 1, show_repeat=False, layout=Layout(display="none"))  # the page keeps the time
        presses = (
            ("Restart", "undo", "Back to the beginning", lambda: self.go(0)),
            ("Back", "step-backward", "Undo one step", lambda: self.go(self.position - 1)),
            ("Step", "step-forward", "Take one step", lambda: self.go(self.position + 1)),
            ("Play", "play", "Take step after step; press again to pause", self.play),
            ("End", "fast-forward", "Take all steps", lambda: self.go(self.clock.max)),
        )
        self.buttons = buttons(presses, lambda press: post(self.loop, press))
        self.pace = choice("Pace", PACES, 1.0, "130px")
        self.slider = IntSlider(0, 0, 1, description="Steps taken", style=STYLE, layout=Layout(width="270px"))
        self.jump = Dropdown(options=[NOWHERE], description="Jump to", style=STYLE, layout=Layout(width="200px"))
        self.problem, self.graph, self.caption, self.table = (HTML() for _ in range(4))
        self.graph.layout = Layout(overflow="auto")
        walk = row([*self.buttons.values(), self.slider, self.jump])
        super().__init__(controls, [row([*controls.values(), self.pace]), walk, self.clock])
        self._lay_out(self.problem, self.status)
        self.place.children, self.shown = [self.graph, self.table, self.caption], -1
        link((self.clock, "value"), (self.slider, "value"))
        self.clock.observe(lambda _: post(self.loop, self._show), "value")
        self.clock.observe(self._name, "playing")
        self.pace.observe(lambda _: self.clock.set_trait("interval", round(1000 / self.pace.value)), "value")
        self.jump.observe(lambda change: post(self.loop, lambda: self.go(self.places.get(change["new"]))), "value")
        self.event = Event(source=self.graph, watched_events=["click"])
        self.event.on_dom_event(lambda event: self.click(event["target"]["id"]))
        take_over(self)
        self._change()
        if self.error:
            raise self.error

    # To and fro.

    @property
    def position(self) -> int:
        """How many steps have been taken."""
        return int(self.clock.value)

    def go(self, position: int | None) -> None:
        """Stop playing and show a state: below 0 the first, behind the last that one; None stays where it is."""
        if position is not None:
            self.pause()
            self.clock.value = min(max(position, 0), self.clock.max)
            self._show()

    def play(self) -> None:
        """Take step after step, from the beginning after an end; if it plays, pause."""
        if self.position == self.clock.max and not self.clock.playing:
            self.go(0)
        self.clock.playing = not self.clock.playing

    def pause(self) -> None:
        """Stand still."""
        self.clock.playing = False

    def click(self, name: str) -> None:
        """Go to where a node gets its value; from there to where its adjoint or tangent is complete."""
        steps = [k for k, step in enumerate(self.sweep.steps, 1) if step.node == name]
        ends = [*steps[:1], *steps[-1:]]
        post(self.loop, lambda: self.go(next((k for k in ends if k > self.position), ends[0] if ends else None)))

    def _name(self, _: object) -> None:
        button = self.buttons["Play"]
        button.description, button.icon = ("Pause", "pause") if self.clock.playing else ("Play", "play")

    # Another graph.

    def _changed(self, name: str) -> None:
        """Ask for another graph; several changes before it is made count as one."""
        if not self._waiting:
            self._waiting = True
            post(self.loop, self._change)

    def _change(self) -> None:
        """Make the sweep that the controls describe; what cannot be made is said, and the former one stays."""
        self._waiting, values = False, self.values
        try:
            graph, note = self._graph(values)
            inputs = [node.name for node in graph.nodes if not node.formula]
            picture = StepPicture(Sweep(graph, values["mode"], values["seed"] if values["seed"] in inputs else None))
        except Exception as error:
            self._fail(error)
            return
        self.error, self.problem.value = None, note and f"<p>{html.escape(note)}</p>"
        self._use(picture)

    def _fail(self, error: Exception) -> None:
        self.error, self.problem.value = error, status_line(f"{type(error).__name__}: {error}", "alert")

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
        ended = bool(self.places) and self.position == self.clock.max
        self.picture, self.sweep, self.places = picture, picture.sweep, picture.sweep.jumps()
        self._waiting, seed = True, self.controls["seed"]  # what is set here asks for nothing new
        seed.options, seed.value = self.sweep.inputs, self.sweep.seed
        self._waiting = False
        seed.layout.display = "flex" if self.sweep.mode == "forward" else "none"
        self.jump.options = [NOWHERE, *self.places]
        look = f"{html.escape(picture.look_for)} Click a node to go there.{picture.legend()}"
        self.caption.value = f"<p><b>What to look for:</b> {look}</p>"
        self.pause()
        self.clock.max = self.slider.max = len(self.sweep.steps)
        self.shown = -1
        self.go(self.clock.max if ended else 0)

    def _show(self) -> None:
        """Show the graph after so many steps: what the page gets is one picture, one table and one line of words."""
        if self.shown == self.position:
            return
        self.shown, self.jump.value = self.position, NOWHERE
        self.graph.value = self.picture.svg(self.shown)
        self.table.value = trace_table(self.sweep, self.shown)
        self.words = self.sweep.sentence(self.shown)
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
                self._waiting = True  # all of them count as one change
                set_controls(self.controls, {name: settings[name] for name in some})
                self._change()
        finally:
            self._waiting = False
        if self.error:
            raise self.error
        self.go(self.clock.max if steps is None else steps)
        return self._at(self.position)

    def _at(self, position: int) -> StepPicture:
        shown = copy.copy(self.picture)
        shown.position = position
        return shown

    def static(self) -> str:
        """Return pictures of steps from the first to the last, side by side, as HTML."""
        shown = sorted({round(k * self.clock.max / 12) for k in range(13)})
        return strip([(self.sweep.sentence(k), as_html(self._at(k))) for k in shown])


def _solved_at(source: object) -> str:
    """Return the numbers at which a program was solved last; "" if there are none."""
    if not isinstance(source, Program) or not source.solution:
        return ""
    given = {name: source.solution[name] for name in source.inputs}
    return "" if any(map(np.ndim, given.values())) else ", ".join(f"{name} = {value}" for name, value in given.items())
