"""Numerical differentiation: nudge an input, watch the output. No rule of calculus is needed, only evaluations of f.

>>> f = lambda x: np.log(x[0]) + x[0] * x[1] - np.sin(x[1])
>>> gradient(f, [2.0, 5.0]).round(5)
array([5.5    , 1.71634])

`gradient` is for functions that give one number, `jacobian` for functions that give several. `Counted` counts how often
f is evaluated: that is the price. ``METHODS`` holds the three formulas.

The third is the complex step: an analytic function carries its derivative along in the imaginary part, f(x + ih) =
f(x) + ih f'(x) + O(h²). What is not analytic must be put right or refused (`OnTheRealLine`), since it means something
else on complex numbers: the absolute value of x + ih is a length.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.operators import real_numbers

Method = Literal["forward", "central", "complex"]
Line = Callable[[Any], NDArray[Any]]


class DifferenceFormula(NamedTuple):
    """How a derivative is estimated, and the step with the least error."""

    quotient: Callable[[Line, Any], NDArray[Any]]  # (line, h) -> the derivative at t = 0 of line(t) = f(x + t)
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
        Where. Whole numbers are taken as float64; float32 stays float32.
    method : {"forward", "central", "complex"}
        (f(x + h) - f(x)) / h, or (f(x + h) - f(x - h)) / 2h, or Im f(x + ih) / h, one input at a time.
    step : float, optional
        h, above 0, the same for all inputs. By default sqrt(eps), eps^(1/3) or a tiny number, where eps is that of the
        precision of x, times max(1, abs(x)) for each input: the least error if f and its derivatives are of one size.
        Where f changes on a smaller scale (log x at x = 1e-9), give a step.
    check : bool
        Differences: evaluate f once more where it was evaluated first; an f that is random, or remembers, is refused.
        Complex step: compare with one central difference along one random direction, always the same one, which sees
        an imaginary part that was lost. They may differ by eps^(1/4), 1.2e-4 in float64, of the length of the vector of
        all derivatives, each times its step (h² more if h is given), and by 100 eps of the values.

    Returns
    -------
    float or ndarray
        Of the shape and precision of x.

    Notes
    -----
    For n inputs f is evaluated n + 1 times (forward, complex) or 2n times (central), and for the check once more, or
    twice (complex). At best half of the digits are right (forward), two thirds (central), or all (complex). At a jump
    or a kink of f, or where f rounds, a difference is no derivative, and nothing here can notice that.

    The complex step needs an f that takes complex numbers: NumPy's functions do, and those of `helpers.diff`; those of
    `math` do not. abs, sign, maximum, minimum and comparisons act as on the real line, and most of what would drop the
    imaginary part is refused by name. It begins with one evaluation at x itself, to notice the logarithm of a negative
    number.

    References
    ----------
    Nocedal & Wright (2006), "Numerical optimization", section 8.1. Squire & Trapp (1998), "Using complex variables to
    estimate derivatives of real functions".

    Examples
    --------
    >>> bool(gradient(np.exp, 1.0, method="complex") == np.exp(1.0))
    True
    """

    def one_number(point: Any) -> NDArray[Any]:
        y = checked_output(f(point))
        if y.ndim:
            raise ValueError(f"f must give one number, got an array of shape {y.shape}; use jacobian, or add it up")
        return y

    return jacobian(one_number, x, method, step, check)


