"""A debugger for back-propagation: a graph whose values are filled in, and whose adjoints travel back, step by step.

>>> stepper = Stepper("log(x1) + x1*x2 - sin(x2)", at="x1 = 2, x2 = 5")
>>> picture = stepper.run(steps=12)  # without hands; in a notebook, show the stepper and press Step
>>> stepper.words
'Step 12 of 14: x̄1 += v̄2 · ∂v2/∂x1 = 1 · 5 = 5. So far x̄1 = 5, 1 of 2 addends.'
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ipywidgets import HTML, Dropdown, Layout, VBox
from traitlets import TraitError

from helpers.diff.formula import parse, read_values
from helpers.diff.graphs import Graph
from helpers.diff.lagrange import Program
from helpers.diff.names import by_name
from helpers.diff.step_graphs import graph_of
from helpers.diff.steps import Sweep
from helpers.diff.trace import Trace
from helpers.plots.step_table import trace_table
from helpers.plots.stepper import StepPicture
from helpers.widgets.controls import STYLE, choice, row, text_box
from helpers.widgets.player import Player

Source = str | Trace | Program | Callable[..., Any]

MODES = (
    ("reverse: values, then adjoints back", "reverse"),
    ("forward: tangents with the values", "forward"),
    ("values only", "values"),
)
NOWHERE = "a node ..."


class Stepper:
    """Step through the values and derivatives of a computation.

    Parameters
    ----------
    source : str, Trace, Program or callable
        A formula, which is parsed and never evaluated as Python; a trace of Scalars; a program without cycles; a
        function of numbers or arrays, such as a small net. 40 nodes at most.
    at : str or mapping
        The inputs: "x1 = 2, x2 = pi/3", or values by name, arrays of 64 entries at most. A name of a formula without
        a value is taken as 1, and pi or e with a value is a variable. A program without any is taken as it was solved
        last.
    output : str, optional
        Of a program, which variable is differentiated; the last one unless told.
    mode : {"reverse", "forward", "values"}
        What is shown at first.

    Attributes
    ----------
    sweep : Sweep
        The steps as data.
    player : Player
        Restart, Back, Step, Play, End; ``player.position`` is how many steps have been taken.
    words : str
        What the status line says.
    error : Exception or None
        What could not be read or computed; the panel says it in words, and what it showed before stays.

    Raises
    ------
    Exception
        If the source or the inputs that it begins with are no good; later ones are refused in the panel.

    Notes
    -----
    A step takes some 5 ms for 40 nodes: the graph is laid out once for each formula.
    """

    picture: StepPicture
    sweep: Sweep

    def __init__(
        self,
        source: Source,
        at: str | Mapping[str, Any] = "",
        *,
        output: str | None = None,
        mode: str = "reverse",
    ) -> None:
        self.source, self.at, self.output = source, at, output
        self.error: Exception | None = None
        self.words, self.posted = "", False
        self.made: tuple[Any, ...] = ()  # the settings that the sweep was made for
        self.places: dict[str, int] = {}
        self.controls: dict[str, Any] = {}
        if isinstance(source, str):
            self.controls["formula"] = text_box("Formula f =", source)
        if isinstance(at, str) and not isinstance(source, Trace):
            self.controls["at"] = text_box("Inputs at", at or _solved_at(source), width="330px")
        self.controls["mode"] = choice("Mode", MODES, mode, width="330px")
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
            self.player.post(self._change)

    def _chosen(self, change: Mapping[str, Any]) -> None:
        """Go to a node that has been chosen in the list."""
        if change["new"] in self.places:
            position = self.places[change["new"]]
            self.player.post(lambda: self.player.go(position))

    def _change(self) -> None:
        """Make the sweep that the controls describe; what cannot be made is said, and the former one stays."""
        self.posted = False
        values = {name: control.value for name, control in self.controls.items()}
        try:
            graph, note = self._graph(values)
            inputs = [node.name for node in graph.nodes if not node.formula]
            seed = values["seed"] if values["seed"] in inputs else None
            picture = StepPicture(Sweep(graph, values["mode"], seed))
        except Exception as error:
            self.error = error
            words = html.escape(f"{type(error).__name__}: {error}")
            self.problem.value = f'<pre role="alert" style="color:#a33b00;font-size:1.1em">{words}</pre>'
            return
        self.error, self.problem.value = None, note and f"<p>{html.escape(note)}</p>"
        made = tuple((values | {"seed": picture.sweep.seed}).values())
        if made != self.made:
            self._use(picture, made)

    def _graph(self, values: Mapping[str, Any]) -> tuple[Graph, str]:
        """Return the graph, and a note about inputs that are missing or too many."""
        at: Mapping[str, Any] = {} if isinstance(self.at, str) else self.at
        if "at" in values:
            at = read_values(values["at"])
        if not isinstance(self.source, str):
            return graph_of(self.source, at or None, self.output), ""
        at = by_name(at)
        f = parse(values["formula"])
        if chosen := [name for name in f.constants if name in at]:  # pi or e, but here a variable
            f = parse(values["formula"], [*f.names, *chosen])
        if not f.names:
            raise ValueError(f"{f.text!r} has no variable, so there is nothing to differentiate by; write one, say x")
        missing, unused = [n for n in f.names if n not in at], [n for n in at if n not in f.names]
        note = f"No value was given for {', '.join(missing)}: taken as 1. " if missing else ""
        note += f"Not in the formula: {', '.join(unused)}." if unused else ""
        return graph_of(f, {name: at.get(name, 1.0) for name in f.names}), note

    def _use(self, picture: StepPicture, made: tuple[Any, ...]) -> None:
        """Show another graph: at its end if the former one was there, else at its beginning."""
        ended = bool(self.made) and self.player.position == self.player.last
        self.picture, self.sweep, self.made = picture, picture.sweep, made
        self.posted = True  # what is set here asks for nothing new
        self.controls["seed"].options = self.sweep.inputs
        self.controls["seed"].value = self.sweep.seed
        self.posted = False
        self.controls["seed"].layout.display = "flex" if self.sweep.mode == "forward" else "none"
        self.places = self.sweep.jumps()
        self.jump.options = [NOWHERE, *self.places]
        self.caption.value = picture.caption()
        last = len(self.sweep.steps)
        self.player.use(last, last if ended else 0)

    def _show(self, position: int) -> None:
        """Show the graph after so many steps: what the page gets is one picture, one table and one line of words."""
        self.jump.value = NOWHERE
        self.graph.value = self.picture.svg(position)
        self.table.value = trace_table(self.sweep, position)
        self.words = self.sweep.sentence(position)
        words = html.escape(self.words)
        self.status.value = f'<div role="status" style="font-size:1.25em;line-height:1.4">{words}</div>'

    def run(self, steps: int | None = None, **settings: Any) -> StepPicture:
        """Step without hands: set controls as a reader would, and take so many steps from the beginning, or all.

        Parameters
        ----------
        steps : int, optional
            0 or more; past the end it stays at the end.
        **settings
            Values of controls by name: formula, at, mode, seed.

        Returns
        -------
        StepPicture
            The graph and the table as they are now, which show themselves in a page without a kernel too.

        Raises
        ------
        Exception
            What could not be read or computed, also kept in ``error``.
        """
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 0):
            raise ValueError(f"steps must be a whole number, 0 or more, or None for all, got {steps!r}")
        if unknown := settings.keys() - self.controls.keys():
            raise ValueError(f"no control is called {', '.join(sorted(unknown))}; there are {', '.join(self.controls)}")
        try:
            for name in sorted(settings, key="seed".__eq__):  # last: what can be chosen there depends on the others
                if name == "seed":
                    self._change()
                self.posted = True  # all of them count as one change
                self.controls[name].value = settings[name]
        except TraitError as error:
            allowed = getattr(self.controls[name], "options", "a str")
            raise ValueError(f"{name} must be one of {allowed}, got {settings[name]!r}") from error
        finally:
            self._change()
        if self.error:
            raise self.error
        self.player.go(self.player.last if steps is None else steps)
        return StepPicture(self.sweep, self.player.position)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)


def _solved_at(source: Source) -> str:
    """Return the numbers at which a program was solved last; "" if there are none."""
    if not isinstance(source, Program) or source.solution is None:
        return ""
    given = {name: source.solution[name] for name in source.inputs}
    return "" if any(map(np.ndim, given.values())) else ", ".join(f"{name} = {value}" for name, value in given.items())
