"""What a panel leaves in a page without a kernel: a player of its run, or a strip of pictures at chosen settings."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from matplotlib.animation import HTMLWriter
from matplotlib.figure import Figure

QUALITY, PIXELS = 70, 450_000  # of a frame: sixteen in 1.5 MB
# matplotlib's player takes its signs from a font on the network; these are in every font
SIGNS = {
    "fa-minus": "−", "fa-plus": "+", "fa-fast-backward": "|◀", "fa-step-backward": "‹", "fa-pause": "||",
    "fa-play fa-flip-horizontal": "◀", "fa-play": "▶", "fa-step-forward": "›", "fa-fast-forward": "▶|",
}  # fmt: skip


def player(figure: Figure, draw: Callable[[int], None], counts: Iterable[int], description: str) -> str:
    """Return matplotlib's player, as HTML, of a figure that ``draw(count)`` brings up to date for each frame."""
    writer = HTMLWriter(fps=3, codec="none", embed_frames=True, default_mode="once")  # for h264 it resizes the figure
    writer.frame_format = "jpeg"
    dpi = min(80.0, math.sqrt(PIXELS / figure.get_size_inches().prod()))
    with TemporaryDirectory() as folder:
        path = Path(folder, "film.html")
        with writer.saving(figure, str(path), dpi):
            for count in counts:
                draw(count)
                writer.grab_frame(pil_kwargs={"quality": QUALITY})
        page = path.read_text()
    page = re.sub(r"<link[^>]*>", "", page)
    page = re.sub(r'<i class="fa (.*?)"></i>', lambda found: SIGNS[found[1]], page)
    return page.replace("<img ", f'<img style="max-width:100%" alt="{html.escape(description)}" ')


def strip(parts: Sequence[tuple[str, str]]) -> str:
    """Return parts, each words and HTML, side by side, as HTML that scrolls by itself where the page is narrow."""
    style = "flex:1 0 min(100%, 460px)"
    each = "".join(f'<div style="{style}"><p><b>{html.escape(words)}</b></p>{part}</div>' for words, part in parts)
    return f'<div style="display:flex;gap:1em;overflow-x:auto" role="group" tabindex="0">{each}</div>'


def in_words(controls: Mapping[str, Any]) -> str:
    """Say how controls are set."""
    return "; ".join(
        f"{control.description.rstrip(' =')} = {getattr(control, 'label', None) or control.value}"
        for control in controls.values()
    )
