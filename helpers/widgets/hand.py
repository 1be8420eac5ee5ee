"""A reader's hand in a live picture: what the pointer is over, what it drags, what it clicks.

The page sends where the pointer is, on any thread; what to do with it is decided on the loop of the panel. While that
takes longer than the page waits, places in between are left out, and the last one is answered.
"""

from __future__ import annotations

import html
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import hypot
from typing import TYPE_CHECKING, Any

from ipyevents import Event
from matplotlib.patches import Circle, Rectangle
from matplotlib.text import Text

from helpers.plots.pictures import TEXT, Handle

if TYPE_CHECKING:
    from helpers.widgets.panel import LiveImage, Panel

WATCHED = ["mousedown", "mousemove", "mouseup", "mouseleave"]
EVERY = 30  # milliseconds between two places that the page sends
NEAR = 15  # pixels of the page from a point to the pointer that is still on it
STILL = 3  # pixels that a click may move
RING: dict[str, Any] = {"fill": False, "edgecolor": "#D55E00", "linewidth": 2.5}
GROUND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}  # of the name beside it


def invitation(handles: Sequence[Handle]) -> str:
    """Say, as HTML, what can be dragged and what can be clicked in a picture; and how the pointer shows it."""
    kinds = {"Drag": [h.name for h in handles if h.drag], "Click": [h.name for h in handles if h.click]}
    more = {kind: f" and {len(names) - 3} more" * (len(names) > 3) for kind, names in kinds.items()}
    words = [f"{kind} {', '.join(names[:3])}{more[kind]}." for kind, names in kinds.items() if names]
    return html.escape(f" {' '.join(words)}") + "<style>.touching{cursor:pointer}</style>" if words else ""


class Hand:
    """What a pointer does to the handles of a live image; ``held`` and ``over`` are names of handles, or empty."""

    def __init__(self, live: LiveImage, panel: Panel) -> None:
        self.live, self.panel = live, panel
        self.heard: deque[Mapping[str, Any]] = deque()
        self.free = 0.0  # when the next place may be answered
        self.held = self.over = ""
        self.start, self.offset, self.moved, self.told = (0.0, 0.0), (0.0, 0.0), False, 0.0
        self.event = Event(source=live.image, watched_events=WATCHED, wait=EVERY, prevent_default_action=True)
        self.event.on_dom_event(self.hear)

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take note of what the page says, on whatever thread."""
        self.heard.append(message)
        self.panel.post(self._obey)

    def _obey(self) -> None:
        """Obey what has been heard; after an answer that took long, later: meanwhile more is heard."""
        begin, loop = time.perf_counter(), self.panel.loop
        if loop and begin < self.free:
            loop.call_later(self.free - begin, self._obey)
            return
        while self.heard:
            message = self.heard.popleft()
            later = self.heard[0] if self.heard else {}
            if not message["event"] == later.get("event") == "mousemove":
                self._do(message)
        self.free = time.perf_counter() + (time.perf_counter() - begin) / 4

    def _do(self, message: Mapping[str, Any]) -> None:
        kind, when, canvas = message["event"], message["timeStamp"], self.live.canvas
        if 0 < self.told - when < 1000:  # the page holds moves back, so that one may come after the release
            return
        self.told = when
        width, height = canvas.get_width_height()
        scale = width / (message["boundingRectWidth"] or width)
        x, y = message["relativeX"] * scale, height - message["relativeY"] * scale
        handle, under = self._named(self.held), self._under(x, y, NEAR * scale)
        if kind == "mousedown":
            if message["button"] == 0:
                self._take(under, x, y)
        elif self.held:
            lost = handle is None or (kind != "mouseup" and not message["buttons"] & 1)  # or released outside
            self.held = "" if lost or kind == "mouseup" else self.held
            self.moved |= hypot(x - self.start[0], y - self.start[1]) > STILL * scale
            if handle and handle.drag and self.moved and not lost:
                self._act(handle.drag, handle, x, y)
            if handle and handle.click and not self.moved and kind == "mouseup":
                self._act(handle.click, handle, x, y)
            if not self.held:
                self.live.describe()
        self._show(under if kind != "mouseleave" else None)

    def _take(self, handle: Handle | None, x: float, y: float) -> None:
        """Hold a handle where it was pressed: a point does not jump to the pointer, paper is painted on at once."""
        self.held, self.start, self.offset, self.moved = handle.name if handle else "", (x, y), (0.0, 0.0), False
        if handle and handle.at:
            px, py = handle.ax.transData.transform(handle.at())
            self.offset = (px - x, py - y)
        elif handle and handle.drag:
            self._act(handle.drag, handle, x, y)

    def _act(self, action: Callable[[float, float], Any], handle: Handle, x: float, y: float) -> None:
        place = (x + self.offset[0], y + self.offset[1])
        a, b = handle.ax.transData.inverted().transform(place)
        self.panel.touched(lambda: action(float(a), float(b)))

    def _named(self, name: str) -> Handle | None:
        """Return a handle as the picture has it now."""
        return next((handle for handle in self.live.picture.handles if handle.name == name), None)

    def _under(self, x: float, y: float, near: float) -> Handle | None:
        """Return the nearest point, else the axes that hold a place on the canvas."""
        found, best = None, near
        for handle in self.live.picture.handles:
            if handle.at:
                px, py = handle.ax.transData.transform(handle.at())
                if (away := hypot(px - x, py - y)) <= best:
                    found, best = handle, away
        papers = (h for h in self.live.picture.handles if not h.at and h.ax.bbox.contains(x, y))
        return found or next(papers, None)

    def _show(self, under: Handle | None) -> None:
        """Mark the handle that is held or under the pointer, unless it is marked already."""
        name = self.held or (under.name if under else "")
        if name != self.over:
            self.over = name
            (self.live.image.add_class if name else self.live.image.remove_class)("touching")
            self.live.show(slow=False)

    def mark(self) -> None:
        """Draw a ring around the marked point, or a frame around its axes, and its name while it is not held."""
        if (handle := self._named(self.over)) and (handle.at or handle.ax.axison):
            x, y = handle.ax.transData.transform(handle.at()) if handle.at else handle.ax.bbox.p0
            size = handle.ax.bbox.size
            mark = Circle((x, y), 11, **RING) if handle.at else Rectangle((x, y), *size, **RING)
            right = x < self.live.picture.figure.bbox.width / 2
            side, away = ("left", 16) if right else ("right", -16)
            name = Text(x + away, y, handle.name, va="center", ha=side, fontsize=TEXT, bbox=GROUND)
            for artist in (mark, name)[: 1 if self.held else 2]:
                artist.set_figure(self.live.picture.figure)
                artist.draw(self.live.canvas.get_renderer())
