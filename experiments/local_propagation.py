"""The runs behind the honest part of lecture 07: ten seeds a condition, kept in local_propagation.csv beside this file.

    python experiments/local_propagation.py              # runs what is not in the file yet; all cores
    python experiments/local_propagation.py --fresh      # begins again

Every run: Mertens' net, full-batch Rprop with torch's defaults, one seed for data, net and decoders.
Budgets, for N = 200:

passes    every rule sees the data N times: N epochs, sequential N / 4 for each of its four blocks
updates   every parameter is updated N times: sequential N for each block (the other two: as for passes)
seconds   every rule gets the processor time of back-propagation for N epochs, by speeds measured first on 20 epochs
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import joblib
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop

from helpers.checks.local_propagation import one_optimizer_epoch
from helpers.datasets import Points, datasets
from helpers.networks import mertens_net
from helpers.training import RULES, accuracy, average_loss, make_decoders, predictor

RESULTS = Path(__file__).with_suffix(".csv")
N, BLOCKS, SEEDS = 200, 4, range(10)
COMPARED = ("back-propagation", "local, parallel", "local, sequential")
TRAP = {"one optimiser, zeroed": False, "one optimiser, set to None": True}  # the document's loop; set_to_none=


class Task(NamedTuple):
    """One run: what is asked, on which data, by which rule, with which decoders, at which budget, from which seed."""

    question: str
    data: str
    rule: str
    decoders: str
    budget: str
    seed: int


class Result(NamedTuple):
    """What came out: epochs (sequential: a block), accuracy and cross-entropy on test data, processor seconds."""

    epochs: int
    accuracy: float
    loss: float
    seconds: float


def tasks() -> Iterator[Task]:
    """List every run of the lecture."""
    for seed in SEEDS:
        for rule in ("local, parallel", "local, sequential"):
            for decoders in ("trained", "fixed"):
                yield Task("decoders", "signed_xor", rule, decoders, "passes", seed)
        for rule in TRAP:
            yield Task("trap", "signed_xor", rule, "fixed", "passes", seed)
        for data in ("signed_xor", "rings", "spirals", "checkerboard"):
            for rule in COMPARED:
                yield Task("budgets", data, rule, "trained", "passes", seed)
                if rule != "back-propagation":  # whose N epochs are N passes, N updates and the measure of the seconds
                    yield Task("budgets", data, rule, "trained", "seconds", seed)
            yield Task("budgets", data, "local, sequential", "trained", "updates", seed)
        for rule in COMPARED:
            yield Task("digits", "digits", rule, "trained", "passes", seed)


def train(task: Task, training_set: Points, epochs: int) -> tuple[nn.Sequential, float]:
    """Train a fresh net and return it with the seconds it took."""
    model = mertens_net(training_set.X.shape[1], training_set.Y.shape[1], seed=task.seed)
    X, Y = training_set.X, training_set.Y
    if task.rule in TRAP:
        decoders = make_decoders(model, X, seed=task.seed)
        optimizer = Rprop(model.parameters())
        begin = time.process_time()
        for _ in range(epochs):
            one_optimizer_epoch(model, decoders, optimizer, X, Y, TRAP[task.rule])
        return model, time.process_time() - begin
    begin = time.process_time()
    for _ in RULES[task.rule](
        model,
        Rprop,
        mse_loss,
        binary_cross_entropy,
        epochs,
        [(X, Y)],
        train_decoders=task.decoders == "trained",
        seed=task.seed,
    ):
        pass
    return model, time.process_time() - begin


def run(task: Task, n: int = N) -> Result:
    """Run one task at the budget of ``n`` epochs of back-propagation."""
    torch.set_num_threads(1)
    training_set, test_set = (build(seed=task.seed) for build in datasets[task.data][:2])
    sequential = task.rule == "local, sequential"
    epochs = n // BLOCKS if sequential and task.budget == "passes" else n
    if task.budget == "seconds" and task.rule != "back-propagation":
        few = 20
        _, theirs = train(task._replace(rule="back-propagation"), training_set, few)
        _, ours = train(task, training_set, few)
        epochs = max(1, round(n * theirs / ours))
    model, seconds = train(task, training_set, epochs)
    predict = predictor(model)
    loss = average_loss(lambda X, Y: binary_cross_entropy(model(X), Y), [(test_set.X, test_set.Y)])
    return Result(epochs, round(accuracy(predict(test_set.X), test_set.Y), 6), round(loss, 6), round(seconds, 3))


def provenance() -> list[str]:
    """Say what made the file."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    return [
        f"# made by: python experiments/{Path(__file__).name}; seeds {SEEDS.start} to {SEEDS.stop - 1}; N = {N}",
        f"# with: Python {platform.python_version()}, {versions}, {platform.machine()}, one thread a run",
    ]


def read() -> dict[Task, Result]:
    """Read the results that are there; a line that was cut off by a stop is left out."""
    if not RESULTS.exists():
        return {}
    lines = [line for line in RESULTS.read_text().splitlines() if not line.startswith("#")]
    rows = [row for row in csv.reader(lines[1:]) if len(row) == len(Task._fields) + len(Result._fields)]
    return {
        Task(row[0], row[1], row[2], row[3], row[4], int(row[5])): Result(
            int(row[6]), float(row[7]), float(row[8]), float(row[9])
        )
        for row in rows
    }


def write(results: dict[Task, Result]) -> None:
    """Write all results, in the order of the tasks, with their provenance."""
    with RESULTS.open("w", newline="") as file:
        file.write("\n".join(provenance()) + "\n")
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*Task._fields, *Result._fields])
        table.writerows([*task, *results[task]] for task in tasks() if task in results)


def main() -> None:
    """Run what is missing, on all cores, and keep the file up to date."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--fresh", action="store_true", help="forget the results that are there")
    results = {} if parser.parse_args().fresh else read()
    missing = [task for task in tasks() if task not in results]
    jobs = (joblib.delayed(lambda t: (t, run(t)))(task) for task in missing)
    begin = time.perf_counter()
    for done, (task, result) in enumerate(joblib.Parallel(n_jobs=-1, return_as="generator_unordered")(jobs), 1):
        results[task] = result
        if done % 10 == 0 or done == len(missing):
            write(results)
        rate = (time.perf_counter() - begin) / done
        print(f"\r{done}/{len(missing)} runs, {rate * (len(missing) - done):.0f} s to go   ", end="", file=sys.stderr)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
