"""Results as a table: three significant digits, a caption, and what is best or refused marked by colour and word.

>>> rows = [{"rule": "Adam", "loss": 0.12345, "epochs": 1000}, {"rule": "SGD", "loss": 2e-9, "epochs": 10}]
>>> table(rows, "Two rules", best={"loss": min}, units={"loss": "nats"})
Two rules
rule loss in nats epochs
Adam        0.123  1,000
 SGD best 2.00·10⁻⁹    10
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

MARKS = {  # of a cell, by the word in it; on light and on dark pages
    "": "",
    "best": "background-color:rgba(0,158,115,0.28);font-weight:bold;white-space:nowrap",
    "refused": "background-color:rgba(213,94,0,0.28);font-weight:bold;white-space:nowrap",
}
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
STYLES = [
    {"selector": "caption", "props": "caption-side:top;text-align:left;font-weight:bold;font-size:1.1em;color:inherit"},
    {"selector": "th, td", "props": "padding:0.25em 0.8em;vertical-align:top;font-variant-numeric:tabular-nums"},
]


class Table:
    """A table that shows itself in a notebook; ``frame`` has the values as they were given."""

    def __init__(
        self, frame: pd.DataFrame, caption: str, texts: pd.DataFrame, marks: pd.DataFrame, sides: Sequence[str]
    ) -> None:
        self.frame, self.caption, self.texts, self.marks, self.sides = frame, caption, texts, marks, sides
        self.named = not isinstance(frame.index, pd.RangeIndex)

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.texts.to_string(index=self.named)}"

    def _repr_html_(self) -> str:
        shown = self.texts.map(escape).rename(index=escape if self.named else None, columns=escape)
        marks = self.marks.set_axis(shown.index).set_axis(shown.columns, axis=1)
        sides = {name: [{"selector": "", "props": side}] for name, side in zip(shown.columns, self.sides)}
        styler = shown.style.apply(lambda _: marks, axis=None).set_caption(escape(self.caption))
        styler = styler.set_table_styles(STYLES).set_table_styles(sides, overwrite=False)
        page = (styler if self.named else styler.hide(axis="index")).to_html()
        for scope in ("col", "row"):
            page = page.replace(f'class="{scope}_heading', f'scope="{scope}" class="{scope}_heading')
        area = f'role="region" tabindex="0" aria-label="{escape(self.caption)}" style="overflow-x:auto"'
        return f"<div {area}>{page}</div>"


def table(
    rows: Any,
    caption: str,
    *,
    best: Mapping[str, Callable[[list[Any]], Any]] | None = None,
    refused: Mapping[str, Callable[[Any], bool]] | None = None,
    units: Mapping[str, str] | None = None,
) -> Table:
    """Show results as a table.

    Parameters
    ----------
    rows : pandas.DataFrame, list of dict, or dict of columns
        What to show, a row or more. Row names of a DataFrame are shown, row numbers are not.
    caption : str
        Says what the table shows.
    best : mapping, optional
        By column, what chooses the best of its numbers, such as ``{"loss": min}``; refused ones do not count.
    refused : mapping, optional
        By column, what says of one value whether it is refused, such as ``{"error": lambda v: v > 0.1}``.
    units : mapping, optional
        By column, its unit, for the heading.

    Returns
    -------
    Table
        Shows itself. Numbers have three significant digits, or as few as a whole column needs; whole numbers have all.
        A cell that is best or refused has a colour and the word.

    Raises
    ------
    TypeError, ValueError
        If ``rows`` are of another kind or empty, there is no caption, or no column of a name.
    """
    if not isinstance(rows, pd.DataFrame | dict | list):
        raise TypeError(f"rows must be a DataFrame, a list of dicts or a dict of columns, got {type(rows).__name__}")
    frame = pd.DataFrame(rows)
    if frame.empty or not frame.columns.map(str).is_unique or not isinstance(caption, str) or not caption.strip():
        raise ValueError("rows must hold a row or more, in columns of different names, and caption must say what of")
    best, refused, units = best or {}, refused or {}, units or {}
    if missing := [name for name in (*best, *refused, *units) if name not in frame.columns]:
        raise ValueError(f"no column is called {missing[0]!r}; there are {', '.join(map(str, frame.columns))}")
    texts, marks, sides = {}, {}, []
    for name in frame.columns:
        values = [value.item() if getattr(value, "shape", None) == () else value for value in frame[name]]
        out = [name in refused and bool(refused[name](value)) for value in values]
        good = [value for value, refuse in zip(values, out) if is_number(value) and not refuse]
        winner = best[name](good) if name in best and good else None
        words = ["refused" if no else "best" if is_number(v) and v == winner else "" for v, no in zip(values, out)]
        heading = f"{name} in {units[name]}" if name in units else str(name)
        texts[heading] = [text if word in text else f"{word} {text}" for word, text in zip(words, written(values))]
        marks[heading] = [MARKS[word] for word in words]
        sides.append("text-align:right" if any(map(is_number, values)) else "text-align:left")
    named = not isinstance(frame.index, pd.RangeIndex)
    index = pd.Index(written(list(frame.index)), name=frame.index.name) if named else frame.index
    return Table(frame, caption, pd.DataFrame(texts, index=index), pd.DataFrame(marks, index=index), sides)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; True and False are none."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    )


def written(values: Sequence[Any]) -> list[str]:
    """Write the values of a column: numbers with three significant digits, or as few as all of them need.

    >>> written([0.5, 0.1234, 12345.6, -1e-9, 7, float("nan"), float("inf"), True, None])
    ['0.500', '0.123', '12,300', '−1.00·10⁻⁹', '7', '–', '∞', 'yes', '–']
    >>> written([1e-3, 1e-8]), written([2.5, 250.0]), written([0.0, 1.0])
    (['0.001', '10⁻⁸'], ['2.5', '250'], ['0', '1'])
    """
    numbers = [value for value in values if is_number(value) and isinstance(value, float)]
    digits = next(n for n in (1, 2, 3) if n == 3 or all(float(f"{v:.{n}g}") == float(f"{v:.3g}") for v in numbers))
    words = {"True": "yes", "False": "no", "None": "–", "<NA>": "–", "nan": "–", "inf": "∞", "-inf": "−∞"}

    def text(value: Any) -> str:
        if not is_number(value):
            return str(value) if isinstance(value, str) else words.get(str(value), str(value))
        front, exponent = f"{value:.{digits - 1}e}".split("e")
        power = int(exponent)
        if isinstance(value, int) or value == 0:
            said = f"{value or 0:,}"
        elif -4 < power < 6:
            said = f"{float(f'{value:.{digits}g}'):,.{max(0, digits - 1 - power)}f}"
        else:
            said = f"{front}·10{str(power).translate(RAISED)}".removeprefix("1·")
        return said.replace("-", "−")

    return [text(value) for value in values]
