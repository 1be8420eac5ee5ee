"""Self-checks of lecture 04.

>>> def multipliers(x):
...     raise NotImplementedError("Student exercise: solve the stationarity conditions")
>>> check_multipliers(multipliers)
○ not attempted: replace the `raise` by your answer, then run this cell again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from helpers.checks.verdict import check, judge
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


def document_program() -> Program:
    """Return f(x) = exp(exp x + exp(x)²) + sin(exp x + exp(x)²) as six equations."""
    program = Program(inputs=["x"])
    program.let("a", exp, "x").let("b", lambda a: a**2, "a").let("c", lambda a, b: a + b, "a", "b")
    return program.let("d", exp, "c").let("e", sin, "c").let("f", lambda d, e: d + e, "d", "e")


@check
def check_multipliers(multipliers: Callable[[float], Mapping[str, Any]]) -> Iterator[str | None]:
    """Check ``multipliers(x) -> {"x": ..., "a": ..., ..., "f": ...}``, written by hand."""
    program = document_program()
    for x in (-1.0, 0.3, -2.5):
        program.solve({"x": x})
        expected, got = program.multipliers("f"), multipliers(x)
        missing = [name for name in HINTS if name not in got]
        yield judge(
            not missing, f"x = {x}", "the keys x, a, b, c, d, e, f", f"none for {', '.join(missing)}", "give all"
        )
        for name, hint in HINTS.items():
            value = float(got[name])
            yield judge(
                _close(value, expected[name]), f"λ_{name} at x = {x}", _short(expected[name]), _short(value), hint
            )


@check
def check_path_sum(path_sum: Callable[..., ArrayLike]) -> Iterator[str | None]:
    """Check ``path_sum(J, c, length) -> c + J'c + ... + (J')^length c``."""
    rng = np.random.default_rng(4)
    chain = np.diag([2.0, 3.0], -1)  # z1 = 2 z0, z2 = 3 z1
    for J, c, length, case, hint in (
        (
            chain,
            np.array([0.0, 0.0, 1.0]),
            0,
            "a chain of three and length 0",
            "a path of length 0 stays: the sum is c",
        ),
        (chain, np.array([0.0, 0.0, 1.0]), 1, "a chain of three and length 1", "one step back: c + J'c. J' is J.T"),
        (chain, np.array([0.0, 0.0, 1.0]), 2, "a chain of three and length 2", "two steps: c + J'c + J'(J'c)"),
        (chain, np.array([0.0, 0.0, 1.0]), 5, "a chain of three and length 5", "after two steps the paths run out"),
        (rng.normal(size=(4, 4)), rng.normal(size=4), 3, "a full J", "matrix powers, by J.T @ ..., not entry by entry"),
    ):
        expected = sum(np.linalg.matrix_power(J.T, k) @ c for k in range(length + 1))
        given = J.copy(), c.copy()
        got = np.asarray(path_sum(*given, length), dtype=float)
        yield judge(
            got.shape == c.shape, case, f"an array of shape {c.shape}", f"shape {got.shape}", "one number a node"
        )
        yield judge(bool(np.allclose(got, expected)), case, _row(expected), _row(got), hint)
        same = np.array_equal(given[0], J) and np.array_equal(given[1], c)
        yield judge(same, case, "J and c as they were", "one of them changed", "write total = total + ..., not +=")


@check
def check_implicit_gradient(implicit_gradient: Callable[..., ArrayLike]) -> Iterator[str | None]:
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
        got = np.asarray(implicit_gradient(W, U, copy.copy(z), c), dtype=float)
        yield judge(got.shape == (2,), case, "shape (2,), like x", f"shape {got.shape}", "the last step is U.T @ ...")
        yield judge(bool(np.allclose(got, expected, rtol=1e-8)), case, _row(expected), _row(got), hint)


@check
def check_method_of_multipliers(method: Callable[..., Sequence[Any]]) -> Iterator[str | None]:
    """Check ``method_of_multipliers(h, target, penalty, steps) -> [λ after step 1, ..., λ after the last step]``."""
    for h, target, penalty, steps, case, hint in (
        (2.0, 2.0, 1.0, 3, "h = target, where nothing pulls", "then every gap and every λ is 0"),
        (
            3.0,
            1.0,
            1.0,
            1,
            "h = 3, target 1, μ = 1, one step",
            "from λ = 0, z is (target + μh)/(1 + μ) = 2, the gap h - z is 1",
        ),
        (3.0, 1.0, 4.0, 2, "h = 3, target 1, μ = 4, two steps", "λ grows by μ times the gap, and z needs the new λ"),
        (-1.0, 0.5, 9.0, 6, "h = -1, target 0.5, μ = 9, six steps", "the error of λ shrinks by 1/(1 + μ) a step"),
    ):
        adjoint = h - target
        expected = [adjoint * (1 - (1 + penalty) ** -k) for k in range(1, steps + 1)]
        got = [float(value) for value in method(h, target, penalty, steps)]
        yield judge(len(got) == steps, case, f"{steps} multipliers", len(got), "one after each step")
        yield judge(bool(np.allclose(got, expected, rtol=1e-9, atol=1e-12)), case, _row(expected), _row(got), hint)


def _close(got: float, expected: Any) -> bool:
    return bool(np.isclose(got, float(expected), rtol=1e-9))


def _short(value: Any) -> str:
    return f"{float(value):.6g}"


def _row(values: ArrayLike) -> str:
    return f"[{', '.join(_short(value) for value in np.ravel(values))}]"
