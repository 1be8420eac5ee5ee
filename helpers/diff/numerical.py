"""Numerical differentiation: nudge an input, watch the output. No rule of calculus is needed, only evaluations of f.

>>> f = lambda x: np.log(x[0]) + x[0] * x[1] - np.sin(x[1])
>>> gradient(f, [2.0, 5.0]).round(5)
array([5.5    , 1.71634])

`Counted` counts how often f is evaluated: that is the price. ``METHODS`` holds the three formulas. The third is the
complex step: an analytic function carries its derivative in the imaginary part, f(x + ih) = f(x) + ih f'(x) + O(h²).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.rules import real_numbers

Method = Literal["forward", "central", "complex"]


class DifferenceFormula(NamedTuple):
    """How a derivative is estimated, and the step with the least error."""

    quotient: Callable[[Callable[[Any], Any], Any], Any]  # (line, h) -> the derivative at t = 0 of line(t) = f(x + t)
    best_step: Callable[[Any], float]  # what NumPy knows of the precision -> h for an input of size 1


METHODS: dict[str, DifferenceFormula] = {
    # truncation h|f''|/2 and rounding 2 eps|f|/h are of one size at h ~ sqrt(eps)
    "forward": DifferenceFormula(lambda line, h: (line(h) - line(0)) / h, lambda finfo: float(finfo.eps) ** (1 / 2)),
    # truncation h²|f'''|/6 and rounding eps|f|/h are of one size at h ~ eps^(1/3)
    "central": DifferenceFormula(
        lambda line, h: (line(h) - line(-h)) / (2 * h), lambda finfo: float(finfo.eps) ** (1 / 3)
    ),
    # truncation h²|f'''|/6 and no subtraction, so no cancellation: h may be so small that h² is just above 0
    "complex": DifferenceFormula(lambda line, h: line(1j * h).imag / h, lambda finfo: math.sqrt(finfo.tiny)),
}


class Counted:
    """A function that counts how often it is evaluated, in ``evaluations``.

    >>> f = Counted(lambda x: np.sum(x**2))
    >>> gradient(f, np.ones(5), method="forward", check=False).round(6)
    array([2., 2., 2., 2., 2.])
    >>> f.evaluations
    6
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.evaluations = f, 0

    def __call__(self, *arguments: Any) -> Any:
        self.evaluations += 1
        return self.f(*arguments)


