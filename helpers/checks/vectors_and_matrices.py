"""Self-checks of lecture 03."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from helpers.checks.verdict import Answer, Cases, check, judge, pair, same
from helpers.diff.arrays import vjp

Floats = NDArray[np.float64]
SEEDS = 5  # a wrong rule must be refused with each of so many pairs of vectors


@check
def check_agree(agree: Answer) -> Cases:
    """Check ``agree(pushforward, pullback, x_size, y_size, seed)``, the dot-product test."""
    J = np.array([[2.0, -1.0, 0.5], [0.3, 4.0, -2.0]])
    lost, exchanged = J.T.copy(), J.T[:, ::-1]
    lost[0] = 0.0
    drawn: dict[int, list[Floats]] = {seed: [] for seed in range(SEEDS)}

    def answer(transpose: Floats, seed: int, scale: float = 1.0) -> bool:
        def times(matrix: Floats, v: Floats) -> Floats:
            drawn[seed].append(np.array(v, dtype=float))
            return np.asarray(scale * matrix @ v)

        return bool(agree(lambda v: times(J, v), lambda v: times(transpose, v), J.shape[1], J.shape[0], seed))

    for seed in drawn:
        for scale in (1.0, 1e9, 1e-9):
            hint = "compare relative to the size of the products: rounding grows and shrinks with them"
            got = answer(J.T, seed, scale)
            yield judge(got, f"a right pullback, J of size {scale:g}, seed {seed}", True, got, hint)
        yield judge(drawn[seed], "both functions", "calls", "none", "push x_dot forward, pull y_bar back, and compare")
        calls = np.reshape(np.concatenate(drawn[seed]), (3, -1))
        hint = "np.random.default_rng(seed)"
        yield same(calls, calls[[0, 0, 0]], f"the vectors drawn from seed {seed}, three times", hint)
        for case, wrong, hint in (
            ("the sign is wrong", -J.T, "compare the two products as they are, without abs"),
            ("all is 0.1 % too large", 1.001 * J.T, "allow for rounding only, 1e-9 or so of the products"),
            ("one input receives nothing", lost, "x_dot and y_bar must have all their entries random, not zero"),
            ("two outputs are exchanged", exchanged, "draw y_bar at random: for a vector of ones nothing differs"),
            ("all is zero", 0.0 * J.T, "two products that differ do not agree, even if one of them is 0"),
        ):
            got = answer(wrong, seed)
            yield judge(not got, f"a pullback where {case}, seed {seed}", False, got, hint)
    other = not np.array_equal(np.concatenate(drawn[0]), np.concatenate(drawn[1]))
    yield judge(other, "the vectors drawn", "others for another seed", "the same", "use the seed")


@check
def check_softmax_vjp(softmax_vjp: Answer) -> Cases:
    """Check ``softmax_vjp(y, y_bar)``, for one column and for several."""
    rng = np.random.default_rng(3)
    for n, k, hint in (
        (4, 1, "y times what is left of y_bar when the number y'y_bar is taken away"),
        (4, 3, "an inner product for each column: sum over axis 0, with keepdims=True"),
        (3, 3, "in a square matrix a wrong axis raises nothing: sum over axis 0, with keepdims=True"),
    ):
        powers, Y_bar = np.exp(rng.normal(size=(n, k))), rng.normal(size=(n, k))
        Y = powers / powers.sum(axis=0)
        columns = [(np.diag(y) - np.outer(y, y)) @ y_bar for y, y_bar in zip(Y.T, Y_bar.T)]
        given = np.array([Y, Y_bar])
        yield same(softmax_vjp(*given), np.stack(columns, axis=1), f"{n} numbers in each of {k} columns", hint)
        yield same(given, [Y, Y_bar], "y and y_bar, unchanged", "the trace still needs them: change nothing in place")


@check
def check_matmul_vjp(matmul_vjp: Answer) -> Cases:
    """Check ``matmul_vjp(A, X, G) -> (A_bar, X_bar)`` against the engine."""
    rng = np.random.default_rng(4)
    for m, n, k in ((3, 4, 2), (1, 5, 3), (3, 3, 3)):
        A, X, G = (rng.normal(size=shape) for shape in ((m, n), (n, k), (m, k)))
        answer, sizes = matmul_vjp(A, X, G), f"A ({m}, {n}), X ({n}, {k})"
        yield pair(answer, sizes, "of adjoints, (A_bar, X_bar)")
        A_bar, X_bar = vjp(lambda A, X: A @ X, A, X)[1](G)
        yield same(answer[1], X_bar, f"the adjoint of X, {sizes}", "it has the shape of X: A'G, as derived above")
        hint = "tr((AX)'G) = tr(X'A'G) = tr(A'GX'): now line 4 applies to A"
        yield same(answer[0], A_bar, f"the adjoint of A, {sizes}", hint)


@check
def check_unbroadcast(unbroadcast: Answer) -> Cases:
    """Check ``unbroadcast(G, shape)`` for every way in which a matrix can be broadcast."""
    G = np.random.default_rng(5).normal(size=(3, 3))
    for shape, expected, hint in (
        ((3, 1), [[g] for g in G @ np.ones(3)], "a column was repeated: add the columns of G up, with keepdims=True"),
        ((1, 3), [np.ones(3) @ G], "a row was repeated: add up the rows of G"),
        ((1, 1), [[G.sum()]], "a single number was repeated along both axes"),
        ((3, 3), G, "nothing was repeated, so there is nothing to add"),
    ):
        yield same(unbroadcast(G.copy(), shape), expected, f"an operand of shape {shape}", hint)
    yield same(unbroadcast(G[:, :1], (3, 1)), G[:, :1], "G itself of shape (3, 1)", "a sum over one number is harmless")
