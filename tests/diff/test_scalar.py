"""The scalar reverse engine: what it records, what backward() leaves, what it refuses."""

from __future__ import annotations

import gc
import itertools
import math
import operator
import sys
import weakref

import numpy as np
import pytest
import torch

from helpers.diff.forward import Dual, jvp
from helpers.diff.rules import RULES, DomainError
from helpers.diff.scalar import Scalar, exp, log, sin, sqrt, tanh, topological_order


def test_the_example_of_the_lecture():
    x1, x2 = Scalar(2.0), Scalar(5.0)
    y = log(x1) + x1 * x2 - sin(x2)
    y.backward()
    assert y.value == log(2.0) + 2.0 * 5.0 - sin(5.0)
    assert x1.gradient == 5.5
    assert x2.gradient == pytest.approx(2 - math.cos(5), rel=1e-15)
    assert y.operation is RULES["sub"]
    assert [type(parent) for parent in y.parents] == [Scalar, Scalar]
    assert (x1.operation, x1.parents, Scalar(1.0).gradient) == (None, (), 0.0)


def test_numbers_mix_in_on_both_sides():
    numbers = [3, 3.0, True, np.float32(3), np.float64(3), np.int64(3), np.array(3.0)]
    operators = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
    h = 1e-6  # central differences of numbers of order one: h² and eps / h, both below 1e-9
    for number, op in itertools.product(numbers, operators):
        for ours, f in (
            (lambda x: op(x, number), lambda v: op(v, float(number))),  # noqa: B023
            (lambda x: op(number, x), lambda v: op(float(number), v)),  # noqa: B023
        ):
            x = Scalar(2.0)
            y = ours(x)
            y.backward()
            assert type(y) is Scalar, (number, op)
            assert type(y.value) is float
            assert y.value == pytest.approx(f(2.0), rel=1e-15)
            assert x.gradient == pytest.approx((f(2.0 + h) - f(2.0 - h)) / (2 * h), abs=1e-7), (number, op)
    x = y = Scalar(-2.0)
    y += 3
    y *= x
    assert (-x).value == (+x * -1).value == abs(x).value == 2.0
    y.backward()
    assert x.gradient == -1.0  # (x + 3) x: 2 x + 3


def test_comparison_is_by_value_and_hashing_by_identity():
    a, b = Scalar(2.0), Scalar(2.0)
    assert a == b == 2 == a
    assert (a != b) is False
    assert a < 3 < Scalar(4.0)
    assert np.float64(1) < a <= b >= 2.0
    assert max(a, Scalar(5.0)) == 5
    assert len({a, b}) == 2
    assert a != "2"
    assert (bool(a), bool(Scalar(0.0))) == (True, False)


def test_backward_gives_the_same_numbers_any_number_of_times():
    x = Scalar(3.0)
    square = x * x
    y = square * x + square
    x.value = 100.0  # a later change does not reach what is recorded
    for _ in range(3):
        y.backward()
        assert (x.gradient, square.gradient, y.gradient) == (33.0, 4.0, 1.0)
    square.backward()
    assert x.gradient == 6.0
    x.backward()
    assert (x.gradient, topological_order(x)) == (1.0, [x])


def test_gradients_accumulate_over_outputs_as_in_torch():
    x, t = Scalar(0.7), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    shared, of_torch = sin(x) * x, torch.sin(t) * t
    of_torch.retain_grad()
    outputs = [shared * shared, shared + x, exp(shared)]
    for ours, theirs in zip(outputs, [of_torch * of_torch, of_torch + t, of_torch.exp()]):
        ours.backward(zero_gradient=False)
        theirs.backward(retain_graph=True)
    assert x.gradient == pytest.approx(t.grad.item(), rel=1e-12)
    assert shared.gradient == pytest.approx(of_torch.grad.item(), rel=1e-12)
    y = x * 2  # the same output twice counts twice, in the middle of the trace too
    x.gradient = 0.0
    z = y * 3
    for _ in range(2):
        z.backward(zero_gradient=False)
    assert (x.gradient, y.gradient, z.gradient) == (12.0, 6.0, 2.0)


def test_topological_order_puts_parents_first_and_each_node_once():
    x = Scalar(0.3)
    y = x
    for _ in range(40):  # 2^40 paths
        y = y + y * x
    order = topological_order(y)
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order) == 81
    assert all(place[parent] < place[node] for node in order for parent in node.parents)
    y.backward()
    assert x.gradient == pytest.approx(1.3**40 + 0.3 * 40 * 1.3**39, rel=1e-12)


def test_a_very_long_chain_needs_no_recursion():
    x = Scalar(1.0)
    y, length = x, 100 * sys.getrecursionlimit()
    for _ in range(length):
        y = y + x
    y.backward()
    assert x.gradient == length + 1
    del y  # frees the chain, node by node


def test_a_trace_is_freed_without_the_garbage_collector():
    class Watched(Scalar):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        x = Watched(2.0)
        y = sin(x) * x + tanh(x)
        y.backward()
        gone = weakref.ref(x)
        del x, y
        assert gone() is None
    finally:
        gc.enable()


def test_second_derivatives_from_a_dual_that_carries_scalars():
    def f(m, a, b):
        return m.exp(a * b) * m.sin(a) + m.tanh(b) / a + m.relu(a) ** 3

    x, y = Scalar(0.7), Scalar(-0.4)
    _, slope = jvp(lambda a, b: f(sys.modules["helpers.diff.scalar"], a, b), (x, y), (0.5, 2.0))
    slope.backward()  # the gradient of a directional derivative: the Hessian times the direction
    at, direction = torch.tensor([0.7, -0.4], dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64)
    expected = torch.autograd.functional.hessian(lambda t: f(torch, *t), at) @ direction
    assert [x.gradient, y.gradient] == pytest.approx(expected.tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: Scalar("2"), TypeError, "the value of a Scalar must be real numbers, got '2'"),
        (lambda x: Scalar(Dual(1.0, 1.0)), TypeError, r"say x\.value"),
        (lambda x: x * np.ones(3), TypeError, r"an array of shape \(3,\)"),
        (lambda x: x + 1j, TypeError, "complex"),
        (lambda x: sqrt(x - 2), DomainError, "sqrt has no finite derivative at 0.0"),
        (lambda x: 1 / (x - 2), DomainError, "got 1.0 and 0.0"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(Scalar(2.0))