def jacobian(
    f: Callable[[Any], Any], x: ArrayLike, method: Method = "central", step: float | None = None, check: bool = True
) -> Any:
    """Estimate the Jacobian at x, of shape f(x).shape + x.shape, of a function that gives an array; see `gradient`.

    >>> jacobian(lambda x: np.array([x[0] * x[1], x[0] + 3 * x[1]]), [2.0, 5.0], method="complex")
    array([[5., 2.],
           [1., 3.]])
    """
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not isinstance(check, (bool, np.bool_)):
        raise TypeError(f"check must be True or False, got {check!r}")
    point = checked_point(x)
    steps = checked_steps(point, method, step)
    python_number = not isinstance(x, (np.ndarray, np.generic)) and point.ndim == 0
    first: list[Any] = []  # where f was evaluated first, and what it gave

    def at(moved: NDArray[Any]) -> NDArray[Any]:
        begin = None if first else moved.copy()
        if np.iscomplexobj(moved):
            y = checked_output(f(moved.view(OnTheRealLine)))
        else:
            y = checked_output(f(moved.item() if python_number else moved[()]))
            if np.iscomplexobj(y):
                raise ValueError(f"f must give real numbers for real x, got {y!s}")
        if not first:
            first[:] = begin, y
        if y.shape != first[1].shape:
            raise ValueError(f"f must give one shape at x and beside it, got {first[1].shape} and {y.shape}")
        if np.finfo(y.dtype).eps > np.finfo(point.dtype).eps:
            raise ValueError(
                f"f gives {y.dtype} for x of {point.dtype}, too coarse for its step; give x as {y.real.dtype}, or "
                "let f compute in the precision of x"
            )
        return y

    origin = None if method == "central" else at(point.copy())

    def column(i: int) -> NDArray[Any]:
        def line(t: Any) -> NDArray[Any]:
            if origin is not None and t == 0:
                return origin
            moved = point.astype(np.result_type(point, t))  # a copy, so that f may do with it what it likes
            moved.flat[i] += t
            return at(moved)

        return METHODS[method].quotient(line, steps[i])

    columns = np.stack([column(i) for i in range(point.size)], axis=-1)
    if check and method != "complex" and not np.array_equal(at(first[0].copy()), first[1]):
        raise ValueError(
            "f gives two values at one point: a derivative needs an f that is not random and remembers nothing; pass "
            "it a generator with one seed, or check=False if you know better"
        )
    if check and method == "complex":
        coarse = float((steps / np.maximum(1, abs(point.ravel()))).max())  # a given step has an error of this, squared
        _check_along_a_line(at, point, columns, float(np.finfo(point.dtype).eps) ** (1 / 4) + coarse**2)
    outputs = columns.shape[:-1]
    result = columns.astype(point.dtype).reshape(outputs + point.shape)
    return result.item() if python_number and not outputs else result[()]


def _check_along_a_line(
    at: Callable[[NDArray[Any]], NDArray[Any]], point: NDArray[Any], found: NDArray[Any], tolerance: float
) -> None:
    """Compare derivatives, shape (..., n), with a central difference along a random line through the point.

    A step may be too wide: f leaves its domain, or bends. Then narrower ones are tried; from these on, an output is
    taken as right only if the two agree where rounding cannot hide a difference, or if the difference falls faster than
    the step, as x³ does at 0: a derivative that was lost would fall as fast.
    """
    eps = float(np.finfo(point.dtype).eps)
    rng = np.random.default_rng(0)
    direction = rng.choice([-1, 1], point.shape) * rng.uniform(0.5, 1, point.shape) * eps ** (1 / 3)
    size = np.where(point == 0, 1, abs(point))
    doubtful, before, last = np.ones(found.shape[:-1], bool), None, math.inf
    problem: Exception | None = None
    for width in [*(np.maximum(1, size) / 10.0**k for k in (0, 2, 4, 6)), size, size / 100]:
        with np.errstate(all="ignore"):
            shift = (width * direction).astype(point.dtype)
            above, below = point + shift, point - shift
            moved = ((above - below) / 2).ravel()  # the steps that are really taken, since x + h is rounded
            try:
                ends = at(above.copy()), at(below.copy())
            except (ValueError, ArithmeticError) as error:  # outside of the domain of f
                problem = error
                continue
            parts, step = found * moved, abs(moved).max()
            off = abs((ends[0] - ends[1]) / 2 - parts.sum(-1)) / step
            allowed = tolerance * np.hypot.reduce(parts, axis=-1) / step
            rounding = 100 * eps * (abs(ends[0]) + abs(found * point.ravel()).sum(-1)) / step
            right = off <= allowed + rounding
            if before is not None:
                falls = (np.maximum(off, rounding) < before / 1000) & (step < last)
                right = (right & (rounding < allowed)) | falls
        doubtful, before, last = doubtful & ~right, off, step
        if not doubtful.any():
            return
    raise ValueError(
        "the complex step and a central difference along one direction disagree: f may drop the imaginary part, as "
        "x.real does, or may not be smooth at x, or its derivative is too small for the step; choose method='central', "
        "or check=False if you know that the complex step is right"
    ) from problem


