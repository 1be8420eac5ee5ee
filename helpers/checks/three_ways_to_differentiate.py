"""Self-checks of lecture 01."""

from __future__ import annotations

import math

from helpers.checks.verdict import Answer, Cases, check, pair, same
from helpers.diff import cos, exp, sin
from helpers.diff.forward import Dual

EPS32, EPS64 = 2.0**-23, 2.0**-52


@check
def check_best_step(best_step: Answer) -> Cases:
    """Check ``best_step(size, curvature, eps)``, the step with the least truncation plus rounding."""
    for size, curvature, eps, hint in (
        (1.0, 1.0, EPS64, "set the derivative of h curvature / 2 + 2 eps size / h to 0, and solve for h"),
        (11.65, 0.96, EPS32, "size and curvature matter too: they do not cancel"),
        (100.0, 1.0, EPS32, "where f is large, rounding is large, and the step must grow"),
        (1.0, 100.0, EPS64, "where f bends much, truncation is large, and the step must shrink"),
    ):
        case = f"size {size:g}, curvature {curvature:g}, eps {eps:.2g}"
        yield same(best_step(size, curvature, eps), 2 * math.sqrt(eps * size / curvature), case, hint)


@check
def check_by_hand(by_hand: Answer) -> Cases:
    """Check ``by_hand(x)``, the derivative of exp(c) + sin(c) for c = exp x + exp(x)²."""
    for x in (-1.0, 0.0, 0.5, -3.0):
        got = by_hand(x)
        inner = exp(Dual(x, 1.0))
        c = inner + inner**2
        hint = "sin becomes +cos; exp(x)² becomes 2 exp(x) exp(x); both outer terms share the factor c'"
        if same(got, exp(c.value) + cos(c.value), "", "") is None:  # the outer derivative alone
            hint = "multiply by the inner derivative c' = exp(x) + 2 exp(x)²"
        yield same(got, (exp(c) + sin(c)).tangent, f"x = {x:g}", hint)


@check
def check_dual_quotient(dual_quotient: Answer) -> Cases:
    """Check ``dual_quotient(a, b)``, the quotient of two pairs (value, tangent)."""
    for a, b, hint in (
        ((6.0, 1.0), (2.0, 0.0), "a constant divisor divides the tangent too"),
        ((6.0, 0.0), (2.0, 1.0), "the derivative of 1/v is -1/v²: mind the sign and the square"),
        ((6.0, 4.0), (2.0, 3.0), "both change: the tangent is (a' b - a b') / b²"),
        ((-1.5, 0.5), (-4.0, 7.0), "(a' b - a b') / b², with the signs as they are"),
    ):
        exact, got = Dual(*a) / Dual(*b), dual_quotient(a, b)
        yield pair(got, f"a = {a}, b = {b}", "(value, tangent)")
        yield same(got[0], exact.value, f"the value of {a} / {b}", "values divide as ever")
        yield same(got[1], exact.tangent, f"the tangent of {a} / {b}", hint)


@check
def check_passes(passes: Answer) -> Cases:
    """Check ``passes(way, inputs, outputs)``, the evaluations or passes that a whole Jacobian takes."""
    for inputs, outputs in ((2, 1), (10_000, 1), (1, 10_000), (3, 5)):
        for way, count, hint in (
            ("forward difference", inputs + 1, "f(x) once, and f(x + h) for each input; it gives all outputs at once"),
            ("central difference", 2 * inputs, "f(x + h) and f(x - h) for each input; f(x) itself is not needed"),
            ("forward mode", inputs, "one pass gives one column: what one input does to all outputs"),
            ("reverse mode", outputs, "one backward pass gives one row: what all inputs do to one output"),
        ):
            yield same(passes(way, inputs, outputs), count, f"{way!r}, {inputs} inputs, {outputs} outputs", hint)
