"""What tests of panels share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from ipywidgets import Widget

from helpers.plots import Picture
from helpers.widgets.panel import LiveImage


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close all widgets after each test: ipywidgets keeps them, and a panel its pictures, for good otherwise."""
    yield
    Widget.close_all()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out matplotlib's part, which takes most of the time and is the same whatever has been computed."""
    monkeypatch.setattr(Picture, "settle", lambda self: None)
    monkeypatch.setattr(LiveImage, "background", None, raising=False)
    for name in ("refresh", "show", "describe"):
        monkeypatch.setattr(LiveImage, name, lambda self, slow=True: None)


async def until(condition: Callable[[], object], seconds: float = 200.0) -> None:
    """Give the loop its turns until something is true."""
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "it did not happen"
        await asyncio.sleep(0.005)
