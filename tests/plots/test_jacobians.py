"""A drawn Jacobian says its signs with colour and without, names its cells, and refuses what it cannot draw."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from helpers.plots.jacobians import LARGEST, as_matrix, plot_jacobian
from helpers.plots.pictures import short

A = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])


def shades(picture):
    colours = np.asarray(picture.figure.axes[0].images[0].get_array()).astype(int)
    return (colours[..., 0] - colours[..., 2]) / 255  # orange less blue


def written(picture):
    return {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in picture.figure.axes[0].texts[:-1]}


def kron_by_einsum(k):
    return np.einsum("il,jm->ijlm", A, np.eye(k))  # the derivative of (AX)[i, j] by X[l, m]


def test_the_stacking_decides_between_the_two_kronecker_products():
    for k in (1, 4):
        np.testing.assert_array_equal(as_matrix(kron_by_einsum(k), 2, "columns"), np.kron(np.eye(k), A))
        np.testing.assert_array_equal(as_matrix(kron_by_einsum(k), 2, "rows"), np.kron(A, np.eye(k)))


def test_a_matrix_acts_on_stacked_matrices_as_the_derivative_does():
    rng = np.random.default_rng(0)
    J, X = rng.normal(size=(2, 5, 3, 4)), rng.normal(size=(3, 4))
    Y = np.einsum("ijlm,lm->ij", J, X)
    for stacking, order in (("columns", "F"), ("rows", "C")):
        np.testing.assert_allclose(as_matrix(J, 2, stacking) @ X.ravel(order), Y.ravel(order))


def test_vectors_and_single_numbers_become_matrices_too():
    assert as_matrix(A, 1).shape == (2, 3)
    assert as_matrix(A, 0).shape == (1, 6)
    assert as_matrix(A, 2).shape == (6, 1)
    assert as_matrix(3.0, 0).shape == (1, 1)
    for axes in (-1, 3):
        with pytest.raises(ValueError, match="output_axes must lie between 0 and 2"):
            as_matrix(A, axes)
    with pytest.raises(ValueError, match="stacking"):
        as_matrix(A, 1, "diagonals")


def test_the_sign_is_told_by_colour_and_by_number():
    picture = plot_jacobian([[2.0, 0.0], [-0.001, -1.5]], title="J")
    assert np.sign(np.round(shades(picture), 1)).tolist() == [[1, 0], [-1, -1]]
    assert written(picture) == {(0, 0): "2", (1, 0): "≈0", (1, 1): "−1.5"}
    (zeros,) = picture.figure.axes[0].collections[:1]
    assert zeros.get_offsets().tolist() == [[1, 0]]


def test_in_small_cells_a_cross_or_a_bar_tells_the_sign():
    big = np.kron(np.eye(6), A)
    picture = plot_jacobian(big, blocks=A.shape)
    plus, minus = picture.figure.axes[0].collections[:2]
    assert len(plus.get_offsets()) == (big > 0).sum()
    assert {(int(i), int(j)) for j, i in minus.get_offsets()} == {(i, j) for i, j in np.argwhere(big < 0).tolist()}
    assert written(picture) == {}


@pytest.mark.parametrize(
    ("matrix", "blocks", "words"),
    [
        (np.diag([1.0, -1.0, 2.0]), None, "3 positive"),
        (np.diag([1.0, -1.0, 2.0]), None, "on the diagonal"),
        (np.kron(np.eye(2), A), (2, 3), "in the blocks of the diagonal"),
        (np.kron(A, np.eye(2)), (2, 2), "in each row: 3"),
        (A, None, "No entry is zero"),
        (np.zeros((2, 2)), None, "4 zero"),
    ],
)
def test_the_description_tells_sizes_signs_and_pattern(matrix, blocks, words):
    words = words.replace("3 positive", "2 are positive, 1 negative, 6 zero")
    picture = plot_jacobian(matrix, blocks=blocks, title="of f")
    assert words in picture.description
    assert picture.description.startswith(f"of f: a Jacobian with {matrix.shape[0]} rows")


def test_names_stand_at_rows_and_columns_and_where_they_are_many_at_blocks():
    few = plot_jacobian(A, outputs=["y1", "y2"], inputs=["a", "b", "c"])
    assert [t.get_text() for t in few.figure.axes[0].get_xticklabels()] == ["a", "b", "c"]
    assert [t.get_text() for t in few.figure.axes[0].get_yticklabels()] == ["y1", "y2"]
    many = plot_jacobian(np.ones((1, 30)), inputs=[f"x{i}" for i in range(30)], blocks=(1, 10))
    assert [t.get_text() for t in many.figure.axes[0].get_xticklabels()] == ["x0", "x10", "x20"]
    assert [t.get_text() for t in plot_jacobian(A).figure.axes[0].get_yticklabels()] == ["1", "2"]


@pytest.mark.parametrize("shape", [(1, 1), (1, LARGEST), (LARGEST, 1), (LARGEST, LARGEST), (8, 16)])
def test_at_every_size_text_is_legible_and_inside(shape):
    picture = plot_jacobian(np.random.default_rng(0).normal(size=shape), title="f")
    figure = picture.figure
    figure.canvas.draw()
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) >= 10
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    numbers = [t.get_window_extent() for t in picture.figure.axes[0].texts[:-1]]
    assert not any(a.overlaps(b) for i, a in enumerate(numbers) for b in numbers[i + 1 : i + shape[1] + 1])


def test_numbers_are_short():
    for value in (-0.999, 1234.5, -9999.4, 1e7, -3e100, 5e-324, -1e-9, 99.99):
        assert len(short(value)) <= 6
        assert short(value).startswith("−") == (value <= -0.005)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"jacobian": np.ones((2, 2, 2))}, "must be a matrix"),
        ({"jacobian": np.ones((0, 2))}, "at least one"),
        ({"jacobian": np.ones((65, 2))}, "1 to 64 rows"),
        ({"jacobian": [[np.nan]]}, "finite"),
        ({"jacobian": A, "outputs": ["y"]}, "outputs must name all 2, got 1"),
        ({"jacobian": A, "inputs": ["y"]}, "inputs must name all 3, got 1"),
        ({"jacobian": A, "blocks": (2, 2)}, "do not fill"),
        ({"jacobian": A, "blocks": (0, 3)}, "do not fill"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        plot_jacobian(**arguments)
