"""Each check of lectures 01 to 04 refuses wrong answers that a reader may well write."""

import math

import numpy as np
import pytest
import torch

from helpers.checks import vectors_and_matrices
from tests.checks.refused import refuse
from tests.solutions import load

LECTURES = ("three_ways_to_differentiate", "scalar_backpropagation", "vectors_and_matrices", "lagrange_multipliers")
s1, s2, s3, s4 = map(load, LECTURES)
WRONG = {}


def parts(x):
    a = math.exp(x)
    return a, a + a**2


def counting(mistaken, count):
    return lambda way, n, m: count(n, m) if way == mistaken else s1.passes(way, n, m)


def test_wang_jenkins_derivative_at_minus_1():
    assert s1.by_hand(-1.0) == pytest.approx(1.6155741697332788, rel=1e-15)


WRONG["three_ways_to_differentiate"] = {
    "best_step": [
        (lambda size, curvature, eps: math.sqrt(eps), "solve for h"),  # the rule of thumb
        (lambda size, curvature, eps: math.sqrt(eps * size / curvature), "solve for h"),  # the factor 2 is lost
        (lambda size, curvature, eps: 2 * math.sqrt(eps * curvature / size), "size and curvature"),  # upside down
    ],
    "by_hand": [
        (lambda x: math.exp(parts(x)[1]) + math.cos(parts(x)[1]), "inner derivative"),
        (lambda x: math.exp(parts(x)[1]) + math.cos(parts(x)[1]) * (parts(x)[0] + 2 * parts(x)[0] ** 2), "share"),
        (lambda x: 1.6155741697332788, "x = 0"),  # right at -1 alone
    ],
    "dual_quotient": [
        (lambda a, b: (a[0] / b[0], a[1] / b[0]), "sign and the square"),  # forgets that b changes
        (lambda a, b: (a[0] / b[0], (a[1] * b[0] + a[0] * b[1]) / b[0] ** 2), "sign"),
        (lambda a, b: (a[0] / b[0], (a[1] * b[0] - a[0] * b[1]) / b[0]), "constant divisor"),  # no square
    ],
    "passes": [
        (counting("forward difference", lambda n, m: n), "once, and"),
        (counting("forward mode", lambda n, m: m), "one column"),
        (counting("reverse mode", lambda n, m: n), "one row"),
    ],
}


def only_direct(output, node):
    return [d for parent, d in zip(output.parents, output.local_derivatives) if parent is node]


def without_memory(output):
    order = []
    for parent in output.parents:
        order += without_memory(parent)
    return [*order, output]


def level_by_level(output):
    nodes = [output]
    for node in nodes:
        nodes += [p for p in dict.fromkeys(node.parents) if not any(p is n for n in nodes)]
    return nodes[::-1]


def by_recursion(output):
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(output)
    return order


def sweep(order=None, zero=True, hand_on=None, factor=1.0):
    """Return a backward pass with one thing changed."""

    def backward(output):
        nodes = s2.topological_order(output) if order is None else order(output)
        if zero:
            for node in nodes:
                node.gradient = 0.0
        output.gradient = 1.0
        for node in reversed(nodes):
            for parent, derivative in zip(node.parents, node.local_derivatives):
                product = factor * node.gradient * derivative
                parent.gradient = hand_on(parent.gradient, product) if hand_on else parent.gradient + product

    return backward


