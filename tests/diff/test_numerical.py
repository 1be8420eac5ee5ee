"""Difference formulas: against closed forms, with their errors, their price, and what they refuse."""

from __future__ import annotations

import itertools
import math
import platform
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import helpers.diff as d
from helpers.diff.numerical import METHODS, Counted, DifferenceFormula, OnTheRealLine, gradient, jacobian

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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_the_default_step_reaches_the_accuracy_of_its_formula(method, dtype):
    found = gradient(bellani, POINT.astype(dtype), method)
    assert found.dtype == dtype
    assert np.abs(found - GRADIENT).max() < TOLERANCE[method](float(np.finfo(dtype).eps))


@pytest.mark.parametrize(
    ("method", "quotient"),
    [
        ("forward", lambda line, h: (line(0) - line(h)) / h),
        ("forward", lambda line, h: (line(h) - line(0)) / (1.001 * h)),
        ("central", lambda line, h: (line(h) - line(-h)) / h),
        ("central", lambda line, h: (line(h) - line(0)) / h),
        ("complex", lambda line, h: line(1j * h).real / h),
        ("complex", lambda line, h: line(-1j * h).imag / h),
    ],
)
def test_the_accuracy_test_refuses_wrong_formulas(method, quotient, monkeypatch):
    monkeypatch.setitem(METHODS, method, DifferenceFormula(quotient, METHODS[method].best_step))
    with np.errstate(over="ignore"), pytest.raises((AssertionError, ValueError)):
        test_the_default_step_reaches_the_accuracy_of_its_formula(method, np.float64)


def test_the_error_that_the_document_prints():
    x = POINT.astype(np.float32)
    error = np.abs(x[0] - np.cos(x[1]) - gradient(bellani, x, "forward", 1e-5)[1])
    ulp = np.spacing(bellani(x))
    assert abs(error - 0.09509146) <= ulp / 1e-5
    if sys.platform == "linux" and platform.machine() == "x86_64":
        assert error == np.float32(0.09509146)


@pytest.mark.parametrize(
    ("dtype", "method", "step", "error"),
    [
        (np.float32, "forward", 1e-4, 2.8e-4),
        (np.float32, "central", 1e-2, 3.8e-5),
        (np.float64, "forward", 1e-8, 1.3e-8),
        (np.float64, "central", 1e-5, 8.7e-11),
    ],
)
def test_errors_at_better_steps(dtype, method, step, error):
    found = gradient(bellani, POINT.astype(dtype), method, step)[1]
    ulp = float(np.spacing(dtype(11.7))) / step  # one more or less in the values of f moves the quotient by this
    assert abs(abs(found - GRADIENT[1]) - error) < ulp


@pytest.mark.parametrize(("method", "best"), [("forward", 1e-6), ("central", 1e-9), ("complex", 1e-14)])
def test_the_default_step_is_near_the_bottom_of_the_u(method, best):
    """No step between 1e-14 and 0.1 is better than the default by more than two digits; many are far worse."""
    errors = [abs(gradient(bellani, POINT, method, 10.0**k) - GRADIENT).max() for k in range(-14, 0)]
    default = abs(gradient(bellani, POINT, method) - GRADIENT).max()
    assert default < best
    assert default <= 100 * min(errors) + 1e-15
    assert max(errors) > 1e4 * default


@pytest.mark.parametrize("method", METHODS)
def test_the_price_in_evaluations(method):
    f = Counted(lambda x: np.sum(np.sin(x)))
    gradient(f, np.ones((3, 4)), method)
    assert f.evaluations == {"forward": 14, "central": 25, "complex": 15}[method]
    f = Counted(f.f)
    gradient(f, np.ones((3, 4)), method, check=False)
    assert f.evaluations == {"forward": 13, "central": 24, "complex": 13}[method]


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
    assert gradient(cube_sum, np.array(2.0), method) == pytest.approx(12)
    assert gradient(cube_sum, [[1, 2], [3, 4]], method) == pytest.approx(np.array([[3, 12], [27, 48]]))
    assert gradient(cube_sum, (0.0, 1e8), method)[1] == pytest.approx(3e16)  # the step grows with x


def test_f_may_change_its_argument():
    def f(x):
        x *= 2
        return x[0] * x[1]

    x = np.array([3.0, 4.0])
    for method in METHODS:
        assert gradient(f, x, method) == pytest.approx(np.array([16, 12]))
    assert x.tolist() == [3, 4]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=4), st.sampled_from(sorted(METHODS)))
def test_jacobian_of_an_elementwise_product(x, method):
    a = np.arange(1.0, len(x) + 1)
    found = jacobian(lambda x: a * x * np.roll(x, 1), x, method)
    size = len(x)
    expected = np.diag(a * np.roll(x, 1)) + np.eye(size)[np.roll(np.arange(size), 1)] * (a * x)[:, None]
    assert np.abs(found - expected).max() < 20 * TOLERANCE[method](np.finfo(float).eps)  # |f| <= 36


