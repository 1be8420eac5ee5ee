"""Train while the buttons stay alive: a generator, pulled a slice of time at a turn on the kernel's own loop.

Commands are posted to the loop on which the runner was made; between two slices of training it gets a turn. So nothing
is locked, and a command finds the training between two steps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from ipywidgets import HTML, IntProgress, Layout, VBox, Widget

from helpers.options import Whole
from helpers.plots import Recording
from helpers.widgets.controls import buttons, log_slider, row, status_line
from helpers.widgets.panel import LiveImage, Panel, post, present_loop, take_over

SLICE = 0.015  # seconds of training before the loop gets its turn
TURNS = 8  # that it then gets: a press takes several to come in; with a single one Pause waits five times as long
FPS = 22  # twenty painted frames a second look smooth; each one more costs training, and makes the buttons slow
FASTEST = 1000.0  # epochs a second on the speed slider, where it means: as fast as it goes
WORDS_EVERY = 0.2  # seconds between two lines about a training that runs
POINTS = 60  # of each curve: measured at fixed steps, so that equal runs give equal curves, watched or not

P = TypeVar("P", bound=Recording)


class Runner:
    """Start, Pause, Step and Reset for any generator of steps.

    Parameters
    ----------
    begin : callable
        ``() -> (steps, total)``: an iterator that trains one epoch a step, and how many there will be.
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
        self.rate, self.next_words = 0.0, 0.0  # steps a second; when to say more
        self.stale = False  # whether a picture after a command is due
        rows = (
            ("Start", "play", "Train until the last epoch", self.start),
            ("Pause", "pause", "Stop training, keep everything", self.pause),
            ("Step", "step-forward", "Train exactly one epoch", self.step),
            ("Reset", "undo", "Back to epoch 0 with the settings as they are", self.reset),
        )
        self.buttons, self.speed = buttons(rows), log_slider("Speed (epochs/s)", FASTEST, 0, 3, show=".0f")
        self.bar, self.status = IntProgress(0, min=0, max=1, layout=Layout(width="260px")), HTML()
        self.controls = VBox([row([*self.buttons.values(), self.speed]), row([self.bar, self.status])])
        take_over(self)
        self._reset()
        self._draw()

    # Commands: from any thread, and as often as one likes.

    def start(self) -> None:
        """Train on, or from the beginning after an end or an error."""
        if self.loop is None:
            self._say("No notebook runs this panel, so that nothing can move: call run(steps).")
        else:
            self._post(self._start)

    def pause(self) -> None:
        """Stop after the step in progress."""
        self._post(self._pause)

    def step(self) -> None:
        """Take exactly one step, and stand still."""
        self._post(self._step)

    def reset(self) -> None:
        """Begin again with the settings as they are; a training that runs goes on from there."""
        self._post(self._reset)

    def _post(self, command: Callable[[], None]) -> None:
        """Post a command, and behind those that wait already one picture for all of them."""

        def obey() -> None:
            command()
            if not self.stale:
                self.stale = True
                post(self.loop, self._draw_stop)

        post(self.loop, obey)

    # What follows runs on the loop only (or, without one, where it is called).

    def _draw_stop(self) -> None:
        self.stale = False
        self._draw(still=self.state != "running")

    def _start(self) -> None:
        if self.state in ("finished", "failed"):
            self._reset()
        if self.state in ("ready", "paused"):
            self.state = "running"
            if self.loop and (self.task is None or self.task.done()):
                self.task = self.loop.create_task(self._train())
            self._say()

    def _pause(self) -> None:
        if self.state == "running":
            self.state = "paused"
            self._say()  # the words at once, the picture as soon as it is drawn

    def _step(self) -> None:
        if self.state in ("ready", "running", "paused"):
            self.state = "paused"
            self._advance()

    def _reset(self) -> None:
        running = self.state == "running"
        self.error, self.count, self.rate = None, 0, 0.0
        self.state = "running" if running else "ready"
        self._say()
        try:
            getattr(self.steps, "close", lambda: None)()
            self.steps, self.total = self.begin()
        except Exception as error:
            self._fail(error)

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
        """Slices of training, a frame instead when one is due, and turns for the loop after each."""
        due = time.perf_counter()  # when the next step is due at the chosen speed
        frame, pace = due + 1 / FPS, (self.count, due)  # the rate is measured over the last half second or more
        while self.state == "running":
            begin = now = time.perf_counter()
            if begin >= frame:
                self._draw(still=False)
                now = time.perf_counter()
                frame = max(frame + 1 / FPS, now + now - begin)  # training gets as long as the frame took
            else:
                while self.state == "running" and now >= due and now - begin < SLICE:
                    self._advance()
                    now = time.perf_counter()
                    due = due if self.speed.value >= FASTEST else max(due + 1 / self.speed.value, now - 0.1)
            if now - pace[1] > 0.5:
                self.rate, pace = max(0, self.count - pace[0]) / (now - pace[1]), (self.count, now)
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
        if still or time.perf_counter() >= self.next_words:
            self.bar.max, self.bar.value = max(self.total, 1), min(self.count, self.total)
            self._say()
            self.next_words = time.perf_counter() + WORDS_EVERY

    def _say(self, text: str = "") -> None:
        where = f"{self.unit()} {self.count} of {self.total}"
        rate = f", {self.rate:.0f} {self.unit()}s a second" if self.state == "running" and self.rate else ""
        if not text and self.error:
            text = f"Stopped at {where}. {type(self.error).__name__}: {self.error} Press Start or Reset to begin again."
        self.status.value = status_line(text or f"{self.state}: {where}{rate}", problem=self.error is not None)

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

    A panel of its own says how a run begins (`_begin`), how its state is measured (`_record`) and drawn (`_draw`). A
    change of any control begins the run again.

    Attributes
    ----------
    runner : Runner
        Start, Pause, Step, Reset; the count of steps.
    live : LiveImage
        The picture in the page.
    """

    picture: P
    live: LiveImage
    curves_every = 1.0  # seconds between two drawings of curves and titles, which take longer than what moves

    def __init__(self, controls: dict[str, Any], rows: list[Widget] | None = None) -> None:
        super().__init__(controls, rows or ())
        self.key: object = None  # the settings that the picture was made for
        self.step: Any = None  # what the training yielded last
        self.recorded, self.next_curves = 0, 0.0
        self.runner = Runner(self._recording, self._show, self._unit)
        self.box.children = [*self.settings, self.runner.controls, self.place]

    def _begin(self) -> tuple[Iterator[Any], int]:
        """Build the run that the controls describe; return its steps, and how many there are."""
        raise NotImplementedError

    def _record(self, count: int) -> None:
        """Measure the state after so many steps, for the curves."""
        raise NotImplementedError

    def _draw(self, count: int) -> None:
        """Bring what moves in every frame up to date; the curves follow by themselves."""

    def _stop(self, count: int) -> None:
        """Measure a state that is shown, and that may lie between two points of the curves."""
        if count != self.recorded:
            self.recorded = count
            self._record(count)

    def _unit(self) -> str:
        """Say what a step is."""
        return "epoch"

    @property
    def error(self) -> Exception | None:
        """What stopped the training, until the next Reset."""
        return self.runner.error

    def run(self, steps: int | None = None) -> P:
        """Train without hands, from a fresh start: so many steps or all, then one figure.

        Returns
        -------
        Picture
            The figure, which shows itself in a page without a kernel too.

        Raises
        ------
        TypeError, ValueError
            If ``steps`` is no whole number from 1 to the number of steps.
        Exception
            Whatever went wrong in the training.
        """
        self.runner.run(steps)
        return self.picture

    def _changed(self, name: str) -> None:
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
        self.step, self.recorded = None, 0
        steps, total = self._begin()
        self._record(0)
        return self._recorded(steps, total), total

    def _recorded(self, steps: Iterator[Any], total: int) -> Iterator[Any]:
        every = max(1, total // POINTS)
        for count, self.step in enumerate(steps, start=1):
            if count % every == 0 or count == total:
                self.recorded = count
                self._record(count)
            yield self.step

    def _show(self, count: int, still: bool) -> None:
        """Draw what moves; now and then, and at every stop, the curves too, and at a stop say it in words."""
        if still:
            self._stop(count)
        self._draw(count)
        if still or time.perf_counter() > self.next_curves:
            if self.picture.trace():
                self.live.refresh()
            self.live.write()
            self.next_curves = time.perf_counter() + self.curves_every
        self.live.show()
        if still:
            self.live.describe()
