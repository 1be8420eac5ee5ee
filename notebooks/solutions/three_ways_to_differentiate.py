"""Solutions to the exercises of lecture 01. Try first: the checks in the notebook say what is missing."""

import math

Pair = tuple[float, float]


def best_step(size: float, curvature: float, eps: float) -> float:
    """Find the step at which truncation h curvature / 2 and rounding 2 eps size / h add up to the least."""
    return 2 * math.sqrt(eps * size / curvature)  # there the slope of the sum, curvature / 2 - 2 eps size / h², is 0


def by_hand(x: float) -> float:
    """Differentiate exp(c) + sin(c), with c = exp(x) + exp(x)², as the school book does."""
    a = math.exp(x)
    c = a + a**2
    c_dot = a + 2 * a**2
    return (math.exp(c) + math.cos(c)) * c_dot


def dual_quotient(a: Pair, b: Pair) -> Pair:
    """Divide two dual numbers, each a pair (value, tangent)."""
    y = a[0] / b[0]
    return y, (a[1] - y * b[1]) / b[0]


def passes(way: str, inputs: int, outputs: int) -> int:
    """Count the evaluations or passes that a whole Jacobian takes."""
    return {
        "forward difference": inputs + 1,
        "central difference": 2 * inputs,
        "forward mode": inputs,
        "reverse mode": outputs,
    }[way]