def test_jacobian_shapes():
    assert jacobian(lambda x: np.outer(x, x), np.ones(3)).shape == (3, 3, 3)
    assert jacobian(lambda x: x.sum(), np.ones((2, 3))).shape == (2, 3)
    assert jacobian(lambda x: np.array([x, 2 * x]), 1.0).tolist() == pytest.approx([1, 2])


def kinked(x):
    return d.relu(x[0]) * d.sigmoid(x[1]) + abs(x[0]) * d.maximum(x[0], x[1]) + d.sign(x[1]) * d.minimum(x[0], 2)


def branching(x):
    return x[0] * x[1] if x[0] > 0 else 3.0


def through_numpy(x):
    y = np.abs(np.stack([x[0] * x[1], x[1]])) + np.where(x > 0, x, 3 * x)
    return np.sum(np.maximum(y, 0)) + np.mean(np.abs(x)) + x @ x + np.prod(np.sign(x) * x)


@pytest.mark.parametrize("f", [kinked, branching, through_numpy])
@pytest.mark.parametrize("x", [[-1.3, 0.4], [1.3, -0.4], [0.2, 0.7]])
def test_complex_step_through_kinks_and_branches(f, x):
    assert gradient(f, x, "complex") == pytest.approx(gradient(f, x, "central"), abs=1e-9)


def test_plain_complex_numbers_would_lose_the_absolute_value(monkeypatch):
    """What `OnTheRealLine` is for: without it the derivative of abs(x) comes out as 0."""
    monkeypatch.setattr("helpers.diff.numerical.OnTheRealLine", np.ndarray)
    assert gradient(lambda x: abs(x[0]) * x[1], [-2.0, 3.0], "complex", check=False).tolist() == [0, 2]
    monkeypatch.undo()
    assert gradient(lambda x: abs(x[0]) * x[1], [-2.0, 3.0], "complex").tolist() == [-3, 2]


@pytest.mark.parametrize(
    "f",
    [
        np.linalg.norm,
        np.std,
        lambda x: math.sin(x[0]),
        lambda x: np.conj(x)[0],
        lambda x: np.angle(x[0]),
        lambda x: int(x[0]),
    ],
)
def test_complex_step_refuses_what_drops_the_imaginary_part(f):
    with pytest.raises(TypeError, match=r"drops the imaginary part.*method='central'"):
        gradient(f, [2.0, 3.0], "complex")


def test_results_in_place_keep_the_derivative():
    z = np.array([-3 + 1e-20j]).view(OnTheRealLine)
    z += 1
    assert np.asarray(abs(z)).tolist() == [2 - 1e-20j]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"method": "backward"}, ValueError, "method must be one of forward, central, complex, got 'backward'"),
        ({"method": ["central"]}, ValueError, "method must be"),
        ({"step": 0}, ValueError, "step must be above 0"),
        ({"step": -1e-5}, ValueError, "step must be above 0"),
        ({"step": math.nan}, ValueError, "step must be above 0"),
        ({"step": math.inf}, ValueError, "step must be above 0"),
        ({"step": "small"}, TypeError, "step must be a number"),
        ({"step": True}, TypeError, "step must be a number"),
        ({"step": 1e-20}, ValueError, r"step 1e-20 is too small: it does not change x = 2.0 in float64; try 1e-05"),
        ({"step": 1e-20, "method": "forward"}, ValueError, "try 3e-08"),
        ({"step": 1e-320, "method": "complex"}, ValueError, "step 1e-320 is too small"),
        ({"step": 1e-8, "x": np.float32([1, 2])}, ValueError, "does not change x = 1.0 in float32"),
        ({"x": [[1.0, 2.0], [3.0]]}, ValueError, "x must be .* rows of different lengths"),
        ({"x": np.array([1.0, None])}, TypeError, "x must be real numbers"),
        ({"x": "2"}, TypeError, "x must be real numbers"),
        ({"x": None}, TypeError, "x must be real numbers"),
        ({"x": [True, False]}, TypeError, "x must be real numbers"),
        ({"x": [1j, 2]}, TypeError, "x must be real numbers"),
        ({"x": []}, ValueError, "x must hold at least one number"),
        ({"x": [math.nan, 1.0]}, ValueError, "x must be finite"),
        ({"f": lambda x: x * x}, ValueError, r"f must give one number, got an array of shape \(2,\); use jacobian"),
        ({"f": lambda x: math.inf}, ValueError, "f must be finite"),
        ({"f": lambda x: "2"}, TypeError, "f must give numbers, got '2' of type str"),
        ({"f": lambda x: None}, TypeError, "f must give numbers, got None"),
        ({"f": lambda x: x[0] + 1j}, ValueError, "f must give real numbers for real x"),
        ({"f": lambda x: d.log(-x[0]), "method": "complex"}, ValueError, "log needs x > 0"),
    ],
)
def test_bad_input_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        gradient(**{"f": bellani, "x": [2.0, 5.0], **arguments})


