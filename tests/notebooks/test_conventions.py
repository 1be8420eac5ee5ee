"""What every notebook keeps to, read from its cells; and the claims, whose every row leads to a cell or a test."""

from __future__ import annotations

import ast
import csv
import functools
import itertools
import re
import statistics
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted(p for p in (ROOT / "notebooks").glob("*.ipynb") if not p.name.startswith("zz_"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
LECTURES = pytest.mark.parametrize("path", [p for p in NOTEBOOKS if not p.name.startswith("00")], ids=lambda p: p.stem)


@functools.cache
def read(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def prose(path):
    return [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]


@EACH
def test_it_is_stripped_and_valid(path):
    book = read(path)
    nbformat.validate(book)
    assert not any(cell.outputs or cell.execution_count for cell in code(path))
    assert "version" not in book.metadata.get("language_info", {})
    assert len({cell.id for cell in book.cells}) == len(book.cells)


@EACH
def test_the_opening_says_what_when_and_how_long(path):
    opening = prose(path)[0]
    assert opening.startswith("# ")
    assert "?" in opening
    assert 3 <= len(re.findall(r"^- .*\*\w+\*", opening, re.MULTILINE)) <= 5
    for word in ("**Prerequisites:**", "**Minutes:**", "**Seed:**"):
        assert word in opening
    total, *parts = [int(n) for n in re.findall(r"\d+", opening.split("**Minutes:**")[1].split("**")[0].split(")")[0])]
    assert sum(parts) == total
    assert total <= 50


@EACH
def test_cells_are_short_and_there_is_more_prose_than_code(path):
    lengths = [
        len(cell.source.splitlines())
        for cell in code(path)
        if not cell.source.startswith(("import", "from", "predict("))
    ]
    assert statistics.median(lengths) <= 6
    assert max(len(cell.source.splitlines()) for cell in code(path)) <= 20
    words = sum(len(re.sub(r"<.*?>|\$.*?\$", " ", text).split()) for text in prose(path))
    assert words >= 7 * sum(lengths)


@EACH
def test_predictions_have_options_and_an_answer_that_is_clicked_or_unfolded(path):
    cells = read(path).cells
    asked = [(cell.source, after) for cell, after in itertools.pairwise(cells) if "**Predict.**" in cell.source]
    assert len(asked) >= 2
    for text, after in asked:
        assert "(a)" in text
        assert "(b)" in text
        if after.source.startswith("predict("):
            assert after.source.startswith("predict(\n")  # a collapsed cell shows its first line
            assert after.metadata.jupyter.source_hidden
            assert "hide-input" in after.metadata.tags
            assert "<details>" not in text
        else:
            assert "<details><summary>Answer</summary>" in text
            assert text.count("<details>") == text.count("</details>")
    if clicked := [cell for cell in cells if cell.source.startswith("predict(")]:
        assert len(clicked) <= len(asked)
        assert any(cell.source.startswith("predictions()") for cell in cells)


@EACH
def test_each_exercise_has_minutes_a_reason_a_stub_a_check_and_a_solution(path):
    exercises = [text for text in prose(path) if "### Exercise" in text]
    assert len(exercises) >= (1 if path.name.startswith("00") else 3)
    stubs = [cell.source for cell in code(path) if "NotImplementedError(" in cell.source]
    assert len(stubs) == len(exercises)
    solutions = ast.parse((ROOT / "notebooks" / "solutions" / f"{path.stem[3:]}.py").read_text())
    solved = {node.name for node in solutions.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    sources = [cell.source for cell in code(path)]
    for text in exercises:
        assert re.search(r"### Exercise.*\(\d+ minute", "\n".join(re.findall(r"### Exercise.*", text)))
        assert "Why it matters" in text or path.name.startswith("00")
    for stub in stubs:
        (function,) = [node for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert 'NotImplementedError("Student exercise' in stub
        assert "..." in stub
        assert function.name in solved
        assert re.search(rf"check_\w+\({function.name}\)", sources[sources.index(stub) + 1])


@EACH
def test_slides_and_no_leftovers(path):
    book = read(path)
    assert all("slide_type" in cell.metadata.get("slideshow", {}) for cell in book.cells)
    source = "\n".join(cell.source for cell in code(path))
    for word in ("plt.show", "import *", "%matplotlib", "filterwarnings", "except:", "eval(", "skip-execution"):
        assert word not in source
    assert len([cell for cell in code(path) if cell.source.startswith("import")]) <= 1


@EACH
def test_it_closes_with_summary_question_and_references(path):
    closing = "\n".join(prose(path)[-2:])
    for word in ("Summary", "**Open question", "**Reference"):
        assert word in closing


@LECTURES
def test_every_figure_says_what_to_look_for(path):
    """Pictures of the package carry description and caption themselves; a plot made otherwise would carry neither."""
    source = "\n".join(cell.source for cell in code(path))
    assert not re.search(r"\bplt\.|pyplot|\.savefig", source)
    for call in re.findall(r"plot_(?:spread|curves)\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)", source):
        assert "look_for=" in call, call


def test_each_claim_has_a_source_a_verdict_and_a_place_where_it_is_shown():
    with (ROOT / "notebooks" / "claims.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert row["claim"]
        assert row["source"], row
        assert row["verdict"] in {"confirmed", "corrected", "it depends", "quoted"}, row
        if "::" in row["shown_by"]:
            name, test = row["shown_by"].split("::")
            tree = ast.parse((ROOT / name).read_text())
            assert test in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}, row
        else:
            name, start = row["shown_by"].split("#", 1)
            assert any(start in cell.source for cell in code(ROOT / name)), row
