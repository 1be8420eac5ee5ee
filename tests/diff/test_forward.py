"""Forward mode: duals, jvp, jacobian, nesting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.diff.forward import Dual, cos, derivative, exp, jacobian, jvp, log, relu, sin, sqrt, tanh
from helpers.diff.rules import DomainError
from helpers.diff.symbolic import Symbol, differentiate, operations


def example(x1, x2):
    return log(x1) + x1 * x2 - sin(x2)


def test_the_example_of_the_lecture():
    assert jvp(example, (2, 5), (1, 0)) == (example(2.0, 5.0), 5.5)
    assert round(jvp(example, [2.0, 5.0], [0.0, 1.0])[1], 5) == 1.71634
    _, y_dot = jvp(example, (2.0, 5.0), (3.0, -2.0))
    assert y_dot == pytest.approx(3 * 5.5 - 2 * (2 - np.cos(5)), rel=1e-15)


def test_a_jacobian_agrees_with_torch():
    rng = np.random.default_rng(0)
    W, x = rng.normal(size=(3, 4)), rng.normal(size=4)

    def f(tanh, W, x):
        return tanh(W @ x) * (x @ x) + 1 / (x[0] * x[0] + 1)

    ours, t = jacobian(lambda x: f(tanh, W, x), x), torch.tensor(W)
    expected = torch.autograd.functional.jacobian(lambda x: f(torch.tanh, t, x), torch.tensor(x)).numpy()
    assert ours.shape == (3, 4)
    assert np.allclose(ours, expected, rtol=1e-12, atol=1e-14)
    A, B = rng.normal(size=(2, 3, 3))  # both factors of a product vary
    _, y_dot = jvp(lambda X, Y: X @ Y, (A, B), (B, A))
    assert np.allclose(y_dot, B @ B + A @ A)


def test_shapes_and_broadcasting():
    assert jacobian(lambda x: (x * x).sum(), np.ones((2, 3))).shape == (2, 3)
    assert jacobian(lambda X: X * X, np.ones((2, 3))).shape == (2, 3, 2, 3)
    assert jacobian(lambda x: [x[0] * x[1], x[0] + x[1], 7.0], [2, 5]).tolist() == [[5, 2], [1, 1], [0, 0]]
    assert jacobian(lambda x: x * x, 3.0) == 6.0
    x, A = np.array([1.0, 2.0, 3.0]), np.arange(6.0).reshape(2, 3)
    y, y_dot = jvp(lambda x: x + A, x, np.ones(3))
    assert y_dot.shape == y.shape == (2, 3)
    y, y_dot = jvp(lambda x, b: exp(x) * b, (x, 2.0), (np.ones(3), 1.0))
    assert np.allclose(y_dot, 3 * np.exp(x))
    assert jvp(lambda x: x[1:].sum() * len(x), x, np.ones(3)) == (15.0, 6.0)


def test_float32_stays_float32():
    y, y_dot = jvp(lambda x: tanh(2 * x) / (1 + x**2) + relu(x) ** 1.5, np.float32(0.3), 1.0)
    assert type(y) is type(y_dot) is np.float32
    y, y_dot = jvp(lambda x: cos(x) ** 2 - 1, np.ones(3, dtype=np.float32), np.ones(3))
    assert y.dtype == y_dot.dtype == np.float32
    assert jacobian(lambda x: x * 0.1, np.ones(2, dtype=np.float32)).dtype == np.float32


def test_no_perturbation_confusion():
    # Siskind and Pearlmutter, 2005: d/dx (x · d/dy (x + y)) is 1; mixing the two perturbations up gives 2.
    assert derivative(lambda x: x * derivative(lambda y: x + y, 1.0), 1.0) == 1.0
    assert derivative(lambda x: x * derivative(lambda y: x * y, 2.0), 3.0) == 6.0
    x = Dual(1.0, 1.0)  # the same without levels: this is what the test is there to see
    assert (x * (x + Dual(1.0, 1.0)).tangent).tangent == 2.0


def test_derivatives_nest():
    def f(x):
        return sin(x) * exp(-x)

    x = 0.7
    second = derivative(lambda x: derivative(f, x), x)
    third = derivative(lambda x: derivative(lambda y: derivative(f, y), x), x)
    assert second == pytest.approx(-2 * np.cos(x) * np.exp(-x), rel=1e-14)
    assert third == pytest.approx(2 * (np.cos(x) + np.sin(x)) * np.exp(-x), rel=1e-14)
    u, v = (1.0, -0.5), (0.3, 2.0)
    mixed = jvp(lambda *p: jvp(example, p, u)[1], (2.0, 5.0), v)[1]
    assert mixed == pytest.approx(np.array(u) @ [[-1 / 4, 1], [1, np.sin(5)]] @ v, rel=1e-14)


def test_a_function_that_does_not_depend_on_its_input():
    assert jvp(lambda x: 3.0, 2.0, 1.0) == (3.0, 0.0)
    assert jvp(lambda x: np.ones(2), 2.0, 1.0)[1].tolist() == [0, 0]
    assert jvp(lambda x: [x, 1.0], 2.0, 1.0) == ([2.0, 1.0], [1.0, 0.0])
    # the tangent that the result has from outside is not one of the inner differentiation: d/dx (x · d/dy x²) is 0
    assert derivative(lambda x: x * derivative(lambda y: x * x, 1.0), 3.0) == 0.0
    assert derivative(lambda x: jvp(lambda y: [x * y, x], 2.0, 1.0)[1][1] + x, 3.0) == 1.0


def test_comparison_is_by_value():
    x = Dual(2.0, 1.0)
    assert x == 2.0 == x
    assert 1 < x <= Dual(2.0, 5.0)
    assert x != Dual(3.0, 1.0)
    assert len({x, Dual(2.0, 1.0)}) == 2
    assert derivative(lambda x: x * 3 if x > 0 else x, 1.0) == 3.0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Dual(np.ones(2), 1.0), ValueError, r"tangent must have the shape \(2,\)"),
        (lambda: jvp(example, (2.0, 5.0), (1.0,)), ValueError, "tangents must be like primals"),
        (lambda: jvp(lambda x: "y", 2.0, 1.0), TypeError, "f must return numbers, got str"),
        (lambda: jvp(log, np.array([1.0, -1.0]), np.ones(2)), DomainError, r"got -1.0 at index \(1,\)"),
        (lambda: jvp(sqrt, 0.0, 1.0), DomainError, "sqrt has no finite derivative at 0.0"),
        (lambda: jvp(sqrt, np.zeros(2), np.ones(2)), DomainError, "sqrt has no finite derivative"),
        (lambda: derivative(sin, np.ones(2)), ValueError, "tangent must have the shape"),
        (lambda: jacobian(sin, "abc"), TypeError, "x must be real numbers"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_factor_1_is_no_operation_on_symbols_and_no_alias_on_arrays():
    x = Symbol("x")
    y, y_dot = jvp(lambda x: exp(x) + x, x, 1.0)
    assert repr(y_dot) == "exp(x) * 1 + 1"
    assert operations(y, y_dot) == operations(y, differentiate(y, x))
    x_dot = np.ones(3)
    jvp(lambda x: x + 1, np.zeros(3), x_dot)[1][:] = 7
    assert x_dot.tolist() == [1, 1, 1]
