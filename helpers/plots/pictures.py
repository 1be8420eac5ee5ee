"""What every picture of the course has: a figure, the artists that change, a caption, a description in plain words."""

from __future__ import annotations

import base64
import html
import io
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

# Okabe & Ito (2008): eight colours that the colour-blind can tell apart (the yellow is left out: too pale for a line).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">")
# A step paler than the points' own blue and vermilion, so that these stand out on their field.
BLUE_ORANGE = LinearSegmentedColormap.from_list("blue_orange", ["#4f9fce", "#a9cfe6", "#f7f7f5", "#f6cd9c", "#e88a45"])
TEXT = 11.0  # points; nothing in a picture is smaller than 10


class Picture:
    """A matplotlib figure with its words; shown in a notebook as an image with alternative text and a caption.

    Attributes
    ----------
    figure : Figure
        Has an Agg canvas of its own; pyplot is not involved.
    changing : list of Artist
        The artists that an update changes; all else stays as it was first drawn.
    covering : list of Artist
        Artists that never change, but lie on top of the changing ones.
    slow : list of Artist
        Further artists that change, but need not be right in every frame of a live picture: texts, curves.
    look_for : str
        One sentence: what to look for.
    """

    def __init__(self, figure: Figure, look_for: str = "") -> None:
        self.figure, self.look_for = figure, look_for
        self.changing: list[Artist] = []
        self.covering: list[Artist] = []
        self.slow: list[Artist] = []

    @property
    def words(self) -> str:
        """What the figure shows at present, in plain words; each kind of picture has its own."""
        raise NotImplementedError

    @property
    def description(self) -> str:
        """The words, for a reader who does not see the figure, and what of its data it does not show where it is."""
        return " ".join(filter(None, (self.words, *not_shown(self.figure))))

    def settle(self) -> None:
        """Lay the figure out, then keep that layout: an update moves nothing that it does not change."""
        if self.figure.get_layout_engine():
            for _ in range(2):  # constrained layout settles at its second run
                self.figure.canvas.draw()
            self.figure.set_layout_engine("none")

    def png(self) -> bytes:
        """Return the figure as a PNG image."""
        self.settle()
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png")
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        image, words = base64.b64encode(self.png()).decode(), html.escape(self.description)
        caption = f"<b>What to look for:</b> {html.escape(self.look_for)}" if self.look_for else ""
        return {
            "text/html": f'<figure style="margin:0"><img style="max-width:100%" alt="{words}" '
            f'src="data:image/png;base64,{image}"><figcaption>{caption}'
            f"<details><summary>Description of the figure</summary>{words}</details></figcaption></figure>",
            "text/plain": f"{self.description}\nWhat to look for: {self.look_for}",
        }


class Recording(Picture):
    """A picture of a run that goes on: it records the state from time to time, and draws what it has recorded."""

    def clear(self) -> None:
        """Forget what has been recorded."""
        raise NotImplementedError

    def trace(self) -> bool:
        """Bring the curves up to date; return whether limits stretched, so that a kept background is stale."""
        raise NotImplementedError


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """Make a figure of that many inches at 100 dots an inch, with a canvas of its own."""
    figure = Figure(figsize=(width, height), dpi=100, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def new_axes(width: float = 4.5, height: float = 4.5) -> Axes:
    """Make a figure with one pair of axes."""
    return new_figure(width, height).add_subplot()


def label(ax: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Set title, axis labels and tick labels in sizes that are legible from the last row."""
    ax.set_title(title, fontsize=TEXT + 1)
    ax.set_xlabel(x, fontsize=TEXT)
    ax.set_ylabel(y, fontsize=TEXT)
    ax.tick_params(labelsize=TEXT - 1)


PIECES = "pieces"  # the gid of a line whose NaN lift the pen, or are told in the picture's own words
_at_edge: WeakKeyDictionary[Artist, int] = WeakKeyDictionary()


def to_edge(artist: Artist, values: ArrayLike, low: float, high: float, more: int = 0) -> NDArray[np.float64]:
    """Return the values, what lies beyond moved to the edge, and remember how many of the artist's points that are."""
    v = np.asarray(values, dtype=float)
    _at_edge[artist] = int(((v < low) | (v > high)).sum()) + more
    moved: NDArray[np.float64] = np.clip(v, low, high)
    return moved


def not_shown(figure: Figure) -> list[str]:
    """Say, from the artists' own data, which points are not drawn, lie beyond the axes, or stand at an edge."""
    found: dict[tuple[str, str], list[int]] = {}
    for ax in figure.axes:
        for artist in (*ax.lines, *ax.collections):
            if artist.get_gid() == PIECES or not artist.get_visible():
                continue
            data: Any
            if isinstance(artist, Line2D):
                data, transform = artist.get_data(), artist.get_transform()
            elif isinstance(artist, Collection):
                data, transform = np.ma.getdata(artist.get_offsets()).T, artist.get_offset_transform()
            lost = beyond = np.zeros(len(np.atleast_1d(data[0])), dtype=bool)
            for k, own in enumerate(transform.contains_branch_seperately(ax.transData)):
                if own:
                    values = np.atleast_1d(np.asarray(data[k], dtype=float))
                    low, high = sorted(ax.get_xlim() if k == 0 else ax.get_ylim())
                    log = (ax.get_xscale() if k == 0 else ax.get_yscale()) == "log"
                    lost = lost | ~np.isfinite(values) | (log & (values <= 0))
                    slack = 1e-9 * (abs(high) + abs(low))
                    beyond = beyond | (values < low - slack) | (values > high + slack)
            name = str(artist.get_label())
            key = ("unnamed points" if name.startswith("_") else name, ax.get_title() or ax.get_ylabel())
            counts = found.setdefault(key, [0, 0, 0, 0])
            for i, number in enumerate((len(lost), lost.sum(), (beyond & ~lost).sum(), _at_edge.get(artist, 0))):
                counts[i] += int(number)
    said = []
    for (name, where), (total, *counts) in found.items():
        parts = zip(
            counts, ("not drawn, having no value that the axes can hold", "beyond the axes", "moved to the edge")
        )
        what = ", ".join(f"{count:,} {words}" for count, words in parts if count)
        if what:
            said.append(f"Of the {total:,} points of {name}{f' ({where})' if where else ''}: {what}.")
    return said


def percent(share: float, digits: int = 0) -> str:
    """Write a share as a percentage that is 0 or 100 only where the share is.

    >>> percent(0.9996, 1), percent(1), percent(0.001), percent(0.25)
    ('over 99.9%', '100%', 'under 1%', '25%')
    """
    text, step = f"{share:.{digits}%}", 10.0 ** -(digits + 2)
    if 0 < share < 1 and text == f"{0:.{digits}%}":
        return f"under {step:.{digits}%}"
    if 0 < share < 1 and text == f"{1:.{digits}%}":
        return f"over {1 - step:.{digits}%}"
    return text
