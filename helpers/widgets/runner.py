"""Train while the buttons stay alive: a generator, pulled a slice of time at a turn on the kernel's own loop.

Commands are posted to the loop on which the runner was made; between two slices of training it gets a turn. So nothing
is locked, and a command finds the training between two steps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, Generic, TypeVar

from ipywidgets import HTML, IntProgress, Layout, VBox, Widget

from helpers.options import Whole
from helpers.plots import Recording
from helpers.widgets.controls import buttons, log_slider, row, status_line
from helpers.widgets.panel import LiveImage, Panel, post, present_loop, take_over

SLICE = 0.015  # seconds of training before the loop gets its turn
TURNS = 8  # that it then gets: a press takes several to come in; with a single one Pause waits five times as long
FPS = 22  # twenty painted frames a second look smooth; each one more costs training, and makes the buttons slow
SLOW = 10  # curves and texts take longer to draw than what moves: one part in so many of the time
WORDS_EVERY = 0.25  # seconds between two lines about a training that runs
POINTS = 60  # of each curve: measured at fixed steps, so that equal runs give equal curves, watched or not

P = TypeVar("P", bound=Recording)


def command(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """Let a method be called from any thread: it is posted to the loop, and the commands that wait get one picture."""

    @wraps(method)
    def posted(runner: Runner) -> None:
        def obey() -> None:
            method(runner)
            runner._say()  # the words at once, the picture as soon as it is drawn
            if not runner.stale:
                runner.stale = True
                post(runner.loop, runner._draw_stop)

        post(runner.loop, obey)

    return posted


class Runner:
    """Start, Pause, Step and Reset for any generator of steps.

    Parameters
    ----------
    begin : callable
        ``() -> (steps, total)``: an iterator that trains one epoch per step, and how many there will be.
    show : callable
        ``(count, still) -> None``: draws the state after ``count`` steps, at most 22 times a second and half of the
        time; ``still``: at a stop, when no other frame follows soon.
    unit : callable, optional
        ``() -> str``: what a step is called, in the singular.

    Attributes
    ----------
    state : str
        "ready", "running", "paused", "finished" or "failed".
    count, total, frames : int
        Steps taken, steps in all, frames drawn.
    error : Exception or None
        What stopped the training, until the next reset.
    controls : VBox
        The buttons, the speed, the bar and the status line.
    """

    def __init__(
        self,
        begin: Callable[[], tuple[Iterator[Any], int]],
        show: Callable[[int, bool], None],
        unit: Callable[[], str] = lambda: "epoch",
    ) -> None:
        for name, function in {"begin": begin, "show": show, "unit": unit}.items():
            if not callable(function):
                raise TypeError(f"{name} must be a function, got {function!r}")
        self.begin, self.show, self.unit = begin, show, unit
        self.loop = present_loop()
        self.task: asyncio.Task[None] | None = None
        self.error: Exception | None = None
        self.state, self.count, self.total, self.frames = "ready", 0, 1, 0
        self.steps: Iterator[Any] = iter(())
        self.said = (0, 0.0)  # the count, and when the last line was said: for the rate
        self.stale = False  # whether a picture after a command is due
        rows = (
            ("Start", "play", "Train until the last epoch", self.start),
            ("Pause", "pause", "Stop training, keep everything", self.pause),
            ("Step", "step-forward", "Train exactly one epoch", self.step),
            ("Reset", "undo", "Back to epoch 0 with the settings as they are", self.reset),
        )
        self.buttons, self.speed = buttons(rows), log_slider("Speed (epochs/s)", 1000.0, 0, 3, show=".0f")
        self.bar, self.status = IntProgress(0, min=0, max=1, layout=Layout(width="260px")), HTML()
        self.controls = VBox([row([*self.buttons.values(), self.speed]), row([self.bar, self.status])])
        take_over(self)
        self._reset()
        self._draw()

    # Commands: from any thread, and as often as one likes. What follows them runs on the loop only.

    @command
    def start(self) -> None:
        """Train on, or from the beginning after an end or an error."""
        if self.state in ("finished", "failed"):
            self._reset()
        if self.state in ("ready", "paused") and self.loop:
            self.state = "running"
            if self.task is None or self.task.done():
                self.task = self.loop.create_task(self._train())

    @command
    def pause(self) -> None:
        """Stop after the step in progress."""
        if self.state == "running":
            self.state = "paused"

    @command
    def step(self) -> None:
        """Take exactly one step, and stand still."""
        if self.state in ("ready", "running", "paused"):
            self.state = "paused"
            self._advance()

    @command
    def reset(self) -> None:
        """Begin again with the settings as they are; a training that runs goes on from there."""
        self._reset()

    @command
    def redraw(self) -> None:
        """Draw the present state anew, as what is to be seen of it has changed."""

    def _reset(self) -> None:
        self.state = "running" if self.state == "running" else "ready"
        self.error, self.count = None, 0
        try:
            getattr(self.steps, "close", lambda: None)()
            self.steps, self.total = self.begin()
        except Exception as error:
            self._fail(error)

    def _draw_stop(self) -> None:
        self.stale = False
        self._draw(still=self.state != "running")

    def _advance(self) -> None:
        try:
            next(self.steps)
            self.count += 1
            if self.count >= self.total:
                self.state = "finished"
        except StopIteration:
            self.state = "finished"
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.error, self.state = error, "failed"

    async def _train(self) -> None:
        """Slices of training, a frame before one when it is due, and turns for the loop after each."""
        due = time.perf_counter()  # when the next step is due, and here the next frame
        frame = due + 1 / FPS
        while self.state == "running":
            begin = time.perf_counter()
            if begin >= frame:
                self._draw(still=False)
                now = time.perf_counter()
                frame = max(frame + 1 / FPS, now + now - begin)  # training gets as long as the frame took
            end = time.perf_counter() + SLICE
            while self.state == "running" and due <= (now := time.perf_counter()) < end:
                self._advance()
                due = max(due + 1 / self.speed.value, now - 0.1)
            wait = min(0.02, max(0.0, due - time.perf_counter()))
            for _ in range(1 if wait else TURNS) if self.state == "running" else ():
                await asyncio.sleep(wait)
        if self.state in ("finished", "failed"):
            self._draw()

    def _draw(self, still: bool = True) -> None:
        """Draw the present state, and say it; while it trains, a frame and now and then a line."""
        if self.state != "failed":
            try:
                self.show(self.count, still)
            except Exception as error:
                self._fail(error)
            self.frames += 1
        if still or time.perf_counter() - self.said[1] > WORDS_EVERY:
            self._say()

    def _say(self) -> None:
        """Say where the training is and, while it runs, how fast it went since this was said last."""
        now, unit = time.perf_counter(), self.unit()
        where = f"{unit} {self.count} of {self.total}"
        words = f"{self.state}: {where}"
        if self.error:
            kind = type(self.error).__name__
            words = f"Stopped at {where}. {kind}: {self.error} Press Start or Reset to begin again."
        elif self.state == "running" and self.count > self.said[0]:
            words += f", {(self.count - self.said[0]) / (now - self.said[1]):.0f} {unit}s a second"
        elif self.loop is None and self.state != "finished":
            words += ". No notebook runs this panel, so that Start moves nothing: call run(steps)."
        self.said = (self.count, now)
        self.status.value = status_line(words, problem=self.error is not None)
        self.bar.max, self.bar.value = max(self.total, 1), min(self.count, self.total)

    def run(self, steps: int | None = None) -> int:
        """Train without hands: from a fresh start, so many steps or all of them, then draw once.

        Returns
        -------
        int
            The number of steps taken.

        Raises
        ------
        TypeError, ValueError
            If ``steps`` is no whole number from 1 to ``total``.
        Exception
            Whatever went wrong, also kept in ``error``.
        """
        if steps is not None:
            steps = Whole(1).check("steps", steps)
        self.state = "ready"
        self._reset()
        if steps is not None and not self.error:
            Whole(1, self.total).check("steps", steps)
        while self.state == "ready" and self.count < (steps or self.total):
            self._advance()
        self.state = "paused" if self.state == "ready" else self.state
        self._draw()
        if self.error:
            raise self.error
        return self.count


class Trainer(Panel, Generic[P]):
    """Controls above, buttons, and a picture that moves while something trains.

    A kind of panel says three things. ``_begin`` gets the values of the controls by name, builds the run that they
    describe, and returns its steps and how many there are. ``_record`` measures the state after ``count`` steps for
    the curves. `_draw` brings what moves up to date. A change of any control begins the run again.

    Attributes
    ----------
    runner : Runner
        Start, Pause, Step, Reset; the count of steps.
    live : LiveImage
        The picture in the page.
    """

    picture: P
    live: LiveImage
    _begin: Callable[..., tuple[Iterator[Any], int]]
    _record: Callable[[int], None]

    def __init__(self, controls: Mapping[str, Any], rows: list[Widget] | None = None) -> None:
        super().__init__(controls, rows or ())
        self.key: object = None  # the settings that the picture was made for
        self.step: Any = None  # what the training yielded last
        self.recorded, self.next_slow = 0, 0.0
        self.runner = Runner(self._recording, self._show, self._unit)
        self._lay_out(self.runner.controls)

    def _draw(self, count: int, still: bool) -> None:
        """Bring what moves up to date: unless told otherwise the curves, which then hold each state that is shown."""
        self._record_once(count)

    def _unit(self) -> str:
        """Say what a step is."""
        return "epoch"

    @property
    def error(self) -> Exception | None:
        """What stopped the training, until the next Reset."""
        return self.runner.error

    def run(self, steps: int | None = None) -> P:
        """Train without hands as `Runner.run` does; return the figure, which needs no kernel to be seen."""
        self.runner.run(steps)
        return self.picture

    def _changed(self, name: str) -> None:
        """Begin again soon; several changes before that are one."""
        if not self._waiting:
            self._waiting = True
            self.runner.reset()

    def _use(self, key: object, make: Callable[[], P]) -> None:
        """Empty the picture; make another one first where these settings are not those that it was made for."""
        if key != self.key:
            self.picture = make()
            if self.key is None:
                self.live = LiveImage(self.picture)
                self.place.children = [self.live.box]
            else:
                self.live.use(self.picture)
            self.key = key
        self.picture.clear()
        self.live.rewind()

    def _recording(self) -> tuple[Iterator[Any], int]:
        self.step, self.next_slow, self._waiting = None, 0.0, False
        steps, total = self._begin(**self.values)
        self.recorded = -1
        self._record_once(0)
        return self._recorded(steps, total), total

    def _recorded(self, steps: Iterator[Any], total: int) -> Iterator[Any]:
        every = max(1, total // POINTS)
        for count, self.step in enumerate(steps, start=1):
            if count % every == 0 or count == total:
                self._record_once(count)
            yield self.step

    def _record_once(self, count: int) -> None:
        if count != self.recorded:
            self.recorded = count
            self._record(count)

    def _show(self, count: int, still: bool) -> None:
        """Draw what moves; now and then, and at every stop, the curves too, and at a stop say it in words."""
        self._draw(count, still)
        begin = time.perf_counter()
        if (slow := still or begin >= self.next_slow) and self.picture.trace():
            self.live.refresh()
        self.live.show(slow)
        if slow:
            now = time.perf_counter()
            self.next_slow = now + SLOW * (now - begin)
        if still:
            self.live.describe()
