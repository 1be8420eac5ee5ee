"""The nets are nested, have the widths of the document, and draw their weights from the seed alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.networks import Normalize, layered_net, mertens_net, seeded


def test_mertens_net_is_that_of_the_document():
    net = mertens_net(seed=0)
    assert [tuple(block[0].weight.shape) for block in net] == [(100, 2), (100, 100), (10, 100), (1, 10)]
    assert [type(layer) for layer in net[0]] == [nn.Linear, nn.Mish, Normalize]
    assert [type(layer) for layer in net[3]] == [nn.Linear, nn.Sigmoid]


def test_normalize_gives_rows_of_length_one():
    rows = Normalize()(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    assert torch.allclose(rows, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_equal_seeds_give_equal_weights_and_leave_the_global_state_alone():
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    a, b = mertens_net(seed=1), mertens_net(seed=1)
    assert torch.rand(1) == expected
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))
    assert not torch.equal(a[0][0].weight, mertens_net(seed=2)[0][0].weight)


def test_without_a_seed_the_global_state_is_drawn_from():
    with seeded(None):
        a = torch.get_rng_state()
        torch.rand(1)
    assert not torch.equal(a, torch.get_rng_state())


@pytest.mark.parametrize(("widths", "words"), [([3], "widths"), ([2, 0, 1], "widths"), ([2, 1.5], "widths")])
def test_bad_widths_are_refused(widths, words):
    with pytest.raises((TypeError, ValueError), match=words):
        layered_net(widths)
