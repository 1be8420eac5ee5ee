"""The picture of the playground: a boundary for every layer, hidden units as thumbnails, one of them large, the curves.

Where the inputs are images, as the digits are, no plane holds the points. In place of the boundary then stand the
hidden units of each layer, each as the image that it prefers: the mean of the images, weighted by its response.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import ArrayLike

from helpers.plots.boundaries import Array, Grid
from helpers.plots.pictures import TEXT, label, new_figure, shades
from helpers.plots.progress import LayerProgress, Samples

COARSE = 32  # grid points a side on which hidden units are looked at
THUMBNAILS = (2, 4)  # rows and columns for each layer: units 1 to 8
LOOK_FOR = (
    "the boundary (black) of each layer and the units that it could be made of; the gap of thin to thick in the "
    "curves. A percentage is the share of the test points that are right."
)
LOOK_FOR_IMAGES = (
    "units that prefer strokes, others whole digits; which layer answers best; the gap of thin to thick. "
    "A percentage is the share of the test images that are right."
)


class UnitImages:
    """The first hidden units of a layer in ``shape`` (rows, columns), each in the scale of its own largest output.

    ``plane``: the outputs belong to a grid over it; otherwise to square images, and the preferred ones are shown.
    """

    def __init__(self, ax: Axes, plane: bool, shape: tuple[int, int]) -> None:
        self.ax, self.plane, self.shape, self.most = ax, plane, shape, shape[0] * shape[1]
        blank = shades(np.zeros((2, 2)))
        self.image = ax.imshow(blank, extent=(0, shape[1], 0, shape[0]), interpolation="bilinear", zorder=0)
        ax.set(xticks=[], yticks=[])
        label(ax)

    def show(self, outputs: Array, probes: Array) -> None:
        """Show outputs (m, width) at the probes (m, d); unit 1 at the upper left, white lines between units."""
        values = np.asarray(outputs)[:, : self.most]
        values = values if self.plane else preferred_images(values, probes)
        peak = np.abs(values).max(axis=0, initial=0)
        (rows, columns), side = self.shape, round(len(values) ** 0.5)
        units = shades((values / np.where(peak, peak, 1)).T.reshape(-1, side, side))
        if self.plane:
            units = units[:, ::-1]  # a plane begins with its lowest row, an image with its uppermost
        step = side + (max(1, side // 8) if self.most > 1 else 0)
        tiles = np.full((self.most, step, step, 4), 255, dtype=np.uint8)
        tiles[: len(units), :side, :side] = units
        mosaic = tiles.reshape(rows, columns, step, step, 4).swapaxes(1, 2)
        self.image.set_data(mosaic.reshape(rows * step, columns * step, 4))


def preferred_images(outputs: Array, images: Array) -> Array:
    """Return, for each unit, the mean of the images weighted by its response, (m, width) and (m, d) -> (d, width).

    The response is the output minus its mean over the images; a unit that never changes prefers nothing, a zero image.
    """
    response = outputs - outputs.mean(axis=0)
    total = np.abs(response).sum(axis=0)
    preferred: Array = images.T @ (response / np.where(total, total, 1))
    return preferred


class PlaygroundPicture(LayerProgress):
    """Layers, hidden units and curves of one net, or of several that race; with one rule there are thumbnails too.

    Parameters: as of `LayerProgress`.
    """

    widest, rate = 5, ": {}"

    def __init__(self, training_set: Samples, test_set: Samples, layers: int, **options: Any) -> None:
        X = np.asarray(test_set.X)
        self.coarse = Grid(X, COARSE) if X.shape[1] == 2 else None
        super().__init__(training_set, test_set, layers, **options)
        plane, rows, tall = self.grid is not None, len(self.rules), self.figure.get_figheight()
        self.look_for = LOOK_FOR if plane else LOOK_FOR_IMAGES
        self.hidden = layers - 1
        self.probes = self.coarse.points if self.coarse else self.sets[1][0]
        add = self.figure.add_subplot
        self.large = [UnitImages(add(self.above[row, -1]), plane, (1, 1)) for row in range(rows)]
        self.small: list[UnitImages] = []
        for row in range(0 if plane and rows > 1 else rows):
            for i in range(self.hidden):
                place = self.strip[0, i] if plane else self.above[row, i]
                self.small.append(UnitImages(add(place), plane, THUMBNAILS if plane else (4, 4)))
        middle, top, first = 0.5, 1 - 0.12 / tall, self.figure.axes[0]
        style = {"ha": "center", "va": "center", "fontsize": TEXT + 1, "weight": "bold"}
        self.heading = first.text(middle, top, "", transform=self.figure.transFigure, **style)  # type: ignore[arg-type]
        for row, rule in enumerate(self.rules if rows > 1 else []):
            ax = self.fields[row * layers].ax if plane else self.small[row * self.hidden].ax
            ax.set_ylabel(textwrap.fill(rule, 12, break_long_words=False), fontsize=TEXT)
        if not plane:
            why = f"{X.shape[1]} inputs: no plane holds the points, so there is no boundary to draw. Instead, for each "
            why += "unit, the image that it prefers: the mean of the test images, weighted by the unit's response."
            self.figure.text(0.09, 3.2 / tall, textwrap.fill(why, 100), fontsize=TEXT)
        self.changing += [unit.image for unit in self.large]
        self.slow += [unit.image for unit in self.small] + [unit.ax.title for unit in (*self.small, self.large[0])]
        self.slow.append(self.heading)
        self.picked, self.span = (1, 1), (0.0, 0.0)

    def _divide(self, rows: int, columns: int) -> Figure:
        """Make the figure: a column more, for the unit shown large, and, with one rule, a strip for the thumbnails."""
        strip = 0.4 if self.coarse is None else 1.4 if rows == 1 else 0.0  # words, or thumbnails
        columns = columns + 1 if self.coarse else columns
        cell = min(8.4 / columns, (1.95, 1.6, 1.4, 1.2)[rows - 1])
        titles = 0.35 if self.coarse else 0.55
        lowest = 3.1 + 0.3 + strip
        height = 0.25 + rows * (cell + titles) + lowest
        figure, sides = new_figure(9.6, height, layout=None), {"left": 0.09 if rows == 1 else 0.12, "right": 0.975}

        def grid(rows: int, columns: int, top: float, bottom: float, **space: float) -> GridSpec:
            return figure.add_gridspec(rows, columns, **sides, top=top / height, bottom=bottom / height, **space)

        self.above = grid(rows, columns, height - 0.25 - titles, lowest, wspace=0.1, hspace=titles / cell)
        if self.coarse and strip:
            self.strip = grid(1, columns, lowest - 0.75, 3.2, wspace=0.1)
        self.below = grid(1, 2, 2.7, 0.85, wspace=0.2)
        return figure

    def look(self, units: Sequence[Sequence[ArrayLike]], layer: int, unit: int) -> None:
        """Show hidden units: the outputs (m, width) at ``probes`` of every hidden layer of every net.

        ``layer`` and ``unit``, counted from 1, say which of them is shown large.
        """
        self.picked, spans = (layer, unit), []
        for place, outputs in zip(self.large, units, strict=True):
            values = np.asarray(outputs[layer - 1])[:, unit - 1 : unit]
            spans += [float(values.min()), float(values.max())]
            place.show(values, self.probes)
        self.large[0].ax.title.set_text(f"layer {layer}, unit {unit}")
        self.span = (min(spans), max(spans))
        self.units = [np.asarray(output) for outputs in units for output in outputs]

    def trace(self) -> bool:
        """Bring titles, thumbnails and curves up to date; return whether limits stretched."""
        stretched = super().trace()
        for i, (place, outputs) in enumerate(zip(self.small, self.units)):
            place.show(outputs, self.probes)
            row, layer = divmod(i, self.hidden)
            width, at = outputs.shape[1], row * (self.hidden + 1) + layer
            units = f"units 1 to {min(place.most, width)}" + (f" of {width}" if place.most < width else "")
            place.ax.title.set_text(units if self.grid else f"layer {layer + 1}{self.right_at(at)}\n{units}")
        return stretched

    def file(self, kind: str) -> bytes:
        """Return the figure as a file, "png" or "svg"; equal figures give equal files."""
        if kind == "png":
            return self.png()
        if kind != "svg":
            raise ValueError(f"a figure is saved as .png or .svg, got {'.' + kind!r}")
        buffer = io.BytesIO()
        with rc_context({"svg.hashsalt": "playground"}):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()

    @property
    def words(self) -> str:
        """What is shown, the unit that is shown large, the last error and accuracy."""
        (layer, unit), (low, high) = self.picked, self.span
        titles = [u.ax.get_title() for u in self.small]
        parts = [f"layer {i % self.hidden + 1}, {t.splitlines()[-1]}" for i, t in enumerate(titles) if t]
        small = f" ({'; '.join(parts)})" if parts else ""
        return (
            f"{self.heading.get_text()}. {super().words} Hidden units are drawn too{small}; the large one, unit {unit} "
            f"of layer {layer}, goes from {low:.2g} to {high:.2g}."
        )
