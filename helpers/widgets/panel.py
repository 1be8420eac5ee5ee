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
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast
from weakref import WeakValueDictionary

from IPython import get_ipython
from ipywidgets import HTML, Image, Layout, VBox, Widget
from matplotlib.artist import Artist
from PIL import Image as Pillow

from helpers.options import Real
from helpers.plots import Picture
from helpers.plots.pictures import caption
from helpers.widgets.controls import idle, nearest, option_of, row, set_controls, status_line
from helpers.widgets.hand import Hand, invitation
from helpers.widgets.static import in_words, strip

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


def present_cell() -> tuple[Any, Any]:
    """Return the id of the present cell, and of this run of it; None outside a notebook."""
    shell = get_ipython()
    parent = getattr(shell, "parent_header", None) or (shell.get_parent() if hasattr(shell, "get_parent") else {}) or {}
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")


_players: WeakValueDictionary[tuple[str, str, int], Any] = WeakValueDictionary()


def take_over(player: Any) -> None:
    """Pause what an earlier run of the present cell made and nobody sees any more; outside a notebook do nothing."""
    cell, message = present_cell()
    if cell is not None:
        for (its_cell, its_message, _), old in list(_players.items()):
            if its_cell == cell and its_message != message:
                old.pause()
        _players[cell, message, id(player)] = player


class LiveImage:
    """A picture as a widget: what changes is drawn over a kept background, and sent as a JPEG.

    ``box`` holds the image, and below it what to look for and, folded, the description in words. What the picture has
    handles for can be touched, and is answered by the ``panel``.
    """

    def __init__(self, picture: Picture, panel: Panel | None = None) -> None:
        self.image, self.words = Image(format="jpeg"), HTML()
        self.box = VBox([self.image, self.words])
        self.panel = panel
        self.hand: Hand | None = None
        self.use(picture)

    def use(self, picture: Picture) -> None:
        """Show another picture from now on."""
        self.picture, self.canvas = picture, cast(Any, picture.figure.canvas)
        picture.settle()
        # Without a width the page would stretch the image; with a height too it would not shrink on a narrow screen.
        width = f"{self.canvas.get_width_height()[0]}px"
        self.image.layout = Layout(width=width, max_width="100%", height="auto", margin="0")
        for artist in (*picture.changing, *picture.slow):
            artist.set_animated(True)
        self.refresh()
        self.first = self.background

    def refresh(self) -> None:
        """Draw the background again: all that does not change from frame to frame."""
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.picture.figure.bbox)

    def rewind(self) -> None:
        """Go back to the background that the picture began with, after its ``clear``."""
        self.background = self.first

    def show(self, slow: bool = True) -> None:
        """Send a frame; unless ``slow``, curves and texts are as they were when they were drawn last."""
        if slow:
            self.canvas.restore_region(self.background)
            self._draw(self.picture.slow)
            self.written = self.canvas.copy_from_bbox(self.picture.figure.bbox)
        self.canvas.restore_region(self.written)
        self._draw(self.picture.changing)
        if self.picture.handles and self.panel and not self.hand:
            self.hand = Hand(self, self.panel)
        if self.hand:
            self.hand.mark()
        frame, buffer = self.canvas.buffer_rgba(), io.BytesIO()
        Pillow.frombuffer("RGBX", frame.shape[1::-1], frame, "raw", "RGBX", 0, 1).save(buffer, "jpeg", quality=QUALITY)
        self.image.value = buffer.getvalue()

    def _draw(self, artists: Sequence[Artist]) -> None:
        frames = {artist.axes: artist.axes.spines.values() for artist in artists if artist.axes}
        spines = [spine for some in frames.values() for spine in some]
        for artist in sorted([*artists, *spines], key=lambda artist: artist.get_zorder()):
            artist.draw(self.canvas.get_renderer())

    def describe(self) -> None:
        """Bring the words under the image up to date, once nothing in it is held any more."""
        if self.hand and self.hand.held:
            return
        touch = invitation(self.picture.handles) if self.panel else ""
        self.words.value = caption(self.picture.look_for, self.picture.description, touch)


class Panel:
    """Controls, and something that answers when one changes: what all panels have in common.

    The options of a panel are its ``controls``, by name, of `helpers.widgets.controls`. What its ``box`` shows
    are ``settings`` (rows of controls), then what a kind of panel puts there, then a ``place`` for pictures. What goes
    wrong is kept in ``error`` and said in ``status``. A kind of panel says three things: how it answers to a changed
    control, on whatever thread (``_changed``), how it says an error (``_fail``), and what a page without a kernel shows
    (``static``, HTML).
    """

    _changed: Callable[[str], None]
    _fail: Callable[[Exception], None]
    static: Callable[[], str]

    def __init__(self, controls: Mapping[str, Any], rows: Iterable[Widget] = ()) -> None:
        for name, control in controls.items():
            if not isinstance(control, Widget):
                raise TypeError(f"{name} must be a control, such as slider({name!r}, 1, 0, 9), got {control!r}")
        self.controls = dict(controls)
        self.loop, self._waiting = present_loop(), False
        self.post = partial(post, self.loop)  # let the panel's loop do something, asked from any thread
        self.error: Exception | None = None
        self._idle: dict[str, str] = {}
        self.status = HTML()
        self.settings, self.place = list(rows) or [row(controls.values())], VBox()
        self.box = VBox()
        self.box.add_class("panel")
        for name, control in controls.items():
            control.observe(lambda _, name=name: self._changed(name), "value")

    @property
    def values(self) -> dict[str, Any]:
        """What the controls say, by name."""
        return {name: control.value for name, control in self.controls.items()}

    def touched(self, action: Callable[[], Mapping[str, Any] | None]) -> None:
        """Do, on the loop, what a hand in the picture asks for: set the controls that its action names."""
        try:
            asked = action() or {}
            set_controls(self.controls, {name: nearest(self.controls[name], value) for name, value in asked.items()})
        except Exception as error:
            self._fail(error)

    def _lay_out(self, *parts: Widget) -> None:
        self.box.children = [*self.settings, *parts, self.place]

    def idle(self, **values: Any) -> dict[str, str]:
        """Return, by name, why controls do nothing at these values: they are disabled, and their tip says it."""
        return {}

    def _excuse(self) -> None:
        before, self._idle = self._idle, self.idle(**self.values)
        for name in before | self._idle:
            idle(self.controls[name], self._idle.get(name, ""))

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if os.environ.get("COURSE_STATIC"):  # the book is made of what panels leave
            return {"text/html": self.static(), "text/plain": type(self).__name__}
        return self.box._repr_mimebundle_(**options)


