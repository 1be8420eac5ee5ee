"""Rules for idempotent nets against closed forms; the generator against the loop that one writes by hand."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.gradcheck import GradcheckError
from torch.optim import SGD

from helpers.networks import NETWORKS, square_net
from helpers.training import TrainingError
from helpers.training.idempotent import (
    Algorithm,
    IdempotencyLoss,
    Samples,
    idempotent_error,
    image_of_identity,
    m1_update,
    make_loss,
    numerical_rank,
    purify,
    trace_and_norm,
    train_idempotent,
)

RULE = pytest.mark.parametrize("rule", Algorithm, ids=str)
GOLDEN = (1 + math.sqrt(5)) / 2
sgd = partial(SGD, lr=0.1)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Linear(nn.Module):
    """y = xW', whose weight is a tensor from outside: what gradcheck differentiates with respect to."""

    def __init__(self, W):
        super().__init__()
        self.W = W

    def forward(self, x):
        return x @ self.W.T


# --- purification


def test_scalars_follow_their_closed_form_to_fixed_points_or_round_the_golden_cycle():
    a = torch.linspace(-2, 2, 41, dtype=torch.float64)
    once = 3 * a**2 - 2 * a**3
    assert torch.allclose(purify(a, 2), torch.stack([a, once, 3 * once**2 - 2 * once**3]), rtol=1e-13)
    assert purify(0.25, 0).tolist() == [0.25]
    assert purify([0.0, 0.5, 1.0], 9)[-1].tolist() == [0.0, 0.5, 1.0]
    low, high = (1 - math.sqrt(3)) / 2, (1 + math.sqrt(3)) / 2
    inside = purify([low + 1e-6, 0.4999, 0.5001, high - 1e-6], 60)[-1]
    assert inside.tolist() == pytest.approx([0, 0, 1, 1], abs=1e-12)
    assert purify([1 - GOLDEN, GOLDEN], 1)[-1].tolist() == pytest.approx([GOLDEN, 1 - GOLDEN], rel=1e-14)
    assert not purify([1.001 * GOLDEN, -0.7], 60)[-1].isfinite().any()  # and nothing is clipped


def test_a_matrix_keeps_its_eigenvectors_and_its_eigenvalues_go_to_0_or_1():
    V, eigenvalues = draw(4, 4), torch.tensor([-0.3, 0.2, 0.7, 1.3], dtype=torch.float64)
    A = V @ torch.diag(eigenvalues) @ torch.linalg.inv(V)
    batch = torch.stack([A, torch.eye(4, dtype=torch.float64) - A])
    P = purify(batch, 40)[-1]
    expected = V @ torch.diag(torch.tensor([0.0, 0, 1, 1], dtype=torch.float64)) @ torch.linalg.inv(V)
    assert torch.allclose(P[0], expected, atol=1e-11)
    assert torch.allclose(P[1], torch.eye(4, dtype=torch.float64) - expected, atol=1e-11)
    assert numerical_rank(P).tolist() == [2, 2]
    three = purify(A, 1)[1]
    assert torch.allclose(three, 3 * A @ A - 2 * A @ A @ A, atol=1e-12)
    assert not torch.allclose(three, 3 * A * A - 2 * A * A * A)  # products of matrices, not of their elements


def test_complex_eigenvalues_and_precision():
    turn = torch.tensor([[0.9, -0.1], [0.1, 0.9]])
    values = torch.linalg.eigvals(purify(turn.double(), 1)[1])
    assert sorted(values.imag.tolist()) == pytest.approx(sorted(purify([0.9 + 0.1j, 0.9 - 0.1j], 1)[1].imag.tolist()))
    assert purify(turn, 3).dtype == torch.float32
    assert purify([0.5 + 1j], 1).dtype == torch.complex128
    assert purify(torch.tensor([0, 3]), 1)[1].tolist() == [0.0, -27.0]  # whole numbers become float64
    for A, steps, words in [(torch.ones(2, 3), 1, "size"), (0.5, -1, "steps"), (0.5, 1.5, "steps")]:
        with pytest.raises((TypeError, ValueError, RuntimeError), match=words):
            purify(A, steps)


