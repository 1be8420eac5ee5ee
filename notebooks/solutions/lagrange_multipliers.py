"""Solutions to the exercises of lecture 04. Try first: the checks in the notebook say what is missing."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def multipliers(x: float) -> dict[str, float]:
    """Solve the stationarity conditions of f's Lagrangian, from the last equation to the first."""
    a = math.exp(x)
    c = a + a**2
    f = 1.0
    d = f
    e = f
    to_c = d * math.exp(c) + e * math.cos(c)
    to_b = to_c
    to_a = to_b * 2 * a + to_c
    return {"x": to_a * a, "a": to_a, "b": to_b, "c": to_c, "d": d, "e": e, "f": f}


def path_sum(J: Array, c: Array, length: int) -> Array:
    """Add up c, J'c, J'J'c, ... : all paths of at most ``length`` steps back from c."""
    term = total = c
    for _ in range(length):
        term = J.T @ term
        total = total + term
    return total


def implicit_gradient(W: Array, U: Array, z: Array, c: Array) -> Array:
    """Differentiate c'z in x at a solution of z = tanh(Wz + Ux), by one linear system."""
    slope = 1 - z**2
    J = slope[:, None] * W
    multiplier = np.linalg.solve(np.eye(len(z)) - J.T, c)
    return U.T @ (slope * multiplier)


def method_of_multipliers(h: float, target: float, penalty: float, steps: int) -> list[float]:
    """Minimise (z - target)²/2 subject to z = h, and note the multiplier after each step."""
    multiplier, found = 0.0, []
    for _ in range(steps):
        z = (target + multiplier + penalty * h) / (1 + penalty)
        multiplier = multiplier + penalty * (h - z)
        found.append(multiplier)
    return found
