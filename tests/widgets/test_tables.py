"""Tables: three digits, units, what is best or refused by colour and word, and what a screen reader needs."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.widgets import table
from helpers.widgets.tables import written

ROWS = [
    {"rule": "<Adam>", "loss": 0.12345, "epochs": 1000},
    {"rule": "SGD", "loss": float("nan"), "epochs": 20},
    {"rule": "Rprop", "loss": 0.5, "epochs": 20},
]


def cells(page):
    """Return the rows of cells of an HTML table, without tags."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [[re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


def test_rows_of_every_kind_are_the_same_table():
    by_column = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    pages = [table(rows, "Rules")._repr_html_() for rows in (ROWS, by_column, pd.DataFrame(ROWS))]
    expected = [
        ["rule", "loss", "epochs"],
        ["&lt;Adam&gt;", "0.123", "1,000"],
        ["SGD", "–", "20"],
        ["Rprop", "0.500", "20"],
    ]
    assert [cells(page) for page in pages] == [expected] * 3


def test_what_is_best_or_refused_has_a_colour_and_the_word():
    shown = table(
        ROWS, "Rules", best={"loss": min, "epochs": min}, refused={"loss": np.isnan}, units={"epochs": "steps"}
    )
    page = shown._repr_html_()
    assert [row[1:] for row in cells(page)] == [
        ["loss", "epochs in steps"],
        ["best 0.123", "1,000"],
        ["refused –", "best 20"],
        ["0.500", "best 20"],
    ]
    of = {m[2]: m[1] for m in re.finditer(r'<td id="(\S+)".*?>(.*?)</td>', page)}
    for text, colour in (("best 0.123", "0,158,115"), ("refused –", "213,94,0")):
        assert re.search(rf"#{of[text]}[^{{}}]*{{[^}}]*{colour}", page), text
    assert repr(shown).startswith("Rules\n")
    assert "best 0.123" in repr(shown)


def test_the_refused_are_never_the_best_and_a_word_is_not_said_twice():
    rows = {"error": [0.1, 5.0], "verdict": ["refused", "passes"], "seed": [None, 1]}
    page = table(
        pd.DataFrame(rows, dtype=object),
        "c",
        best={"error": max},
        refused={"error": lambda v: v > 1, "verdict": "refused".__eq__},
    )
    assert cells(page._repr_html_())[1:] == [["best 0.1", "refused", "–"], ["refused 5", "passes", "1"]]


def test_a_screen_reader_hears_caption_and_headings_and_wide_tables_scroll_alone():
    frame = pd.DataFrame({"a": [1.0]}, index=pd.Index(["row <1>"], name="what"))
    page = table(frame, 'A "caption" < 1')._repr_html_()
    assert page.startswith(
        '<div role="region" tabindex="0" aria-label="A &quot;caption&quot; &lt; 1" style="overflow-x:auto">'
    )
    assert "<caption>A &quot;caption&quot; &lt; 1</caption>" in page
    assert len(re.findall('scope="col"', page)) == len(re.findall('scope="row"', page)) == 1
    assert ">row &lt;1&gt;</th>" in page
    assert "<th" in page.partition("what")[0]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.5, 0.25], ["0.50", "0.25"]),
        ([1.0, 2.0], ["1", "2"]),
        ([999.96, 0.0999], ["1,000", "0.0999"]),
        ([-1234567.0, 1.5], ["−1.23·10⁶", "1.50"]),
        ([1e-5, 1e20], ["10⁻⁵", "10²⁰"]),
        ([-1e-5], ["−1·10⁻⁵"]),
        ([2**60 + 1, -3], ["1,152,921,504,606,846,977", "−3"]),
        ([-0.0, 0, 1e-320], ["0", "0", "10⁻³²⁰"]),
        ([True, False, None, pd.NA, float("-inf")], ["yes", "no", "–", "–", "−∞"]),
        (["nan", "True", "$x^2$"], ["nan", "True", "$x^2$"]),
    ],
)
def test_how_numbers_are_written(values, texts):
    assert written(values) == texts


def test_numbers_of_numpy_and_torch_are_numbers():
    rows = [{"a": np.float32(0.25), "b": torch.tensor(2), "c": np.bool_(True)} for _ in range(2)]
    assert cells(table(rows, "c", best={"a": max})._repr_html_())[1:] == [["best 0.25", "2", "yes"]] * 2


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ("a,b", {}, "rows must be a DataFrame, a list of dicts or a dict of columns, got str"),
        ([], {}, "rows must hold a row or more"),
        ({"a": [1], 1: [2], "1": [3]}, {}, "in columns of different names"),
        ({"a": [1]}, {"caption": " "}, "caption must say"),
        ({"a": [1]}, {"best": {"b": min}}, "no column is called 'b'; there are a"),
        ({"a": [1, 2], "b": [1]}, {}, "same length"),
    ],
)
def test_what_does_not_fit_is_refused(rows, options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        table(rows, **{"caption": "c", **options})
