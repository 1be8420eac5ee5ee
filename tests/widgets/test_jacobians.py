"""The panel on Jacobians: each operation's rule is right and reads only what it says it keeps; every control works."""

from __future__ import annotations

import itertools

import numpy as np

from helpers.diff.arrays import vjp
from helpers.widgets.jacobians import (
    OPERATIONS,
    bytes_needed,
    draw_operands,
    in_words,
    jacobian_panel,
    matrix_of,
    names,
    picture_of,
    sizes,
)


def operands(name, m=3, n=5, k=2):
    operation, length = OPERATIONS[name], sizes(m, n, k)
    return operation, length, *draw_operands(operation, length)


def test_each_rule_gives_what_the_engine_gives_from_what_it_keeps():
    for name in OPERATIONS:
        operation, length, x, a = operands(name)
        y, pullback = vjp(lambda x: operation.value(x, a), x)  # noqa: B023
        assert np.shape(y) == operation.shape("y", length), name
        y_bar = np.random.default_rng(1).normal(size=np.shape(y))
        kept = {"x": x, "y": y, "a": a, "": None}[operation.keeps]
        x_bar = operation.vjp(y_bar, kept, x.shape)
        assert x_bar.shape == x.shape, name
        np.testing.assert_allclose(x_bar, pullback(y_bar)[0], rtol=1e-12, atol=1e-14, err_msg=name)
        assert not np.allclose(1.001 * x_bar, pullback(y_bar)[0], rtol=1e-5, atol=1e-14), name


def test_each_drawn_matrix_is_the_jacobian_of_the_stacked_arrays():
    for name, (stacking, order) in itertools.product(OPERATIONS, {"columns": "F", "rows": "C"}.items()):
        operation, length, x, a = operands(name)
        J = matrix_of(name, length, stacking)
        x_dot = np.random.default_rng(2).normal(size=x.shape)
        step = 1e-6  # central: error about step², far below the bound
        up, down = (np.asarray(operation.value(x + h * x_dot, a)).ravel(order) for h in (step, -step))
        np.testing.assert_allclose(J @ x_dot.ravel(order), (up - down) / (2 * step), atol=1e-7, err_msg=name)


def test_known_patterns():
    length = sizes(3, 4, 2)
    for name, stacking, expected in (
        ("AX, in X", "columns", lambda a: np.kron(np.eye(2), a)),
        ("AX, in X", "rows", lambda a: np.kron(a, np.eye(2))),
        ("XB, in X", "columns", lambda b: np.kron(b.T, np.eye(3))),
        ("XB, in X", "rows", lambda b: np.kron(np.eye(3), b.T)),
        ("a ⊙ x", "columns", np.diag),
        ("reshape X", "rows", lambda _: np.eye(8)),
        ("slice x[1:-1]", "rows", lambda _: np.eye(4)[1:-1]),
        ("b + X, in b", "columns", lambda _: np.tile(np.eye(3), (2, 1))),
        ("sum(x)", "rows", lambda _: np.ones((1, 4))),
    ):
        _, a = draw_operands(OPERATIONS[name], length)
        np.testing.assert_allclose(matrix_of(name, length, stacking), expected(a), atol=1e-15)


def test_four_tebibytes_and_what_is_kept_instead():
    large = sizes(1024, 1024, 1024)
    assert bytes_needed(OPERATIONS["AX, in X"], large) == (4 * 2**40, 4 * 2**20)
    assert bytes_needed(OPERATIONS["tanh(x)"], large) == (4 * 2**20, 4 * 2**10)
    assert bytes_needed(OPERATIONS["transpose X"], large) == (4 * 2**40, 0)
    panel = jacobian_panel()
    page = panel.answer[1]._repr_html_()
    assert "4 TiB" in page
    assert "4 MiB (the constant)" in page
    assert "input: n × k; output: m × k; constant: m × n" in panel.answer[2]


def test_names_follow_the_stacking():
    assert names("X", (2, 2), "columns") == ["X₁₁", "X₂₁", "X₁₂", "X₂₂"]
    assert names("X", (2, 2), "rows") == ["X₁₁", "X₁₂", "X₂₁", "X₂₂"]
    assert names("x", (3,), "columns") == ["x₁", "x₂", "x₃"]
    assert names("y", (), "rows") == ["y"]
    assert in_words(1023) == "1023 bytes"


def test_every_operation_can_be_drawn_at_the_smallest_and_largest_sizes():
    for name, size in itertools.product(OPERATIONS, ((1, 3, 1), (5, 6, 4))):
        length = sizes(*size)
        rows, columns = (int(np.prod(OPERATIONS[name].shape(part, length))) for part in "yx")
        picture = picture_of(name, length, "columns")
        assert picture.figure.axes[0].images[0].get_array().shape[:2] == (rows, columns), (name, size)
        assert OPERATIONS[name].remark == picture.look_for
