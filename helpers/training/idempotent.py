"""Nets that are to be idempotent, n(n(x)) = n(x): how idempotent is one, the rules that teach it, and the training.

A matrix is made idempotent by repeating A ← 3A² - 2A³ (`purify`). With n for A and y = n(x), this asks the output y to
move by Δ = 3 n(y) - 2 n(n(y)) - y. The modified rule hands -Δ/m to back-propagation in place of dE/dy.

The zero map is perfectly idempotent, so the error alone says nothing: report trace or rank of n(I) beside it.

>>> from functools import partial
>>> from torch.optim import SGD
>>> from helpers.networks import NETWORKS
>>> net, x = NETWORKS["N1"](seed=0), torch.eye(5)
>>> IdempotencyLoss(net, modified=True)(net(x)).backward()
>>> (W,) = net.parameters()
>>> torch.allclose(W.grad, -m1_update(W, x), atol=1e-6)  # for one linear layer this is M1
True
>>> data = Samples("normal", 256, fresh=True)
>>> for step in train_idempotent(NETWORKS["N1"](seed=0), partial(SGD, lr=0.1), Algorithm.MODIFIED, 400, data):
...     pass
>>> step.error < 1e-6, step.diverged, step.rank  # a perfect score, for the zero map
(True, False, 0)

References
----------
McWeeny (1960), "Some recent advances in density matrix theory", for 3A² - 2A³. Jensen & Vicary (2025), "Enforcing
Idempotency in Neural Networks", ICML.
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

from helpers.datasets import datasets, whole_number
from helpers.training.arguments import OptimizerFactory, Passes, StepMode, one_of
from helpers.training.idempotent_measures import (
    applied,
    check_samples,
    idempotent_error,
    image_of_identity,
    mean_square_change,
    numerical_rank,
    trace_and_norm,
)
from helpers.training.layers import Batches
from helpers.training.rules import Diverged, Rule, Training, TrainingError, finite, start

__all__ = [
    "Algorithm", "IdempotencyLoss", "IdempotentStep", "Samples", "idempotent_error", "image_of_identity", "m1_update",
    "make_loss", "numerical_rank", "purify", "trace_and_norm", "train_idempotent",
]  # fmt: skip


class Algorithm(Enum):
    """A rule for idempotent nets; M1 is for one weight matrix, and equals MODIFIED there."""

    ORDINARY = "ordinary"
    ORDINARY_SCALED = "ordinary x n/2"
    MODIFIED = "modified"
    M1 = "M1"


def purify(A: ArrayLike | Tensor, steps: int) -> Tensor:
    """Repeat A ← 3A² - 2A³ and return all the iterates, shape (steps + 1, ...): ``A`` first, the last iterate last.

    Parameters
    ----------
    A : Tensor or array_like, real or complex
        Shape (): a scalar. (k,): k scalars. (..., n, n): a matrix, or a batch of them. A tensor or array keeps its
        precision, Python numbers are float64.
    steps : int
        0 or more.

    Raises
    ------
    TypeError, ValueError
        If ``A`` holds whole numbers in a tensor or array (say ``A.double()``), or is neither scalars nor square
        matrices.

    Notes
    -----
    Two products of matrices a step, O(n³). An eigenvalue goes to 0 or 1, quadratically in the end, or stays on the
    repelling fixed point 1/2 or a cycle; outside [(1 - √5)/2, (1 + √5)/2] a real one diverges, and the iterates become
    infinite or NaN. Nothing is clipped.

    >>> purify(0.6, 3)
    tensor([0.6000, 0.6480, 0.7155, 0.8033], dtype=torch.float64)
    >>> purify([[0.9, 0.3], [0.0, 0.2]], 9)[-1].round(decimals=4)  # a projector, though not an orthogonal one
    tensor([[1.0000, 0.4286],
            [0.0000, 0.0000]], dtype=torch.float64)
    """
    whole_number("steps", steps, 0)
    iterate = torch.as_tensor(A)
    if not hasattr(A, "dtype"):  # Python numbers
        iterate = torch.as_tensor(A, dtype=torch.complex128 if iterate.is_complex() else torch.float64)
    if not (iterate.is_floating_point() or iterate.is_complex()):
        raise TypeError(f"A must be real or complex, got {iterate.dtype}; say A.double()")
    if iterate.dim() >= 2 and iterate.shape[-1] != iterate.shape[-2]:
        raise ValueError(f"A must be scalars or square matrices (..., n, n), got shape {tuple(iterate.shape)}")
    matrices = iterate.dim() >= 2
    one = torch.eye(iterate.shape[-1], dtype=iterate.dtype, device=iterate.device) if matrices else 1.0
    iterates = [iterate]
    for _ in range(steps):
        factor = 3 * one - 2 * iterate  # A²(3 - 2A) is 3A² - 2A³ in one product less
        iterate = iterate @ iterate @ factor if matrices else iterate * iterate * factor
        iterates.append(iterate)
    return torch.stack(iterates)


def wanted_move(net: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
    """Return Δ = 3 n(y) - 2 n(n(y)) - y, shape of ``y``: the move of the outputs y that purification asks for."""
    y2, y = applied(net, y)
    y3, y2 = applied(net, y2)
    return 3 * y2 - 2 * y3 - y


def m1_update(W: Tensor, x: Tensor) -> Tensor:
    """Return ΔW of the rule M1 for the net y = xW': the mean over the samples of the outer products Δ x'.

    Parameters
    ----------
    W : Tensor, shape (n, n)
        The weight of a linear layer without bias, as ``nn.Linear`` keeps it.
    x : Tensor, shape (m, n)
        Inputs.

    Notes
    -----
    ΔW (n, n) has no graph; the rule is W ← W + learning rate · ΔW.
    Δ = y (3W' - 2W'W' - I) at y = xW': for x = I, ΔW is the step of `purify`, over n. Four products, O(mn²).
    """
    if not isinstance(W, Tensor):
        raise TypeError(f"W must be a tensor, got {type(W).__name__}")
    if W.dim() != 2 or W.shape[0] != W.shape[1]:
        raise ValueError(f"W must be square, (n, n), got shape {tuple(W.shape)}")
    check_samples("x", x)
    if x.dim() != 2 or x.shape[1] != len(W):
        raise ValueError(f"x must have shape (m, {len(W)}) to fit W, got {tuple(x.shape)}")
    with torch.no_grad():
        return wanted_move(lambda h: h @ W.T, x @ W.T).T @ x / len(x)


class _ModifiedLoss(torch.autograd.Function):
    """E(y), whose derivative is replaced by -Δ/m."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, net: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(y)
        ctx.net = net
        return mean_square_change(lambda h: net(h.clone()), y)

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
        the number of samples, and no gradient flows through n(y).
    scaled : bool
        Whether the ordinary loss is multiplied by n/2. It is a mean over samples *and* features, and the modified rule
        divides by the samples only: this factor makes steps of equal learning rate comparable.

    Notes
    -----
    Ordinary: one forward and one backward pass through n(y). Modified: three forward passes, of which none keeps
    anything but y; the backward pass reads the parameters as they then are, so step the optimiser after it. Both work
    under ``create_graph``. A net that draws at random (dropout) would draw anew in the backward pass.

    >>> net = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(net.weight, 0.5)
    >>> IdempotencyLoss(net, modified=False)(net(torch.tensor([[2.0]]))).item()  # 0.5 - 1, squared
    0.25
    """

    def __init__(self, net: nn.Module, modified: bool = True, *, scaled: bool = False) -> None:
        super().__init__()
        if not isinstance(net, nn.Module):
            raise TypeError(f"net must be an nn.Module, got {type(net).__name__}")
        if modified and scaled:
            raise ValueError("scaled is for the ordinary loss; give modified=False, or leave scaled out")
        self.net, self.modified, self.scaled = net, modified, scaled

    def forward(self, y: Tensor) -> Tensor:
        """Return E(y), a scalar, for y of shape (..., n)."""
        if self.modified:
            loss: Tensor = _ModifiedLoss.apply(y, self.net)  # type: ignore[no-untyped-call]
            return loss
        loss = mean_square_change(self.net, y)
        return loss * (y.shape[-1] / 2) if self.scaled else loss


def make_loss(net: nn.Module, algorithm: Algorithm) -> IdempotencyLoss:
    """Return the loss whose backward pass is the rule; M1 has none, `m1_update` is its step."""
    if algorithm is Algorithm.M1:
        raise ValueError("algorithm M1 has no loss: its step is m1_update; MODIFIED equals it on one linear layer")
    return IdempotencyLoss(net, modified=algorithm is Algorithm.MODIFIED, scaled=algorithm is Algorithm.ORDINARY_SCALED)


# Training


class Samples:
    """Batches (X, X) of a data set of the course, for nets that learn from X alone; going through them is an epoch.

    Parameters
    ----------
    name : str
        A data set of ``helpers.datasets``, such as ``"normal"`` or ``"digits"``; its training split, without targets.
    samples, batch : int
        Samples an epoch and a batch (the last batch may be smaller); by default all in one batch.
    fresh : bool
        Whether each epoch draws anew. Of the digits, an epoch draws ``samples`` of the 1000 training images.
    copies : int, optional
        Draw that many independent data sets side by side, for an ensemble: X has shape (copies, batch, n).
    seed : int
        Equal seeds give equal epochs, in the order in which they are gone through.
    **options
        What the data set takes: ``dimension=5`` of ``"normal"``, ``noise=0.1`` of all.

    >>> [tuple(X.shape) for X, _ in Samples("normal", 6, batch=4, dimension=5)]
    [(4, 5), (2, 5)]
    """

    def __init__(
        self,
        name: str,
        samples: int,
        *,
        batch: int | None = None,
        fresh: bool = False,
        copies: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.name, self.fresh, self.options = name, fresh, options
        self.samples, self.seed = whole_number("samples", samples, 1), whole_number("seed", seed, 0)
        self.batch = self.samples if batch is None else whole_number("batch", batch, 1)
        self.copies = None if copies is None else whole_number("copies", copies, 1)
        self.passes = 0
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
    """The whole net learns from its own outputs."""

    def __init__(self, model: nn.Module, optimizer: OptimizerFactory, algorithm: Algorithm) -> None:
        super().__init__(model, optimizer)
        self.matrix: Any = _only_matrix(model) if algorithm is Algorithm.M1 else None  # which learns without a graph
        self.criterion = make_loss(model, Algorithm.MODIFIED if self.matrix is not None else algorithm)

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        """Add the gradient of a batch, or, by M1, -ΔW where an optimiser expects one."""
        if not X.isfinite().all():
            raise ValueError("X holds NaN or infinite values")
        y = self.model(X)
        if self.matrix is None:
            return [self.learn(0, self.criterion(y))]
        move = m1_update(self.matrix, X)
        self.matrix.grad = -move if self.matrix.grad is None else self.matrix.grad - move
        return [finite(self.criterion(y.detach()))]


def _only_matrix(net: nn.Module) -> nn.Parameter:
    layers = [part for part in net.modules() if not list(part.children())]
    if len(layers) != 1 or not isinstance(layers[0], nn.Linear) or layers[0].bias is not None:
        raise ValueError(f"model: the rule M1 is for one nn.Linear without bias, got {layers}")
    return layers[0].weight


class IdempotentStep(NamedTuple):
    """What an epoch yields: its number, error and image, and whether it diverged.

    The error is mean((n(n(x)) - n(x))²) over the epoch's samples, before each update, whatever the rule. The image is
    n(I), (n, n), of the net as it is now, a copy. Where error or parameters become infinite or NaN the error is NaN,
    the epoch the last one, and the net back at its last finite state.
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
        """Number of singular values of n(I) above 1/2, computed when asked for: O(n³)."""
        return int(numerical_rank(self.image))


def train_idempotent(
    model: nn.Module,
    optimizer: OptimizerFactory,
    algorithm: Algorithm,
    epochs: int,
    batches: Batches,
    *,
    step: StepMode = "batch",
) -> Training[IdempotentStep]:
    """Train a net to be idempotent, one step of this generator per epoch.

    Parameters
    ----------
    model : nn.Module
        As wide at its end as at its beginning; trained in place. M1 wants one ``nn.Linear`` without bias.
    optimizer : callable
        Makes an optimiser from parameters: ``functools.partial(SGD, lr=0.1)`` is that of the document.
    algorithm : Algorithm
        The rule, or its value, such as ``"modified"``.
    epochs, step
        As in `backprop_optimize`; here a step each batch is the default.
    batches : iterable of (X, Y)
        X (m, n); Y is not looked at. A list or `Samples` stays fixed, ``Samples(..., fresh=True)`` is new every epoch.

    Yields
    ------
    IdempotentStep
        ``(epoch, error, image, diverged)``, and ``.trace``, ``.norm``, ``.rank``; the model has then been updated.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `backprop_optimize`; and a model of unequal widths, whole numbers for samples. A loss that becomes infinite
        or NaN by itself is a result: it is yielded, with ``diverged``.

    Notes
    -----
    A sample takes two forward and two backward passes by the ordinary rules, four forward and one backward by the
    modified one; n(I) takes one more pass of n samples an epoch. Nothing is drawn at random here. After Jensen (2024),
    "Modified Backpropagation for Idempotent Neural Networks".
    """
    named: dict[Any, Algorithm] = {rule.value: rule for rule in Algorithm}
    algorithm = one_of("algorithm", named.get(algorithm, algorithm), Algorithm)
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
    passes = Passes(epochs, batches, step=step, targets=False)
    X = passes.X
    check_samples("the X of batches", X)
    try:
        idempotent_error(model, X[:1])
    except (RuntimeError, ValueError, TypeError) as error:
        message = f"model cannot take the X of batches, of shape {tuple(X.shape)} and {X.dtype}, twice: {error}"
        raise ValueError(message) from error
    scale = X.shape[-1] / 2 if algorithm is Algorithm.ORDINARY_SCALED else 1.0

    def report(step: Any) -> IdempotentStep:
        return IdempotentStep(step.epoch, step.loss / scale, image_of_identity(model, X.shape[-1]), False)

    def until_divergence(steps: Iterator[IdempotentStep]) -> Iterator[IdempotentStep]:
        epoch = 0
        try:
            for step in steps:
                epoch = step.epoch
                yield step
        except TrainingError as error:
            if not isinstance(error.__cause__, Diverged):
                raise
            yield IdempotentStep(epoch + 1, math.nan, image_of_identity(model, X.shape[-1]), True)

    rule = Idempotent(model, optimizer, algorithm)
    return Training(rule, until_divergence(start(rule, passes, report)))
