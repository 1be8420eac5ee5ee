"""`sanity_check` tells a right rule from a wrong one, leaves the net as it was, and refuses what has no graph."""

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
from helpers.plots.graphs import draw, gradient_graph, sanity_check
from helpers.training.idempotent import IdempotencyLoss

X = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))


def net_and_loss(name="N3", modified=True):
    net = NETWORKS[name](seed=0)
    return net, IdempotencyLoss(net, modified=modified)


@pytest.mark.parametrize("name", ["N1", "N2", "N3", "B1"])
@pytest.mark.parametrize("modified", [True, False])
def test_the_facts_of_the_two_rules(name, modified):
    net, criterion = net_and_loss(name, modified)
    report = sanity_check(net, X, criterion)
    assert report.loss == pytest.approx(criterion(net(X)).item())
    gradients = torch.autograd.grad(criterion(net(X)), list(net.parameters()))
    sizes = [g.abs().max().item() for g in gradients]
    assert list(report.largest.values()) == pytest.approx(sizes)
    assert report.without_gradient == ()
    assert (report.past_y < 1e-6) == modified
    assert bool(report.graph.counts_in("past y")) == (not modified)
    assert set(report.graph.leaves) == set(dict(net.named_parameters()))


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


def test_parameters_that_the_loss_does_not_reach_are_named():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].bias.requires_grad_(False)
    net.spare = nn.Parameter(torch.zeros(3))
    net.forward = lambda x: net[1](net[0](x))
    report = sanity_check(net, torch.ones(1, 2), lambda y: y.square().sum(), parameter="1.weight")
    assert report.without_gradient == ("spare", "0.bias")
    assert "Without a gradient: spare, 0.bias." in report.facts
    assert report.parameter == "1.weight"
    assert report.graph.nodes[0].shape == (1, 2)


def test_the_net_is_left_as_it_was():
    net = nn.Sequential(nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 5)).train()
    net[2].weight.grad = torch.ones(5, 5)
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    x = X.clone()

    def clumsy(y):
        loss = (net(y) - y).square().mean()
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


def test_it_works_under_no_grad_with_evaluation_mode_and_in_double():
    net, criterion = net_and_loss()
    net.double().eval()
    with torch.no_grad():
        assert sanity_check(net, X.double(), criterion).past_y < 1e-14
    assert not net.training


def test_it_shows_its_facts_with_and_without_a_drawer(monkeypatch):
    report = sanity_check(*(lambda net, criterion: (net, X, criterion))(*net_and_loss("N1")))
    if drawing._ways():
        assert "<svg" in report._repr_mimebundle_()["text/html"]
    monkeypatch.setattr(drawing, "_ways", list)
    bundle = report._repr_mimebundle_()
    assert "pip install pygraphviz" in bundle["text/html"]
    assert "<li>Without a gradient: no parameter.</li>" in bundle["text/html"]
    assert "4 MmBackward0" in bundle["text/plain"]


def test_a_name_of_a_parameter_cannot_break_the_drawing():
    net = nn.Module()
    odd = '"]; evil \\'
    net.register_parameter(odd, nn.Parameter(torch.ones(5, 5)))
    net.forward = lambda x: x @ net.get_parameter(odd) if False else x @ next(iter(net.parameters()))
    report = sanity_check(net, X, lambda y: y.square().mean())
    if drawing._ways():
        assert report.graph.draw(saved=True).drawing.svg is not None


BAD = [
    (lambda net: (net, torch.ones(4, 5, dtype=torch.int64), None), TypeError, "x must be a floating-point tensor"),
    (lambda net: (net, [[1.0]], None), TypeError, "x must be a floating-point tensor, got list"),
    (lambda net: (net.forward, X, None), TypeError, "net must be an nn.Module, got method"),
    (lambda net: (net, X[:, :3], None), ValueError, "net cannot take x of shape (4, 3)"),
    (lambda net: (net, X, lambda y: 1.0), TypeError, "the loss must be a tensor, got float"),
    (lambda net: (net, X, lambda y: y.detach().sum()), ValueError, "nothing here requires grad: the loss has no graph"),
    (lambda net: (net, X, lambda y: y.square()), ValueError, "criterion must return one finite number"),
    (lambda net: (net, X * torch.nan, None), ValueError, "criterion must return one finite number, got nan"),
    (lambda net: (net, X, lambda y: y.sum() / 0), ValueError, "criterion must return one finite number, got"),
    (lambda net: (net, X, lambda y: (y.sum() * 0).sqrt()), ValueError, "is not finite, though the loss is"),
    (lambda net: (net.requires_grad_(False), X, None), ValueError, "nothing here requires grad: y = net(x)"),
    (lambda net: (net, X, lambda y: y.sum()), ValueError, "nothing here requires grad: gradient"),
]


@pytest.mark.parametrize(("arguments", "kind", "words"), BAD)
def test_bad_input_is_refused_in_words(arguments, kind, words):
    net, x, criterion = arguments(NETWORKS["N1"](seed=0))
    with pytest.raises(kind, match=re.escape(words)):
        sanity_check(net, x, criterion or (lambda y: y.square().sum()))


def test_a_parameter_without_gradient_cannot_be_chosen():
    net, criterion = net_and_loss("N1")
    with pytest.raises(ValueError, match="parameter must be one that has a gradient, 0.0.weight; got 'weight'"):
        sanity_check(net, X, criterion, parameter="weight")


def test_a_loss_of_other_leaves_reaches_no_parameter():
    net, _ = net_and_loss("N1")
    other = torch.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="the loss reaches none of 0.0.weight"):
        sanity_check(net, X, lambda y: (other * y.detach()).sum())


def test_a_net_without_parameters_of_its_own_is_refused():
    net, hidden = nn.Module(), torch.ones(5, requires_grad=True)
    net.forward = lambda x: x * hidden
    with pytest.raises(ValueError, match="nothing here requires grad: net has no parameter that does"):
        sanity_check(net, X, torch.sum)


def test_the_public_names_are_here():
    assert callable(draw)
    assert callable(gradient_graph)


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


def test_what_users_of_torchviz_hold_is_drawn():
    dot = make_dot(nn.Linear(2, 1)(torch.ones(1, 2)))
    text = draw(dot.source)
    assert draw(dot) == draw(graphviz.Source(dot.source)) == text
    assert text.svg
    for other in (None, 3, nn.Linear(2, 1)):
        with pytest.raises(TypeError, match="source must be text in the DOT language or a graphviz.Digraph"):
            draw(other)
