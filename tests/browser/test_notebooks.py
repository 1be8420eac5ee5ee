"""The notebooks where their readers are: in JupyterLab, without an error, a warning or a complaint of the page."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import once
from tests.browser.lab import ROOT, opened

pytestmark = pytest.mark.browser
NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("0*.ipynb"))]


@once("notebook", NOTEBOOKS)
def test_a_notebook_from_top_to_bottom(server, browser, notebook):
    with opened(server, browser, f"{notebook}.ipynb") as book:
        outputs = [output for cell in book.run_all() for output in cell]
        assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
        pages = "".join("".join(o.get("data", {}).get("text/html", "")) for o in outputs)
        images = re.findall(r"<img [^>]*>", pages)
        assert all(re.search(r'alt="[^"]{40,}', image) for image in images)
        drawings = re.findall(r'role="img" aria-label="[^"]{10,}', pages)
        assert len(drawings) == pages.count("<svg")
        assert len(images) <= pages.count("What to look for:") <= len(images) + len(drawings)
        assert pages.count("not attempted") >= (1 if notebook.startswith("00") else 3)
        if notebook.startswith("00"):
            slide(book)
        assert not book.page.locator("[role=alert]").all_inner_texts()
        assert not book.errors


def slide(book):
    """Move the one slider of the first page by keyboard."""
    handle = book.page.locator(".widget-slider .noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    for key, text in (
        ("ArrowRight", "x = −1.48, f(x) = 0.093"),
        ("End", "x = 3.00, f(x) = 0.846"),
        ("Home", "x = −3.00"),
    ):
        book.page.keyboard.press(key)
        book.page.get_by_role("status").filter(has_text=text).wait_for()
