"""Many small nets as one tensor program, beside the loop over the nets, in one table.

    python benchmarks/ensembles.py             # everything, two or three minutes
    python benchmarks/ensembles.py --quick     # few nets, few steps: a smoke test

Every net is N1 (one 5 x 5 layer), trained by the modified rule with plain gradient descent, all on the same samples.
The loop is the one that one writes by hand: zero the gradients, net, loss, backward, step of SGD; it measures nothing
else. The ensemble is ``train_ensemble`` as it is, with its look for nets that diverge. Both run in one process on one
thread, take turns, and a time is the least over the turns: other work on the machine only adds. ``difference`` is the
largest one between the weights of ensemble and loop, both in float64, after the steps timed; nets on their way to
infinity (a weight beyond 10), where a rounding error grows with every step, are counted as ``left out``.

The gain shrinks with the samples. A step of a small net is some twenty calls of torch, microseconds each, whatever the
samples: the loop pays them for every net, the ensemble once. The arithmetic is the same for both, and with many samples
it is what a step takes.
"""

from __future__ import annotations

import functools
import time
from typing import NamedTuple

import torch
from tables import main
from torch import Tensor, nn
from torch.optim import SGD

from helpers.networks import NETWORKS
from helpers.training.ensembles import Ensemble, train_ensemble
from helpers.training.idempotent import Algorithm, IdempotencyLoss, Samples

RATES = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]


class Case(NamedTuple):
    """Seeds, learning rates, samples, the gain asked for, and how much is spent: steps in a turn, turns."""

    seeds: int
    rates: int
    samples: int
    bound: float | None
    steps: int = 20
    turns: int = 5


QUICK = {"seeds": 5, "rates": 2, "steps": 3, "turns": 1}
CASES = [Case(60, 10, 32, 25.0), Case(60, 1, 32, None), Case(60, 1, 256, None), Case(60, 1, 2000, None)]


class Row(NamedTuple):
    """A line of the table, as text."""

    nets: str
    samples: str
    loop_ms_per_step: str
    ensemble_ms_per_step: str
    gain: str
    bound: str
    ok: str
    difference: str
    left_out: str


def loop(nets: list[nn.Module], rates: list[float], X: Tensor, steps: int) -> None:
    """Train net after net."""
    for net, rate in zip(nets, rates):
        optimizer, criterion = SGD(net.parameters(), lr=rate), IdempotencyLoss(net, modified=True)
        for _ in range(steps):
            optimizer.zero_grad()
            criterion(net(X)).backward()
            optimizer.step()


def measure(case: Case, changes: dict[str, int]) -> list[Row]:
    """Measure one case, in this process."""
    case = case._replace(**changes)
    seeds = [seed for seed in range(case.seeds) for _ in range(case.rates)]
    rates = RATES[-case.rates :] * case.seeds
    X = next(iter(Samples("normal", case.samples)))[0]
    best = {"loop": float("inf"), "ensemble": float("inf")}
    for turn in range(case.turns + 1):  # the first turn warms up
        nets: list[nn.Module] = [NETWORKS["N1"](seed=seed) for seed in seeds]
        ensemble = Ensemble(nets)
        start = time.perf_counter()
        loop(nets, rates, X, case.steps)
        middle = time.perf_counter()
        for _ in train_ensemble(ensemble, Algorithm.MODIFIED, rates, case.steps, [(X, X)]):
            pass
        end = time.perf_counter()
        if turn:
            best["loop"] = min(best["loop"], middle - start)
            best["ensemble"] = min(best["ensemble"], end - middle)
    gain = best["loop"] / best["ensemble"]
    ok = "-" if case.bound is None else "yes" if gain >= case.bound else "missed"
    bound = "-" if case.bound is None else f">= {case.bound:.0f}"
    by_loop, by_ensemble = (f"{1000 * seconds / case.steps:.2f}" for seconds in best.values())
    largest, runaway = difference(case, seeds, rates)
    numbers = str(len(seeds)), str(case.samples), by_loop, by_ensemble, f"{gain:.1f}"
    return [Row(*numbers, bound, ok, f"{largest:.0e}", str(runaway))]


def difference(case: Case, seeds: list[int], rates: list[float]) -> tuple[float, int]:
    """Return the largest difference of any weight between ensemble and loop, in float64, and the nets left out."""
    X = next(iter(Samples("normal", case.samples)))[0].double()
    nets: list[nn.Module] = [NETWORKS["N1"](seed=seed).double() for seed in seeds]
    ensemble = Ensemble(nets)
    loop(nets, rates, X, case.steps)
    for _ in train_ensemble(ensemble, Algorithm.MODIFIED, rates, case.steps, [(X, X)]):
        pass
    (stack,) = ensemble.parameters.values()
    pairs = [(w, p.detach()) for w, net in zip(stack.detach(), nets) for p in net.parameters()]
    bounded = [(w, p) for w, p in pairs if p.abs().max() < 10]
    return max(float((w - p).abs().max()) for w, p in bounded), len(pairs) - len(bounded)


MEASUREMENTS = {f"{c.seeds * c.rates} nets, {c.samples} samples": functools.partial(measure, c) for c in CASES}


if __name__ == "__main__":
    torch.set_num_threads(1)
    head, quickly = f"torch {torch.__version__}, N1, modified rule, float32", [*MEASUREMENTS][1:3]
    main(__file__, MEASUREMENTS, {}, QUICK, head, quickly, Row)
