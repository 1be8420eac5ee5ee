"""The notebooks where their readers are: in JupyterLab, without an error, a warning or a complaint of the page."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import once
from tests.browser.lab import ROOT, opened
from tests.browser.pages import in_the_kernel

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


PICTURE = "slope.answer[1]"
PLACES = f"*{PICTURE}.ax.transData.transform([{PICTURE}.place, (1, 0)]).ravel(), *{PICTURE}.figure.bbox.size"


def slide(book):
    """Move the point of the first page by keyboard, then by hand."""
    handle = book.page.locator(".widget-slider .noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    said = book.page.locator(".panel").first.get_by_role("status")
    for key, text in (
        ("ArrowRight", "x = −1.48, f(x) = 0.093"),
        ("End", "x = 3.00, f(x) = 0.846"),
        ("Home", "x = −3.00"),
    ):
        book.page.keyboard.press(key)
        said.filter(has_text=text).wait_for()
    image = book.page.locator(".panel img").first
    image.scroll_into_view_if_needed()
    box, (x, y, to, _, width, height) = image.bounding_box(), map(float, in_the_kernel(book, PLACES).split())
    up = box["y"] + (1 - y / height) * box["height"]
    book.page.mouse.move(box["x"] + x / width * box["width"], up)
    book.page.mouse.down()
    book.page.mouse.move(box["x"] + to / width * box["width"], up, steps=10)
    book.page.mouse.up()
    said.filter(has_text="x = 1.00, f(x) = 1.034").wait_for()
