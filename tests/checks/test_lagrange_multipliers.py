"""Each check of lecture 04 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from helpers.checks import lagrange_multipliers as exercises
from helpers.diff.scalar import Scalar, exp, sin
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("lagrange_multipliers")


def test_the_solution_is_what_back_propagation_gives():
    x = Scalar(-1.0)
    a = exp(x)
    c = a + a**2
    f = exp(c) + sin(c)
    f.backward()
    found = solution.multipliers(-1.0)
    assert (found["x"], found["a"], found["c"]) == pytest.approx((x.gradient, a.gradient, c.gradient), rel=1e-14)


def test_the_implicit_solution_is_what_torch_gives_for_the_unrolled_cycle():
    rng = np.random.default_rng(0)
    W, U, c = 0.1 * rng.normal(size=(6, 6)), rng.normal(size=(6, 2)), rng.normal(size=6)
    x = torch.tensor([0.2, -0.7], dtype=torch.float64, requires_grad=True)
    z = torch.zeros(6, dtype=torch.float64)
    for _ in range(200):
        z = torch.tanh(torch.from_numpy(W) @ z + torch.from_numpy(U) @ x)
    (wanted,) = torch.autograd.grad((torch.from_numpy(c) * z).sum(), x)
    found = solution.implicit_gradient(W, U, z.detach().numpy(), c)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-12)


def changed(**entries):
    """Return the right multipliers with some replaced: functions of the right ones."""

    def multipliers(x):
        right = solution.multipliers(x)
        return right | {name: change(right, math.exp(x)) for name, change in entries.items()}

    return multipliers


def in_place(J, c, length):
    total, term = c, c.copy()
    for _ in range(length):
        term = J.T @ term
        total += term
    return total


def implicit(transpose=True, first=True, last=True):
    def implicit_gradient(W, U, z, c):
        slope = 1 - z**2
        J = (slope[:, None] if first else 1) * W
        multiplier = np.linalg.solve(np.eye(len(z)) - (J.T if transpose else J), c)
        return U.T @ ((slope if last else 1) * multiplier)

    return implicit_gradient


def method(sign=1, z_of=None, keep=False):
    def method_of_multipliers(h, target, penalty, steps):
        multiplier, found = 0.0, []
        for _ in range(steps):
            z = z_of(h, target, penalty) if z_of else (target + sign * multiplier + penalty * h) / (1 + penalty)
            multiplier = 0.0 if keep else multiplier + sign * penalty * (h - z)
            found.append(multiplier)
        return found

    return method_of_multipliers


test_wrong_answers = refusing(
    exercises,
    {
        "multipliers": [
            (changed(a=lambda r, a: r["b"] * 2 * a), "λ_a.*two children"),  # one path forgotten
            (changed(x=lambda r, a: 0.0), "λ_x.*the gradient"),  # the input made stationary too
            (changed(**{n: lambda r, a, n=n: -r[n] for n in "xabcdef"}), "λ_f"),  # the other sign
            (lambda x: solution.multipliers(-1.0), r"x = 0\.3"),  # right at one point only
            (lambda x: {"x": solution.multipliers(x)["x"]}, "none for f, e, d, c, b, a"),
        ],
        "path_sum": [
            (lambda J, c, length: solution.path_sum(J.T, c, length), "length 1"),  # not transposed
            (lambda J, c, length: np.linalg.matrix_power(J.T, length) @ c, "length 1"),  # the last term alone
            (lambda J, c, length: np.linalg.solve(np.eye(len(c)) - J.T, c), "length 0"),  # all paths at once
            (in_place, "changed"),
        ],
        "implicit_gradient": [
            (implicit(transpose=False), "a full W"),
            (implicit(first=False), "a diagonal W"),
            (implicit(last=False), "no cycle"),
            (lambda W, U, z, c: U.T @ ((1 - z**2) * c), "a diagonal W"),  # one step unrolled
        ],
        "method_of_multipliers": [
            (method(sign=-1), "1 step "),  # the multiplier of z - h
            (method(keep=True), "1 step "),  # the penalty method
            (method(z_of=lambda h, target, penalty: (target + penalty * h) / (1 + penalty)), "2 steps "),  # λ not used
            (lambda *given: solution.method_of_multipliers(*given)[-1:], "one λ after each"),
        ],
    },
)