def checked_point(x: ArrayLike) -> NDArray[Any]:
    """Return x as an array of finite floats, or raise an error that says what x must be."""
    point = real_numbers(x, "x")
    if point.dtype.kind == "b":
        raise TypeError(f"x must be real numbers, got {x!r} ({point.dtype})")
    if not point.size or not np.isfinite(point).all():
        raise ValueError(f"x must hold at least one number, and be finite; got {x!r}")
    return point if point.dtype.kind == "f" else point.astype(np.float64)


def checked_steps(point: NDArray[Any], method: Method, step: float | None) -> NDArray[Any]:
    """Return the step of each input in the precision of x, shape (n,), or raise an error that names `step`."""
    x, finfo = point.ravel(), np.finfo(point.dtype)
    best: NDArray[Any] = (METHODS[method].best_step(finfo) * np.maximum(1, abs(x))).astype(x.dtype)
    if step is None:
        # x + h is rounded: h becomes the step that is really taken. A given step is taken at its word.
        return best if method == "complex" else (x + best) - x
    if isinstance(step, bool) or not isinstance(step, numbers.Real):
        raise TypeError(f"step must be a number above 0, got {step!r}")
    if not 0 < step <= finfo.max:
        raise ValueError(f"step must be above 0 and finite in {x.dtype}, got {step!r}")
    h = x.dtype.type(step)
    too_small = np.full(x.shape, h < finfo.tiny) if method == "complex" else (x + h == x) | (x - h == x)
    if too_small.any():
        i = int(too_small.argmax())
        raise ValueError(
            f"step {step!r} is too small: it does not change x = {x[i]!s} in {x.dtype}; try {float(best[i]):.1g}"
        )
    return np.full(x.shape, h)


def checked_output(value: Any) -> NDArray[Any]:
    """Return what f gave as an array of finite floats or complex numbers, or raise an error that says what came."""
    y = np.array(value)  # a copy: f may fill the same array each time
    if y.dtype.kind == "b" or (y.ndim and y.dtype.kind in "iu"):
        what = "truth values" if y.dtype.kind == "b" else "an array of whole numbers"
        raise TypeError(f"f must give floats, which can change a little, got {what}: {value!r}; use dtype=float")
    if y.dtype.kind not in "fciu":
        raise TypeError(f"f must give numbers, got {value!r} of type {type(value).__name__}")
    if not np.isfinite(y).all():
        raise ValueError(f"f must be finite at x and beside it, got {y!s}; move x, or choose a smaller step")
    return y if y.dtype.kind in "fc" else y.astype(np.float64)


class OnTheRealLine(np.ndarray[Any, Any]):
    """An array of x + ih on which abs and sign act as on the real line, and what drops the imaginary part is refused.

    NumPy orders complex numbers by their real part first, so maximum, minimum and comparisons need no change (Martins,
    Sturdza & Alonso, 2003, "The complex-step derivative approximation", section 4).

    >>> z = np.array([-2 + 1e-20j]).view(OnTheRealLine)
    >>> np.asarray(abs(z))
    array([2.-1.e-20j])
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        z = [np.asarray(a) if isinstance(a, OnTheRealLine) else a for a in inputs]
        if ufunc is np.absolute:
            return _carrying(np.maximum(z[0], -z[0]))
        if ufunc is np.sign:
            return _carrying(np.sign(z[0].real) + 0 * z[0])
        if ufunc is np.conjugate:
            _refuse("numpy.conjugate")
        if "out" in options:
            options["out"] = tuple(np.asarray(a) for a in options["out"])
        return _carrying(getattr(ufunc, method)(*z, **options))

    def __array_function__(self, function: Any, types: Iterable[type], arguments: Any, options: Any) -> Any:
        result = super().__array_function__(function, types, arguments, options)
        if function is np.real:  # who asks for it knows what is dropped; `rules` looks on which side of a kink x is
            return np.asarray(result)
        if isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "f":
            _refuse(f"{function.__module__}.{function.__name__}")
        return _carrying(result)

    def __getitem__(self, index: Any) -> Any:
        return _carrying(np.asarray(self)[index])

    def __float__(self) -> NoReturn:
        _refuse("float(...), or a function of math,")

    __int__ = __float__


def _carrying(result: Any) -> Any:
    """Return complex results as `OnTheRealLine`, and anything else as it is."""
    if isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "c":
        return np.asarray(result).view(OnTheRealLine)
    return result


def _refuse(what: str) -> NoReturn:
    raise TypeError(f"{what} drops the imaginary part, which carries the derivative; choose method='central'")
