"""Every form of NumPy's indexing on Arrays: value and gradient against np.add.at."""

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


def check(x, index, seed=0):
    """Value and gradient of an index, read twice: the second share is added to the first."""
    picked, x_bar = x[index], np.zeros(x.shape)
    y, pullback = vjp(lambda x: x[index] ** 3 + x[index], x)
    assert np.shape(y) == np.shape(picked)
    np.testing.assert_allclose(y, picked**3 + picked, rtol=1e-12)
    y_bar = np.random.default_rng(seed).standard_normal(np.shape(y))
    np.add.at(x_bar, index, y_bar * (3 * picked**2 + 1))
    np.testing.assert_allclose(pullback(y_bar)[0], x_bar, rtol=1e-12, atol=1e-12)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(indexed(), st.integers(0, 1000))
def test_all_forms(case, seed):
    shape, index = case
    check(np.random.default_rng(seed).standard_normal(shape), index, seed)


def test_forms_that_are_easily_forgotten():
    for index in [
        ((0, 0, 1), (1, 1, 0)), [], ([], []), [[0, 0], [1, 1]], [(0, 1), (1, 0)], (Ellipsis, [0, 0]), True,
        np.ix_([0, 0], [1, 0]), np.bool_(False), np.int8(1), (np.array(1), [0, 0]), [True, False],
        (slice(None), (True, False, True)),
    ]:  # fmt: skip
        check(np.arange(6.0).reshape(2, 3), index)


def test_what_is_no_index_and_assignment_are_refused():
    for x in (Array(np.ones((2, 3))), Dual(np.ones((2, 3)), np.ones((2, 3)))):
        for index in [
            Array([0.0, 1.0]), Scalar(1.0), Dual(1.0, 1.0), (0, Scalar(1.0)), [Scalar(0.0)], (Array([0.0]), 0),
            0.0, [0.5], np.array([1.0]), slice(Scalar(0.0), None), "a", 1j,
        ]:  # fmt: skip
            with pytest.raises((TypeError, IndexError)):
                x[index]
        with pytest.raises(TypeError):
            x[0] = 3.0
