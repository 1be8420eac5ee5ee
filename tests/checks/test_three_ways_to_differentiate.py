"""Each check of lecture 01 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import math

import pytest

from helpers.checks import three_ways_to_differentiate as exercises
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("three_ways_to_differentiate")


def parts(x):
    a = math.exp(x)
    return a, a + a**2


def counting(**changed):
    def passes(way, inputs, outputs):
        ways = {
            "forward_difference": inputs + 1, "central_difference": 2 * inputs,
            "forward_mode": inputs, "reverse_mode": outputs,
        }  # fmt: skip
        count = changed.get(way.replace(" ", "_"), ways[way.replace(" ", "_")])
        return count(inputs, outputs) if callable(count) else count

    return passes


def test_the_counts_are_those_of_the_engines():
    import numpy as np

    from helpers.diff.numerical import Counted, jacobian

    def f(x):
        return np.array([x[0] * x[1], x[1] + x[2], x[0], x[2] ** 2, x[1]])

    for way in ("forward", "central"):
        counted = Counted(f)
        jacobian(counted, np.ones(3), method=way, check=False)
        assert counted.evaluations == solution.passes(f"{way} difference", 3, 5)


def test_wang_jenkins_derivative_at_minus_1():
    assert solution.by_hand(-1.0) == pytest.approx(1.6155741697332788, rel=1e-15)


test_wrong_answers = refusing(
    exercises,
    {
        "best_step": [
            (lambda size, curvature, eps: math.sqrt(eps), "solve for h"),  # the rule of thumb
            (lambda size, curvature, eps: math.sqrt(eps * size / curvature), "solve for h"),  # the factor 2 is lost
            (lambda size, curvature, eps: 2 * math.sqrt(eps * curvature / size), "size and curvature"),  # upside down
        ],
        "by_hand": [
            (lambda x: math.exp(parts(x)[1]) + math.cos(parts(x)[1]), "inner derivative"),
            (
                lambda x: (math.exp(parts(x)[1]) - math.cos(parts(x)[1])) * (parts(x)[0] + 2 * parts(x)[0] ** 2),
                r"\+cos",
            ),
            (lambda x: math.exp(parts(x)[1]) + math.cos(parts(x)[1]) * (parts(x)[0] + 2 * parts(x)[0] ** 2), "share"),
            (lambda x: 1.6155741697332788, "x = 0"),  # right at -1 alone
        ],
        "dual_quotient": [
            (lambda a, b: (a[0] / b[0], a[1] / b[0]), "sign and the square"),  # forgets that b changes
            (lambda a, b: (a[0] / b[0], (a[1] * b[0] + a[0] * b[1]) / b[0] ** 2), "sign"),
            (lambda a, b: (a[0] / b[0], (a[1] * b[0] - a[0] * b[1]) / b[0]), "constant divisor"),  # no square
            (lambda a, b: (a[0] / b[0], (a[1] * b[0] - a[0] * b[1]) / abs(b[0]) / b[0]), "signs"),
        ],
        "passes": [
            (counting(forward_difference=lambda n, m: n), "once, and"),
            (counting(forward_mode=lambda n, m: m), "one column"),
            (counting(reverse_mode=lambda n, m: n), "one row"),
        ],
    },
)
