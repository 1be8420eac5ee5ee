"""The runs behind the honest part of lecture 07: ten seeds a condition, kept in local_propagation.csv beside this file.

    python experiments/local_propagation.py    # runs what is not in the file yet; options: see runs.py

Every run: Mertens' net, full-batch Rprop with torch's defaults, one seed for data, net and decoders.
Budgets, for N = 200:

passes    every rule sees the data N times: N epochs, sequential N / 4 for each of its four blocks
updates   every parameter is updated N times: sequential N for each block (the other two: as for passes)
seconds   every rule gets the processor time of back-propagation for N epochs, by speeds measured first on 20 epochs
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from runs import Experiment
from torch import nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop

from helpers.checks.local_propagation import one_optimizer_epoch
from helpers.datasets import Points, datasets
from helpers.networks import mertens_net
from helpers.training import RULES, accuracy, average_loss, make_decoders, predictor

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
        decoders, optimizer = make_decoders(model, X, seed=task.seed), Rprop(model.parameters())
        begin = time.process_time()
        for _ in range(epochs):
            one_optimizer_epoch(model, decoders, optimizer, X, Y, TRAP[task.rule])
        return model, time.process_time() - begin
    begin, options = time.process_time(), {"train_decoders": task.decoders == "trained", "seed": task.seed}
    for _ in RULES[task.rule](model, Rprop, mse_loss, binary_cross_entropy, epochs, [(X, Y)], **options):
        pass
    return model, time.process_time() - begin


def run(task: Task, n: int = N) -> Result:
    """Run one task at the budget of ``n`` epochs of back-propagation."""
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


NOTE = f"seeds {SEEDS.start} to {SEEDS.stop - 1}; N = {N}"
EXPERIMENT = Experiment(__file__, Task, Result, list(tasks()), run, NOTE)
RESULTS, read = EXPERIMENT.file, EXPERIMENT.read

if __name__ == "__main__":
    EXPERIMENT.main()
