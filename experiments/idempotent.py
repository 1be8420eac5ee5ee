"""The runs behind the results table of lecture 05: every net of the idempotent document, kept in idempotent.csv.

    python experiments/idempotent.py           # options: see runs.py; `--only network=N1` is a part

Jensen names the nets and the settings; our copy of his text has no results, so these are our own. Every run: 10,000
samples of N(0, I), drawn anew for each epoch; batches of 10,000 (one step per epoch) or 2000 (five); SGD at a fixed
rate; one seed for net and data. Epochs are few where nets are wide: the document asks for impractically many.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import NamedTuple

import torch
from runs import Experiment
from torch import nn
from torch.optim import SGD

from helpers.datasets import datasets
from helpers.networks import NETWORKS
from helpers.training.idempotent import (
    Algorithm,
    Samples,
    idempotent_error,
    image_of_identity,
    numerical_rank,
    trace_and_norm,
    train_idempotent,
)

SAMPLES, BATCHES, UNSEEN = 10_000, (10_000, 2000), 2000
ALGORITHMS = (Algorithm.ORDINARY, Algorithm.ORDINARY_SCALED, Algorithm.MODIFIED)


class Plan(NamedTuple):
    """How long a net is trained, from how many initial weights, at which learning rates."""

    epochs: int
    inits: int
    rates: tuple[float, ...]


SMALL, WIDE = Plan(100, 5, (0.03, 0.1, 0.3, 1.0)), Plan(3, 3, (0.1, 1.0))
PLANS = {
    **dict.fromkeys(("N1", "N2", "N3", "B1"), SMALL),
    "B2": SMALL._replace(epochs=30),
    **dict.fromkeys(("N4", "B4"), WIDE),
    "B3": WIDE._replace(rates=(0.1,)),  # an epoch of it costs two of the other two
}


class Task(NamedTuple):
    """One run: net, samples per batch, rule, learning rate, seed of net and data, epochs."""

    network: str
    batch: int
    algorithm: str
    rate: float
    seed: int
    epochs: int


class Result(NamedTuple):
    """What came out, of 2000 samples that were not trained on and of n(I); ``rank`` is that of `rank`, -1 if diverged.

    ``diverged``: error or parameters became infinite or NaN, and error, trace and norm are NaN. ``collapsed``: the rank
    is 0 after training (some begin there); whatever the error, this is no success. ``seconds``: processor time.
    """

    start_error: float
    error: float
    trace: float
    norm: float
    start_rank: int
    rank: int
    diverged: bool
    collapsed: bool
    seconds: float


def tasks() -> list[Task]:
    """List every run, rate by rate; the wide nets come last."""
    return [
        Task(network, batch, algorithm.value, rate, seed, plan.epochs)
        for network, plan in PLANS.items()
        for rate in plan.rates
        for batch in BATCHES
        for algorithm in ALGORITHMS
        for seed in range(plan.inits)
    ]


def rank(net: nn.Module, width: int) -> int:
    """Return the number of singular values of n(I) - n(0) above 1/2: in how many directions the net still answers.

    n(0) is what biases add to every row of n(I). Without this term a net that gives one constant, which is a perfectly
    idempotent map and as useless as zero, could count as rank 1.
    """
    with torch.no_grad():
        return int(numerical_rank(image_of_identity(net) - net(torch.zeros(1, width))))


def run(task: Task) -> Result:
    """Train one net, and measure it on samples of its own that it has not seen."""
    net = NETWORKS[task.network](seed=task.seed)
    width = next(net.parameters()).shape[-1]
    unseen = datasets["normal"].test(samples=UNSEEN, seed=task.seed, dimension=width).X
    fresh = Samples("normal", SAMPLES, batch=task.batch, fresh=True, seed=task.seed, dimension=width)
    start_error, start_rank = idempotent_error(net, unseen), rank(net, width)
    begin = time.process_time()
    for step in train_idempotent(net, partial(SGD, lr=task.rate), Algorithm(task.algorithm), task.epochs, fresh):
        pass
    seconds = round(time.process_time() - begin, 3)
    error = idempotent_error(net, unseen)
    if step.diverged or not math.isfinite(error):
        return Result(_short(start_error), math.nan, math.nan, math.nan, start_rank, -1, True, False, seconds)
    trace, norm = trace_and_norm(net)
    end = rank(net, width)
    return Result(
        _short(start_error), _short(error), _short(trace), _short(norm), start_rank, end, False, end == 0, seconds
    )


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def success(result: Result) -> bool:
    """Say whether a run made its net more idempotent, and left a map that is not constant."""
    return not result.diverged and not result.collapsed and result.error < result.start_error


NOTE = "seeds 0 to 4, of the nets of 784 and more 0 to 2; 10000 fresh samples per epoch"
EXPERIMENT = Experiment(__file__, Task, Result, tasks(), run, NOTE)
RESULTS, read = EXPERIMENT.file, EXPERIMENT.read

if __name__ == "__main__":
    EXPERIMENT.main()
