"""Let nbmake fail on errors that an executed notebook hides in its widgets."""

import nbmake.pytest_items

from tests.notebooks.executed import CheckedRun

nbmake.pytest_items.NotebookRun = CheckedRun
