"""The nets are nested, have the widths of the document, and draw their weights from the seed alone."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from helpers.networks import NETWORKS, Normalize, layered_net, mertens_net, seeded


def test_mertens_net_is_that_of_the_document():
    net = mertens_net(seed=0)
    assert [tuple(block[0].weight.shape) for block in net] == [(100, 2), (100, 100), (10, 100), (1, 10)]
    assert [type(layer) for layer in net[0]] == [nn.Linear, nn.Mish, Normalize]
    assert [type(layer) for layer in net[3]] == [nn.Linear, nn.Sigmoid]


def test_normalize_gives_rows_of_length_one():
    rows = Normalize()(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    assert torch.allclose(rows, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    for scale in (1.0, 1e-13, 0.0):  # torch's own function is the judge, to the last bit, of the gradient too
        x = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)).mul(scale).requires_grad_()
        y, truth = Normalize()(x), torch.nn.functional.normalize(x, dim=1)
        assert torch.equal(y, truth)
        weights = torch.linspace(-1, 1, 7)
        ours, torchs = (torch.autograd.grad((z * weights).sum(), x)[0] for z in (y, truth))
        assert torch.equal(ours, torchs)


@pytest.mark.parametrize(
    ("name", "widths", "bias", "tanh"),
    [
        ("N1", [5, 5], False, False),
        ("N2", [5, 10, 5], False, False),
        ("N3", [5, 10, 5], True, True),
        ("N4", [784, 1024, 2048, 784], True, True),
        ("B1", [5, 5], True, False),
        ("B2", [100, 250, 100], True, False),
        ("B3", [4096, 1024, 4096], True, False),
        ("B4", [784, 1024, 2048, 784], True, False),
    ],
)
def test_the_idempotent_nets_are_those_of_the_document(name, widths, bias, tanh):
    with torch.device("meta"):  # their shapes, without their numbers
        net = NETWORKS[name]()
    assert [(b[0].in_features, b[0].out_features) for b in net] == list(zip(widths, widths[1:]))  # noqa: RUF007
    assert all((b[0].bias is not None) is bias for b in net)
    assert all([type(layer) for layer in b] == [nn.Linear, *([nn.Tanh] if tanh else [])] for b in net)


@pytest.mark.parametrize("build", [mertens_net, NETWORKS["N3"]])
def test_equal_seeds_give_equal_weights_and_leave_the_global_state_alone(build):
    state = torch.get_rng_state()
    a, b, c = (build(seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))
    assert not torch.equal(a[0][0].weight, c[0][0].weight)
    with seeded(None):  # without a seed the global state is drawn from
        torch.rand(1)
    assert not torch.equal(torch.get_rng_state(), state)


def test_nets_that_are_built_at_once_are_the_nets_built_one_by_one():
    def build(seed, found):
        found[seed] = torch.cat([p.detach().flatten() for p in layered_net([9, 64, 64, 3], seed=seed).parameters()])

    alone, together, done = {}, {}, threading.Event()

    def draw():  # a thread that draws from the global state, as dropout does
        while not done.is_set():
            torch.rand(7)

    for seed in range(40):
        build(seed, alone)
    threads = [threading.Thread(target=build, args=(seed, together)) for seed in range(40)]
    drawing = threading.Thread(target=draw)
    drawing.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    drawing.join()
    assert all(torch.equal(alone[seed], together[seed]) for seed in alone)


def test_a_seeded_net_is_what_torch_draws_from_that_seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = [nn.Linear(2, 4), nn.Linear(4, 1)]
    found = [part for part in layered_net([2, 4, 1], seed=3).modules() if isinstance(part, nn.Linear)]
    assert all(torch.equal(a.weight, b.weight) and torch.equal(a.bias, b.bias) for a, b in zip(found, expected))


def test_what_makes_no_net_is_refused_by_name():
    for build, words in [
        (lambda: layered_net([3]), "widths must name inputs and outputs"),
        (lambda: layered_net([2, 0, 1]), "each of widths must be a whole number, 1 or more"),
        (lambda: mertens_net(2, 1.5), "each of widths must be a whole number"),
        (lambda: NETWORKS["N3"](seed=-1), "seed must be a whole number, 0 or more"),
        (lambda: NETWORKS["N5"], "no net is called 'N5'; choose one of: N1"),
    ]:
        with pytest.raises((TypeError, ValueError, KeyError), match=words):
            build()
