"""Small notebooks for the browser tests: write one, run it, ask its kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat

from tests.browser.lab import ROOT, Book


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


def comes_true(book: Book, expression: str) -> bool:
    """Return whether an expression is true in the notebook's kernel, now or a little later."""
    for _ in range(120):
        if in_the_kernel(book, f"bool({expression})") == "True":
            return True
        book.page.wait_for_timeout(500)
    return False


def train_on(book: Book, *names: str) -> bool:
    """Return whether the runners of all these panels go on counting."""
    counts = in_the_kernel(book, f"[panel.runner.count for panel in ({', '.join(names)},)]")
    return comes_true(book, f"all(p.runner.count > n for p, n in zip(({', '.join(names)},), {counts}))")