DROPS = {
    "real": lambda x: (x.real**2).sum(),
    "one entry of many": lambda x: (x * x).sum() - x.flat[7] ** 2 + x.real.flat[7] ** 2,
    "a cast": lambda x: (np.asarray(x).real.astype(float) ** 3).sum(),
    "an angle": lambda x: (np.angle(np.asarray(x) + 2j)).sum(),
    "a modulus": lambda x: (np.asarray(x) * np.asarray(x).conj()).sum().real,
    "a constant array": lambda x: np.array([complex(z).real for z in np.asarray(x).flat]).sum(),
}


@pytest.mark.parametrize(("size", "dtype"), [(8, np.float32), (8, np.float64), (100, np.float64), (1000, np.float64)])
@pytest.mark.parametrize("name", DROPS)
def test_what_drops_the_imaginary_part_is_refused(name, size, dtype):
    x = np.linspace(1, 2, size).astype(dtype)
    with pytest.raises(ValueError, match=r"may drop the imaginary part.*check=False"):
        gradient(DROPS[name], x, "complex")


@pytest.mark.parametrize("x", [3.0, 1e-9, -1e-3, 1e6])
def test_a_real_part_of_one_number_is_refused_wherever_it_stands(x):
    for f in (lambda x: x.real**2, lambda x: 1 + x.real, lambda x: x + x.real, lambda x: 1e6 + x.real):
        with pytest.raises(ValueError, match="may drop the imaginary part"):
            gradient(f, x, "complex")
    assert gradient(lambda x: x.real**2, x, "complex", check=False) == 0


@pytest.mark.parametrize("f", [abs, d.relu, np.sqrt, lambda x: x**0.5])
def test_a_kink_is_refused_by_the_complex_step(f):
    with pytest.raises(ValueError, match="not be smooth at x"):
        gradient(f, 0.0, "complex")


SMOOTH = {
    "log": (np.log, lambda x: 1 / x, (1e-140, 1e-9, 0.5, 1e9, 1e300)),
    "inverse": (lambda x: 1 / x, lambda x: -1 / x**2, (1e-140, -1e-9, 0.5, 1e9, 1e100)),
    "exp": (np.exp, np.exp, (-200.0, -1.0, 0.0, 1e-9, 1.0, 600.0)),
    "fast sine": (lambda x: np.sin(1e6 * x), lambda x: 1e6 * np.cos(1e6 * x), (0.0, 1e-9, 0.3, 1.0)),
    "cube": (lambda x: x**3, lambda x: 3 * x * x, (-1e90, -2.0, 0.0, 1e-9, 1e90)),
    "root": (np.sqrt, lambda x: 0.5 / np.sqrt(x), (1e-140, 1e-9, 2.0, 1e200)),
    "nothing": (lambda x: 7.0, lambda x: 0.0, (0.0, 1e-9, 1e9)),
    "large and flat": (lambda x: 1e8 + np.cos(x), lambda x: -np.sin(x), (0.0, 1.0, 1e-9)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_no_smooth_function_is_refused_on_any_scale(name):
    f, derivative, points = SMOOTH[name]
    for x in points:
        assert gradient(f, x, "complex") == pytest.approx(derivative(x), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_f_may_fill_the_same_array_each_time(method):
    buffers = {kind: np.zeros(2, kind) for kind in (float, complex)}

    def f(x):
        buffer = buffers[complex if np.iscomplexobj(x) else float]
        buffer[:] = x * x
        return buffer

    assert jacobian(f, [1.0, 2.0], method) == pytest.approx(np.diag([2.0, 4.0]), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: x.sum() > 1, "truth values"),
        (lambda x: np.array([1, 2]), "an array of whole numbers"),
        (lambda x: x.astype(np.complex64 if np.iscomplexobj(x) else np.float32).sum(), "gives (float32|complex64) for"),
        (lambda x: np.zeros(int(x[0].real > 1) + 1), "one shape at x and beside it|one direction disagree"),
    ],
)
def test_what_cannot_have_the_right_difference_is_refused(f, words, method):
    with pytest.raises((TypeError, ValueError), match=words):
        jacobian(f, [1.0, 2.0], method)


def test_check_is_true_or_false():
    with pytest.raises(TypeError, match="check must be True or False, got 1"):
        gradient(bellani, POINT, "complex", check=1)


NOISE = np.random.default_rng(0)
CALLS = itertools.count()


@pytest.mark.parametrize(
    "f", [lambda x: x.sum() + 1e-3 * NOISE.standard_normal(), lambda x: x.sum() + next(CALLS)], ids=["noise", "memory"]
)
@pytest.mark.parametrize("method", METHODS)
def test_f_gives_one_value_at_one_point_or_is_refused(f, method):
    with pytest.raises(ValueError, match="two values at one point|one direction disagree"):
        gradient(f, [1.0, 2.0], method)
