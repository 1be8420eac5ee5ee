"""Predictions: a click shows the answer, the first choice counts and is kept, and a line counts them."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import pytest

from helpers.widgets import predict, predictions, questions

REASON = "The error is of **order** $h_1$, not $h^2_1$, if `h < 1`."


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    for name in ("_asked", "_chosen", "_counts"):
        monkeypatch.setattr(questions, name, {})


def test_only_a_click_shows_the_answer_and_its_reason():
    question = predict(answer="b", options=3, because=REASON)
    assert [button.description for button in question.buttons] == ["a", "b", "c"]
    assert all(button.tooltip for button in question.buttons)
    assert question.said.value == '<div role="status"></div>'
    assert (question.chosen, question.words) == (None, "")
    question.buttons[0].click()
    assert question.chosen == "a"
    assert '<div role="status"><p><b>You chose a. The answer is b.</b></p>' in question.said.value
    for part in ("<strong>order</strong>", r"\(h_1\)", r"\(h^2_1\)", "<code>h &lt; 1</code>"):
        assert part in question.said.value
    assert [button.description for button in question.buttons] == ["✗ a", "✓ b", "c"]
    assert [button.button_style for button in question.buttons] == ["danger", "success", ""]


def test_the_first_choice_counts():
    question = predict("b", 2, "So it is.")
    question.choose("b")
    question.choose("a")
    assert (question.chosen, question.words) == ("b", "Right: b.")
    assert [button.description for button in question.buttons] == ["a", "✓ b"]


def test_options_may_be_texts():
    question = predict("a", ["one line", "two <lines>"], "So it is.", heading="A <line>")
    assert [button.description for button in question.buttons] == ["a: one line", "b: two <lines>"]
    assert "Prediction 1</b> (A &lt;line&gt;)" in question.box.children[0].children[0].value
    assert question.folded.startswith('<ol type="a"><li>one line</li><li>two &lt;lines&gt;</li></ol><details>')


def test_it_is_the_folded_answer_in_a_page_without_a_kernel(monkeypatch):
    question = predict("b", 3, REASON)
    bundle = question._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"].startswith("<details><summary>Answer</summary><p><b>(b)</b></p>")
    assert r"\(h_1\)" in bundle["text/html"]
    monkeypatch.setenv("COURSE_STATIC", "1")
    assert list(question._repr_mimebundle_()) == list(predictions()._repr_mimebundle_()) == ["text/html"]


def test_the_line_keeps_counting_and_says_what_to_read_again():
    line = predictions()
    assert repr(line) == "0 of 0 predictions right."
    asked = [predict(letter, 3, f"{letter}, of course", f"part {letter}"[: 6 * (letter != "c")]) for letter in "abca"]
    assert len(asked) == 4
    assert repr(predictions()) == (
        "0 of 3 predictions right. Not made yet: 1 (part a), 2 (part b), 3."  # the fourth is the first again
    )
    line = predictions()
    for question in asked[:3]:
        question.choose("a")
    expected = "1 of 3 predictions right. Read again: 2 (part b), 3."
    assert repr(line) == expected
    assert 'role="status"' in line.line.value
    assert expected in line.line.value


def cell(monkeypatch, name, run):
    monkeypatch.setattr(questions, "present_cell", lambda: (name, run))


def test_running_a_cell_again_keeps_the_choice_and_the_number(monkeypatch):
    cell(monkeypatch, "one", 1)
    predict("a", 2, "First.").choose("b")
    predict("b", 2, "Second of this cell.")
    cell(monkeypatch, "two", 2)
    other = predict("a", 2, "First.")
    assert other.chosen is None
    cell(monkeypatch, "one", 3)
    again = predict("a", 2, "First.")
    assert (again.chosen, again.words) == ("b", "You chose b. The answer is a.")
    assert "First." in again.said.value
    assert repr(predictions()) == "0 of 2 predictions right. Read again: 1. Not made yet: 2."
    cell(monkeypatch, "one", 4)
    changed = predict("b", 2, "A better question.")
    assert changed.chosen is None
    assert "Prediction 1" in changed.box.children[0].children[0].value
    assert repr(predictions()) == "0 of 2 predictions right. Not made yet: 1, 2."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"answer": "d"}, "answer must be one of a, b, c, got 'd'"),
        ({"answer": 1}, "answer must be one of a, b, c, got 1"),
        ({"options": 1}, "options must be a whole number from 2 to 9, got 1"),
        ({"options": ["only"]}, "the number of options must be a whole number from 2 to 9, got 1"),
        ({"options": "yes"}, "options must be a whole number from 2 to 9, got 'yes'"),
        ({"options": ["yes", 2]}, "options must be a text, got 2"),
        ({"because": " "}, "because must say why"),
        ({"because": None}, "because must be a text, got None"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        predict(**{"answer": "a", "because": "So it is.", **options})
    with pytest.raises(ValueError, match="letter must be one of a, b, c, got 'z'"):
        predict("a", 3, "So it is.").choose("z")


def test_a_page_made_without_widgets_has_the_folded_answer_and_torch_is_not_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_STATIC", "1")
    source = "import sys\nfrom helpers.widgets import predict\nquestion = predict('b', 2, 'It is $b$.')"
    cells = [source, "question", "assert 'torch' not in sys.modules"]
    path = tmp_path / "asks.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells]), path)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "<details><summary>Answer</summary>" in (tmp_path / "asks.html").read_text()
