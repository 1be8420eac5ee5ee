"""The facts of torch's graph: counted, divided where dE/dy ends, drawn or told in words, and refused where none is."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from helpers.networks import NETWORKS
from helpers.plots import drawing
from helpers.plots.gradient_graphs import LIMIT, gradient_graph
from helpers.training.idempotent import IdempotencyLoss


def differentiate(name="N1", modified=True, weight=0):
    """Return gradient and dE/dy of one backward pass, and the names of what takes part."""
    net, x = NETWORKS[name](seed=0), torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    y = net(x)
    caught = []
    y.register_hook(caught.append)
    loss = IdempotencyLoss(net, modified=modified)(y)
    W = list(net.parameters())[weight]
    (gradient,) = torch.autograd.grad(loss, W, create_graph=True)
    return gradient, caught[0], {**dict(net.named_parameters()), "x": x, "y": y}


@pytest.mark.parametrize(("modified", "products", "powers"), [(True, 4, 0), (False, 5, 1)])
def test_the_facts_of_the_document(modified, products, powers):
    gradient, y_bar, names = differentiate(modified=modified)
    for graph in (gradient_graph(gradient), gradient_graph(gradient, y_bar=y_bar, names=names)):
        assert graph.counts["MmBackward0"] == products
        assert graph.counts["PowBackward0"] == powers
        assert [graph.counts_in(part)["MmBackward0"] for part in ("dE/dy", "dn/dW", "past y")] == [3, 1, products - 4]
        assert graph.counts.total() == len(graph.nodes)
        assert graph.nodes[0].shape == (5, 5)
    assert graph.leaves == ("0.0.weight",)


@pytest.mark.parametrize("modified", [True, False])
def test_for_one_layer_the_line_found_is_that_of_the_hook(modified):
    gradient, y_bar, _ = differentiate(modified=modified)
    found, told = gradient_graph(gradient), gradient_graph(gradient, y_bar=y_bar)
    assert found == told
    (crossing,) = found.line
    assert [found.nodes[i].part for i in crossing] == ["dE/dy", "dn/dW"]
    assert found.nodes[found.y_bar].shape == (3, 5)


def test_the_line_is_found_for_a_layer_written_as_a_product_or_with_a_bias():
    x, W = torch.randn(3, 5), torch.ones(5, 5, requires_grad=True)
    for y in (x @ W.T, nn.functional.linear(x, W, torch.ones(5))):
        caught = []
        y.register_hook(caught.append)
        (gradient,) = torch.autograd.grad(y.exp().mean(), W, create_graph=True)
        assert gradient_graph(gradient) == gradient_graph(gradient, y_bar=caught[0])


def test_only_the_ordinary_rule_passes_by_y_whatever_the_net():
    for name in ("N1", "N2", "N3", "B1"):
        for weight in range(len(list(NETWORKS[name]().parameters()))):
            for modified in (True, False):
                gradient, y_bar, _ = differentiate(name, modified, weight)
                graph = gradient_graph(gradient, y_bar=y_bar)
                assert bool(graph.counts_in("past y")) == (not modified), (name, weight, modified)
                assert len(graph.line) >= 1


def test_edges_are_those_of_torch():
    x = torch.tensor(2.0, requires_grad=True)
    graph = gradient_graph(x.sin() * x, names={"x": x})
    kinds = {(graph.nodes[a].kind, graph.nodes[b].kind) for a, b in graph.edges}
    assert kinds == {
        ("SinBackward0", "MulBackward0"), ("AccumulateGrad", "MulBackward0"), ("AccumulateGrad", "SinBackward0")
    }  # fmt: skip
    assert graph.y_bar is None
    assert graph.line == ()
    assert "Not divided: 1 AccumulateGrad, 1 MulBackward0, 1 SinBackward0. Leaves: x." in graph.description


def test_a_long_chain_needs_no_deep_stack():
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0
    graph = gradient_graph(y)
    assert graph.counts["MulBackward0"] == 3000
    drawn = graph.draw()
    assert drawn.drawing.svg is None
    assert f"{LIMIT} are drawn at most" in repr(drawn.drawing._repr_mimebundle_())


def test_the_source_has_two_clusters_in_two_colours_and_shows_what_is_saved():
    gradient, y_bar, names = differentiate(modified=False)
    graph = gradient_graph(gradient, y_bar=y_bar, names=names)
    source = graph.source()
    assert source.count("subgraph cluster_") == 2
    assert source.count("{") == source.count("}")
    for part in re.findall(r"subgraph.*?\n}", source, re.DOTALL):
        assert len(set(re.findall(r'n\d+ \[shape=ellipse, fillcolor="(#\w+)"', part))) == 1
    assert "shape=note" not in source
    saved = graph.source(saved=True)
    assert 'label="x  3 × 5\\ndata"' in saved
    assert 'label="y  3 × 5"' in saved
    assert 'label="0.0.weight\'  5 × 5"' in saved  # the square W is told from its transpose
    if drawing._ways():
        assert graph.draw(saved=True).drawing.svg is not None


def test_it_shows_itself_without_a_drawer(monkeypatch):
    monkeypatch.setattr(drawing, "_ways", list)
    graph = gradient_graph(differentiate()[0])
    page = graph._repr_mimebundle_()["text/html"]
    assert "pip install pygraphviz" in page
    assert "In dn/dW: 1 MmBackward0, 3 TBackward0." in page
    assert "What to look for" in page


def test_it_keeps_no_graph_alive():
    gradient, _, names = differentiate()
    graph = gradient_graph(gradient, names=names)
    assert not [value for node in graph.nodes for value in node if isinstance(value, torch.Tensor)]


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


def test_what_has_no_graph_is_refused_in_words():
    W = nn.Parameter(torch.ones(2, 2))
    y = torch.ones(3, 2) @ W
    (constant,) = torch.autograd.grad(y.sum(), W, create_graph=True)
    for tensor, words in (
        (constant, "nothing here requires grad: gradient, of shape (2, 2), has no graph"),
        (torch.tensor([1, 2]), "nothing here requires grad"),
        (W, "is a leaf: nothing was computed"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            gradient_graph(tensor)
    with pytest.raises(TypeError, match="got NoneType: a leaf that the loss did not reach has .grad None"):
        gradient_graph(W.grad)
    with pytest.raises(TypeError, match="gradient must be a tensor, got float"):
        gradient_graph(1.0)


def test_bad_options_are_refused():
    gradient, _, _ = differentiate()
    _, other, _ = differentiate()
    with pytest.raises(ValueError, match="y_bar is not part of this gradient's graph"):
        gradient_graph(gradient, y_bar=other)
    with pytest.raises(ValueError, match="nothing here requires grad: y_bar"):
        gradient_graph(gradient, y_bar=other.detach())
    with pytest.raises(ValueError, match="part must be one of dE/dy, dn/dW, past y, got 'above'"):
        gradient_graph(gradient).counts_in("above")
