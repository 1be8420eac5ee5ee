"""Side by side with the peers: time, accuracy and memory of the learning rules, in one table.

    python benchmarks/local_propagation.py                  # everything, a few minutes
    python benchmarks/local_propagation.py --quick          # few repetitions, a smoke test
    python benchmarks/local_propagation.py --only memory    # one measurement; --help names them

Each measurement runs in a fresh process on one thread. README.md, beside this file, says what each row means. A new
measurement is a function ``Budget -> list of rows``, entered in ``MEASUREMENTS``.
"""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from tables import Row, judged, main
from torch import nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop
from torch.utils.data import DataLoader

from helpers.datasets import datasets
from helpers.networks import layered_net, mertens_net
from helpers.training import RULES, accuracy, backprop_optimize, locally_optimize_parallel, make_decoders, predictor
from helpers.training.layers import Batches
from helpers.training.memory import saved_for_backward

ENDLESS = sys.maxsize  # epochs that a rule could run; as many as are timed are pulled


COMPARED = ("back-propagation", "local, parallel", "local, sequential")


class Budget(NamedTuple):
    """How much is spent: epochs that are timed, seeds of an accuracy, blocks of the deepest net whose memory counts."""

    repetitions: int
    seeds: int
    blocks: int


FULL, QUICK = Budget(repetitions=31, seeds=10, blocks=64), Budget(repetitions=2, seeds=1, blocks=16)


def epoch_times(contestants: list[Iterator[object]], repetitions: int) -> list[float]:
    """Return the median milliseconds of an epoch of each contestant; they take turns, after one epoch to warm up."""
    for contestant in contestants:
        next(contestant)
    times: list[list[float]] = [[] for _ in contestants]
    for _ in range(repetitions):
        for contestant, record in zip(contestants, times):
            start = time.perf_counter()
            next(contestant)
            record.append(1000 * (time.perf_counter() - start))
    return [statistics.median(record) for record in times]


def plain_backprop(model: nn.Sequential, batches: Batches) -> Iterator[float]:
    """Yield the loss of each epoch of the loop that one writes by hand: add up the gradients, take one Rprop step."""
    optimizer = Rprop(model.parameters())
    while True:
        optimizer.zero_grad()
        losses = []
        for X, Y in batches:
            loss = binary_cross_entropy(model(X), Y)
            loss.backward()
            losses.append(loss.item())
        optimizer.step()
        yield statistics.fmean(losses)


def document_parallel(model: nn.Sequential, batches: Batches) -> Iterator[float]:
    """Yield the output block's loss in each epoch of the document's loop: a pass over the batches for every block.

    Each block encodes every batch from the input again, through blocks that this epoch has already changed. One Rprop
    holds all parameters of the model; the decoders keep their random start.
    """
    optimizer = Rprop(model.parameters())
    encoders = [model[:i] for i in range(len(model))]
    decoders = [decoder.requires_grad_(False) for decoder in make_decoders(model, torch.zeros(1, 2), seed=0)]
    criteria = [mse_loss] * (len(model) - 1) + [binary_cross_entropy]
    while True:
        for encoder, block, decoder, criterion in zip(encoders, model, decoders, criteria):
            optimizer.zero_grad()
            loss, count = torch.zeros(()), 0
            for X, Y in batches:
                with torch.no_grad():
                    h = encoder(X)
                loss, count = loss + criterion(decoder(block(h)), Y), count + 1
            loss.backward()
            optimizer.step()
        yield loss.item() / count


def time_row(what: str, ours: float, peer: float, ratio: float, **bounds: float | None) -> Row:
    """Write milliseconds, and their ratio, which is judged."""
    return judged(Row(what, f"{ours:.1f} ms", f"{peer:.1f} ms", f"{ratio:.2f}"), ratio, **bounds)


def backprop_time(budget: Budget) -> list[Row]:
    """Compare back-propagation with the loop written by hand, on ten batches and on one."""
    rows = []
    for samples in (100, 1000):
        net = functools.partial(mertens_net, seed=0)
        batches = list(DataLoader(datasets["signed_xor"].train(), batch_size=samples))
        rule = backprop_optimize(net(), Rprop, binary_cross_entropy, ENDLESS, batches)
        ours, peer = epoch_times([rule, plain_backprop(net(), batches)], budget.repetitions)
        what = f"back-propagation, {len(batches)} x {samples} samples: time of an epoch"
        rows.append(time_row(what, ours, peer, ours / peer, high=1.2))
    return rows