# --- gradients of the rules


def modified_gradient(W, x, *, sign=-1.0, factor=1.0, transpose=False):
    """Closed form for y = xW': -Δ'x/m, with Δ = y(3W' - 2W'W' - I)."""
    delta = x @ W.T @ (3 * W.T - 2 * W.T @ W.T - torch.eye(len(W), dtype=W.dtype))
    gradient = sign * factor * delta.T @ x / len(x)
    return gradient.T if transpose else gradient


def ordinary_gradient(W, x, *, factor=1.0, through=True):
    """Closed form: G'y + (GW - G)'x with G = 2(y2 - y)/(mn); without ``through``, what an n(y) held fixed gives."""
    y = x @ W.T
    G = factor * 2 * (y @ W.T - y) / y.numel()
    return G.T @ y + (G @ W - G).T @ x if through else -G.T @ x


def gradient_of(rule, W, x):
    net = Linear(W.clone().requires_grad_())
    return torch.autograd.grad(make_loss(net, rule)(net(x)), net.W)[0]


@pytest.mark.parametrize("seed", range(3))
def test_gradients_against_closed_form(seed):
    W, x = draw(5, 5, seed=seed), draw(7, 5, seed=seed + 10)
    ordinary = gradient_of(Algorithm.ORDINARY, W, x)
    scaled = gradient_of(Algorithm.ORDINARY_SCALED, W, x)
    modified = gradient_of(Algorithm.MODIFIED, W, x)
    size = modified.abs().max()  # the tolerances below are relative to the largest number
    assert (ordinary - ordinary_gradient(W, x)).abs().max() < 1e-12 * size
    assert (scaled - ordinary_gradient(W, x, factor=2.5)).abs().max() < 1e-12 * size
    assert (modified - modified_gradient(W, x)).abs().max() < 1e-12 * size
    assert (modified + m1_update(W, x)).abs().max() < 1e-14 * size  # M1 is the modified rule
    for wrong in ({"sign": 1.0}, {"factor": 1.001}, {"transpose": True}, {"factor": 1 / 5}):
        assert (modified - modified_gradient(W, x, **wrong)).abs().max() > 1e-6 * size
    for wrong in ({"factor": 1.001}, {"factor": 2.5}, {"through": False}):
        assert (ordinary - ordinary_gradient(W, x, **wrong)).abs().max() > 1e-6 * ordinary.abs().max()


@pytest.mark.parametrize("name", ["N2", "N3", "B1"])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (4, 5), (2, 3, 5)])
def test_the_modified_rule_is_its_definition(name, shape):
    """dE/dy is replaced, and all else is left: the loss, and the way from y to the parameters."""
    net, x = NETWORKS[name](seed=0).double(), draw(*shape)
    parameters = list(net.parameters())
    y = net(x)
    samples = y.numel() // 5
    loss = IdempotencyLoss(net, modified=True)(y)
    found = torch.autograd.grad(3.0 * loss, parameters, retain_graph=True)
    with torch.no_grad():
        y_bar = -(3 * net(y) - 2 * net(net(y)) - y) / samples
    expected = torch.autograd.grad(y, parameters, 3.0 * y_bar)
    assert loss.item() == pytest.approx(IdempotencyLoss(net, modified=False)(y).item(), rel=1e-15)
    assert all(torch.allclose(f, e, rtol=0, atol=1e-13) for f, e in zip(found, expected, strict=True))


def test_second_derivatives():
    """Under create_graph, the replaced derivative is differentiated like any function of W and x."""
    W, x = (0.3 * draw(3, 3)).requires_grad_(), draw(4, 3).requires_grad_()

    def loss(modified):
        return lambda W, x: IdempotencyLoss(Linear(W), modified)(x @ W.T)

    assert gradcheck(loss(False), (W, x))
    assert gradgradcheck(loss(False), (W, x))
    assert gradgradcheck(loss(True), (W, x))
    with pytest.raises(GradcheckError):  # it is the gradient of no loss, so not of this one
        gradcheck(loss(True), (W, x))


