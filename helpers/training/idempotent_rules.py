"""Rules for idempotent nets, n(n(x)) = n(x): purification of matrices, and what it becomes for nets.

A matrix is made idempotent by repeating A ← 3A² - 2A³. With n for A and y = n(x), this asks the output y to move by
Δ = 3 n(y) - 2 n(n(y)) - y. The modified rule hands -Δ/m to back-propagation in place of dE/dy.

>>> from helpers.networks import NETWORKS
>>> net, x = NETWORKS["N1"](seed=0), torch.eye(5)
>>> criterion = IdempotencyLoss(net, modified=True)
>>> criterion(net(x)).backward()
>>> (W,) = net.parameters()
>>> torch.allclose(W.grad, -m1_update(W, x), atol=1e-6)  # for one linear layer this is M1
True

References
----------
McWeeny (1960), "Some recent advances in density matrix theory", for 3A² - 2A³. Jensen & Vicary (2025), "Enforcing
Idempotency in Neural Networks", ICML.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.datasets import whole_number
from helpers.training.idempotent_measures import check_samples, mean_square_change


class Algorithm(Enum):
    """A rule for idempotent nets; M1 is for one weight matrix, and equals MODIFIED there."""

    ORDINARY = "ordinary"
    ORDINARY_SCALED = "ordinary x n/2"
    MODIFIED = "modified"
    M1 = "M1"


def purify(A: ArrayLike | Tensor, steps: int) -> Tensor:
    """Repeat A ← 3A² - 2A³ and return all the iterates.

    Parameters
    ----------
    A : Tensor or array_like, real or complex
        Shape (): a scalar. (k,): k scalars. (..., n, n): a matrix, or a batch of them.
    steps : int
        0 or more.

    Returns
    -------
    Tensor, shape (steps + 1, ...)
        ``A`` first, the last iterate last; in the precision of ``A`` (float64 for Python numbers).

    Raises
    ------
    TypeError
        If ``A`` holds whole numbers in a tensor or array: say ``A.double()``.
    ValueError
        If ``A`` is neither scalars nor square matrices, or ``steps`` is less than 0.

    Notes
    -----
    Two products of matrices a step, O(n³). An eigenvalue goes to 0 or 1, quadratically in the end, or stays on the
    repelling fixed point 1/2 or a cycle; outside [(1 - √5)/2, (1 + √5)/2] a real one diverges, and the iterates become
    infinite or NaN. Nothing is clipped.

    Examples
    --------
    >>> purify(0.6, 3)
    tensor([0.6000, 0.6480, 0.7155, 0.8033], dtype=torch.float64)
    >>> purify([[0.9, 0.3], [0.0, 0.2]], 9)[-1].round(decimals=4)  # a projector, though not an orthogonal one
    tensor([[1.0000, 0.4286],
            [0.0000, 0.0000]], dtype=torch.float64)
    """
    whole_number("steps", steps, 0)
    given = hasattr(A, "dtype")
    iterate = torch.as_tensor(A) if given else torch.as_tensor(A, dtype=_double_of(A))
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


def _double_of(A: Any) -> torch.dtype:
    """Return the double precision in which Python numbers are held."""
    return torch.complex128 if torch.as_tensor(A).is_complex() else torch.float64


def wanted_move(net: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
    """Return Δ = 3 n(y) - 2 n(n(y)) - y, shape of ``y``: the move of the outputs y that purification asks for."""
    y2 = net(y.clone())  # a net may change its input in place
    return 3 * y2 - 2 * net(y2.clone()) - y


def m1_update(W: Tensor, x: Tensor) -> Tensor:
    """Return ΔW of the rule M1 for the net y = xW': the mean over the samples of the outer products Δ x'.

    Parameters
    ----------
    W : Tensor, shape (n, n)
        The weight of a linear layer without bias, as ``nn.Linear`` keeps it.
    x : Tensor, shape (m, n)
        Inputs.

    Returns
    -------
    Tensor, shape (n, n)
        ΔW, without a graph; the rule is W ← W + learning rate · ΔW.

    Raises
    ------
    TypeError, ValueError
        If ``W`` is not square, or ``x`` is not floating-point samples of its width.

    Notes
    -----
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
        the number of samples, and no gradient flows through n(y).
    scaled : bool
        Whether the ordinary loss is multiplied by n/2. It is a mean over samples *and* features, and the modified rule
        divides by the samples only: this factor makes steps of equal learning rate comparable.

    Notes
    -----
    Ordinary: one forward and one backward pass through n(y). Modified: three forward passes, of which none keeps
    anything but y; the backward pass reads the parameters as they then are, so step the optimiser after it. Both work
    under ``create_graph``. A net that draws at random (dropout) would draw anew in the backward pass.

    Examples
    --------
    >>> net = nn.Linear(2, 2, bias=False).requires_grad_(False)
    >>> net.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.5]])).tolist()
    [[1.0, 0.0], [0.0, 0.5]]
    >>> y = net(torch.tensor([[2.0, 2.0]])).requires_grad_()
    >>> IdempotencyLoss(net, modified=False)(y).item()  # the mean of 0 and 0.25
    0.125
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
