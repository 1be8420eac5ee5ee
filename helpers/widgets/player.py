"""Walk to and fro along a row of states: Restart, Back, Step, Play, End and a slider.

Unlike the training of a `Runner`, each state can be shown at once from its number, so that a step back is as exact as a
step. As there, a button only posts a command to the loop on which the player was made.

>>> seen = []
>>> player = Player(seen.append)
>>> player.use(last=3, position=0)
>>> for press in (player.step, player.step, player.back, player.end):
...     press()
>>> seen
[0, 1, 2, 1, 3]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from ipywidgets import IntSlider, Layout, VBox

from helpers.widgets.controls import STYLE, buttons, log_slider, row
from helpers.widgets.panel import present_loop, take_over

BREATH = 0.02  # seconds between two looks at the clock while it plays


class Player:
    """Show states by their number.

    Parameters
    ----------
    show : callable
        ``(position) -> None``: shows the state of this number, from 0 up to the last.

    Attributes
    ----------
    position, last : int
        Which state is shown, and which is the last.
    playing : bool
    controls : VBox
        Buttons, pace, slider.
    """

    def __init__(self, show: Callable[[int], None]) -> None:
        self.show, self.position, self.last, self.playing = show, 0, 0, False
        self.task: asyncio.Task[None] | None = None
        self.loop = present_loop()
        rows = (
            ("Restart", "undo", "Back to the beginning", self.restart),
            ("Back", "step-backward", "Undo one step", self.back),
            ("Step", "step-forward", "Take one step", self.step),
            ("Play", "play", "Step on at the pace of the slider; press again to pause", self.play),
            ("End", "fast-forward", "Take all steps", self.end),
        )
        self.buttons = buttons(rows, self.post)
        self.pace = log_slider("Pace (steps/s)", 1.0, -1, 1, show=".1f")
        self.slider = IntSlider(0, 0, 1, description="Steps taken", style=STYLE, layout=Layout(width="360px"))
        self.slider.observe(self._moved, "value")
        self.row = row([self.slider])
        first = row([*self.buttons.values(), self.pace])
        self.controls = VBox([first, self.row])
        take_over(self)

    def post(self, command: Callable[[], None]) -> None:
        """Carry a command out on the loop on which the player was made, whatever thread asks for it."""
        if self.loop is None or self.loop.is_closed():
            command()
        else:
            self.loop.call_soon_threadsafe(command)

    def _moved(self, change: Mapping[str, Any]) -> None:
        """Follow the slider; when the player moves it by itself, it stands there already."""
        if change["new"] != self.position:
            self.post(lambda: self.go(change["new"]))

    def use(self, last: int, position: int) -> None:
        """Walk along another row of states from now on."""
        self.pause()
        self.last = last
        self.position = min(self.position, last)  # the slider follows its new end at once, and must agree
        self.slider.max = last
        self._go(position)

    def go(self, position: int) -> None:
        """Stop playing and show a state; below 0 that is the first, behind the last it is the last."""
        self.pause()
        self._go(position)

    def _go(self, position: int) -> None:
        self.position = min(max(position, 0), self.last)
        self.slider.value = self.position
        self.show(self.position)

    def restart(self) -> None:
        """Go to the beginning."""
        self.go(0)

    def back(self) -> None:
        """Undo one step."""
        self.go(self.position - 1)

    def step(self) -> None:
        """Take one step."""
        self.go(self.position + 1)

    def end(self) -> None:
        """Take all steps."""
        self.go(self.last)

    def play(self) -> None:
        """Step on at the pace of the slider, from the beginning after an end; if it plays, pause."""
        if self.playing or self.loop is None:  # without a loop nothing can move by itself
            self.pause()
            return
        if self.position == self.last:
            self._go(0)
        self._playing(True)
        if self.task is None or self.task.done():
            self.task = self.loop.create_task(self._play())

    def pause(self) -> None:
        """Stand still."""
        self._playing(False)

    def _playing(self, on: bool) -> None:
        self.playing = on
        self.buttons["Play"].description, self.buttons["Play"].icon = ("Pause", "pause") if on else ("Play", "play")

    async def _play(self) -> None:
        last = time.perf_counter()
        while self.playing:
            await asyncio.sleep(BREATH)
            if self.playing and time.perf_counter() - last >= 1 / self.pace.value:
                last = time.perf_counter()
                self._go(self.position + 1)
                if self.position == self.last:
                    self.pause()
