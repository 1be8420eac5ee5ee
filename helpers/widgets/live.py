"""A picture of ``helpers.plots`` as a widget: only what changes is drawn again, and sent as a JPEG.

The same plotter draws the static figure: ``live.picture`` shows itself in a page without a kernel.
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
from numpy.typing import NDArray
from PIL import Image as Pillow

from helpers.plots import Picture

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
        The image, and below it what to look for and, folded, the description in words.
    """

    def __init__(self, picture: Picture) -> None:
        self.background: BufferRegion = None
        self.image, self.words = Image(format="jpeg"), HTML()
        self.box = VBox([self.image, self.words])
        self.use(picture)

    def use(self, picture: Picture) -> None:
        """Show another picture from now on."""
        self.picture = picture
        picture.settle()
        width = picture.figure.get_figwidth() * picture.figure.dpi
        # Without a size the page would stretch the image; with both it would not shrink on a narrow screen.
        self.image.layout = Layout(width=f"{width:.0f}px", max_width="100%", height="auto")
        self.layers = sorted(picture.changing, key=lambda artist: artist.get_zorder())
        for artist in (*self.layers, *picture.covering, *picture.slow):
            artist.set_animated(True)
        self.cover = self.covering_pixels()
        self.first = self.refresh()

    def rewind(self) -> None:
        """Go back to the background that the picture began with, after its ``clear``."""
        self.background = self.first
        self.write()

    @property
    def canvas(self) -> FigureCanvasAgg:
        """The canvas that the figure draws on."""
        canvas = self.picture.figure.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        return canvas

    def refresh(self) -> BufferRegion:
        """Draw the background again: axes, labels, legends, all that does not change from frame to frame."""
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.picture.figure.bbox)
        self.write()
        return self.background

    def covering_pixels(self) -> list[tuple[int, int, NDArray[np.uint8]]]:
        """Draw what covers the changing artists once, on nothing: (left, bottom, RGBA pixels) for each axes."""
        renderer, artists = self.canvas.get_renderer(), self.picture.covering
        renderer.clear()
        _draw(artists)
        drawn, pieces = np.asarray(renderer.buffer_rgba()).copy()[::-1], []
        for axes in {artist.axes: None for artist in artists if artist.axes}:
            left, bottom, right, top = (round(edge) for edge in axes.bbox.extents)
            pieces.append((left, bottom, drawn[bottom:top, left:right].copy()))
        return pieces

    def write(self) -> None:
        """Put the slow artists as they are now onto the background."""
        self.canvas.restore_region(self.background)
        _draw(self.picture.slow)
        self.written = self.canvas.copy_from_bbox(self.picture.figure.bbox)

    def show(self) -> None:
        """Send the picture as it is now: a kept background, and over it what changes in every frame."""
        self.canvas.restore_region(self.written)
        _draw(self.layers)
        renderer = self.canvas.get_renderer()
        for left, bottom, pixels in self.cover:
            renderer.draw_image(renderer.new_gc(), left, bottom, pixels)
        buffer, frame = io.BytesIO(), self.canvas.buffer_rgba()
        size = self.canvas.get_width_height()
        Pillow.frombuffer("RGBX", size, frame, "raw", "RGBX", 0, 1).save(buffer, "jpeg", quality=QUALITY)
        self.image.value = buffer.getvalue()

    def describe(self) -> None:
        """Bring the words under the image up to date."""
        look, text = (html.escape(part) for part in (self.picture.look_for, self.picture.description))
        self.words.value = (
            f"<p><b>What to look for:</b> {look}</p>"
            f"<details><summary>Description of the figure</summary>{text}</details>"
        )


def _draw(artists: Iterable[Artist]) -> None:
    for artist in artists:
        assert artist.axes is not None
        artist.axes.draw_artist(artist)
