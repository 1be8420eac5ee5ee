"""Complex numbers for the complex step: x + ih, where x is a real number that is being nudged.

An analytic function carries its derivative along in the imaginary part, f(x + ih) = f(x) + ih f'(x) + O(h²), and
NumPy's functions of complex numbers do the work. What is not analytic must be put right or refused, since on complex
numbers it means something else: the absolute value of x + ih is a length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np


class OnTheRealLine(np.ndarray[Any, Any]):
    """An array of x + ih on which abs and sign act as they do on the real line.

    NumPy orders complex numbers by their real part first, so maximum, minimum and comparisons need no change. What
    would drop the imaginary part, and the derivative with it, raises a TypeError.

    References
    ----------
    Martins, Sturdza & Alonso (2003), "The complex-step derivative approximation", section 4.

    Examples
    --------
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

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], arguments: Any, options: Any
    ) -> Any:
        result = super().__array_function__(function, types, arguments, options)
        if function is np.real:  # who asks for it knows what is dropped; `rules` looks on which side of a kink x is
            return np.asarray(result)
        if isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "f":
            _refuse(f"{function.__module__}.{function.__name__}")
        return _carrying(result)

    def __getitem__(self, index: Any) -> Any:
        return _carrying(np.asarray(self)[index])

    def __float__(self) -> float:
        _refuse("float(...), or a function of math,")

    def __int__(self) -> int:
        _refuse("int(...)")


def _carrying(result: Any) -> Any:
    """Return complex results as `OnTheRealLine`, and anything else as it is."""
    if isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "c":
        return np.asarray(result).view(OnTheRealLine)
    return result


def _refuse(what: str) -> NoReturn:
    raise TypeError(
        f"{what} drops the imaginary part, which carries the derivative; choose method='central' for this f"
    )
