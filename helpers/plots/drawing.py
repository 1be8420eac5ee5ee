"""Graphs as pictures: by Graphviz's ``dot`` on PATH, by the Graphviz that the pygraphviz package carries, or as text.

pygraphviz draws in a child process, because a faulty label can crash it.
"""

from __future__ import annotations

import html
import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from helpers.plots.pictures import figure_html

SECONDS = 30  # a graph that takes longer is too large to read
_CHILD = (
    "import sys, pygraphviz\n"
    "graph = pygraphviz.AGraph(string=sys.stdin.read())\n"
    "sys.stdout.buffer.write(graph.draw(format='FORM', prog='dot'))\n"
)


@dataclass(frozen=True)
class Drawing:
    """A graph: its ``svg`` (None where nothing could draw), its DOT ``source``, and in words how it was ``drawn``.

    ``look_for`` and ``description`` make a figure of it: what to look for, and the same in words.
    """

    svg: str | None
    source: str
    drawn: str
    look_for: str = ""
    description: str = ""

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        text = f"{self.source}\n({self.drawn})"
        graph = f"<pre>{html.escape(text)}</pre>"
        if svg := self.svg:  # on a narrower page it shrinks as long as it can be read, and is then scrolled
            width, height = (float(svg.partition(f'{side}="')[2].partition("pt")[0]) for side in ("width", "height"))
            style = f"{fitting(width, 'pt', 5 / 6, 1.0)};max-height:{max(415, 0.8 * height):.0f}pt"
            svg = svg.replace("<svg ", f'<svg style="{style}" ', 1)
            words = html.escape(self.description or f"graph, {self.drawn}")
            graph = scrolled(f'role="img" aria-label="{words}"', svg)
        if not self.description:
            return {"text/html": graph, "text/plain": text}
        text = f"{self.description}\nWhat to look for: {self.look_for}"
        return {"text/html": figure_html(graph, self.look_for, self.description), "text/plain": text}


def fitting(width: float, unit: str, least: float, most: float) -> str:
    """Return the style of a drawing as wide as its place, within these multiples of its own width; then it scrolls."""
    return f"width:100%;min-width:{least * width:.0f}{unit};max-width:{most * width:.0f}{unit};height:auto"


def scrolled(attributes: str, drawing: str) -> str:
    """Put a drawing into a place of its own, which scrolls where the page is narrower, by keyboard too."""
    return f'<div {attributes} tabindex="0" style="overflow-x:auto;contain:inline-size">{drawing}</div>'


def draw(source: Any, look_for: str = "", description: str = "") -> Drawing:
    """Draw a graph: a text in the DOT language, or what holds one, such as the ``graphviz.Digraph`` of ``make_dot``.

    The drawing shows itself in a notebook, as a picture where the machine can draw, as text with a hint elsewhere. It
    takes about 20 ms with ``dot``, 50 ms without. A label that begins with an empty line, as torchviz writes for
    unnamed outputs, corrupts memory in Graphviz 12 to 16; that line is removed first.
    """
    text = source if isinstance(source, str) else getattr(source, "source", None)
    if not isinstance(text, str):
        raise TypeError(f"source must be text in the DOT language or a graphviz.Digraph, got {type(source).__name__}")
    clean = text.replace('label="\\n', 'label="').replace('label="\n', 'label="')
    svg, words = _asked(clean, "svg", "<svg")
    return Drawing(svg, clean, words, look_for, description)


def lay_out(source: str) -> tuple[Any, str]:
    """Return where Graphviz puts nodes and edges, as its JSON form says it, or None; and in words how that was done."""
    places, words = _asked(source, "json0", "{")
    return (json.loads(places) if places else None), words


def _asked(source: str, form: str, begin: str) -> tuple[str | None, str]:
    """Return what a Graphviz makes of a graph, from its first characters on, or None; and who made it, or why not."""
    problem = "no Graphviz here: `pip install pygraphviz` brings one"
    for command, name in _ways():
        try:
            done = _run(tuple(part.replace("FORM", form) for part in command), source)
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = f"{name} did not draw it: {error}"
            continue
        made, words = (output.decode(errors="replace").strip() for output in (done.stdout, done.stderr))
        if done.returncode == 0 and begin in made:
            return made[made.index(begin) :], f"drawn by {name}"
        problem = f"{name} did not draw it: {(words.splitlines() or [f'exit status {done.returncode}'])[-1]}"
    return None, problem


@lru_cache(maxsize=64)  # the same graph is asked for again and again, by a mode that is chosen anew say
def _run(command: tuple[str, ...], source: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=source.encode(), capture_output=True, timeout=SECONDS, check=False)


def _ways() -> list[tuple[list[str], str]]:
    dot, package = shutil.which("dot"), importlib.util.find_spec("pygraphviz")
    ways = [([dot, "-TFORM"], "dot")] if dot else []
    return [*ways, ([sys.executable, "-c", _CHILD], "pygraphviz")] if package else ways
