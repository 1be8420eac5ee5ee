"""What every panel is made of: controls, words, a place for pictures, and the loop on which it answers.

A control's callback may run on any thread (JupyterLab sends widget messages over subshells), so it only posts to the
loop of the cell that made the panel. There, what was posted is done one by one: nothing is locked.

>>> from helpers.widgets.controls import slider
>>> panel = Explorer(lambda n: f"{n} squared is {n * n}", n=slider("n", 3, 0, 9))
>>> panel.run(n=4)
'4 squared is 16'
"""

from __future__ import annotations

import asyncio
import html
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from IPython import get_ipython
from ipywidgets import HTML, Image, Layout, VBox, Widget
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image as Pillow

from helpers.plots import Picture
from helpers.widgets.controls import row, set_controls, status_line

QUALITY = 88  # of the JPEG: text stays clean, about 100 kB a frame


def present_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs the present cell; None outside a notebook."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def post(loop: asyncio.AbstractEventLoop | None, action: Callable[[], object]) -> None:
    """Let a loop do something, asked from any thread; without one it is done at once, with a closed one never."""
    if loop is None:
        action()
    elif not loop.is_closed():
        loop.call_soon_threadsafe(action)


_players: WeakValueDictionary[str, Any] = WeakValueDictionary()


def take_over(player: Any) -> None:
    """Pause what an earlier run of the present cell made and nobody sees any more; outside a notebook do nothing."""
    shell = get_ipython()
    parent = getattr(shell, "parent_header", None) or (shell.get_parent() if hasattr(shell, "get_parent") else {})
    cell = (parent or {}).get("metadata", {}).get("cellId")
    if cell is None:
        return
    message = parent.get("header", {}).get("msg_id")
    for key, old in list(_players.items()):
        if key.startswith(f"{cell} ") and not key.startswith(f"{cell} {message} "):
            old.pause()
    _players[f"{cell} {message} {id(player)}"] = player


class LiveImage:
    """A picture of ``helpers.plots`` as a widget: what changes is drawn over a kept background, and sent as a JPEG.

    Attributes
    ----------
    picture : Picture
        The same code draws the static figure: it shows itself in a page without a kernel.
    box : VBox
        The image, and below it what to look for and, folded, the description in words.
    """

    def __init__(self, picture: Picture) -> None:
        self.image, self.words = Image(format="jpeg"), HTML()
        self.box = VBox([self.image, self.words])
        self.use(picture)

    def use(self, picture: Picture) -> None:
        """Show another picture from now on."""
        self.picture = picture
        picture.settle()
        # Without a width the page would stretch the image; with a height too it would not shrink on a narrow screen.
        width = f"{self.canvas.get_width_height()[0]}px"
        self.image.layout = Layout(width=width, max_width="100%", height="auto", margin="0")
        for artist in (*picture.changing, *picture.slow):
            artist.set_animated(True)
        self.first = self.refresh()

    @property
    def canvas(self) -> FigureCanvasAgg:
        """The canvas that the figure draws on."""
        canvas = self.picture.figure.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        return canvas

    def refresh(self) -> Any:
        """Draw the background again, all that does not change from frame to frame, and return it."""
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.picture.figure.bbox)
        self.write()
        return self.background

    def rewind(self) -> None:
        """Go back to the background that the picture began with, after its ``clear``."""
        self.background = self.first
        self.write()

    def write(self) -> None:
        """Put the slow artists (curves, texts) as they are now onto the background of the frames to come."""
        self.canvas.restore_region(self.background)
        self._draw(self.picture.slow)
        self.written = self.canvas.copy_from_bbox(self.picture.figure.bbox)

    def show(self) -> None:
        """Send a frame: what changes, over the kept background."""
        self.canvas.restore_region(self.written)
        self._draw(self.picture.changing)
        frame, buffer = self.canvas.buffer_rgba(), io.BytesIO()
        Pillow.frombuffer("RGBX", frame.shape[1::-1], frame, "raw", "RGBX", 0, 1).save(buffer, "jpeg", quality=QUALITY)
        self.image.value = buffer.getvalue()

    def _draw(self, artists: Sequence[Artist]) -> None:
        frames = {artist.axes: artist.axes.spines.values() for artist in artists if artist.axes}
        spines = [spine for some in frames.values() for spine in some]
        for artist in sorted([*artists, *spines], key=lambda artist: artist.get_zorder()):
            artist.draw(self.canvas.get_renderer())

    def describe(self) -> None:
        """Bring the words under the image up to date."""
        look, text = (html.escape(part) for part in (self.picture.look_for, self.picture.description))
        self.words.value = (
            f"<p><b>What to look for:</b> {look}</p>"
            f"<details><summary>Description of the figure</summary>{text}</details>"
        )


