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
from helpers.training.layers import probe
from helpers.training.local import first_linear
from tests.training.common import same, sgd, state

DIRECT = pytest.mark.parametrize("direct", [False, True])


def net(**options):
    return layered_net([2, 5, 4, 1], seed=1, **options)


def tanh_net():
    return net(activation=nn.Tanh, normalize=False).double()


@DIRECT
def test_a_step_is_the_one_that_is_computed_by_hand(direct, xor):
    X, Y = xor.X.double(), xor.Y.double()
    model = tanh_net()
    matrices = [B.numpy() for B in feedback_matrices(model, probe(model, X), direct, 7)]
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
    assert step.angles[1] == pytest.approx(
        math.degrees(math.acos(given @ true / np.linalg.norm(given) / np.linalg.norm(true))), abs=1e-6
    )


@pytest.mark.parametrize("step", ["epoch", "batch"])
@pytest.mark.parametrize("options", [{}, {"activation": nn.Tanh, "normalize": False}])
def test_with_the_weights_as_matrices_it_is_back_propagation(step, options, batches, monkeypatch):
    """Any activation and normalisation, layers in front of the linear one too: the vJp within a block is exact."""

    def prepared():
        model = net(**options).double()
        model[1].insert(0, nn.Sigmoid())
        return model

    def weights(model, *_):
        return [first_linear(block).weight.detach() for block in model[1:]]  # live: they follow the steps

    data = [(X.double(), Y.double()) for X, Y in batches]
    monkeypatch.setitem(feedback_alignment.__globals__, "feedback_matrices", weights)
    found, expected = prepared(), prepared()
    (last,) = feedback_alignment(found, sgd, bce, 1, data, step=step)
    list(backprop_optimize(expected, sgd, bce, 1, data, step=step))
    assert same(state(found), state(expected), 1e-12)
    assert last.angles == pytest.approx([0, 0, 0], abs=1e-5)


@DIRECT
def test_the_output_block_learns_as_under_back_propagation_bit_for_bit(direct, batches):
    found, expected = net(), net()
    (step,) = feedback_alignment(found, Rprop, bce, 1, batches, direct=direct, seed=0)
    list(backprop_optimize(expected, Rprop, bce, 1, batches))
    assert all(torch.equal(p, q) for p, q in zip(found[-1].parameters(), expected[-1].parameters()))
    assert not torch.equal(found[0][0].weight, expected[0][0].weight)
    assert step.angles[-1] == 0


@DIRECT
def test_the_angles_are_only_looked_at(direct, batches):
    seen, unseen = net(), net()
    a = list(feedback_alignment(seen, Rprop, bce, 4, batches, direct=direct, step="batch", seed=0))
    b = list(feedback_alignment(unseen, Rprop, bce, 4, batches, direct=direct, step="batch", seed=0, angles=False))
    assert [s.loss for s in a] == [s.loss for s in b]
    assert all(torch.equal(p, q) for p, q in zip(state(seen), state(unseen)))
    assert [len(s.angles) for s in a] == [3] * 4
    assert [s.angles for s in b] == [[]] * 4


def test_angles_between_vectors():
    a, b, zero = torch.tensor([3.0, 4.0]), torch.tensor([-4.0, 3.0]), torch.zeros(2)
    assert angle([a], [2 * a]) == 0
    assert angle([a], [-a]) == 180
    assert angle([a[:1], a[1:]], [b[:1], b[1:]]) == pytest.approx(90)
    assert math.isnan(angle([a], [zero]))
    assert math.isnan(angle([], []))


@DIRECT
def test_what_is_frozen_stays_and_what_is_below_it_learns_all_the_same(direct, batches):
    model = net()
    model[1].requires_grad_(False)
    before = state(model)
    (step,) = feedback_alignment(model, sgd, bce, 1, batches, direct=direct, seed=0)
    moved = [not torch.equal(p, q) for p, q in zip(before, state(model))]
    assert moved == [True, True, False, False, True, True]
    assert math.isnan(step.angles[1])


def test_images_flatten_on_their_way():
    X, Y = torch.rand(12, 1, 6, 6), torch.rand(12, 3)
    for direct in (False, True):
        model = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh()), nn.Sequential(nn.Flatten(), nn.Linear(32, 3), nn.Sigmoid())
        )
        before = model[0][0].weight.detach().clone()
        list(feedback_alignment(model, sgd, bce, 2, [(X, Y)], direct=direct, seed=0))
        assert not torch.equal(before, model[0][0].weight)


def test_matrices_come_from_the_seed_and_are_not_the_weights():
    model = layered_net([6, 6, 6, 6], seed=3)
    outputs = probe(model, torch.rand(1, 6))
    for direct in (False, True):
        one, two, other = (feedback_matrices(model, outputs, direct, seed) for seed in (3, 3, 4))
        assert [tuple(B.shape) for B in one] == [(6, 6), (6, 6)]
        assert torch.equal(one[0], two[0])
        assert not torch.equal(one[0], other[0])
        cosines = [
            torch.cosine_similarity(B.flatten(), W.flatten(), dim=0).abs()
            for B in one
            for W in model.parameters()
            if W.dim() == 2
        ]
        assert max(cosines) < 0.6  # 36 random numbers: a standard deviation of 1/6
    big = feedback_matrices(
        layered_net([2, 100, 100, 1]), probe(layered_net([2, 100, 100, 1]), torch.rand(1, 2)), False, 0
    )[0]
    assert float(big.std()) == pytest.approx(1 / math.sqrt(300), rel=0.05)  # as nn.Linear(100, 100) draws its weights


def test_blocks_that_feedback_cannot_enter_are_refused(xor):
    odd = nn.Sequential(
        nn.Sequential(nn.Linear(2, 4)), nn.Sequential(nn.Tanh()), nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    )
    with pytest.raises(ValueError, match="model: block 1 has no nn.Linear"):
        feedback_alignment(odd, sgd, bce, 1, [(xor.X, xor.Y)])
    list(feedback_alignment(odd, sgd, bce, 1, [(xor.X, xor.Y)], direct=True, seed=0))
    with pytest.raises(ValueError, match="angles must be one of True, False"):
        feedback_alignment(net(), sgd, bce, 1, [(xor.X, xor.Y)], angles=1)
