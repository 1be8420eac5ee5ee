"""Predictions: a reader decides for an option by a click, and then reads the answer and its reason.

>>> question = predict(answer="b", options=3, because="The error is of order $h$.", heading="The step")
>>> question.choose("a")
>>> question.words
'You chose a. The answer is b.'
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from string import ascii_lowercase
from typing import Any

import mistune
from ipywidgets import HTML, Button, HTMLMath, Layout, VBox

from helpers.options import OneOf, Whole, Words
from helpers.widgets.controls import counted, row, status_line
from helpers.widgets.panel import post, present_cell, present_loop

MOST = 9  # options
to_html = mistune.create_markdown(plugins=["math"])

_chosen: dict[Any, str] = {}  # the first choice, by cell and question: it outlives the widgets of a run
_asked: dict[Any, tuple[Any, list[Question]]] = {}  # by cell: its last run, and what that asked
_counts: dict[Any, Predictions] = {}  # by cell


class Question:
    """A row of buttons, and the answer once one has been clicked; ``chosen`` is the first choice, or None."""

    def __init__(self, answer: str, options: Sequence[str], because: str, heading: str) -> None:
        self.answer, self.heading, self.letters = answer, heading, ascii_lowercase[: len(options)]
        asks = (answer, tuple(options), because, heading)
        cell, run = present_cell()
        if cell is None:
            cell, run = asks, object()
        if cell not in _asked or _asked[cell][0] != run:
            _asked[cell] = (run, [])  # a cell that was there keeps its place
        _asked[cell][1].append(self)
        self.key, self.loop, self.reason = (cell, asks), present_loop(), str(to_html(because))
        self.texts = "".join(f"<li>{escape(text)}</li>" for text in options if text)
        self.said = HTMLMath()
        self.buttons = []
        for letter, text in zip(self.letters, options):
            button = Button(tooltip=f"Predict {letter}", layout=Layout(width="auto", min_width="70px"))
            button.on_click(lambda _, letter=letter: post(self.loop, lambda: self.choose(letter)))
            button.text = f"{letter}: {text}" if text else letter
            self.buttons.append(button)
        number = everything().index(self) + 1
        title = HTML(f"<b>Prediction {number}</b>{f' ({escape(heading)})' if heading else ''}: ")
        self.box = VBox([row([title, *self.buttons]), self.said])
        self.box.add_class("prediction")
        self._show()

    @property
    def chosen(self) -> str | None:
        """The letter that was chosen first."""
        return _chosen.get(self.key)

    @property
    def words(self) -> str:
        """Whether the choice was right; nothing before one."""
        if self.chosen is None:
            return ""
        right = self.chosen == self.answer
        return f"Right: {self.answer}." if right else f"You chose {self.chosen}. The answer is {self.answer}."

    def choose(self, letter: str) -> None:
        """Do what a click on a button does: the first choice counts, later ones change nothing."""
        _chosen.setdefault(self.key, OneOf(self.letters).check("letter", letter))
        self._show()
        for count in _counts.values():
            count.refresh()

    def _show(self) -> None:
        for letter, button in zip(self.letters, self.buttons):
            marked = self.chosen is not None and letter in (self.answer, self.chosen)
            right = letter == self.answer
            button.description = f"{'✓' if right else '✗'} {button.text}" if marked else button.text
            button.button_style = ("success" if right else "danger") if marked else ""
        shown = f"<p><b>{self.words}</b></p>{self.reason}" if self.words else ""
        self.said.value = f'<div role="status">{shown}</div>'

    @property
    def folded(self) -> str:
        """The answer as HTML that needs no kernel."""
        listed = f'<ol type="a">{self.texts}</ol>' if self.texts else ""
        return f"{listed}<details><summary>Answer</summary><p><b>({self.answer})</b></p>{self.reason}</details>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return beside(self.box, self.folded, options)


def beside(box: Any, html: str, options: Any) -> Any:
    """Return the view of a widget, and beside it what a page without a kernel shows: that alone for the book."""
    bundle = {} if os.environ.get("COURSE_STATIC") else box._repr_mimebundle_(**options)
    return {**bundle, "text/html": html}


def everything() -> list[Question]:
    """Return the questions of all cells, as they were asked last."""
    return [question for _, asked in _asked.values() for question in asked]


def predict(answer: str, options: int | Sequence[str] = 3, because: str = "", heading: str = "") -> Question:
    """Ask for a prediction: one button per option; only a click shows the answer, and whether it was right.

    Parameters
    ----------
    answer : str
        The letter of the right option: "a", "b", ...
    options : int or sequence of str
        How many options there are, 2 to 9, or their texts, in plain words.
    because : str
        The reason, in Markdown with LaTeX between dollars.
    heading : str
        What the question is about, in a few words; `predictions` names it so. Questions are numbered too.

    Returns
    -------
    Question
        Shows itself as the last line of a cell. The first choice counts, and running the cell again keeps it, until
        the kernel is restarted or the question is changed. Without a kernel it is the folded answer.
    """
    if not isinstance(options, (list, tuple)):
        options = [""] * Whole(2, MOST).check("options", options)
    Whole(2, MOST).check("the number of options", len(options))
    texts = [Words().check("options", text) for text in options]
    letter = OneOf(ascii_lowercase[: len(texts)]).check("answer", answer)
    if not Words().check("because", because).strip():
        raise ValueError("because must say why the answer is right, in Markdown, got nothing")
    return Question(letter, texts, because, Words().check("heading", heading))


class Predictions:
    """A line that counts, while it is shown, how many predictions were right."""

    def __init__(self) -> None:
        self.line = HTML()
        self.refresh()

    def refresh(self) -> None:
        """Count anew."""
        self.line.value = status_line(repr(self), problem=False)

    def __repr__(self) -> str:
        asked = everything()
        names = [f"{i}{f' ({one.heading})' if one.heading else ''}" for i, one in enumerate(asked, 1)]
        open_ones = [name for name, one in zip(names, asked) if one.chosen is None]
        wrong = [name for name, one in zip(names, asked) if one.chosen not in (None, one.answer)]
        words = f"{len(asked) - len(open_ones) - len(wrong)} of {counted(len(asked), 'prediction')} right."
        words += f" Read again: {', '.join(wrong)}." if wrong else ""
        return words + (f" Not made yet: {', '.join(open_ones)}." if open_ones else "")

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return beside(self.line, "<p>In a running notebook this line counts your predictions.</p>", options)


def predictions() -> Predictions:
    """Say how many predictions of this notebook were right so far, and which to read again; the line keeps counting."""
    count = Predictions()
    _counts[present_cell()[0]] = count
    return count
