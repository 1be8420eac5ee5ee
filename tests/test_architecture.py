"""The imports only run downwards, and each floor of the house uses what it may."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "helpers").rglob("*.py"))

# What a part of the package may import of the package itself, and which libraries it may not.
MAY_USE = {
    "diff": {"diff"},
    "options": set(),
    "training": {"training", "options", "datasets", "networks", "diff"},
    "plots": {"plots", "options"},
    "widgets": {"widgets", "options", "plots", "training", "diff", "datasets", "networks"},
    "checks": {"checks", "plots", "training", "diff", "datasets", "networks"},
    "datasets": set(),
    "networks": {"datasets"},
}
MAY_NOT_USE = {
    "diff": {"torch", "matplotlib", "ipywidgets", "sklearn", "scipy", "sympy"},
    "training": {"matplotlib", "ipywidgets"},
    "plots": {"ipywidgets", "sklearn"},
    "checks": {"ipywidgets"},
    "options": {"matplotlib", "ipywidgets", "torch", "numpy"},
    "datasets": {"matplotlib", "ipywidgets"},
    "networks": {"matplotlib", "ipywidgets", "sklearn"},
    "widgets": set(),
}


def part_of(file: Path) -> str:
    return file.relative_to(ROOT / "helpers").parts[0].removesuffix(".py")


def imports(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write imports in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("file", [f for f in FILES if f.parent != ROOT / "helpers" or f.stem != "__init__"], ids=str)
def test_imports_run_downwards(file):
    part = part_of(file)
    used = imports(file)
    own = {name.split(".")[1] for name in used if name.startswith("helpers.")}
    assert own <= MAY_USE[part], f"{part} may not import {own - MAY_USE[part]}"
    libraries = {name.split(".")[0] for name in used}
    assert not libraries & MAY_NOT_USE[part]
    assert "notebooks" not in libraries


@pytest.mark.parametrize("file", [f for f in FILES if part_of(f) == "plots"], ids=str)
def test_plots_know_no_optimiser(file):
    known = {name for name in imports(file) if name.startswith("torch")}
    # sanity_check lets torch differentiate once; nothing else in the room imports its file
    assert known <= ({"torch", "torch.Tensor", "torch.nn"} if file.name == "graphs.py" else set())
    assert not [name for name in imports(file) if name.startswith("helpers.plots.graphs")]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_module_says_what_it_is_for_and_stays_small(file):
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree)
    assert len(file.read_text().splitlines()) <= 400


def passes_in_a_fresh_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_changes_no_global_state():
    code = (
        "import numpy, torch, matplotlib, warnings\n"
        "before = torch.get_rng_state(), torch.get_num_threads(), numpy.random.get_state()[1].tolist(), "
        "matplotlib.get_backend(auto_select=False), list(warnings.filters)\n"
        "import helpers.plots, helpers.training, helpers.checks.local_propagation\n"
        "assert torch.equal(before[0], torch.get_rng_state()) and before[1] == torch.get_num_threads()\n"
        "assert before[2] == numpy.random.get_state()[1].tolist()\n"
        "assert before[3] == matplotlib.get_backend(auto_select=False)\n"
        "import sys; assert 'sklearn' not in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    passes_in_a_fresh_python(code)


def test_every_public_name_of_the_widgets_is_there_and_only_what_is_asked_for_is_imported():
    code = (
        "import sys, helpers.widgets as widgets\n"
        "from helpers.widgets import Stepper, jacobian_panel\n"
        "assert 'torch' not in sys.modules\n"
        "assert [name for name in dir(widgets) if getattr(widgets, name).__name__ != name] == []\n"
        "assert not hasattr(widgets, 'Panel')\n"
    )
    passes_in_a_fresh_python(code)
