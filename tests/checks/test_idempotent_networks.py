"""Each check of lecture 05 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from helpers.checks import idempotent_networks as exercises
from helpers.training.idempotent import purify
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("idempotent_networks")
GOLDEN = (1 + math.sqrt(5)) / 2


def test_edges_part_the_basins_and_their_gaps_shrink_six_fold():
    edges = solution.basin_edges(10)
    ends = [purify([(a + b) / 2], 300)[-1].round().item() for a, b in itertools.pairwise(edges)]
    assert ends == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert (GOLDEN - edges[-2]) / (GOLDEN - edges[-1]) == pytest.approx(6, rel=1e-3)


def edges_by(h, start=1.0, first=0.5, mirrored=True):
    def basin_edges(count):
        edges = [first]
        while len(edges) < count:
            low, high = start, GOLDEN
            for _ in range(80):
                middle = (low + high) / 2
                wanted = 1 - edges[-1] if mirrored else edges[-1]
                low, high = (middle, high) if h(middle) > wanted else (low, middle)
            edges.append(low)
        return edges

    return basin_edges


def h(a):
    return 3 * a**2 - 2 * a**3


def report(diverged=None, zero=None, median=None):
    """Return the right report with some of it replaced, functions of errors and norms."""

    def fair_report(errors, norms):
        changed = {"diverged": diverged, "zero": zero, "median": median}
        made = {key: change(errors, norms) for key, change in changed.items() if change}
        return solution.fair_report(errors, norms) | made

    return fair_report


test_wrong_answers = refusing(
    exercises,
    {
        "basin_edges": [
            (lambda count: solution.basin_edges(count + 1), "count = 1.*1 edges"),
            (lambda count: solution.basin_edges(count + 1)[1:], "b0"),  # 1/2 left out
            (edges_by(h, mirrored=False), "the map at b2|number above b1"),
            (lambda count: ([0.5, (1 + math.sqrt(3)) / 2] + [GOLDEN] * 9)[:count], "above b1"),
        ],
        "m1_step": [
            (lambda W, x, rate: solution.m1_step(W, x, -rate), "W = 0.6, x = 1"),
            (lambda W, x, rate: solution.m1_step(W, x, rate * len(x)), "a diagonal W"),  # a sum, no mean
            (lambda W, x, rate: W + (solution.m1_step(W, x, rate) - W).T, "a full W"),
            (lambda W, x, rate: solution.m1_step(W.T, x, rate), "a full W"),
            (lambda W, x, rate: W.add_(solution.m1_step(W, x, rate) - W), "it has changed"),
        ],
        "predicted_rank": [
            (lambda W: round(float(W.trace())), "0.6 and 0.7"),
            (lambda W: int((torch.linalg.svdvals(W) > 0.5).sum()), "0.4 and 0.3"),
            (lambda W: int((torch.linalg.eigvals(W).abs() > 0.5).sum()), "0.4 ± 0.6i"),
            (lambda W: int(sum(abs(v.imag) < 1e-9 and v.real > 0.5 for v in torch.linalg.eigvals(W))), "0.7 ± 0.2i"),
        ],
        "fair_report": [
            (report(median=lambda e, n: float(e.median())), "median of one NaN"),  # NaN spreads
            (report(median=lambda e, n: float(e.nanmedian())), "median of one zero map"),  # an empty map is praised
            (report(zero=lambda e, n: int((n < 0.1).sum())), "zero of two NaN"),  # counted twice
            (report(zero=lambda e, n: int((e == 0).sum())), "zero of two zero maps"),  # by the error
            (lambda e, n: {"median": solution.fair_report(e, n)["median"]}, "the key 'diverged'"),
        ],
    },
)
