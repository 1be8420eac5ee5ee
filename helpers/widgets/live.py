"""A picture of ``helpers.plots`` as a widget: only what changes is drawn again, and sent as a JPEG.

The picture is cut in two strips: the upper one, with all that moves, goes to the page with every frame, the lower one
(curves, which take longer to draw and to read) now and then. The same plotter draws the static figure:
``live.picture`` shows itself in a page without a kernel.
"""

from __future__ import annotations

import html
import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from ipywidgets import HTML, Image, Layout, VBox
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import Image as Pillow

from helpers.plots import Picture

Blend = NDArray[np.floating]
BufferRegion = Any  # what matplotlib's canvas copies; it has no public type

QUALITY = 88  # of the JPEG: text stays clean, about 100 kB a frame


class LiveImage:
    """Show a picture that changes.

    Parameters
    ----------
    picture : Picture
        Its ``changing`` artists are blitted over a background that is drawn once.

    Attributes
    ----------
    box : VBox
        The two strips, and below them what to look for and, folded, the description in words.
    """

    def __init__(self, picture: Picture) -> None:
        self.background: BufferRegion = None
        self.moving, self.still, self.words = Image(format="jpeg"), Image(format="jpeg"), HTML()
        self.box = VBox([self.moving, self.still, self.words])
        self.use(picture)

    def use(self, picture: Picture) -> None:
        """Show another picture from now on."""
        self.picture = picture
        picture.settle()
        for axes in picture.figure.axes:
            axes.apply_aspect()  # as a drawing of the whole would: what is drawn alone then lies where it belongs
        width, height = self.canvas.get_width_height()
        lowest = [artist.axes.bbox.y0 for artist in picture.changing if artist.axes]
        self.cut = height - int(min(lowest, default=height))  # rows from the top down to where nothing moves
        self.upper = Bbox.from_extents(0, height - self.cut, width, height)
        for image, rows in ((self.moving, self.cut), (self.still, height - self.cut)):
            # Without a size the page would stretch an image; with both it would not shrink on a narrow screen.
            shown = "block" if rows else "none"
            image.layout = Layout(width=f"{width}px", max_width="100%", height="auto", margin="0", display=shown)
        self.layers = sorted(picture.changing, key=lambda artist: artist.get_zorder())
        for artist in (*self.layers, *picture.covering, *picture.slow):
            artist.set_animated(True)
        self.covers = self.covering_pixels()
        self.bare = self.without_curves()
        self.first = self.refresh()

    def rewind(self) -> None:
        """Go back to the background that the picture began with, after its ``clear``; `write` then shows it."""
        self.background = self.first

    @property
    def canvas(self) -> FigureCanvasAgg:
        """The canvas that the figure draws on."""
        canvas = self.picture.figure.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        return canvas

    def without_curves(self) -> BufferRegion:
        """Draw the background of all but the axes in which no frame changes anything, whose limits may stretch."""
        moving = {artist.axes for artist in self.layers}
        self.curves = [axes for axes in self.picture.figure.axes if axes not in moving]
        for axes in self.curves:
            axes.set_visible(False)
        self.canvas.draw()
        for axes in self.curves:
            axes.set_visible(True)
        return self.canvas.copy_from_bbox(self.picture.figure.bbox)

    def refresh(self) -> BufferRegion:
        """Draw the background again: axes, labels, legends, all that does not change from frame to frame."""
        self.canvas.restore_region(self.bare)
        for axes in self.curves:
            axes.draw(self.canvas.get_renderer())
        self.background = self.canvas.copy_from_bbox(self.picture.figure.bbox)
        self.write()
        return self.background

    def covering_pixels(self) -> tuple[NDArray[np.intp], Blend, Blend]:
        """Draw what covers the changing artists once, on nothing: its pixels' places, what shines through, colours."""
        renderer = self.canvas.get_renderer()
        renderer.clear()
        frames = {artist.axes: list(artist.axes.spines.values()) for artist in self.layers if artist.axes}
        self._draw([*self.picture.covering, *(spine for spines in frames.values() for spine in spines)])
        drawn = np.asarray(renderer.buffer_rgba()).reshape(-1, 4)
        (at,) = drawn[:, 3].nonzero()
        alpha: Blend = drawn[at][:, [3, 3, 3, 3]].astype(np.float32) / 255
        return at, 1 - alpha, alpha * drawn[at] + 0.5  # a half more, as the way to integers rounds down

    def cover(self) -> None:
        """Lay the covering pixels over what is drawn."""
        at, shining, colours = self.covers
        words = np.asarray(self.canvas.buffer_rgba()).view(np.uint32).ravel()  # a word a pixel
        below = words.take(at).view(np.uint8).reshape(-1, 4)
        words[at] = (shining * below + colours).astype(np.uint8).view(np.uint32).ravel()

    def write(self) -> None:
        """Put the slow artists as they are now onto the background, and send the strip that does not move."""
        self.canvas.restore_region(self.background)
        self._draw(self.picture.slow)
        self.written = self.canvas.copy_from_bbox(self.upper)
        self._send(self.still, self.cut, self.canvas.get_width_height()[1])

    def show(self) -> None:
        """Send the strip that moves as it is now: a kept background, and over it what changes in every frame."""
        self.canvas.restore_region(self.written)
        self._draw(self.layers)
        self.cover()
        self._send(self.moving, 0, self.cut)

    def _draw(self, artists: Iterable[Artist]) -> None:
        renderer = self.canvas.get_renderer()
        for artist in artists:
            artist.draw(renderer)

    def _send(self, image: Image, top: int, bottom: int) -> None:
        """Send the rows of the canvas from ``top`` to ``bottom``."""
        if bottom > top:
            frame, buffer = np.asarray(self.canvas.buffer_rgba())[top:bottom], io.BytesIO()
            size = (frame.shape[1], frame.shape[0])
            Pillow.frombuffer("RGBX", size, frame, "raw", "RGBX", 0, 1).save(buffer, "jpeg", quality=QUALITY)
            image.value = buffer.getvalue()

    def describe(self) -> None:
        """Bring the words under the image up to date."""
        look, text = (html.escape(part) for part in (self.picture.look_for, self.picture.description))
        self.words.value = (
            f"<p><b>What to look for:</b> {look}</p>"
            f"<details><summary>Description of the figure</summary>{text}</details>"
        )
