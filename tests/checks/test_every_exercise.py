"""The check of each exercise, as the notebooks call it: it passes the solution, and tells a stub from a crash."""

from __future__ import annotations

import importlib
import itertools
import re

import nbformat
import pytest

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
    assert verdict(crash).status == verdict(lambda *_: None).status == "wrong"
    assert "ZeroDivisionError: oops" in verdict(crash).text
