"""The array engine beside NumPy written by hand, torch and HIPS autograd: time and memory, in one table.

    python benchmarks/arrays.py                  # everything, about four minutes
    python benchmarks/arrays.py --quick          # few repetitions, a smoke test
    python benchmarks/arrays.py --only small     # one net; --help names them

Measured is the mean squared error of a tanh net and its gradient in all weights and biases, on one thread. All
contestants get the same numbers, and their gradients must be equal. Each runs in processes of its own, which take
turns; times are CPU times, the median over the passes of a process, then the least over the processes: other work on
the machine only adds. Memory is the peak of what Python and NumPy allocate in a pass, above what was there before; that
of torch cannot be seen so.

``Array`` keeps its parameters from pass to pass, as torch does; `vjp` gets NumPy arrays, which it copies. Each process
first holds a large array for a moment: from then on glibc keeps freed memory, as in a session that has loaded data.
Without it the page faults of a pass depend on chance, the layout of the heap. A new contestant is a function in
``CONTESTANTS``.
"""

from __future__ import annotations

import functools
import itertools
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tables import apart, main

from helpers.diff.arrays import Array, tanh, vjp

Arrays = list[NDArray[np.floating[Any]]]
Pass = Callable[[], tuple[float, Any]]  # -> loss, gradients


class Net(NamedTuple):
    """Sizes of the layers, points, kind of numbers, and what a pass may cost in units of the hand-written one."""

    sizes: tuple[int, ...]
    points: int
    dtype: str
    bound: float


class Budget(NamedTuple):
    """How much is spent: processes of each contestant, seconds of passes in each."""

    processes: int
    seconds: float


class Row(NamedTuple):
    """A line of the table, as text."""

    net: str
    contestant: str
    time: str
    ratio: str
    bound: str
    ok: str
    memory: str


SMALL, LARGE = ((2, 100, 100, 10, 1), 100), ((784, 1024, 2048, 784), 256)
NETS = {
    "small": Net(*SMALL, "float64", 1.5),
    "large": Net(*LARGE, "float64", 1.15),
    "small, float32": Net(*SMALL, "float32", 1.8),
    "large, float32": Net(*LARGE, "float32", 1.4),
}
HELD = 2**21  # elements, 16 MiB
FULL, QUICK = Budget(processes=7, seconds=2.0), Budget(processes=1, seconds=0.2)


def drawn(net: Net) -> tuple[Arrays, Any, Any]:
    """Draw the parameters (weight, bias, weight, bias, ...), the inputs and the targets."""
    rng = np.random.default_rng(0)
    pairs = [
        (rng.standard_normal((m, n)) / np.sqrt(m), 0.1 * rng.standard_normal(n))
        for m, n in itertools.pairwise(net.sizes)
    ]
    X, Y = (rng.standard_normal((net.points, width)) for width in (net.sizes[0], net.sizes[-1]))
    *parameters, X, Y = (a.astype(net.dtype) for a in (*itertools.chain(*pairs), X, Y))
    return parameters, X, Y


def loss_of(parameters: Any, X: Any, Y: Any, tanh: Callable[[Any], Any]) -> Any:
    """Compute the loss, with any library's arrays."""
    h = X
    for layer in range(0, len(parameters), 2):
        h = h @ parameters[layer] + parameters[layer + 1]
        if layer + 2 < len(parameters):
            h = tanh(h)
    error = h - Y
    return (error * error).mean()


def by_hand(parameters: Arrays, X: Any, Y: Any) -> Pass:
    """Write the backward pass out: what the engine is measured by."""
    weights, biases = parameters[::2], parameters[1::2]

    def one_pass() -> tuple[float, Any]:
        hs = [X]
        for W, b in zip(weights[:-1], biases[:-1]):
            hs.append(np.tanh(hs[-1] @ W + b))
        error = hs[-1] @ weights[-1] + biases[-1] - Y
        loss = (error * error).mean()
        G = error * (2 / error.size)
        gradients = []
        for h, W in zip(reversed(hs), reversed(weights)):
            gradients += [G.sum(axis=0), h.T @ G]
            if h is not X:
                G = (G @ W.T) * (1 - h * h)
        return loss, gradients[::-1]

    return one_pass


