"""The panel of lecture 01: which step gives the least error, for which function, in which precision?"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from helpers.diff import cos, exp, log, sin
from helpers.diff.forward import derivative
from helpers.diff.numerical import METHODS
from helpers.plots import Picture
from helpers.plots.errors import StepSizes
from helpers.widgets.controls import choice, log_slider
from helpers.widgets.panel import Explorer

STEPS = np.logspace(-16, 0, 161)  # ten to the decade: the stops of the slider


class Case(NamedTuple):
    """A function of one number, written with the generic functions, and where it is differentiated."""

    f: Callable[[Any], Any]
    x: float


def wang_jenkins(x: Any) -> Any:
    """Return exp(a + a²) + sin(a + a²) for a = exp x, the function of Wang & Jenkins."""
    a = exp(x)
    c = a + a**2
    return exp(c) + sin(c)


CASES = {
    "log 2 + 2x − sin x at x = 5": Case(lambda x: log(2.0) + 2 * x - sin(x), 5.0),
    "Wang & Jenkins' f at x = −1": Case(wang_jenkins, -1.0),
    "1000 + cos x at x = 1: large f": Case(lambda x: 1000 + cos(x), 1.0),
    "sin 30x at x = 1: large f″": Case(lambda x: sin(30 * x), 1.0),
}

# What theory expects of the error: truncation, from Taylor's series, plus rounding. An evaluation of f is taken to be
# wrong by up to eps |f|. Called with h, eps, |f|, |f'|, |f''| and |f'''|.
PARTS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "forward": lambda h, eps, f0, f1, f2, f3: (h * f2 / 2, 2 * eps * f0 / h),
    "central": lambda h, eps, f0, f1, f2, f3: (h**2 * f3 / 6, eps * f0 / h),
    "complex": lambda h, eps, f0, f1, f2, f3: (h**2 * f3 / 6, eps * f1 + 0 * h),
}


def derivatives(case: Case) -> list[float]:
    """Return the value of f and its first three derivatives at x, in float64, by nested dual numbers: the truth."""
    f, found = case.f, [float(case.f(case.x))]
    for _ in range(3):
        f = partial(derivative, f)
        found.append(float(f(case.x)))
    return found


def step_errors(case: Case, dtype: Any) -> dict[str, Any]:
    """Return the error of each method at each of `STEPS`, computed in ``dtype``, shape (161,) each."""
    x, h, truth = dtype(case.x), STEPS.astype(dtype), derivatives(case)[1]
    quotients = {name: formula.quotient(lambda t: case.f(x + t), h) for name, formula in METHODS.items()}
    return {name: np.abs(quotient.astype(float) - truth) for name, quotient in quotients.items()}


def expected_parts(case: Case, dtype: Any, h: Any = STEPS) -> dict[str, tuple[Any, Any]]:
    """Return truncation and rounding of each method, as theory expects them at the steps h."""
    sizes = [abs(size) for size in derivatives(case)]
    return {name: parts(h, float(np.finfo(dtype).eps), *sizes) for name, parts in PARTS.items()}


def default_steps(case: Case, dtype: Any) -> dict[str, float]:
    """Return the step that `helpers.diff.numerical.gradient` takes unless it is told one."""
    return {name: rule.best_step(np.finfo(dtype)) * max(1.0, abs(case.x)) for name, rule in METHODS.items()}


def step_size_panel() -> Explorer:
    """Make the panel: a slider for h, the function, the precision; the errors as a picture and in words.

    Examples
    --------
    >>> panel = step_size_panel()
    >>> forward, central, complex_step, picture = panel.run(step=1e-5, precision="float32")
    >>> print(forward)
    forward: off by 0.095; truncation up to 4.8e-06, rounding up to 0.28, so rounding rules
    """

    @cache
    def curves(function: str, precision: str) -> tuple[Any, ...]:
        case, dtype = CASES[function], np.dtype(precision).type
        expected = {name: sum(parts) for name, parts in expected_parts(case, dtype).items()}
        return step_errors(case, dtype), expected, default_steps(case, dtype)

    picture = StepSizes(STEPS, *curves(next(iter(CASES)), "float32"), step=1e-5)

    def show(step: float, function: str, precision: str) -> list[Picture | str]:
        errors, expected, defaults = curves(function, precision)
        picture.update(errors, expected, defaults, f"{function} in {precision}")
        picture.choose(step)
        parts = expected_parts(CASES[function], np.dtype(precision).type, picture.step)
        i = int(np.abs(STEPS - picture.step).argmin())
        return [*(in_words(name, errors[name][i], *parts[name]) for name in METHODS), picture]

    return Explorer(
        show,
        step=log_slider("Step h", 1e-5, -16, 0, show=".1e"),
        function=choice("Function f", list(CASES), width="330px"),
        precision=choice("Precision", ["float32", "float64"], width="190px"),
    )


def in_words(name: str, error: float, truncation: float, rounding: float) -> str:
    """Say how large an error is, and which of its two parts theory blames."""
    ruler = "truncation" if truncation > rounding else "rounding"
    parts = f"truncation up to {truncation:.2g}, rounding up to {rounding:.2g}"
    return f"{name}: off by {error:.2g}; {parts}, so {ruler} rules"
