"""Each check of lecture 03 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import numpy as np
import torch

from helpers.checks import vectors_and_matrices as exercises
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("vectors_and_matrices")


def dot_products(pushforward, pullback, x_dot, y_bar):
    return y_bar @ pushforward(x_dot), pullback(y_bar) @ x_dot


def random_products(pushforward, pullback, x_size, y_size, seed):
    rng = np.random.default_rng(seed)
    return dot_products(pushforward, pullback, rng.normal(size=x_size), rng.normal(size=y_size))


def with_ones(pushforward, pullback, x_size, y_size, seed):
    x_dot = np.random.default_rng(seed).normal(size=x_size)
    return np.isclose(*dot_products(pushforward, pullback, x_dot, np.ones(y_size)))


def with_a_unit_vector(pushforward, pullback, x_size, y_size, seed):
    x_dot, y_bar = np.eye(x_size)[-1], np.random.default_rng(seed).normal(size=y_size)
    return np.isclose(*dot_products(pushforward, pullback, x_dot, y_bar))


def test_a_plain_comparison_with_isclose_is_accepted():
    assert exercises.check_agree(lambda *a: np.isclose(*random_products(*a))).status == "correct"


def in_place(y, y_bar):
    y_bar -= (y * y_bar).sum(axis=0)
    return y * y_bar


def test_the_solutions_agree_with_torch():
    rng = np.random.default_rng(0)
    A, X, G = (torch.tensor(rng.normal(size=s), requires_grad=True) for s in ((3, 4), (4, 2), (3, 2)))
    b = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
    y = torch.softmax(A @ X + b, dim=0)
    for expected, got in (
        (torch.autograd.grad(A @ X, (A, X), G), solution.matmul_vjp(*(t.detach().numpy() for t in (A, X, G)))),
        (torch.autograd.grad(A @ X + b, b, G), [solution.unbroadcast(G.detach().numpy(), (3, 1))]),
    ):
        for ours, theirs in zip(got, expected):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    scores = (A @ X).detach().requires_grad_()
    y = torch.softmax(scores, dim=0)
    (expected,) = torch.autograd.grad(y, scores, G)
    np.testing.assert_allclose(solution.softmax_vjp(y.detach().numpy(), G.detach().numpy()), expected, rtol=1e-12)


test_wrong_answers = refusing(
    exercises,
    {
        "agree": [
            (lambda *_: True, "expected calls"),
            (with_ones, "exchanged"),
            (with_a_unit_vector, "receives nothing"),
            (lambda *a: np.isclose(*np.abs(random_products(*a))), "the sign is wrong"),
            (lambda *a: np.isclose(*random_products(*a), rtol=0.01), "0.1 %"),
            (lambda *a: np.isclose(*random_products(*a[:4], 0)), "use the seed"),
        ],
        "softmax_vjp": [
            (lambda y, y_bar: y * y_bar, "1 columns"),
            (lambda y, y_bar: y * (y_bar - (y * y_bar).sum()), "3 columns"),
            (lambda y, y_bar: y * (y_bar - (y * y_bar).sum(axis=1, keepdims=True)), "1 columns"),
            (lambda y, y_bar: solution.softmax_vjp(y, y_bar).T, "the shape"),
            (in_place, "changed in place"),
        ],
        "matmul_vjp": [
            (lambda A, X, G: (G @ X.T, A @ G), "expected|raised"),
            (lambda A, X, G: (A.T @ G, G @ X.T), "expected|raised"),
            (lambda A, X, G: (G @ X.T, 1.001 * A.T @ G), "expected"),
        ],
        "unbroadcast": [
            (lambda G, shape: G, "expected|raised"),
            (lambda G, shape: G.sum(axis=1, keepdims=True), "expected|raised"),
            (lambda G, shape: G.mean(axis=tuple(i for i in (0, 1) if shape[i] == 1), keepdims=True), "expected|raised"),
            (lambda G, shape: G.sum(axis=shape.index(1)).reshape(shape) if 1 in shape else G, "raised"),
        ],
    },
)
