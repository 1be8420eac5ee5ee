"""How idempotent is a net, n(n(x)) = n(x), and which map has it become? Error, n(I), its trace, norm and rank."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from helpers.datasets import whole_number
from helpers.training.layers import mode


def check_samples(name: str, x: Tensor) -> None:
    """Refuse, by name, what is no floating-point tensor of samples (..., n)."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{name} must be floating point, got {x.dtype}; say {name}.float()")
    if not x.dim() or not x.numel():
        raise ValueError(f"{name} must have shape (..., n) and hold a sample at least, got {tuple(x.shape)}")


def applied(net: Callable[[Tensor], Tensor], y: Tensor) -> tuple[Tensor, Tensor]:
    """Return n(y), and y as it was before: a net may change its input in place. The graph of another gets no copy."""
    before, version = y.clone(), y._version
    y2 = net(y)
    return y2, y if y._version == version else before


def mean_square_change(net: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
    """Return E(y) = mean((n(y) - y)²) over samples and features, a scalar with its graph; refuse what has none."""
    check_samples("y", y)
    try:
        y2, y = applied(net, y)
    except RuntimeError as error:
        raise ValueError(
            f"net cannot take y of shape {tuple(y.shape)}, {y.dtype}; an idempotent net takes what it gives: {error}"
        ) from error
    if y2.shape != y.shape:
        raise ValueError(
            f"net must give back what it takes, but maps {tuple(y.shape)} to {tuple(y2.shape)}; "
            "an idempotent net is as wide at its end as at its beginning"
        )
    return (y2 - y).square().mean()


def idempotent_error(net: nn.Module, x: Tensor) -> float:
    """Return mean((n(n(x)) - n(x))²) for samples x of shape (..., n), in evaluation mode and without a graph."""
    check_samples("x", x)
    with torch.no_grad(), mode(False, net):
        return float(mean_square_change(net, net(x.clone())))


def image_of_identity(net: nn.Module, width: int | None = None) -> Tensor:
    """Return n(I), shape (n, n): row i is what the net makes of unit vector i; W' for a linear net, plus its bias.

    ``width`` is n, by default that of the first linear layer.
    """
    if width is None:
        linear = next((part for part in net.modules() if isinstance(part, nn.Linear)), None)
        if linear is None:
            raise ValueError("net has no nn.Linear to read its width from; give width=")
        width = linear.in_features
    like = next(net.parameters(), torch.empty(0))
    with torch.no_grad(), mode(False, net):
        image: Tensor = net(torch.eye(whole_number("width", width, 1), dtype=like.dtype, device=like.device))
    if image.shape != (width, width):
        raise ValueError(f"net must be as wide at its end as at its beginning, but maps {width} to {image.shape[-1]}")
    return image


def trace_and_norm(net: nn.Module, width: int | None = None) -> tuple[float, float]:
    """Return trace and Frobenius norm of n(I): of an idempotent linear net, the trace is the rank.

    The zero map has a perfect idempotent error, and trace and norm 0: never report the one without the other.

    >>> zero = nn.Linear(3, 3, bias=False)
    >>> _ = zero.weight.data.zero_()
    >>> idempotent_error(zero, torch.ones(2, 3)), trace_and_norm(zero)
    (0.0, (0.0, 0.0))
    """
    image = image_of_identity(net, width)
    return float(image.trace()), float(torch.linalg.matrix_norm(image))


def numerical_rank(image: Tensor) -> Tensor:
    """Return the number of singular values above 1/2 of matrices (..., n, n); -1 where one is not finite.

    The singular values of an idempotent matrix are 0, or 1 and more: 1/2 lies between. O(n³).
    """
    finite = image.isfinite().all(-1).all(-1)
    values = torch.linalg.svdvals(torch.where(finite[..., None, None], image, 0))
    return torch.where(finite, (values > 0.5).sum(-1), -1)
