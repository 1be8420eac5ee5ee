"""The picture of a stepper: a graph that fills in step by step, and below it the trace table that fills in too.

The graph is laid out once; a step changes colours, lines and numbers, and moves nothing. It is an SVG of our own, since
a picture that Graphviz draws would take 20 ms and more a step, and would be missing where there is no Graphviz. What a
colour says is said by a line as well: dashed is not yet, thick is now.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from unicodedata import combining

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font

from helpers.plots.drawing import fitting
from helpers.plots.layers import Point, layered
from helpers.plots.step_table import lines_of, short, trace_table

LIMIT = 40  # more nodes than these nobody can follow
LONGEST = 28  # characters of a formula in a node
HEAD, LINE, ROOM, SIZE = 22.0, 20.0, 24.0, 15  # heights of lines, room in a box, size of the letters
NARROWEST, WIDEST = 50.0, 120.0  # of the room between two columns; of a line on an arrow, if it can be broken
ARROW = 34.0  # what stays to be seen of an arrow with words on it
SCALE = (0.7, 1.35)  # how far the picture may shrink before it is scrolled, and grow on a wide page
FONT = "font-family=\"'DejaVu Sans',Verdana,Arial,sans-serif\""
BLUE, VERMILION, BROWN, GREY, INK = "#0072B2", "#D55E00", "#8f3d00", "#707070", "#1a1a1a"
DECIMALS = re.compile(r"\d+\.\d+(?:e[+-]\d+)?")
# Fill, border, width and dashes of a node that is not yet computed, has its value, has its slope too.
NOT_YET, VALUE, SLOPE = ("#ffffff", "#9a9a9a", 1.5, "5,4"), ("#d6eaf6", BLUE, 2.0, ""), ("#fbe0cf", VERMILION, 2.0, "")
LEGEND = (
    "Dashed: not computed yet. Blue: the value is known. Orange: the {} is complete. Thick, with a marker: this step."
)

LOOK_FOR = {
    "reverse": "a node hands its {0} on only when all that it will receive has arrived; each product takes the {0} at "
    "one end of an arrow and the derivative on it.",
    "forward": "tangents travel with the values, along the arrows, and nothing has to be kept for a way back.",
    "values": "each value needs only values to its left.",
}


class StepPicture:
    """The graph and the table of a sweep, after some of its steps.

    Parameters
    ----------
    sweep : object
        Plain data as a ``helpers.diff.steps.Sweep`` has it: ``graph`` (nodes, edges, output), ``steps``, ``mode``,
        ``slopes``, ``state(position)``, ``slope_name(node)``, ``expected``.
    position : int
        How many steps have been taken.

    Attributes
    ----------
    position : int
        What the picture shows in a notebook, and what its description describes; may be changed.
    look_for : str

    Raises
    ------
    ValueError
        If there are more than 40 nodes.
    """

    def __init__(self, sweep: Any, position: int = 0) -> None:
        self.sweep, self.position = sweep, position
        self.look_for = LOOK_FOR[sweep.mode].format(sweep.slopes[:-1])
        self.nodes = {node.name: node for node in sweep.graph.nodes}
        if len(self.nodes) > LIMIT:
            raise ValueError(
                f"a graph of {len(self.nodes)} nodes cannot be followed; the stepper takes {LIMIT} at most"
            )
        seen = {name: [node.value] for name, node in self.nodes.items()}
        pills = [NARROWEST] * len(sweep.graph.edges)
        for step in sweep.steps:
            seen[step.node].append(step.total)
            if step.edge is not None:
                pills[step.edge] = max(NARROWEST, self._pill_size(step)[0] + ARROW)
        self.sizes = {name: self._size(name, values) for name, values in seen.items()}
        self.layout = layered(self.sizes, [(edge.parent, edge.child) for edge in sweep.graph.edges], pills)

    def _size(self, name: str, values: Sequence[Any]) -> Point:
        """Return width and height of a box that holds all that will ever stand in it."""
        rows, shaped = len(lines_of(values[0])), np.ndim(values[0]) > 0
        lines = [line for value in values for line in lines_of(value)]
        if rows == 1:
            more = " + …" if self.sweep.expected[name] > 1 else ""
            lines = [f"{self.sweep.slope_name(name)} = {line}{more}" for line in lines]
        height = HEAD + LINE * (rows + shaped) + 12
        if self.sweep.mode != "values":
            height += LINE * (rows + (rows > 1))
        return max(wide(self._head(name), "bold"), *map(wide, lines)) + ROOM, height

    def svg(self, position: int) -> str:
        """Return the graph after so many steps."""
        now = self.sweep.steps[position - 1] if position else None
        state = self.sweep.state(position)
        pushed = {step.edge for step in self.sweep.steps[:position]}
        order = sorted(range(len(self.sweep.graph.edges)), key=lambda i: now is not None and now.edge == i)  # on top
        parts = [self._arrow(i, state, i in pushed, now) for i in order]
        parts += [self._node(name, state, now) for name in self.nodes]
        if now is not None and now.edge is not None:
            parts.append(self._pill(now))
        width, height = self.layout.width, self.layout.height
        style = fitting(width, "px", *SCALE)
        words = html.escape(self.describe(position))
        return (
            f'<svg role="img" aria-label="{words}" viewBox="0 0 {width:.0f} {height:.0f}" {FONT} '
            f'style="{style};background:#ffffff;border-radius:6px;display:block">{"".join(parts)}</svg>'
        )

    # A node: its box, and the lines in it.

    def _node(self, name: str, state: Any, now: Any) -> str:
        (x, y), (width, height) = self.layout.centres[name], self.sizes[name]
        known, arrived = name in state.values, self._arrived(name, state)
        fill, colour, thick, dashes = SLOPE if arrived == 2 else VALUE if known else NOT_YET
        current = now is not None and now.node == name
        if current:
            colour, thick, dashes = INK, 4.5, ""
        corner = 14 if self.nodes[name].formula else 2
        line = f'stroke="{colour}" stroke-dasharray="{dashes}"'
        parts = [_box(x, y, width, height, corner, f'fill="{fill}" {line} stroke-width="{thick}"')]
        if name == self.sweep.graph.output:  # two borders
            parts.append(_box(x, y, width - 10, height - 10, max(2, corner - 5), f'fill="none" {line}'))
        if current:
            parts.append(f'<path d="M{x - 11:.1f},{y - height / 2 - 16:.1f}h22l-11,13z" fill="{INK}"/>')
        ink = INK if known else GREY
        lines = [(self._head(name), ink, "bold")]
        if shape := np.shape(self.nodes[name].value):
            lines.append((str(shape), GREY, "normal"))
        lines += [(line, ink, "normal") for line in self._values(name, known)]
        lines += [(line, BROWN if arrived else GREY, "normal") for line in self._slopes(name, state, arrived)]
        top = y - height / 2 + HEAD - 2
        return "".join([*parts, *(_text(x, top + LINE * k, *line) for k, line in enumerate(lines))])

    def _head(self, name: str) -> str:
        formula = self.nodes[name].formula
        text = f"{name} = {formula}" if formula else name
        return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

    def _arrived(self, name: str, state: Any) -> int:
        """Return 2 if all of the slope of a node has arrived, 1 for a part of it, 0 for nothing."""
        if name not in state.slopes:
            return 0
        return 2 if state.received[name] == self.sweep.expected[name] else int(state.received[name] > 0)

    def _values(self, name: str, known: bool) -> list[str]:
        lines = lines_of(self.nodes[name].value)
        return lines if known else ["?", *[""] * (len(lines) - 1)]

    def _slopes(self, name: str, state: Any, arrived: int) -> list[str]:
        if self.sweep.mode == "values":
            return []
        slope, more = self.sweep.slope_name(name), " + …" if arrived == 1 else ""
        lines = lines_of(state.slopes[name]) if arrived else ["?"]
        if len(lines_of(self.nodes[name].value)) == 1:
            return [f"{slope} = {lines[0]}{more}"]
        return [f"{slope} ={more}", *lines]

    # An arrow, and what is computed on it.

    def _arrow(self, i: int, state: Any, pushed: bool, now: Any) -> str:
        edge = self.sweep.graph.edges[i]
        known = edge.child in state.values
        current = now is not None and now.edge == i
        read = now is not None and now.kind == "value" and now.node == edge.child
        colour, width = (VERMILION, 2.2) if pushed else (BLUE, 3.5) if read else (INK, 1.4) if known else (GREY, 1.2)
        if current:
            width = 5.0
        back = pushed and self.sweep.mode == "reverse"
        x, y = self.layout.ends[i][0 if back else 1]
        head = (8 + width) * (1 if back else -1)  # the arrow points where the adjoint travels
        dashes = "" if known else 'stroke-dasharray="5,4"'
        parts = [
            f'<path d="{self.layout.paths[i]}" fill="none" stroke="{colour}" stroke-width="{width}" {dashes}/>',
            f'<path d="M{x:.1f},{y:.1f}l{head:.1f},{head / 2:.1f}v{-head:.1f}z" fill="{colour}"/>',
        ]
        if known and not current and not np.ndim(edge.derivative):
            (a, b), text = self.layout.labels[i], f"{edge.derivative:.4g}"
            parts += [_box(a, b, wide(text) + 6, 20, 4, 'fill="#ffffff"'), _text(a, b + 5, text, INK)]
        return "".join(parts)

    def _pill_lines(self, step: Any) -> list[str]:
        """Return what stands on the arrow of a step: the product in symbols, then in numbers, of arrays in shapes."""
        if np.ndim(step.product):
            return [line for line in (step.symbols, step.shapes) if line]
        numbers, product = DECIMALS.sub(lambda found: f"{float(found[0]):.4g}", step.numbers), f"= {step.product:.4g}"
        whole = f"{numbers} {product}".strip()
        return [step.symbols, *([whole] if wide(whole, "bold") < WIDEST else (numbers, product))]

    def _pill_size(self, step: Any) -> Point:
        lines = self._pill_lines(step)
        return max(wide(line, "bold") for line in lines) + 16, 22.0 * len(lines) + 8

    def _pill(self, step: Any) -> str:
        (x, y), (width, height) = self.layout.labels[step.edge], self._pill_size(step)
        lines = [_text(x, y - height / 2 + 20 + 22 * k, s, INK, "bold") for k, s in enumerate(self._pill_lines(step))]
        plate = _box(x, y, width, height, 6, f'fill="#fff3c4" stroke="{VERMILION}" stroke-width="2"')
        return plate + "".join(lines)

    # In words.

    def describe(self, position: int) -> str:
        """Say in words what graph and table show after so many steps."""
        state, steps, slopes = self.sweep.state(position), self.sweep.steps, []
        for name in self.nodes:
            if arrived := self._arrived(name, state):
                so_far = "" if arrived == 2 else " so far"
                slopes.append(f"{self.sweep.slope_name(name)} = {short(state.slopes[name])}{so_far}")
        words = [f"Step {position} of {len(steps)}: {steps[position - 1].words}." if position else "No step taken."]
        words.append(f"Values known: {', '.join(f'{name} = {short(v)}' for name, v in state.values.items())}.")
        if slopes:
            words.append(f"{self.sweep.slopes.capitalize()}: {', '.join(slopes)}.")
        if waiting := [name for name in self.nodes if name not in state.values]:
            words.append(f"Not computed yet: {', '.join(waiting)}.")
        return " ".join(words)

    @property
    def description(self) -> str:
        """The same at the present position."""
        return f"Graph of a computation with {len(self.nodes)} nodes. {self.describe(self.position)}"

    def caption(self) -> str:
        """Return what to look for, and what the lines and colours mean, as HTML."""
        legend = LEGEND.format(self.sweep.slopes[:-1] or "slope")
        return f"<p><b>What to look for:</b> {html.escape(self.look_for)}<br><i>{legend}</i></p>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        graph = f'<div tabindex="0" style="overflow-x:auto">{self.svg(self.position)}</div>'
        words = f"<details><summary>Description of the figure</summary>{html.escape(self.description)}</details>"
        return {
            "text/html": f'<figure style="margin:0">{graph}{trace_table(self.sweep, self.position)}'
            f"<figcaption>{self.caption()}{words}</figcaption></figure>",
            "text/plain": f"{self.description}\nWhat to look for: {self.look_for}",
        }


@lru_cache(maxsize=4096)
def advance(letter: str, weight: str) -> float:
    """Measure a letter in pixels, in the font that matplotlib carries; Verdana is as wide."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
    font.set_size(SIZE, 72)
    known = letter if font.get_char_index(ord(letter)) else "W"  # another font will draw it, hardly wider than this
    return float(font.load_char(ord(known)).linearHoriAdvance) / 65536


def wide(text: str, weight: str = "normal") -> float:
    """Measure a text in pixels; a bar or dot above a letter takes no room."""
    return sum(advance(letter, weight) for letter in text if not combining(letter))


def _text(x: float, y: float, text: str, colour: str, weight: str = "normal") -> str:
    form = f'text-anchor="middle" font-size="{SIZE}" font-weight="{weight}" fill="{colour}" style="white-space:pre"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {form}>{html.escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, corner: int, form: str) -> str:
    """Draw a box around a point."""
    place = f'x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} rx="{corner}" {form}/>'
