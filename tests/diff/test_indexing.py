"""Every form of NumPy's indexing on Arrays: value, gradient and second derivative against np.add.at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from helpers.diff.arrays import Array, vjp
from helpers.diff.forward import Dual
from helpers.diff.scalar import Scalar


@st.composite
def indexed(draw):
    shape = draw(of_numpy.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4))
    forms = [of_numpy.basic_indices(shape, allow_ellipsis=True, allow_newaxis=True)]
    if shape:
        forms += [
            of_numpy.integer_array_indices(shape),
            of_numpy.arrays(bool, shape),
            of_numpy.arrays(bool, shape[:1]),
            st.lists(st.integers(-shape[0], shape[0] - 1), max_size=5),  # repeats, and none at all
            mixed(shape),
        ]
    return shape, draw(st.one_of(forms))


def mixed(shape):
    """Whole numbers, slices, lists with repeats and new axes in one tuple."""

    def part(length):
        repeats = st.lists(st.integers(-length, length - 1), min_size=2, max_size=2)
        numbers = st.integers(-length, length - 1)
        return st.one_of(numbers, numbers.map(np.array), st.slices(length), repeats, repeats.map(np.array))

    parts = st.tuples(*map(part, shape))
    return st.tuples(parts, st.integers(0, len(shape)), st.booleans()).map(
        lambda drawn: (*drawn[0][: drawn[1]], *[None] * drawn[2], *drawn[0][drawn[1] :])
    )


@settings(max_examples=250, deadline=None, derandomize=True)
@given(indexed(), st.integers(0, 1000))
def test_all_forms(case, seed):
    shape, index = case
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    y, pullback = vjp(lambda x: x[index], x)
    picked = x[index]
    assert np.array_equal(y, picked)
    assert np.shape(y) == np.shape(picked)
    y_bar = rng.standard_normal(np.shape(y))
    expected = np.zeros(shape)
    np.add.at(expected, index, y_bar)
    np.testing.assert_allclose(pullback(y_bar)[0], expected, rtol=1e-12, atol=1e-12)

    def twice(x):  # read the same node twice: the second share is added in place
        z = x * 1.0
        return (z[index] ** 3).sum() + (z[index] * y_bar).sum()

    np.add.at(expected, index, 3 * picked**2)
    np.testing.assert_allclose(vjp(twice, x)[1](1.0)[0], expected, rtol=1e-12, atol=1e-12)

    def slope(x):
        return vjp(lambda x: (x[index] ** 3).sum(), x)[1](1.0)[0]

    v, hessian_times_v = rng.standard_normal(shape), np.zeros(shape)
    np.add.at(hessian_times_v, index, 6 * picked * v[index])  # right if no element is read twice, or by linearity:
    counts = np.zeros(shape)
    np.add.at(counts, index, 1.0)
    np.testing.assert_allclose(vjp(slope, x)[1](v)[0], 6 * x * v * counts, rtol=1e-12, atol=1e-12)


FORGOTTEN = [
    ((0, 0, 1), (1, 1, 0)), [], ([], []), [[0, 0], [1, 1]], [(0, 1), (1, 0)], (Ellipsis, [0, 0]), True,
    np.ix_([0, 0], [1, 0]), np.bool_(False), np.int8(1), (np.array(1), [0, 0]), [True, False],
    (slice(None), (True, False, True)),
]  # fmt: skip
NO_INDEX = [
    Array([0.0, 1.0]), Scalar(1.0), Dual(1.0, 1.0), (0, Scalar(1.0)), [Scalar(0.0), Scalar(1.0)], (Array([0.0]), 0),
    0.0, [0.5], np.array([1.0]), slice(Scalar(0.0), None), "a", 1j,
]  # fmt: skip


def test_forms_that_are_easily_forgotten():
    x = np.arange(6.0).reshape(2, 3)
    for index in FORGOTTEN:
        y, pullback = vjp(lambda x: x[index], x)  # noqa: B023
        expected = np.zeros_like(x)
        np.add.at(expected, index, np.ones_like(x[index]))
        assert np.array_equal(y, x[index]), index
        assert np.array_equal(pullback(np.ones_like(y))[0], expected), index


def test_what_is_no_index_and_assignment_are_refused():
    for x in (Array(np.ones((2, 3))), Dual(np.ones((2, 3)), np.ones((2, 3)))):
        for index in NO_INDEX:
            with pytest.raises((TypeError, IndexError), match="index|indices|array of NumPy"):
                x[index]
        with pytest.raises(TypeError, match=r"where\("):
            x[0] = 3.0