WRONG["scalar_backpropagation"] = {
    "division": [
        (lambda a, b: a / b, "a pair of derivatives"),
        (lambda a, b: (a / b, (1 / b, a / b**2)), "mind the minus"),
        (lambda a, b: (a // b, (1 / b, -a / b**2)), "the value"),
    ],
    "path_products": [
        (only_direct, "empty product"),
        (lambda y, x: sum(s2.path_products(y, x)), "a list"),
        (lambda y, x: list(set(s2.path_products(y, x))), "two paths, though they are alike"),
    ],
    "topological_order": [
        (without_memory, "each node once"),
        (level_by_level, "parents before"),
        (by_recursion, "RecursionError.*list of your own"),
        (lambda y: [n for n in s2.topological_order(y) if n.parents] or [y], "nodes"),
    ],
    "backward": [
        (sweep(hand_on=lambda old, product: product), "used three times"),
        (sweep(zero=False), "the second time"),
        (sweep(order=level_by_level), "walk the topological order"),
        (sweep(factor=1.001), "a · b"),
    ],
}


def dot_products(pushforward, pullback, x_dot, y_bar):
    return y_bar @ pushforward(x_dot), pullback(y_bar) @ x_dot


def random_products(pushforward, pullback, x_size, y_size, seed):
    rng = np.random.default_rng(seed)
    return dot_products(pushforward, pullback, rng.normal(size=x_size), rng.normal(size=y_size))


def with_ones(pushforward, pullback, x_size, y_size, seed):
    x_dot = np.random.default_rng(seed).normal(size=x_size)
    return np.isclose(*dot_products(pushforward, pullback, x_dot, np.ones(y_size)))


def test_a_plain_comparison_with_isclose_is_accepted():
    assert vectors_and_matrices.check_agree(lambda *a: np.isclose(*random_products(*a))).status == "correct"


def gradient_in_place(y, y_bar):
    y_bar -= (y * y_bar).sum(axis=0)
    return y * y_bar


def test_the_solutions_agree_with_torch():
    rng = np.random.default_rng(0)
    A, X, G = (torch.tensor(rng.normal(size=s), requires_grad=True) for s in ((3, 4), (4, 2), (3, 2)))
    b = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
    y = torch.softmax(A @ X + b, dim=0)
    given = {name: t.detach().numpy() for name, t in (("A", A), ("X", X), ("G", G), ("y", y))}
    expected = (*torch.autograd.grad(A @ X, (A, X), G), *torch.autograd.grad(A @ X + b, b, G))
    found = (*s3.matmul_vjp(given["A"], given["X"], given["G"]), s3.unbroadcast(given["G"], (3, 1)))
    (through,) = torch.autograd.grad(y, b, G)
    found += (s3.unbroadcast(s3.softmax_vjp(given["y"], given["G"]), (3, 1)),)
    for ours, theirs in zip(found, (*expected, through), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


WRONG["vectors_and_matrices"] = {
    "agree": [
        (lambda *_: True, "expected calls"),
        (with_ones, "exchanged"),
        (lambda *a: np.isclose(*np.abs(random_products(*a))), "the sign is wrong"),
        (lambda *a: np.isclose(*random_products(*a), rtol=0.01), "0.1 %"),
        (lambda *a: np.isclose(*random_products(*a[:4], 0)), "use the seed"),
    ],
    "softmax_vjp": [
        (lambda y, y_bar: y * y_bar, "1 columns"),
        (lambda y, y_bar: y * (y_bar - (y * y_bar).sum()), "3 columns"),
        (lambda y, y_bar: y * (y_bar - (y * y_bar).sum(axis=1, keepdims=True)), "1 columns"),
        (gradient_in_place, "change nothing in place"),
    ],
    "matmul_vjp": [
        (lambda A, X, G: (G @ X.T, A @ G), "expected|raised"),
        (lambda A, X, G: (A.T @ G, G @ X.T), "expected|raised"),
        (lambda A, X, G: (G @ X.T, 1.001 * A.T @ G), "expected"),
    ],
    "unbroadcast": [
        (lambda G, shape: G, "expected|raised"),
        (lambda G, shape: G.mean(axis=tuple(i for i in (0, 1) if shape[i] == 1), keepdims=True), "expected|raised"),
        (lambda G, shape: G.sum(axis=shape.index(1)).reshape(shape) if 1 in shape else G, "raised"),
    ],
}


def changed(**entries):
    """Return the right multipliers with some replaced: functions of the right ones."""

    def multipliers(x):
        right = s4.multipliers(x)
        return right | {name: change(right, math.exp(x)) for name, change in entries.items()}

    return multipliers


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


WRONG["lagrange_multipliers"] = {
    "multipliers": [
        (changed(a=lambda r, a: r["b"] * 2 * a), "λ_a.*two children"),  # one path forgotten
        (changed(**{n: lambda r, a, n=n: -r[n] for n in "xabcdef"}), "λ_f"),  # the other sign
        (changed(x=lambda r, a: 0.0), "λ_x.*the gradient"),  # the input made stationary too
        (lambda x: s4.multipliers(-1.0), r"x = 0\.3"),  # right at one point only
        (lambda x: {"x": s4.multipliers(x)["x"]}, "none for f, e, d, c, b, a"),
    ],
    "path_sum": [
        (lambda J, c, length: s4.path_sum(J.T, c, length), "length 1"),  # not transposed
        (lambda J, c, length: np.linalg.matrix_power(J.T, length) @ c, "length 1"),  # the last term alone
        (lambda J, c, length: np.linalg.solve(np.eye(len(c)) - J.T, c), "length 0"),  # all paths at once
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
        (lambda *given: s4.method_of_multipliers(*given)[-1:], "one λ after each"),
    ],
}


@pytest.mark.parametrize("lecture", WRONG)
def test_wrong_answers_are_refused(lecture):
    refuse(lecture, WRONG[lecture])