class Panel:
    """Controls, and something that answers when one changes: what all panels have in common.

    Attributes
    ----------
    controls : dict of str to Widget
        By name; `helpers.widgets.controls` makes them.
    box : VBox
        All of it, of the CSS class ``panel``.
    """

    def __init__(self, controls: Mapping[str, Any], rows: Iterable[Widget] = ()) -> None:
        for name, control in controls.items():
            if not isinstance(control, Widget):
                raise TypeError(f"{name} must be a control, such as slider({name!r}, 1, 0, 9), got {control!r}")
        self.controls = dict(controls)
        self.loop, self._waiting = present_loop(), False
        self.place = VBox()
        self.settings = list(rows) or [row(controls.values())]
        self.box = VBox([*self.settings, self.place])
        self.box.add_class("panel")
        for name, control in controls.items():
            control.observe(lambda _, name=name: self._changed(name), "value")

    def _changed(self, name: str) -> None:
        """Answer to a changed control: from whatever thread, so post."""
        raise NotImplementedError

    def _post_once(self, action: Callable[[], None]) -> None:
        """Let the loop do something soon; asked several times before it is done, it is done once."""

        def act() -> None:
            self._waiting = False
            action()

        if not self._waiting:
            self._waiting = True
            post(self.loop, act)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)


class Explorer(Panel):
    """Show what a function says about the values of some controls.

    Parameters
    ----------
    show : callable
        Gets the value of each control by name. Returns what to show: text, a `Picture` (the same one, updated in
        place, is redrawn fastest), anything with an HTML form, or a list of these.
    **controls : Widget
        From ``helpers.widgets.controls``.

    Attributes
    ----------
    error : Exception or None
        What went wrong at the last change; the panel shows it in words, and the former answer stays.
    answer : object
        What ``show`` returned last.
    """

    def __init__(self, show: Callable[..., Any], **controls: Widget) -> None:
        if not callable(show):
            raise TypeError(f"show must be a function of the controls' values, got {show!r}")
        super().__init__(controls)
        self.function, self.answer, self.status = show, None, HTML()
        self.error: Exception | None = None
        self.shown: list[Any] = []
        self.box.children = [*self.settings, self.status, self.place]
        self._refresh()

    def _changed(self, name: str) -> None:
        self._post_once(self._refresh)

    def _refresh(self) -> None:
        try:
            self.answer = self.function(**{name: control.value for name, control in self.controls.items()})
            self._place(self.answer if isinstance(self.answer, list) else [self.answer])
            self.error = None
        except Exception as error:
            self.error = error
        self.status.value = status_line(f"{type(self.error).__name__}: {self.error}", "alert") if self.error else ""

    def _place(self, parts: Sequence[Any]) -> None:
        """Show each part in a widget of its own, and keep the widgets as long as the kinds of parts do not change."""
        if [isinstance(part, Picture) for part in parts] != [isinstance(one, LiveImage) for one in self.shown]:
            self.shown = [LiveImage(part) if isinstance(part, Picture) else HTML() for part in parts]
            self.place.children = [one.box if isinstance(one, LiveImage) else one for one in self.shown]
        for one, part in zip(self.shown, parts):
            if not isinstance(one, LiveImage):
                one.value = as_html(part)
                continue
            if one.picture is not part:
                one.use(part)
            one.write()
            one.show()
            one.describe()

    def run(self, **values: Any) -> Any:
        """Set controls as a reader would, and return the answer.

        Raises
        ------
        TypeError, ValueError
            If there is no such control, or it cannot hold the value: the message names it, and nothing has changed.
        Exception
            What went wrong, also kept in ``error``.
        """
        set_controls(self.controls, values)
        self._refresh()
        if self.error:
            raise self.error
        return self.answer


def as_html(part: Any) -> str:
    """Return the HTML form of an object that shows itself in a notebook, or its text."""
    if hasattr(part, "_repr_mimebundle_"):
        return str(part._repr_mimebundle_().get("text/html", html.escape(str(part))))
    if hasattr(part, "_repr_html_"):
        return str(part._repr_html_())
    return f'<div style="font-size:1.1em">{html.escape(str(part))}</div>'
