"""Self-checks of lecture 04."""

from __future__ import annotations

import math

import numpy as np

from helpers.checks.verdict import Answer, Cases, check, judge, same
from helpers.diff import exp, sin
from helpers.diff.lagrange import Program

HINTS = {
    "f": "the output itself: stationarity in f reads 1 - λ_f = 0",
    "e": "e has one child, f, and ∂f/∂e = 1",
    "d": "d has one child, f, and ∂f/∂d = 1",
    "c": "c has two children: add what comes from d and what comes from e",
    "b": "b has one child, c, and ∂c/∂b = 1",
    "a": "a has two children, b and c: add λ_b ∂b/∂a and λ_c ∂c/∂a",
    "x": "nothing sets x's slope to zero: what is left there is λ_a ∂a/∂x, the gradient",
}


@check
def check_multipliers(multipliers: Answer) -> Cases:
    """Check ``multipliers(x) -> {"x": ..., "a": ..., ..., "f": ...}``, written by hand."""
    program = Program(inputs=["x"])
    program.let("a", exp, "x").let("b", lambda a: a**2, "a").let("c", lambda a, b: a + b, "a", "b")
    program.let("d", exp, "c").let("e", sin, "c").let("f", lambda d, e: d + e, "d", "e")
    for x in (-1.0, 0.3, -2.5):
        program.solve({"x": x})
        expected, got = program.multipliers("f"), multipliers(x)
        missing = ", ".join(name for name in HINTS if name not in got)
        yield judge(not missing, f"x = {x}", "the keys x, a, b, c, d, e, f", f"none for {missing}", "give all")
        for name, hint in HINTS.items():
            yield same(got[name], expected[name], f"λ_{name} at x = {x}", hint)


@check
def check_path_sum(path_sum: Answer) -> Cases:
    """Check ``path_sum(J, c, length) -> c + J'c + ... + (J')^length c``."""
    rng = np.random.default_rng(4)
    chain, end = np.diag([2.0, 3.0], -1), np.array([0.0, 0.0, 1.0])  # z1 = 2 z0, z2 = 3 z1
    for J, c, length, case, hint in (
        (chain, end, 0, "a chain of three", "a path of length 0 stays: the sum is c"),
        (chain, end, 1, "a chain of three", "one step back: c + J'c. J' is J.T"),
        (chain, end, 2, "a chain of three", "two steps: c + J'c + J'(J'c)"),
        (chain, end, 5, "a chain of three", "after two steps the paths run out"),
        (rng.normal(size=(4, 4)), rng.normal(size=4), 3, "a full J", "matrix powers, by J.T @ ..., not entry by entry"),
    ):
        expected = sum(np.linalg.matrix_power(J.T, k) @ c for k in range(length + 1))
        given = c.copy()
        yield same(path_sum(J, given, length), expected, f"{case} and length {length}", hint)
        yield same(given, c, f"{case}, c as it was", "write total = total + ..., not +=")


@check
def check_implicit_gradient(implicit_gradient: Answer) -> Cases:
    """Check ``implicit_gradient(W, U, z, c)``, the derivative of c'z in x where z = tanh(Wz + Ux)."""
    rng = np.random.default_rng(5)
    U, x, c = rng.normal(size=(5, 2)), np.array([0.3, -0.4]), rng.normal(size=5)
    full = rng.normal(size=(5, 5))
    for W, case, hint in (
        (np.zeros((5, 5)), "W = 0, no cycle", "then z = tanh(Ux), and the gradient is U'(s c) with s = 1 - z²"),
        (np.diag([0.5, -0.5, 0.3, 0.1, 0.7]), "a diagonal W", "solve (I - J') λ = c with J = diag(s) W"),
        (0.4 * full / np.abs(np.linalg.eigvals(full)).max(), "a full W", "J' is the transpose of J; then U'(s λ)"),
    ):
        z = np.zeros(5)
        for _ in range(300):
            z = np.tanh(W @ z + U @ x)
        slope = 1 - z**2
        expected = U.T @ (slope * np.linalg.solve(np.eye(5) - (slope[:, None] * W).T, c))
        yield same(implicit_gradient(W, U, z.copy(), c), expected, case, hint, 1e-8)


@check
def check_method_of_multipliers(method: Answer) -> Cases:
    """Check ``method_of_multipliers(h, target, penalty, steps) -> [λ after step 1, ..., λ after the last step]``."""
    for h, target, penalty, steps, hint in (
        (2.0, 2.0, 1.0, 3, "at h = target nothing pulls: every gap and every λ is 0, one λ after each step"),
        (3.0, 1.0, 1.0, 1, "from λ = 0, z is (target + μh)/(1 + μ) = 2, the gap h - z is 1"),
        (3.0, 1.0, 4.0, 2, "λ grows by μ times the gap, and z needs the new λ"),
        (-1.0, 0.5, 9.0, 6, "the error of λ shrinks by 1/(1 + μ) a step"),
    ):
        expected = [(h - target) * (1 - math.pow(1 + penalty, -k)) for k in range(1, steps + 1)]
        case = f"h = {h:g}, target {target:g}, μ = {penalty:g}, {steps} step{'s' * (steps > 1)}"
        yield same(list(method(h, target, penalty, steps)), expected, case, hint)
