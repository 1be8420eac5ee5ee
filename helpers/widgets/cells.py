"""Which cell made a panel: when a cell runs again, its old panel, which nobody sees any more, must not go on."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from IPython import get_ipython

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
