"""The runs behind the digits of lecture 05: five seeds an objective, kept in idempotent_digits.csv beside this file.

    python experiments/idempotent_digits.py              # all runs, on all cores

Every run: the net 64-128-16-128-64 of `helpers.training.projections`, 1500 batches of 100 of the 1000 training
digits, Adam with learning rate 0.003, noise 0.3; one seed for the net, the batches and the noise. Measured on 797
unseen digits.
"""

from __future__ import annotations

import csv
import importlib.metadata
import os
import platform
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import joblib
import torch
from torch.optim import Adam

from helpers.datasets import datasets
from helpers.training.idempotent import Algorithm, trace_and_norm
from helpers.training.projections import measure_map, projection_net, train_projection

RESULTS = Path(__file__).with_suffix(".csv")
SEEDS, STEPS, FEW = range(5), 1500, 60  # one short run an objective is kept too: a test runs it again
# name -> weight of reconstruction, weight of idempotence, rule
OBJECTIVES = {
    "idempotence alone, ordinary": (0.0, 1.0, Algorithm.ORDINARY),
    "idempotence alone, modified": (0.0, 1.0, Algorithm.MODIFIED),
    "reconstruction alone": (1.0, 0.0, Algorithm.ORDINARY),
    "both, ordinary": (1.0, 3.0, Algorithm.ORDINARY),
    "both, modified": (1.0, 3.0, Algorithm.MODIFIED),
}


class Row(NamedTuple):
    """A run: what was trained how long, and `MapMeasures` of it; trace is that of n(I)."""

    objective: str
    seed: int
    steps: int
    error: float
    moved: float
    nearest: float
    noisy: float
    once: float
    twice: float
    thrice: float
    rank: float
    trace: float
    seconds: float


def run(objective: str, seed: int, steps: int = STEPS) -> Row:
    """Train one net and measure it."""
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, got {objective!r}")
    torch.set_num_threads(1)
    known, unseen = datasets["digits"].train().X, datasets["digits"].test().X
    net = projection_net(seed=seed)
    reconstruction, idempotence, algorithm = OBJECTIVES[objective]
    training = train_projection(
        net,
        partial(Adam, lr=3e-3),
        steps,
        known,
        reconstruction=reconstruction,
        idempotence=idempotence,
        algorithm=algorithm,
        seed=seed,
    )
    begin = time.process_time()
    for _ in training:
        pass
    seconds = time.process_time() - begin
    error, moved, nearest, pulled, rank = measure_map(net, unseen, known)
    values = [float(f"{v:.6g}") for v in (error, moved, nearest, *pulled, rank, trace_and_norm(net)[0], seconds)]
    return Row(objective, seed, steps, *values)


def main() -> None:
    """Run everything, and write the file."""
    jobs = [joblib.delayed(run)(objective, seed) for objective in OBJECTIVES for seed in SEEDS]
    jobs += [joblib.delayed(run)(objective, 0, FEW) for objective in OBJECTIVES]
    rows = joblib.Parallel(n_jobs=int(os.environ.get("JOBS", -1)), verbose=1)(jobs)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    with RESULTS.open("w", newline="") as file:
        file.write(f"# made by: python experiments/{Path(__file__).name}; seeds {SEEDS.start} to {SEEDS.stop - 1}\n")
        file.write(f"# with: Python {platform.python_version()}, {versions}, {platform.machine()}, one thread a run\n")
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Row._fields)
        table.writerows(rows)


if __name__ == "__main__":
    main()
