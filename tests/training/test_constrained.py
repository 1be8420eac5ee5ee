"""Constrained training against formulas written by hand, and against its own conditions of optimality."""

from __future__ import annotations

import csv
import math
import statistics
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import mse_loss
from torch.optim import SGD, Rprop

from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.training import RULES, accuracy, predictor, train_constrained
from helpers.training.constrained import LARGEST_PENALTY, RHO, RIDGE, Method, Relaxed, Split
from helpers.training.runs import Run, Session
from tests.solutions import load

METHODS = Method.__args__
CONSTRAINED = [name for name in RULES if name.startswith("constrained")]
experiments = load("constraints", folder="experiments")


def net(seed=1, widths=(2, 4, 3, 1)):
    return layered_net(list(widths), activation=nn.Tanh, normalize=False, seed=seed)


def pulled_apart(xor, penalty=3.0):
    """A problem in double precision whose variables and multipliers are anything but feasible."""
    X, Y = xor.X.double(), xor.Y.double()
    problem = Relaxed(net().double(), X, bce, penalty)
    draw = torch.Generator().manual_seed(0)
    for tensor in (*problem.activations, *problem.multipliers):
        tensor.data += 0.1 * torch.randn(tensor.shape, generator=draw, dtype=torch.float64)
    return problem, X, Y


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


def test_the_multiplier_step_moves_the_penalty_into_the_multipliers(xor):
    """λ + μ/n c by hand; and where the gaps were taken, the plain Lagrangian then has the augmented one's gradient."""
    problem, X, Y = pulled_apart(xor)
    variables = list(problem.activations)
    augmented = torch.autograd.grad(problem.judge(X, Y), variables)
    wanted = [m + 3.0 / 60 * (b(h) - z).detach() for m, b, h, z in by_block(problem, X)]
    problem.update_multipliers()
    assert all(torch.allclose(m, w, rtol=0, atol=1e-15) for m, w in zip(problem.multipliers, wanted))
    problem.penalty = 0.0
    plain = torch.autograd.grad(problem.judge(X, Y), variables)
    assert all(torch.allclose(p, a, rtol=0, atol=1e-14) for p, a in zip(plain, augmented))


def price_at(problem, X, Y):
    return bce(problem.model[-1](problem.activations[-1]), Y).item()


def by_block(problem, X):
    return zip(problem.multipliers, problem.model, [X, *problem.activations], problem.activations)


@pytest.mark.parametrize("method", ["penalty", "augmented_lagrangian"])
def test_the_generator_is_the_loop_that_one_writes_by_hand(method, xor):
    X, Y = xor.X.double(), xor.Y.double()
    expected = Relaxed(net().double(), X, bce, 2.0)
    by_hand = []
    for epoch in range(1, 6):
        parameters = [*expected.model.parameters(), *expected.activations]
        gaps = [(b(h) - z).detach() for _, b, h, z in by_block(expected, X)]
        by_hand.append((price_at(expected, X, Y), [float(gap.abs().max()) for gap in gaps], expected.penalty))
        gradients = [torch.as_tensor(g) for part in gradient_by_hand(expected, X, Y) for g in part]
        for p, g in zip(parameters, gradients):
            p.data -= 0.5 * g
        if epoch % 2 == 0:
            if method == "augmented_lagrangian":
                for multiplier, gap in zip(expected.multipliers, gaps):
                    multiplier.data += expected.penalty / 60 * gap
            expected.penalty *= 1.5
    model = net().double()
    sgd = partial(SGD, lr=0.5)
    steps = train_constrained(model, sgd, bce, 5, [(X, Y)], method=method, penalty=2.0, growth=1.5, inner=2)
    for step, (loss, violation, penalty) in zip(steps, by_hand, strict=True):
        assert step.loss == pytest.approx(loss, rel=1e-12)
        assert step.violation == pytest.approx(violation, abs=1e-13)
        assert step.penalty == penalty
        assert step.passes == step.epoch
    moved = [*model.parameters(), *step.activations, *step.multipliers]
    wanted = [*expected.model.parameters(), *expected.activations, *expected.multipliers]
    assert all(torch.allclose(p, q, rtol=0, atol=1e-13) for p, q in zip(moved, wanted, strict=True))
    assert any(m.any() for m in step.multipliers) is (method == "augmented_lagrangian")


def test_batches_are_put_together_and_the_penalty_stops_growing(xor, batches):
    one, many = net(), net()
    options = {"penalty": 100.0, "growth": 4.0, "inner": 1}
    together = list(train_constrained(one, Rprop, bce, 4, [(xor.X, xor.Y)], **options))
    apart = list(train_constrained(many, Rprop, bce, 4, batches, **options))
    assert [s.penalty for s in together] == [100.0, 400.0, LARGEST_PENALTY, LARGEST_PENALTY]
    assert [s.loss for s in together] == [s.loss for s in apart]
    above = train_constrained(net(), Rprop, bce, 2, batches, penalty=2e3, inner=1)
    assert [s.penalty for s in above] == [2e3, 2e3]  # a penalty that begins beyond the limit is left as it is


