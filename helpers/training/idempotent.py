"""Nets that are to be idempotent, n(n(x)) = n(x): how idempotent is one, the rules that teach it, and the training.

A matrix is made idempotent by repeating A ← 3A² - 2A³ (`purify`). With n for A and y = n(x), this asks the output y to
move by Δ = 3 n(y) - 2 n(n(y)) - y. The modified rule hands -Δ/m to back-propagation in place of dE/dy. The zero map is
perfectly idempotent, so the error alone says nothing: report trace or rank of n(I) beside it. After McWeeny (1960) and
Jensen & Vicary (2025), "Enforcing Idempotency in Neural Networks", ICML.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.datasets import datasets
from helpers.options import Whole
from helpers.training.arguments import Factory, Passes, StepMode
from helpers.training.layers import Batches, kind, mode
from helpers.training.rules import Rule, Step, Training, start

Map = Callable[[Tensor], Tensor]


class Algorithm(Enum):
    """A rule for idempotent nets."""

    ORDINARY = "ordinary"
    ORDINARY_SCALED = "ordinary x n/2"
    MODIFIED = "modified"


def purify(A: ArrayLike | Tensor, steps: int) -> Tensor:
    """Repeat A ← 3A² - 2A³ and return all the iterates, shape (steps + 1, ...): ``A`` first, the last iterate last.

    Parameters
    ----------
    A : Tensor or array_like, real or complex
        Shape (): a scalar. (k,): k scalars. (..., n, n): a matrix, or a batch of them. A tensor or array keeps its
        precision; Python numbers and whole numbers become float64.
    steps : int
        0 or more; of matrices, two products each, O(n³).

    Notes
    -----
    Where an eigenvalue diverges, the iterates become infinite or NaN. Nothing is clipped.
    """
    iterate = torch.as_tensor(A)
    if not hasattr(A, "dtype") or not (iterate.is_floating_point() or iterate.is_complex()):
        iterate = torch.as_tensor(A, dtype=torch.complex128 if iterate.is_complex() else torch.float64)
    matrices = iterate.dim() >= 2
    one = torch.eye(iterate.shape[-1], **kind(iterate)) if matrices else 1.0
    iterates = [iterate]
    for _ in range(Whole(0).check("steps", steps)):
        factor = 3 * one - 2 * iterate  # A²(3 - 2A) is 3A² - 2A³ in one product less
        iterate = iterate @ iterate @ factor if matrices else iterate * iterate * factor
        iterates.append(iterate)
    return torch.stack(iterates)


def wanted_move(net: Map, y: Tensor) -> Tensor:
    """Return Δ = 3 n(y) - 2 n(n(y)) - y, shape of ``y``: the move of the outputs y that purification asks for."""
    y2 = applied(net, y)
    return 3 * y2 - 2 * applied(net, y2) - y


def m1_update(W: Tensor, x: Tensor) -> Tensor:
    """Return ΔW (n, n) of the rule M1, for the net y = xW': the mean over the samples of the outer products Δ x'.

    W (n, n) is the weight of a linear layer without bias, x (m, n) its inputs; the rule is W ← W + learning rate · ΔW.
    For x = I, ΔW is the step of `purify`, over n.
    """
    with torch.no_grad():
        return wanted_move(lambda h: h @ W.T, x @ W.T).T @ x / len(x)


def applied(net: Map, y: Tensor) -> Tensor:
    """Return n(y); refuse a net that changes y. (A copy of y would stand in every graph that lecture 06 draws.)"""
    version = y._version
    y2 = net(y)
    if y._version != version:
        raise ValueError("net must not change its input in place: let its first layer make a new tensor")
    return y2


def mean_square_change(net: Map, y: Tensor) -> Tensor:
    """Return E(y) = mean((n(y) - y)²) over samples and features, a scalar with its graph."""
    y2 = applied(net, y)
    if y2.shape != y.shape or not y.numel():  # which would be broadcast, or give NaN
        words = f"but maps {tuple(y.shape)} to {tuple(y2.shape)}"
        raise ValueError(f"an idempotent net must be as wide at its end as at its beginning, {words}")
    return (y2 - y).square().mean()


def idempotent_error(net: nn.Module, x: Tensor) -> float:
    """Return mean((n(n(x)) - n(x))²) for samples x of shape (..., n), in evaluation mode and without a graph."""
    with torch.no_grad(), mode(False, net):
        return float(mean_square_change(net, net(x.clone())))


def image_of_identity(net: nn.Module) -> Tensor:
    """Return n(I), (n, n): row i is what the net makes of unit vector i; n is the width of its first parameter."""
    first = next(net.parameters())
    with torch.no_grad(), mode(False, net):
        image: Tensor = net(torch.eye(first.shape[-1], **kind(first)))
    return image


def trace_and_norm(net: nn.Module) -> tuple[float, float]:
    """Return trace and Frobenius norm of n(I): of an idempotent linear net, the trace is the rank.

    The zero map has a perfect idempotent error, and trace and norm 0: never report the one without the other.
    """
    image = image_of_identity(net)
    return float(image.trace()), float(torch.linalg.matrix_norm(image))


def numerical_rank(image: Tensor) -> Tensor:
    """Return the number of singular values above 1/2 of matrices (..., n, n); -1 where one is not finite.

    The singular values of an idempotent matrix are 0, or 1 and more: 1/2 lies between. O(n³).
    """
    finite = image.isfinite().all(-1).all(-1)
    values = torch.linalg.svdvals(torch.where(finite[..., None, None], image, 0))
    return torch.where(finite, (values > 0.5).sum(-1), -1)


class _ModifiedLoss(torch.autograd.Function):
    """E(y), whose derivative is replaced by -Δ/m."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, net: Map) -> Tensor:
        ctx.save_for_backward(y)
        ctx.net = net
        return mean_square_change(net, y)

    @staticmethod
    def backward(ctx: Any, *loss_bar: Any) -> tuple[Tensor, None]:
        # n(y) is computed again rather than kept: forward has no graph, so a second derivative would miss what n(y)
        # depends on. Here there is a graph exactly when the caller asks for one, by create_graph.
        (y,) = ctx.saved_tensors
        samples = y.numel() // y.shape[-1]
        return loss_bar[0] * (-wanted_move(ctx.net, y) / samples), None


