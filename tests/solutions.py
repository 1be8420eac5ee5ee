"""Load a file of solutions by its name."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent


def load(name: str, folder: str = "notebooks/solutions") -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{folder.replace('/', '_')}_{name}", ROOT / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
