"""Encoders, decoders, accuracies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.networks import layered_net
from helpers.training import accuracy, average_loss, fit_decoders, layer_scores, make_decoders, make_encoders


def net():
    return layered_net([2, 8, 6, 3], seed=1)


def test_encoders_are_the_live_prefixes(xor):
    model = net()
    encoders = make_encoders(model)
    assert len(encoders) == 3
    assert torch.equal(encoders[0](xor.X), xor.X)
    assert torch.equal(encoders[2](xor.X), model[1](model[0](xor.X)).detach())
    with torch.no_grad():
        model[0][0].weight.mul_(2)
    assert torch.equal(encoders[1](xor.X), model[0](xor.X).detach())


def test_decoders_are_bias_free_and_come_from_the_seed(xor):
    a, b, c = (make_decoders(net(), xor.X, seed=s) for s in (1, 1, 2))
    assert [tuple(d.weight.shape) for d in a[:-1]] == [(3, 8), (3, 6)]
    assert a[0].bias is None
    assert torch.equal(a[0].weight, b[0].weight)
    assert not torch.equal(a[0].weight, c[0].weight)
    assert torch.equal(a[-1](xor.X), xor.X)


def test_fitted_decoders_solve_the_least_squares_problem(xor):
    model = net().double()
    X, Y = xor.X.double(), torch.cat([xor.Y, 1 - xor.Y, xor.Y], dim=1).double()
    decoders = fit_decoders(model, X, Y)
    h = model[0](X).detach()
    residual = Y - decoders[0](h).detach()
    assert torch.allclose(h.T @ residual, torch.zeros(8, 3, dtype=torch.float64), atol=1e-9)  # the normal equations
    scores = layer_scores(model, decoders, X)
    assert [s.shape for s in scores] == [(60, 3)] * 3


def test_accuracy_cuts_a_column_and_takes_the_largest_of_several():
    assert accuracy([[0.6], [0.4], [0.5]], [[1], [1], [1]]) == pytest.approx(2 / 3)
    assert accuracy(np.array([[0.2, 0.1], [3, 5]]), torch.eye(2)) == 1
    with pytest.raises(ValueError, match="one shape"):
        accuracy([0.5], [[1.0]])


def test_average_loss_needs_data():
    with pytest.raises(ValueError, match="batches must hold at least one sample"):
        average_loss(lambda X, Y: X.sum(), [])
