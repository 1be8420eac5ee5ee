"""What every picture of the course has: a figure, the artists that change, a caption, a description in plain words.

Its habits too: colours, marks, labels, how numbers are written, and what is said of data that the axes do not show.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Okabe & Ito (2008): eight colours that the colour-blind can tell apart (the yellow is left out: too pale for a line).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">")
GREY = "#555555"
# A step paler than the points' own blue and vermilion, so that these stand out on their field.
BLUE_ORANGE = LinearSegmentedColormap.from_list("blue_orange", ["#4f9fce", "#a9cfe6", "#f7f7f5", "#f6cd9c", "#e88a45"])
TEXT = 11.0  # points; nothing in a picture is smaller than 10
ASIDE = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False}  # a legend at the right of its axes
PIECES = "pieces"  # the gid of a line whose NaN lift the pen, or are told in the picture's own words


@dataclass(frozen=True)
class Handle:
    """Something in a picture that a reader can touch: a point to drag, a unit to click, a place to paint.

    ``name``: in words, such as "the second point"; no two of a picture are alike. ``at`` says where it stands in the
    data of ``ax``; None: it is all of the axes. ``drag`` and ``click`` get the pointer's x and y, in data too, and
    return what a panel is to set, by name of the control, or None when they did all there was to do.
    """

    name: str
    ax: Axes
    at: Callable[[], tuple[float, float]] | None = None
    drag: Callable[[float, float], Mapping[str, Any] | None] | None = None
    click: Callable[[float, float], Mapping[str, Any] | None] | None = None


class Picture:
    """A matplotlib figure with its words; shown in a notebook as an image with alternative text and a caption.

    ``words`` say what the figure shows; a picture that is updated in place has a property of that name. ``changing``
    and ``slow`` are the artists that an update changes; slow ones (texts, curves) need not be right in every frame of a
    live picture. ``handles`` can be touched in a panel. The canvas is the figure's own: pyplot is not involved.
    """

    def __init__(self, figure: Any, look_for: str = "", words: str = "") -> None:
        self.figure: Figure = figure
        self.look_for, self._words = look_for, words
        self.changing: list[Artist] = []
        self.slow: list[Artist] = []
        self.handles: list[Handle] = []

    @property
    def words(self) -> str:
        """What the figure shows at present, in plain words."""
        return self._words

    @property
    def description(self) -> str:
        """The words, for a reader who does not see the figure, and what of its data it does not show where it is."""
        return " ".join(filter(None, (self.words, *not_shown(self.figure))))

    def settle(self) -> None:
        """Lay the figure out, then keep that layout: an update moves nothing that it does not change."""
        if engine := self.figure.get_layout_engine():
            for _ in range(2):  # constrained layout settles at its second run
                engine.execute(self.figure)
            self.figure.set_layout_engine("none")

    def png(self) -> bytes:
        """Return the figure as a PNG image."""
        self.settle()
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png")
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        source = f"data:image/png;base64,{base64.b64encode(self.png()).decode()}"
        image = f'<img style="max-width:100%" alt="{html.escape(self.description)}" src="{source}">'
        return {
            "text/html": figure_html(image, self.look_for, self.description),
            "text/plain": f"{self.description}\nWhat to look for: {self.look_for}",
        }


def caption(look_for: str, description: str, more: str = "") -> str:
    """Return what stands below a figure: what to look for, then ``more`` HTML, and folded the description in words."""
    look = f"<b>What to look for:</b> {html.escape(look_for)}" if look_for else ""
    look = f"<p>{look}{more}</p>" if look or more else ""
    return f"{look}<details><summary>Description of the figure</summary>{html.escape(description)}</details>"


def figure_html(drawing: str, look_for: str, description: str, more: str = "") -> str:
    """Return the HTML form of a figure: a drawing, which brings a white ground for dark pages, and its caption."""
    words = caption(look_for, description, more)
    return f'<figure style="margin:0">{drawing}<figcaption>{words}</figcaption></figure>'


def look(i: int, *parts: Literal["marker", "linestyle"]) -> dict[str, Any]:
    """Return how the i-th thing of a picture looks: its colour, and these parts, which tell it apart without colour."""
    style = {"color": COLOURS[i % 7], "marker": MARKERS[i % 10], "linestyle": DASHES[i % 4]}
    return {part: style[part] for part in ("color", *parts)}


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """Make a figure of that many inches at 100 dots an inch, with a canvas of its own."""
    figure = Figure(figsize=(width, height), dpi=100, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def new_axes(width: float = 4.5, height: float = 4.5) -> Axes:
    """Make a figure with one pair of axes."""
    return new_figure(width, height).add_subplot()


def label(
    ax: Axes,
    title: str = "",
    x: str = "",
    y: str = "",
    *,
    grid: Literal["both", "x", ""] = "",
    legend: Mapping[str, Any] | None = None,
) -> None:
    """Set title, labels and legend in sizes that are legible from the last row; ``grid``: pale lines along an axis."""
    ax.set_title(title, fontsize=TEXT + 1)
    ax.set_xlabel(x, fontsize=TEXT)
    ax.set_ylabel(y, fontsize=TEXT)
    ax.tick_params(labelsize=TEXT - 1)
    if grid:
        ax.grid(axis=grid, alpha=0.3)
    if legend is not None:
        ax.legend(**{"fontsize": TEXT - 1, **legend})


def shades(values: ArrayLike) -> NDArray[np.uint8]:
    """Return the colours (RGBA) of numbers: blue at -1, white at 0, orange at 1."""
    colours: NDArray[np.uint8] = BLUE_ORANGE(np.asarray(values, dtype=float) / 2 + 0.5, bytes=True)
    return colours


_at_edge: WeakKeyDictionary[Artist, int] = WeakKeyDictionary()


def to_edge(artist: Artist, values: ArrayLike, low: float, high: float, more: int = 0) -> Floats:
    """Return the values, what lies beyond moved to the edge, and remember how many of the artist's points that are."""
    v = np.asarray(values, dtype=float)
    _at_edge[artist] = int(((v < low) | (v > high)).sum()) + more
    moved: Floats = np.clip(v, low, high)
    return moved


