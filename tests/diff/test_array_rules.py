"""Every vJp rule against central differences, differentiated once and twice; the check refuses wrong rules."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import replace

import numpy as np
import pytest

from helpers.diff.array_rules import ROWS, concatenation, row_of, stacking
from helpers.diff.arrays import Array, concatenate, log_sum_exp, stack, vjp, where
from helpers.diff.rules import RULES, power_by
from helpers.diff.symbolic import Symbol

H = 1e-5  # central differences of smooth functions in float64: the error is about H² = 1e-10
TOLERANCE = 1e-7

ELEMENTWISE = [[(3, 4)], [()]]
BROADCAST = [[(3, 4), (3, 4)], [(3, 4), (4,)], [(3, 1), (2, 1, 4)], [(), (2, 3)]]
REDUCTIONS = [
    {"axis": axis, "keepdims": keepdims}
    for axis, keepdims in ((None, False), (None, True), (1, False), (-2, True), ((0, -1), False), ((), False))
]
INDICES = [
    1, -1, slice(None, None, -2), (slice(1, 3), 0), (..., None, 2), [0, 2, 0], np.array([[1, 1], [0, 1]]),
    ([0, 0, 1], [2, 2, 3]), (slice(None), [3, 3]), np.arange(12).reshape(3, 4) % 2 == 0,
]  # fmt: skip
MATRICES = [
    [(3, 4), (4, 2)], [(4,), (4,)], [(4,), (4, 2)], [(3, 4), (4,)], [(5, 3, 4), (5, 4, 2)], [(5, 3, 4), (4, 2)],
    [(3, 4), (5, 4, 2)], [(5, 1, 3, 4), (2, 4, 2)], [(4,), (5, 4, 2)], [(5, 3, 4), (4,)],
]  # fmt: skip
JOINED = [([(2, 3), (4, 3), (1, 3)], {"axis": 0}), ([(2, 3), (2, 1)], {"axis": -1})]

# Name of the row: shapes of the operands, options. A row without an entry fails the tests.
CASES = {
    **{name: [(shapes, {}) for shapes in ELEMENTWISE] for name, rule in RULES.items() if len(rule.derivatives) == 1},
    **{name: [(shapes, {}) for shapes in BROADCAST] for name, rule in RULES.items() if len(rule.derivatives) == 2},
    "matmul": [(shapes, {}) for shapes in MATRICES],
    **{name: [([(2, 3, 4)], options) for options in REDUCTIONS] for name in ("sum", "mean", "max", "log_sum_exp")},
    "broadcast": [([(3, 1)], {"shape": (2, 3, 4)}), ([()], {"shape": (2, 3)})],
    "reshape": [([(3, 4)], {"shape": (2, -1)}), ([(3, 4)], {"shape": 12}), ([(1,)], {"shape": ()})],
    "transpose": [([(2, 3, 4)], {"axes": axes}) for axes in ((2, 1, 0), (1, 2, 0), (-1, 0, 1))],
    "getitem": [([(3, 4)], {"index": index}) for index in INDICES],
    "place": [([np.empty((3, 4))[i].shape], {"index": i, "shape": (3, 4)}) for i in INDICES],
    "where": [([(3, 4), (4,)], {"condition": np.arange(12).reshape(3, 4) % 3 > 0})],
    "astype": [([(3, 4)], {"dtype": np.dtype(float)})],
    "identity": [([(3, 4)], {})],
}
ALL = [(ROWS[name], *case) for name in CASES for case in CASES[name]]
ALL += [(concatenation(len(shapes)), shapes, options) for shapes, options in JOINED] + [(stacking(2), [(3,)] * 2, {})]
ALL += [(row_of(power_by(n)), [(3, 4)], {}) for n in (3, 2, 1, 0, -2, 0.5)]
SIGNED = ("relu", "abs", "sign", "step", "tanh", "sigmoid", "sin", "cos", "exp", "neg", "add", "sub", "mul")


def drawn(row, shapes):
    """Operands away from kinks, in the domain of every operation."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    xs = [rng.uniform(0.5, 1.4, shape) for shape in shapes]
    return [x * np.where(rng.random(x.shape) < 0.5, -1, 1) for x in xs] if row.name in SIGNED else xs


def mismatch(f, xs, seed=0):
    """Return |<u, Jv> - <J'u, v>|, relative: Jv by central differences, J'u by the pullback."""
    rng = np.random.default_rng(seed)
    y, pullback = vjp(f, *xs)
    u, vs = rng.standard_normal(np.shape(y)), [rng.standard_normal(x.shape) for x in xs]
    x_bars = pullback(u)
    assert [x_bar.shape for x_bar in x_bars] == [x.shape for x in xs]
    ahead, behind = (f(*(Array(x + h * v) for x, v in zip(xs, vs))).value for h in (H, -H))
    expected, got = np.sum(u * (ahead - behind) / (2 * H)), sum(np.sum(b * v) for b, v in zip(x_bars, vs))
    return abs(got - expected) / max(1, abs(expected))


