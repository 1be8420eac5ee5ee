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
        cut = self._seen()
        if cut is None or not isinstance(renderer, RendererAgg):
            self.set_data(coloured(self.levels))
            super().draw(renderer)
            return
        left, bottom, right, top = (round(edge) for edge in self.axes.bbox.extents)
        pixels = np.asarray(self.small.resize((right - left, top - bottom), Image.Resampling.BILINEAR, cut))
        canvas = np.asarray(renderer.buffer_rgba())  # row 0 on top
        canvas[len(canvas) - top : len(canvas) - bottom, left:right] = coloured(pixels)  # opaque: nothing to blend
        self.stale = False

    def _seen(self) -> tuple[float, float, float, float] | None:
        """Return the part of the image within the axes, in its own cells from the upper left; None if not all of it."""
        ax, (left, right, bottom, top) = self.axes, self.get_extent()
        (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
        height, width = self.levels.shape[:2]
        across, down = width / (right - left), height / (top - bottom)
        cut = np.array([(x0 - left) * across, (top - y1) * down, (x1 - left) * across, (top - y0) * down])
        inside = (cut > -1e-6).all() and (cut[2:] < (width + 1e-6, height + 1e-6)).all() and (cut[:2] < cut[2:]).all()
        if not inside or ax.get_xscale() != "linear" or ax.get_yscale() != "linear":
            return None  # matplotlib does it, more slowly
        a, b, c, d = np.clip(cut, 0, (width, height, width, height)).tolist()
        return a, b, c, d


def coloured(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the colours, (rows, columns, RGBA), of levels; of colours themselves."""
    if levels.ndim == 3:
        return levels
    words = WORDS.take(levels, mode="clip")  # a word a pixel, no level looked at twice: several times as fast
    return words.view(np.uint8).reshape(*levels.shape, 4)
