"""Multipliers and adjoints: the weights held fixed, the method of multipliers finds what back-propagation computes.

>>> from torch.nn.functional import binary_cross_entropy
>>> from helpers.datasets import datasets
>>> from helpers.networks import layered_net
>>> data = datasets["signed_xor"].train(samples=50)
>>> model = layered_net([2, 8, 8, 1], activation=nn.Tanh, normalize=False, seed=0)
>>> for step in multipliers_at(model, data.X, data.Y, binary_cross_entropy, outer=8):
...     pass
>>> max(step.difference) < 1e-3, min(step.cosine) > 0.999
(True, True)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import LBFGS

from helpers.datasets import whole_number
from helpers.training.arguments import Checked, Criterion, at_least, check_recording
from helpers.training.constrained import Relaxed, grown
from helpers.training.layers import mode, probe
from helpers.training.rules import TrainingError


class MultiplierStep(NamedTuple):
    """What an outer step yields: its number from 1, its μ, and for each hidden block the largest gap, the distance
    of λ_i from the adjoint over the adjoint's norm, the cosine between the two, λ_i and dL/dz_i (n, ...); gradient
    passes over the data so far.
    """

    outer: int
    penalty: float
    violation: list[float]
    difference: list[float]
    cosine: list[float]
    multipliers: list[Tensor]
    adjoints: list[Tensor]
    passes: int


def adjoints(model: nn.Sequential, X: Tensor, Y: Tensor, criterion: Criterion) -> list[Tensor]:
    """Return dL/dz_i, of the shape of z_i, of each hidden block's output z_i, by back-propagation.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; evaluated in evaluation mode, and not changed.
    X, Y : Tensor, shapes (n, ...) and (n, k)
        Inputs and targets.
    criterion : callable
        ``(scores, targets) -> mean loss``; so an adjoint is of the order of 1/n.
    """
    probe(model, X)
    hidden: list[Tensor] = []
    h, checked = X, Checked("criterion", criterion)
    with mode(False, model), torch.enable_grad():
        for block in list(model)[:-1]:
            h = block(h.clone())
            if not h.requires_grad:  # frozen weights: start the graph at this output
                h = h.detach().requires_grad_()
            hidden.append(h)
        loss = checked(model[-1](h.clone()), Y)
    return list(torch.autograd.grad(loss, hidden)) if hidden else []


def relative_difference(multipliers: Sequence[Tensor], references: Sequence[Tensor]) -> list[float]:
    """Return |λ - reference| / |reference| of each pair; infinite or NaN where the reference is zero."""
    norm = torch.linalg.vector_norm
    return [float(norm(m - r) / norm(r)) for m, r in zip(multipliers, references)]


def cosine(multipliers: Sequence[Tensor], references: Sequence[Tensor]) -> list[float]:
    """Return the cosine of the angle between each multiplier and its reference, -1 to 1; NaN if either is zero."""
    norm = torch.linalg.vector_norm
    return [float((m * r).sum() / (norm(m) * norm(r))) for m, r in zip(multipliers, references)]


def multipliers_at(
    model: nn.Sequential,
    X: Tensor,
    Y: Tensor,
    criterion: Criterion,
    *,
    penalty: float = 100.0,
    growth: float = 2.0,
    outer: int = 10,
    inner: int = 100,
) -> Iterator[MultiplierStep]:
    """Run the method of multipliers on the activations alone, the weights held fixed.

    Parameters
    ----------
    model, X, Y, criterion
        As in `adjoints`.
    penalty, growth : float
        μ of the first step, more than 0; the factor on it each step, 1 or more, until it has reached 1000.
    outer, inner : int
        Steps of the multipliers; iterations of L-BFGS that a step may take at most to minimise over the activations.

    Yields
    ------
    MultiplierStep
        ``(outer, penalty, violation, difference, cosine, multipliers, adjoints, passes)``

    Notes
    -----
    All is computed in float64, on a copy in evaluation mode. A larger μ takes fewer steps, each on a worse conditioned
    problem. μ must outweigh the negative curvature of a sample's loss in its activations: below that, a partly trained
    net's activations leave for a better loss, and the difference stalls far from zero. The growth of μ ends that.
    After LeCun (1988), "A theoretical framework for back-propagation"; Hestenes (1969) and Powell (1969).
    """
    check_recording()
    at_least("penalty", penalty, 0, open_end=True)
    at_least("growth", growth, 1)
    whole_number("outer", outer, 1)
    whole_number("inner", inner, 1)
    probe(model, X)
    fixed = copy.deepcopy(model).double().eval().requires_grad_(False)
    X, Y = X.double(), Y.double() if Y.is_floating_point() else Y
    return _steps(Relaxed(fixed, X, Checked("criterion", criterion), penalty), X, Y, growth, outer, inner)


def _steps(problem: Relaxed, X: Tensor, Y: Tensor, growth: float, outer: int, inner: int) -> Iterator[MultiplierStep]:
    references = adjoints(problem.model, X, Y, problem.criterion)
    passes = 0

    def price() -> Tensor:
        nonlocal passes
        passes += 1
        optimizer.zero_grad()
        value = problem.lagrangian(X, Y) * len(X)  # a sum over samples: gradients of order 1
        value.backward()
        return value.detach()

    for step in range(1, outer + 1):
        optimizer = LBFGS(
            list(problem.activations), max_iter=inner, tolerance_grad=1e-9, tolerance_change=0,
            line_search_fn="strong_wolfe",
        )  # fmt: skip
        optimizer.step(price)
        if not math.isfinite(price()):  # also takes the gaps at the minimum
            raise TrainingError(f"outer step {step}: the loss is not finite; look for NaN in X, Y and the weights")
        problem.update_multipliers()
        multipliers = [m.detach().clone() for m in problem.multipliers]
        yield MultiplierStep(
            step,
            problem.penalty,
            [float(gap.abs().max()) for gap in problem.gaps],
            relative_difference(multipliers, references),
            cosine(multipliers, references),
            multipliers,
            references,
            passes,
        )
        problem.penalty = grown(problem.penalty, growth)
