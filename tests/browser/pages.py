"""Small notebooks for the browser tests: write one, run it, ask its kernel; a panel in it, as its reader sees it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from tests.browser.lab import ROOT, SECONDS, Book, Server, opened


def written(name: str, *cells: str) -> Path:
    """Write code cells into a notebook that no other test finds."""
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    path = ROOT / "notebooks" / f"zz_{name}.ipynb"
    nbformat.write(book, path)
    return path


def run(book: Book) -> None:
    """Run all cells; none of them may fail or write to stderr."""
    outputs = book.run_all()
    assert not [o for cell in outputs for o in cell if o["output_type"] == "error" or o.get("name") == "stderr"]


def in_the_kernel(book: Book, expression: str) -> str:
    """Evaluate an expression in the notebook's kernel by a new last cell, and return its text."""
    text: str = book.page.evaluate(
        """async source => {
             const panel = window.jupyterapp.shell.currentWidget;
             const future = panel.sessionContext.session.kernel.requestExecute({code: `print(${source})`});
             let text = '';
             future.onIOPub = m => { if (m.header.msg_type === 'stream') text += m.content.text;
                                     if (m.header.msg_type === 'error') text += m.content.evalue; };
             await future.done;
             return text.trim();
           }""",
        expression,
    )
    return text


@contextmanager
def shown(server: Server, browser: Any, *cells: str, shared: bool = True) -> Iterator[Book]:
    """Open a notebook of these cells and run them; the page must not have complained when all is over."""
    path = written(f"cells_{secrets.token_hex(4)}", *cells)
    try:
        with opened(server, browser, path.name, shared=shared) as book:
            run(book)
            yield book
            assert not book.errors
    finally:
        path.unlink()


class Panel:
    """A panel in the page, by what its reader sees."""

    def __init__(self, book: Book, index: int = 0) -> None:
        self.page = book.page
        self.box = book.page.locator(".panel").nth(index)
        self.box.wait_for()
        self.box.scroll_into_view_if_needed()

    def button(self, name: str) -> Any:
        """Return the button of this name; an icon may stand before it."""
        return self.box.get_by_role("button", name=re.compile(rf"\b{name}\s*$"))

    def press(self, name: str) -> None:
        """Press a button."""
        self.button(name).click()

    def status(self) -> str:
        """Return what the status line says."""
        return str(self.box.locator("[role=status]").first.inner_text())

    def until(self, words: str) -> None:
        """Wait until the status line says what fits a pattern."""
        self.box.locator("[role=status]", has_text=re.compile(words)).first.wait_for()

    def epoch(self) -> int:
        """Return the number that the status line counts."""
        (number,) = re.findall(r": [a-z ]+ (\d+) of", self.status())
        return int(number)

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a list."""
        self.box.get_by_label(label, exact=True).select_option(option)

    def paints(self, times: int) -> bool:
        """Return whether the picture is decoded and painted anew so often, without a hand on the panel."""
        image = self.box.locator("img").first
        painted = """(image, [times, wait]) => new Promise(done => {
            const count = () => requestAnimationFrame(() => { if (image.naturalWidth && --times <= 0) done(true); });
            image.addEventListener('load', count);
            setTimeout(() => { image.removeEventListener('load', count); done(times <= 0); }, wait);
        })"""
        return bool(image.evaluate(painted, [times, SECONDS * 1000]))
