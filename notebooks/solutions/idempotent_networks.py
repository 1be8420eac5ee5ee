"""Solutions to the exercises of lecture 05. Try first: the checks in the notebook say what is missing."""

import math

import torch
from torch import Tensor


def basin_edges(count: int) -> list[float]:
    """Find the edges 1/2 = b0 < b1 < b2 < ... between starts of 3a² - 2a³ that go to 0 and starts that go to 1."""
    edges = [0.5]
    while len(edges) < count:
        low, high = 1.0, (1 + math.sqrt(5)) / 2  # there, the map falls from 1 to below 1 - b for every edge b
        for _ in range(80):
            middle = (low + high) / 2
            if 3 * middle**2 - 2 * middle**3 > 1 - edges[-1]:
                low = middle
            else:
                high = middle
        edges.append(low)
    return edges


def m1_step(W: Tensor, x: Tensor, learning_rate: float) -> Tensor:
    """Take a step of the rule M1: W plus the learning rate times the mean outer product of Δ and x."""
    y = x @ W.T
    y2 = y @ W.T
    delta = 3 * y2 - 2 * y2 @ W.T - y
    return W + learning_rate * delta.T @ x / len(x)


def predicted_rank(W: Tensor) -> int:
    """Say which rank the modified rule will give a linear net: how many eigenvalues lie right of 1/2."""
    return int((torch.linalg.eigvals(W).real > 0.5).sum())


def fair_report(errors: Tensor, norms: Tensor) -> dict[str, float]:
    """Report nets: how many diverged, how many became the zero map, and the median error of the others."""
    diverged = errors.isnan()
    zero = ~diverged & (norms < 0.1)
    good = errors[~diverged & ~zero]
    median = float(good.quantile(0.5)) if len(good) else math.nan
    return {"diverged": int(diverged.sum()), "zero": int(zero.sum()), "median": median}
