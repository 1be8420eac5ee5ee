"""Pictures of single lectures: entries, stairs, paths, points and counts are where the numbers are, and move in place.

What their words say is compared with their artists in test_words.py.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from helpers.plots import plot_jacobian
from helpers.plots.idempotent import (
    ENDS,
    Basins,
    Cobweb,
    plot_eigenvalue_flow,
    plot_images,
    plot_rates,
    which_end,
)
from helpers.plots.jacobians import LARGEST, as_matrix, plot_matrices
from helpers.plots.recordings import IdempotentProgress, RuleState
from helpers.plots.signals import FLOWS, plot_angles, plot_flow
from helpers.training import RULES

NAN, INF = float("nan"), float("inf")
A = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
X = np.linspace(-1, 2, 31)
CUBIC = 3 * X**2 - 2 * X**3
STEPS = np.logspace(-8, 0, 9)


def axes(picture, i=0):
    return picture.figure.axes[i]


def test_the_stacking_decides_how_a_derivative_acts_and_which_kronecker_product_it_is():
    rng = np.random.default_rng(0)
    J, M = rng.normal(size=(2, 5, 3, 4)), rng.normal(size=(3, 4))
    Y = np.einsum("ijlm,lm->ij", J, M)
    of_a_product = np.einsum("il,jm->ijlm", A, np.eye(4))  # the derivative of (AX)[i, j] by X[l, m]
    for stacking, order, kron in (("columns", "F", np.kron(np.eye(4), A)), ("rows", "C", np.kron(A, np.eye(4)))):
        np.testing.assert_allclose(as_matrix(J, 2, stacking) @ M.ravel(order), Y.ravel(order))
        np.testing.assert_array_equal(as_matrix(of_a_product, 2, stacking), kron)
    assert [as_matrix(A, axes).shape for axes in (0, 1, 2)] == [(1, 6), (2, 3), (6, 1)]
    assert as_matrix(3.0, 0).shape == (1, 1)


def test_the_sign_is_told_by_colour_and_by_a_number_or_a_mark():
    picture = plot_jacobian([[2.0, 0.0], [-0.001, -1.5]])
    red, _, blue, _ = np.moveaxis(axes(picture).images[0].get_array().astype(int), -1, 0)
    assert np.sign(np.round((red - blue) / 100, 1)).tolist() == [[1, 0], [-1, -1]]  # a small entry is no zero
    written = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in axes(picture).texts[:-1]}
    assert written == {(0, 0): "2", (1, 0): "≈0", (1, 1): "−1.5"}
    assert axes(picture).collections[0].get_offsets().tolist() == [[1, 0]]
    big = np.kron(np.eye(6), A)
    plus, minus = axes(plot_jacobian(big, blocks=A.shape)).collections[:2]
    assert len(plus.get_offsets()) == (big > 0).sum()
    assert {(int(i), int(j)) for j, i in minus.get_offsets()} == {(i, j) for i, j in np.argwhere(big < 0).tolist()}


@pytest.mark.parametrize(
    ("matrix", "blocks", "words"),
    [
        (
            np.diag([1.0, -1.0, 2.0]),
            None,
            "2 are positive, 1 negative, 6 zero. The entries that are not zero lie on the",
        ),
        (np.kron(np.eye(2), A), (2, 3), "in the blocks of the diagonal"),
        (np.kron(A, np.eye(2)), (2, 2), "in each row: 3"),
        (A, None, "No entry is zero"),
        (np.zeros((2, 2)), None, "4 zero"),
    ],
)
def test_the_description_of_a_jacobian_tells_signs_and_pattern(matrix, blocks, words):
    words_of = plot_jacobian(matrix, blocks=blocks, title="of f").description
    assert words in words_of
    assert words_of.startswith(f"of f: a Jacobian with {matrix.shape[0]} rows")


def test_names_stand_at_rows_and_columns_of_each_block_and_texts_stay_apart():
    options = {"inputs": [f"x{i}" for i in range(30)], "outputs": ["y"], "blocks": (1, 10)}
    ticks = axes(plot_jacobian(np.ones((1, 30)), **options))
    assert [t.get_text() for t in (*ticks.get_yticklabels(), *ticks.get_xticklabels())] == ["y", "x0", "x10", "x20"]
    for shape in ((1, 1), (1, LARGEST), (LARGEST, 1), (8, 16)):
        picture = plot_jacobian(np.random.default_rng(0).normal(size=shape))
        picture.figure.canvas.draw()
        boxes = [text.get_window_extent() for text in axes(picture).texts[:-1]]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 : i + shape[1] + 1])


def test_a_cobweb_climbs_between_curve_and_diagonal():
    web = Cobweb(X, CUBIC, [0.6, 0.648, 0.7155], name="h", steps=9)
    corners = [[0.6, 0.6], [0.6, 0.648], [0.648, 0.648], [0.648, 0.7155], [0.7155, 0.7155]]
    assert web.stairs.get_xydata() == pytest.approx(np.array(corners))
    assert web.iterates.get_xydata()[-1] == pytest.approx([2, 0.7155])
    web.update([2.0, -4.0, 176.0, -1e7, INF, NAN])
    assert list(web.iterates.get_ydata()) == [2.0, -4.0, 176.0]


def test_basins_are_rows_of_their_ends_and_eigenvalues_follow_their_paths_over_them():
    ends = np.array([0.0, 1.0, 0.5, INF, NAN, -1e9, 1 + 1e-9, 1e-9])
    assert [ENDS[i][-1] for i in which_end(ends)] == ["0", "1", "r", "s", "s", "s", "1", "0"]
    rows = [line.get_ydata() for line in axes(Basins(X[:8], ends, STEPS, STEPS, mark=0)).lines[:4]]
    assert [int(np.isfinite(row).sum()) for row in rows] == [2, 2, 1, 3]
    paths = np.array([[0.2 + 0.1j, 1.5], [0.1, 1.1], [1e-20, 1e9]])
    background = np.array([[0, 1, NAN], [1, 1, 1e9]], dtype=complex)
    flow = plot_eigenvalue_flow(paths, real=[0, 1, 2], imaginary=[-1, 1], ends=background)
    colours = axes(flow).images[0].get_array()
    assert (colours[[0, 0], [1, 2]] == colours[[1, 1], [0, 2]]).all()
    assert len({tuple(c) for c in colours.reshape(-1, 3)}) == 3
    near, far = (line.get_ydata() for line in axes(flow, 1).lines)
    assert near == pytest.approx([abs(0.2 + 0.1j), 0.1, 1e-17])
    assert np.isnan(far[-1])  # too far to be drawn


def test_rules_side_by_side_move_points_name_failures_and_start_again():
    def state(x=1.0, error=1e-3, **other):
        here, there = np.array([[x, 0.0], [0.0, 9.0 * x]]), np.array([[x, 0.5], [0.0, 9.0 * x]])
        return RuleState(here, there, error, 1.0, 1, **other)

    picture = IdempotentProgress(["one", "two", "three"], 10)
    empty = picture.png()
    picture.record(1, [state(), state(0.0, 0.0), state(error=NAN, diverged=True)])
    picture.record(2, [state(error=1e9), state(0.0, 0.0), state(error=NAN, diverged=True)])
    picture.move()
    picture.trace()
    assert picture.points[0].get_xydata() == pytest.approx(
        np.array([[1, 0], [0, 2.2]])
    )  # what lies beyond: at the edge
    assert picture.lines[0].get_segments()[0] == pytest.approx(np.array([[1, 0], [1, 0.5]]))
    assert [words.get_text() for words in picture.titles] == ["", "the zero map", "DIVERGED"]
    errors = picture.curves["idempotent error"].lines
    assert errors["two"].get_ydata()[0] == 1e-17  # a zero has no logarithm
    assert np.isnan(errors["one"].get_ydata()[1])
    picture.clear()
    assert picture.png() == empty


def test_each_diagram_is_of_a_rule_of_the_course_and_sends_back_what_the_rule_sends():
    assert set(FLOWS) <= set(RULES)
    ends = {rule: [(start, end) for start, end, _ in flow.back] for rule, flow in FLOWS.items()}
    assert ends["back-propagation"] == ends["feedback alignment"] == [(3, 2), (2, 1)]
    assert ends["direct feedback alignment"] == [(3, 2), (3, 1)]
    assert all(bool(flow.back) != bool(flow.judge) for flow in FLOWS.values())


def test_bands_hold_all_runs_and_images_stand_side_by_side():
    angles = np.array([[[80.0, 60], [40, 30]], [[90, 70], [60, 20]], [[100, 65], [50, 25]]])
    band = axes(plot_angles({"one": angles})).collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (40, 100)
    images = axes(plot_images({"a": np.zeros((2, 9)), "b": np.arange(18).reshape(2, 9) / 18}, look_for="grey")).images
    np.testing.assert_array_equal(images[3].get_array(), np.arange(9, 18).reshape(3, 3) / 18)
    assert images[3].get_extent() == [4, 7, 7, 4]


REFUSED = {
    "jacobian must hold finite numbers, at least one, of the shape (outputs": lambda: plot_jacobian(np.ones((2, 2, 2))),
    "1 to 64 rows": lambda: plot_jacobian(np.ones((65, 2))),
    "outputs must name all 2, got 1": lambda: plot_jacobian(A, outputs=["y"]),
    "output_axes must be a whole number from 0 to 2": lambda: as_matrix(A, 3),
    "stacking must be one of columns, rows": lambda: as_matrix(A, 1, "diagonals"),
    "J must be 2 rows of 2": lambda: plot_matrices({"J": np.zeros((2, 3))}, names=["a", "b"], look_for=""),
    "paths must be": lambda: plot_eigenvalue_flow([0.5], real=[0, 1], imaginary=[0], ends=[[0, 0]]),
    "one column per rate": lambda: plot_rates([0.1], {"r": [[1.0, 2.0]]}, {"r": [[False, False]]}),
    "one shape": lambda: plot_images({"x": np.zeros((2, 8))}, look_for=""),
    "(seeds, epochs, blocks)": lambda: plot_angles({"a": np.full((1, 2, 3), INF)}),
    "magic": lambda: plot_flow(["back-propagation", "magic"]),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_drawn_is_refused_by_name(words):
    with pytest.raises((ValueError, KeyError), match=re.escape(words)):
        REFUSED[words]()
