"""The facts of torch's graph: counted, divided where dE/dy ends, drawn or told in words, and refused where none is."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from torch import nn
from torchviz import make_dot

from helpers.networks import NETWORKS
from helpers.plots import drawing
from helpers.plots.gradient_graphs import LIMIT
from helpers.plots.graphs import draw, gradient_graph, sanity_check
from helpers.training.idempotent import IdempotencyLoss

X = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))


def net_and_loss(name="N1", modified=True):
    net = NETWORKS[name](seed=0)
    return net, IdempotencyLoss(net, modified=modified)


def differentiate(name="N1", modified=True, weight=0):
    """Return the graph behind a gradient with its line, the gradient itself and dE/dy."""
    net, criterion = net_and_loss(name, modified)
    y, caught = net(X[:3]), []
    y.register_hook(caught.append)
    (gradient,) = torch.autograd.grad(criterion(y), list(net.parameters())[weight], create_graph=True)
    names = {**dict(net.named_parameters()), "x": X[:3], "y": y}
    return gradient_graph(gradient, y_bar=caught[0], names=names), gradient, caught[0]


@pytest.mark.parametrize(("modified", "products", "powers"), [(True, 4, 0), (False, 5, 1)])
def test_the_facts_of_the_document(modified, products, powers):
    graph, gradient, _ = differentiate(modified=modified)
    assert (graph.counts["MmBackward0"], graph.counts["PowBackward0"]) == (products, powers)
    assert graph.counts == gradient_graph(gradient).counts
    assert [graph.counts_in(part)["MmBackward0"] for part in ("dE/dy", "dn/dW", "past y")] == [3, 1, products - 4]
    assert graph.nodes[0].shape == (5, 5)
    crossing = [(a, b) for a, b in graph.edges if (graph.nodes[a].part, graph.nodes[b].part) == ("dE/dy", "dn/dW")]
    assert [graph.nodes[a].shape for a, _ in crossing] == [(3, 5)]
    assert not [value for node in graph.nodes for value in node if isinstance(value, torch.Tensor)]
    assert "Leaves: 0.0.weight." in graph.description


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("name", ["N1", "N2", "N3", "B1"])
def test_only_the_ordinary_rule_passes_by_y_whatever_the_net(name, modified):
    net, criterion = net_and_loss(name, modified)
    for weight in range(len(list(net.parameters()))):
        assert bool(differentiate(name, modified, weight)[0].counts_in("past y")) == (not modified)
    report = sanity_check(net, X, criterion)
    assert report.loss == pytest.approx(criterion(net(X)).item())
    gradients = torch.autograd.grad(criterion(net(X)), list(net.parameters()))
    assert list(report.largest.values()) == pytest.approx([g.abs().max().item() for g in gradients])
    assert (report.past_y < 1e-6) == modified != bool(report.graph.counts_in("past y"))
    if name == "N1" and not modified:  # by the closed form
        (W,), y = net.parameters(), net(X)
        G = 2 * (y @ W.T - y) / y.numel()
        past, through = G.T @ y, (G @ W - G).T @ X
        assert report.past_y == pytest.approx((past.abs().max() / (past + through).abs().max()).item(), rel=1e-5)
    assert ("not all" in repr(report)) != modified


def test_edges_are_those_of_torch_and_a_long_chain_needs_no_deep_stack():
    x = torch.tensor(2.0, requires_grad=True)
    graph = gradient_graph(x.sin() * x, names={"x": x})
    kinds = {(graph.nodes[a].kind, graph.nodes[b].kind) for a, b in graph.edges}
    sin, mul, leaf = "SinBackward0", "MulBackward0", "AccumulateGrad"
    assert kinds == {(sin, mul), (leaf, mul), (leaf, sin)}
    assert "Not divided: 1 AccumulateGrad, 1 MulBackward0, 1 SinBackward0. Leaves: x." in graph.description
    y = x
    for _ in range(3000):
        y = y * 1.0
    long = gradient_graph(y)
    assert long.counts[mul] == 3000
    assert f"{LIMIT} are drawn at most" in repr(long.draw()._repr_mimebundle_())


def test_the_source_has_two_clusters_in_two_colours_and_shows_what_is_saved():
    graph, *_ = differentiate(modified=False)
    source, saved = graph.source(), graph.source(saved=True)
    assert source.count("subgraph cluster_") == 2
    assert 'bgcolor="white"' in source  # a light ground of its own, on a dark page too
    for part in re.findall(r"subgraph.*?\n}", source, re.DOTALL):
        assert len(set(re.findall(r'n\d+ \[shape=ellipse, fillcolor="(#\w+)"', part))) == 1
    assert "shape=note" not in source
    for label in ("x  3 × 5\\ndata", "y  3 × 5", "0.0.weight'  5 × 5"):  # the square W is told from its transpose
        assert f'label="{label}"' in saved
    assert graph.draw(saved=True).svg is not None


def test_it_shows_itself_with_and_without_a_drawer(monkeypatch):
    net, criterion = net_and_loss()
    report = sanity_check(net, X, criterion)
    assert "<svg" in report._repr_mimebundle_()["text/html"]
    monkeypatch.setattr(drawing, "_ways", list)
    bundle = report._repr_mimebundle_()
    for words in ("pip install pygraphviz", "In dn/dW: 1 MmBackward0, 3 TBackward0.", "gradient: no parameter."):
        assert words in bundle["text/html"]
    assert "4 MmBackward0" in bundle["text/plain"]


def test_a_custom_function_and_a_freed_graph_are_read_too():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return 2 * x

        @staticmethod
        def backward(ctx, y_bar):
            return 2 * y_bar

    x = torch.ones(2, requires_grad=True)
    y = Twice.apply(x).exp().sum()
    graph = gradient_graph(y, names={"x": x})
    assert [kept.name for node in graph.nodes if node.kind == "TwiceBackward" for kept in node.saved] == ["x"]
    y.backward()
    assert gradient_graph(y).counts == graph.counts


def test_a_detached_rule_shows():
    net, _ = net_and_loss()
    inner = sanity_check(net, X, lambda y: (net(y).detach() - y).square().mean())
    assert inner.past_y < 1e-6
    assert inner.graph.counts["MmBackward0"] == 2
    outer = sanity_check(net, X, lambda y: (net(y.detach()) - y.detach()).square().mean())
    assert outer.past_y == 1
    assert outer.graph.counts_in("past y") == outer.graph.counts
    constant = sanity_check(NETWORKS["N2"](seed=0), X, torch.sum)
    assert constant.past_y < 1e-6
    assert constant.graph.counts_in("dn/dW") == constant.graph.counts


def test_parameters_that_the_loss_does_not_reach_are_named_whatever_they_are_called():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].bias.requires_grad_(False)
    net.spare = nn.Parameter(torch.zeros(3))
    net.forward = lambda x: net[1](net[0](x))
    report = sanity_check(net, torch.ones(1, 2), lambda y: y.square().sum())
    assert report.without_gradient == ("spare", "0.bias")
    assert "Without a gradient: spare, 0.bias." in report.facts
    odd = nn.Module()
    odd.register_parameter('"]; evil \\', nn.Parameter(torch.ones(5, 5)))
    odd.forward = lambda x: x @ next(iter(odd.parameters()))
    assert sanity_check(odd, X, lambda y: y.square().mean()).graph.draw(saved=True).svg is not None


def test_net_and_input_are_left_as_they_were():
    net = nn.Sequential(nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 5)).train()
    net[2].weight.grad = torch.ones(5, 5)
    before, state, x = copy.deepcopy(net.state_dict()), torch.get_rng_state(), X.clone()

    def clumsy(y):
        loss = (net(y) - y).square().mean() + x.mul_(3).sum()
        loss.backward(retain_graph=True)
        net.eval()
        return loss

    sanity_check(net, x, clumsy)
    with pytest.raises(ZeroDivisionError):
        sanity_check(net, x, lambda y: 1 / 0 + clumsy(y))
    assert all(torch.equal(net.state_dict()[key], value) for key, value in before.items())
    assert torch.equal(net[2].weight.grad, torch.ones(5, 5))
    assert [p.grad is None for p in net.parameters()] == [True, True, False, True]
    assert all(part.training for part in net.modules())
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(x, X)
    net, criterion = net_and_loss()
    with torch.no_grad():
        assert sanity_check(net.double(), X.double(), criterion).past_y < 1e-14


@pytest.mark.parametrize("kind", ["in place", "behind torch's back", "new tensor"])
def test_a_criterion_that_works_in_place_states_what_one_that_does_not_states(kind):
    def criterion(y):
        if kind == "behind torch's back":
            y.data.mul_(2)
        return (y if kind == "behind torch's back" else y.mul_(2) if kind == "in place" else y * 2).square().mean()

    report = sanity_check(nn.Linear(2, 2), torch.ones(3, 2), criterion)
    assert report.past_y == 0
    assert "Nothing passes by y" in repr(report)


OTHER = torch.ones(1, requires_grad=True)
CHECKED = [
    (torch.ones(4, 5, dtype=torch.int64), torch.sum, "x must be a floating-point tensor"),
    (X, lambda y: 1.0, "the loss must be a tensor, got float"),
    (X, lambda y: y.detach().sum(), "nothing here requires grad: the loss has no graph"),
    (X, lambda y: y.sum() / 0, "criterion must return one finite number, got"),
    (X, lambda y: (y.sum() * 0).sqrt(), "is not finite, though the loss is"),
    (X, torch.sum, "nothing here requires grad: gradient"),
    (X, lambda y: (OTHER * y.detach()).sum(), "the loss reaches none of 0.0.weight"),
]


@pytest.mark.parametrize(("x", "criterion", "words"), CHECKED)
def test_what_sanity_check_cannot_check_is_refused_in_words(x, criterion, words):
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        sanity_check(NETWORKS["N1"](seed=0), x, criterion)


def test_what_has_no_graph_is_refused_in_words():
    W = nn.Parameter(torch.ones(2, 2))
    (constant,) = torch.autograd.grad((torch.ones(3, 2) @ W).sum(), W, create_graph=True)
    _, gradient, y_bar = differentiate()
    for given, line, words in (
        (constant, None, "nothing here requires grad: gradient, of shape (2, 2), has no graph"),
        (W, None, "is a leaf: nothing was computed"),
        (W.grad, None, "got NoneType: a leaf that the loss did not reach has .grad None"),
        (gradient, differentiate()[2], "y_bar is not part of this gradient's graph"),
        (gradient, y_bar.detach(), "nothing here requires grad: y_bar"),
    ):
        with pytest.raises((TypeError, ValueError), match=re.escape(words)):
            gradient_graph(given, y_bar=line)


def test_what_users_of_torchviz_hold_is_drawn():
    dot = make_dot(nn.Linear(2, 1)(torch.ones(1, 2)))
    assert draw(dot) == draw(dot.source)
    assert '<polygon fill="white"' in draw(dot).svg  # its ground, on a dark page too
    with pytest.raises(TypeError, match="source must be text in the DOT language or a graphviz.Digraph"):
        draw(nn.Linear(2, 1))
