"""Every vJp rule against central differences, and the check itself: it refuses wrong rules."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import replace

import numpy as np

from helpers.diff.array_rules import ROWS, row_of
from helpers.diff.arrays import Array, log_sum_exp, record, vjp
from helpers.diff.rules import RULES, power_by

H = 1e-5  # central differences of smooth functions in float64: the error is about H² = 1e-10
TOLERANCE = 1e-7

ELEMENTWISE = [[(3, 4)], [()]]
BROADCAST = [[(3, 4), (3, 4)], [(3, 4), (4,)], [(3, 1), (2, 1, 4)], [(), (2, 3)]]
REDUCTIONS = [
    {"axis": axis, "keepdims": keepdims}
    for axis, keepdims in ((None, False), (None, True), (1, False), (-2, True), ((0, -1), False), ((), False))
]
INDICES = [1, (slice(1, 3), 0), (..., None, 2), np.array([[1, 1], [0, 1]]), (slice(None), np.array([3, 3]))]
MATRICES = [
    [(3, 4), (4, 2)], [(4,), (4,)], [(4,), (4, 2)], [(3, 4), (4,)], [(5, 3, 4), (5, 4, 2)], [(5, 3, 4), (4, 2)],
    [(3, 4), (5, 4, 2)], [(5, 1, 3, 4), (2, 4, 2)], [(4,), (5, 4, 2)], [(5, 3, 4), (4,)],
]  # fmt: skip

# Name of the row: shapes of the operands, options. A row without an entry fails the tests.
CASES = {
    **{name: [(shapes, {}) for shapes in ELEMENTWISE] for name, rule in RULES.items() if len(rule.derivatives) == 1},
    **{name: [(shapes, {}) for shapes in BROADCAST] for name, rule in RULES.items() if len(rule.derivatives) == 2},
    "matmul": [(shapes, {}) for shapes in MATRICES],
    **{name: [([(2, 3, 4)], options) for options in REDUCTIONS] for name in ("sum", "mean", "max", "log_sum_exp")},
    "reshape": [([(3, 4)], {"shape": (2, -1)}), ([(3, 4)], {"shape": 12}), ([(1,)], {"shape": ()})],
    "transpose": [([(2, 3, 4)], {"axes": axes}) for axes in ((2, 1, 0), (1, 2, 0), (-1, 0, 1))],
    "getitem": [([(3, 4)], {"index": index}) for index in INDICES],
    "place": [([np.empty((3, 4))[i].shape], {"index": i, "shape": (3, 4)}) for i in INDICES],
    "broadcast": [([(3, 1)], {"shape": (2, 3, 4)}), ([()], {"shape": (2, 3)})],
    "astype": [([(3, 4)], {"dtype": np.dtype(float)})],
    "identity": [([(3, 4)], {})],
}
ALL = [(ROWS[name], *case) for name in CASES for case in CASES[name]]
ALL += [(row_of(power_by(n)), [(3, 4)], {}) for n in (3, 2, 1, 0, -2, 0.5)]
SIGNED = ("relu", "abs", "sign", "step", "tanh", "sigmoid", "sin", "cos", "exp", "neg", "add", "sub", "mul")


def drawn(row, shapes):
    """Operands away from kinks, in the domain of every operation."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    xs = [rng.uniform(0.5, 1.4, shape) for shape in shapes]
    return [x * np.where(rng.random(x.shape) < 0.5, -1, 1) for x in xs] if row.name in SIGNED else xs


def mismatch(row, xs, options):
    """Return |<u, Jv> - <J'u, v>|, relative: Jv by central differences, J'u by the pullback."""
    rng = np.random.default_rng(0)
    y, pullback = vjp(lambda *xs: record(row, xs, options), *xs)
    u, vs = rng.standard_normal(np.shape(y)), [rng.standard_normal(x.shape) for x in xs]
    x_bars = pullback(u)
    assert [x_bar.shape for x_bar in x_bars] == [x.shape for x in xs]
    ahead, behind = (record(row, tuple(Array(x + h * v) for x, v in zip(xs, vs)), options).value for h in (H, -H))
    expected, got = np.sum(u * (ahead - behind) / (2 * H)), sum(np.sum(b * v) for b, v in zip(x_bars, vs))
    return abs(got - expected) / max(1, abs(expected))


def test_every_rule_is_the_transpose_of_the_derivative():
    assert set(CASES) == set(ROWS)
    wrong = [case for case in ALL if mismatch(case[0], drawn(*case[:2]), case[2]) > TOLERANCE]
    assert not wrong


A, B = np.random.default_rng(3).standard_normal((2, 3, 3))
WRONG = {
    "sign": ("matmul", lambda g, y, a, b: -(g @ b.T), [A, B]),
    "transpose of B left out": ("matmul", lambda g, y, a, b: g @ b, [A, B]),
    "transpose of the result": ("matmul", lambda g, y, a, b: (g @ b.T).T, [A, B]),
    "0.1 %": ("matmul", lambda g, y, a, b: 1.001 * (g @ b.T), [A, B]),
    "a factor": ("tanh", lambda g, y, x: g * (1 - y), [A]),
    "not added up": ("add", lambda g, y, a, b: g[0], [A[0], B]),
    "not divided": ("mean", lambda g, y, x, **_: g * np.ones(x.shape), [A], REDUCTIONS[0]),
}


def test_the_check_refuses_a_wrong_rule():
    for name, (row, wrong, xs, *options) in WRONG.items():
        broken = replace(ROWS[row], vjps=(wrong, *ROWS[row].vjps[1:]))
        assert mismatch(ROWS[row], xs, *(options or [{}])) < TOLERANCE, name
        assert mismatch(broken, xs, *(options or [{}])) > 1e-5, name


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
