"""What tests of panels share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from ipywidgets import Widget


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close all widgets after each test: ipywidgets keeps them, and a panel its pictures, for good otherwise."""
    yield
    Widget.close_all()


async def until(condition: Callable[[], object], seconds: float = 200.0) -> None:
    """Give the loop its turns until something is true."""
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "it did not happen"
        await asyncio.sleep(0.005)
