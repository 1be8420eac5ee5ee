"""The panel of lecture 01 without a browser: true numbers, both ends of every control, theory that holds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from helpers.diff.numerical import gradient
from helpers.widgets.step_sizes import (
    CASES,
    METHODS,
    STEPS,
    default_steps,
    derivatives,
    expected_parts,
    in_words,
    step_errors,
)

PRECISIONS = [np.float32, np.float64]


def by_hand(name):
    """Return f, f', f'' and f''' from the school book, in the order of CASES."""
    a = math.exp(-1)
    c, c1, c2, c3 = a + a * a, a + 2 * a * a, a + 4 * a * a, a + 8 * a * a
    e, s, k = math.exp(c), math.sin(c), math.cos(c)
    wang_jenkins = [
        e + s,
        (e + k) * c1,
        (e - s) * c1**2 + (e + k) * c2,
        (e - k) * c1**3 + 3 * (e - s) * c1 * c2 + (e + k) * c3,
    ]
    sin, cos = math.sin, math.cos
    return dict(
        zip(
            CASES,
            (
                [math.log(2) + 10 - sin(5), 2 - cos(5), sin(5), cos(5)],
                wang_jenkins,
                [1000 + cos(1), -sin(1), -cos(1), sin(1)],
                [sin(30), 30 * cos(30), -900 * sin(30), -27000 * cos(30)],
            ),
        )
    )[name]


def test_the_truth_is_that_of_the_school_book():
    for name, case in CASES.items():
        assert derivatives(case) == pytest.approx(by_hand(name), rel=1e-12), name


def test_the_errors_are_those_of_the_engine():
    case = CASES["Wang & Jenkins' f at x = −1"]
    truth = derivatives(case)[1]
    for dtype in PRECISIONS:
        errors = step_errors(case, dtype)
        for method, i in itertools.product(METHODS, (100, 120, 140)):
            estimate = gradient(case.f, dtype(case.x), method, float(STEPS[i]))
            assert errors[method][i] == pytest.approx(abs(float(estimate) - truth), rel=1e-3, abs=1e-12)


def test_float32_forward_with_bellanis_step_is_off_by_one_ulp_over_h():
    case = CASES["log 2 + 2x − sin x at x = 5"]
    error = step_errors(case, np.float32)["forward"][110]
    assert pytest.approx(1e-5) == STEPS[110]
    assert abs(error - 0.09509146) <= np.spacing(np.float32(11.65)) / 1e-5


def test_the_dashed_lines_hold_where_theory_speaks():
    """Above the step that x can see, and below the length on which f changes, no error is far above its bound."""
    for (name, case), dtype in itertools.product(CASES.items(), PRECISIONS):
        fine = (np.spacing(dtype(case.x)) * 4 < STEPS) & (STEPS < 1e-2)
        for method, error in step_errors(case, dtype).items():
            bound = sum(expected_parts(case, dtype)[method])
            assert (error <= 3 * bound)[fine].all(), (name, dtype, method)
            # and the bound is no idle one: somewhere on each side of the valley an error comes near it
            assert (error[fine] >= bound[fine] / 20).any(), (name, dtype, method)


def test_the_default_step_is_near_the_best_for_functions_of_size_one():
    case = CASES["Wang & Jenkins' f at x = −1"]
    for dtype in PRECISIONS:
        for method, step in default_steps(case, dtype).items():
            parts = sum(expected_parts(case, dtype, step)[method])
            assert parts <= 3 * sum(expected_parts(case, dtype)[method]).min()
            assert step == pytest.approx(METHODS[method].best_step(np.finfo(dtype)))


def test_the_larger_part_rules():
    assert in_words("forward", 0.1, 2e-3, 1e-3).endswith("so truncation rules")
    assert in_words("forward", 0.1, 1e-3, 2e-3).endswith("so rounding rules")
