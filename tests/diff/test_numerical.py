"""Difference formulas: against closed forms, with their errors, their price, and what they refuse."""

from __future__ import annotations

import itertools
import math
import platform
import sys

import numpy as np
import pytest

import helpers.diff as d
from helpers.diff.numerical import METHODS, Counted, DifferenceFormula, gradient

POINT = np.array([2.0, 5.0])
GRADIENT = np.array([5.5, 2 - math.cos(5)])
# half, two thirds and all of the digits, with a factor for |f| = 11.7 and its derivatives
TOLERANCE = {
    "forward": lambda eps: 10 * eps ** (1 / 2),
    "central": lambda eps: 10 * eps ** (2 / 3),
    "complex": lambda eps: 10 * eps,
}


def bellani(x):
    return np.log(x[0]) + x[0] * x[1] - np.sin(x[1])


def check_accuracy(method, dtype=np.float64):
    found = gradient(bellani, POINT.astype(dtype), method)
    assert found.dtype == dtype
    assert np.abs(found - GRADIENT).max() < TOLERANCE[method](float(np.finfo(dtype).eps))


WRONG = [
    ("forward", lambda line, h: (line(0) - line(h)) / h),
    ("forward", lambda line, h: (line(h) - line(0)) / (1.001 * h)),
    ("central", lambda line, h: (line(h) - line(-h)) / h),
    ("central", lambda line, h: (line(h) - line(0)) / h),
    ("complex", lambda line, h: line(1j * h).real / h),
    ("complex", lambda line, h: line(-1j * h).imag / h),
]


def test_the_default_step_reaches_the_accuracy_of_its_formula_and_no_wrong_one_does(monkeypatch):
    for method, dtype in itertools.product(METHODS, (np.float32, np.float64)):
        check_accuracy(method, dtype)
    for method, quotient in WRONG:
        with monkeypatch.context() as patch, np.errstate(over="ignore"):
            patch.setitem(METHODS, method, DifferenceFormula(quotient, METHODS[method].best_step))
            with pytest.raises((AssertionError, ValueError)):
                check_accuracy(method)


def test_the_errors_that_the_lecture_prints():
    x = POINT.astype(np.float32)
    error = np.abs(x[0] - np.cos(x[1]) - gradient(bellani, x, "forward", 1e-5)[1])
    assert abs(error - 0.09509146) <= np.spacing(bellani(x)) / 1e-5
    if sys.platform == "linux" and platform.machine() == "x86_64":
        assert error == np.float32(0.09509146)
    for dtype, method, step, error in (
        (np.float32, "forward", 1e-4, 2.8e-4),
        (np.float32, "central", 1e-2, 3.8e-5),
        (np.float64, "forward", 1e-8, 1.3e-8),
        (np.float64, "central", 1e-5, 8.7e-11),
    ):
        found = gradient(bellani, POINT.astype(dtype), method, step)[1]
        ulp = float(np.spacing(dtype(11.7))) / step  # one more or less in the values of f moves the quotient by this
        assert abs(abs(found - GRADIENT[1]) - error) < ulp


def test_the_price_in_evaluations():
    for check, prices in ((True, (14, 25, 15)), (False, (13, 24, 13))):
        for method, price in zip(("forward", "central", "complex"), prices):
            f = Counted(lambda x: np.sum(np.sin(x)))
            gradient(f, np.ones((3, 4)), method, check=check)
            assert f.evaluations == price, (method, check)


@pytest.mark.parametrize("method", METHODS)
def test_shapes_and_types_of_input_and_result(method):
    seen = []

    def cube_sum(x):
        seen.append(x)
        return (x * x * x).sum() if isinstance(x, np.ndarray) and x.ndim else x * x * x

    assert isinstance(gradient(cube_sum, 2.0, method), float)
    assert type(seen[0]) is float
    assert gradient(cube_sum, 2, method) == pytest.approx(12)
    assert type(gradient(cube_sum, np.float32(2), method, check=False)) is np.float32
    assert seen[-1].dtype == (np.complex64 if method == "complex" else np.float32)
    assert gradient(cube_sum, [[1, 2], [3, 4]], method) == pytest.approx(np.array([[3, 12], [27, 48]]))
    assert gradient(cube_sum, (0.0, 1e8), method)[1] == pytest.approx(3e16)  # the step grows with x


@pytest.mark.parametrize("method", METHODS)
def test_f_may_change_its_argument_or_fill_the_same_array_each_time(method):
    buffers = {kind: np.zeros((), kind) for kind in (float, complex)}

    def f(x):
        x *= 2
        buffer = buffers[complex if np.iscomplexobj(x) else float]
        buffer[...] = x[0] * x[1]
        return buffer

    x = np.array([3.0, 4.0])
    assert gradient(f, x, method) == pytest.approx(np.array([16, 12]))
    assert x.tolist() == [3, 4]


def test_complex_step_through_kinks_and_branches():
    def kinked(x):
        return d.relu(x[0]) * d.sigmoid(x[1]) + d.absolute(x[0]) * d.maximum(x[0], x[1]) + d.minimum(x[0], 2.0)

    def branching(x):
        return x[0] * x[1] if x[0] > 0 else 3.0

    for f, x in itertools.product((kinked, branching), ([-1.3, 0.4], [1.3, -0.4], [0.2, 0.7])):
        assert gradient(f, x, "complex") == pytest.approx(gradient(f, x, "central"), abs=1e-9)