@pytest.mark.parametrize("modified", [False, True])
def test_outputs_without_an_idempotent_error(modified):
    for width in (4, 1):  # one would broadcast
        with pytest.raises(ValueError, match="as wide at its end"):
            IdempotencyLoss(nn.Linear(5, width), modified)(torch.ones(2, 5))
    with pytest.raises(ValueError, match="as wide at its end"):
        IdempotencyLoss(nn.Linear(5, 5), modified)(torch.ones(0, 5))


# --- measures


def test_measures_of_a_projector_change_nothing():
    net = nn.Sequential(*NETWORKS["N1"](seed=0), nn.BatchNorm1d(5, affine=False)).double().train()
    P = torch.zeros(5, 5, dtype=torch.float64)
    P[0, 0] = P[1, 1] = 1.0
    P[0, 4] = 3.0  # not orthogonal: its singular values are 0, 1 and √10
    net.load_state_dict({"0.0.weight": P}, strict=False)
    before = {name: t.clone() for name, t in net.state_dict().items()}
    small = 1 / math.sqrt(1 + 1e-5)  # what batch normalisation makes of 1 before it has seen data
    assert idempotent_error(net, draw(6, 5)) < 1e-8
    assert trace_and_norm(net) == (pytest.approx(2.0 * small), pytest.approx(math.sqrt(11) * small))
    assert torch.allclose(image_of_identity(net), P.T * small)
    assert numerical_rank(torch.stack([P, P * torch.nan])).tolist() == [2, -1]
    assert net.training
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())


# --- training


def by_hand(net, rule, batches, epochs, rate, step):
    """The loop that one writes: what the generator is compared with."""
    errors = []
    for _ in range(epochs):
        values, total = [], [torch.zeros_like(p) for p in net.parameters()]
        for X, _ in batches:
            y = net(X)
            y2 = net(y)
            values.append((y2 - y).square().mean().item() * len(X))
            if rule is Algorithm.MODIFIED:
                y_bar = -(3 * y2 - 2 * net(y2) - y).detach() / len(X)
                gradients = torch.autograd.grad(y, list(net.parameters()), y_bar)
            else:
                scale = 2.5 if rule is Algorithm.ORDINARY_SCALED else 1.0
                gradients = torch.autograd.grad(scale * (y2 - y).square().mean(), list(net.parameters()))
            with torch.no_grad():
                for p, g, t in zip(net.parameters(), gradients, total):
                    t += g
                    p -= rate * g if step == "batch" else 0 * g
        if step == "epoch":
            with torch.no_grad():
                for p, t in zip(net.parameters(), total):
                    p -= rate * t
        errors.append(sum(values) / sum(len(X) for X, _ in batches))
    return errors


@pytest.mark.parametrize("step", ["batch", "epoch"])
@RULE
@pytest.mark.parametrize("name", ["N1", "N2", "N3", "B1"])
def test_the_generator_is_the_loop_by_hand(rule, name, step):
    net, expected = NETWORKS[name](seed=0).double(), NETWORKS[name](seed=0).double()
    batches = [(draw(8, 5, seed=i),) * 2 for i in range(2)] + [(draw(3, 5, seed=9),) * 2]
    errors = by_hand(expected, rule, batches, 5, 0.05, step)
    steps = train_idempotent(net, partial(SGD, lr=0.05), rule, 5, batches, step=step)
    for step in steps:
        assert step.error == pytest.approx(errors[step.epoch - 1], rel=1e-11)
        assert torch.equal(step.image, image_of_identity(net))
        assert (step.trace, step.norm) == trace_and_norm(net)
        assert not step.diverged
    assert all(torch.allclose(p, q, rtol=0, atol=1e-13) for p, q in zip(net.parameters(), expected.parameters()))
    assert all(p.grad is None for p in net.parameters())


