"""What tests of panels share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ipywidgets import Widget


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close all widgets after each test: ipywidgets keeps them, and a panel its pictures, for good otherwise."""
    yield
    Widget.close_all()
