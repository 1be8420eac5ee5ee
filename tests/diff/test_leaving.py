"""A traced value cannot leave its type unseen: every way to a plain number is refused, with the remedy."""

from __future__ import annotations

import copy
import itertools
import math
import operator
import pickle
import statistics

import numpy as np
import pytest
import torch

from helpers.diff.arrays import Array, vjp
from helpers.diff.forward import Dual, derivative, jacobian
from helpers.diff.graph import trace
from helpers.diff.lagrange import Program
from helpers.diff.scalar import Scalar

OF_MATH = [
    f for name, f in vars(math).items()
    if callable(f) and name not in ("sumprod", "dist", "prod", "fsum", "perm", "comb", "factorial")
]  # fmt: skip
VALUES = {
    "Scalar": lambda: Scalar(0.5),
    "computed Scalar": lambda: Scalar(0.25) * 2,
    "Dual": lambda: Dual(0.5, 1.0),
    "Dual of a NumPy number": lambda: Dual(np.float64(0.5), np.float64(1.0)),
    "Dual of a Dual": lambda: Dual(Dual(0.5, 1.0, 1), 1.0, 2),
    "Dual of a Scalar": lambda: Dual(Scalar(0.5), 1.0),
    "Array": lambda: Array(0.5),
    "Array of one": lambda: Array([0.5]),
}


def stored(into, value, index=0):
    into[index] = value


WAYS = {
    "float": float, "int": int, "complex": complex, "round": round, "round to digits": lambda x: round(x, 2),
    "trunc": math.trunc, "floor": math.floor, "ceil": math.ceil, "index": operator.index,
    "an index of a list": lambda x: [1, 2][x], "an index of an array": lambda x: np.ones(3)[x],
    "range": lambda x: range(x), "divmod": lambda x: divmod(x, 2), "floor division": lambda x: x // 2,
    "remainder": lambda x: x % 2, "divmod of": lambda x: divmod(2, x), "reflected remainder": lambda x: 2 % x,
    "store": lambda x: stored(np.zeros(2), x), "store in a slice": lambda x: stored(np.zeros(2), x, slice(1)),
    "store in float32": lambda x: stored(np.zeros(2, np.float32), x),
    "store in whole numbers": lambda x: stored(np.zeros(2, int), x),
    "store in complex": lambda x: stored(np.zeros(2, complex), x), "fill": lambda x: np.zeros(2).fill(x),
    "asarray": np.asarray, "array": np.array, "array of float": lambda x: np.array(x, dtype=float),
    "array of a list": lambda x: np.array([x, x]), "array of list and number": lambda x: np.array([x, 1.0]),
    "array of a nested list": lambda x: np.array([[x], [1.0]]), "full": lambda x: np.full(2, x),
    "fromiter": lambda x: np.fromiter([x], dtype=float), "sum of a list": lambda x: np.sum([x, x]),
    "float64": np.float64, "int64": np.int64, "float32": np.float32, "linspace": lambda x: np.linspace(0, x, 3),
    "arange": lambda x: np.arange(0, x), "fsum": lambda x: math.fsum([x, x]), "mean": lambda x: statistics.mean([x, x]),
    "fmean": lambda x: statistics.fmean([x]), "stdev": lambda x: statistics.stdev([x, x * 2]),
    "hypot": lambda x: math.hypot(x, x), "prod": lambda x: math.prod([x, 1.0]) and float(x),
    "gcd": lambda x: math.gcd(x, 2),
    "percent": lambda x: operator.mod("%f", x), "percent d": lambda x: operator.mod("%d", x),
    "torch.tensor": lambda x: torch.tensor(x), "torch.tensor of a list": lambda x: torch.tensor([x, x]),
    "torch.as_tensor": lambda x: torch.as_tensor(x), "torch.sin": lambda x: torch.sin(x),
    "times a tensor": lambda x: x * torch.ones(2), "a tensor times": lambda x: torch.ones(2) * x,
    "a tensor plus": lambda x: torch.ones(2) + x, "torch.add": lambda x: torch.add(torch.ones(2), x),
    "store in a tensor": lambda x: stored(torch.zeros(2), x), "torch.full": lambda x: torch.full((2,), x),
    "bytes": bytes, "memoryview": memoryview,
}  # fmt: skip


def test_every_way_out_is_refused():
    others = {"an index": IndexError, "torch": RuntimeError, "store": ValueError, "f": ValueError}
    found = []
    for way, kind in itertools.product(WAYS, VALUES):
        allowed = next((error for start, error in others.items() if way.startswith(start)), TypeError)
        try:
            WAYS[way](VALUES[kind]())
        except (TypeError, allowed) as error:  # of a ValueError NumPy chose the words; what we said is the cause
            if not isinstance(error, ValueError) or ".value" in str(error.__cause__):
                continue
        found.append((way, kind))
    assert not found


def test_math_refuses():
    found = []
    for f, kind, arguments in itertools.product(OF_MATH, VALUES, (1, 2, 3)):
        try:
            f(*[VALUES[kind]() for _ in range(arguments)])
        except TypeError:
            continue
        found.append((f, kind))
    assert not found


@pytest.mark.parametrize("f", [math.sin, float, lambda x: float(x) ** 2, lambda x: math.exp(x) * x])
def test_no_engine_answers_zero(f):
    program = Program(inputs=["x"]).let("y", f, "x")
    program.solve({"x": 0.5})
    for differentiate in (
        lambda: derivative(f, 0.5),
        lambda: vjp(f, 0.5),
        lambda: trace(f, {"x": 0.5}),
        lambda: jacobian(f, 0.5),
        lambda: program.multipliers("y"),
    ):
        with pytest.raises(TypeError, match=r"float\(.*helpers.diff.*\.value"):
            differentiate()


def filled(x):
    y = np.zeros(2)
    y[0], y[1] = x[0] * x[1], x[0]
    return y


def test_a_plain_array_cannot_be_filled():
    for differentiate in (jacobian, vjp):
        with pytest.raises(TypeError, match=r"helpers.diff.*\.value"):
            differentiate(filled, [2.0, 5.0])


def test_text_shows_the_value():
    for kind, make in VALUES.items():
        if kind != "Array of one":
            assert f"{make():.3f}" == "0.500", kind
            assert f"{make()}" == str(make())
    assert f"{Array([1.0, 2.0])}" == "Array([1., 2.])"
    with pytest.raises(TypeError):
        f"{Array([1.0, 2.0]):.3f}"


def test_a_copy_would_be_a_second_input_that_nobody_differentiates():
    for make in (VALUES["Scalar"], VALUES["Array"], VALUES["computed Scalar"]):
        for copied in (copy.copy, copy.deepcopy, pickle.dumps, lambda x: copy.deepcopy([x])):
            with pytest.raises(TypeError, match=r"copy.*\.value"):
                copied(make())


def test_what_does_not_leave_goes_on():
    assert derivative(lambda x: sum([x, x, 1.0]), 2.0) == 2.0
    assert derivative(lambda x: 3.0, 2.0) == 0.0
    assert derivative(lambda x: x * 2 if x > 1 else x, 2.0) == 2.0
    assert derivative(lambda x: x.value * x, 2.0) == 2.0
    assert derivative(lambda x: math.prod([x, x]), 2.0) == 4.0
    assert max(Scalar(1.0), Scalar(2.0)).value == 2.0


def test_a_number_without_axes_has_no_elements():
    for make in VALUES.values():
        if np.shape(make().value) == ():
            for walk in (list, sum, lambda x: x[0]):
                with pytest.raises((TypeError, IndexError)):
                    walk(make())
