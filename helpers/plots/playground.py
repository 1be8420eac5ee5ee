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
from numpy.typing import ArrayLike, NDArray

from helpers.plots.boundaries import Grid
from helpers.plots.fields import FieldImage, coloured
from helpers.plots.pictures import TEXT, label, new_figure, percent
from helpers.plots.progress import LayerProgress, Samples

Array = NDArray[np.floating]
Units = Sequence[Sequence[ArrayLike]]

COARSE = 32  # grid points a side on which hidden units are looked at
THUMBNAILS = (2, 4)  # rows and columns, a layer: units 1 to 8
LOOK_FOR = (
    "the boundary (black) of each layer and the units that it could be made of; the gap of thin to thick in the "
    "curves. A percentage is the share of the test points that are right."
)
LOOK_FOR_IMAGES = (
    "units that prefer strokes, others whole digits; which layer answers best; the gap of thin to thick. "
    "A percentage is the share of the test images that are right."
)


class UnitImages:
    """The first few hidden units of a layer as small images in one, each in the scale of its own largest output.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    coarse : Grid or None
        Of the plane, whose points the outputs belong to; None for inputs that are square images.
    shape : (int, int)
        Rows and columns of units.
    """

    def __init__(self, ax: Axes, coarse: Grid | None, shape: tuple[int, int]) -> None:
        self.ax, self.coarse, self.shape, self.most = ax, coarse, shape, shape[0] * shape[1]
        rows, columns = shape
        self.image = FieldImage(ax, extent=(0, columns, 0, rows), origin="lower", interpolation="bilinear", zorder=0)
        self.image.show(np.full((2, 2), 128, dtype=np.uint8))
        ax.add_image(self.image)
        ax.set(xlim=(0, columns), ylim=(0, rows), xticks=[], yticks=[], aspect="equal")
        label(ax)

    def show(self, outputs: Array, probes: Array) -> None:
        """Show outputs (m, width) at the probes (m, d)."""
        values = np.asarray(outputs)[:, : self.most]
        if self.coarse is None:
            values = preferred_images(values, probes)
        peak = np.abs(values).max(axis=0, initial=0)
        side = round(len(values) ** 0.5)
        levels = np.rint(127.5 * (values / np.where(peak, peak, 1) + 1)).astype(np.uint8).T.reshape(-1, side, side)
        if self.coarse is None:
            levels = levels[:, ::-1]  # an image begins with its uppermost row, a plane with its lowest
        if self.most == 1:
            self.image.show(levels[0])
        else:
            self.image.show(self._mosaic(levels))

    def _mosaic(self, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Set the images side by side, unit 1 at the upper left, with a white line around each."""
        (rows, columns), side = self.shape, levels.shape[1]
        step = side + max(1, side // 8)
        tiles = np.full((rows, columns, step, step, 4), 255, dtype=np.uint8)
        for i, tile in enumerate(levels):
            tiles[rows - 1 - i // columns, i % columns, :side, :side] = coloured(tile)
        return tiles.swapaxes(1, 2).reshape(rows * step, columns * step, 4)


def preferred_images(outputs: Array, images: Array) -> Array:
    """Return, for each unit, the mean of the images weighted by its response, (m, width) and (m, d) -> (d, width).

    The response is the output minus its mean over the images; a unit that never changes prefers nothing, a zero image.
    """
    response = outputs - outputs.mean(axis=0)
    total = np.abs(response).sum(axis=0)
    preferred: Array = images.T @ (response / np.where(total, total, 1))
    return preferred


class PlaygroundPicture(LayerProgress):
    """Layers, hidden units and curves of one net, or of several that race: built once, updated in place.

    Parameters
    ----------
    training_set, test_set, layers, rules, x_label, total, size, measured
        As in `LayerProgress`. With one rule the units of each layer are shown as thumbnails too.
    """

    widest, rate = 5, ": {}"

    def __init__(self, training_set: Samples, test_set: Samples, layers: int, **options: Any) -> None:
        X = np.asarray(test_set.X)
        self.coarse = Grid(X, COARSE) if X.shape[1] == 2 else None
        super().__init__(training_set, test_set, layers, **options)
        self.look_for = LOOK_FOR if self.grid else LOOK_FOR_IMAGES
        self.hidden, rows = layers - 1, len(self.rules)
        self.probes = self.coarse.points if self.coarse else self.sets[1][0]
        self.large = [
            UnitImages(self.figure.add_subplot(self.above[row, -1]), self.coarse, (1, 1)) for row in range(rows)
        ]
        self.small: list[UnitImages] = []
        if self.grid is None or rows == 1:
            for row in range(rows):
                for i in range(self.hidden):
                    ax = self.figure.add_subplot(self.strip[0, i] if self.grid else self.above[row, i])
                    self.small.append(UnitImages(ax, self.coarse, THUMBNAILS if self.grid else (4, 4)))
        first = self.figure.axes[0]
        middle, top = 0.5, 1 - 0.12 / self.figure.get_figheight()
        self.heading = first.text(
            middle,
            top,
            "",
            transform=self.figure.transFigure,
            ha="center",
            va="center",
            fontsize=TEXT + 1,
            weight="bold",
        )
        if rows > 1:
            for row, rule in enumerate(self.rules):
                ax = self.fields[row * layers].ax if self.grid else self.small[row * self.hidden].ax
                ax.set_ylabel(textwrap.fill(rule, 12, break_long_words=False), fontsize=TEXT)
        if self.grid is None:
            why = f"{X.shape[1]} inputs: no plane holds the points, so there is no boundary to draw. Instead, for each "
            why += "unit, the image that it prefers: the mean of the test images, weighted by the unit's response."
            self.figure.text(0.09, 3.2 / self.figure.get_figheight(), textwrap.fill(why, 100), fontsize=TEXT)
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
        height = 0.25 + rows * (cell + titles) + strip + 0.3 + 3.1
        lowest = 3.1 + 0.3 + strip
        figure, sides = new_figure(9.6, height, layout=None), {"left": 0.09 if rows == 1 else 0.12, "right": 0.975}

        def grid(rows: int, columns: int, top: float, bottom: float, **space: float) -> GridSpec:
            return figure.add_gridspec(rows, columns, **sides, top=top / height, bottom=bottom / height, **space)

        self.above = grid(rows, columns, height - 0.25 - titles, lowest, wspace=0.1, hspace=titles / cell)
        if self.coarse and strip:
            self.strip = grid(1, columns, lowest - 0.75, 3.2, wspace=0.1)
        self.below = grid(1, 2, 2.7, 0.5, wspace=0.2)
        return figure

    def look(self, units: Units, layer: int, unit: int) -> None:
        """Show hidden units.

        Parameters
        ----------
        units : sequence of sequence of array_like, each (m, width)
            The outputs at ``probes`` of every hidden layer of every net.
        layer, unit : int
            Which of them is shown large, counted from 1.
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
            place.ax.title.set_text(self._title(i, min(place.most, outputs.shape[1]), outputs.shape[1]))
        return stretched

    def _title(self, i: int, shown: int, width: int) -> str:
        row, layer = divmod(i, self.hidden)
        units = f"units 1 to {shown}" + (f" of {width}" if shown < width else "")
        if self.grid:
            return units
        rate = (
            ""
            if self.latest is None
            else self.rate.format(percent(self.latest[1, row * (self.hidden + 1) + layer, 1], 1))
        )
        return f"layer {layer + 1}{rate}\n{units}"

    def file(self, kind: str) -> bytes:
        """Return the figure as a file, "png" or "svg"; equal figures give equal files.

        Raises
        ------
        ValueError
            If the kind is another one.
        """
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
        layer, unit = self.picked
        low, high = self.span
        parts = [f"layer {i % self.hidden + 1}, {u.ax.get_title().splitlines()[-1]}" for i, u in enumerate(self.small)
                 if u.ax.get_title()]  # fmt: skip
        small = f" ({'; '.join(parts)})" if parts else ""
        return (
            f"{self.heading.get_text()}. {super().words} Hidden units are drawn too{small}; the large one, unit {unit} "
            f"of layer {layer}, goes from {low:.2g} to {high:.2g}."
        )
