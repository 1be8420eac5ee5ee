"""The runs behind the table of all rules of the course, in lecture 08: every labelled data set, kept in rules.csv.

    python experiments/rules.py                      # options: see runs.py; `--only data=moons` is a part

Two settings:

alike   every rule in RULES on every labelled set: Mertens' net; full-batch Rprop with torch's defaults; 500 training
        points; 100 passes over the data, which the sequential rule shares among its four blocks. No rule was tuned.
own     signed_xor, 1000 points, a few rules each in a setting that suits it: `OWN` holds net, optimiser and epochs

One seed for data, net and whatever the rule draws.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

from runs import Experiment

from helpers.training import RULES, TrainingError, accuracy
from helpers.training.memory import saved_for_backward
from helpers.training.runs import LABELLED, Run, Session

N, POINTS, SEEDS = 100, 500, range(5)
FEWER = {"digits": range(3)}
MERTENS = {"hidden": (100, 100, 10), "activation": "Mish", "normalize": True}
TWO_TANH = {"hidden": (100, 100), "activation": "tanh", "normalize": False, "optimizer": "Adam", "epochs": 300}
OWN: dict[str, dict[str, Any]] = {
    "local losses, predsim": {"epochs": 200},
    "feedback alignment": TWO_TANH,
    "direct feedback alignment": TWO_TANH,
    "forward-forward": {"epochs": 200},
}


class Task(NamedTuple):
    """One run: on which data, by which rule, from which seed, for how many passes, in which setting."""

    data: str
    rule: str
    seed: int
    passes: int
    setting: str = "alike"


class Result(NamedTuple):
    """What came out.

    Attributes
    ----------
    accuracy : float
        Of the last layer on test data; NaN if training had to stop.
    updates : float
        How many of the passes changed a block, the mean over the blocks.
    seconds : float
        Processor time of the training on one thread.
    saved : int
        Bytes that autograd holds for a backward pass at most, weights of the net not counted.
    """

    accuracy: float
    updates: float
    seconds: float
    saved: int


def tasks() -> list[Task]:
    """List every run, data set by data set."""
    alike = [Task(data, rule, seed, N) for data in LABELLED for rule in RULES for seed in FEWER.get(data, SEEDS)]
    own = [Task("signed_xor", rule, seed, changes["epochs"], "own") for rule, changes in OWN.items() for seed in SEEDS]
    return alike + own


def setting(task: Task, epochs: int) -> Run:
    """Describe a run in full."""
    changes = {**OWN[task.rule], "samples": 1000} if task.setting == "own" else {"samples": POINTS}
    same = {"data": task.data, "rules": (task.rule,), "seed": task.seed, **MERTENS}
    return Run(**{**same, **changes, "epochs": epochs})


def run(task: Task) -> Result:
    """Train one net by one rule."""
    session = Session(setting(task, task.passes))
    begin, changed, finished = time.process_time(), 0, True
    try:
        for _ in session:
            changed += blocks_changed(session)
    except TrainingError:  # the loss or the weights left the finite numbers: a result, and no success
        finished = False
    seconds = time.process_time() - begin
    test = session.test_set
    reached = accuracy(session.predict(test.X)[-1], test.Y) if finished else math.nan
    return Result(round(reached, 6), changed / len(session.model), round(seconds, 3), saved(task))


def blocks_changed(session: Session) -> int:
    """Return how many blocks an epoch has changed: one by the sequential rule, those in the window, or all."""
    return len(session.rule.active) if session.run.rules[0].startswith("local, ") else len(session.model)


def saved(task: Task) -> int:
    """Measure the bytes on a net of its own, in as many passes as there are blocks: each has had its turn then."""
    blocks = len(setting(task, 1).hidden) + 1
    session = Session(setting(task, blocks))
    return saved_for_backward(lambda: list(session), session.model)


NOTE = f"seeds {SEEDS.start} to {SEEDS.stop - 1}, digits {FEWER['digits'].start} to {FEWER['digits'].stop - 1}; N = {N}"
EXPERIMENT = Experiment(__file__, Task, Result, tasks(), run, NOTE)
RESULTS, read = EXPERIMENT.file, EXPERIMENT.read

if __name__ == "__main__":
    EXPERIMENT.main()
