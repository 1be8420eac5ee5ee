"""The files that set the project up agree with one another."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base", "graphviz": "python-graphviz"}


def requirements(*extras: str) -> list[Requirement]:
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(line) for lines in lists for line in lines]


def constraints() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


def test_the_conda_environment_has_the_ranges_of_the_project():
    parts = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {r.name: r for r in (Requirement(p) for p in parts if isinstance(p, str))}
    assert str(conda.pop("python").specifier) == PROJECT["requires-python"]
    assert {"graphviz", "pip"} <= set(conda)
    for need in requirements("course"):
        if need.name == "pygraphviz":  # conda brings the Graphviz binary itself
            continue
        name = CONDA_NAMES.get(need.name, need.name)
        assert conda[name].specifier == need.specifier, name
    (pip,) = [p["pip"] for p in parts if isinstance(p, dict)]
    assert pip == ["--no-deps -e ."]


PROVIDERS = packages_distributions()
INDIRECT = {
    "jinja2",  # pandas writes its tables with it
    "ipykernel",  # that of jupyterlab, which the notebooks run in
    "jupyterlab",
    "pygraphviz",  # imported by the child process of a drawing
    "setuptools",  # torchviz imports its distutils
    "graphviz",  # torchviz returns its graphs
    "pytest-xdist", "nbmake", "ruff", "mypy", "pre-commit", "nbstripout",  # command lines
}  # fmt: skip
FOLDERS = {
    "helpers": (),
    "notebooks": ("course",),
    "tests": ("course", "test"),
    "benchmarks": ("test",),
    "experiments": ("test",),
    "pictures": (),
}


@functools.cache
def imported(folder: str) -> set[str]:
    """The modules that the files and notebooks of a folder import, but for those of Python and of the project."""
    texts = [file.read_text() for file in (ROOT / folder).rglob("*.py")]
    for file in (ROOT / folder).rglob("*.ipynb"):
        cells = json.loads(file.read_text())["cells"]
        texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    magic = re.compile(r"^\s*[%!].*$", re.MULTILINE)
    nodes = [node for text in texts for node in ast.walk(ast.parse(magic.sub("", text)))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    own = {path.stem for name in FOLDERS for path in (ROOT / name).rglob("*.py")} | set(FOLDERS)
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - own


def distributions(module: str) -> set[str]:
    return {name.lower().replace("_", "-") for name in PROVIDERS.get(module, [module])}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_imported_is_declared(folder):
    declared = {need.name.lower() for need in requirements(*FOLDERS[folder])}
    bundled = {"ipython": "ipywidgets", "traitlets": "ipywidgets", "distributed": "dask"}  # these bring those
    for module in imported(folder):
        found = {bundled.get(name, name) for name in distributions(module)}
        assert found & declared, f"{folder} imports {module}, of {found}, which pyproject.toml does not declare"


def test_what_is_declared_is_used():
    used = {name for folder in FOLDERS for module in imported(folder) for name in distributions(module)}
    used |= INDIRECT | {"dask"}  # imported as `distributed`
    assert {need.name.lower() for need in requirements("course", "test", "dev")} <= used


def test_the_constraints_pin_every_package_within_its_range():
    pinned = constraints()
    assert pinned["torch"] == "2.13.0"
    for need in requirements("course", "test", "dev"):
        assert need.specifier.contains(pinned[need.name.lower()]), need


@pytest.mark.parametrize(("hook", "package"), [("ruff-pre-commit", "ruff"), ("nbstripout", "nbstripout")])
def test_the_hooks_are_pinned_to_the_versions_of_the_constraints(hook, package):
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (revision,) = [repo["rev"] for repo in repos if repo["repo"].endswith(hook)]
    assert revision.removeprefix("v") == constraints()[package]


def test_make_help_lists_every_target():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert all(f"make {target} " in listed for target in targets[1].split())


@pytest.mark.parametrize(
    ("python", "words"), [("false", "The course needs Python 3.11"), ("./no-venv", "This Python has no venv module")]
)
def test_make_says_in_one_line_what_is_missing(python, words, tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    for name in ("constraints.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    fake = tmp_path / "no-venv"
    fake.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n')
    fake.chmod(0o755)
    command = ["make", "lab", f"PYTHON={python}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert [line for line in done.stdout.splitlines() if words in line]
    assert "Traceback" not in done.stdout + done.stderr


def test_links_in_the_readme_lead_somewhere():
    for page in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md"):
        text = (ROOT / page).read_text()
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
