"""The house as CONTRIBUTING draws it: imports run downwards only, each room uses what it may and stays small."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "helpers").rglob("*.py"))
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()

# Lines and files at most; to be lowered with what goes.
BUDGETS = {
    "diff": (2863, 13),
    "plots": (3532, 16),
    "training": (2685, 13),
    "widgets": (3287, 19),  # 2500 once the panels are rebuilt
    "checks": (1018, 12),
    "datasets": (220, 1),
    "networks": (110, 1),
    "options": (95, 1),
    "own_data": (185, 1),
    "__init__": (5, 1),
}
LINES_IN_A_FILE = 400
MAY_NOT_USE = {
    "diff": {"torch", "matplotlib", "ipywidgets", "sklearn", "scipy", "sympy", "pandas"},
    "training": {"matplotlib", "ipywidgets", "pandas"},
    "plots": {"ipywidgets", "sklearn"},
    "checks": {"ipywidgets"},
    "options": {"matplotlib", "ipywidgets", "torch", "numpy"},
    "datasets": {"matplotlib", "ipywidgets"},
    "networks": {"matplotlib", "ipywidgets", "sklearn"},
    "own_data": {"matplotlib", "ipywidgets", "sklearn"},
}
OF_TORCH = {"torch", "torch.Tensor", "torch.nn", "torch.fx"}  # what reads torch's own graphs, and no optimiser
READS_TORCH = {"graphs.py", "gradient_graphs.py"}


def room_of(file: Path) -> str:
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


ROOMS = sorted({room_of(file) for file in FILES} - {"__init__"})
REAL = {
    (room_of(file), name.split(".")[1])
    for file in FILES
    for name in imports(file)
    if name.startswith("helpers.") and name.split(".")[1] in ROOMS and name.split(".")[1] != room_of(file)
}


def closed(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Follow the arrows as far as they lead."""
    further = {(a, d) for (a, b), (c, d) in itertools.product(arrows, arrows) if b == c} | arrows
    return arrows if further == arrows else closed(further)


def drawn() -> set[tuple[str, str]]:
    (picture,) = re.findall(r"```mermaid\nflowchart TD\n(.*?)```", GUIDE, re.DOTALL)
    lines = [line.strip().split(" --> ") for line in picture.splitlines()]
    return {(above, below) for above, all_below in lines for below in all_below.split(" & ")}


def test_the_picture_of_the_imports_is_true_without_a_cycle_or_an_arrow_too_many():
    arrows = drawn()
    assert arrows <= REAL, f"drawn, but not imported: {arrows - REAL}"
    assert closed(arrows) >= REAL, f"imported, but not drawn: {REAL - closed(arrows)}"
    assert not {room for room in ROOMS if (room, room) in closed(arrows)}
    for arrow in arrows:
        assert arrow not in closed(arrows - {arrow}), f"{arrow} follows from the others: leave it out"


def test_each_room_keeps_its_budget():
    used = {room: [0, 0] for room in BUDGETS}
    for file in FILES:
        used[room_of(file)][0] += len(file.read_text().splitlines())
        used[room_of(file)][1] += 1
    assert not {room: have for room, have in used.items() if have[0] > BUDGETS[room][0] or have[1] > BUDGETS[room][1]}


def test_a_file_says_what_it_is_for_stays_small_and_uses_what_its_room_may():
    for file in FILES:
        assert ast.get_docstring(ast.parse(file.read_text())), file
        assert len(file.read_text().splitlines()) <= LINES_IN_A_FILE, file
        room, used = room_of(file), imports(file)
        libraries = {name.split(".")[0] for name in used}
        assert not libraries & (MAY_NOT_USE.get(room, set()) | {"notebooks"}), file
        if room == "plots":
            allowed = OF_TORCH if file.name in READS_TORCH else set()
            assert {name for name in used if name.split(".")[0] == "torch"} <= allowed, file
            assert not [n for n in used if n.startswith("helpers.plots.graphs")] or file.name in READS_TORCH, file


EXAMPLES = [
    (section.partition("\n")[0], code)
    for section in GUIDE.split("\n## ")
    for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL)
]


def run_apart(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error:::helpers", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_contributing_shows_how_to_add_what_is_added_most_in_lines_that_work_and_are_few():
    assert {title for title, _ in EXAMPLES} >= {"Add a data set", "Add a rule", "Add a panel"}
    for title, code in EXAMPLES:
        assert len([line for line in code.splitlines() if line.strip()]) <= 15, title
    alone = [f"exec(compile({code!r}, {title!r}, 'exec'), {{'__name__': {title!r}}})" for title, code in EXAMPLES]
    run_apart("\n".join(alone))


def test_importing_changes_no_global_state():
    run_apart(
        "import numpy, torch, matplotlib, warnings\n"
        "before = torch.get_rng_state(), torch.get_num_threads(), numpy.random.get_state()[1].tolist(), "
        "matplotlib.get_backend(auto_select=False), list(warnings.filters)\n"
        "import helpers.plots, helpers.training, helpers.checks.local_propagation\n"
        "assert torch.equal(before[0], torch.get_rng_state()) and before[1] == torch.get_num_threads()\n"
        "assert before[2] == numpy.random.get_state()[1].tolist()\n"
        "assert before[3] == matplotlib.get_backend(auto_select=False)\n"
        "assert before[4] == list(warnings.filters)\n"
        "import sys; assert 'sklearn' not in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )


def test_every_public_name_of_the_widgets_is_there_and_only_what_is_asked_for_is_imported():
    run_apart(
        "import sys, helpers.widgets as widgets\n"
        "from helpers.widgets import Stepper, jacobian_panel\n"
        "assert 'torch' not in sys.modules\n"
        "assert [name for name in dir(widgets) if getattr(widgets, name).__name__ != name] == []\n"
        "assert not hasattr(widgets, 'Panel')\n"
    )
