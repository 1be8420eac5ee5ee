"""Where a panel is made: on which loop, and by which cell, whose old panel, seen by nobody any more, must not go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from IPython import get_ipython


def present_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs the present cell; None outside a notebook."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def post(loop: asyncio.AbstractEventLoop | None, action: Callable[[], object]) -> None:
    """Let a loop do something, asked from any thread; without one it is done at once, with a closed one never."""
    if loop is None:
        action()
    elif not loop.is_closed():
        loop.call_soon_threadsafe(action)


_runners: WeakValueDictionary[str, Any] = WeakValueDictionary()


def take_over(runner: Any) -> None:
    """Pause the runners that an earlier run of the present cell made; outside a notebook nothing happens."""
    shell = get_ipython()
    parent = getattr(shell, "parent_header", None) or (shell.get_parent() if hasattr(shell, "get_parent") else {})
    cell = (parent or {}).get("metadata", {}).get("cellId")
    if cell is None:
        return
    message = parent.get("header", {}).get("msg_id")
    for key, old in list(_runners.items()):
        if key.startswith(f"{cell} ") and not key.startswith(f"{cell} {message} "):
            old.pause()
    _runners[f"{cell} {message} {id(runner)}"] = runner