def recording(row, options):
    return lambda *xs: Array.operate(row, xs, options)


def adjoints(f, u):
    """All adjoints that a pullback gives, in one vector."""
    return lambda *xs: concatenate([x_bar.reshape(-1) for x_bar in vjp(f, *xs)[1](u)])


def test_every_rule_is_the_transpose_of_the_derivative_and_can_be_differentiated_again():
    assert set(CASES) == set(ROWS)
    wrong = []
    for row, shapes, options in ALL:
        xs, f = drawn(row, shapes), recording(row, options)
        u = np.random.default_rng(1).standard_normal(np.shape(vjp(f, *xs)[0]))
        off = mismatch(f, xs), mismatch(adjoints(f, u), xs)
        if max(off) > TOLERANCE:
            wrong.append((row.name, shapes, options, off))
    assert not wrong


def test_a_pullback_is_linear_and_its_transpose_is_the_derivative():
    """The derivative J v, from two pullbacks: u -> J'u is linear, and its own transpose is J."""
    for row, shapes, options in (case for case in ALL if case[0].name in ("matmul", "max", "mul")):
        xs, f, rng = drawn(row, shapes), recording(row, options), np.random.default_rng(2)
        y, pullback = vjp(f, *xs)
        vs = [rng.standard_normal(x.shape) for x in xs]
        zeros = np.zeros(np.shape(y))
        _, transposed = vjp(lambda u: sum((x_bar * v).sum() for x_bar, v in zip(pullback(u), vs)), zeros)  # noqa: B023
        ahead, behind = (f(*(Array(x + h * v) for x, v in zip(xs, vs))).value for h in (H, -H))
        np.testing.assert_allclose(transposed(1.0)[0], (ahead - behind) / (2 * H), rtol=1e-6, atol=1e-7)


# The check itself: rules that are wrong in the known ways.

A, B = np.random.default_rng(3).standard_normal((2, 3, 3))
WRONG = {
    "sign": (ROWS["matmul"], lambda g, y, a, b: -(g @ b.T), [A, B]),
    "transpose of B left out": (ROWS["matmul"], lambda g, y, a, b: g @ b, [A, B]),
    "transpose of the result": (ROWS["matmul"], lambda g, y, a, b: (g @ b.T).T, [A, B]),
    "0.1 %": (ROWS["matmul"], lambda g, y, a, b: 1.001 * (g @ b.T), [A, B]),
    "a factor": (ROWS["tanh"], lambda g, y, x: g * (1 - y), [A]),
    "not added up": (ROWS["add"], lambda g, y, a, b: g[0], [A[0], B]),
    "repeats overwritten": (
        ROWS["getitem"], lambda g, y, x, index: np.stack([g[2], 0 * g[0], g[1]]), [A], {"index": [0, 2, 0]},
    ),
    "not divided": (ROWS["mean"], lambda g, y, x, **_: g * np.ones(x.shape), [A], {"axis": None, "keepdims": False}),
}  # fmt: skip


def test_the_check_refuses_a_wrong_rule():
    for name, (row, wrong, xs, *options) in WRONG.items():
        f, broken = (recording(r, *(options or [{}])) for r in (row, replace(row, vjps=(wrong, *row.vjps[1:]))))
        assert mismatch(f, xs) < TOLERANCE, name
        assert mismatch(broken, xs) > 1e-5, name


def test_the_largest_share_the_adjoint():
    assert vjp(lambda x: x.max(), [2.0, 1.0, 2.0, 2.0])[1](3.0)[0].tolist() == [1.0, 0.0, 1.0, 1.0]


def test_log_sum_exp_does_not_overflow_and_keeps_the_axes_that_it_is_asked_to_keep():
    y, pullback = vjp(log_sum_exp, [1000.0, 1000.0, -np.inf])
    assert y == 1000 + np.log(2)
    np.testing.assert_allclose(pullback(1.0)[0], [0.5, 0.5, 0.0], rtol=1e-12)
    x = np.arange(6.0).reshape(2, 3)
    for axis, keepdims in itertools.product([0, 1, (0, 1), None], [True, False]):
        expected = np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))
        for y in (log_sum_exp(x, axis, keepdims), log_sum_exp(Array(x), axis, keepdims).value):
            assert y.shape == expected.shape
            assert np.allclose(y, expected, rtol=1e-14)


def test_the_functions_run_on_numpy_too():
    x = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(where(x > 2, x, 0.0), where(x > 2, Array(x), 0.0).value)
    assert np.array_equal(stack([x, x]), stack([Array(x), x]).value)
    assert log_sum_exp([0.0, 0.0]) == np.log(2)
    with pytest.raises(TypeError, match="log_sum_exp takes arrays .*, got a Symbol"):
        log_sum_exp(Symbol("x"))
