"""The picture of the playground: the network itself, with the data at its left, the output and the curves at its right.

Units are small fields of their outputs over the plane, weights are edges: blue below zero, orange above, the wider the
larger. Where the inputs are images, as the digits are, no plane holds the points: a unit then is the image that it
prefers, the mean of the images, weighted by its response.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import ArrayLike, NDArray

from helpers.options import OneOf
from helpers.plots.boundaries import Array, DecisionField, Grid, class_of, draw_points
from helpers.plots.curves import Curves, Recording
from helpers.plots.pictures import COLOURS, GREY, TEXT, Handle, label, new_figure, shades, short
from helpers.plots.progress import LayerProgress, Samples

WIDTH, HEIGHT = 960, 440  # pixels, as all lengths here
LEFT, RIGHT = 96, 616  # of the network: data at its left, output at its right
TOP, BOTTOM = 50, 346  # between which the units stand
UNIT, ANSWER, MOST = 36, 56, 8  # sides of a unit and of a layer's answer; units drawn of a hidden layer
COLUMN, FIELD, LARGE = 646, 190, 104  # where the right part begins; sides of the output's field and of the large unit
THUMB, PITCH, THUMB_X = 36, 54, 49  # side of a small picture of data, from one to the next, their middle
POINTS = (120, 60)  # training and test points in a field
TINY = TEXT - 1
NUMBER = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8}
DARK, PALE = (40, 40, 40, 255), (170, 170, 170, 255)
Image = NDArray[np.uint8]
Picked = tuple[int, int, int]  # layer, unit, source
LOOK_FOR = (
    "how units are made of those before them, and which weights grow. Below a layer stands its own answer, with the "
    "share of test points that are right. Hollow points are for the test; in the curves they are the thick lines."
)


def preferred_images(outputs: Array, images: Array) -> Array:
    """Return, for each unit, the mean of the images weighted by its response, (m, width) and (m, d) -> (d, width).

    The response is the output less its mean; a unit that never changes prefers nothing, a zero image.
    """
    response = outputs - outputs.mean(axis=0)
    total = np.abs(response).sum(axis=0)
    preferred: Array = images.T @ (response / np.where(total, total, 1))
    return preferred


def tiles(values: Array, side: int, flip: bool) -> Image:
    """Return columns of values (m, k) as square images (k, side, side, 4), each in the scale of its own largest."""
    peak, inner = np.abs(values).max(axis=0, initial=0), round(len(values) ** 0.5)
    images = shades((values / np.where(peak, peak, 1)).T.reshape(-1, inner, inner))
    near = ((np.arange(side) + 0.5) * inner / side).astype(int)
    return images[:, near[::-1] if flip else near][:, :, near]  # a plane begins with its lowest row


def decision(scores: Array, side: int) -> Image:
    """Return scores (m, k) on a grid as a small image of the classes, with a dark line between them."""
    inner = round(len(scores) ** 0.5)
    near = ((np.arange(side) + 0.5) * inner / side).astype(int)
    square = scores.reshape(inner, inner, -1)[near[::-1]][:, near]
    classes = class_of(square.reshape(-1, square.shape[2])).reshape(side, side)
    palette = np.array([[*(255 * np.array(to_rgb(colour))), 150] for colour in COLOURS]).astype(np.uint8)
    image: Image = shades(2 * square[..., 0] - 1) if square.shape[2] == 1 else palette[classes % len(COLOURS)]
    turns = (classes[1:, 1:] != classes[1:, :-1]) | (classes[1:, 1:] != classes[:-1, 1:])
    image[1:, 1:][turns] = DARK
    return image


class Images(Artist):
    """Small images on a figure of 100 dots an inch, pixel for pixel: many times as fast as axes scale them."""

    def __init__(self, zorder: float) -> None:
        super().__init__()
        self.placed: list[tuple[Image, float, float]] = []
        self.set_zorder(zorder)

    def put(self, image: Image, x: float, y: float, border: int) -> None:
        """Place an image by its middle, with a border, pale or wide and dark."""
        framed = np.full(
            (len(image) + 2 * border, image.shape[1] + 2 * border, 4), DARK if border > 1 else PALE, np.uint8
        )
        framed[border:-border, border:-border] = image
        self.placed.append((framed[::-1], round(x - len(framed) / 2), round(y + len(framed) / 2)))  # from below

    def draw(self, renderer: Any) -> None:
        """Draw all of them."""
        context, figure = renderer.new_gc(), cast(Figure, self.get_figure(root=True))
        scale = figure.dpi / 100  # a file of lines counts otherwise
        for image, left, bottom in self.placed:
            renderer.draw_image(context, left * scale, figure.bbox.height - bottom * scale, image)
        context.restore()


class PlaygroundPicture(LayerProgress):
    """The network of the (first) rule, the output of each rule, and curves; clicks on it are values of controls.

    ``widths``: inputs, hidden units, outputs. ``sets``: by name the data to choose from, (X, Y) or a sign, of which one
    is ``chosen``. The others are those of `LayerProgress`.
    """

    drawn = POINTS[1]

    def __init__(
        self, training_set: Samples, test_set: Samples, widths: Sequence[int], *, sets: Mapping[str, Any], chosen: str,
        rules: Sequence[str], total: int, size: int, measured: int, x_label: str,
    ) -> None:  # fmt: skip
        figure = new_figure(WIDTH / 100, HEIGHT / 100, layout=None)
        Recording.__init__(self, figure, LOOK_FOR)
        self.rules, self.widths, layers = list(rules), list(widths), len(widths) - 1
        self.layers = [*(f"layer {i + 1}" for i in range(layers - 1)), "output"]
        self.answers, self.race, self.measured = layers * len(rules), len(rules) > 1, measured
        self.names = self.rules if self.race else self.layers
        self.watched = [layers * (r + 1) - 1 for r in range(len(rules))] if self.race else list(range(layers))
        self.paper = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(HEIGHT, 0))  # pixels, downwards
        self.net = self._axes(LEFT, 0, RIGHT - LEFT, HEIGHT)
        self.net.set(xlim=(LEFT, RIGHT), ylim=(HEIGHT, 0))
        for ax in (self.paper, self.net):
            ax.axis("off")
            ax.spines[:].set_visible(False)
        X = np.asarray(test_set.X)
        self.plane = X.shape[1] == 2
        both = np.concatenate([np.asarray(training_set.X), X, np.ones((1, X.shape[1]))])
        self.grid = Grid(both, size) if self.plane else None
        self.coarse = Grid(both, UNIT) if self.plane else None
        self.heading, self.picked, self.span, self.chosen = "", (1, 1, 1), (0.0, 0.0), chosen
        self._draw_data(sets)
        self._draw_network()
        self._draw_output(total, x_label)
        self.use_points(training_set, test_set)
        self.clear()

    def _write(self, x: float, y: float, words: str = "", size: float = TINY, **style: Any) -> Text:
        return self.paper.text(x, y, words, fontsize=size, **{"ha": "center", "va": "center"} | style)

    def _draw_data(self, sets: Mapping[str, Any]) -> None:
        """Draw a small picture of each data set, to be clicked, with its name below."""
        for i, (name, points) in enumerate(sets.items()):
            y, on = 22 + i * PITCH, name == self.chosen
            if isinstance(points, str):
                self._write(THUMB_X, y, points, 18)
            else:
                at = points[0] / max(1.05, 1.05 * np.abs(points[0]).max()) * (THUMB / 2 - 1)
                for c in np.unique(classes := class_of(points[1])):
                    xy = np.array([THUMB_X, y]) + [1, -1] * at[classes == c]
                    self.paper.plot(*xy.T, ".", markersize=2, color=COLOURS[c % 7])
            style: Any = {"edgecolor": "black", "linewidth": 2.5} if on else {"edgecolor": "#bbbbbb", "linewidth": 0.8}
            self.paper.add_patch(Rectangle((THUMB_X - 18, y - 18), THUMB, THUMB, facecolor="none", **style))
            word = name.replace("_", " ") if i + 1 < len(sets) else "your own"
            self._write(THUMB_X, y + 26, word, weight="bold" if on else "normal")
            self.handles.append(self._handle(f"the data set {name}", THUMB_X, y, data=name))

    def _handle(self, name: str, x: float, y: float, **values: Any) -> Handle:
        return Handle(name, self.paper, at=lambda: (x, y), click=lambda *_: values)

    def _draw_network(self) -> None:
        """Place units and edges: columns of at most `MOST` units of a layer, of ten outputs, of one image as input."""
        count, last = len(self.widths), len(self.widths) - 1
        self.across = np.linspace(LEFT + 62, RIGHT - 34, count)
        self.seen = [min(w, MOST if 0 < c < last else 10) for c, w in enumerate(self.widths)]
        self.seen[0] = self.seen[0] if self.plane else 1
        pitch = [min(48.0, (BOTTOM - TOP) / n) for n in self.seen]
        self.side = [min(UNIT, int(p) - 3) for p in pitch]
        self.down = [(TOP + BOTTOM) / 2 + p * (np.arange(n) - (n - 1) / 2) for n, p in zip(self.seen, pitch)]
        self.shown = [np.arange(n) for n in self.seen]  # the units that are drawn, in each column
        t = np.linspace(0, 1, 14)
        self.ends = [(c, i, j) for c in range(last) for j in range(self.seen[c + 1]) for i in range(self.seen[c])]
        self.paths = []
        for c, i, j in self.ends:
            a, b = self.across[c] + self.side[c] / 2, self.across[c + 1] - self.side[c + 1] / 2
            high, low = self.down[c][i], self.down[c + 1][j]
            self.paths.append(np.stack([a + (b - a) * t, high + (low - high) * t * t * (3 - 2 * t)], axis=1))
        self.edges = LineCollection(self.paths, zorder=3, capstyle="butt")
        self.edge = Line2D([], [], color="black", zorder=2.5, alpha=0.85, solid_capstyle="butt")
        self.net.add_collection(self.edges, autolim=False)
        self.net.add_line(self.edge)
        self.images = Images(zorder=4)
        self.net.add_artist(self.images)
        style: Any = {"fontsize": TINY, "va": "center", "zorder": 5, "bbox": NUMBER}
        self.numbers = [self.net.text(LEFT, HEIGHT, "", **style) for _ in range(10)]
        self.shares = [self._write(x, HEIGHT - 10) for x in self.across[1:last]]
        hidden = self.widths[1:last]
        for c, (x, width) in enumerate(zip(self.across, self.widths)):
            colour = "black" if self.race or not c else COLOURS[(c - 1) % 7]
            self._write(x, 12, self.layers[c - 1] if c else "input", TEXT, weight="bold", color=colour)
            if 0 < c < last:
                self._write(x, 32, f"{self.seen[c]} of {width}" if width > MOST else str(width))
                others = [[*hidden[: c - 1], w, *hidden[c:]] for w in (width - 1, width + 1)]
                self._steps(x, 32, 37 if width > MOST else 20, f"a unit {{}} layer {c}", *others)
            elif c or not self.plane:
                self._write(x, 32, f"{width} output{'s' * (width > 1)}" if c else f"{width} pixels")
        left, longer = float(self.across[0]), [*hidden, min(hidden[-1], MOST)]
        self._write(left, HEIGHT - 33, f"layers\n{last - 1}", linespacing=1.7)
        self._steps(left, HEIGHT - 22, 20, "a layer {} the net", hidden[:-1], longer)
        for name, y in zip(("$x_0$", "$x_1$") if self.plane else (), self.down[0]):
            self._write(self.across[0] - UNIT / 2 - 6, y, name, TEXT, ha="right")
        units = [
            Handle(
                f"{'shown ' * (self.widths[c] > self.seen[c])}unit {j + 1} of {self.layers[c - 1]}", self.paper,
                at=lambda c=c, j=j: (float(self.across[c]), float(self.down[c][j])),  # type: ignore[misc]
                click=lambda *_, c=c, j=j: {"layer": c, "unit": int(self.shown[c][j]) + 1},
            )
            for c in range(1, count) for j in range(self.seen[c])
        ]  # fmt: skip
        self.handles = [*units, Handle("an edge", self.net, click=self._edge_at), *self.handles]

    def _steps(self, x: float, y: float, away: float, what: str, fewer: list[int], more: list[int]) -> None:
        """Draw - and + at both sides of a place; each is the widths that a click asks for."""
        for sign, place, word, widths in (("−", x - away, "less in", fewer), ("+", x + away, "more in", more)):
            if widths and min(widths) > 0 and len(widths) < 5 and max(widths) <= 100:
                self._write(place, y, sign, TEXT + 2, weight="bold", color=GREY)
                self.handles.append(self._handle(what.format(word), place, y, hidden="-".join(map(str, widths))))

    def _draw_output(self, total: int, x_label: str) -> None:
        """Make the fields of the output, the unit that is shown large, and the curves."""
        place, self.fields, self.titles = self._axes, list[DecisionField](), list[Text]()
        side = FIELD if not self.race else 148 if len(self.rules) == 2 else 80
        for r, rule in enumerate(self.rules):
            x, y = COLUMN + r % 2 * 158, 24 + r // 2 * (side + 38)
            if self.grid:
                self.fields.append(DecisionField(self.grid, place(x, y, side, side)))
                self.changing += self.fields[r].changing
                label(self.fields[r].ax)
                self.fields[r].ax.set(xticks=[], yticks=[])
            if self.race:
                self._write(x, y - 12, textwrap.shorten(rule, 22, placeholder=" …"), ha="left", color=COLOURS[r])
            below = y - 12 if not self.race else y + side + 9 if self.grid else y + 6
            self.titles.append(self._write(x, below, "", TEXT - self.race, ha="left", weight="bold"))
        ax = place(*((COLUMN + FIELD + 16, 40, LARGE, LARGE) if self.plane else (COLUMN, 24, FIELD, FIELD)))
        origin: Any = "lower" if self.plane else "upper"
        self.large = ax.imshow(shades(np.zeros((2, 2))), interpolation="bilinear", origin=origin)
        ax.set(xticks=[], yticks=[], visible=not self.race)
        self.name = self._write(COLUMN + FIELD + 16, 26, ha="left")
        self.about = self._write(COLUMN + FIELD + 16, 40 + LARGE + 6, ha="left", va="top", linespacing=1.3)
        faint = [f"{name}, train" for name in self.names]
        self.error = Curves(place(COLUMN + 46, 252, WIDTH - COLUMN - 64, 66), self.names, faint, log=True, floor=1e-5)
        self.right = Curves(place(COLUMN + 46, 330, WIDTH - COLUMN - 64, 66), self.names, faint)
        self.curves = {"mean squared error": self.error, "accuracy": self.right}
        label(self.error.ax, "", "", "error", grid="both")
        label(self.right.ax, "", x_label, "accuracy", grid="both")
        self.error.ax.tick_params(labelbottom=False)
        self.steps, self.limits = [0, total], dict(zip(self.curves, ((1e-4, 1.0), (0.0, 1.0))))
        self.marks: list[Line2D] = []
        self.changing += [self.edges, self.edge, self.images, *self.numbers, *([] if self.race else [self.large])]
        self.slow += [*self.shares, *self.titles, self.name, self.about, *self.error.changing, *self.right.changing]

    def _axes(self, x: float, y: float, width: float, height: float) -> Any:
        return self.figure.add_axes((x / WIDTH, 1 - (y + height) / HEIGHT, width / WIDTH, height / HEIGHT))

    def use_points(self, training_set: Samples, test_set: Samples) -> None:
        """Draw other points, in the same square."""
        whole = [(np.asarray(s.X), np.asarray(s.Y)) for s in (training_set, test_set)]
        self.sets, self.sizes = [(X[: self.measured], Y[: self.measured]) for X, Y in whole], [len(X) for X, _ in whole]
        for mark in self.marks:
            mark.remove()
        self.changing = [artist for artist in self.changing if artist not in self.marks]
        self.marks = []
        for field in self.fields:
            for (X, Y), most, hollow in zip(whole[::-1], POINTS[::-1], (True, False)):
                new = draw_points(X, Y, field.ax, most, 3.5 if hollow else 4.5)
                for mark in new:
                    rim = {"markerfacecolor": "white", "markeredgecolor": mark.get_color()} if hollow else {}
                    mark.set(animated=field.image.get_animated(), **rim)
                self.marks += new
        self.changing += self.marks
        self.where = self.grid.points if self.grid else self.sets[1][0]
        self.probes = self.coarse.points if self.coarse else self.sets[1][0]

    def fill(self, answers: Sequence[ArrayLike]) -> None:
        """Bring the output's fields up to date: the answers of all layers of each net at the points `where`."""
        self.scores = [np.asarray(scores, dtype=float) for scores in answers]
        for field, scores in zip(self.fields, self.scores[len(self.layers) - 1 :: len(self.layers)]):
            field.update(scores)

    def look(self, units: Sequence[ArrayLike], weights: Sequence[Array], picked: Picked, choose: bool) -> None:
        """Show the first net: its hidden units at ``probes`` (m, width), its weights (out, 1 + in); after `fill`.

        A bias stands before the weights. ``picked`` are layer, unit and source, counted from 1: the unit that is shown
        large and one of its weights. ``choose``: of wide layers, draw the units whose edges upwards are now the widest.
        """
        self.picked, self.weights, (layer, unit, source) = picked, weights, picked
        for c in range(1, len(self.widths) - 1) if choose else ():
            size = np.abs(weights[c][:, 1:]).sum(axis=0)
            if c == layer:
                size[unit - 1] = np.inf
            self.shown[c] = np.sort(np.argsort(-size, kind="stable")[: self.seen[c]])
        outputs = [self.probes, *map(np.asarray, units), 2 * self.scores[len(self.layers) - 1] - 1]
        if not self.plane:
            outputs = [self.probes.mean(0)[:, None], *(preferred_images(o, self.probes) for o in outputs[1:])]
        self.images.placed.clear()
        for c, values in enumerate(outputs):
            for j, tile in enumerate(tiles(values[:, self.shown[c]], self.side[c], self.plane)):
                chosen = c == layer and self.shown[c][j] == unit - 1
                self.images.put(tile, self.across[c], self.down[c][j], 3 if chosen else 1)
            if 0 < c < len(weights) and self.plane:
                self.images.put(decision(self.scores[c - 1], ANSWER), self.across[c], BOTTOM + 10 + ANSWER / 2, 1)
        value = outputs[layer][:, unit - 1]
        self.span = (float(value.min()), float(value.max()))
        side = round(len(value) ** 0.5)
        self.large.set_data(shades(value.reshape(side, side) / (np.abs(value).max() or 1)))
        drawn = [
            w[:, 1:] if c or self.plane else np.linalg.norm(w[:, 1:], axis=1)[:, None] for c, w in enumerate(weights)
        ]
        self.units = [(c, int(self.shown[c][i]), int(self.shown[c + 1][j])) for c, i, j in self.ends]
        w = np.array([drawn[c][j, i] for c, i, j in self.units])
        strength = np.abs(w) / (1 + np.abs(w))
        colours = np.where(w[:, None] < 0, to_rgb(COLOURS[0]), to_rgb(COLOURS[1]))
        if not self.plane:
            colours[[c == 0 for c, *_ in self.ends]] = to_rgb(GREY)
        self.edges.set(linewidths=0.3 + 5 * strength, colors=np.column_stack([colours, 0.2 + 0.75 * strength]))
        one = (layer - 1, source - 1, unit - 1)
        k = self.units.index(one) if one in self.units and (self.plane or layer > 1) else None
        self.edge.set_data(*([[], []] if k is None else self.paths[k].T))
        self.edge.set_linewidth(1 if k is None else 4 + 5 * strength[k])

    def _edge_at(self, x: float, y: float) -> dict[str, int] | None:
        """Return the weight whose edge passes at a place, if one does."""
        found, best = None, 8.0
        for (c, i, j), path in zip(self.units, self.paths):
            if path[0, 0] <= x <= path[-1, 0] and (away := abs(float(np.interp(x, *path.T)) - y)) < best:
                found, best = {"layer": c + 1, "unit": j + 1} | ({"source": i + 1} if c or self.plane else {}), away
        return found

    def trace(self) -> bool:
        """Bring titles, numbers and curves up to date; return whether limits stretched."""
        layer, unit, source = self.picked
        weights = self.weights[layer - 1][unit - 1]
        shares = [self.right_at(i) for i in range(self.answers)]
        for text, share in zip(self.shares, shares):
            text.set_text(share)
        for text, share in zip(self.titles, shares[len(self.layers) - 1 :: len(self.layers)]):
            text.set_text(f"{'' if self.race else 'output: '}{share} right")
        below: Any = self.shown[layer - 1] if layer > 1 or self.plane else []
        beside = self.across[layer - 1] + self.side[layer - 1] / 2 + 5
        for text in self.numbers:
            text.set_text("")
        for text, i, y in zip(self.numbers, below, self.down[layer - 1]):
            weight = "bold" if i == source - 1 else "normal"
            text.set(text=short(float(weights[1 + i])), position=(beside, y), fontweight=weight)
        if not self.race:
            self.name.set_text(f"{self.layers[layer - 1]}, unit {unit}")
            weight = f"\nfrom {source}: {short(float(weights[source]))}" * bool(source)
            self.about.set_text("{} to {}\nbias {}".format(*map(short, (*self.span, float(weights[0])))) + weight)
        return Recording.trace(self)

    def file(self, kind: str) -> bytes:
        """Return the figure as a file, "png" or "svg"; equal figures give equal files."""
        dated: Any = {"metadata": {"Date": None}} if kind == "svg" else {}
        buffer = io.BytesIO()
        with rc_context({"svg.hashsalt": "playground"}):
            self.figure.savefig(buffer, format=OneOf(("png", "svg")).check("kind", kind), **dated)
        return buffer.getvalue()

    @property
    def words(self) -> str:
        """What is shown, which units are left out, the unit that is shown large, the last error and accuracy."""
        (layer, unit, source), (low, high) = self.picked, self.span
        left = [f"{w - s} of layer {c}" for c, (w, s) in enumerate(zip(self.widths[:-1], self.seen)) if c and w > s]
        text = f"{self.heading}. The network, {'-'.join(map(str, self.widths))} units, with its weights as edges."
        if left:
            text += f" Of a layer {MOST} units with the widest edges are drawn, and {', '.join(left)} are left out."
        if not self.plane:
            text += f" {self.widths[0]} inputs: no plane holds the points; each unit is the image that it prefers."
        which, number = f"weight from {source}" if source else "bias", self.weights[layer - 1][unit - 1, source]
        span = f"Unit {unit} of {self.layers[layer - 1]} goes from {low:.2g} to {high:.2g}"
        points = f" {min(POINTS[0], self.sizes[0])} of {self.sizes[0]:,} training points are drawn."
        return f"{text} {span}; its {which} is {number:.3g}. {super().words}{points}"
