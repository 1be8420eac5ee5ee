"""The runs behind the conjecture of lecture 08, a rule between parallel and sequential: kept in between.csv.

    python experiments/between.py                      # options: see runs.py; `--only data=spirals` is a part

Every run: 500 training points in one batch, a net 2-32-32-32-1 (Mish, unit rows), trained decoders, and one seed for
data, net and decoders, so that all conditions of a seed begin alike and differences are paired. The optimiser is Rprop
with torch's defaults; some conditions run again with Adam at rate 0.03, since Rprop lengthens its steps while their
signs stay, and may so undo a damping. Budgets, for N = 100:

passes    the data are seen N times; a window of w of the L = 4 blocks then changes a block w N / L times, on average
updates   a block is changed N times on average: a window of w sees the data N L / w times
both      what changes all blocks at once has N passes and N updates
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from runs import Experiment
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Adam, Rprop

from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.training import RULES, accuracy, average_loss, predictor
from helpers.training.local import Inputs

N, POINTS, LAST, SEEDS = 100, 500, 20, range(10)
WIDTHS = [2, 32, 32, 32, 1]
BLOCKS = len(WIDTHS) - 1
DATA = ("spirals", "checkerboard", "signed_xor")
WINDOWS = {"window of 3": 3, "window of 2": 2, "sequential": 1}  # a window of one block is the sequential rule
CONDITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "parallel": ("local, parallel", {}),
    **{name: ("local, window", {"width": width}) for name, width in WINDOWS.items()},
    **{f"axes, {s}": ("local, damped", {"strength": float(s)}) for s in (1, 10, 100)},
    **{f"layer, {s}": ("local, damped", {"strength": float(s), "damping": "layer"}) for s in (10, 100)},
}
OPTIMIZERS = {"Rprop": Rprop, "Adam": partial(Adam, lr=0.03)}
AGAIN = ("parallel", "window of 2", "axes, 10", "axes, 100", "layer, 10", "layer, 100")  # with Adam, at equal updates


class Task(NamedTuple):
    """One run: on which data, by which optimiser, under which condition, at which budget, from which seed."""

    data: str
    optimizer: str
    condition: str
    budget: str
    seed: int


class Result(NamedTuple):
    """What came out.

    Attributes
    ----------
    passes : int
        How often the data were seen.
    updates : float
        How often a block was changed, the mean over the blocks.
    accuracy, loss : float
        Of the output on test data; the loss is the cross-entropy.
    moved : float
        Relative movement of the last block's input axes in an epoch, the mean over axes and the last 20 epochs.
    """

    passes: int
    updates: float
    accuracy: float
    loss: float
    moved: float


def tasks() -> list[Task]:
    """List every run, seed by seed: a part of the file is then a whole experiment with fewer seeds."""
    both = ("passes", "updates")
    conditions = [("Rprop", name, budget) for name in CONDITIONS for budget in (both if name in WINDOWS else ("both",))]
    conditions += [("Adam", name, "updates" if name in WINDOWS else "both") for name in AGAIN]
    return [Task(data, *condition, seed) for seed in SEEDS for data in DATA for condition in conditions]


def run(task: Task, n: int = N) -> Result:
    """Train one net at a budget of ``n``."""
    training_set = datasets[task.data].train(samples=POINTS, seed=task.seed)
    test_set = datasets[task.data].test(seed=task.seed)
    model = layered_net(WIDTHS, seed=task.seed)
    rule, options = CONDITIONS[task.condition]
    width = WINDOWS.get(task.condition, BLOCKS)
    passes = n * BLOCKS // width if task.budget == "updates" else n
    batches = [(training_set.X, training_set.Y)]
    optimizer, criteria = OPTIMIZERS[task.optimizer], (mse_loss, binary_cross_entropy)
    steps = RULES[rule](model, optimizer, *criteria, passes, batches, seed=task.seed, **options)
    inputs, moved, last = Inputs(model, training_set.X), 0.0, min(LAST, passes)
    for step in steps:
        if step.epoch >= passes - last:
            displaced = float(inputs.displacements()[-1].mean())
            moved += displaced / last if step.epoch > passes - last else 0  # the first only sets the start
    right = accuracy(predictor(model)(test_set.X), test_set.Y)
    loss = average_loss(lambda X, Y: binary_cross_entropy(model(X), Y), [(test_set.X, test_set.Y)])
    return Result(passes, passes * width / BLOCKS, round(right, 6), round(loss, 6), float(f"{moved:.4g}"))


NOTE = f"seeds {SEEDS.start} to {SEEDS.stop - 1}; N = {N}"
EXPERIMENT = Experiment(__file__, Task, Result, tasks(), run, NOTE)
RESULTS, read = EXPERIMENT.file, EXPERIMENT.read

if __name__ == "__main__":
    EXPERIMENT.main()
