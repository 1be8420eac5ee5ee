"""Solutions to the exercises of lecture 01. Try first: the checks in the notebook say what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def best_step(size: float, curvature: float, eps: float) -> float:
    """Find the step at which truncation h curvature / 2 and rounding 2 eps size / h add up to the least."""
    return 2 * math.sqrt(eps * size / curvature)  # there the slope of the sum, curvature / 2 - 2 eps size / h², is 0


def by_hand(x: float) -> float:
    """Differentiate exp(c) + sin(c), with c = exp(x) + exp(x)², as the school book does."""
    a = math.exp(x)
    c = a + a**2
    c_dot = a + 2 * a**2
    return (math.exp(c) + math.cos(c)) * c_dot


class Dual:
    """A number that carries its slope: what it changes by, per unit of the input."""

    def __init__(self, value: Any, slope: Any = 0.0) -> None:
        self.value, self.slope = value, slope

    def __add__(self, other: Any) -> Dual:
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other: Any) -> Dual:
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def through(self, f: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Dual:
        """Return f of this number; ``slope`` is the derivative of f."""
        return Dual(f(self.value), slope(self.value) * self.slope)

    __radd__, __rmul__ = __add__, __mul__

    def __sub__(self, other: Any) -> Dual:
        return self + -1 * other

    def __lt__(self, other: float) -> bool:
        return bool(self.value < other)


def passes(way: str, inputs: int, outputs: int) -> int:
    """Count the evaluations or passes that a whole Jacobian takes."""
    return {
        "forward difference": inputs + 1,
        "central difference": 2 * inputs,
        "forward mode": inputs,
        "reverse mode": outputs,
    }[way]
