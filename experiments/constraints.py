"""The runs behind the last table of lecture 04: five seeds a rule at equal passes, kept in constraints.csv beside it.

    python experiments/constraints.py    # runs what is not in the file yet; options: see runs.py

Every run: signed_xor, 1000 points; a net 2-32-32-1 with tanh; full-batch Rprop with torch's defaults; one seed for data
and net; N passes over the data, which for each rule is N epochs. Seconds are processor time on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from runs import Experiment
from torch import nn
from torch.nn.functional import binary_cross_entropy
from torch.optim import Rprop

from helpers.datasets import Points, datasets
from helpers.networks import layered_net
from helpers.training import accuracy, backprop_optimize, predictor
from helpers.training.constrained import train_constrained
from helpers.training.memory import saved_for_backward

N, SEEDS = 200, range(5)
METHODS = {"penalty": "penalty", "augmented Lagrangian": "augmented_lagrangian", "ADMM": "admm"}
NAMES = ["back-propagation", *METHODS]


class Task(NamedTuple):
    """One run: by which rule, from which seed, for how many passes over the data."""

    rule: str
    seed: int
    passes: int


class Result(NamedTuple):
    """What came out.

    Attributes
    ----------
    accuracy, loss, net_loss : float
        On test data; cross-entropy on training data at the variables, and of the net itself fed forward.
    violation : float
        The largest gap of any layer; 0 for back-propagation, which has none.
    milliseconds : float
        An epoch, of processor time.
    saved, kept : int
        Bytes that autograd holds for a backward pass at most, and bytes of activations and multipliers that the rule
        keeps from one epoch to the next; ADMM keeps pre-activations and their multipliers besides.
    """

    accuracy: float
    loss: float
    net_loss: float
    violation: float
    milliseconds: float
    saved: int
    kept: int


def tasks() -> Iterator[Task]:
    """List every run, rule by rule."""
    return (Task(rule, seed, N) for rule in NAMES for seed in SEEDS)


def begin(rule: str, data: Points, seed: int, n: int) -> tuple[nn.Sequential, Iterator[Any]]:
    """Return a fresh net and the steps of its training."""
    if rule not in NAMES:
        raise ValueError(f"rule must be one of {', '.join(NAMES)}, got {rule!r}")
    model = layered_net([2, 32, 32, 1], activation=nn.Tanh, normalize=False, seed=seed)
    arguments: Any = (model, Rprop, binary_cross_entropy, n, [(data.X, data.Y)])
    if rule == "back-propagation":
        return model, backprop_optimize(*arguments)
    return model, train_constrained(*arguments, method=METHODS[rule])  # type: ignore[arg-type]


def run(rule: str, seed: int, n: int = N) -> Result:
    """Train one net for ``n`` passes."""
    data, test = (build(seed=seed) for build in datasets["signed_xor"][:2])
    model, steps = begin(rule, data, seed, n)
    start = time.process_time()
    for step in steps:
        pass
    milliseconds = 1000 * (time.process_time() - start) / n
    tensors = [*getattr(step, "activations", ()), *getattr(step, "multipliers", ())]
    fresh, again = begin(rule, data, seed, 1)
    saved = saved_for_backward(lambda: next(again), fresh)
    with torch.no_grad():
        net_loss = float(binary_cross_entropy(model(data.X), data.Y))
    return Result(
        round(accuracy(predictor(model)(test.X), test.Y), 6), _short(step.loss), _short(net_loss),
        _short(max(getattr(step, "violation", [0.0]))), round(milliseconds, 3), saved,
        sum(t.numel() * t.element_size() for t in tensors),
    )  # fmt: skip


def _short(value: float) -> float:
    return float(f"{value:.4g}")


NOTE = f"seeds {SEEDS.start} to {SEEDS.stop - 1}; N = {N}"
EXPERIMENT = Experiment(__file__, Task, Result, list(tasks()), lambda task: run(*task), NOTE)
RESULTS = EXPERIMENT.file

if __name__ == "__main__":
    EXPERIMENT.main()
