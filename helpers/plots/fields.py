"""A field over the plane as an image that is cheap enough to draw twenty times a second."""

from __future__ import annotations

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from PIL import Image

from helpers.plots.pictures import BLUE_ORANGE

SHADES = BLUE_ORANGE(np.arange(256), bytes=True)  # the colour (RGBA) of each score, 0 to 1 in 256 steps
WORDS = np.ascontiguousarray(SHADES).view(np.uint32).ravel()


class FieldImage(AxesImage):
    """An image of a field, scaled up bilinearly from few points to many pixels.

    Onto pixels Pillow scales it, several times as fast as matplotlib, which does it for all other formats.
    """

    def show(self, levels: NDArray[np.uint8]) -> None:
        """Show levels (rows, columns) in the colours of `SHADES`, or RGBA (rows, columns, 4), the lowest row first."""
        self.levels, self.small = levels, Image.fromarray(np.ascontiguousarray(levels[::-1]))
        self.stale = True

    def draw(self, renderer: RendererBase) -> None:
        if not isinstance(renderer, RendererAgg):
            self.set_data(coloured(self.levels))
            super().draw(renderer)
            return
        left, bottom, right, top = (round(edge) for edge in self.axes.bbox.extents)
        pixels = np.asarray(self.small.resize((right - left, top - bottom), Image.Resampling.BILINEAR))
        canvas = np.asarray(renderer.buffer_rgba())  # row 0 on top
        canvas[len(canvas) - top : len(canvas) - bottom, left:right] = coloured(pixels)  # opaque: nothing to blend
        self.stale = False


def coloured(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the colours, (rows, columns, RGBA), of levels; of colours themselves."""
    if levels.ndim == 3:
        return levels
    words = WORDS.take(levels, mode="clip")  # a word a pixel, no level looked at twice: several times as fast
    return words.view(np.uint8).reshape(*levels.shape, 4)
