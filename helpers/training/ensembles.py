"""Many nets of one kind as one tensor program: all seeds and all learning rates of a sweep train side by side.

The parameters of N nets are stacked, (N, ...), and ``torch.func.vmap`` turns the net of one sample into a net of the
stack. A loop over small nets spends its time on calling torch; the stack calls it once for all.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from helpers.training.arguments import Passes
from helpers.training.idempotent import Algorithm, numerical_rank, wanted_move
from helpers.training.layers import Batches, kind


class Ensemble:
    """N nets that are alike but for their numbers, copied; ``parameters``, by name, are stacked, (N, ...)."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        if len({repr(net) for net in nets}) != 1:
            raise ValueError("nets must be one or more, with the same layers")
        self.parameters, buffers = stack_module_state(list(nets))
        if buffers:
            raise ValueError(f"nets must have no buffers such as running averages, got {nets[0]}")
        self._template = copy.deepcopy(nets[0])
        self._size = len(nets)

    def __len__(self) -> int:
        return self._size

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs (N, m, k) for inputs (m, d), shared by all nets, or (N, m, d), each net its own."""

        def one(parameters: dict[str, Tensor], x: Tensor) -> Any:
            return functional_call(self._template, parameters, (x,))

        outputs: Tensor = vmap(one, in_dims=(0, 0 if X.dim() == 3 else None))(self.parameters, X)
        return outputs

    def images(self) -> Tensor:
        """Return n(I) of every net, (N, n, n), n being the width of the first weight."""
        first = next(iter(self.parameters.values()))
        with torch.no_grad():
            return self(torch.eye(first.shape[-1], **kind(first)))

    def norms(self) -> Any:
        """Return the Frobenius norms of n(I), shape (N,); zero is the zero map."""
        return torch.linalg.matrix_norm(self.images())

    def ranks(self) -> Tensor:
        """Return the numbers of singular values of n(I) above 1/2, shape (N,)."""
        return numerical_rank(self.images())


class EnsembleStep(NamedTuple):
    """What an epoch yields: its number, and of each net, (N,), the idempotent error and whether it has diverged.

    The error is the mean over the epoch's samples before each update; NaN where error or parameters have become
    infinite or NaN: such a net stays at its last finite parameters.
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
        Trained in place. Net i learns exactly what `train_idempotent` would teach it with
        ``SGD(lr=learning_rates[i])``. A net that diverges by itself is a result, and the others go on.
    algorithm : Algorithm
        The rule.
    learning_rates : float, or sequence or Tensor of shape (N,)
        One for all, or one for each net; more than 0.
    epochs, batches
        As in `train_idempotent`; X (m, n), shared, or (N, m, n), each net its own, as ``Samples(..., copies=N)`` gives.
    """
    algorithm = Algorithm(algorithm)
    rates = torch.as_tensor(learning_rates, dtype=next(iter(ensemble.parameters.values())).dtype)
    if not ((rates > 0) & rates.isfinite()).all():
        raise ValueError("learning_rates must be finite and more than 0")
    return _steps(ensemble, algorithm, rates.expand(len(ensemble)), Passes(epochs, batches))


def _steps(ensemble: Ensemble, algorithm: Algorithm, rates: Tensor, passes: Passes) -> Iterator[EnsembleStep]:
    alive = torch.ones(len(ensemble), dtype=torch.bool)
    kept = [p.detach().clone() for p in ensemble.parameters.values()]
    for epoch in range(1, passes.epochs + 1):
        total, count = torch.zeros_like(rates), 0
        for X, _ in passes:
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

    def along(numbers: Tensor, stack: Tensor) -> Tensor:
        return numbers.view(-1, *[1] * (stack.dim() - 1))  # so that (N,) multiplies a stack (N, ...)

    parameters = list(ensemble.parameters.values())
    moved = [p - along(rates, p) * g for p, g in zip(parameters, gradients)]
    alive = finite
    for new in moved:
        alive = alive & new.flatten(1).isfinite().all(1)
    for p, last, new in zip(parameters, kept, moved):
        last.copy_(torch.where(along(finite, p), p, last))
        p.copy_(torch.where(along(alive, p), new, last))
    return alive
