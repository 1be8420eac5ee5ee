"""What takes long begins first; nbmake fails on errors that an executed notebook hides in its widgets."""

import nbmake.pytest_items
import pytest

from tests.notebooks.executed import CheckedRun

nbmake.pytest_items.NotebookRun = CheckedRun


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the browser, then the notebooks and the benchmarks: no process is left with one of them at the end."""

    def turn(item: pytest.Item) -> int:
        if item.get_closest_marker("browser"):
            return 0
        return 1 if item.path.suffix == ".ipynb" or item.path.name == "test_benchmarks.py" else 2

    items.sort(key=turn)