def with_array(parameters: Arrays, X: Any, Y: Any) -> Pass:
    """Record on Arrays, and call backward."""
    nodes = [Array(p) for p in parameters]

    def one_pass() -> tuple[float, Any]:
        loss = loss_of(nodes, X, Y, tanh)
        loss.backward()
        return float(loss.value), [node.gradient for node in nodes]

    return one_pass


def with_vjp(parameters: Arrays, X: Any, Y: Any) -> Pass:
    """Call vjp with NumPy arrays."""

    def one_pass() -> tuple[float, Any]:
        loss, pullback = vjp(lambda *nodes: loss_of(nodes, X, Y, tanh), *parameters)
        return loss, pullback(1.0)

    return one_pass


def with_torch(parameters: Arrays, X: Any, Y: Any) -> Pass:
    """Let torch do it, on one thread."""
    import torch

    torch.set_num_threads(1)
    leaves = [torch.tensor(p, requires_grad=True) for p in parameters]
    X, Y = torch.tensor(X), torch.tensor(Y)

    def one_pass() -> tuple[float, Any]:
        loss = loss_of(leaves, X, Y, torch.tanh)
        return loss.item(), torch.autograd.grad(loss, leaves)

    return one_pass


def with_autograd(parameters: Arrays, X: Any, Y: Any) -> Pass:
    """Let HIPS autograd do it."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    gradient = value_and_grad(lambda nodes: loss_of(nodes, X, Y, anp.tanh))
    return lambda: gradient(parameters)


CONTESTANTS: dict[str, Callable[[Arrays, Any, Any], Pass]] = {
    "NumPy by hand": by_hand,
    "Array": with_array,
    "vjp": with_vjp,
    "torch": with_torch,
    "autograd": with_autograd,
}


def measure(name: str, contestant: str, seconds: float) -> dict[str, float]:
    """Return the median CPU seconds of a pass, and the peak bytes, in this process."""
    np.ones(HELD)
    data = drawn(net := NETS[name])
    one_pass = CONTESTANTS[contestant](*data)
    expected, found = by_hand(*data)(), one_pass()
    for a, b in zip([expected[0], *expected[1]], [found[0], *found[1]]):
        rounding = 1e-9 if net.dtype == "float64" else 1e-3
        np.testing.assert_allclose(np.asarray(b), a, rtol=rounding, atol=rounding * np.abs(a).max())
    del expected, found
    tracemalloc.start()
    one_pass()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.process_time()
        one_pass()
        times.append(time.process_time() - start)
    return {"seconds": statistics.median(times), "bytes": peak}


def rows_of(name: str, budget: Budget) -> list[Row]:
    """Measure all contestants on one net; ours is judged by the hand-written pass, and must beat the peers."""
    found: dict[str, list[dict[str, float]]] = {contestant: [] for contestant in CONTESTANTS}
    for _ in range(budget.processes):
        for contestant, results in found.items():
            results.append(apart(__file__, "pass", name, contestant, budget.seconds))
    seconds = {contestant: min(result["seconds"] for result in results) for contestant, results in found.items()}
    rows = []
    for contestant, t in seconds.items():
        ratio, bound, ok = t / seconds["NumPy by hand"], "-", "-"
        if contestant == "Array":
            bound, ok = f"<= {NETS[name].bound}", "yes" if ratio <= NETS[name].bound else "missed"
        elif contestant in ("torch", "autograd") and name.startswith("small"):
            bound, ok = "> Array", "yes" if t > seconds["Array"] else "missed"
        memory = "-" if contestant == "torch" else f"{found[contestant][0]['bytes'] / 2**20:.1f} MiB"
        rows.append(Row(name, contestant, f"{1000 * t:.3f} ms", f"{ratio:.2f}", bound, ok, memory))
    return rows


MEASUREMENTS = {name: functools.partial(rows_of, name) for name in NETS}


if __name__ == "__main__":
    main(__file__, MEASUREMENTS, FULL, QUICK, f"NumPy {np.__version__}", (), Row, {"pass": measure})