class IdempotencyLoss(nn.Module):
    """The idempotent error E(y) = mean((n(y) - y)²) of outputs y = n(x), with the derivative dE/dy of a rule's choice.

    Parameters
    ----------
    net : nn.Module
        The net n, on samples (..., n); its parameters are used, not copied.
    modified : bool
        False: the ordinary derivative, through n(y) too. True: dE/dy is replaced by -(3 n(y) - 2 n(n(y)) - y)/m, with m
        the number of samples, and no gradient flows through n(y). The backward pass reads the parameters as they then
        are, so step the optimiser after it. Both work under ``create_graph``.
    """

    def __init__(self, net: nn.Module, modified: bool = True) -> None:
        super().__init__()
        self.net, self.modified = net, modified

    def forward(self, y: Tensor) -> Tensor:
        """Return E(y), a scalar, for y of shape (..., n)."""
        if self.modified:
            loss: Tensor = _ModifiedLoss.apply(y, self.net)  # type: ignore[no-untyped-call]
            return loss
        return mean_square_change(self.net, y)


def make_loss(net: nn.Module, algorithm: Algorithm) -> Map:
    """Return the loss whose backward pass is the rule.

    The ordinary error is a mean over samples *and* features, and the modified rule divides by the samples only: scaled
    by n/2, steps of equal learning rate compare.
    """
    loss = IdempotencyLoss(net, modified=algorithm is Algorithm.MODIFIED)
    return (lambda y: loss(y) * (y.shape[-1] / 2)) if algorithm is Algorithm.ORDINARY_SCALED else loss


# Training


