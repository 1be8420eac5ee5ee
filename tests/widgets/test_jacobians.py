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
    shapes,
)

# Of each operation its vJp, which reads what the operation says it keeps, and the shape of x.
VJPS = {
    "tanh(x)": lambda g, y, shape: g * (1 - y * y),
    "a ⊙ x": lambda g, a, shape: a * g,
    "Ax": lambda g, a, shape: a.T @ g,
    "AX, in X": lambda g, a, shape: a.T @ g,
    "XB, in X": lambda g, b, shape: g @ b.T,
    "b + X, in b": lambda g, kept, shape: g.sum(axis=1),
    "sum(x)": lambda g, kept, shape: np.broadcast_to(g, shape),
    "log-sum-exp(x)": lambda g, x, shape: g * np.exp(x) / np.exp(x).sum(),
    "softmax(x)": lambda g, y, shape: y * (g - g @ y),
    "reshape X": lambda g, kept, shape: g.reshape(shape),
    "transpose X": lambda g, kept, shape: g.T,
    "slice x[1:-1]": lambda g, kept, shape: np.pad(g, 1),
    "sliding window": lambda g, w, shape: np.convolve(g, w),
}


def operands(name):
    shape = shapes(name, 3, 5, 2)
    return OPERATIONS[name], shape, *draw_operands(shape)


def test_what_each_operation_keeps_is_enough_for_its_vjp():
    assert list(VJPS) == list(OPERATIONS)
    for name in OPERATIONS:
        operation, shape, x, a = operands(name)
        y, pullback = vjp(lambda x: operation.value(x, a), x)  # noqa: B023
        assert np.shape(y) == shape["y"], name
        y_bar = np.random.default_rng(1).normal(size=np.shape(y))
        kept = {"x": x, "y": y, "a": a, "": None}[operation.keeps]
        x_bar = VJPS[name](y_bar, kept, x.shape)
        assert x_bar.shape == x.shape, name
        np.testing.assert_allclose(x_bar, pullback(y_bar)[0], rtol=1e-12, atol=1e-14, err_msg=name)
        assert not np.allclose(1.001 * x_bar, pullback(y_bar)[0], rtol=1e-5, atol=1e-14), name


def test_each_drawn_matrix_is_the_jacobian_of_the_stacked_arrays():
    for name, (stacking, order) in itertools.product(OPERATIONS, {"columns": "F", "rows": "C"}.items()):
        operation, shape, x, a = operands(name)
        J = matrix_of(name, shape, stacking)
        x_dot = np.random.default_rng(2).normal(size=x.shape)
        step = 1e-6  # central: error about step², far below the bound
        up, down = (np.asarray(operation.value(x + h * x_dot, a)).ravel(order) for h in (step, -step))
        np.testing.assert_allclose(J @ x_dot.ravel(order), (up - down) / (2 * step), atol=1e-7, err_msg=name)


def test_known_patterns():
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
        shape = shapes(name, 3, 4, 2)
        _, a = draw_operands(shape)
        np.testing.assert_allclose(matrix_of(name, shape, stacking), expected(a), atol=1e-15)


def test_four_tebibytes_and_what_is_kept_instead():
    large = [1024] * 3
    assert bytes_needed("AX, in X", *large) == (4 * 2**40, 4 * 2**20)
    assert bytes_needed("tanh(x)", *large) == (4 * 2**20, 4 * 2**10)
    assert bytes_needed("transpose X", *large) == (4 * 2**40, 0)
    page = jacobian_panel().answer[1]._repr_html_()
    assert "4 TiB" in page
    assert "4 MiB (A)" in page
    assert "input: n × k; output: m × k; constant: m × n" in page


def test_a_click_on_an_entry_says_what_it_is():
    panel = jacobian_panel()
    (handle,) = panel.answer[0].handles
    for name, stacking, at, words in (
        ("AX, in X", "columns", (2.3, 0.8), "Row 2, column 3: ∂Y₂₁/∂X₃₁ = A₂₃ = −1.246"),
        ("AX, in X", "rows", (2.3, 0.8), "Row 2, column 3: ∂Y₁₂/∂X₂₁ = 0"),
        ("XB, in X", "columns", (0, 0), "∂Y₁₁/∂X₁₁ = B₁₁ ="),
        ("sliding window", "columns", (1, 0), "∂y₁/∂x₂ = w₂ ="),
        ("softmax(x)", "rows", (0, 0), "∂y₁/∂x₁ = 0."),
        ("sum(x)", "rows", (3, 0), "Row 1, column 4: ∂y/∂x₄ = 1"),
    ):
        assert words in panel.run(operation=name, stacking=stacking, **handle.click(*at))[2]
    assert panel.run(row=9)[2] == "The matrix has 1 row, 4 columns: no entry there."


def test_names_follow_the_stacking():
    assert names("X", (2, 2), "columns") == ["X₁₁", "X₂₁", "X₁₂", "X₂₂"]
    assert names("X", (2, 2), "rows") == ["X₁₁", "X₁₂", "X₂₁", "X₂₂"]
    assert names("x", (3,), "columns") == ["x₁", "x₂", "x₃"]
    assert names("y", (), "rows") == ["y"]
    assert in_words(1023) == "1023 bytes"


def test_every_operation_can_be_drawn_at_the_smallest_and_largest_sizes():
    panel = jacobian_panel()
    for name, (m, n, k) in itertools.product(OPERATIONS, ((1, 3, 1), (5, 6, 4))):
        picture = panel.run(operation=name, m=m, n=n, k=k)[0]
        rows, columns = (int(np.prod(shapes(name, m, n, k)[part])) for part in "yx")
        assert picture.figure.axes[0].images[0].get_array().shape[:2] == (rows, columns), (name, m)
        assert OPERATIONS[name].remark == picture.look_for
