"""NaN and infinity in each operand of each rule: NaN goes through, and so do the derivatives."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from helpers.diff import rules
from helpers.diff.arrays import vjp, where
from helpers.diff.forward import derivative, jvp
from helpers.diff.rules import RULES, apply
from helpers.diff.scalar import Scalar

NAN, INF = math.nan, math.inf
PEERS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
         "power": np.power, "step": lambda x: np.heaviside(x, 0.0), "relu": lambda x: np.maximum(x, 0.0),
         "sigmoid": lambda x: torch.sigmoid(torch.tensor(x, dtype=torch.float64)).numpy()[()]}  # fmt: skip
KINKS = ["maximum", "minimum", "relu", "step", "sign", "abs"]
CASES = [
    (name, point)
    for name, rule in RULES.items()
    for point in itertools.product([NAN, INF, -INF, 0.0, 0.7, -1.3], repeat=len(rule.derivatives))
    if not all(map(math.isfinite, point))
]


def ways(rule, point):
    """The value of a rule by every number type."""
    yield apply(rule, *point)
    yield apply(rule, *map(np.float64, point))
    yield apply(rule, *[np.array([x]) for x in point])[0]
    yield apply(rule, *map(Scalar, point)).value
    yield jvp(lambda *x: apply(rule, *x), point, (1.0,) * len(point))[0]
    yield vjp(lambda *x: apply(rule, *x), *point)[0]


@pytest.mark.parametrize(("name", "point"), CASES, ids=str)
def test_values_are_numpys_or_refused(name, point):
    peer = PEERS.get(name) or getattr(np, name)
    refused = (ValueError, ArithmeticError)
    with np.errstate(all="ignore"):
        expected = peer(*point)
        for number in range(6):
            try:
                value = next(itertools.islice(ways(RULES[name], point), number, None))
            except refused:
                assert name not in KINKS
                continue
            except StopIteration:  # an earlier way refused, and ended the generator
                continue
            assert np.isclose(value, expected, equal_nan=True), number


def slopes(rule, point):
    n = len(point)
    units = [tuple(float(i == j) for j in range(n)) for i in range(n)]
    yield [jvp(lambda *x: apply(rule, *x), point, unit)[1] for unit in units]
    yield [
        jvp(lambda *x: apply(rule, *x), tuple(np.array([x]) for x in point), tuple(np.array([u]) for u in unit))[1][0]
        for unit in units
    ]
    inputs = [Scalar(x) for x in point]
    apply(rule, *inputs).backward()
    yield [x.gradient for x in inputs]
    yield list(vjp(lambda *x: apply(rule, *x), *point)[1](1.0))
    yield [x_bar[0] for x_bar in vjp(lambda *x: apply(rule, *x), *[np.array([x]) for x in point])[1]([1.0])]


def of_torch(name, point):
    """The derivatives that torch has; of a NaN all are NaN."""
    n = len(point)
    if any(map(math.isnan, point)):
        return [NAN] * n
    if name in ("step", "sign"):
        return [0.0]
    xs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
    return [g.item() for g in torch.autograd.grad(getattr(torch, name)(*xs), xs)]


@pytest.mark.parametrize(("name", "point"), [case for case in CASES if case[0] in KINKS], ids=str)
def test_derivatives_at_a_kink_do_not_hide_a_nan(name, point):
    expected = of_torch(name, point)
    for number, found in enumerate(slopes(RULES[name], point)):
        assert np.allclose(found, expected, equal_nan=True), number


def test_nan_through_the_largest_of_an_array():
    y, pullback = vjp(lambda x: x.max(), [1.0, NAN, 2.0])
    assert math.isnan(y)
    assert np.isnan(pullback(1.0)[0]).all()


def test_what_where_leaves_out_does_not_spoil_the_gradient():
    for bar in (NAN, INF):
        a_bar, b_bar = vjp(lambda a, b: where([True, False], a, b), np.ones(2), np.ones(2))[1]([bar, 1.0])
        assert np.array_equal(a_bar, [bar, 0.0], equal_nan=True)
        assert np.array_equal(b_bar, [0.0, 1.0])


def test_from_either_side():
    for f in (rules.maximum, rules.minimum):
        assert math.isnan(f(NAN, 1.0))
        assert math.isnan(f(1.0, NAN))
        assert math.isnan(derivative(lambda x, f=f: f(x, 1.0), NAN))
        assert math.isnan(f(complex(NAN, 1e-20), 1.0 + 0j).real)
