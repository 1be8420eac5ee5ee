"""Self-checks of lecture 01.

>>> def by_hand(x):
...     raise NotImplementedError("Student exercise: differentiate")
>>> check_by_hand(by_hand)
○ not attempted: replace the `raise` by your answer, then run this cell again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from helpers.checks.verdict import check, judge
from helpers.diff import cos, exp, sin
from helpers.diff.forward import Dual

EPS32, EPS64 = 2.0**-23, 2.0**-52


def close(got: float, expected: float, tolerance: float = 1e-9) -> bool:
    """Tell whether two numbers agree to nine digits; a NaN agrees with nothing."""
    return abs(got - expected) <= tolerance * max(1e-300, abs(expected))


@check
def check_best_step(best_step: Callable[[float, float, float], Any]) -> Iterator[str | None]:
    """Check ``best_step(size, curvature, eps)``, the step with the least truncation plus rounding."""
    for size, curvature, eps, hint in (
        (1.0, 1.0, EPS64, "set the derivative of h curvature / 2 + 2 eps size / h to 0, and solve for h"),
        (11.65, 0.96, EPS32, "size and curvature matter too: they do not cancel"),
        (100.0, 1.0, EPS32, "where f is large, rounding is large, and the step must grow"),
        (1.0, 100.0, EPS64, "where f bends much, truncation is large, and the step must shrink"),
    ):
        got, expected = float(best_step(size, curvature, eps)), 2 * math.sqrt(eps * size / curvature)
        case = f"size {size:g}, curvature {curvature:g}, eps {eps:.2g}"
        yield judge(close(got, expected), case, f"{expected:.4g}", f"{got:.4g}", hint)


@check
def check_by_hand(by_hand: Callable[[float], Any]) -> Iterator[str | None]:
    """Check ``by_hand(x)``, the derivative of exp(c) + sin(c) for c = exp x + exp(x)²."""
    for x in (-1.0, 0.0, 0.5, -3.0):
        got = float(by_hand(x))
        inner = exp(Dual(x, 1.0))
        c = inner + inner**2
        expected = (exp(c) + sin(c)).tangent
        outer_alone = exp(c.value) + cos(c.value)
        hint = (
            "multiply by the inner derivative c' = exp(x) + 2 exp(x)²"
            if close(got, outer_alone)
            else "sin becomes +cos; exp(x)² becomes 2 exp(x) exp(x); both outer terms share the factor c'"
        )
        yield judge(close(got, expected), f"x = {x:g}", f"{expected:.12g}", f"{got:.12g}", hint)


@check
def check_dual_quotient(dual_quotient: Callable[[Any, Any], Any]) -> Iterator[str | None]:
    """Check ``dual_quotient(a, b)``, the quotient of two pairs (value, tangent)."""
    for a, b, hint in (
        ((6.0, 1.0), (2.0, 0.0), "a constant divisor divides the tangent too"),
        ((6.0, 0.0), (2.0, 1.0), "the derivative of 1/v is -1/v²: mind the sign and the square"),
        ((6.0, 4.0), (2.0, 3.0), "both change: the tangent is (a' b - a b') / b²"),
        ((-1.5, 0.5), (-4.0, 7.0), "(a' b - a b') / b², with the signs as they are"),
    ):
        exact = Dual(*a) / Dual(*b)
        got = dual_quotient(a, b)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        yield judge(pair, f"a = {a}, b = {b}", "a pair (value, tangent)", got, "hand back two numbers")
        value, tangent = (float(part) for part in got)
        yield judge(close(value, exact.value), f"the value of {a} / {b}", exact.value, value, "values divide as ever")
        yield judge(close(tangent, exact.tangent, 1e-12), f"the tangent of {a} / {b}", exact.tangent, tangent, hint)


@check
def check_passes(passes: Callable[[str, int, int], Any]) -> Iterator[str | None]:
    """Check ``passes(way, inputs, outputs)``, the evaluations or passes that a whole Jacobian takes."""
    for inputs, outputs in ((2, 1), (10_000, 1), (1, 10_000), (3, 5)):
        for way, count, hint in (
            ("forward difference", inputs + 1, "f(x) once, and f(x + h) for each input; it gives all outputs at once"),
            ("central difference", 2 * inputs, "f(x + h) and f(x - h) for each input; f(x) itself is not needed"),
            ("forward mode", inputs, "one pass gives one column: what one input does to all outputs"),
            ("reverse mode", outputs, "one backward pass gives one row: what all inputs do to one output"),
        ):
            got = passes(way, inputs, outputs)
            yield judge(got == count, f"{way!r}, {inputs} inputs, {outputs} outputs", count, got, hint)
