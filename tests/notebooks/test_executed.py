"""Errors that a notebook hides are found: in interact, an Output, an explorer, a run that stopped; warnings too."""

from __future__ import annotations

import nbformat

from tests.notebooks.executed import CheckedRun

PANEL = "from helpers.widgets import Explorer\nfrom helpers.widgets.controls import slider\n"
FINE = PANEL + "Explorer(lambda x: 6 / x, x=slider('x', 1, 1, 3))"
FAILING = {
    "interact": "from ipywidgets import interact\n"
    "interact(lambda x: [0][x], x=(0, 3)).widget.children[0].value = 0\n"
    "interact(lambda x: [][x], x=(0, 3))",
    "Output": "from ipywidgets import Output\nout = Output()\ndisplay(out)\nwith out:\n    {}['key']",
    "explorer": PANEL + "Explorer(lambda x: 6 / x, x=slider('x', 0, 0, 3))",
    "trainer": "from helpers.widgets.trainer import Trainer\n"
    "class Fails(Trainer):\n    def _begin(self):\n        return iter([int('one')]), 1\n"
    "Fails({})",
    "stderr": "import warnings\nwarnings.warn('beware')",
}
SAYS = ["index out of range", "'key'", "division by zero", "invalid literal for int", "beware"]


def test_hidden_errors_are_found_and_nothing_else(tmp_path):
    path = tmp_path / "book.ipynb"
    cells = [nbformat.v4.new_code_cell(cell) for cell in (FINE, *FAILING.values())]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    result = CheckedRun(path, 60, kernel="python3").execute()
    found = result.error.trace.splitlines()
    assert all(any(words in line for line in found) for words in SAYS), found
    assert sum(line.startswith(("a widget holds", "a panel says", "a cell writes")) for line in found) == len(SAYS)
    assert not any(output["output_type"] == "error" for cell in result.nb.cells for output in cell.outputs)