def not_shown(figure: Figure) -> list[str]:
    """Say, from the artists' own data, which points are not drawn, lie beyond the axes, or stand at an edge."""
    found: dict[tuple[str, str], NDArray[np.int64]] = {}
    for ax in figure.axes:
        for artist in (*ax.lines, *ax.collections):
            if artist.get_gid() == PIECES or not artist.get_visible():
                continue
            if isinstance(artist, Line2D):
                data, transform = np.asarray(artist.get_data(), dtype=float), artist.get_transform()
            else:
                data, transform = np.ma.getdata(artist.get_offsets()).T, artist.get_offset_transform()  # type: ignore[attr-defined]
            lost = beyond = np.zeros(len(data[0]), dtype=bool)
            scales = (ax.get_xscale(), ax.get_yscale())
            limits = (ax.get_xlim(), ax.get_ylim())
            own = transform.contains_branch_seperately(ax.transData)
            if not any(own):
                continue
            for k in (0, 1):
                if own[k]:
                    low, high = sorted(limits[k])
                    slack = 1e-9 * (abs(high) + abs(low))
                    lost = lost | ~np.isfinite(data[k]) | ((scales[k] == "log") & (data[k] <= 0))
                    beyond = beyond | (data[k] < low - slack) | (data[k] > high + slack)
            name = str(artist.get_label())
            key = ("unnamed points" if name.startswith("_") else name, ax.get_title() or ax.get_ylabel())
            counts = np.array([len(lost), lost.sum(), (beyond & ~lost).sum(), min(_at_edge.get(artist, 0), len(lost))])
            found[key] = found.get(key, 0) + counts
    said = []
    fates = ("not drawn, having no value that the axes can hold", "beyond the axes", "moved to the edge")
    for (name, where), (total, *numbers) in found.items():
        if what := ", ".join(f"{n:,} {fate}" for n, fate in zip(numbers, fates) if n):
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


def short(value: float) -> str:
    """Write a number in at most five characters, six for a large negative one.

    >>> [short(v) for v in (1.0, -0.25, 0.001, 0.0, 123.4, -0.999, 1e7)]
    ['1', '−0.25', '≈0', '0', '123', '−1', '1e7']
    """
    if abs(value) >= 10_000:
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e").replace("-", "−")
    text = f"{value:.0f}" if abs(value) >= 99.995 else f"{value:.2f}".rstrip("0").rstrip(".")
    return "≈0" if value and text in ("0", "-0") else text.replace("-", "−")


def count(number: int, noun: str) -> str:
    """Write a number of things: "1 entry", "1,200 entries"."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else plural}"


def finite(name: str, values: ArrayLike, form: str, axes: int) -> Floats:
    """Return values as an array with so many axes, or refuse them: empty ones, NaN and infinity have no place."""
    array = np.asarray(values, dtype=float)
    if array.ndim != axes or not array.size or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers, at least one, of the shape {form}; got {array.shape}")
    return array