def gradient(
    f: Callable[[Any], Any], x: ArrayLike, method: Method = "central", step: float | None = None, check: bool = True
) -> Any:
    """Estimate the gradient at x of a function that gives one number.

    Parameters
    ----------
    f : callable
        Takes one argument, of the precision of x: a number if x is a number, else an array of x's shape.
    x : float or array_like of floats
        Where. Whole numbers are taken as float64; float32 stays float32, also in the result.
    method : {"forward", "central", "complex"}
        (f(x + h) - f(x)) / h, or (f(x + h) - f(x - h)) / 2h, or Im f(x + ih) / h, one input at a time.
    step : float, optional
        h, above 0, the same for all inputs. By default sqrt(eps), eps^(1/3) or a tiny number, where eps is that of the
        precision of x, times max(1, abs(x)) for each input: the least error if f and its derivatives are of one size.
        Where f changes on a smaller scale (log x at x = 1e-9), give a step.
    check : bool
        Differences: evaluate f once more where it was evaluated first; an f that is random, or remembers, is refused.
        Complex step: compare with a central difference along one random direction, up to eps^(1/4), 1.2e-4 in float64.
        What is not analytic, as abs or ``x.real``, drops the imaginary part in silence: only the check sees it.

    Notes
    -----
    For n inputs f is evaluated n + 1 times (forward, complex) or 2n times (central), and for the check once more, or
    twice and more (complex). At best half of the digits are right (forward), two thirds (central), or all (complex;
    Squire & Trapp, 1998). At a jump or a kink of f a difference is no derivative, and nothing here can notice that.

    >>> bool(gradient(np.exp, 1.0, method="complex") == np.exp(1.0))
    True
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    given = real_numbers(x, "x")
    point = given if given.dtype.kind == "f" else given.astype(np.float64)
    steps = checked_steps(point, method, step)
    python_number = not isinstance(x, (np.ndarray, np.generic)) and point.ndim == 0
    first: list[Any] = []  # where f was evaluated first, and what it gave

    def at(moved: NDArray[Any]) -> Any:
        begin = moved.copy()
        y = checked_output(f(moved.item() if python_number and moved.dtype.kind == "f" else moved[()]), begin.dtype)
        first.extend([] if first else [begin, y])
        return y

    origin = None if method == "central" else at(point.copy())

    def slope(i: int) -> Any:
        def line(t: Any) -> Any:
            if origin is not None and t == 0:
                return origin
            moved = point.astype(np.result_type(point, t))  # a copy, so that f may do with it what it likes
            moved.flat[i] += t
            return at(moved)

        return METHODS[method].quotient(line, steps[i])

    slopes = np.array([slope(i) for i in range(point.size)]).reshape(point.shape).astype(point.dtype)
    if check and method == "complex":
        coarse = float((steps / np.maximum(1, abs(point.ravel()))).max())  # a given step has an error of this, squared
        _check_along_a_line(at, point, slopes, float(np.finfo(point.dtype).eps) ** (1 / 4) + coarse**2)
    elif check and at(first[0].copy()) != first[1]:
        raise ValueError("f gives two values at one point: give it a generator with one seed, or say check=False")
    return slopes.item() if python_number else slopes[()]


def _check_along_a_line(
    at: Callable[[NDArray[Any]], Any], point: NDArray[Any], found: NDArray[Any], tolerance: float
) -> None:
    """Compare derivatives with central differences along a random line through the point; one of them must agree.

    A step may be too wide: f leaves its domain, or bends. Then narrower ones are tried, as far as rounding cannot hide
    a derivative that was lost.
    """
    eps, rng = float(np.finfo(point.dtype).eps), np.random.default_rng(0)
    direction = rng.choice([-1, 1], point.shape) * rng.uniform(0.5, 1, point.shape) * eps ** (1 / 3)
    size, forgiving = np.where(point == 0, 1, abs(point)), True
    problem: Exception | None = None
    for width in [*(np.maximum(1, size) / 10.0**k for k in (0, 2, 4, 6)), size, size / 100]:
        shift = (width * direction).astype(point.dtype)
        above, below = point + shift, point - shift
        parts = found * ((above - below) / 2)  # the steps that are really taken, since x + h is rounded
        try:
            with np.errstate(all="ignore"):
                ends = at(above), at(below)
        except (ValueError, ArithmeticError) as error:  # outside of the domain of f
            problem = error
            continue
        off, allowed = abs((ends[0] - ends[1]) / 2 - parts.sum()), tolerance * np.hypot.reduce(parts, axis=None)
        rounding = 100 * eps * (abs(ends[0]) + abs(found * point).sum())
        if off <= allowed + rounding and (forgiving or rounding < allowed):
            return
        forgiving = False
    raise ValueError(
        "the complex step and a central difference disagree: f may drop the imaginary part, as abs(x) and x.real do, "
        "or may not be smooth at x, or may be too flat; choose method='central', or check=False if you know better"
    ) from problem


def checked_steps(point: NDArray[Any], method: Method, step: float | None) -> NDArray[Any]:
    """Return the step of each input in the precision of x, shape (n,); one that does not change x is refused."""
    x, finfo = point.ravel(), np.finfo(point.dtype)
    best: NDArray[Any] = (METHODS[method].best_step(finfo) * np.maximum(1, abs(x))).astype(x.dtype)
    if step is None:
        # x + h is rounded: h becomes the step that is really taken. A given step is taken at its word.
        return best if method == "complex" else (x + best) - x
    h = x.dtype.type(step)
    too_small = np.full(x.shape, h < finfo.tiny) if method == "complex" else (x + h == x) | (x - h == x)
    if not 0 < h <= finfo.max or too_small.any():
        raise ValueError(f"step must be finite and change each x in {x.dtype}, got {step!r}; try {best.max():.1g}")
    return np.full(x.shape, h)


def checked_output(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return the number that f gave for an argument of this dtype, or raise an error that says what came."""
    y = np.array(value)  # a copy: f may fill the same array each time
    if y.ndim or y.dtype.kind not in "fciu" or (y.dtype.kind == "c" and dtype.kind != "c"):
        raise ValueError(f"f must give one number, real for real x, got {value!r} of type {type(value).__name__}")
    if not np.isfinite(y):
        raise ValueError(f"f must be finite at x and beside it, got {y!s}; move x, or choose a smaller step")
    if y.dtype.kind in "fc" and np.finfo(y.dtype).eps > np.finfo(dtype).eps:
        raise ValueError(f"f gives {y.dtype} for x of {dtype}, too coarse for its step: let f keep the precision of x")
    return y[()] if y.dtype.kind in "fc" else np.float64(y)
