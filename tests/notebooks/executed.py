"""What an executed notebook hides: errors inside widgets, which leave every cell green, and warnings."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import nbformat
from nbformat import NotebookNode
from nbmake.nb_result import NotebookError, NotebookResult
from nbmake.nb_run import NotebookRun

from tests.notebooks.asserted import last_cell

WIDGETS = "application/vnd.jupyter.widget-state+json"


def hidden_errors(book: NotebookNode) -> Iterator[str]:
    """Yield what went wrong in the widgets of an executed notebook, and what its cells wrote to stderr."""
    for cell in book.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                yield f"a cell writes to stderr: {output['text']}"
    for widget in book.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {}).values():
        state = widget["state"]
        for output in state.get("outputs", ()):
            if output["output_type"] == "error" or output.get("name") == "stderr":
                yield f"a widget holds an error: {output.get('evalue') or output.get('text')}"
        value = state.get("value")
        if isinstance(value, str) and 'class="error"' in value:
            yield f"a panel says: {re.sub('<.*?>', '', value)}"


class CheckedRun(NotebookRun):
    """Runs a notebook, with what is asserted of it appended to a copy, and fails on what it hides too."""

    def execute(self) -> NotebookResult:
        book, original = nbformat.read(self.filename, as_version=4), self.filename
        book.cells.append(nbformat.v4.new_code_cell(last_cell(original.stem)))
        self.filename = original.with_name(f"zz_{secrets.token_hex(3)}_{original.name}")
        try:
            nbformat.write(book, self.filename)
            result = super().execute()
        finally:
            self.filename.unlink(missing_ok=True)
            self.filename = original
        found = "\n".join(hidden_errors(result.nb))
        if result.error is None and found:
            error = NotebookError(summary=found.partition("\n")[0], trace=found, failing_cell_index=-1)
            return NotebookResult(nb=result.nb, error=error)
        return result
