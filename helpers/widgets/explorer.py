"""A panel without training: a function of a few controls, whose answer is shown again when a control changes.

>>> from helpers.widgets.controls import slider
>>> panel = Explorer(lambda n: f"{n} squared is {n * n}", n=slider("n", 3, 0, 9))
>>> panel.run(n=4)
'4 squared is 16'
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

from ipywidgets import HTML, VBox, Widget

from helpers.plots import Picture
from helpers.widgets.cells import present_loop
from helpers.widgets.controls import row, set_controls
from helpers.widgets.live import LiveImage


class Explorer:
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
        for name, control in controls.items():
            if not isinstance(control, Widget):
                raise TypeError(f"{name} must be a control, such as slider({name!r}, 1, 0, 9), got {control!r}")
        self.function, self.controls = show, controls
        self.error: Exception | None = None
        self.answer: Any = None
        self.changed = False
        self.parts: tuple[bool, ...] = ()
        self.loop = present_loop()
        self.status, self.place = HTML(), VBox()
        settings = row(controls.values())
        self.box = VBox([settings, self.status, self.place])
        self.box.add_class("panel")
        for control in controls.values():
            control.observe(self._post, "value")
        self._refresh()

    def _post(self, _: object = None) -> None:
        """Ask for a new answer, from whatever thread; several changes before it is given count as one."""
        if self.loop is None or self.loop.is_closed():
            self._refresh()
        elif not self.changed:
            self.changed = True
            self.loop.call_soon_threadsafe(self._refresh)

    def _refresh(self) -> None:
        self.changed = False
        try:
            self.answer = self.function(**{name: control.value for name, control in self.controls.items()})
            self._place(self.answer if isinstance(self.answer, list) else [self.answer])
            self.error, words = None, ""
        except Exception as error:
            self.error, words = error, f"{type(error).__name__}: {error}"
        lines = html.escape(words)
        style = 'role="alert" class="error" style="color:#a33b00;font-size:1.1em"'
        self.status.value = lines and f"<pre {style}>{lines}</pre>"

    def _place(self, parts: Sequence[Any]) -> None:
        """Show each part in a widget of its own, and keep the widgets as long as the kinds of parts do not change."""
        kinds = tuple(isinstance(part, Picture) for part in parts)
        if kinds != self.parts:
            self.shown = [LiveImage(part) if isinstance(part, Picture) else HTML() for part in parts]
            self.parts = kinds
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

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)


def as_html(part: Any) -> str:
    """Return the HTML form of an object that shows itself in a notebook, or its text."""
    if hasattr(part, "_repr_mimebundle_"):
        return str(part._repr_mimebundle_().get("text/html", html.escape(str(part))))
    if hasattr(part, "_repr_html_"):
        return str(part._repr_html_())
    return f'<div style="font-size:1.1em">{html.escape(str(part))}</div>'
