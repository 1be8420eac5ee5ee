"""The check of each exercise, as the notebooks call it: it passes the solution, tells a stub from a crash, says why."""

from __future__ import annotations

import importlib
import itertools
import math
import re

import nbformat
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.checks.verdict import Verdict, check, same
from tests.solutions import ROOT, load


def exercises():
    """Yield (lecture, function, check) of each cell that checks what the cell before it left to the student."""
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        for stub, call in itertools.pairwise(cells):
            if "NotImplementedError(" in stub:
                check, function = re.search(r"(check_\w+)\((\w+)\)", call).groups()
                yield pytest.param(path.stem[3:], function, check, id=f"{path.stem[:2]}-{function}")


def stub(*_):
    raise NotImplementedError("Student exercise")


def crash(*_):
    raise ZeroDivisionError("oops")


@pytest.mark.parametrize(("lecture", "function", "check"), [*exercises()])
def test_the_solution_is_correct_a_stub_is_not_attempted_a_crash_or_none_is_wrong(lecture, function, check):
    verdict = getattr(importlib.import_module(f"helpers.checks.{lecture}"), check)
    assert verdict(getattr(load(lecture), function)).status == "correct"
    assert verdict(stub).status == "not attempted"
    assert "`" not in verdict(stub).text
    assert verdict(crash).status == verdict(lambda *_: None).status == "wrong"
    assert "ZeroDivisionError: oops" in verdict(crash).text


@check
def always_wrong(answer):
    yield None
    yield f"got {answer}"


def test_a_verdict_shows_itself_in_words_and_escapes_the_readers_text():
    verdict = always_wrong("<script>")
    assert isinstance(verdict, Verdict)
    assert repr(verdict) == "✗ wrong: got <script>"
    assert "<script>" not in verdict._repr_html_()
    assert 'role="status"' in verdict._repr_html_()


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        (1.0, 1.001, "expected 1.001, got 1"),
        (1 + 1e-8, 1.0, "expected 1, got 1.00000001"),
        (-2.0, 2.0, "expected 2, got -2"),
        (math.nan, 2.0, "expected 2, got nan"),
        (2.0, math.nan, "expected nan, got 2"),
        (None, 2.0, "got nan"),
        ("two", 2.0, "expected numbers, got 'two'"),
        ([1.0, 2.0], [1.0, 2.5], r"expected \[1, 2.5\], got \[1, 2\]"),
        ([1.0, 2.0], [2.0, 1.0], r"expected \[2, 1\], got \[1, 2\]"),
        ([1.0], [[1.0]], r"the shape \(1, 1\), got the shape \(1,\)"),
        (1e-11, 0.0, "expected 0, got 1e-11"),
        (torch.eye(4), torch.eye(4) * 1.001, r"entry \(0, 0\) expected 1.001, got 1"),
    ],
)
def test_numbers_that_differ_are_told_apart(got, expected, words):
    assert re.search(words, same(got, expected, "a case", "a hint"))


@given(st.lists(st.floats(-1e6, 1e6), max_size=4), st.floats(-1e-10, 1e-10))
def test_numbers_that_differ_by_rounding_agree(expected, relative):
    got = [value * (1 + relative) for value in expected]
    assert same(got, expected, "a case", "a hint") is None
    assert same(torch.tensor(got, dtype=torch.float64, requires_grad=True), expected, "a case", "a hint") is None
