"""Reverse mode on NumPy arrays: one node an array operation, and vJp rules instead of local derivatives.

>>> W, x = Array([[1.0, 2.0], [3.0, 4.0]]), Array([5.0, 6.0])
>>> loss = (W @ x).sum()
>>> loss.backward()
>>> W.gradient, x.gradient
(array([[5., 6.], [5., 6.]]), array([4., 6.]))

`Array` records what is done with it, and ``backward`` fills in gradients. `vjp` does the same for a function, and
`jacobian` builds the matrix that both avoid. The rules are in `helpers.diff.array_rules`, the way back through a trace
is in `helpers.diff.array_trace`.

A function of arrays is written with operators (``+ - * / ** @``), indexing, ``.T`` and the methods ``sum``, ``mean``,
``max``, ``reshape`` and ``transpose``, which NumPy's arrays have too, and the functions of this module. So it runs on
NumPy's arrays as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from helpers.diff.array_node import Array, adjoint_of, constant, record
from helpers.diff.array_rules import ROWS, concatenate, log_sum_exp, stack, where
from helpers.diff.array_trace import made_from, propagate, read_only, real_array, trace
from helpers.diff.operations import call
from helpers.diff.rules import (
    Operand,
    absolute,
    cos,
    exp,
    is_number,
    log,
    maximum,
    minimum,
    relu,
    sigmoid,
    sin,
    sqrt,
    tan,
    tanh,
)

__all__ = [
    "Array", "absolute", "concatenate", "cos", "exp", "jacobian", "log", "log_sum_exp", "maximum", "minimum", "relu",
    "sigmoid", "sin", "sqrt", "stack", "tan", "tanh", "vjp", "where",
]  # fmt: skip


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Compute a function, and return its pullback: the vector-Jacobian product, for any number of vectors.

    Parameters
    ----------
    f : callable
        A function of arrays to one array, written as this module says.
    *primals : array_like
        Its arguments.

    Returns
    -------
    y : ndarray, or float for a single number
        The result, read-only.
    pullback : callable
        ``pullback(y_bar) -> x_bars``: from the adjoint of y, in its shape, the adjoints of the primals, in theirs:
        always a tuple, one entry a primal, read-only. The cost of a call is a small multiple of that of f.

    Raises
    ------
    TypeError
        If f returns something else than an array.
    ValueError
        In the pullback, if y_bar does not have the shape of y.

    Notes
    -----
    Where a primal, y_bar, or something that f takes from outside is an `Array`, all results are Arrays that can be
    differentiated again.

    Examples
    --------
    >>> y, pullback = vjp(lambda A, x: A @ x, [[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0])
    >>> A_bar, x_bar = pullback([1.0, 0.0])
    >>> y, x_bar
    (array([17., 39.]), array([1., 2.]))
    >>> slope = lambda x: vjp(lambda x: x**3, x)[1](1.0)[0]
    >>> print(slope(2.0), vjp(slope, 2.0)[1](1.0)[0])  # 3x² and 6x
    12.0 12.0
    """
    if not primals:
        raise ValueError("vjp needs a primal: call it as vjp(f, x)")
    for x in primals:
        if isinstance(x, Operand) and not isinstance(x, Array):
            raise TypeError(
                f"vjp takes arrays, got a {type(x).__name__}: reverse mode does not run inside another mode. For a "
                "second derivative call vjp inside vjp, or helpers.diff.forward.jvp inside vjp"
            )
    inputs = [record(ROWS["identity"], (x,)) if isinstance(x, Array) else Array(x) for x in primals]
    result = call(f, *inputs)
    if not (isinstance(result, Array) or is_number(result)):
        raise TypeError(f"f must return one array, got {result!r} of type {type(result).__name__}; stack joins several")
    y = result if isinstance(result, Array) else constant(result, inputs[0])
    own, nodes = set(inputs), trace(y)
    nested = any(not (node.parents or node.constant or node in own) for node in nodes)  # it leads to Arrays outside
    wanted = made_from(inputs, nodes) if nested else nodes
    for x in inputs:
        x.constant = not x.parents  # from here on: nobody else holds an input made of numbers, to ask for its adjoint

    def pullback(y_bar: Any) -> tuple[Any, ...]:
        recorded = nested or isinstance(y_bar, Array)
        seed = adjoint_of(y, y_bar if isinstance(y_bar, Array) else real_array(y_bar))
        if recorded and not isinstance(seed, Array):
            seed = constant(seed, y)
        adjoints = {node: x_bar for node, x_bar in propagate(y, seed, recorded, wanted) if node in own}
        x_bars = [adjoints[x] if x in adjoints else np.zeros_like(x.value) for x in inputs]
        if not recorded:
            return tuple(read_only(x_bar)[()] for x_bar in x_bars)
        return tuple(x_bar if isinstance(x_bar, Array) else constant(x_bar, y) for x_bar in x_bars)

    return (y if nested else y.value[()]), pullback


def jacobian(f: Callable[[Any], Any], x: ArrayLike) -> Any:
    """Return the Jacobian of a function of one array, row by row.

    Parameters
    ----------
    f : callable
        A function of one array to one array.
    x : array_like
        Where.

    Returns
    -------
    ndarray, shape (*y.shape, *x.shape)
        The derivative of y[i] with respect to x[j] at index (i, j), where i and j may be several numbers each. For the
        matrix of the textbooks: ``jacobian(f, x).reshape(y.size, x.size)``.

    Notes
    -----
    One pullback for each element of y, so the cost is y.size times that of a gradient.

    Examples
    --------
    >>> jacobian(lambda x: x * x, [1.0, 2.0, 3.0])
    array([[2., 0., 0.],
           [0., 4., 0.],
           [0., 0., 6.]])
    """
    y, pullback = vjp(f, x)
    shape, size = np.shape(y), int(np.prod(np.shape(y)))
    if not size:
        return np.zeros((*shape, *np.shape(x)))
    rows = [pullback(np.eye(1, size, i).reshape(shape))[0] for i in range(size)]
    return stack(rows).reshape((*shape, *np.shape(rows[0])))
