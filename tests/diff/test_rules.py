"""The table of rules: every row against torch and NumPy, also at NaN and infinity, and torch against wrong rows."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from helpers.diff import rules
from helpers.diff.arrays import vjp
from helpers.diff.formula import parse
from helpers.diff.forward import Dual, derivative, jvp
from helpers.diff.rules import RULES, DomainError, Rule, apply, local_derivative, power_by
from helpers.diff.scalar import Scalar
from helpers.diff.symbolic import Symbol, differentiate

NAN, INF = math.nan, math.inf
PEERS = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "neg": torch.neg, "power": torch.pow,
         "step": lambda x: torch.heaviside(x, torch.zeros_like(x)), "abs": torch.abs}  # fmt: skip
POINTS = {1: [(0.3,), (1.7,), (-0.8,)], 2: [(0.3, 1.2), (1.7, -0.4), (2.5, 2.5)]}
FLAT = {"step", "sign"}  # torch has no derivative of a step to compare with; ours is 0


def peer(name):
    return PEERS.get(name) or getattr(torch, name)


def points(rule):
    return [p for p in POINTS[len(rule.derivatives)] if rule.domain is None or rule.domain(*p)]


def of_torch(name, function, point):
    operands = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
    result = function(*operands)
    if name in FLAT:
        return result.item(), [0.0] * len(point)
    return result.item(), [g.item() for g in torch.autograd.grad(result, operands)]


def agrees(rule, function):
    """Whether value and derivatives of a row are those of torch, to 1e-14: some roundings of numbers of order one."""
    for point in points(rule):
        expected, slopes = of_torch(rule.name, function, point)
        value = apply(rule, *point)
        found = [local_derivative(rule, i, value, point) for i in range(len(point))]
        if not (math.isclose(value, expected, rel_tol=1e-14) and np.allclose(found, slopes, rtol=1e-14, atol=1e-15)):
            return False
    return True


def test_every_row_agrees_with_torch():
    assert [name for name in RULES if not agrees(RULES[name], peer(name))] == []
    exponents = [0, 1, 2, 3, -1, -2, 0.5, 1.5, -0.5, np.float32(2.5), np.int64(4)]
    assert [n for n in exponents if not agrees(power_by(n), lambda x, n=n: torch.pow(x, float(n)))] == []


def test_the_comparison_refuses_wrong_rows():
    missed = []
    for name in sorted(set(RULES) - FLAT):
        row = RULES[name]
        for (i, right), wrong in itertools.product(
            enumerate(row.derivatives), (lambda d: -d, lambda d: 1.001 * d, lambda d: d + 1e-3)
        ):
            derivatives = list(row.derivatives)
            derivatives[i] = lambda *args, right=right, wrong=wrong: wrong(right(*args))
            if agrees(dataclasses.replace(row, derivatives=tuple(derivatives)), peer(name)):
                missed.append((name, i))
    assert not missed
    assert not agrees(dataclasses.replace(RULES["sin"], value=math.cos), torch.sin)


@pytest.mark.parametrize("name", RULES)
def test_arrays_float32_whole_and_complex_numbers(name):
    rule = RULES[name]
    columns = np.array(points(rule)).T
    values = [apply(rule, *point) for point in points(rule)]
    assert np.allclose(apply(rule, *columns), values, rtol=1e-15)
    assert apply(rule, *columns.astype(np.float32)).dtype == np.float32
    point = points(rule)[0]
    assert type(apply(rule, *map(np.float32, point))) is np.float32
    for point, value in zip(points(rule), values):  # the complex step: exact but for rounding
        moved = apply(rule, complex(point[0], 1e-30), *point[1:])
        if len(set(point)) == len(point):  # no kink
            assert moved.imag / 1e-30 == pytest.approx(local_derivative(rule, 0, value, point), rel=1e-14)
    for dtype in (np.int8, np.uint8, np.int64, bool) if name != "power" else ():
        # a byte would wrap around, and NumPy computes the sine of a byte with 11 bits
        operands = [np.array([1, 5, np.iinfo(dtype).max if dtype is not bool else 1]).astype(dtype)] * len(point)
        with np.errstate(over="ignore"):
            found, expected = (apply(rule, *xs) for xs in (operands, [x.astype(float) for x in operands]))
            pushed, _ = jvp(lambda *x: apply(rule, *x), tuple(operands), tuple(np.ones(3) for _ in operands))
        assert found.dtype == pushed.dtype == np.float64
        assert np.array_equal(found, expected)
        assert np.array_equal(pushed, expected)


OF_NUMPY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
            "power": np.power, "step": lambda x: np.heaviside(x, 0.0), "relu": lambda x: np.maximum(x, 0.0),
            "sigmoid": lambda x: torch.sigmoid(torch.tensor(x, dtype=torch.float64)).numpy()[()]}  # fmt: skip
VALUES = [  # of a rule, by every number type
    lambda rule, p: apply(rule, *p),
    lambda rule, p: apply(rule, *map(np.float64, p)),
    lambda rule, p: apply(rule, *[np.array([x]) for x in p])[0],
    lambda rule, p: apply(rule, *map(Scalar, p)).value,
    lambda rule, p: jvp(lambda *x: apply(rule, *x), tuple(p), (1.0,) * len(p))[0],
    lambda rule, p: vjp(lambda *x: apply(rule, *x), *p)[0],
]


def pushed(rule, p):
    return [jvp(lambda *x: apply(rule, *x), p, tuple(map(float, unit)))[1] for unit in np.eye(len(p))]


def backward(rule, p):
    inputs = [Scalar(x) for x in p]
    apply(rule, *inputs).backward()
    return [x.gradient for x in inputs]


SLOPES = [
    pushed, backward, lambda rule, p: list(vjp(lambda *x: apply(rule, *x), *p)[1](1.0)),
    lambda rule, p: [x_bar[0] for x_bar in vjp(lambda *x: apply(rule, *x), *[np.array([x]) for x in p])[1]([1.0])],
]  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_nan_and_infinity_go_through_or_are_refused(name):
    rule, count = RULES[name], len(RULES[name].derivatives)
    for point in itertools.product([NAN, INF, -INF, 0.0, 0.7, -1.3], repeat=count):
        with np.errstate(all="ignore"):
            expected = (OF_NUMPY.get(name) or getattr(np, name))(*point)
            for number, way in enumerate(VALUES if not all(map(math.isfinite, point)) else ()):
                try:
                    value = way(rule, point)
                except (ValueError, ArithmeticError):
                    continue
                assert np.isclose(value, expected, equal_nan=True), (point, number)


def test_kinks_and_ties_are_those_of_torch():
    assert [derivative(f, 0.0) for f in (rules.relu, rules.absolute, lambda x: rules.maximum(x, 0.0))] == [0, 0, 0.5]
    for name, point in (("relu", (0.0,)), ("abs", (0.0,)), ("maximum", (2.0, 2.0)), ("minimum", (2.0, 2.0))):
        for way in SLOPES:
            assert way(RULES[name], point) == of_torch(name, peer(name), point)[1]
    assert (rules.step(0.0), rules.step(np.zeros(1))[0]) == (0, 0)
    assert (abs(-3 + 1e-20j), rules.absolute(-3 + 1e-20j)) == (3.0, 3 - 1e-20j)  # Python's is a length


def test_nan_through_the_largest_of_an_array():
    y, pullback = vjp(lambda x: x.max(), [1.0, NAN, 2.0])
    assert math.isnan(y)
    assert np.isnan(pullback(1.0)[0]).all()


def test_sigmoid_does_not_overflow():
    far = np.array([-1000.0, -40.0, 40.0, 1000.0])
    for values in (rules.sigmoid(far), [rules.sigmoid(float(x)) for x in far]):
        assert np.allclose(values, [0, math.exp(-40), 1, 1], rtol=1e-12, atol=0)
    assert derivative(rules.sigmoid, -1000.0) == 0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: rules.log(0.0), DomainError, "log needs x > 0, got 0.0"),
        (lambda: rules.log(np.array([[1.0, -2.0]])), DomainError, r"got -2.0 at index \(0, 1\)"),
        (lambda: rules.log(np.array([1.0, 0.0])), DomainError, r"got 0.0 at index \(1,\)"),
        (lambda: rules.sqrt(-1.0), DomainError, "sqrt needs x >= 0, got -1.0"),
        (lambda: apply(RULES["div"], np.ones((2, 3)), np.array([1.0, 0.0, 1.0])), DomainError,
         r"div needs a divisor that is not 0, got 1.0 and 0.0 at index \(0, 1\)"),
        (lambda: apply(power_by(-1), 0), DomainError, "exponent -1"),
        (lambda: apply(power_by(0.5), -1.0), DomainError, "x >= 0"),
        (lambda: rules.sin(math.inf), DomainError, "sin has no value at inf"),
        (lambda: rules.exp(1e4), OverflowError, "exp of 10000.0 is larger than the largest float"),
        (lambda: rules.exp("1"), TypeError, "exp takes numbers, got '1' of type str"),
        (lambda: rules.exp(np.array(["a"])), TypeError, "ndarray"),
    ],
)  # fmt: skip
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_new_operation_is_one_row(monkeypatch):
    softplus = Rule("softplus", lambda x: math.log1p(math.exp(x)), lambda x: np.log1p(np.exp(x)),
                    (lambda y, x: rules.sigmoid(x),))  # fmt: skip
    monkeypatch.setitem(RULES, softplus.name, softplus)
    assert agrees(softplus, torch.nn.functional.softplus)
    x, f = Scalar(0.3), parse("softplus(x) * x")
    y = f(x)
    y.backward()
    slope = differentiate(f(Symbol("x")), Symbol("x")).evaluate({"x": 0.3})
    for found in (derivative(f, 0.3), vjp(f, [0.3])[1]([1.0])[0], slope):
        assert x.gradient == pytest.approx(found, rel=1e-15)
    assert f(0.3) == y.value


def test_the_type_of_the_highest_rank_does_the_work():
    assert type(Scalar(1.0) + Dual(2.0, 1.0)) is Dual
    assert type(Dual(2.0, 1.0) * Scalar(1.0)) is Dual
    assert type(np.float64(2) - Scalar(1.0)) is Scalar
