"""What every panel that trains is made of: controls, a runner with its buttons, a live picture.

A panel of its own says how a run begins (`_begin`), how its state is measured (`_note`) and shown (`_show`), and, where
a frame takes long, what another thread can prepare (`_look`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ipywidgets import VBox, Widget

from helpers.plots import Recording
from helpers.widgets.controls import row
from helpers.widgets.live import LiveImage
from helpers.widgets.runner import Runner

P = TypeVar("P", bound=Recording)


class LivePanel(Generic[P]):
    """Controls above, buttons, and a picture that moves while something trains.

    Parameters
    ----------
    controls : dict of str to Widget
        A change of any of them begins the run again.
    settings : sequence of Widget, optional
        The rows above the buttons; the controls in one row unless told.
    share : float
        The share of the time that drawing may take.

    Attributes
    ----------
    runner : Runner
        Start, Pause, Step, Reset; the count of steps.
    live : LiveImage
        The picture in the page.
    box : VBox
        All of it.
    """

    _picture: P
    live: LiveImage

    def __init__(self, controls: dict[str, Any], settings: Sequence[Widget] = (), share: float = 0.5) -> None:
        self.controls, self.place = controls, VBox()
        self.key: object = None  # the settings that the picture was made for
        self.runner = Runner(self._begin, self._show, self._look, share, self._note, self._unit)
        self.box = VBox([*(settings or [row(controls.values())]), self.runner.controls, self.place])
        self.box.add_class("panel")
        for control in controls.values():
            control.observe(lambda _: self.runner.reset(), "value")

    def _begin(self) -> tuple[Iterator[Any], int]:
        """Build the run that the controls describe; return its steps, and how many there are."""
        raise NotImplementedError

    def _note(self, count: int) -> None:
        """Record the state after so many steps; nothing is drawn."""
        raise NotImplementedError

    def _show(self, count: int, seen: Any) -> None:
        """Show the state after so many steps, with what `_look` has prepared; at a stop that is None."""
        raise NotImplementedError

    def _look(self) -> Callable[[], Any]:
        """Copy what a frame needs, and hand out the longer work."""
        return lambda: ()

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
        Exception
            Whatever went wrong in the training.
        """
        self.runner.run(steps)
        return self._picture

    def _use(self, key: object, make: Callable[[], P]) -> None:
        """Empty the picture; make another one first where these settings are not those that it was made for."""
        if key != self.key:
            self._picture = make()
            if self.key is None:
                self.live = LiveImage(self._picture)
                self.place.children = [self.live.box]
            else:
                self.live.use(self._picture)
            self.key = key
        self._picture.clear()
        self.live.rewind()

    def _send(self, *, curves: bool, words: bool) -> None:
        """Send a frame; the curves, and the words below, take longer and are brought up to date where asked."""
        if curves and self._picture.trace():
            self.live.refresh()
        elif curves:
            self.live.write()
        self.live.show()
        if words:
            self.live.describe()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)
