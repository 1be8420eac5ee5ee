"""The net of Scalars: its gradient is torch's, equal seeds give equal numbers, bad input is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.datasets import datasets
from helpers.diff.scalar import Scalar
from helpers.diff.scalar_net import ScalarNet, answer, train

POINTS, CLASSES = [[0.5, 0.5], [-0.5, 0.4], [0.3, -0.7]], [1, 0, 0]


def torch_loss_and_gradient(net):
    """The loss in torch, written with matrices, and its gradient in the order of ``net.parameters``."""
    leaves = hidden, output = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in net.numbers()]
    X, t = torch.tensor(POINTS, dtype=torch.float64), 2 * torch.tensor(CLASSES, dtype=torch.float64) - 1
    units = torch.tanh(X @ hidden[:, :2].T + hidden[:, 2])
    loss = ((torch.tanh(units @ output[:-1] + output[-1]) - t) ** 2).mean()
    return loss.item(), np.concatenate([g.numpy().ravel() for g in torch.autograd.grad(loss, leaves)])


def test_a_step_goes_against_the_gradient_of_torch():
    net = ScalarNet(4, seed=1)
    expected, gradient = torch_loss_and_gradient(net)
    before = np.concatenate([np.ravel(w) for w in net.numbers()])
    (step,) = train(net, POINTS, CLASSES, epochs=1, learning_rate=0.3)
    assert [w.gradient for w in net.parameters] == pytest.approx(list(gradient), rel=1e-11, abs=1e-14)
    assert [w.value for w in net.parameters] == pytest.approx(list(before - 0.3 * gradient), rel=1e-11)
    assert step == (1, pytest.approx(expected, rel=1e-12), net)  # the loss before the step


def test_the_same_lines_answer_for_numbers_and_for_arrays():
    net = ScalarNet(5, seed=3)
    one_by_one = [0.5 * (1 + answer(net.weights, Scalar(a), Scalar(b)).value) for a, b in POINTS]
    assert net.predict(POINTS) == pytest.approx(np.array(one_by_one)[:, None], rel=1e-14)


def test_it_learns_signed_xor_and_equal_seeds_give_equal_numbers():
    data, test = datasets["signed_xor"].train(samples=40, seed=0), datasets["signed_xor"].test(seed=0)
    nets = [ScalarNet(8, seed=0) for _ in range(2)]
    first = [step.loss for step in train(nets[0], data.X, data.Y, 60)]
    parts = [step.loss for epochs in (20, 40) for step in train(nets[1], data.X, data.Y, epochs)]  # left and taken up
    assert first == parts
    assert first[-1] < 0.3 * first[0]
    right = (nets[0].predict(test.X) >= 0.5) == (test.Y.numpy() >= 0.5)
    assert right.mean() > 0.85


def test_bad_input_is_refused_at_once():
    for points, classes in (
        ([[1.0, 2.0, 3.0]] * 3, CLASSES), ([[np.nan, 1.0]] * 3, CLASSES), (POINTS, [0, 1]), (POINTS, [0, 1, 2])
    ):  # fmt: skip
        with pytest.raises(ValueError, match="points must be finite.*classes 0 or 1 for each"):
            train(ScalarNet(2), points, classes, 1)
