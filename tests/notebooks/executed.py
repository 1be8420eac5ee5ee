"""What an executed notebook hides: errors inside widgets, which leave every cell green, and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode
from nbmake.nb_result import NotebookError, NotebookResult
from nbmake.nb_run import NotebookRun

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
    """Runs a notebook, and fails on what it hides too."""

    def execute(self) -> NotebookResult:
        result = super().execute()
        found = "\n".join(hidden_errors(result.nb))
        if result.error is None and found:
            error = NotebookError(summary=found.partition("\n")[0], trace=found, failing_cell_index=-1)
            return NotebookResult(nb=result.nb, error=error)
        return result