class Samples:
    """Batches (X, X) of a data set of the course, for nets that learn from X alone; going through them is an epoch.

    An epoch has ``samples`` of the training split of the data set ``name``, in batches of ``batch`` (by default one).
    ``fresh``: each epoch draws anew. ``copies``: so many independent data sets side by side, for an ensemble, X
    (copies, batch, n). ``options`` are what the data set takes: ``dimension=5`` of ``"normal"``, ``noise=0.1``.
    """

    def __init__(
        self, name: str, samples: int, *, batch: int | None = None, fresh: bool = False, copies: int | None = None,
        seed: int = 0, **options: Any,
    ) -> None:  # fmt: skip
        self.name, self.samples, self.fresh, self.copies, self.options = name, samples, fresh, copies, options
        self.batch, self.seed, self.passes = samples if batch is None else batch, seed, 0
        self.held = self._draw(seed)

    def _draw(self, seed: int) -> Tensor:
        X = datasets[self.name].train(samples=self.samples * (self.copies or 1), seed=seed, **self.options).X
        return X if self.copies is None else X.unflatten(0, (self.copies, self.samples))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.fresh and self.passes:
            # a seed of its own for each epoch, unlike those of neighbouring seeds
            self.held = self._draw(int(np.random.SeedSequence([self.seed, self.passes]).generate_state(1)[0]))
        self.passes += 1
        yield from ((X, X) for X in self.held.split(self.batch, dim=-2))


class Idempotent(Rule):
    """The whole net learns from its own outputs; where it diverges, that is a result."""

    ends_where_it_diverges = True

    def __init__(self, model: nn.Module, optimizer: Factory, algorithm: Algorithm) -> None:
        super().__init__(model, optimizer)
        self.criterion, self.algorithm = make_loss(model, algorithm), algorithm

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        return [self.learn(0, self.criterion(self.model(X)))]

    def report(self, step: Step) -> IdempotentStep:
        image = image_of_identity(self.model)
        error = step.loss / (len(image) / 2 if self.algorithm is Algorithm.ORDINARY_SCALED else 1.0)
        return IdempotentStep(step.epoch, error, image, math.isnan(error))


class IdempotentStep(NamedTuple):
    """What an epoch yields: its number, error and image, and whether it diverged.

    The error is mean((n(n(x)) - n(x))²) over the epoch's samples, before each update, whatever the rule; the image is
    n(I), of the net as it is now. Where error or parameters become infinite or NaN the error is NaN, the epoch the last
    one, and the net back at its last finite state.
    """

    epoch: int
    error: float
    image: Tensor
    diverged: bool

    @property
    def trace(self) -> float:
        """Trace of n(I)."""
        return float(self.image.trace())

    @property
    def norm(self) -> float:
        """Frobenius norm of n(I)."""
        return float(torch.linalg.matrix_norm(self.image))

    @property
    def rank(self) -> int:
        """Number of singular values of n(I) above 1/2, O(n³)."""
        return int(numerical_rank(self.image))


def train_idempotent(
    model: nn.Module, optimizer: Factory, algorithm: Algorithm, epochs: int, batches: Batches, *,
    step: StepMode = "batch",
) -> Training[IdempotentStep]:  # fmt: skip
    """Train a net to be idempotent, one step of this generator per epoch.

    Parameters
    ----------
    model : nn.Module
        As wide at its end as at its beginning; trained in place.
    optimizer, epochs, step
        As in `backprop_optimize`; here a step each batch is the default.
    algorithm : Algorithm
        The rule, or its value, such as ``"modified"``.
    batches : iterable of (X, Y)
        X (m, n); Y is not used. A list or `Samples` stays fixed, ``Samples(..., fresh=True)`` is new every epoch.

    Yields
    ------
    IdempotentStep
        ``(epoch, error, image, diverged)``. A loss that becomes infinite or NaN is a result: the last step.
    """
    passes = Passes(epochs, batches, step=step)
    return start(Idempotent(model, optimizer, Algorithm(algorithm)), passes)
