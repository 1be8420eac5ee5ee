"""A panel on torch's graph of a gradient: choose a rule and a net, see who computes what and keeps how many bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from ipywidgets import Layout
from torch import Tensor, nn

from helpers.networks import NETWORKS
from helpers.plots.graphs import sanity_check
from helpers.training.idempotent import Algorithm, make_loss
from helpers.training.memory import saved_for_backward
from helpers.widgets.controls import choice, whole
from helpers.widgets.panel import Explorer

Criterion = Callable[[Tensor], Tensor]
NETS = ("N1", "B1", "N2", "N3")  # the small ones: a graph of more layers cannot be read
WIDTH = 5
# Each returns the criterion of y = n(x). The two slips cut the graph where it looks harmless: another rule results.
RULES: dict[str, Callable[[nn.Module], Criterion]] = {
    "ordinary": lambda net: make_loss(net, Algorithm.ORDINARY),
    "ordinary x n/2": lambda net: make_loss(net, Algorithm.ORDINARY_SCALED),
    "modified": lambda net: make_loss(net, Algorithm.MODIFIED),
    "slip: n(y) detached": lambda net: lambda y: (net(y).detach() - y).square().mean(),
    "slip: y detached": lambda net: lambda y: (net(y.detach()) - y.detach()).square().mean(),
}


def bytes_kept(net: nn.Module, x: Tensor, criterion: Criterion) -> int:
    """Return the bytes that one training step keeps for its backward pass; no ``.grad`` is touched."""
    return saved_for_backward(lambda: torch.autograd.grad(criterion(net(x)), list(net.parameters())), net)


def gradient_graph_panel() -> Explorer:
    """Make the panel; it answers with the facts in words, and the graph of the gradient of the first weight."""

    def show(rule: str, net: str, samples: int, saved: bool) -> list[Any]:
        model = NETWORKS[net](seed=0)
        x = torch.randn(samples, WIDTH, generator=torch.Generator().manual_seed(0))
        report = sanity_check(model, x, RULES[rule](model))
        kept, ordinary = (bytes_kept(model, x, RULES[name](model)) for name in (rule, "ordinary"))
        cost = f"Kept for the backward pass: {kept:,} bytes (ordinary rule: {ordinary:,})."
        return [f"{report.facts}\n{cost}", report.graph.draw(saved)]

    panel = Explorer(
        show,
        rule=choice("Rule", list(RULES), "modified", width="240px"),
        net=choice("Net", NETS, "N1", width="110px"),
        samples=whole("Samples m", 3, 1, 12),
        saved=choice("Saved tensors", [("hidden", False), ("shown", True)], width="200px"),
    )
    facts, graph = panel.shown  # side by side; a graph too large for its place is scrolled in it
    facts.layout.width, panel.place.layout.flex_flow = "250px", "row wrap"
    graph.layout = Layout(flex="1 1 500px", max_height="590px", overflow="auto")
    return panel
