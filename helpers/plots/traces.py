"""The drawing of a computation: its graph, which fills in step by step, and the trace table, which fills in too.

An arrow leads from an operand to what is computed from it. Inputs have square corners, operations round ones, the
output two borders. `plot_trace` shows the whole computation, a `StepPicture` each of its steps in the same picture.
Graphviz lays the graph out once; a step changes colours, lines and numbers, and moves nothing. What a colour says is
said by a line as well: dashed is not yet, thick is now.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from unicodedata import combining

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font

from helpers.diff.graph import trace, written
from helpers.diff.lagrange import Value
from helpers.diff.steps import State, Step, Sweep
from helpers.plots.drawing import fitting, lay_out, scrolled
from helpers.plots.pictures import figure_html

Point = tuple[float, float]
Line = tuple[str, str, str]  # text, colour and weight

LIMIT = 40  # more nodes than these nobody can follow
LONGEST, ROWS = 28, 4  # characters of a formula in a node; rows and columns of an array that are written out
HEAD, LINE, ROOM, SIZE, MARGIN = 22.0, 20.0, 24.0, 15, 20.0  # heights of lines, room in a box, size of the letters
SCALE = (0.7, 1.35)  # how far the picture may shrink before it is scrolled, and grow on a wide page
FONT = "font-family=\"'DejaVu Sans',Verdana,Arial,sans-serif\""
BLUE, VERMILION, BROWN, GREY, INK = "#0072B2", "#D55E00", "#8f3d00", "#707070", "#1a1a1a"
DECIMALS = re.compile(r"\d+\.\d+(?:e[+-]\d+)?")
# Fill, border, width and dashes of a node that is not yet computed, has its value, has its slope too.
NOT_YET, VALUE, SLOPE = ("#ffffff", "#9a9a9a", 1.5, "5,4"), ("#d6eaf6", BLUE, 2.0, ""), ("#fbe0cf", VERMILION, 2.0, "")
LEGEND = "Blue: the value is known. Orange: the {} is complete."
STEPPING = "Dashed: not computed yet. Thick, with a marker: this step."
LOOK_FOR = {
    "reverse": "a node hands its {0} on only when all that it will receive has arrived; each product takes the {0} at "
    "one end of an arrow and the derivative on it.",
    "forward": "tangents travel with the values, along the arrows, and nothing has to be kept for a way back.",
    "values": "each value needs only values to its left; on an arrow stands the local derivative.",
}
CELL = "text-align:left;padding:1px 20px 1px 6px;font-size:1.1em;line-height:1.25"
NOW = ";background:#ffe9a8;color:#000000;font-weight:bold;box-shadow:inset 5px 0 #D55E00"
DOTS = "…"


def plot_trace(
    source: Any, at: Mapping[str, Any] | None = None, *, adjoints: bool = True, look_for: str = ""
) -> StepPicture:
    """Draw the graph of a computation: as a picture where the machine has Graphviz, as text where it has none.

    Parameters
    ----------
    source, at
        A graph, or whatever `helpers.diff.graph.trace` takes, such as a function and its inputs; at most 40 nodes.
    adjoints : bool
        Whether the adjoints are shown too, or the values alone, as before the backward pass.
    look_for : str
        What to look for; the rule of the sweep unless told.
    """
    picture = StepPicture(Sweep(trace(source, at), "reverse" if adjoints else "values"), still=True)
    picture.look_for = look_for or picture.look_for
    return picture


def check_size(nodes: int) -> None:
    """Refuse a graph that nobody can follow."""
    if nodes > LIMIT:
        raise ValueError(f"a graph of {nodes} nodes cannot be followed; at most {LIMIT} are drawn")


class StepPicture:
    """The graph and the table of a sweep after ``position`` steps, which may be changed; ``still``: the graph alone.

    ``drawn`` says who laid it out, or why nobody could; then it is shown as text.
    """

    def __init__(self, sweep: Sweep, position: int = 0, still: bool = False) -> None:
        check_size(len(sweep.nodes))
        self.sweep, self.still, self.position = sweep, still, len(sweep.steps) if still else position
        self.look_for = LOOK_FOR[sweep.mode].format(sweep.slopes[:-1])
        states = [sweep.state(k) for k in range(self.position if still else 0, len(sweep.steps) + 1)]
        self.sizes = {name: _size([self._lines(name, state) for state in states]) for name in sweep.nodes}
        labels = [(wide(_derivative(edge.derivative)) + 12, LINE) for edge in sweep.graph.edges]
        for step in sweep.steps:
            if step.edge is not None and not still:
                labels[step.edge] = _pill_size(step)
        places, self.drawn = lay_out(self._source(labels))
        if places:
            self._place(places)

    def _source(self, labels: list[Point]) -> str:
        """Write for Graphviz how large everything is; its names are numbers, which need no escape."""
        number = {name: i for i, name in enumerate(self.sizes)}
        lines = ['digraph { rankdir=LR; nodesep=0.3; ranksep=0.3; node [shape=box, fixedsize=true, label=""];']
        lines.append("edge [dir=none, tailport=e, headport=w];")
        lines += [f"n{i} [width={w / 72:.3f}, height={h / 72:.3f}];" for i, (w, h) in enumerate(self.sizes.values())]
        for i, (edge, (w, h)) in enumerate(zip(self.sweep.graph.edges, labels)):
            room = f'<<table border="0" fixedsize="true" width="{w:.0f}" height="{h:.0f}"><tr><td></td></tr></table>>'
            lines.append(f"n{number[edge.parent]} -> n{number[edge.child]} [id={i}, label={room}];")
        return "\n".join([*lines, "}"])

    def _place(self, layout: Mapping[str, Any]) -> None:
        """Keep where everything is, in pixels from the corner at the top left."""
        _, _, self.width, self.height = (float(number) + 2 * MARGIN for number in layout["bb"].split(","))

        def points(text: str) -> list[Point]:
            pairs = [pair.split(",") for pair in text.split()]
            return [(float(x) + MARGIN, self.height - MARGIN - float(y)) for x, y in pairs]

        places = {node["name"]: points(node["pos"])[0] for node in layout["objects"]}
        self.centres = {name: places[f"n{i}"] for i, name in enumerate(self.sizes)}
        edges = {int(edge["id"]): edge for edge in layout.get("edges", ())}
        self.lines = {i: points(edge["pos"]) for i, edge in edges.items()}
        self.labels = {i: points(edge["lp"])[0] for i, edge in edges.items()}

    def svg(self, position: int) -> str:
        """Return the graph after so many steps, as SVG, or as text where nothing could lay it out."""
        words = html.escape(self.describe(position))
        if self.drawn.partition(" ")[0] != "drawn":
            return f"<pre>{words}\n({html.escape(self.drawn)})</pre>"
        steps, state = ([] if self.still else self.sweep.steps[:position]), self.sweep.state(position)
        now, pushed = (steps[-1] if steps else None), {step.edge for step in steps}
        order = sorted(self.lines, key=lambda i: now is not None and now.edge == i)  # on top
        parts = [self._arrow(i, state, i in pushed, now) for i in order]
        parts += [self._node(name, state, now) for name in self.sweep.nodes]
        if now is not None and now.edge is not None:
            (x, y), (width, height) = self.labels[now.edge], _pill_size(now)
            parts.append(_box(x, y, width, height, 6, f'fill="#fff3c4" stroke="{VERMILION}" stroke-width="2"'))
            parts += [_text(x, y - height / 2 + 20 + 22 * k, s, INK, "bold") for k, s in enumerate(_pill_lines(now))]
        style = f"{fitting(self.width, 'px', *SCALE)};max-height:{max(340, SCALE[0] * self.height):.0f}px"
        return (
            f'<svg role="img" aria-label="{words}" viewBox="0 0 {self.width:.0f} {self.height:.0f}" {FONT} '
            f'style="{style};background:#ffffff;border-radius:6px;display:block">{"".join(parts)}</svg>'
        )

    def _lines(self, name: str, state: State) -> list[Line]:
        """Return what stands in a node."""
        node, known, arrived = self.sweep.nodes[name], name in state.values, self._arrived(name, state)
        head, values = " = ".join(filter(None, [name, node.formula])), lines_of(node.value)
        lines = [(head if len(head) <= LONGEST else head[: LONGEST - 1] + "…", INK if known else GREY, "bold")]
        lines += [(str(np.shape(node.value)), GREY, "normal")] if np.ndim(node.value) else []
        shown = values if known else ["?", *[""] * (len(values) - 1)]
        lines += [(line, INK if known else GREY, "normal") for line in shown]
        if self.sweep.mode != "values":
            slope, more = self.sweep.slope_name(name), " + …" if arrived == 1 else ""
            slopes = lines_of(state.slopes[name]) if arrived else ["?"]
            slopes = [f"{slope} = {slopes[0]}{more}"] if len(values) == 1 else [f"{slope} ={more}", *slopes]
            lines += [(line, BROWN if arrived else GREY, "normal") for line in slopes]
        return lines

    def _node(self, name: str, state: State, now: Step | None) -> str:
        (x, y), (width, height) = self.centres[name], self.sizes[name]
        known = name in state.values
        fill, colour, thick, dashes = SLOPE if self._arrived(name, state) == 2 else VALUE if known else NOT_YET
        current = now is not None and now.node == name
        if current:
            colour, thick, dashes = INK, 4.5, ""
        corner = 14 if self.sweep.nodes[name].formula else 2
        line = f'stroke="{colour}" stroke-dasharray="{dashes}"'
        known_as = "" if self.still else f'id="{html.escape(name)}" cursor="pointer"'
        look = f'fill="{fill}" {line} stroke-width="{thick}" {known_as}'
        parts = [_box(x, y, width, height, corner, look)]
        if name == self.sweep.graph.output:  # two borders
            parts.append(_box(x, y, width - 10, height - 10, max(2, corner - 5), f'fill="none" {line}'))
        if current:
            parts.append(f'<path d="M{x - 11:.1f},{y - height / 2 - 16:.1f}h22l-11,13z" fill="{INK}"/>')
        top = y - height / 2 + HEAD - 2
        return "".join([*parts, *(_text(x, top + LINE * k, *each) for k, each in enumerate(self._lines(name, state)))])

    def _arrived(self, name: str, state: State) -> int:
        """Return 2 if all of the slope of a node has arrived, 1 for a part of it, 0 for nothing."""
        if name not in state.slopes:
            return 0
        return 2 if state.received[name] == self.sweep.expected[name] else int(state.received[name] > 0)

    def _arrow(self, i: int, state: State, pushed: bool, now: Step | None) -> str:
        edge, line = self.sweep.graph.edges[i], self.lines[i]
        known = edge.child in state.values
        current = now is not None and now.edge == i
        read = now is not None and now.kind == "value" and now.node == edge.child
        colour, width = (VERMILION, 2.2) if pushed else (BLUE, 3.5) if read else (INK, 1.4) if known else (GREY, 1.2)
        width = 5.0 if current else width
        back = pushed and self.sweep.mode == "reverse"
        x, y = line[0 if back else -1]
        head = (8 + width) * (1 if back else -1)  # the arrow points where the adjoint travels
        curve = " ".join(f"{a:.1f},{b:.1f}" for a, b in line[1:])
        dashes = "" if known else 'stroke-dasharray="5,4"'
        form = f'fill="none" stroke="{colour}" stroke-width="{width}" {dashes}'
        drawn = f'<path d="M{line[0][0]:.1f},{line[0][1]:.1f}C{curve}" {form}/>'
        drawn += f'<path d="M{x:.1f},{y:.1f}l{head:.1f},{head / 2:.1f}v{-head:.1f}z" fill="{colour}"/>'
        if known and not current and (text := _derivative(edge.derivative)):
            a, b = self.labels[i]
            drawn += _box(a, b, wide(text) + 6, 20, 4, 'fill="#ffffff"') + _text(a, b + 5, text, INK)
        return drawn

    def describe(self, position: int) -> str:
        """Say in words what the graph shows after so many steps."""
        state, steps, nodes = self.sweep.state(position), self.sweep.steps, self.sweep.nodes
        formulas = {name: node.formula if self.still else "" for name, node in nodes.items()}
        values = [
            " = ".join(filter(None, [name, formulas[name], written(value)])) for name, value in state.values.items()
        ]
        slopes = [
            f"{self.sweep.slope_name(name)} = {written(state.slopes[name])}{'' if arrived == 2 else ' so far'}"
            for name in nodes if (arrived := self._arrived(name, state))
        ]  # fmt: skip
        waiting = [name for name in nodes if name not in state.values]
        words = [f"Graph of a computation with {len(nodes)} nodes."]
        if not self.still:
            step = f"Step {position} of {len(steps)}: {steps[position - 1].words}." if position else "No step taken."
            words.append(step)
        words.append(f"Values{'' if self.still else ' known'}: {', '.join(values)}.")
        words += [f"{self.sweep.slopes.capitalize()}: {', '.join(slopes)}."] if slopes else []
        words += [f"Not computed yet: {', '.join(waiting)}."] if waiting else []
        if self.still:
            arrows = [f"{e.parent} to {e.child}, {written(e.derivative)}" for e in self.sweep.graph.edges]
            words.append(f"Arrows with local derivatives: {'; '.join(arrows) or 'none'}.")
        return " ".join(words)

    @property
    def description(self) -> str:
        """The same at the present position."""
        return self.describe(self.position)

    def legend(self) -> str:
        """Return what lines and colours mean, as HTML."""
        return f"<br><i>{LEGEND.format(self.sweep.slopes[:-1] or 'slope')} {'' if self.still else STEPPING}</i>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        drawing = scrolled("", self.svg(self.position))
        drawing += "" if self.still else trace_table(self.sweep, self.position)
        return {
            "text/html": figure_html(drawing, self.look_for, self.description, self.legend()),
            "text/plain": f"{self.description}\nWhat to look for: {self.look_for}",
        }


def _size(boxes: list[list[Line]]) -> Point:
    """Return width and height of a box that holds all that will ever stand in it."""
    width = max(wide(text, weight) for lines in boxes for text, _, weight in lines)
    return width + ROOM, HEAD + LINE * (max(map(len, boxes)) - 1) + 12


def _pill_lines(step: Step) -> list[str]:
    """Return what stands on the arrow of a step: the product in symbols, then in numbers, of arrays in shapes."""
    if np.ndim(step.product):
        return [line for line in (step.symbols, step.shapes) if line]
    numbers = DECIMALS.sub(lambda found: f"{float(found[0]):.4g}", step.numbers)
    return [step.symbols, f"{numbers} = {step.product:.4g}".strip()]


def _pill_size(step: Step) -> Point:
    lines = _pill_lines(step)
    return max(wide(line, "bold") for line in lines) + 16, 22.0 * len(lines) + 8


def _derivative(derivative: Value) -> str:
    return "" if np.ndim(derivative) else f"{derivative:.4g}"


def lines_of(value: Value) -> list[str]:
    """Write a value in lines: a number, the rows of a small array, the size of a large one."""
    if np.size(value) == 1:
        return [f"{float(np.ravel(value)[0]):.4g}"]
    if np.ndim(value) > 2 or max(np.shape(value)) > ROWS:
        return [f"{np.size(value)} numbers"]
    return ["".join(f"{number:6.2f}" for number in row).replace(" ", "\u2007") for row in np.atleast_2d(value)]


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
    form = f'text-anchor="middle" font-size="{SIZE}" font-weight="{weight}" fill="{colour}"'
    form += ' style="white-space:pre;pointer-events:none"'  # a click on it is one on its node
    return f'<text x="{x:.1f}" y="{y:.1f}" {form}>{html.escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, corner: int, form: str) -> str:
    """Draw a box around a point."""
    place = f'x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} rx="{corner}" {form}/>'


# The trace table: values downwards, adjoints downwards, each line filled in when its step has come.


def trace_table(sweep: Sweep, position: int) -> str:
    """Return the table of a sweep after so many steps, as HTML; what has not been computed is pale, with dots."""
    names, state, now = list(sweep.nodes), sweep.state(position), sweep.steps[position - 1] if position else None

    def cell(text: str, name: str, kinds: tuple[str, ...]) -> str:
        return f'<td style="{CELL}{NOW if now and now.node == name and now.kind in kinds else ""}">{text}</td>'

    columns = {"values": [cell(_value(sweep, name, state), name, ("value",)) for name in names]}
    if sweep.slopes:
        order = names[::-1] if sweep.mode == "reverse" else names
        slopes = [cell(_slope(sweep, name, position, state), name, ("seed", "push")) for name in order]
        columns[sweep.slopes] = slopes
    head = "".join(f'<th scope="col" style="{CELL}">{title}, downwards</th>' for title in columns)
    rows = "</tr><tr>".join(map("".join, zip(*columns.values())))
    return f"<table><thead><tr>{head}</tr></thead><tbody><tr>{rows}</tr></tbody></table>"


def _value(sweep: Sweep, name: str, state: State) -> str:
    node, known = sweep.nodes[name], name in state.values
    return _pale(" = ".join(filter(None, [name, node.formula, written(node.value) if known else DOTS])), not known)


def _slope(sweep: Sweep, name: str, position: int, state: State) -> str:
    """Write an adjoint or tangent: the sum in symbols, the same in numbers as far as they have come, the result."""
    pushes = [(step, k >= position) for k, step in enumerate(sweep.steps) if step.kind == "push" and step.node == name]
    done = name in state.slopes and state.received[name] == len(pushes)
    result = written(state.slopes[name]) if done else DOTS
    if not state.received[name]:
        symbols = " + ".join(step.symbols for step, _ in pushes)
        return _pale(" = ".join(filter(None, [sweep.slope_name(name), symbols, result])), not done)
    parts = [html.escape(sweep.slope_name(name)), " + ".join(_pale(step.symbols, later) for step, later in pushes)]
    if all(step.numbers and np.ndim(step.product) == 0 for step, _ in pushes):  # arrays would not fit
        parts.append(" + ".join(_pale(DOTS if later else step.numbers, later) for step, later in pushes))
    return " = ".join([*parts, _pale(result, not done)])


def _pale(text: str, pale: bool) -> str:
    escaped = html.escape(text)
    return f'<span style="opacity:0.6">{escaped}</span>' if pale else escaped
