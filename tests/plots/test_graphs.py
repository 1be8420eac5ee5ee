"""The facts of torch's graph: counted, divided where dE/dy ends, drawn or told in words, and refused where none is."""

from __future__ import annotations

import copy
import re

import graphviz
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


def net_and_loss(name="N3", modified=True):
    net = NETWORKS[name](seed=0)
    return net, IdempotencyLoss(net, modified=modified)


def differentiate(name="N1", modified=True, weight=0):
    """Return gradient and dE/dy of one backward pass, and the names of what takes part."""
    net, criterion = net_and_loss(name, modified)
    y, caught = net(X[:3]), []
    y.register_hook(caught.append)
    (gradient,) = torch.autograd.grad(criterion(y), list(net.parameters())[weight], create_graph=True)
    return gradient, caught[0], {**dict(net.named_parameters()), "x": X[:3], "y": y}


@pytest.mark.parametrize(("modified", "products", "powers"), [(True, 4, 0), (False, 5, 1)])
def test_the_facts_of_the_document(modified, products, powers):
    gradient, y_bar, names = differentiate(modified=modified)
    found, told = gradient_graph(gradient), gradient_graph(gradient, y_bar=y_bar, names=names)
    assert found == gradient_graph(gradient, y_bar=y_bar)  # for one layer the line found is that of the hook
    for graph in (found, told):
        assert (graph.counts["MmBackward0"], graph.counts["PowBackward0"]) == (products, powers)
        assert [graph.counts_in(part)["MmBackward0"] for part in ("dE/dy", "dn/dW", "past y")] == [3, 1, products - 4]
        assert graph.counts.total() == len(graph.nodes)
        assert graph.nodes[0].shape == (5, 5)
        (crossing,) = graph.line
        assert [graph.nodes[i].part for i in crossing] == ["dE/dy", "dn/dW"]
        assert graph.nodes[graph.y_bar].shape == (3, 5)
        assert not [value for node in graph.nodes for value in node if isinstance(value, torch.Tensor)]
    assert told.leaves == ("0.0.weight",)


def test_the_line_is_found_for_a_layer_written_as_a_product_or_with_a_bias():
    x, W = torch.randn(3, 5), torch.ones(5, 5, requires_grad=True)
    for y in (x @ W.T, nn.functional.linear(x, W, torch.ones(5))):
        caught = []
        y.register_hook(caught.append)
        (gradient,) = torch.autograd.grad(y.exp().mean(), W, create_graph=True)
        assert gradient_graph(gradient) == gradient_graph(gradient, y_bar=caught[0])


def test_only_the_ordinary_rule_passes_by_y_whatever_the_net():
    for name in ("N1", "N2", "N3", "B1"):
        for modified in (True, False):
            for weight in range(len(list(NETWORKS[name]().parameters()))):
                gradient, y_bar, _ = differentiate(name, modified, weight)
                graph = gradient_graph(gradient, y_bar=y_bar)
                assert bool(graph.counts_in("past y")) == (not modified), (name, weight, modified)
                assert len(graph.line) >= 1
            net, criterion = net_and_loss(name, modified)
            report = sanity_check(net, X, criterion)
            assert report.loss == pytest.approx(criterion(net(X)).item())
            gradients = torch.autograd.grad(criterion(net(X)), list(net.parameters()))
            assert list(report.largest.values()) == pytest.approx([g.abs().max().item() for g in gradients])
            assert report.without_gradient == ()
            assert (report.past_y < 1e-6) == modified != bool(report.graph.counts_in("past y"))
            assert set(report.graph.leaves) == set(dict(net.named_parameters()))


def test_edges_are_those_of_torch_and_a_long_chain_needs_no_deep_stack():
    x = torch.tensor(2.0, requires_grad=True)
    graph = gradient_graph(x.sin() * x, names={"x": x})
    kinds = {(graph.nodes[a].kind, graph.nodes[b].kind) for a, b in graph.edges}
    sin, mul, leaf = "SinBackward0", "MulBackward0", "AccumulateGrad"
    assert kinds == {(sin, mul), (leaf, mul), (leaf, sin)}
    assert (graph.y_bar, graph.line) == (None, ())
    assert "Not divided: 1 AccumulateGrad, 1 MulBackward0, 1 SinBackward0. Leaves: x." in graph.description
    y = x
    for _ in range(3000):
        y = y * 1.0
    long = gradient_graph(y)
    assert long.counts[mul] == 3000
    assert long.draw().svg is None
    assert f"{LIMIT} are drawn at most" in repr(long.draw()._repr_mimebundle_())


