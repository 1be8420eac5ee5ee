"""The notebooks where their readers are: JupyterLab in a browser."""

from __future__ import annotations

import re

import pytest

from tests.browser.lab import opened

pytestmark = pytest.mark.browser


def errors_in(outputs):
    return [o for cell in outputs for o in cell if o["output_type"] == "error"]


def warnings_in(outputs):
    return [o["text"] for cell in outputs for o in cell if o.get("name") == "stderr"]


def test_start_here_and_its_slider(server, browser):
    with opened(server, browser, "00_start_here.ipynb") as book:
        outputs = book.run_all()
        assert not errors_in(outputs)
        assert not warnings_in(outputs)
        handle = book.page.locator(".widget-slider .noUi-handle").first
        handle.scroll_into_view_if_needed()
        book.page.get_by_text("x² = 25").wait_for()
        handle.focus()
        for _ in range(2):
            book.page.keyboard.press("ArrowRight")
        book.page.get_by_text("x² = 49").wait_for()
        for key, text in (("End", "x² = 144"), ("Home", "x² = 0")):
            book.page.keyboard.press(key)
            book.page.get_by_text(text, exact=True).wait_for()
        assert not book.errors


@pytest.mark.parametrize(
    ("notebook", "least"), [("02_scalar_backpropagation", 1), ("07_local_propagation", 10), ("09_playground", 3)]
)
def test_a_lecture_from_top_to_bottom(server, browser, notebook, least):
    with opened(server, browser, f"{notebook}.ipynb") as book:
        outputs = book.run_all()
        assert not errors_in(outputs)
        assert not warnings_in(outputs)
        pages = "".join("".join(o.get("data", {}).get("text/html", "")) for cell in outputs for o in cell)
        images = re.findall(r"<img [^>]*>", pages)
        assert len(images) >= least
        assert all(re.search(r'alt="[^"]{40,}', image) for image in images)
        drawings = re.findall(r'role="img" aria-label="[^"]{40,}', pages)
        assert len(drawings) == pages.count("<svg")
        assert pages.count("What to look for:") == len(images) + len(drawings)
        assert pages.count("not attempted") >= 3
        assert not book.errors
