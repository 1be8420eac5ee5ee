"""The table of rules: every row against torch, and torch against wrong rows."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from helpers.diff import rules
from helpers.diff.arrays import vjp
from helpers.diff.formula import parse
from helpers.diff.forward import Dual, derivative, jvp
from helpers.diff.rules import RULES, DivisionByZero, DomainError, Rule, apply, is_number, local_derivative, power_by
from helpers.diff.scalar import Scalar
from helpers.diff.symbolic import Symbol, differentiate

PEERS = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "neg": torch.neg, "power": torch.pow,
         "step": lambda x: torch.heaviside(x, torch.zeros_like(x)), "abs": torch.abs}  # fmt: skip
POINTS = {1: [(0.3,), (1.7,), (-0.8,)], 2: [(0.3, 1.2), (1.7, -0.4), (2.5, 2.5)]}
FLAT = {"step", "sign"}  # torch has no derivative of a step to compare with; ours is 0


def peer(name):
    return PEERS.get(name) or getattr(torch, name)


def points(rule):
    return [p for p in POINTS[len(rule.derivatives)] if rule.domain is None or rule.domain(*p)]


def agrees(rule, of_torch):
    """Whether value and derivatives of a row are those of torch, to 1e-14: some roundings of numbers of order one."""
    for point in points(rule):
        operands = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
        result = of_torch(*operands)
        value = apply(rule, *point)
        if not math.isclose(value, result.item(), rel_tol=1e-14):
            return False
        expected = (
            [0.0] * len(point) if rule.name in FLAT else [g.item() for g in torch.autograd.grad(result, operands)]
        )
        found = [local_derivative(rule, i, value, point) for i in range(len(point))]
        if not np.allclose(found, expected, rtol=1e-14, atol=1e-15):
            return False
    return True


@pytest.mark.parametrize("name", RULES)
def test_a_row_agrees_with_torch(name):
    assert agrees(RULES[name], peer(name))


@pytest.mark.parametrize("n", [0, 1, 2, 3, -1, -2, 0.5, 1.5, -0.5, np.float32(2.5), np.int64(4)])
def test_constant_exponents_agree_with_torch(n):
    assert agrees(power_by(n), lambda x: torch.pow(x, float(n)))


@pytest.mark.parametrize("name", sorted(set(RULES) - FLAT))
@pytest.mark.parametrize("wrong", [lambda d: -d, lambda d: 1.001 * d, lambda d: d + 1e-3])
def test_the_comparison_refuses_a_wrong_derivative(name, wrong):
    row = RULES[name]
    for i, right in enumerate(row.derivatives):
        derivatives = list(row.derivatives)
        derivatives[i] = lambda *args, right=right: wrong(right(*args))
        assert not agrees(dataclasses.replace(row, derivatives=tuple(derivatives)), peer(name))


def test_the_comparison_refuses_swapped_operands_and_a_wrong_value():
    for name in ("sub", "div", "mul", "power", "maximum"):
        row = RULES[name]
        assert not agrees(dataclasses.replace(row, derivatives=row.derivatives[::-1]), peer(name))
    assert not agrees(dataclasses.replace(RULES["sin"], value=math.cos), torch.sin)


@pytest.mark.parametrize("name", RULES)
def test_arrays_float32_and_complex_numbers(name):
    rule = RULES[name]
    columns = np.array(points(rule)).T
    values = [apply(rule, *point) for point in points(rule)]
    assert np.allclose(apply(rule, *columns), values, rtol=1e-15)
    short = apply(rule, *columns.astype(np.float32))
    assert short.dtype == np.float32
    point = points(rule)[0]
    assert type(apply(rule, *map(np.float32, point))) is np.float32
    moved = apply(rule, complex(point[0], 1e-30), *point[1:])  # the complex step: exact but for rounding
    expected = local_derivative(rule, 0, values[0], point)
    assert moved.imag / 1e-30 == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, bool])
@pytest.mark.parametrize("name", [name for name in RULES if name not in ("power",)])
def test_whole_numbers_of_numpy_are_taken_as_floats(name, dtype):
    """A byte would wrap around, and NumPy computes the sine of a byte with 11 bits."""
    top = np.iinfo(dtype).max if dtype is not bool else 1
    operands = [np.array([1, 5, top]).astype(dtype)] * len(RULES[name].derivatives)
    with np.errstate(over="ignore"):
        found, expected = (apply(RULES[name], *xs) for xs in (operands, [x.astype(float) for x in operands]))
        pushed, _ = jvp(lambda *x: apply(RULES[name], *x), tuple(operands), tuple(np.ones(3) for _ in operands))
    assert found.dtype == pushed.dtype == np.float64
    assert np.array_equal(found, expected)
    assert np.array_equal(pushed, expected)


def test_the_power_of_a_byte():
    assert apply(power_by(-1), np.array([2, 4])).tolist() == [0.5, 0.25]
    assert apply(RULES["power"], np.int8(100), np.int8(2)) == 10000.0
    x = Dual(np.array([100], np.int8), np.array([1], np.int8))
    assert ((x + x).value.tolist(), (x * x).tangent.tolist()) == ([200.0], [200.0])


def test_kinks_are_those_of_torch():
    for f, of_torch in ((rules.relu, torch.relu), (rules.absolute, torch.abs), (lambda x: rules.maximum(x, 0.0), None)):
        x = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
        y = of_torch(x) if of_torch else torch.maximum(x, torch.zeros((), dtype=torch.float64))
        assert derivative(f, 0.0) == torch.autograd.grad(y, x)[0].item()


def test_sigmoid_and_tanh_are_stable():
    far = np.array([-1000.0, -40.0, 40.0, 1000.0])
    for values in (rules.sigmoid(far), [rules.sigmoid(float(x)) for x in far]):
        assert np.allclose(values, [0, math.exp(-40), 1, 1], rtol=1e-12, atol=0)
    assert derivative(rules.sigmoid, -1000.0) == 0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: rules.log(0.0), DomainError, "log needs x > 0, got 0.0"),
        (lambda: rules.log(np.array([1.0, -2.0])), DomainError, "got -2.0 at index 1"),
        (lambda: rules.log(np.array([[1.0, -2.0]])), DomainError, r"at index \(0, 1\)"),
        (lambda: rules.sqrt(-1.0), DomainError, "sqrt needs x >= 0, got -1.0"),
        (lambda: apply(RULES["div"], 1.0, 0.0), DivisionByZero, "div needs a divisor that is not 0"),
        (lambda: apply(power_by(-1), 0), ZeroDivisionError, "exponent -1"),
        (lambda: apply(power_by(0.5), -1.0), DomainError, "x >= 0"),
        (lambda: rules.sin(math.inf), DomainError, "sin has no value at inf"),
        (lambda: rules.exp(1e4), OverflowError, "exp of 10000.0 is larger than the largest float"),
        (lambda: rules.exp("1"), TypeError, "exp takes numbers, got '1' of type str"),
        (lambda: rules.exp(None), TypeError, "NoneType"),
        (lambda: rules.exp(np.array(["a"])), TypeError, "ndarray"),
        (lambda: power_by("2"), TypeError, "exponent must be a real number"),
        (lambda: power_by(math.nan), ValueError, "exponent must be finite"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_rules_of_constant_exponents_are_kept_but_not_without_end():
    assert power_by(2) is power_by(2.0)
    for n in range(1000):
        power_by(n + 0.5)
    assert rules._power_by.cache_info().currsize <= rules.EXPONENTS
    assert is_number(1j)
    assert not is_number("1")


def test_a_new_operation_is_one_row(monkeypatch):
    softplus = Rule("softplus", lambda x: math.log1p(math.exp(x)), lambda x: np.log1p(np.exp(x)),
                    (lambda y, x: rules.sigmoid(x),), "softplus({0})", r"\operatorname{{softplus}}({0})")  # fmt: skip
    monkeypatch.setitem(RULES, softplus.name, softplus)
    assert agrees(softplus, torch.nn.functional.softplus)
    x = Scalar(0.3)
    y = apply(RULES["softplus"], x) * x
    y.backward()
    forward = derivative(lambda x: apply(RULES["softplus"], x) * x, 0.3)
    assert x.gradient == pytest.approx(forward, rel=1e-15)
    assert apply(softplus, np.zeros(2)) == pytest.approx(math.log(2))
    assert vjp(lambda x: apply(softplus, x) * x, [0.3])[1]([1.0])[0] == pytest.approx(forward, rel=1e-15)
    f = parse("softplus(x) * x")
    assert f(0.3) == y.value
    assert differentiate(f(Symbol("x")), Symbol("x")).evaluate({"x": 0.3}) == pytest.approx(forward, rel=1e-15)


def test_the_type_of_the_highest_rank_does_the_work():
    assert type(Scalar(1.0) + Dual(2.0, 1.0)) is Dual
    assert type(Dual(2.0, 1.0) * Scalar(1.0)) is Dual
    assert type(np.float64(2) - Scalar(1.0)) is Scalar


def test_a_domain_error_names_the_place_where_shapes_differ_too():
    with pytest.raises(DomainError, match=r"div needs a divisor that is not 0, got 1.0 and 0.0 at index \(0, 1\)"):
        apply(RULES["div"], np.ones((2, 3)), np.array([1.0, 0.0, 1.0]))
