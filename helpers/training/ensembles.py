"""Many nets of one kind as one tensor program: all seeds and all learning rates of a sweep train side by side.

The parameters of N nets are stacked, (N, ...), and ``torch.func.vmap`` turns the net of one sample into a net of the
stack. A loop over small nets spends its time on calling torch; the stack calls it once for all. With more samples a net
the arithmetic takes over, of which stacking saves nothing: the gain shrinks towards 1.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from helpers.training.arguments import Passes
from helpers.training.idempotent import Algorithm, check_first, numerical_rank, wanted_move
from helpers.training.layers import Batches, kind
from helpers.training.rules import TrainingError


class Ensemble:
    """N nets of one architecture, their parameters stacked, (N, ...), in ``parameters`` by the names of the net's own.

    The nets, one or more, are alike but for their numbers, and without buffers; they are copied.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        if not len(nets) or not all(isinstance(net, nn.Module) for net in nets):
            raise TypeError("nets must be a sequence of nn.Module, one at least")
        first = _likeness(nets[0])
        for i, net in enumerate(nets):
            if _likeness(net) != first:
                raise ValueError(f"nets must be alike; net {i} is {net}, the first is {nets[0]}")
        self.parameters, buffers = stack_module_state(list(nets))
        if buffers or not self.parameters:
            raise ValueError(f"nets must have parameters, and no buffers such as running averages, got {nets[0]}")
        self._template = copy.deepcopy(nets[0])
        self._size = len(nets)

    def __len__(self) -> int:
        return self._size

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs (N, m, k) for inputs (m, d), shared by all nets, or (N, m, d), each net its own."""
        if X.dim() == 3 and len(X) != len(self):
            raise ValueError(f"X must hold one data set for each of {len(self)} nets, got shape {tuple(X.shape)}")
        if X.dim() not in (2, 3):
            raise ValueError(f"X must have shape (m, n) or (nets, m, n), got {tuple(X.shape)}")

        def one(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
            output: Tensor = functional_call(self._template, parameters, (x,))
            return output

        outputs: Tensor = vmap(one, in_dims=(0, 0 if X.dim() == 3 else None))(self.parameters, X)
        return outputs

    def images(self, width: int | None = None) -> Tensor:
        """Return n(I) of every net, (N, n, n); ``width`` is n, by default that of the first weight."""
        first = next(iter(self.parameters.values()))
        with torch.no_grad():
            images: Tensor = self(torch.eye(width or first.shape[-1], **kind(first)))
        return images

    def norms(self) -> Tensor:
        """Return the Frobenius norms of n(I), shape (N,); zero is the zero map."""
        norms: Tensor = torch.linalg.matrix_norm(self.images())
        return norms

    def ranks(self) -> Tensor:
        """Return the numbers of singular values of n(I) above 1/2, shape (N,)."""
        return numerical_rank(self.images())


class EnsembleStep(NamedTuple):
    """What an epoch yields: its number, and of each net, (N,), the idempotent error and whether it has diverged.

    The error is the mean over the epoch's samples before each update; NaN where error or parameters have become
    infinite or NaN: such a net stays at its last finite parameters. Norms and ranks are the ensemble's.
    """

    epoch: int
    errors: Tensor
    diverged: Tensor


def train_ensemble(
    ensemble: Ensemble, algorithm: Algorithm, learning_rates: float | Sequence[float] | Tensor, epochs: int,
    batches: Batches,
) -> Iterator[EnsembleStep]:  # fmt: skip
    """Train every net of an ensemble to be idempotent, by gradient descent, one step of this generator per epoch.

    Parameters
    ----------
    ensemble : Ensemble
        Trained in place. Net i learns exactly what `train_idempotent` would teach it with ``SGD(lr=learning_rates[i])``
        and a step each batch. A net that diverges by itself is a result, and the others go on.
    algorithm : Algorithm
        The rule. M1 is refused: on the nets that it is for, it equals MODIFIED.
    learning_rates : float, or sequence or Tensor of shape (N,)
        One for all, or one for each net; more than 0.
    epochs, batches
        As in `train_idempotent`; X (m, n), shared, or (N, m, n), each net its own, as ``Samples(..., copies=N)`` gives.
    """
    if algorithm is Algorithm.M1 or not isinstance(algorithm, Algorithm):
        raise ValueError(f"algorithm must be Algorithm.ORDINARY, ORDINARY_SCALED or MODIFIED, got {algorithm!r}")
    rates = torch.as_tensor(learning_rates, dtype=next(iter(ensemble.parameters.values())).dtype)
    if rates.shape not in [(), (len(ensemble),)] or not ((rates > 0) & rates.isfinite()).all():
        raise ValueError(f"learning_rates must be one number, or one for each of {len(ensemble)} nets, more than 0")
    passes = Passes(epochs, batches, targets=False)
    check_first("ensemble", passes.X, lambda x: ensemble(ensemble(x)))
    return _steps(ensemble, algorithm, rates.expand(len(ensemble)), passes, epochs)


def _steps(
    ensemble: Ensemble, algorithm: Algorithm, rates: Tensor, passes: Passes, epochs: int
) -> Iterator[EnsembleStep]:
    alive = torch.ones(len(ensemble), dtype=torch.bool)
    kept = [p.detach().clone() for p in ensemble.parameters.values()]
    for epoch in range(1, epochs + 1):
        total, count = torch.zeros_like(rates), 0
        for X, _ in passes:
            if not X.isfinite().all():
                raise TrainingError(f"batches, epoch {epoch}: X holds NaN or infinite values")
            errors, gradients = error_and_gradients(ensemble, algorithm, X)
            alive = _update(ensemble, kept, gradients, rates, alive & errors.isfinite())
            total, count = total + errors * X.shape[-2], count + X.shape[-2]
        yield EnsembleStep(epoch, torch.where(alive, total / count, torch.nan), ~alive)


def error_and_gradients(ensemble: Ensemble, algorithm: Algorithm, X: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the idempotent errors (N,) of all nets, and the gradients of the rule, stacked like the parameters."""
    parameters = tuple(ensemble.parameters.values())
    Y = ensemble(X)
    if algorithm is Algorithm.MODIFIED:
        with torch.no_grad():
            errors = (ensemble(Y) - Y).square().mean((1, 2))
            y_bar = -wanted_move(ensemble, Y) / Y.shape[1]
        return errors, torch.autograd.grad(Y, parameters, y_bar)
    errors = (ensemble(Y) - Y).square().mean((1, 2))
    scale = Y.shape[2] / 2 if algorithm is Algorithm.ORDINARY_SCALED else 1.0
    # Each net's error depends on its own parameters alone, so the gradient of the sum holds them all.
    return errors.detach(), torch.autograd.grad(scale * errors.sum(), parameters)


@torch.no_grad()
def _update(
    ensemble: Ensemble, kept: list[Tensor], gradients: tuple[Tensor, ...], rates: Tensor, finite: Tensor
) -> Tensor:
    """Move the nets whose error is finite, put the others back to what was kept; return which nets are finite now."""
    parameters = list(ensemble.parameters.values())
    moved = [p - _along(rates, p) * g for p, g in zip(parameters, gradients)]
    alive = finite
    for new in moved:
        alive = alive & new.flatten(1).isfinite().all(1)
    for p, last, new in zip(parameters, kept, moved):
        last.copy_(torch.where(_along(finite, p), p, last))
        p.copy_(torch.where(_along(alive, p), new, last))
    return alive


def _along(numbers: Tensor, stack: Tensor) -> Tensor:
    """View a number for each net, (N,), so that it multiplies a stack (N, ...)."""
    return numbers.view(-1, *[1] * (stack.dim() - 1))


def _likeness(net: nn.Module) -> tuple[str, list[tuple[torch.Size, torch.dtype, bool]]]:
    """Return what nets of one stack have in common: the layers as they print, shapes, precision, what learns."""
    return repr(net), [(p.shape, p.dtype, p.requires_grad) for p in net.parameters()]
