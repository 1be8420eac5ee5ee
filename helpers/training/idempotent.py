"""Train a net to be idempotent, n(n(x)) = n(x), by the ordinary gradient or by a rule of another kind.

>>> from functools import partial
>>> from torch.optim import SGD
>>> from helpers.networks import NETWORKS
>>> data = Samples("normal", 256, fresh=True)
>>> for step in train_idempotent(NETWORKS["N1"](seed=0), partial(SGD, lr=0.1), Algorithm.MODIFIED, 400, data):
...     pass
>>> step.error < 1e-6, step.diverged, step.rank  # a perfect score, for the zero map: the error alone says nothing
(True, False, 0)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.training.arguments import OptimizerFactory, Passes, StepMode, check_options
from helpers.training.evaluation import Batches
from helpers.training.idempotent_measures import (
    check_samples,
    idempotent_error,
    image_of_identity,
    numerical_rank,
    trace_and_norm,
)
from helpers.training.idempotent_rules import Algorithm, IdempotencyLoss, m1_update, make_loss, purify
from helpers.training.loop import Learner, TrainingError, epoch_loop, rehearse
from helpers.training.samples import Samples

__all__ = [
    "Algorithm",
    "IdempotencyLoss",
    "IdempotentStep",
    "Samples",
    "idempotent_error",
    "image_of_identity",
    "m1_update",
    "make_loss",
    "numerical_rank",
    "purify",
    "trace_and_norm",
    "train_idempotent",
]


class IdempotentStep(NamedTuple):
    """What an epoch yields.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    error : float
        Idempotent error mean((n(n(x)) - n(x))²) over the epoch's samples, before each update, whatever the rule; NaN if
        ``diverged``.
    image : Tensor, shape (n, n)
        n(I) of the net as it is now, a copy: n² numbers, so keep few steps of a wide net.
    diverged : bool
        Whether error or parameters became infinite or NaN in this epoch. It is then the last one, and the net is back
        at its last finite state.
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
) -> Iterator[IdempotentStep]:
    """Train a net to be idempotent, an epoch a step of this generator.

    Parameters
    ----------
    model : nn.Module
        As wide at its end as at its beginning; trained in place. M1 wants one ``nn.Linear`` without bias.
    optimizer : callable
        Makes an optimiser from parameters: ``functools.partial(SGD, lr=0.1)`` is that of the document.
    algorithm : Algorithm
        The rule, or its value, such as ``"modified"``.
    epochs : int
        Number of passes over the batches, 1 or more.
    batches : iterable of (X, Y)
        X (m, n); Y is not looked at. A list or `Samples` stays fixed, ``Samples(..., fresh=True)`` is new every epoch.
    step : {"batch", "epoch"}
        Take a step each batch, or add up the gradients of the batches and take one.

    Yields
    ------
    IdempotentStep
        ``(epoch, error, image, diverged)``, and ``.trace``, ``.norm``, ``.rank``; the model has then been updated.

    Raises
    ------
    TypeError, ValueError
        At the call: a model of unequal widths or that does not fit the rule, whole numbers for samples, an optimiser
        object, bad options.
    TrainingError
        At a batch that does not fit, or holds NaN; the last finite parameters are back in the model. A loss that
        becomes infinite or NaN by itself is a result: it is yielded, with ``diverged``.

    Notes
    -----
    A sample takes two forward and two backward passes by the ordinary rules, four forward and one backward by the
    modified one; n(I) takes one more pass of n samples an epoch. Nothing is drawn at random here.

    References
    ----------
    Jensen (2024), "Modified Backpropagation for Idempotent Neural Networks".
    """
    check_options(epochs, step, None, True)
    rule = _algorithm(algorithm)
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
    passes = Passes(batches, epochs, targets=False)
    X = passes.first[0]
    check_samples("the X of batches", X)
    try:
        idempotent_error(model, X[:1])
    except (RuntimeError, ValueError, TypeError) as error:
        message = f"model cannot take the X of batches, of shape {tuple(X.shape)} and {X.dtype}, twice: {error}"
        raise ValueError(message) from error
    learner = (_M1Learner if rule is Algorithm.M1 else _LossLearner)(model, rule, optimizer)
    rehearse([learner], X, X)
    return _steps(model, learner, passes, epochs, step, X.shape[-1])


def _algorithm(algorithm: Algorithm) -> Algorithm:
    """Return the rule of that name, or refuse the name."""
    try:
        return Algorithm(algorithm)
    except ValueError:
        raise ValueError(f"algorithm must be one of {', '.join(map(str, Algorithm))}, got {algorithm!r}") from None


def _steps(
    model: nn.Module, learner: _LossLearner, passes: Passes, epochs: int, step: StepMode, width: int
) -> Iterator[IdempotentStep]:
    epoch = 0
    try:
        for epoch, (error,) in epoch_loop(model, [learner], passes, epochs, step):
            yield IdempotentStep(epoch, error / learner.scale, image_of_identity(model, width), False)
    except TrainingError:
        if not learner.diverged:
            raise
        yield IdempotentStep(epoch + 1, math.nan, image_of_identity(model, width), True)


class _LossLearner(Learner):
    """The whole net, which learns from the loss of its own outputs, and notes when this leaves the finite numbers."""

    def __init__(self, net: nn.Module, rule: Algorithm, optimizer: OptimizerFactory) -> None:
        self.diverged, self.scale = False, 1.0
        self.loss = make_loss(net, Algorithm.MODIFIED if rule is Algorithm.M1 else rule)
        super().__init__(net, nn.Identity(), self._criterion, optimizer, train_decoder=False)

    def _criterion(self, y: Tensor, x: Tensor) -> Tensor:
        loss: Tensor = self.loss(y)
        self.scale = y.shape[-1] / 2 if self.loss.scaled else 1.0
        self.diverged = not bool(loss.isfinite())
        return loss

    def learn(self, h: Tensor, Y: Tensor) -> Tensor:
        """Add this batch's gradient; the net's inputs are all that it needs."""
        if not h.isfinite().all():
            raise ValueError("X holds NaN or infinite values")
        return super().learn(h, h)

    def update(self) -> None:
        """Take the step, and look at what it made of the parameters."""
        super().update()
        self.diverged = not all(bool(p.isfinite().all()) for p in self.block.parameters())


class _M1Learner(_LossLearner):
    """One weight matrix, which learns by outer products: no backward pass at all."""

    def __init__(self, net: nn.Module, rule: Algorithm, optimizer: OptimizerFactory) -> None:
        layers = [part for part in net.modules() if not list(part.children())]
        if len(layers) != 1 or not isinstance(layers[0], nn.Linear) or layers[0].bias is not None:
            raise ValueError(f"model: the rule M1 is for one nn.Linear without bias, got {layers}")
        self.weight: Tensor = layers[0].weight
        super().__init__(net, rule, optimizer)

    def judge(self, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return output and loss; note ΔW."""
        self.move = m1_update(self.weight, h)
        return super().judge(h, Y)

    def add_gradient(self, loss: Tensor) -> None:
        """Add -ΔW where an optimiser expects a gradient."""
        self.weight.grad = -self.move if self.weight.grad is None else self.weight.grad - self.move
