"""A panel that trains while its buttons stay alive: a generator, pulled a slice of time at a turn on the kernel's loop.

Commands are posted to the loop of the cell that made the panel; between two slices of training it gets a turn. So
nothing is locked, and a command finds the training between two steps.
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, Generic, TypeVar

from ipywidgets import IntProgress, Layout, Widget

from helpers.options import Whole
from helpers.plots import Recording
from helpers.plots.pictures import figure_html
from helpers.widgets.controls import buttons, idle, log_slider, nearest, row, status_line, toggle
from helpers.widgets.panel import LiveImage, Panel, post, take_over
from helpers.widgets.static import in_words, player

SLICE = 0.015  # seconds of training before the loop gets its turn
TURNS = 8  # that it then gets: a press takes several to come in; with a single one Pause waits five times as long
FPS = 22  # twenty painted frames a second look smooth; each one more costs training, and makes the buttons slow
SLOW = 20  # curves and texts take longer to draw than what moves: one part in so many of the time
WORDS_EVERY = 0.5  # seconds between two lines about a training that runs
SECONDS = 10  # that what one should watch lasts at the speed that a panel starts with
FRAMES = 15  # in a page without a kernel
POINTS = 60  # of each curve: measured at fixed steps, so that equal runs give equal curves, watched or not

P = TypeVar("P", bound=Recording)


def command(method: Callable[..., None]) -> Callable[..., None]:
    """Let a method be called from any thread: it is posted to the loop, and the commands that wait get one picture."""

    @wraps(method)
    def posted(panel: Trainer[Any], *arguments: Any) -> None:
        def obey() -> None:
            method(panel, *arguments)
            panel._say()  # the words at once, the picture as soon as it is drawn
            if not panel.stale:
                panel.stale = True
                post(panel.loop, panel._draw)

        post(panel.loop, obey)

    return posted


class Trainer(Panel, Generic[P]):
    """Controls, buttons, and a picture that moves while something trains. A change of a control begins again.

    A kind of panel says three things. ``_begin`` gets the values of the controls by name, builds the run that they
    describe, and returns its steps and how many there are. ``_record`` measures the state after ``count`` steps for
    the curves. `_move` brings what moves up to date. An option that does not exist, or is out of its range, is refused
    by its name, with the range.

    ``phase`` is "ready", "running", "paused", "finished" or "failed"; ``count`` of ``total`` steps are taken. What
    stopped the training is in ``error`` until the next Reset, and said in words. ``picture`` is the figure, ``live``
    its image in the page.
    """

    picture: P
    live: LiveImage
    unit = "epoch"  # what a step is called
    watch: int | None = None  # steps after which what one should watch is over; all unless told
    _begin: Callable[..., tuple[Iterator[Any], int]]
    _record: Callable[[int], None]

    def __init__(self, controls: Mapping[str, Any], rows: Iterable[Widget] = ()) -> None:
        super().__init__(controls, rows)
        self.task: asyncio.Task[None] | None = None
        self.phase, self.count, self.total, self.frames = "ready", 0, 1, 0
        self.steps: Iterator[Any] = iter(())
        self.last: Any = None  # what the training yielded last
        self.drawn_for: object = None  # the settings that the picture was made for
        self.recorded, self.next_slow = 0, 0.0
        self.said = (0, 0.0)  # the count, and when the last line was said: for the rate
        self.stale = False  # whether a picture after a command is due
        commands = (
            ("Start", "play", "Train until the last epoch", self.start),
            ("Pause", "pause", "Stop training, keep everything", self.pause),
            ("Step", "step-forward", "Train exactly one epoch", self.step),
            ("Reset", "undo", "Back to epoch 0 with the settings as they are", self.reset),
        )
        self.buttons = buttons(commands)
        self.speed, self.pace = log_slider("Speed", 1.0, -1, 3, show=".2r"), 1.0
        self.fast = toggle("Fast", "forward", "As fast as it goes")
        self.fast.observe(lambda _: idle(self.speed, "Fast is on: as fast as it goes" * self.fast.value), "value")
        self.bar = IntProgress(0, min=0, max=1, layout=Layout(width="260px"))
        self.player = [row([*self.buttons.values(), self.fast, self.speed]), row([self.bar, self.status])]
        take_over(self)
        self._reset()
        self._draw()
        self._lay_out(*self.player)

    # Commands: from any thread, and as often as one likes.

    @command
    def start(self) -> None:
        """Train on, or from the beginning after an end or an error."""
        if self.phase in ("finished", "failed"):
            self._reset()
        if self.phase in ("ready", "paused") and self.loop:
            self.phase = "running"
            if self.task is None or self.task.done():
                self.task = self.loop.create_task(self._train())

    @command
    def pause(self) -> None:
        """Stop after the step in progress."""
        if self.phase == "running":
            self.phase = "paused"

    @command
    def step(self) -> None:
        """Take exactly one step, and stand still."""
        if self.phase in ("ready", "running", "paused"):
            self.phase = "paused"
            self._advance()

    @command
    def reset(self) -> None:
        """Begin again with the settings as they are; a training that runs goes on from there."""
        self._reset()

    def _changed(self, name: str) -> None:
        """Begin again soon; several changes before that are one."""
        if not self._waiting:
            self._waiting = True
            self.reset()

    # What follows runs on the loop only (or, without one, where it is called).

    def _reset(self) -> None:
        self.phase = "running" if self.phase == "running" else "ready"
        self.error, self.count, self.recorded, self.last = None, 0, -1, None
        self.next_slow, self._waiting = 0.0, False
        self._say()  # at once: to begin takes a moment
        try:
            getattr(self.steps, "close", lambda: None)()
            self.steps, self.total = self._begin(**self.values)
            self._excuse()
            self._record_once(0)
            self._set_pace()
        except Exception as error:
            self._fail(error)

    def _set_pace(self) -> None:
        """Let what one should watch last its seconds, unless a reader has moved the slider."""
        self.watched = min(self.watch or self.total, self.total)
        self.speed.description = f"Speed ({self.unit}s/s)"
        if self.speed.value == self.pace:
            self.speed.value = self.pace = nearest(self.speed, self.watched / SECONDS)

    def _advance(self) -> None:
        try:
            self.last = next(self.steps)
            self.count += 1
            if self.count % max(1, self.total // POINTS) == 0 or self.count == self.total:
                self._record_once(self.count)
            if self.count >= self.total:
                self.phase = "finished"
        except StopIteration:
            self.phase = "finished"
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.error, self.phase = error, "failed"
        self._say()

    def _record_once(self, count: int) -> None:
        if count != self.recorded:
            self.recorded = count
            self._record(count)

    def _use(self, settings: object, make: Callable[[], P]) -> None:
        """Empty the picture; make another one first where these settings are not those that it was made for."""
        if settings != self.drawn_for:
            self.picture = make()
            if self.drawn_for is None:
                self.live = LiveImage(self.picture, self)
                self.place.children = [self.live.box]
            else:
                self.live.use(self.picture)
            self.drawn_for = settings
        self.picture.clear()
        self.live.rewind()

    async def _train(self) -> None:
        """Slices of training, a frame before one when it is due, and turns for the loop after each."""
        frame = time.perf_counter() + 1 / FPS  # when the next frame is due, and here the last step was
        last = time.perf_counter() - 1 / self.speed.value
        while self.phase == "running":
            begin = time.perf_counter()
            if begin >= frame:
                self._draw()
                now = time.perf_counter()
                frame = max(frame + 1 / FPS, now + (now - begin) / 4)  # between: training, a slice or more
            end = time.perf_counter() + SLICE
            apart = 0 if self.fast.value else 1 / self.speed.value
            while self.phase == "running" and last + apart <= (now := time.perf_counter()) < end:
                self._advance()
                last = max(last + apart, now - 0.1)
            wait = min(0.02, max(0.0, last + apart - time.perf_counter()))
            for _ in range(1 if wait else TURNS) if self.phase == "running" else ():
                await asyncio.sleep(wait)
        if self.phase != "paused":
            self._draw()

    def _draw(self) -> None:
        """Draw the present state and say it; while it trains, a frame, and now and then a line."""
        still = self.phase != "running"
        self.stale = False
        if self.phase != "failed":
            try:
                self._paint(still)
            except Exception as error:
                self._fail(error)
            self.frames += 1
        if still or time.perf_counter() - self.said[1] > WORDS_EVERY:
            self._say()

    def _move(self, still: bool) -> None:
        """Bring what moves up to date: unless told otherwise the curves, which then hold each state that is shown.

        ``still``: the training stands, so that no other frame follows soon.
        """
        self._record_once(self.count)

    def _paint(self, still: bool) -> None:
        """Draw what moves; now and then, and at every stop, the curves too, and at a stop say it in words."""
        self._move(still)
        begin = time.perf_counter()
        if (slow := still or begin >= self.next_slow) and self.picture.trace():
            self.live.refresh()
        self.live.show(slow)
        if slow and self.picture.changing:  # else nothing but curves moves
            now = time.perf_counter()
            self.next_slow = now + SLOW * (now - begin)
        if still:
            self.live.describe()

    def _say(self) -> None:
        """Say where the training is and, while it runs, how fast it went since this was said last."""
        now = time.perf_counter()
        where = f"{self.unit} {self.count} of {self.total}"
        words = f"{self.phase}: {where}"
        if self.error:
            kind = type(self.error).__name__
            words = f"Stopped at {where}. {kind}: {self.error} Press Start or Reset to begin again."
        elif self.phase == "running" and self.count > self.said[0]:
            rate = (self.count - self.said[0]) / (now - self.said[1])
            words += f", {rate:.{int(rate < 5)}f} {self.unit}s a second"
        elif self.loop is None and self.phase != "finished":
            words += ". No notebook runs this panel, so that Start moves nothing: call run(steps)."
        self.said = (self.count, now)
        over, runs = self.phase in ("finished", "failed"), self.phase == "running"
        idle(self.buttons["Start"], "It trains already" * runs)
        idle(self.buttons["Pause"], "Nothing trains at the moment" * (not runs))
        idle(self.buttons["Step"], "There is no step left: press Start or Reset" * over)
        self.status.value = status_line(words, problem=self.error is not None)
        self.bar.max, self.bar.value = max(self.total, 1), min(self.count, self.total)

    def run(self, steps: int | None = None) -> P:
        """Train without hands: from a fresh start, so many steps (1 to ``total``) or all of them, then draw once.

        Returns the figure, which needs no kernel to be seen, or raises what went wrong, also kept in ``error``.
        """
        if steps is not None:
            steps = Whole(1).check("steps", steps)
        self._anew()
        if steps is not None and not self.error:
            Whole(1, self.total).check("steps", steps)
        self._go(steps or self.total)
        self.phase = "paused" if self.phase == "ready" else self.phase
        self._draw()
        if self.error:
            raise self.error
        return self.picture

    def _anew(self) -> None:
        """Begin from the beginning, without going on by itself."""
        self.phase = "ready"
        self._reset()

    def _go(self, count: int) -> None:
        while self.phase == "ready" and self.count < count:
            self._advance()

    def static(self) -> str:
        """Return a player of the run as it is set, as HTML: frames of what one should watch, and one of the end."""

        def draw(count: int) -> None:
            self._go(count)
            self._draw()

        self._anew()
        counts = sorted({round(i * self.watched / FRAMES) for i in range(FRAMES + 1)} | {self.total})
        film = player(self.picture.figure, draw, counts, self.picture.look_for)
        words = f"<p>{html.escape(in_words(self.controls))}</p>{self.status.value}"
        return words + figure_html(film, self.picture.look_for, self.picture.description)