def parallel_time(name: str, net: Callable[[], nn.Sequential], least: list[float | None], budget: Budget) -> list[Row]:
    """Compare the parallel rule with the document's loop; `least` are the speed-ups asked of the first variants."""
    data = datasets["signed_xor"].train()
    loader: Batches = DataLoader(data, batch_size=100, shuffle=True)
    variants: dict[str, tuple[Batches, bool]] = {
        "same batches": (loader, False),
        "same step from one batch": ([(data.X, data.Y)], False),
        "same batches, decoders trained": (loader, True),
    }
    rules = [
        locally_optimize_parallel(net(), Rprop, mse_loss, binary_cross_entropy, ENDLESS, batches, train_decoders=train)
        for (batches, train), _ in zip(variants.values(), least)
    ]
    *ours, peer = epoch_times([*rules, document_parallel(net(), loader)], budget.repetitions)
    return [
        time_row(f"parallel, {name}, {variant}: speed-up", t, peer, peer / t, low=low)
        for variant, t, low in zip(variants, ours, least)
    ]


def deep_net(blocks: int) -> nn.Sequential:
    """Build a net like the document's, of any depth: hidden blocks of 100 units."""
    return layered_net([2, *[100] * (blocks - 1), 1], seed=0)


def accuracy_reached(rule: str, epochs: int, seed: int) -> float:
    """Return the test accuracy on signed_xor after training from this seed, of data, net and decoders."""
    train, test = (build(seed=seed) for build in datasets["signed_xor"][:2])
    net, batches = mertens_net(seed=seed), [(train.X, train.Y)]
    deque(RULES[rule](net, Rprop, mse_loss, binary_cross_entropy, epochs, batches, seed=seed), maxlen=0)
    return accuracy(predictor(net)(test.X), test.Y)


def accuracies(budget: Budget) -> list[Row]:
    """Judge the median test accuracy of each rule; the least and the largest stand beside it."""
    rows = []
    for rule, epochs in {"back-propagation": 100, "local, sequential": 50, "local, parallel": 200}.items():
        found = [accuracy_reached(rule, epochs, seed) for seed in range(budget.seeds)]
        median = statistics.median(found)
        what = f"{rule}, {epochs} epochs{' a block' * rule.endswith('sequential')}, seeds: {len(found)}: test accuracy"
        rows.append(judged(Row(what, f"{median:.4f} ({min(found):.3f}, {max(found):.3f})"), median, low=0.985))
    return rows


def kept_for_backward(rule: str, blocks: int) -> float:
    """Return the peak KiB kept for the backward pass in one epoch on 1000 samples in one batch."""
    data, net = datasets["signed_xor"].train(), deep_net(blocks)
    train = functools.partial(RULES[rule], net, Rprop, mse_loss, binary_cross_entropy, 1, [(data.X, data.Y)])
    return saved_for_backward(lambda: deque(train(), maxlen=0), net) / 1024


def memory(budget: Budget) -> list[Row]:
    """Judge how memory grows with depth; the numbers are exact."""
    depths = [blocks for blocks in (2, 4, 8, 16, 32, 64) if blocks <= budget.blocks]
    kept = {rule: [kept_for_backward(rule, blocks) for blocks in depths] for rule in COMPARED}
    peer = kept.pop("back-propagation")
    rows = []
    for rule, ours in kept.items():
        for blocks, a, b in zip(depths, ours, peer):
            rows.append(Row(f"{rule}, {blocks} blocks: memory", f"{a:.0f} KiB", f"{b:.0f} KiB", f"{a / b:.3f}"))
        growth, what = max(ours[1:]) / min(ours[1:]), f"{rule}, 4 to {depths[-1]} blocks: largest / smallest memory"
        rows.append(judged(Row(what, f"{growth:.3f}"), growth, high=1.05))
    growth, what = peer[-1] / peer[-2], f"back-propagation, {depths[-1]} / {depths[-2]} blocks: memory"
    return [*rows, judged(Row(what, "-", f"{growth:.3f}"), growth, low=1.8, high=2.2)]


MEASUREMENTS: dict[str, Callable[[Budget], list[Row]]] = {
    "backprop": backprop_time,
    "parallel": lambda budget: parallel_time("document's net", lambda: mertens_net(seed=0), [1.7, 4.0, None], budget),
    "parallel-4": lambda budget: parallel_time("4 blocks", lambda: deep_net(4), [None, None], budget),
    "parallel-8": lambda budget: parallel_time("8 blocks", lambda: deep_net(8), [None, None], budget),
    "parallel-16": lambda budget: parallel_time("16 blocks", lambda: deep_net(16), [3.0, None], budget),
    "parallel-32": lambda budget: parallel_time("32 blocks", lambda: deep_net(32), [None, None], budget),
    "accuracy": accuracies,
    "memory": memory,
}
QUICKLY = ("backprop", "parallel", "accuracy", "memory")  # the deep nets run the same code, for longer


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(__file__, MEASUREMENTS, FULL, QUICK, f"torch {torch.__version__}", QUICKLY)