def test_the_source_has_two_clusters_in_two_colours_and_shows_what_is_saved():
    gradient, y_bar, names = differentiate(modified=False)
    graph = gradient_graph(gradient, y_bar=y_bar, names=names)
    source = graph.source()
    assert source.count("subgraph cluster_") == 2
    assert source.count("{") == source.count("}")
    assert 'bgcolor="white"' in source  # a light ground of its own, on a dark page too
    for part in re.findall(r"subgraph.*?\n}", source, re.DOTALL):
        assert len(set(re.findall(r'n\d+ \[shape=ellipse, fillcolor="(#\w+)"', part))) == 1
    assert "shape=note" not in source
    saved = graph.source(saved=True)
    for label in ("x  3 × 5\\ndata", "y  3 × 5", "0.0.weight'  5 × 5"):  # the square W is told from its transpose
        assert f'label="{label}"' in saved
    assert graph.draw(saved=True).svg is not None


def test_it_shows_itself_with_and_without_a_drawer(monkeypatch):
    report = sanity_check(*(lambda net, criterion: (net, X, criterion))(*net_and_loss("N1")))
    assert "<svg" in report._repr_mimebundle_()["text/html"]
    monkeypatch.setattr(drawing, "_ways", list)
    bundle = report._repr_mimebundle_()
    for words in (
        "pip install pygraphviz", "In dn/dW: 1 MmBackward0, 3 TBackward0.", "What to look for",
        "<li>Without a gradient: no parameter.</li>",
    ):  # fmt: skip
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
    assert graph.counts["TwiceBackward"] == 1
    assert [kept.name for node in graph.nodes if node.kind == "TwiceBackward" for kept in node.saved] == ["x"]
    y.backward()
    assert gradient_graph(y).counts == graph.counts


def test_the_share_past_y_is_that_of_the_closed_form():
    net, criterion = net_and_loss("N1", modified=False)
    (W,) = net.parameters()
    y = (X @ W.T).detach()
    G = 2 * (y @ W.T - y).detach() / y.numel()
    past, through = G.T @ y, (G @ W - G).T @ X
    expected = (past.abs().max() / (past + through).abs().max()).item()
    assert sanity_check(net, X, criterion).past_y == pytest.approx(expected, rel=1e-5)


def test_a_detached_rule_shows():
    net, _ = net_and_loss("N1")
    inner = sanity_check(net, X, lambda y: (net(y).detach() - y).square().mean())
    assert inner.past_y < 1e-6
    assert inner.graph.counts["MmBackward0"] == 2
    outer = sanity_check(net, X, lambda y: (net(y.detach()) - y.detach()).square().mean())
    assert outer.past_y == 1
    assert outer.graph.counts_in("past y") == outer.graph.counts
    assert "not all" in repr(outer)
    constant = sanity_check(NETWORKS["N2"](seed=0), X, torch.sum)
    assert constant.past_y < 1e-6
    assert constant.graph.counts_in("dn/dW") == constant.graph.counts


def test_parameters_that_the_loss_does_not_reach_are_named_whatever_they_are_called():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].bias.requires_grad_(False)
    net.spare = nn.Parameter(torch.zeros(3))
    net.forward = lambda x: net[1](net[0](x))
    report = sanity_check(net, torch.ones(1, 2), lambda y: y.square().sum(), parameter="1.weight")
    assert report.without_gradient == ("spare", "0.bias")
    assert "Without a gradient: spare, 0.bias." in report.facts
    assert report.parameter == "1.weight"
    assert report.graph.nodes[0].shape == (1, 2)
    odd = nn.Module()
    odd.register_parameter('"]; evil \\', nn.Parameter(torch.ones(5, 5)))
    odd.forward = lambda x: x @ next(iter(odd.parameters()))
    assert sanity_check(odd, X, lambda y: y.square().mean()).graph.draw(saved=True).svg is not None


def test_net_and_input_are_left_as_they_were():
    net = nn.Sequential(nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 5)).train()
    net[2].weight.grad = torch.ones(5, 5)
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    x = X.clone()

    def clumsy(y):
        loss = (net(y) - y).square().mean() + x.mul_(3).sum()
        loss.backward(retain_graph=True)
        net.eval()
        return loss

    sanity_check(net, x, clumsy)
    with pytest.raises(ZeroDivisionError):
        sanity_check(net, x, lambda y: 1 / 0 + clumsy(y))
    after = net.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert torch.equal(net[2].weight.grad, torch.ones(5, 5))
    assert [p.grad is None for p in net.parameters()] == [True, True, False, True]
    assert all(part.training for part in net.modules())
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(x, X)
    assert not x.requires_grad
    net, criterion = net_and_loss()
    net.double().eval()
    with torch.no_grad():
        assert sanity_check(net, X.double(), criterion).past_y < 1e-14
    assert not net.training


