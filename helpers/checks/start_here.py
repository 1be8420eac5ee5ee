"""Does this machine have what the course needs? A line a check, each in words."""

from __future__ import annotations

import html
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

import torch
from packaging.requirements import Requirement

from helpers.checks.verdict import MARKS, Answer, Cases, check, judge
from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.plots import decision_boundary
from helpers.plots.graphs import draw
from helpers.training import predictor

PROJECT = "backprop-unchained"


class Report(NamedTuple):
    """The lines of a check of this machine, each (passed, text); shows itself as a list."""

    lines: list[tuple[bool, str]]

    @property
    def passed(self) -> bool:
        """Whether every line passed."""
        return all(ok for ok, _ in self.lines)

    def __repr__(self) -> str:
        return "\n".join(f"{MARKS['correct' if ok else 'wrong']} {text}" for ok, text in self.lines)

    def _repr_html_(self) -> str:
        return f'<pre role="status" style="font-size:1.1em;line-height:1.5">{html.escape(repr(self))}</pre>'


def check_versions() -> Report:
    """Compare Python and every package of the course with the ranges that the project states."""
    lines = [(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]} (3.11 or later)")]
    for line in requires(PROJECT) or []:
        need = Requirement(line)
        if need.marker and not need.marker.evaluate({"extra": "course"}):
            continue
        try:
            found = version(need.name)
        except PackageNotFoundError:
            lines.append((False, f"{need.name} is missing: pip install '{need.name}{need.specifier}'"))
        else:
            wanted = f"({need.specifier})" if need.specifier else ""
            lines.append((need.specifier.contains(found, prereleases=True), f"{need.name} {found} {wanted}"))
    return Report(lines)


def check_drawing() -> Report:
    """Train nothing, but draw a field and a graph."""
    data = datasets["signed_xor"].test(samples=20)
    picture = decision_boundary(predictor(layered_net([2, 4, 1], seed=0)), data.X, size=8)
    graph = draw("digraph { x -> f }")
    drawn, text = picture.png().startswith(b"\x89PNG"), "" if graph.svg else " (until then, graphs are text)"
    return Report([(drawn, "pictures: matplotlib draws a decision boundary"), (bool(graph.svg), graph.drawn + text)])


def check_training() -> Report:
    """Compare a derivative by torch with the one from the school book."""
    x = torch.tensor(0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(x.sin() * x, x)
    expected = torch.cos(x) * x + torch.sin(x)
    text = f"gradients: d(x sin x)/dx at 0.5 is {gradient:.6f} by torch, {expected:.6f} by the product rule"
    return Report([(bool(torch.isclose(gradient, expected)), text)])


@check
def check_double(double: Answer) -> Cases:
    """Check ``double(x)``, the exercise that shows what checks do."""
    for x in (2, 0, -1.5):
        got = double(x)
        yield judge(got == 2 * x, f"x = {x}", 2 * x, got, "x + x would do")
