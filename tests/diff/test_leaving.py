"""A traced value cannot leave its type unseen: every way to a plain number is refused."""

from __future__ import annotations

import itertools
import math
import operator
import statistics

import numpy as np
import pytest
import torch

from helpers.diff.arrays import Array, vjp
from helpers.diff.forward import Dual, derivative, jacobian
from helpers.diff.graph import trace
from helpers.diff.lagrange import Program
from helpers.diff.scalar import Scalar

VALUES = {
    "Scalar": lambda: Scalar(0.5),
    "Dual": lambda: Dual(0.5, 1.0),
    "Dual of a NumPy number": lambda: Dual(np.float64(0.5), np.float64(1.0)),
    "Dual of a Dual": lambda: Dual(Dual(0.5, 1.0, 1), 1.0, 2),
    "Dual of a Scalar": lambda: Dual(Scalar(0.5), 1.0),
    "Array": lambda: Array(0.5),
    "Array of one": lambda: Array([0.5]),
}


def stored(into, value, index=0):
    into[index] = value


OF_MATH = {f"math.{name}": f for name, f in vars(math).items() if callable(f) and name != "prod"}
WAYS = OF_MATH | {
    "float": float, "int": int, "complex": complex, "round": round, "index": operator.index, "bytes": bytes,
    "an index of an array": lambda x: np.ones(3)[x], "range": lambda x: range(x), "divmod": lambda x: divmod(x, 2),
    "floor division": lambda x: x // 2, "reflected remainder": lambda x: 2 % x, "memoryview": memoryview,
    "store": lambda x: stored(np.zeros(2), x), "store in a slice": lambda x: stored(np.zeros(2), x, slice(1)),
    "store in whole numbers": lambda x: stored(np.zeros(2, int), x), "fill": lambda x: np.zeros(2).fill(x),
    "store in complex": lambda x: stored(np.zeros(2, complex), x), "array of float": lambda x: np.array(x, dtype=float),
    "array of a list": lambda x: np.array([x, x]), "array of list and number": lambda x: np.array([x, 1.0]),
    "array of a nested list": lambda x: np.array([[x], [1.0]]), "full": lambda x: np.full(2, x),
    "fromiter": lambda x: np.fromiter([x], dtype=float), "sum of a list": lambda x: np.sum([x, x]),
    "linspace": lambda x: np.linspace(0, x, 3), "arange": lambda x: np.arange(0, x),
    "statistics": lambda x: statistics.mean([x, x]), "fsum": lambda x: math.fsum([x, x]),
    "hypot": lambda x: math.hypot(x, x), "gcd": lambda x: math.gcd(x, 2), "percent": lambda x: operator.mod("%f", x),
    "torch.tensor": lambda x: torch.tensor(x), "torch.tensor of a list": lambda x: torch.tensor([x, x]),
    "torch.sin": lambda x: torch.sin(x), "times a tensor": lambda x: x * torch.ones(2),
    "a tensor times": lambda x: torch.ones(2) * x, "store in a tensor": lambda x: stored(torch.zeros(2), x),
    **{name: getattr(np, name) for name in ("asarray", "array", "float64", "int64", "float32", "sin", "abs", "sum",
       "mean", "cumsum", "shape", "reshape", "zeros_like")}, "where": lambda x: np.where(True, x, 0.0),
    "norm": np.linalg.norm, "stack": lambda x: np.stack([x, x]), "array_equal": lambda x: np.array_equal(x, x),
    "a ufunc of two": lambda x: np.maximum(x, 0), "a ufunc's method": lambda x: np.add.reduce(x),
    "out": lambda x: np.sin(1.0, out=x),
}  # fmt: skip


def test_every_way_out_is_refused():
    found = []
    for way, kind in itertools.product(WAYS, VALUES):
        try:
            WAYS[way](VALUES[kind]())
        except (TypeError, IndexError, ValueError, RuntimeError):
            continue
        found.append((way, kind))
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


def test_a_plain_array_cannot_be_filled():
    def filled(x):
        y = np.zeros(2)
        y[0], y[1] = x[0] * x[1], x[0]
        return y

    for differentiate in (jacobian, vjp):
        with pytest.raises(ValueError, match="array element") as caught:  # NumPy's words; ours are the cause
            differentiate(filled, [2.0, 5.0])
        assert ".value" in str(caught.value.__cause__)


def test_what_does_not_leave_goes_on():
    assert derivative(lambda x: sum([x, x, 1.0]), 2.0) == 2.0
    assert derivative(lambda x: x * 2 if x > 1 else x, 2.0) == 2.0
    assert derivative(lambda x: x.value * x, 2.0) == 2.0
    assert max(Scalar(1.0), Scalar(2.0)).value == 2.0


def test_a_number_without_axes_has_no_elements():
    for kind, make in VALUES.items():
        for walk in (list, sum, lambda x: x[0]) if kind != "Array of one" else ():
            with pytest.raises((TypeError, IndexError)):
                walk(make())
