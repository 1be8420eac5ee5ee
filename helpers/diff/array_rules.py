"""The table of vJp rules: how each operation on arrays sends an adjoint back to its operands.

Let y = f(x), with Jacobian J. The adjoint ȳ = dL/dy has the shape of y, and the rule returns x̄ = J'ȳ, of the shape of
x: the product of a vector with the Jacobian. The Jacobian itself is never built. Three ideas fill the table:

* An elementwise operation has a diagonal Jacobian. Its rule multiplies by the derivatives of `helpers.diff.rules`, so
  an operation that is new there is differentiated here too.
* What broadcasting repeats is added up on the way back (`sum_to`); what a sum adds up is repeated (`spread`).
* Y = AB sends back Ā = ȲB' and B̄ = A'Ȳ.

The rules are written with operations of this same table. On NumPy's arrays they give numbers; on `Array` they record
what they do, and the derivative can be differentiated again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, cast

import numpy as np

from helpers.diff.rules import RULES, Operators, Rule, exp, local_derivative, sign

Shape = tuple[int, ...]
Axis = int | Sequence[int] | None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row of the table."""

    name: str
    value: Callable[..., Any]  # (*operands, **options) -> y
    # One for each operand, (y_bar, y, *operands, **options) -> x_bar. It has the shape of the operand, or that to which
    # the operand was broadcast; then `propagate` adds it up.
    vjps: tuple[Callable[..., Any], ...]
    rule: Rule | None = None  # of an elementwise operation: its row in `helpers.diff.rules`


def operate(name: str, operand: Any, **options: Any) -> Any:
    """Carry out an operation of the table: recorded of an `Array`, else on NumPy's arrays."""
    if isinstance(operand, Operators):
        return cast(Any, operand).operate(ROWS[name], operand, options)
    return ROWS[name].value(operand, **options)


# Shapes.


def sum_to(x_bar: Any, shape: Shape) -> Any:
    """Add up the axes along which broadcasting repeated an operand of this shape."""
    new = x_bar.ndim - len(shape)  # broadcasting puts new axes in front ...
    if new:
        x_bar = x_bar.sum(axis=tuple(range(new)))
    if x_bar.shape == shape:
        return x_bar
    ones = tuple([i for i, length in enumerate(shape) if length == 1])  # ... and stretches those of length 1
    return x_bar.sum(axis=ones, keepdims=True)


def with_axes(y: Any, shape: Shape, axis: Axis) -> Any:
    """Give the result of a reduction over ``axis`` its lost axes back (or none, where all are lost)."""
    if axis is None or not shape:
        return y
    reduced = {int(i) % len(shape) for i in np.atleast_1d(axis)}
    return y.reshape(tuple(1 if i in reduced else length for i, length in enumerate(shape)))


def spread(y_bar: Any, shape: Shape, axis: Axis) -> Any:
    """Repeat along the reduced axes: each addend of a sum receives the adjoint of the sum."""
    return operate("broadcast", with_axes(y_bar, shape, axis), shape=shape)


# Elementwise operations.


def elementwise(rule: Rule, *vjps: Callable[..., Any]) -> Row:
    """Make the row of an elementwise operation from its derivatives.

    Rules of its own spare the time in which `local_derivative` watches for a division by zero: a fifth, in a small net.
    """

    def vjp(index: int, y_bar: Any, y: Any, *operands: Any) -> Any:
        return y_bar * local_derivative(rule, index, y, operands)

    return Row(rule.name, rule.array_value, vjps or tuple(partial(vjp, i) for i in range(len(rule.derivatives))), rule)


def tanh_vjp(y_bar: Any, y: Any, x: Any) -> Any:
    """Multiply by 1 - y²."""
    x_bar = 1 - y * y
    x_bar *= y_bar  # in place on NumPy's arrays, which spares one; of an Array it makes a new one
    return x_bar


@lru_cache(maxsize=256)
def row_of(rule: Rule) -> Row:
    """Return the row for a rule; one that is not in this table (a constant exponent, a new operation) gets its own."""
    row = ROWS.get(rule.name)
    return row if row is not None and row.rule is rule else elementwise(rule)


# Matrix products. A vector on the left counts as a row, one on the right as a column; the result lacks that axis.