DROPS = {
    "real": lambda x: (x.real**2).sum(),
    "one entry of many": lambda x: (x * x).sum() - x.flat[7] ** 2 + x.real.flat[7] ** 2,
    "a length": lambda x: abs(x).sum(),
    "a norm": np.linalg.norm,
    "an angle": lambda x: (np.angle(np.asarray(x) + 2j)).sum() if np.iscomplexobj(x) else x.sum(),
    "a modulus": lambda x: (np.asarray(x) * np.asarray(x).conj()).sum().real,
    "a constant array": lambda x: np.array([complex(z).real for z in np.asarray(x).flat]).sum(),
}


def test_what_drops_the_imaginary_part_is_refused():
    for name, (size, dtype) in itertools.product(DROPS, ((8, np.float32), (8, float), (100, float), (1000, float))):
        with pytest.raises(ValueError, match=r"may drop the imaginary part.*check=False"):
            gradient(DROPS[name], np.linspace(1, 2, size).astype(dtype), "complex")
    for x in (3.0, 1e-9, -1e-3, 1e6):
        for f in (lambda x: x.real**2, lambda x: 1 + x.real, lambda x: x + x.real, lambda x: 1e6 + x.real):
            with pytest.raises(ValueError, match="may drop the imaginary part"):
                gradient(f, x, "complex")
        assert gradient(lambda x: x.real**2, x, "complex", check=False) == 0
    for f in (d.absolute, d.relu, np.sqrt, lambda x: x**0.5):
        with pytest.raises(ValueError, match="not be smooth at x"):
            gradient(f, 0.0, "complex")


SMOOTH = {
    "log": (np.log, lambda x: 1 / x, (1e-140, 1e-9, 0.5, 1e9, 1e300)),
    "inverse": (lambda x: 1 / x, lambda x: -1 / x**2, (1e-140, -1e-9, 0.5, 1e9, 1e100)),
    "exp": (np.exp, np.exp, (-200.0, -1.0, 0.0, 1e-9, 1.0, 600.0)),
    "fast sine": (lambda x: np.sin(1e6 * x), lambda x: 1e6 * np.cos(1e6 * x), (0.0, 1e-9, 0.3, 1.0)),
    "cube": (lambda x: x**3, lambda x: 3 * x * x, (-1e90, -2.0, 1e-9, 1e90)),
    "root": (np.sqrt, lambda x: 0.5 / np.sqrt(x), (1e-140, 1e-9, 2.0, 1e200)),
    "nothing": (lambda x: 7.0, lambda x: 0.0, (0.0, 1e-9, 1e9)),
    "large and flat": (lambda x: 1e8 + np.cos(x), lambda x: -np.sin(x), (0.0, 1.0, 1e-9)),
}


def test_no_smooth_function_with_a_slope_is_refused_on_any_scale():
    for name, (f, derivative, points) in SMOOTH.items():
        for x in points:
            assert gradient(f, x, "complex") == pytest.approx(derivative(x), rel=1e-12), (name, x)


NOISE, CALLS = np.random.default_rng(0), itertools.count()


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_have_the_right_difference_is_refused(method):
    for f, words in (
        (lambda x: x.sum() > 1, "must give one number"),
        (lambda x: x.astype(np.complex64 if np.iscomplexobj(x) else np.float32).sum(), "gives (float32|complex64) for"),
        (lambda x: x.sum() + 1e-3 * NOISE.standard_normal(), "two values at one point|difference disagree"),
        (lambda x: x.sum() + next(CALLS), "two values at one point|difference disagree"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            gradient(f, [1.0, 2.0], method)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"method": "backward"}, ValueError, "method must be one of forward, central, complex, got 'backward'"),
        ({"step": 0}, ValueError, "step must be finite and change"),
        ({"step": math.nan}, ValueError, "step must be finite"),
        ({"step": 1e-20}, ValueError, r"step must .* change each x in float64, got 1e-20; try 3e-05"),
        ({"step": 1e-320, "method": "complex"}, ValueError, "got 1e-320"),
        ({"step": 1e-8, "x": np.float32([1, 2])}, ValueError, "change each x in float32"),
        ({"x": "2"}, TypeError, "x must be real numbers"),
        ({"x": [math.nan, 1.0]}, ValueError, "f must be finite|step must be finite"),
        ({"f": lambda x: x * x}, ValueError, "f must give one number"),
        ({"f": lambda x: math.inf}, ValueError, "f must be finite"),
        ({"f": lambda x: "2"}, ValueError, "f must give one number, .* got '2' of type str"),
        ({"f": lambda x: x[0] + 1j}, ValueError, "real for real x"),
        ({"f": lambda x: d.log(-x[0]), "method": "complex"}, ValueError, "log needs x > 0"),
    ],
)
def test_bad_input_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        gradient(**{"f": bellani, "x": [2.0, 5.0], **arguments})
