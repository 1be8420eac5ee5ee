"""Graphs as pictures, with or without Graphviz's ``dot`` on the machine.

``draw(source)`` tries ``dot`` on PATH, then the Graphviz that the pygraphviz package carries (in a child process,
because a faulty label can crash it), then falls back to the graph as text.
"""

from __future__ import annotations

import html
import importlib.util
import shutil
import subprocess
import sys
from typing import NamedTuple, Protocol

SECONDS = 30  # a graph that takes longer is too large to read
_CHILD = (
    "import sys, pygraphviz\n"
    "graph = pygraphviz.AGraph(string=sys.stdin.read())\n"
    "sys.stdout.buffer.write(graph.draw(format='svg', prog='dot'))\n"
)


class Drawing(NamedTuple):
    """A graph: its ``svg`` (None where nothing could draw), its DOT ``source``, and in words how it was ``drawn``."""

    svg: str | None
    source: str
    drawn: str

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        text = f"{self.source}\n({self.drawn})"
        if self.svg is None:
            return {"text/html": f"<pre>{html.escape(text)}</pre>", "text/plain": text}
        return {
            "text/html": f'<div role="img" aria-label="graph, {html.escape(self.drawn)}">{self.svg}</div>',
            "text/plain": text,
        }


class Dot(Protocol):
    """What holds its text in the DOT language: ``graphviz.Digraph``, ``Graph`` and ``Source``."""

    @property
    def source(self) -> str:
        """The text."""


def draw(source: str | Dot) -> Drawing:
    """Draw a graph.

    Parameters
    ----------
    source : str, or ``graphviz.Digraph``, ``Graph`` or ``Source``
        The graph in the DOT language, or what torchviz's ``make_dot`` returns.

    Returns
    -------
    Drawing
        Shows itself in a notebook, as a picture where the machine can draw, as text with a hint where it cannot.

    Raises
    ------
    TypeError
        If ``source`` is neither.

    Notes
    -----
    About 20 ms with ``dot``, 50 ms without. A label that begins with an empty line, as torchviz writes for unnamed
    outputs, corrupts memory in Graphviz 12 to 16; that line is removed first.
    """
    text = source if isinstance(source, str) else getattr(source, "source", None)
    if not isinstance(text, str):
        raise TypeError(f"source must be text in the DOT language or a graphviz.Digraph, got {type(source).__name__}")
    clean = text.replace('label="\\n', 'label="').replace('label="\n', 'label="')
    problem = "no Graphviz here: `pip install pygraphviz` brings one"
    for command, name in _ways():
        try:
            done = subprocess.run(command, input=clean.encode(), capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = f"{name} did not draw it: {error}"
            continue
        svg = done.stdout.decode(errors="replace")
        if done.returncode == 0 and "<svg" in svg:
            return Drawing(svg[svg.index("<svg") :], clean, f"drawn by {name}")
        words = done.stderr.decode(errors="replace").strip().splitlines()
        problem = f"{name} did not draw it: {words[-1] if words else f'exit status {done.returncode}'}"
    return Drawing(None, clean, problem)


def fitting(width: float, unit: str, least: float, most: float) -> str:
    """Return the style of a drawing as wide as its place, within these multiples of its own width; then it scrolls."""
    return f"width:100%;min-width:{least * width:.0f}{unit};max-width:{most * width:.0f}{unit};height:auto"


def _ways() -> list[tuple[list[str], str]]:
    ways = []
    if dot := shutil.which("dot"):
        ways.append(([dot, "-Tsvg"], "dot"))
    if importlib.util.find_spec("pygraphviz"):
        ways.append(([sys.executable, "-c", _CHILD], "pygraphviz"))
    return ways
