"""Small grey images in rows: what a map makes of them, side by side.

>>> import numpy as np
>>> picture = plot_images({"x": np.zeros((3, 64)), "n(x)": np.ones((3, 64))}, look_for="white against black.")
>>> picture.description
'3 images of 8 x 8 in each of 2 rows: x; n(x).'
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.plots.pictures import TEXT, Picture, new_figure


class Images(Picture):
    """Rows of grey images; black is 0, white is 1."""

    def __init__(self, rows: Mapping[str, NDArray[np.float64]], look_for: str) -> None:
        self.rows = rows
        self.count, pixels = next(iter(rows.values())).shape
        self.side = math.isqrt(pixels)
        super().__init__(new_figure(0.75 * self.count + 2.0, 0.8 * len(rows) + 0.3), look_for)
        ax, edge = self.figure.add_subplot(), self.side + 1  # a white line between the images
        for i, (name, images) in enumerate(rows.items()):
            for j, image in enumerate(images):
                corner = (edge * j, edge * j + self.side, edge * i + self.side, edge * i)
                ax.imshow(image.reshape(self.side, self.side), cmap="gray", vmin=0, vmax=1, extent=corner)
        ax.set(xlim=(0, edge * self.count), ylim=(edge * len(rows), 0), xticks=[], aspect="equal")
        ax.set_yticks([edge * i + self.side / 2 for i in range(len(rows))], list(rows), fontsize=TEXT + 1)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)

    @property
    def words(self) -> str:
        """How many images there are, and what the rows are."""
        beyond = sum(int(((v < 0) | (v > 1)).sum()) for v in self.rows.values())
        return f"{self.count} images of {self.side} x {self.side} in each of {len(self.rows)} rows: " + (
            f"{'; '.join(self.rows)}."
            + (f" {beyond:,} pixels lie beyond 0 to 1: drawn black or white." if beyond else "")
        )


def plot_images(rows: Mapping[str, ArrayLike], *, look_for: str) -> Images:
    """Draw rows of square grey images.

    Parameters
    ----------
    rows : mapping of str to array_like, shape (k, side²)
        Each row by its name; values of 0 to 1, what lies beyond is drawn black or white.
    look_for : str
        What to look for.

    Returns
    -------
    Images
        Shows itself in a notebook.
    """
    images = {name: np.asarray(values, dtype=float) for name, values in rows.items()}
    shapes = {values.shape for values in images.values()}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 2 or math.isqrt(shape[1]) ** 2 != shape[1]:
        raise ValueError("rows must hold arrays of one shape (k, side²), an image a line")
    if not shape[0] or not all(np.isfinite(values).all() for values in images.values()):
        raise ValueError("rows must hold an image each at least, and finite numbers")
    return Images(images, look_for)