def as_matrices(y_bar: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Give vectors the axis back that they lack as matrices."""
    if b.ndim == 1:
        y_bar, b = y_bar[..., None], b[:, None]
    if a.ndim == 1:
        y_bar, a = y_bar[..., None, :], a[None, :]
    return y_bar, a, b


def matmul_left(y_bar: Any, y: Any, a: Any, b: Any) -> Any:
    """Ā = Ȳ B'."""
    Y_bar, _, B = as_matrices(y_bar, a, b)
    A_bar = Y_bar @ B.mT
    return A_bar if a.ndim > 1 else A_bar[..., 0, :]


def matmul_right(y_bar: Any, y: Any, a: Any, b: Any) -> Any:
    """B̄ = A' Ȳ."""
    Y_bar, A, _ = as_matrices(y_bar, a, b)
    B_bar = A.mT @ Y_bar
    return B_bar if b.ndim > 1 else B_bar[..., 0]


# Reductions.


def add_up(x: Any, axis: Any, keepdims: bool) -> Any:
    """Do what ``x.sum`` does, without its detour through Python."""
    return cast(Any, np.add.reduce)(x, axis=axis, keepdims=keepdims)


def mean(x: Any, axis: Any, keepdims: bool) -> Any:
    """Average."""
    y = add_up(x, axis, keepdims)
    return y * (y.size / x.size)


def max_vjp(y_bar: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Send the adjoint to the largest element; at a tie the largest share it equally."""
    largest = x == with_axes(y, x.shape, axis)
    with np.errstate(invalid="ignore"):  # 0 / 0 where the largest is NaN: no element equals it, and NaN is the answer
        share = largest / largest.sum(axis=axis, keepdims=True)
    return with_axes(y_bar, x.shape, axis) * share.astype(x.dtype)


def log_sum_exp_value(x: Any, axis: Any, keepdims: bool) -> Any:
    """Take the largest element out first, so that exp never overflows."""
    x = np.asarray(x)
    top = x.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)  # inf - inf would be NaN
    y = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return y if keepdims else y.squeeze(axis)


def log_sum_exp_vjp(y_bar: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Multiply by the softmax of x, which is the gradient of log-sum-exp."""
    return with_axes(y_bar, x.shape, axis) * exp(x - with_axes(y, x.shape, axis))


def place(y_bar: Any, index: Any, shape: Shape) -> Any:
    """Return zeros of a shape, with an array added at an index: the transpose of indexing."""
    total = np.zeros(shape, y_bar.dtype)
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, np.ndarray) and part.dtype.kind != "b" for part in parts):
        np.add.at(total, index, y_bar)  # an element that the index names twice receives both
    else:
        total[index] = y_bar
    return total


# The table.

ROWS: dict[str, Row] = {name: elementwise(rule) for name, rule in RULES.items()} | {
    row.name: row
    for row in (
        elementwise(RULES["add"], lambda y_bar, y, a, b: y_bar, lambda y_bar, y, a, b: y_bar),
        elementwise(RULES["sub"], lambda y_bar, y, a, b: y_bar, lambda y_bar, y, a, b: -y_bar),
        elementwise(RULES["neg"], lambda y_bar, y, x: -y_bar),
        elementwise(RULES["mul"], lambda y_bar, y, a, b: y_bar * b, lambda y_bar, y, a, b: y_bar * a),
        elementwise(RULES["tanh"], tanh_vjp),
        elementwise(RULES["relu"], lambda y_bar, y, x: y_bar * sign(y)),  # 0 or 1, and NaN of NaN
        Row("matmul", operator.matmul, (matmul_left, matmul_right)),
        Row("sum", add_up, (lambda y_bar, y, x, axis, keepdims: spread(y_bar, x.shape, axis),)),
        Row("mean", mean,
            (lambda y_bar, y, x, axis, keepdims: spread(y_bar * (y.size / x.size), x.shape, axis),)),
        Row("max", lambda x, axis, keepdims: x.max(axis=axis, keepdims=keepdims), (max_vjp,)),
        Row("log_sum_exp", log_sum_exp_value, (log_sum_exp_vjp,)),
        Row("broadcast", lambda x, shape: np.broadcast_to(x, shape), (lambda y_bar, y, x, shape: y_bar,)),
        Row("reshape", lambda x, shape: x.reshape(shape), (lambda y_bar, y, x, shape: y_bar.reshape(x.shape),)),
        Row("transpose", lambda x, axes: x.transpose(axes),
            (lambda y_bar, y, x, axes: y_bar.transpose(np.argsort([i % x.ndim for i in axes]).tolist()),)),
        Row("getitem", lambda x, index: x[index],
            (lambda y_bar, y, x, index: operate("place", y_bar, index=index, shape=x.shape),)),
        Row("place", place, (lambda y_bar, y, x, index, shape: y_bar[index],)),
        Row("astype", lambda x, dtype: x.astype(dtype), (lambda y_bar, y, x, dtype: y_bar.astype(x.dtype),)),
        Row("identity", lambda x: x, (lambda y_bar, y, x: y_bar,)),
    )
}  # fmt: skip
