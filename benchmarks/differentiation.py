"""The scalar engine beside micrograd: time, garbage and long chains, in one table.

    python benchmarks/differentiation.py                 # everything, about a minute
    python benchmarks/differentiation.py --quick         # few repetitions, a smoke test
    python benchmarks/differentiation.py --only net      # one measurement; --help names them

The net is micrograd's own: 2-16-16-1 with relu, squared error summed over 32 points, forward and backward. Both engines
get the same weights, and their gradients must be equal. Each engine runs in processes of its own, which take turns;
times are CPU times, the median over the passes of a process, then the least over the processes: other work on the
machine only adds. A new measurement is a function ``Budget -> list of rows``, entered in ``MEASUREMENTS``.
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tables import Row, apart, judged, main

from helpers.diff.scalar import Scalar, relu, sin

SIZES, POINTS = (2, 16, 16, 1), 32


class Budget(NamedTuple):
    """How much is spent: processes of each engine, passes in each, the longest chain."""

    processes: int
    passes: int
    chain: int


FULL, QUICK = Budget(processes=5, passes=20, chain=1_000_000), Budget(processes=1, passes=3, chain=100_000)


class OurNeuron(NamedTuple):
    """The weights and the bias of a neuron."""

    weights: list[Scalar]
    bias: Scalar

    def __call__(self, x: list[Any], hidden: bool) -> Scalar:
        """Return the neuron's output, as micrograd computes it."""
        total: Scalar = sum((w * v for w, v in zip(self.weights, x)), self.bias)
        return relu(total) if hidden else total


def our_net() -> tuple[Callable[[list[Any]], Any], list[Any]]:
    """Return the net on Scalars and its parameters, in micrograd's order and with its numbers."""
    layers = [
        [OurNeuron([Scalar(random.uniform(-1, 1)) for _ in range(width)], Scalar(0.0)) for _ in range(count)]
        for width, count in zip(SIZES, SIZES[1:])  # noqa: RUF007
    ]

    def net(x: list[Any]) -> Any:
        for layer in layers:
            x = [neuron(x, hidden=layer is not layers[-1]) for neuron in layer]
        return x[0]

    return net, [p for layer in layers for neuron in layer for p in (*neuron.weights, neuron.bias)]


def peer_net() -> tuple[Callable[[list[Any]], Any], list[Any]]:
    """Return micrograd's net and its parameters."""
    from micrograd.nn import MLP

    net = MLP(SIZES[0], list(SIZES[1:]))
    return net, net.parameters()


def one_pass(net: Callable[[list[Any]], Any], parameters: list[Any], X: list[list[float]], Y: list[float]) -> Any:
    """Compute the loss and its gradient; return the loss."""
    for p in parameters:
        if hasattr(p, "grad"):
            p.grad = 0.0  # ours starts from zero by itself
    loss: Any = sum(((net(x) - y) ** 2 for x, y in zip(X, Y)), 0.0)
    loss.backward()
    return loss


class Collections:
    """The seconds that the garbage collector takes, and the objects that it finds and frees."""

    def __init__(self) -> None:
        self.seconds, self.found, self._start = 0.0, 0, 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._start = time.process_time()
        else:
            self.seconds += time.process_time() - self._start
            self.found += info["collected"]


def measure_net(engine: str, collecting: bool, passes: int) -> dict[str, Any]:
    """Time passes through the net in this process: all, and what of it the garbage collector took."""
    random.seed(0)  # micrograd draws its weights from the global generator
    net, parameters = our_net() if engine == "ours" else peer_net()
    X = [[random.uniform(-1, 1), random.uniform(-1, 1)] for _ in range(POINTS)]
    Y = [float(a * b > 0) for a, b in X]
    one_pass(net, parameters, X, Y)
    gradient = [p.gradient if engine == "ours" else p.grad for p in parameters]
    gc.collect()
    if not collecting:
        gc.disable()
    collections, times = Collections(), []
    for _ in range(passes):
        start = time.process_time()
        one_pass(net, parameters, X, Y)
        times.append(time.process_time() - start)
        if not collecting:  # what is left over is freed, but not on the clock
            gc.collect()
    found = collections.found / passes
    return {"ms": 1000 * statistics.median(times), "gc_ms": 1000 * collections.seconds / passes, "found": found,
            "gradient": gradient}  # fmt: skip


def measure_chain(length: int) -> dict[str, Any]:
    """Time a chain: record it, walk it back, free it; microseconds per operation."""
    x = Scalar(0.5)
    start = time.process_time()
    y = x
    for _ in range(length // 2):
        y = sin(y) + x
    recorded = time.process_time()
    y.backward()
    walked = time.process_time()
    del y
    freed = time.process_time()
    scale = 1e6 / length
    return {"record": scale * (recorded - start), "backward": scale * (walked - recorded),
            "free": scale * (freed - walked), "all": scale * (freed - start)}  # fmt: skip


TASKS: dict[str, Callable[..., Any]] = {"net": measure_net, "chain": measure_chain}


def net_rows(budget: Budget) -> list[Row]:
    """Compare the passes through the net, with the garbage collector as Python ships it, and without."""
    rows = []
    for collecting, low in ((True, 6.0), (False, 1.2)):
        runs: dict[str, list[dict[str, Any]]] = {"ours": [], "micrograd": []}
        for _ in range(budget.processes):
            for engine, results in runs.items():
                results.append(apart(__file__, "net", engine, collecting, budget.passes))
        ours, peer = (min(run["ms"] for run in results) for results in runs.values())
        how = "as Python ships" if collecting else "garbage collector off"
        row = Row(f"net, {how}: ms per pass", f"{ours:.1f}", f"{peer:.1f}", f"{peer / ours:.2f}")
        rows.append(judged(row, peer / ours, low=low))
        if collecting:
            first, second = runs["ours"][0], runs["micrograd"][0]
            a, b = (min(run["gc_ms"] for run in results) for results in runs.values())
            rows.append(Row("  of which the garbage collector: ms", f"{a:.1f}", f"{b:.1f}"))
            rows.append(Row("  objects that only it could free", f"{first['found']:.0f}", f"{second['found']:.0f}"))
            error = max(abs(x - y) for x, y in zip(first["gradient"], second["gradient"]))
            error /= max(abs(y) for y in second["gradient"])
            rows.append(judged(Row("  gradients: largest difference", f"{error:.1e}"), error, high=1e-14))
    return rows


def chain_rows(budget: Budget) -> list[Row]:
    """Show that the time of a chain is linear in its length; micrograd's recursion ends far below."""
    rows, totals, lengths = [], [], (budget.chain // 10, budget.chain)
    for length in lengths:
        runs = [apart(__file__, "chain", length) for _ in range(min(3, budget.processes))]
        best = min(runs, key=lambda run: float(run["all"]))
        totals.append(best["all"])
        parts = " + ".join(f"{best[part]:.2f}" for part in ("record", "backward", "free"))
        rows.append(Row(f"chain of {length:,}: us per operation, record + backward + free", parts))
    growth = totals[1] / totals[0]
    what = f"  {lengths[1]:,} beside {lengths[0]:,}: time an operation"
    # Linear is 1; fewer hits in the caches and new pages of memory add to it. Quadratic would be 10.
    return [*rows, judged(Row(what, f"{growth:.2f}"), growth, high=2.0)]


MEASUREMENTS: dict[str, Callable[[Budget], list[Row]]] = {"net": net_rows, "chain": chain_rows}


if __name__ == "__main__":
    head = f"Python {sys.version.split()[0]}, ours beside micrograd"
    main(__file__, MEASUREMENTS, FULL, QUICK, head, tasks=TASKS)
