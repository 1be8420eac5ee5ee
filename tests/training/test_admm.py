"""Each step of ADMM is the minimum of its part of the augmented Lagrangian; what has no such step is refused."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.optim import SGD, Rprop

from helpers.networks import layered_net
from helpers.training import train_constrained
from helpers.training.admm import PROXIMAL_STEPS, RHO, RIDGE, AdmmLearner, Split


def net(seed=1):
    return layered_net([2, 4, 3, 1], activation=nn.Tanh, normalize=False, seed=seed).double()


@pytest.fixture
def problem(xor):
    """Variables and multipliers that satisfy nothing."""
    split = Split(net(), xor.X.double(), penalty=3.0)
    draw = torch.Generator().manual_seed(0)
    groups = (split.pre_activations, split.activations, split.pre_multipliers, split.multipliers)
    for size, group in zip((0.3, 0.3, 0.02, 0.02), groups):
        for t in group:
            t.data += size * torch.randn(t.shape, generator=draw, dtype=torch.float64)
    return split


def lagrangian(split, Y, sign=1.0):
    """The formula at the head of the module, term by term."""
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


def test_the_weight_step_is_ordinary_least_squares_but_for_the_pull(problem):
    i, m = 1, problem.penalty / 60
    H = torch.cat([problem.activations[0].detach(), torch.ones(60, 1, dtype=torch.float64)], 1)
    wanted = torch.linalg.lstsq(H, problem.pre_activations[i].detach() - problem.pre_multipliers[i] / m).solution
    problem.solve_weights(i)
    found = torch.cat([problem.model[i][0].weight.T, problem.model[i][0].bias[None]]).detach()
    assert torch.allclose(found, wanted, rtol=0, atol=0.02)  # the pull is 1e-4 of a sample's weight


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
    (found,) = torch.autograd.grad(m * problem.price_of(i, bce, Y), variable)
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


def test_an_update_runs_the_steps_block_by_block(problem, xor, monkeypatch):
    order = []
    for name in ("solve_weights", "solve_activation", "refresh", "price_of", "update_multipliers"):
        step = getattr(problem, name)
        monkeypatch.setattr(problem, name, lambda *a, n=name, s=step: (order.append((n, *a[:1])), s(*a))[1])
    before = [p.detach().clone() for p in problem.pre_activations]
    AdmmLearner(problem, bce, Rprop, xor.Y.double()).update()
    proximal = [[("price_of", i)] * PROXIMAL_STEPS for i in range(3)]
    assert order == [
        ("solve_weights", 0), ("solve_activation", 0), ("refresh", 0), *proximal[0],
        ("solve_weights", 1), ("solve_activation", 1), ("refresh", 1), *proximal[1],
        ("solve_weights", 2), ("refresh", 2), *proximal[2],
        ("update_multipliers",),
    ]  # fmt: skip
    assert not any(torch.equal(p, q) for p, q in zip(problem.pre_activations, before))
    assert all(p.grad is None for p in problem.parameters())


def test_at_a_solution_nothing_moves(xor):
    """Where the net feeds forward, only the loss pulls; with a loss that is flat, ADMM stays where it is."""
    model = net()
    before = [p.detach().clone() for p in model.parameters()]
    flat = lambda scores, Y: (scores * 0).sum()  # noqa: E731
    sgd = partial(SGD, lr=0.01)  # Rprop would make a whole step of a rounding error
    *_, step = train_constrained(model, sgd, flat, 3, [(xor.X.double(), xor.Y.double())], method="admm")
    assert max(step.violation) < 1e-12
    assert all(torch.allclose(p, q, rtol=0, atol=1e-12) for p, q in zip(model.parameters(), before))


def test_frozen_and_missing_parts_stay_so(xor):
    model = nn.Sequential(
        nn.Sequential(nn.Linear(2, 6), nn.Tanh()),
        nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU()),
        nn.Sequential(nn.Linear(5, 1), nn.Sigmoid()),
    )
    model[0].requires_grad_(False)
    before = [p.detach().clone() for p in model.parameters()]
    losses = [s.loss for s in train_constrained(model, Rprop, bce, 20, [(xor.X, xor.Y)], method="admm")]
    after = list(model.parameters())
    assert [torch.equal(p, q) for p, q in zip(before, after)] == [True, True, False, False, False]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m[1].insert(0, nn.Tanh()), "block 1 begins with Tanh"),
        (lambda m: m[0].append(nn.BatchNorm1d(4)), "block 0 holds parameters or statistics"),
        (lambda m: m[0].append(nn.BatchNorm1d(4, affine=False)), "block 0 holds parameters or statistics"),
        (lambda m: m[1].append(nn.Linear(3, 3)), "block 1 holds parameters"),
        (lambda m: m[2][0].bias.requires_grad_(False), "block 2 has either weight or bias frozen"),
    ],
)
def test_nets_that_cannot_be_split_are_refused(spoil, words, xor):
    model = net().float()
    spoil(model)
    with pytest.raises(ValueError, match=words):
        train_constrained(model, Rprop, bce, 2, [(xor.X, xor.Y)], method="admm")


def test_images_are_refused():
    model = nn.Sequential(nn.Sequential(nn.Linear(6, 4), nn.Tanh()), nn.Sequential(nn.Linear(4, 1)))
    with pytest.raises(ValueError, match="for ADMM X must be of shape"):
        train_constrained(model, Rprop, bce, 2, [(torch.rand(5, 3, 6), torch.rand(5, 3, 1))], method="admm")


def test_the_targets_shape_is_checked(xor):
    with pytest.raises(ValueError, match="targets have shape"):
        list(train_constrained(net().float(), Rprop, bce, 2, [(xor.X, xor.Y[:, 0])], method="admm"))