@pytest.mark.parametrize("method", METHODS)
def test_signed_xor_is_learned_by_the_net_fed_forward(method):
    """The short version of experiments/constraints.py."""
    train, test, _ = datasets["signed_xor"]
    data, held_out = train(samples=400), test()
    model = net(0, (2, 32, 32, 1))
    for step in train_constrained(model, Rprop, bce, 150, [(data.X, data.Y)], method=method):
        pass
    assert accuracy(predictor(model)(held_out.X), held_out.Y) > 0.9
    assert max(step.violation) < 0.1


def test_what_the_experiments_hold():
    """Medians of five seeds at 200 passes, and one run again; another processor rounds differently."""
    lines = [line for line in experiments.RESULTS.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    median = {
        (rule, key): statistics.median(float(r[key]) for r in rows if r["rule"] == rule)
        for rule in experiments.METHODS
        for key in ("accuracy", "violation")
    }
    assert {r["seed"] for r in rows} == set("01234")
    assert median["augmented Lagrangian", "accuracy"] >= 0.98
    assert median["augmented Lagrangian", "violation"] < 0.02
    assert median["ADMM", "accuracy"] >= 0.95
    assert median["penalty", "accuracy"] >= 0.975
    again = experiments.run("augmented Lagrangian", 1)
    kept = next(r for r in rows if r["rule"] == "augmented Lagrangian" and r["seed"] == "1")
    assert again.accuracy == pytest.approx(float(kept["accuracy"]), abs=0.015)
    assert again.violation == pytest.approx(float(kept["violation"]), abs=0.01)


@pytest.mark.parametrize("rule", CONSTRAINED)
def test_the_panels_run_shows_every_layer(rule):
    """Unit rows and Mish, in Mertens' net, are part of a block like any other function of a row."""
    session = Session(Run(rules=(rule,), hidden=(100, 100, 10), epochs=3))
    assert [s.epoch for s in session] == [1, 2, 3]
    assert [s.shape for s in session.predict(session.test_set.X[:7])] == [(7, 1)] * 4


@pytest.mark.parametrize("method", METHODS)
def test_a_net_of_one_block_has_no_constraint(method, xor):
    (step,) = train_constrained(net(widths=(2, 1)), Rprop, bce, 1, [(xor.X, xor.Y)], method=method)
    assert step.violation == step.multipliers == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "lagrange"}, "method must be one of penalty, augmented_lagrangian, admm, got 'lagrange'"),
        ({"method": None}, "method must be one of"),
        ({"penalty": 0}, "penalty must be a number, more than 0, got 0"),
        ({"penalty": -1.0}, "penalty must be a number, more than 0"),
        ({"penalty": float("nan")}, "penalty"),
        ({"penalty": float("inf")}, "penalty"),
        ({"penalty": "1"}, "penalty must be"),
        ({"growth": 0.9}, "growth must be a number, 1 or more, got 0.9"),
        ({"growth": True}, "growth must be"),
        ({"inner": 0}, "inner must be"),
        ({"inner": 2.5}, "inner must be"),
        ({"step": "batch"}, "step must be 'epoch': the activations of all samples are variables"),
    ],
)
def test_options(options, words, batches):
    with pytest.raises((TypeError, ValueError), match=words):
        train_constrained(net(), Rprop, bce, 2, batches, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda b: [(X.long(), Y) for X, Y in b], "model: block 0 cannot take the X of batches"),
        (lambda b: [*b, (torch.rand(3, 5), torch.rand(3, 1))], "batches: they must fit together"),
    ],
)
def test_data_that_does_not_fit(method, spoil, words, batches):
    with pytest.raises(ValueError, match=words):
        train_constrained(net(), Rprop, bce, 2, spoil(batches), method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", ["X", "Y"])
def test_not_a_number_is_an_error_and_the_model_stays_finite(method, bad, xor):
    X, Y = xor.X.clone(), xor.Y.clone()
    (X if bad == "X" else Y)[3] = float("nan")
    model = net()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=f"batches: {bad} holds NaN"):
        list(train_constrained(model, Rprop, mse_loss, 3, [(X, Y)], method=method))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before))
    assert all(p.grad is None for p in model.parameters())


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
    split = Split(net().double(), xor.X.double(), bce, 3.0)
    draw = torch.Generator().manual_seed(0)
    groups = (split.pre_activations, split.activations, split.pre_multipliers, split.multipliers)
    for size, group in zip((0.3, 0.3, 0.02, 0.02), groups):
        for t in group:
            t.data += size * torch.randn(t.shape, generator=draw, dtype=torch.float64)
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
        (lambda m: m[2][0].bias.requires_grad_(False), "block 2 has weight or bias frozen"),
    ],
)
def test_nets_that_cannot_be_split_are_refused(spoil, words, xor):
    model = net()
    spoil(model)
    with pytest.raises(ValueError, match=words):
        train_constrained(model, Rprop, bce, 2, [(xor.X, xor.Y)], method="admm")