@RULE
def test_divergence_is_flagged_and_the_last_finite_state_is_kept(rule):
    net = NETWORKS["N1"](seed=0)
    net.load_state_dict({"0.0.weight": 3 * torch.eye(5)})
    X = draw(9, 5).float()
    *before, last = train_idempotent(net, partial(SGD, lr=1.0), rule, 1000, [(X, X)])
    assert last.diverged
    assert math.isnan(last.error)
    assert last.epoch == len(before) + 1 < 1000
    assert not any(s.diverged or not math.isfinite(s.error) for s in before)
    assert torch.equal(last.image, image_of_identity(net))
    assert math.isfinite(idempotent_error(net, X))


@RULE
def test_stop_and_go_on_equals_an_uninterrupted_run(rule):
    whole, broken = NETWORKS["N1"](seed=0), NETWORKS["N1"](seed=0)
    data, again = (Samples("normal", 30, batch=10, fresh=True, seed=4) for _ in range(2))
    expected = [s.error for s in train_idempotent(whole, sgd, rule, 6, data)]
    steps = train_idempotent(broken, sgd, rule, 3, again)
    errors = [next(steps).error]
    torch.rand(3)
    errors += [s.error for s in steps]
    errors += [s.error for s in train_idempotent(broken, sgd, rule, 3, again)]  # the data go on where they were
    assert errors == expected
    assert torch.equal(whole[0][0].weight, broken[0][0].weight)


def test_fixed_fresh_and_digits():
    fixed, fresh = Samples("normal", 10, seed=1), Samples("normal", 10, fresh=True, seed=1)
    (first,), (second,), (again,), (new,) = list(fixed), list(fixed), list(fresh), list(fresh)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[0], again[0])
    assert not torch.equal(again[0], new[0])
    replay = Samples("normal", 10, fresh=True, seed=1)
    assert [float(X.sum()) for _ in range(2) for X, _ in replay] == [float(X.sum()) for X, _ in (again, new)]
    digits = Samples("digits", 200, batch=50, fresh=True, noise=0.1)
    net = square_net([64, 32, 64], seed=0)
    errors = [s.error for s in train_idempotent(net, partial(SGD, lr=0.1), Algorithm.ORDINARY_SCALED, 4, digits)]
    assert errors[-1] < errors[0]
    for name, samples, words in [("normal", 0, "samples"), ("numbers", 5, "no data set")]:
        with pytest.raises((ValueError, KeyError), match=words):
            Samples(name, samples)


X = torch.ones(4, 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": nn.Linear(5, 4)}, "as wide at its end|shapes cannot be multiplied"),
        ({"model": nn.Linear(5, 1)}, "as wide at its end|shapes cannot be multiplied"),
        ({"model": nn.Tanh()}, "no parameter"),
        ({"model": NETWORKS["N1"](seed=0).requires_grad_(False)}, "no parameter"),
        ({"algorithm": "best"}, "'best' is not a valid Algorithm"),
        ({"optimizer": SGD(nn.Linear(2, 2).parameters())}, "optimizer must be a class"),
        ({"epochs": 0}, "epochs"),
        ({"step": "sample"}, "step must be"),
        ({"batches": []}, "batches is empty"),
        ({"batches": [(X.double(), X)]}, "dtype"),
    ],
)
def test_bad_calls_are_refused_at_the_call(change, words):
    options = {"model": NETWORKS["N1"](seed=0), "optimizer": sgd, "algorithm": Algorithm.MODIFIED, "epochs": 2}
    with pytest.raises((TypeError, ValueError, RuntimeError), match=words):
        train_idempotent(**(options | {"batches": [(X, X)]} | change))


@RULE
@pytest.mark.parametrize("bad", [X * torch.nan, X[:, :4]])
def test_a_bad_batch_is_an_error_and_no_divergence(rule, bad):
    net = NETWORKS["N1"](seed=0)
    before = net[0][0].weight.clone()
    steps = train_idempotent(net, sgd, rule, 2, [(X, X), (bad, bad)])
    with pytest.raises(TrainingError, match="epoch 1, batch 2"):
        next(steps)
    assert torch.equal(net[0][0].weight, before)
