"""The panel on gradient graphs: right at every option of every control, and its numbers are those of the rules."""

from __future__ import annotations

import itertools

import torch

from helpers.networks import NETWORKS
from helpers.plots import drawing
from helpers.widgets.gradient_graphs import NETS, RULES, bytes_kept, gradient_graph_panel


def test_every_rule_on_every_net(monkeypatch):
    monkeypatch.setattr(drawing, "_ways", list)  # as text: twenty pictures would take seconds
    panel = gradient_graph_panel()
    for rule, net in itertools.product(RULES, NETS):
        facts, graph = panel.run(rule=rule, net=net, samples=1, saved=True)
        assert "Without a gradient: no parameter." in facts, (rule, net)
        assert "\nKept for the backward pass: " in facts
        green = "Past y: " in graph.description
        assert green == rule.startswith(("ordinary", "slip: y")), (rule, net, graph.description)


def test_bytes_are_those_counted_by_hand():
    x = torch.zeros(3, 5)
    kept = {name: bytes_kept(net := NETWORKS["N1"](seed=0), x, rule(net)) for name, rule in RULES.items()}
    one = 4 * x.numel()
    assert kept["modified"] == 2 * one  # x and y
    assert kept["ordinary"] == 3 * one  # x, y, n(y) - y
    net = NETWORKS["N1"](seed=0)
    bytes_kept(net, x, RULES["ordinary"](net))
    assert all(p.grad is None for p in net.parameters())
