"""Feedback alignment against NumPy by hand, and against back-propagation where its matrices are the weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.optim import Rprop

from helpers.networks import layered_net
from helpers.training import backprop_optimize, feedback_alignment
from helpers.training.feedback import angle, feedback_matrices
from tests.training.common import same, sgd, state

DIRECT = pytest.mark.parametrize("direct", [False, True])


def net(**options):
    return layered_net([2, 5, 4, 1], seed=1, **options)


@DIRECT
def test_a_step_is_the_one_that_is_computed_by_hand(direct, xor):
    X, Y = xor.X.double(), xor.Y.double()
    model = net(activation=nn.Tanh, normalize=False).double()
    matrices = [B.numpy() for B in feedback_matrices(model, direct, 7)]
    W, b = ([getattr(block[0], name).detach().numpy().copy() for block in model] for name in ("weight", "bias"))
    x, y = X.numpy(), Y.numpy()
    h1 = np.tanh(x @ W[0].T + b[0])
    h2 = np.tanh(h1 @ W[1].T + b[1])
    p = 1 / (1 + np.exp(-(h2 @ W[2].T + b[2])))
    delta3 = (p - y) / len(y)
    delta2 = (delta3 @ matrices[1]) * (1 - h2**2)
    delta1 = ((delta3 if direct else delta2) @ matrices[0]) * (1 - h1**2)
    (step,) = feedback_alignment(model, sgd, bce, 1, [(X, Y)], direct=direct, seed=7)
    for block, weight, bias, delta, h in zip(model, W, b, (delta1, delta2, delta3), (x, h1, h2)):
        assert np.allclose(block[0].weight.detach(), weight - 0.1 * delta.T @ h, atol=1e-12)
        assert np.allclose(block[0].bias.detach(), bias - 0.1 * delta.sum(0), atol=1e-12)
    true2 = (delta3 @ W[2]) * (1 - h2**2)
    given, true = (np.append((d.T @ h1).ravel(), d.sum(0)) for d in (delta2, true2))
    cosine = given @ true / np.linalg.norm(given) / np.linalg.norm(true)
    assert step.rule.angles[1] == pytest.approx(math.degrees(math.acos(cosine)), abs=1e-6)


@pytest.mark.parametrize("step", ["epoch", "batch"])
@pytest.mark.parametrize("options", [{}, {"activation": nn.Tanh, "normalize": False}])
def test_with_the_weights_as_matrices_it_is_back_propagation(step, options, batches, monkeypatch):
    """Any activation and normalisation: the vJp within a block is exact."""

    def weights(model, *_):
        return [block[0].weight.detach() for block in model[1:]]  # live: they follow the steps

    data = [(X.double(), Y.double()) for X, Y in batches]
    monkeypatch.setitem(feedback_alignment.__globals__, "feedback_matrices", weights)
    found, expected = net(**options).double(), net(**options).double()
    (last,) = feedback_alignment(found, sgd, bce, 1, data, step=step)
    list(backprop_optimize(expected, sgd, bce, 1, data, step=step))
    assert same(state(found), state(expected), 1e-12)
    assert last.rule.angles == pytest.approx([0, 0, 0], abs=1e-5)


@DIRECT
def test_the_angles_are_only_looked_at_and_the_output_block_learns_as_under_back_propagation(direct, batches):
    seen, unseen, expected = net(), net(), net()
    options = {"direct": direct, "step": "batch", "seed": 0}
    steps = feedback_alignment(seen, Rprop, bce, 4, batches[:1], **options)
    blind = feedback_alignment(unseen, Rprop, bce, 4, batches[:1], **options, angles=False)
    list(backprop_optimize(expected, Rprop, bce, 1, batches[:1]))
    assert next(steps).loss == next(blind).loss
    assert same(state(seen[-1]), state(expected[-1]))
    assert not same(state(seen[0]), state(expected[0]))
    assert steps.rule.angles[2] == 0
    assert [s.loss for s in steps] == [s.loss for s in blind]
    assert (len(steps.rule.angles), blind.rule.angles) == (3, [])
    assert same(state(seen), state(unseen))


def test_angles_between_vectors():
    a, b, zero = torch.tensor([3.0, 4.0]), torch.tensor([-4.0, 3.0]), torch.zeros(2)
    assert angle([a], [2 * a]) == 0
    assert angle([a], [-a]) == 180
    assert angle([a[:1], a[1:]], [b[:1], b[1:]]) == pytest.approx(90)
    assert math.isnan(angle([a], [zero]))


@DIRECT
def test_what_is_frozen_stays_and_what_is_below_it_learns_all_the_same(direct, batches):
    model = net()
    model[1].requires_grad_(False)
    before = state(model)
    (step,) = feedback_alignment(model, sgd, bce, 1, batches, direct=direct, seed=0)
    assert [not torch.equal(p, q) for p, q in zip(before, state(model))] == [True, True, False, False, True, True]
    assert math.isnan(step.rule.angles[1])


def test_matrices_come_from_the_seed_and_are_not_the_weights():
    model = layered_net([6, 6, 6, 6], seed=3)
    for direct in (False, True):
        one, two, other = (feedback_matrices(model, direct, seed) for seed in (3, 3, 4))
        assert [tuple(B.shape) for B in one] == [(6, 6), (6, 6)]
        assert same(one, two)
        assert not torch.equal(one[0], other[0])
        matrices = [W.flatten() for W in model.parameters() if W.dim() == 2]
        cosines = [torch.cosine_similarity(B.flatten(), W, dim=0).abs() for B in one for W in matrices]
        assert max(cosines) < 0.6  # 36 random numbers: a standard deviation of 1/6
    big = feedback_matrices(layered_net([2, 100, 100, 1]), False, 0)[0]
    assert float(big.std()) == pytest.approx(1 / math.sqrt(300), rel=0.05)  # as nn.Linear(100, 100) draws its weights
    odd = nn.Sequential(*model[:2], nn.Sequential(nn.Tanh()))
    with pytest.raises(ValueError, match="model: block 2 begins with Tanh; this rule needs an nn.Linear"):
        feedback_matrices(odd, False, 0)
