"""What a gradient costs as the inputs grow: reverse mode, forward mode, finite differences, in one table.

    python benchmarks/three_modes.py            # 1 to 10,000 inputs, a minute or two
    python benchmarks/three_modes.py --quick    # 1 to 100 inputs, a smoke test

The function is the sum of x_i tanh(w_i x_i), computed with whole arrays: n inputs cost O(n) in every mode, and its
gradient is known in closed form. Each row is measured in a fresh process on one thread. ``seconds`` is the least over
the repetitions, after one run to warm up; ``in f`` is the same in units of one plain evaluation, timed in that process;
``evaluations`` are the calls of f; ``error`` is the largest error of the gradient, absolute. What a row must keep is
the number of evaluations: 1 in reverse mode, n forward, n + 1 and 2n for the differences. Their error grows with n,
because f does: what cancels is a sum of n terms.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from tables import main

from helpers.diff import forward, numerical
from helpers.diff.arrays import vjp
from helpers.diff.numerical import Counted
from helpers.diff.rules import tanh

SIZES, QUICK_SIZES = (1, 10, 100, 1_000, 10_000), (1, 100)
SPAN = 0.5  # a gradient is repeated for so many seconds
Gradient = Callable[[Callable[[Any], Any], Any], Any]


class Row(NamedTuple):
    """A line of the table, as text."""

    inputs: str
    mode: str
    seconds: str
    in_f: str
    evaluations: str
    expected: str
    ok: str
    error: str


class Mode(NamedTuple):
    """A way to a gradient, and the calls of f that it takes for n inputs."""

    gradient: Gradient
    evaluations: Callable[[int], int]


def reverse(f: Callable[[Any], Any], x: Any) -> Any:
    """Return the gradient from one pullback."""
    _, pullback = vjp(f, x)
    return pullback(1.0)[0]


MODES = {
    "reverse": Mode(reverse, lambda n: 1),
    "forward": Mode(forward.jacobian, lambda n: n),
    "forward difference": Mode(functools.partial(numerical.gradient, method="forward", check=False), lambda n: n + 1),
    "central difference": Mode(functools.partial(numerical.gradient, method="central", check=False), lambda n: 2 * n),
    "complex step": Mode(functools.partial(numerical.gradient, method="complex", check=False), lambda n: n + 1),
}


def least_seconds(run: Callable[[], Any], span: float) -> float:
    """Return the least time of a run, of one at least: other work on the machine only adds to it."""
    times: list[float] = []
    while not times or sum(times) < span:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(name: str, inputs: int, span: float) -> list[Row]:
    """Measure one mode at one number of inputs, in this process, each run for so many seconds."""
    rng = np.random.default_rng(0)
    w, x = rng.uniform(0.5, 1.5, inputs), rng.uniform(-1, 1, inputs)
    mode = MODES[name]

    def f(x: Any) -> Any:
        return (x * tanh(w * x)).sum()

    counted = Counted(f)
    found = mode.gradient(counted, x)
    expected = np.tanh(w * x) + x * w * (1 - np.tanh(w * x) ** 2)
    seconds, plain = (least_seconds(run, span) for run in (lambda: mode.gradient(f, x), lambda: f(x)))
    kept = counted.evaluations == mode.evaluations(inputs)
    return [Row(
        f"{inputs:,}", name, f"{seconds:.1e}", f"{seconds / plain:,.1f}", f"{counted.evaluations:,}",
        f"{mode.evaluations(inputs):,}", "yes" if kept else "missed", f"{np.abs(found - expected).max():.0e}",
    )]  # fmt: skip


MEASUREMENTS = {f"{name}, {n} inputs": functools.partial(measure, name, n) for n in SIZES for name in MODES}


if __name__ == "__main__":
    quickly = [f"{name}, {n} inputs" for n in QUICK_SIZES for name in MODES]
    main(__file__, MEASUREMENTS, SPAN, 0.0, f"NumPy {np.__version__}, float64", quickly, Row)
