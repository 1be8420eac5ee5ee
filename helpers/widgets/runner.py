"""Train while the buttons stay alive: a generator, pulled a slice of time at a turn on the kernel's own loop.

A button's callback may run on any thread (JupyterLab sends widget messages over subshells), so that it only posts a
command to the loop on which the runner was made. There, commands and slices of training take turns: nothing is locked,
and a command finds the training between two steps.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ipywidgets import HTML, IntProgress, Layout, VBox

from helpers.options import Real, Whole
from helpers.widgets.cells import post, present_loop, take_over
from helpers.widgets.controls import Command, buttons, log_slider, row, status_line

SLICE = 0.012  # seconds of training before the loop gets its turns
TURNS = 8  # that it then gets: a message takes several to come in; a sleep of a millisecond would cost more
FPS = 22  # twenty painted frames a second look smooth; each one more costs training, and makes the buttons slow
FASTEST = 1000.0  # epochs a second on the speed slider, where it means: as fast as it goes
SAVED = 0.3  # seconds of drawing that may be saved up: where frames are cheap, a costly one does not stop them
WORDS_EVERY = 0.2  # seconds between two lines about a training that runs
HURRY = 0.05  # seconds; of stops that follow each other faster not each is drawn
PART = object()  # what a generator may yield before its step is whole, so that the loop gets a turn


class Runner:
    """Start, Pause, Step and Reset for any generator of steps.

    Parameters
    ----------
    begin : callable
        ``() -> (steps, total)``: an iterator that trains one epoch a step, and how many there will be. Within a step
        it may yield `PART`: commands are then heard sooner, while whoever looks or stops finds whole steps only.
    show : callable
        ``(count, seen) -> None``: draws the state after ``count`` steps, at most 22 times a second. At every stop
        ``seen`` is None: no other frame follows soon, and nothing has been prepared.
    look : callable, optional
        ``() -> (() -> seen)``: called between two steps, it copies what a frame needs; the function that it returns
        works out the rest in another thread, while training goes on, and what it gives is passed to ``show``.
    share : float
        The share of the loop's time that drawing may take, more than 0, less than 1.
    note : callable, optional
        ``(count) -> None``: notes the state without drawing it, some forty times in a `run` without hands.
    unit : callable, optional
        ``() -> str``: what a step is called, in the singular.

    Attributes
    ----------
    state : str
        "ready", "running", "paused", "finished" or "failed".
    count, total : int
        Steps taken, steps in all.
    error : Exception or None
        What stopped the training, until the next reset.
    controls : VBox
        The buttons, the speed, the bar and the status line.
    """

    def __init__(
        self,
        begin: Callable[[], tuple[Iterator[Any], int]],
        show: Callable[[int, Any], None],
        look: Callable[[], Callable[[], Any]] = lambda: lambda: (),
        share: float = 0.5,
        note: Callable[[int], None] | None = None,
        unit: Callable[[], str] = lambda: "epoch",
    ) -> None:
        if not 0 < Real(0, 1).check("share", share) < 1:
            raise ValueError(f"share must be more than 0 and less than 1, got {share!r}")
        for name, function in {"begin": begin, "show": show, "look": look, "note": note or show, "unit": unit}.items():
            if not callable(function):
                raise TypeError(f"{name} must be a function, got {function!r}")
        self.begin, self.show, self.look, self.share, self.note, self.unit = begin, show, look, share, note, unit
        self.loop = present_loop()
        self.commands: deque[Command] = deque()
        self.stopped, self.later = -HURRY, False  # when a stop was drawn last; whether the next one will be, soon
        self.task: asyncio.Task[None] | None = None
        self.error: Exception | None = None
        self.state, self.count, self.total, self.frames = "ready", 0, 1, 0
        self.steps: Iterator[Any] = iter(())
        self.whole = True  # whether the last step is complete
        self.drawn, self.rate = (-1, True), 0.0  # the step in the picture, and whether it was drawn at a stop
        self.next_frame = self.next_words = self.debt = 0.0  # when to paint and to say more; seconds beyond the share
        self.worker = ThreadPoolExecutor(max_workers=1)
        self.sight: tuple[int, Future[Any]] | None = None  # the frame in preparation: of which step, and what is seen
        self._build()
        take_over(self)
        self._reset()
        self._draw()

    def _build(self) -> None:
        rows = (
            ("Start", "play", "Train until the last epoch", self.start),
            ("Pause", "pause", "Stop training, keep everything", self.pause),
            ("Step", "step-forward", "Train exactly one epoch", self.step),
            ("Reset", "undo", "Back to epoch 0 with the settings as they are", self.reset),
        )
        self.buttons, self.speed = buttons(rows), log_slider("Speed (epochs/s)", FASTEST, 0, 3, show=".0f")
        self.bar, self.status = IntProgress(0, min=0, max=1, layout=Layout(width="260px")), HTML()
        self.controls = VBox([row([*self.buttons.values(), self.speed]), row([self.bar, self.status])])

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

    def _post(self, command: Command) -> None:
        self.commands.append(command)
        post(self.loop, self._obey)

    # What follows runs on the loop only (or, without one, where it is called).

    def _obey(self) -> None:
        """Carry out the commands that have come, and draw: fifty presses in a second get a few pictures, not fifty."""
        hurried = self.loop is not None and time.perf_counter() - self.stopped < HURRY
        while self.commands:
            self.commands.popleft()()
        if self.loop is None or self.state == "running" or not (hurried or self.later):
            self._draw_stop()  # while it runs: the first picture after a reset, before another frame follows
        elif not self.later:
            self.later = True
            self.loop.call_later(HURRY, self._draw_stop)

    def _draw_stop(self) -> None:
        self.later = False
        if self.state != "running" or self.drawn[0] < 0:
            self._draw()
            self.stopped = time.perf_counter()

    def _start(self) -> None:
        if self.state in ("finished", "failed"):
            self._reset()
        if self.state in ("ready", "paused"):
            self.state, self.next_frame, self.debt = "running", time.perf_counter(), 0.0
            if self.loop and (self.task is None or self.task.done()):
                self.task = self.loop.create_task(self._train())
            self._say()

    def _pause(self) -> None:
        if self.state == "running":
            self.state = "paused"
            self._say()  # the words at once, the picture as soon as it is drawn
            self._complete()

    def _step(self) -> None:
        if self.state in ("ready", "running", "paused"):
            self.state = "paused"
            self._advance()
            self._complete()

    def _reset(self) -> None:
        running = self.state == "running"
        self.error, self.count, self.whole, self.drawn, self.sight = None, 0, True, (-1, True), None
        self.state = "running" if running else "ready"
        self._say()
        try:
            getattr(self.steps, "close", lambda: None)()
            self.steps, self.total = self.begin()
        except Exception as error:
            self.fail(error)

    def _advance(self) -> None:
        """Take a step, or a part of it."""
        try:
            self.whole = next(self.steps) is not PART
            self.count += self.whole
            if self.count >= self.total:
                self.state = "finished"
        except StopIteration:
            self.whole, self.state = True, "finished"
        except Exception as error:
            self.fail(error)

    def _complete(self) -> None:
        while not self.whole:
            self._advance()

    def fail(self, error: Exception) -> None:
        """Keep an error and say it in words."""
        self.error, self.state, self.whole = error, "failed", True

    async def _train(self) -> None:
        """Slices of training, frames when they are due, and turns for the loop in between."""
        last = turn = due = time.perf_counter()  # due: when the next step is due at the chosen speed
        pace = (self.count, last)  # the rate is measured over the last half second or more
        while self.state == "running":
            if last >= due:
                self._advance()
                if self.whole and self.speed.value < FASTEST:
                    due = max(due + 1 / self.speed.value, last - 0.1)
            now = time.perf_counter()
            if now - pace[1] > 0.5:
                self.rate, pace = max(0, self.count - pace[0]) / (now - pace[1]), (self.count, now)
            self.debt, last = max(-SAVED, self.debt - self.share * (now - last)), now
            drawn = self._film(now)  # after a frame too the loop gets a turn: a command does not wait for a step more
            if self.state == "running" and (drawn or time.perf_counter() - turn >= SLICE or now < due):
                wait = min(0.02, max(0.0, due - time.perf_counter()))
                for _ in range(1 if wait else TURNS):
                    await asyncio.sleep(wait)
                turn = time.perf_counter()
        if self.state in ("finished", "failed"):
            self._draw()

    def _film(self, now: float) -> bool:
        """Draw the frame that the worker has prepared, and let it prepare the next, as page and share allow."""
        sight = self.sight
        ready = sight and sight[1].done() and self.debt <= SLICE
        new = self.whole and self.count != (sight or self.drawn)[0]
        if new and (ready or not sight) and now >= self.next_frame:
            self._look()  # first: the worker is on it while the loop draws
        elif ready:
            self.sight = None
        if ready:
            self._draw(sight)
        return bool(ready)

    def _look(self) -> None:
        """Let the worker prepare a frame of the present state."""
        begin = time.perf_counter()
        try:
            self.sight = self.count, self.worker.submit(self.look())
        except Exception as error:
            self.fail(error)
        self.next_frame = max(self.next_frame + 1 / FPS, begin + 0.25 / FPS)  # a late frame lets the next come sooner
        self.debt += time.perf_counter() - begin

    def _draw(self, sight: tuple[int, Future[Any]] | None = None) -> None:
        """Draw what has been prepared, which the time since has to pay for, or, at a stop, the present state."""
        begin = time.perf_counter()
        if sight is None:
            self.sight = None  # what is being prepared comes too late
        frame = (sight[0] if sight else self.count, sight is None)
        if frame != self.drawn and self.state != "failed":
            try:
                self.show(frame[0], sight[1].result() if sight else None)
            except Exception as error:
                self.fail(error)
            self.drawn = frame
            self.frames += 1
        if sight is None or begin >= self.next_words:
            self.bar.max, self.bar.value = max(self.total, 1), min(self.count, self.total)
            self._say()
            self.next_words = begin + WORDS_EVERY
        self.debt = self.debt + (time.perf_counter() - begin) if sight else 0.0  # a press is answered free of charge

    def _say(self, text: str = "") -> None:
        count = self.count + (self.state == "paused" and not self.whole)  # a step that has begun is completed first
        where = f"{self.unit()} {count} of {self.total}"
        rate = f", {self.rate:.0f} {self.unit()}s a second" if self.state == "running" and self.rate else ""
        if not text and self.error:
            text = f"Stopped at {where}. {type(self.error).__name__}: {self.error} Press Start or Reset to begin again."
        self.status.value = status_line(text or f"{self.state}: {where}{rate}", self.error is not None)

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
        self._draw()
        if steps is not None and not self.error:
            Whole(1, self.total).check("steps", steps)
        last = steps or self.total
        while self.state == "ready" and self.count < last:
            self._advance()
            if self.note and self.whole and self.count % max(1, last // 40) == 0 and self.count < last:
                self.note(self.count)
        self.state = "paused" if self.state == "ready" else self.state
        self._draw()
        if self.error:
            raise self.error
        return self.count
