"""With the weights held fixed, multipliers become adjoints; in joint training they need not."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.optim import Rprop

from helpers.networks import layered_net
from helpers.training import (
    TrainingError,
    adjoints,
    backprop_optimize,
    cosine,
    multipliers_at,
    relative_difference,
)
from helpers.training.constrained import LARGEST_PENALTY


def net(widths=(2, 8, 6, 1), seed=1):
    return layered_net(list(widths), activation=nn.Tanh, normalize=False, seed=seed)


def test_adjoints_are_the_chain_rule_written_out(xor):
    model = net().double()
    X, Y = xor.X.double(), xor.Y.double()
    z2 = model[1](model[0](X))
    above = (model[2](z2) - Y) / len(X) @ model[2][0].weight
    below = (above * (1 - z2**2)) @ model[1][0].weight
    for frozen in (False, True):
        model.requires_grad_(not frozen)
        found = adjoints(model, X, Y, bce)
        assert max(relative_difference(found, [below.detach(), above.detach()])) < 1e-13
    assert min(relative_difference(found, [-below.detach(), 1.01 * above.detach()])) > 0.009
    assert all(p.grad is None for p in model.parameters())
    assert model.training


def test_difference_and_cosine_by_hand():
    a, b = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 0.0])
    assert relative_difference([a, b], [b, a]) == pytest.approx([4 / 3, 4 / 5])
    assert cosine([a, -b, a], [b, b, a]) == pytest.approx([0.6, -1.0, 1.0])
    assert relative_difference([a], [0 * a]) == [math.inf]
    assert math.isnan(cosine([0 * a], [a])[0])


@pytest.mark.parametrize(("penalty", "most"), [(1.0, 30), (10.0, 8), (100.0, 4)])
def test_multipliers_become_the_adjoints_as_the_gaps_close(penalty, most, xor):
    model = net()
    before = [p.detach().clone() for p in model.parameters()]
    steps = list(multipliers_at(model, xor.X, xor.Y, bce, penalty=penalty, growth=1.0, outer=most, inner=50))
    differences, gaps = (
        [max(values) for values in column] for column in zip(*((s.difference, s.violation) for s in steps))
    )
    assert differences[-1] < 1e-2
    assert differences[-1] < differences[0]
    assert gaps[-1] < 1e-2 * gaps[0]
    assert min(cosine(steps[-1].multipliers, steps[-1].adjoints)) > 0.9999
    assert [s.outer for s in steps] == list(range(1, most + 1))
    assert all(a.passes < b.passes for a, b in itertools.pairwise(steps))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before))
    wanted = adjoints(model.double(), xor.X.double(), xor.Y.double(), bce)
    assert max(relative_difference(steps[-1].adjoints, wanted)) < 1e-12
    assert steps[-1].difference == relative_difference(steps[-1].multipliers, wanted)


def test_a_partly_trained_net_needs_a_larger_penalty(xor):
    model = net((2, 32, 32, 1))
    list(backprop_optimize(model, Rprop, bce, 30, [(xor.X, xor.Y)]))
    small = list(multipliers_at(model, xor.X, xor.Y, bce, penalty=1.0, growth=1.0, outer=3, inner=30))
    grown = list(multipliers_at(model, xor.X, xor.Y, bce))
    assert grown[-1].penalty == LARGEST_PENALTY
    assert max(small[-1].difference) > 0.1
    assert max(grown[-1].difference) < 1e-2


def test_what_cannot_be_minimised_is_refused(xor):
    for options in ({"penalty": 0}, {"growth": 0.5}, {"outer": 0}, {"inner": 1.5}):
        with pytest.raises((TypeError, ValueError), match=f"{next(iter(options))} must be"):
            multipliers_at(net(), xor.X, xor.Y, bce, **options)
    with pytest.raises(TypeError, match="model must be a nested Sequential"):
        multipliers_at(nn.Linear(2, 1), xor.X, xor.Y, bce)
    with pytest.raises(ValueError, match="model: block 0 cannot take"):
        adjoints(net(), xor.X.long(), xor.Y, bce)
    with pytest.raises(TrainingError, match="outer step 1: the loss is not finite"):
        list(multipliers_at(net(), xor.X * float("nan"), xor.Y, nn.functional.mse_loss))
