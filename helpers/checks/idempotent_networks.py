"""Self-checks of lecture 05."""

from __future__ import annotations

import math

import torch

from helpers.checks.verdict import Answer, Cases, check, judge, same
from helpers.training.idempotent import m1_update, purify

GOLDEN = (1 + math.sqrt(5)) / 2


@check
def check_basin_edges(basin_edges: Answer) -> Cases:
    """Check ``basin_edges(count) -> [b0, b1, ...]``, the edges from 1/2 up."""
    for count in (1, 2, 6):
        edges = [float(edge) for edge in basin_edges(count)]
        yield judge(len(edges) == count, f"count = {count}", f"{count} edges", len(edges), "b0 = 1/2 is the first")
        yield same(edges[0], 0.5, "b0", "1/2 stays where it is: left of it is 0's basin, right 1's", 1e-15)
        hint = "it maps to 1 - b0 = 1/2, and lies on the falling branch"
        yield same(edges[1:2], [(1 + math.sqrt(3)) / 2][: count - 1], "b1", hint)
        for k in range(2, count):
            a = edges[k]
            hint = f"an edge lies where the map gives 1 - b{k - 1}, with b{k} above b{k - 1}: a > 1, below {GOLDEN:.6f}"
            yield judge(edges[k - 1] < a < GOLDEN, f"b{k}", f"a number above b{k - 1}", f"{a:.10g}", hint)
            yield same(3 * a**2 - 2 * a**3, 1 - edges[k - 1], f"the map at b{k}", hint, 2e-9)
            sides = purify([a - 1e-9, a + 1e-9], 200)[-1].round().tolist()
            yield judge(sides[0] != sides[1], f"both sides of b{k}", "0 and 1", sides, hint)


@check
def check_m1_step(m1_step: Answer) -> Cases:
    """Check ``m1_step(W, x, learning_rate) -> the new W``."""
    generator = torch.Generator().manual_seed(5)
    rotated, x = (torch.randn(rows, 3, generator=generator, dtype=torch.float64) for rows in (3, 7))
    one, eye = torch.ones(1, 1, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    for W, inputs, rate, case, hint in (
        (0.6 * one, one, 1.0, "W = 0.6, x = 1, η = 1", "with one number the step is that of 3a² - 2a³: to 0.648"),
        (0.6 * one, 2 * one, 0.5, "W = 0.6, x = 2, η = 0.5", "Δ = 3y2 - 2y3 - y with y = n(x); ΔW = Δ times x"),
        (torch.diag(torch.tensor([0.2, 0.6, 1.0])).double(), eye, 3.0, "a diagonal W and x = I", "mean over samples"),
        (rotated, x, 0.1, "a full W and seven samples", "samples are rows: y = x @ W.T, and ΔW = Δ.T @ x / len(x)"),
    ):
        given = W.clone()
        yield same(m1_step(given, inputs, rate), W + rate * m1_update(W, inputs), case, hint, 1e-6)
        yield judge(torch.equal(given, W), case, "W as it was", "it has changed", "return a new matrix")


@check
def check_predicted_rank(predicted_rank: Answer) -> Cases:
    """Check ``predicted_rank(W)``, the rank that the modified rule gives the net y = xW'."""
    for rows, expected, case, hint in (
        ([[0.7, 0.0], [0.0, 0.3]], 1, "eigenvalues 0.7 and 0.3", "0.7 goes to 1, 0.3 to 0: which side of 1/2?"),
        ([[0.6, 0.0], [0.0, 0.7]], 2, "eigenvalues 0.6 and 0.7", "count; the trace is 1.3, but each goes to 1"),
        ([[0.4, 3.0], [0.0, 0.3]], 0, "eigenvalues 0.4 and 0.3", "eigenvalues, not singular values"),
        ([[0.4, 0.6], [-0.6, 0.4]], 0, "eigenvalues 0.4 ± 0.6i", "the real part decides, not the size"),
        ([[0.7, 0.2], [-0.2, 0.7]], 2, "eigenvalues 0.7 ± 0.2i", "a complex pair counts twice: torch.linalg.eigvals"),
        ([[-0.9, 0.0], [0.0, 0.9]], 1, "eigenvalues -0.9 and 0.9", "-0.9 lies left of 1/2"),
    ):
        yield same(predicted_rank(torch.tensor(rows)), expected, case, hint)


@check
def check_fair_report(fair_report: Answer) -> Cases:
    """Check ``fair_report(errors, norms) -> {"diverged": ..., "zero": ..., "median": ...}``."""
    nan = math.nan
    for errors, norms, expected, case, hint in (
        ([1e-3, 1e-2, 1e-1], [1.0, 1.4, 1.0], (0, 0, 1e-2), "three good nets", "the median of all three"),
        ([nan, 1e-2, 4e-2, 1e-1], [nan, 1.0, 1.0, 1.7], (1, 0, 4e-2), "one NaN", "NaN is no number: count it, drop it"),
        ([0.0, 1e-2, 2e-2, 3e-2], [0.0, 1.0, 1.0, 1.0], (0, 1, 2e-2), "one zero map", "its error of 0 is no success"),
        ([nan, nan], [1.0, 0.0], (2, 0, nan), "two NaN", "a net that diverged counts once, whatever its last norm"),
        ([0.0, 1e-9], [0.0, 0.05], (0, 2, nan), "two zero maps", "a norm below 0.1 is a zero map; no median: NaN"),
    ):
        got = fair_report(torch.tensor(errors), torch.tensor(norms))
        for key, value in zip(("diverged", "zero", "median"), expected):
            yield judge(key in got, case, f"the key {key!r}", f"{list(got)}", "give all three")
            yield same(got[key], value, f"{key} of {case}", hint, 1e-5)
