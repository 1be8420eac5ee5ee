"""What every picture of the course has: a figure, the artists that change, a caption, a description in plain words."""

from __future__ import annotations

import base64
import html
import io
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

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
    def description(self) -> str:
        """What the figure shows at present, in plain words, for a reader who does not see it."""
        raise NotImplementedError

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