@pytest.mark.parametrize("kind", ["in place", "behind torch's back", "new tensor"])
def test_a_criterion_that_works_in_place_states_what_one_that_does_not_states(kind):
    def criterion(y):
        if kind == "behind torch's back":
            y.data.mul_(2)
        return (y if kind == "behind torch's back" else y.mul_(2) if kind == "in place" else y * 2).square().mean()

    torch.manual_seed(0)
    x = torch.ones(3, 2)
    report = sanity_check(nn.Linear(2, 2), x, criterion)
    assert report.past_y == 0
    assert "Nothing passes by y" in repr(report)
    sanity_check(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2)), -x, criterion)
    assert torch.equal(x, torch.ones(3, 2))


def squared(y):
    return y.square().sum()


def nowhere(name):
    """Return a net that has no parameter of its own, or a loss that reaches none."""
    other = torch.ones(1, requires_grad=True)
    if name == "loss":
        return lambda y: (other * y.detach()).sum()
    net = nn.Module()
    net.forward = lambda x: x * other
    return net


REFUSED = [
    (lambda net: (net, torch.ones(4, 5, dtype=torch.int64), squared), "x must be a floating-point tensor"),
    (lambda net: (net, [[1.0]], squared), "x must be a floating-point tensor, got list"),
    (lambda net: (net.forward, X, squared), "net must be an nn.Module, got method"),
    (lambda net: (net, X[:, :3], squared), "net cannot take x of shape (4, 3)"),
    (lambda net: (net, X, lambda y: 1.0), "the loss must be a tensor, got float"),
    (lambda net: (net, X, lambda y: y.detach().sum()), "nothing here requires grad: the loss has no graph"),
    (lambda net: (net, X, lambda y: y.square()), "criterion must return one finite number"),
    (lambda net: (net, X * torch.nan, squared), "criterion must return one finite number, got nan"),
    (lambda net: (net, X, lambda y: y.sum() / 0), "criterion must return one finite number, got"),
    (lambda net: (net, X, lambda y: (y.sum() * 0).sqrt()), "is not finite, though the loss is"),
    (lambda net: (net.requires_grad_(False), X, squared), "nothing here requires grad: y = net(x)"),
    (lambda net: (net, X, lambda y: y.sum()), "nothing here requires grad: gradient"),
    (lambda net: (net, X, nowhere("loss")), "the loss reaches none of 0.0.weight"),
    (lambda net: (nowhere("net"), X, torch.sum), "nothing here requires grad: net has no parameter that does"),
]


def test_what_sanity_check_cannot_check_is_refused_in_words():
    for arguments, words in REFUSED:
        net, x, criterion = arguments(NETWORKS["N1"](seed=0))
        with pytest.raises((TypeError, ValueError), match=re.escape(words)):
            sanity_check(net, x, criterion)
    with pytest.raises(ValueError, match="parameter must be one that has a gradient, 0.0.weight; got 'weight'"):
        sanity_check(NETWORKS["N1"](seed=0), X, squared, parameter="weight")


def test_what_has_no_graph_is_refused_in_words():
    W = nn.Parameter(torch.ones(2, 2))
    y = torch.ones(3, 2) @ W
    (constant,) = torch.autograd.grad(y.sum(), W, create_graph=True)
    gradient, y_bar, _ = differentiate()
    for arguments, words in (
        ((constant,), "nothing here requires grad: gradient, of shape (2, 2), has no graph"),
        ((torch.tensor([1, 2]),), "nothing here requires grad"),
        ((W,), "is a leaf: nothing was computed"),
        ((W.grad,), "got NoneType: a leaf that the loss did not reach has .grad None"),
        ((1.0,), "gradient must be a tensor, got float"),
        ((gradient, differentiate()[1]), "y_bar is not part of this gradient's graph"),
        ((gradient, y_bar.detach()), "nothing here requires grad: y_bar"),
    ):
        with pytest.raises((TypeError, ValueError), match=re.escape(words)):
            gradient_graph(arguments[0], y_bar=arguments[1] if len(arguments) > 1 else None)
    with pytest.raises(ValueError, match="part must be one of dE/dy, dn/dW, past y, got 'above'"):
        gradient_graph(gradient).counts_in("above")


def test_what_users_of_torchviz_hold_is_drawn():
    dot = make_dot(nn.Linear(2, 1)(torch.ones(1, 2)))
    text = draw(dot.source)
    assert draw(dot) == draw(graphviz.Source(dot.source)) == text
    assert '<polygon fill="white"' in text.svg  # its ground, on a dark page too
    for other in (None, 3, nn.Linear(2, 1)):
        with pytest.raises(TypeError, match="source must be text in the DOT language or a graphviz.Digraph"):
            draw(other)
