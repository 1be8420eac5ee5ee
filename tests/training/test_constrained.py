"""Constrained training against formulas written by hand, and against its own conditions of optimality."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.optim import SGD, Rprop

from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.training import accuracy, predictor, train_constrained
from helpers.training.constrained import LARGEST_PENALTY, RHO, RIDGE, Admm, Method, Relaxed
from tests.training.common import same, sgd, state

METHODS = pytest.mark.parametrize("method", Method.__args__)


def net(seed=1, widths=(2, 4, 3, 1)):
    return layered_net(list(widths), activation=nn.Tanh, normalize=False, seed=seed)


def pulled_apart(xor, penalty=3.0):
    """A problem in double precision whose variables and multipliers are anything but feasible."""
    X, Y = xor.X.double(), xor.Y.double()
    problem = Relaxed(net().double(), sgd, bce, X, penalty)
    shake(0.1, *problem.activations, *problem.multipliers)
    return problem, X, Y


def shake(size, *tensors, draw=None):
    draw = draw or torch.Generator().manual_seed(0)
    for tensor in tensors:
        tensor.data += size * torch.randn(tensor.shape, generator=draw, dtype=torch.float64)


def gradient_by_hand(problem, X, Y, sign=1.0, share=None):
    """The gradient of the augmented Lagrangian of a tanh net with a sigmoid output, in NumPy, without the chain rule.

    Every block needs its own derivative alone: nothing is carried from block to block.
    """
    n = len(X)
    weight = problem.penalty / (n if share is None else share)
    blocks = [(b[0].weight.detach().numpy(), b[0].bias.detach().numpy()) for b in problem.model]
    z = [X.numpy(), *(t.detach().numpy() for t in problem.activations)]
    multipliers = [t.numpy() for t in problem.multipliers]
    outputs = [np.tanh(h @ W.T + b) for h, (W, b) in zip(z, blocks[:-1])]
    scores = 1 / (1 + np.exp(-(z[-1] @ blocks[-1][0].T + blocks[-1][1])))
    pulls = [sign * m + weight * (h - a) for m, h, a in zip(multipliers, outputs, z[1:])]
    slopes = [pull * (1 - h**2) for pull, h in zip(pulls, outputs)] + [(scores - Y.numpy()) / n]
    of_weights = [(d.T @ h, d.sum(0)) for d, h in zip(slopes, z)]
    of_activations = [slopes[i + 1] @ blocks[i + 1][0] - pulls[i] for i in range(len(pulls))]
    return [g for pair in of_weights for g in pair], of_activations


def mismatch(found, wanted):
    return max(float(np.abs(np.asarray(f) - w).max()) for f, w in zip(found, wanted, strict=True))


def test_the_gradient_of_the_augmented_lagrangian_by_hand(xor):
    problem, X, Y = pulled_apart(xor)
    problem.judge(X, Y).backward()
    weights = [p.grad.numpy() for p in problem.model.parameters()]
    activations = [z.grad.numpy() for z in problem.activations]
    for_weights, for_activations = gradient_by_hand(problem, X, Y)
    assert mismatch(weights, for_weights) < 1e-13  # float64, some hundred terms of order 1
    assert mismatch(activations, for_activations) < 1e-13
    for wrong in ({"sign": -1.0}, {"share": 1}, {"share": 1.001 * len(X)}):  # and the oracle tells them apart
        for_weights, for_activations = gradient_by_hand(problem, X, Y, **wrong)
        assert mismatch(weights, for_weights) > 1e-7
        assert mismatch(activations, for_activations) > 1e-7


def by_block(problem, X):
    return zip(problem.multipliers, problem.model, [X, *problem.activations], problem.activations)


@pytest.mark.parametrize("method", ["penalty", "augmented_lagrangian"])
def test_the_generator_is_the_loop_that_one_writes_by_hand(method, xor):
    X, Y = xor.X.double(), xor.Y.double()
    expected = Relaxed(net().double(), sgd, bce, X, 2.0)
    by_hand = []
    for epoch in range(1, 26):
        parameters = [*expected.model.parameters(), *expected.activations]
        gaps = [(b(h) - z).detach() for _, b, h, z in by_block(expected, X)]
        loss = bce(expected.model[-1](expected.activations[-1]), Y).item()
        by_hand.append((loss, [float(gap.abs().max()) for gap in gaps], expected.penalty))
        gradients = [torch.as_tensor(g) for part in gradient_by_hand(expected, X, Y) for g in part]
        for p, g in zip(parameters, gradients):
            p.data -= 0.5 * g
        if epoch % 10 == 0:
            if method == "augmented_lagrangian":
                for multiplier, gap in zip(expected.multipliers, gaps):
                    multiplier.data += expected.penalty / 60 * gap
            expected.penalty *= 1.2
    model = net().double()
    steps = train_constrained(model, partial(SGD, lr=0.5), bce, 25, [(X, Y)], method=method, penalty=2.0)
    for step, (loss, violation, penalty) in zip(steps, by_hand, strict=True):
        assert step.loss == pytest.approx(loss, rel=1e-11)
        assert step.violation == pytest.approx(violation, abs=1e-12)
        assert step.penalty == penalty
    moved = [*model.parameters(), *step.activations, *step.multipliers]
    wanted = [*expected.model.parameters(), *expected.activations, *expected.multipliers]
    assert same(moved, wanted, 1e-12)
    assert any(m.any() for m in step.multipliers) is (method == "augmented_lagrangian")


def test_batches_are_put_together_and_the_penalty_stops_growing(xor, batches):
    together = list(train_constrained(net(), Rprop, bce, 31, [(xor.X, xor.Y)], penalty=800.0))
    apart = list(train_constrained(net(), Rprop, bce, 31, batches, penalty=800.0))
    assert [s.penalty for s in together[::10]] == [800.0, 960.0, LARGEST_PENALTY, LARGEST_PENALTY]
    assert [s.loss for s in together] == [s.loss for s in apart]
    *_, above = train_constrained(net(), Rprop, bce, 11, batches, penalty=2e3)
    assert above.penalty == 2e3  # a penalty that begins beyond the limit is left as it is


@METHODS
def test_signed_xor_is_learned_by_the_net_fed_forward(method):
    """The short version of experiments/constraints.py."""
    train, test, _ = datasets["signed_xor"]
    data, held_out = train(samples=400), test()
    model = net(0, (2, 32, 32, 1))
    for step in train_constrained(model, Rprop, bce, 150, [(data.X, data.Y)], method=method):
        pass
    assert accuracy(predictor(model)(held_out.X), held_out.Y) > 0.9
    assert max(step.violation) < 0.1


@METHODS
def test_a_net_of_one_block_has_no_constraint(method, xor):
    (step,) = train_constrained(net(widths=(2, 1)), Rprop, bce, 1, [(xor.X, xor.Y)], method=method)
    assert step.violation == step.multipliers == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "lagrange"}, "method must be one of penalty, augmented_lagrangian, admm, got 'lagrange'"),
        *(({"penalty": bad}, "penalty must be a number, more than 0") for bad in (0, -1.0, float("nan"), "1")),
        ({"step": "batch"}, "step must be 'epoch': the activations of all samples are variables"),
    ],
)
def test_options(options, words, batches):
    with pytest.raises((TypeError, ValueError), match=words):
        train_constrained(net(), Rprop, bce, 2, batches, **options)


def test_a_block_that_normalises_over_the_batch_ties_the_samples_together(batches):
    """It trains; the violation is that of training mode, which is not what the net computes in evaluation mode."""
    model = net()
    model[0].append(nn.BatchNorm1d(4))
    *_, step = train_constrained(model, Rprop, bce, 20, batches)
    assert math.isfinite(step.loss)
    assert max(step.violation) > 0.1
    assert model[0][-1].num_batches_tracked == 20


# ADMM: each step is the minimum of its part of the augmented Lagrangian; what has no such step is refused


@pytest.fixture
def problem(xor):
    """Variables and multipliers that satisfy nothing."""
    split = Admm(net().double(), sgd, bce, xor.X.double(), 3.0, "admm")
    draw = torch.Generator().manual_seed(0)
    shake(0.3, *split.pre_activations, *split.activations, draw=draw)
    shake(0.02, *split.pre_multipliers, *split.multipliers, draw=draw)
    return split


def lagrangian(split, Y, sign=1.0):
    """The formula of `Split`, term by term."""
    m = split.penalty / len(split.X)
    p, z = list(split.pre_activations), list(split.activations)
    total = bce(p[-1].sigmoid(), Y)
    for i, h in enumerate([split.X, *z]):
        gap = split.model[i][0](h) - p[i]
        total = total + sign * (split.pre_multipliers[i] * gap).sum() + m / 2 * gap.square().sum()
    for i in range(len(z)):
        gap = p[i].tanh() - z[i]
        total = total + sign * (split.multipliers[i] * gap).sum() + RHO * m / 2 * gap.square().sum()
    return total


@pytest.mark.parametrize("i", range(3))
def test_the_weight_step_is_the_minimum_of_the_lagrangian_and_its_pull(i, problem, xor):
    linear = problem.model[i][0]
    old = [p.detach().clone() for p in linear.parameters()]
    problem.solve_weights(i)
    parameters = list(linear.parameters())

    def slope(sign):
        pull = sum((p - q).square().sum() for p, q in zip(parameters, old))
        pulled = lagrangian(problem, xor.Y.double(), sign) + RIDGE * problem.penalty / 2 * pull
        return max(float(g.abs().max()) for g in torch.autograd.grad(pulled, parameters))

    assert slope(1.0) < 1e-12  # float64: sixty terms of order 1, over a Gram matrix of condition number 1e3
    assert slope(-1.0) > 1e-3  # the oracle sees a wrong sign of the multipliers


@pytest.mark.parametrize("i", range(2))
def test_the_activation_step_is_the_minimum_of_the_lagrangian(i, problem, xor):
    problem.solve_activation(i)
    variable = problem.activations[i].requires_grad_()
    assert float(torch.autograd.grad(lagrangian(problem, xor.Y.double()), variable)[0].abs().max()) < 1e-13
    assert float(torch.autograd.grad(lagrangian(problem, xor.Y.double(), -1.0), variable)[0].abs().max()) > 1e-3


@pytest.mark.parametrize("i", range(3))
def test_the_price_of_a_pre_activation_has_the_gradient_of_the_lagrangian(i, problem, xor):
    for j in range(3):
        problem.refresh(j)
    Y, variable, m = xor.Y.double(), problem.pre_activations[i], problem.penalty / 60
    problem.judge(problem.X, Y)
    (found,) = torch.autograd.grad(m * problem.price_of(i), variable)
    (wanted,) = torch.autograd.grad(lagrangian(problem, Y), variable)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-14)
    (wrong,) = torch.autograd.grad(lagrangian(problem, Y, -1.0), variable)
    assert not torch.allclose(found, wrong, rtol=0, atol=1e-4)


def test_the_multiplier_step_by_hand(problem):
    for i in range(3):
        problem.refresh(i)
    m = problem.penalty / 60
    h = [problem.X, *problem.activations]
    wanted = [
        old + m * (block[0](below) - p)
        for old, block, below, p in zip(problem.pre_multipliers, problem.model, h, problem.pre_activations)
    ]
    wanted += [
        old + 10 * m * (p.tanh() - z)
        for old, p, z in zip(problem.multipliers, problem.pre_activations, problem.activations)
    ]
    problem.update_multipliers()
    found = [*problem.pre_multipliers, *problem.multipliers]
    assert all(torch.allclose(f, w, rtol=0, atol=1e-15) for f, w in zip(found, wanted, strict=True))


def test_at_a_solution_nothing_moves(xor):
    """Where the net feeds forward, only the loss pulls; with a loss that is flat, ADMM stays where it is."""
    model = net().double()
    before = state(model)
    flat = lambda scores, Y: (scores * 0).sum()  # noqa: E731
    small = partial(SGD, lr=0.01)  # Rprop would make a whole step of a rounding error
    *_, step = train_constrained(model, small, flat, 3, [(xor.X.double(), xor.Y.double())], method="admm")
    assert max(step.violation) < 1e-12
    assert same(state(model), before, 1e-12)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m[1].insert(0, nn.Tanh()),
        lambda m: m[0].append(nn.BatchNorm1d(4, affine=False)),
        lambda m: m[1].append(nn.Linear(3, 3)),
        lambda m: m[2][0].bias.requires_grad_(False),
        lambda m: m[1][0].register_parameter("bias", None),
    ],
)
def test_nets_that_cannot_be_split_are_refused(spoil, xor):
    model = net()
    spoil(model)
    with pytest.raises(ValueError, match=r"model: (block 1 begins with Tanh|in block \d ADMM trains weight and bias)"):
        train_constrained(model, Rprop, bce, 2, [(xor.X, xor.Y)], method="admm")
