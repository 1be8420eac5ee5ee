"""The runs behind the digits of lecture 05: five seeds an objective, kept in idempotent_digits.csv beside this file.

    python experiments/idempotent_digits.py    # runs what is not in the file yet; options: see runs.py

Every run: the net 64-128-16-128-64 of `helpers.training.projections`, 1500 batches of 100 of the 1000 training
digits, Adam with learning rate 0.003, noise 0.3; one seed for the net, the batches and the noise. Measured on 797
unseen digits.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

from runs import Experiment
from torch.optim import Adam

from helpers.datasets import datasets
from helpers.training.idempotent import Algorithm, trace_and_norm
from helpers.training.projections import measure_map, projection_net, train_projection

SEEDS, STEPS, FEW = range(5), 1500, 60  # one short run an objective is kept too: a test runs it again
# name -> weight of reconstruction, weight of idempotence, rule
OBJECTIVES = {
    "idempotence alone, ordinary": (0.0, 1.0, Algorithm.ORDINARY),
    "idempotence alone, modified": (0.0, 1.0, Algorithm.MODIFIED),
    "reconstruction alone": (1.0, 0.0, Algorithm.ORDINARY),
    "both, ordinary": (1.0, 3.0, Algorithm.ORDINARY),
    "both, modified": (1.0, 3.0, Algorithm.MODIFIED),
}


class Task(NamedTuple):
    """What is run: a name in ``OBJECTIVES``, for so many batches."""

    objective: str
    seed: int
    steps: int


class Result(NamedTuple):
    """`MapMeasures` of the net; trace is that of n(I), seconds are the training's."""

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


def run(task: Task) -> Result:
    """Train one net and measure it."""
    if task.objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, got {task.objective!r}")
    known, unseen = datasets["digits"].train().X, datasets["digits"].test().X
    net = projection_net(seed=task.seed)
    reconstruction, idempotence, algorithm = OBJECTIVES[task.objective]
    weights: dict[str, Any] = {"reconstruction": reconstruction, "idempotence": idempotence}
    optimizer = partial(Adam, lr=3e-3)
    training = train_projection(net, optimizer, task.steps, known, **weights, algorithm=algorithm, seed=task.seed)
    begin = time.process_time()
    for _ in training:
        pass
    seconds = time.process_time() - begin
    error, moved, nearest, pulled, rank = measure_map(net, unseen, known)
    values = (error, moved, nearest, *pulled, rank, trace_and_norm(net)[0], seconds)
    return Result(*(float(f"{v:.6g}") for v in values))


TASKS = [Task(objective, seed, STEPS) for objective in OBJECTIVES for seed in SEEDS]
TASKS += [Task(objective, 0, FEW) for objective in OBJECTIVES]
EXPERIMENT = Experiment(__file__, Task, Result, TASKS, run, f"seeds {SEEDS.start} to {SEEDS.stop - 1}")
RESULTS, read = EXPERIMENT.file, EXPERIMENT.read

if __name__ == "__main__":
    EXPERIMENT.main()