class Explorer(Panel):
    """Show what a function says about the values of some controls.

    Parameters
    ----------
    show : callable
        Gets the value of each control by name. Returns what to show: text, a `Picture` (the same one, updated in
        place, is redrawn fastest), anything with an HTML form, or a list of these. What it returned last is in
        ``answer``; an error is said in words and kept in ``error``, and the former answer stays.
    idle : callable, optional
        Gets the values too, and returns, by name of the control, why it does nothing at these.
    settings_shown : sequence of mapping, optional
        What a page without a kernel shows: answers at these values; unless told, at those that are set and at both ends
        of the first control that is a number.
    **controls : Widget
        From ``helpers.widgets.controls``.
    """

    def __init__(
        self,
        show: Callable[..., Any],
        *,
        idle: Callable[..., dict[str, str]] | None = None,
        settings_shown: Sequence[Mapping[str, Any]] = (),
        **controls: Widget,
    ) -> None:
        if not callable(show):
            raise TypeError(f"show must be a function of the controls' values, got {show!r}")
        super().__init__(controls)
        self.function, self.answer, self.settings_shown = show, None, settings_shown
        if idle:
            self.idle = idle  # type: ignore[method-assign]
        self.shown: list[Any] = []
        self._lay_out(self.status)
        self._refresh()

    def _changed(self, name: str) -> None:
        """Answer soon; several changes before that are answered once."""
        if not self._waiting:
            self._waiting = True
            post(self.loop, self._refresh)

    def _refresh(self) -> None:
        self._waiting = False
        try:
            self.answer = self.function(**self.values)
            self._place(self.answer if isinstance(self.answer, list) else [self.answer])
            self._excuse()
            self.error, self.status.value = None, ""
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.error, self.status.value = error, status_line(f"{type(error).__name__}: {error}", "alert")

    def touched(self, action: Callable[[], Mapping[str, Any] | None]) -> None:
        """Set all that was moved, and answer once, before the next place of the pointer is looked at."""
        self._waiting, before = True, self.error
        super().touched(action)
        if self.error is before:
            self._refresh()
        self._waiting = False

    def _place(self, parts: Sequence[Any]) -> None:
        """Show each part in a widget of its own, and keep the widgets as long as the kinds of parts do not change."""
        if [isinstance(part, Picture) for part in parts] != [isinstance(one, LiveImage) for one in self.shown]:
            self.shown = [LiveImage(part, self) if isinstance(part, Picture) else HTML() for part in parts]
            self.place.children = [one.box if isinstance(one, LiveImage) else one for one in self.shown]
        for one, part in zip(self.shown, parts):
            if isinstance(one, LiveImage):
                if one.picture is not part:
                    one.use(part)
                one.show()
                one.describe()
            else:
                one.value = as_html(part)

    def run(self, **values: Any) -> Any:
        """Set controls as a reader would, and return the answer.

        What does not fit is refused by name, and nothing has changed; what goes wrong is raised, and kept in ``error``.
        """
        self._waiting = True  # all that is set is answered once, below
        try:
            set_controls(self.controls, values)
        finally:
            self._waiting = False
        self._refresh()
        if self.error:
            raise self.error
        return self.answer

    def static(self) -> str:
        """Return the answers at some settings side by side, as HTML; the controls then stand as before."""
        before, parts = self.values, []
        numbers = {name: option_of(control) for name, control in self.controls.items()}
        ends = [{name: end} for name, it in numbers.items() if isinstance(it, Real) for end in (it.low, it.high)][:2]
        for settings in self.settings_shown or ({}, *ends):
            try:
                answer = self.run(**before | dict(settings))
            except (ValueError, ArithmeticError) as error:
                answer = error
            shown = "".join(map(as_html, answer if isinstance(answer, list) else [answer]))
            parts.append((in_words({name: self.controls[name] for name in settings or before}), shown))
        self.run(**before)
        return strip(parts)


def as_html(part: Any) -> str:
    """Return the HTML form of an object that shows itself in a notebook, or its text."""
    if hasattr(part, "_repr_mimebundle_"):
        return str(part._repr_mimebundle_().get("text/html", html.escape(str(part))))
    if hasattr(part, "_repr_html_"):
        return str(part._repr_html_())
    return f'<div role="status" style="font-size:1.1em;white-space:pre-line">{html.escape(str(part))}</div>'
