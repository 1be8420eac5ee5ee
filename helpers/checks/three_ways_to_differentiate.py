"""Self-checks of lecture 01."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from helpers.checks.verdict import Answer, Cases, check, judge, same
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


def _results(u: Any, v: Any) -> Iterator[tuple[str, Any, float, float, str]]:
    """Compute with u = Dual(2, 3) and v = Dual(5, 7): case, result, its true value and slope, hint."""
    product = "the product rule: slope of u times v, plus u times slope of v"
    yield "Dual(2, 3) + Dual(5, 7)", u + v, 7.0, 10.0, "values add up, and so do slopes"
    yield "Dual(2, 3) + 5", u + 5.0, 7.0, 3.0, "a plain number does not change: its slope is 0"
    yield "Dual(2, 3) * Dual(5, 7)", u * v, 10.0, 29.0, product
    yield "4 * Dual(2, 3)", 4.0 * u, 8.0, 12.0, product
    square = u.through(lambda v: v**2, lambda v: 2 * v)
    hint = "the chain rule: the slope of f at the value, times the slope that is there already"
    yield "the square of Dual(2, 3) by through", square, 4.0, 12.0, hint


@check
def check_dual(Dual: Answer) -> Cases:
    """Check ``Dual(value, slope)``, a number that carries its slope: its +, its *, and ``through(f, slope)``."""
    for case, got, value, slope, hint in _results(Dual(2.0, 3.0), Dual(5.0, 7.0)):
        yield judge(hasattr(got, "slope"), case, "a Dual", got, "return Dual(..., ...)")
        yield same(got.value, value, f"the value of {case}", hint)
        yield same(got.slope, slope, f"the slope of {case}", hint)
    a = Dual(-1.0, 1.0).through(math.exp, math.exp)
    c = a + a * a
    y = c.through(math.exp, math.exp) + c.through(math.sin, math.cos)
    yield same(y.slope, 1.6155741697332788, "Wang & Jenkins' f at -1", "each operation alone was right; use only these")
    x = Dual(Dual(2.0, 1.0), Dual(1.0, 0.0))
    hint = "write values and slopes with + and * alone, so that these may be duals themselves"
    yield same((x * x * x).slope.slope, 12.0, "the second derivative of x³ at 2", hint)


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
