"""The nets of the course: a Sequential of blocks, each a Sequential of its own, so that a rule can cut between them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.datasets import Registry
from helpers.options import Whole

Maker = Callable[[], nn.Module] | None


class Normalize(nn.Module):
    """Scale each row to length 1 (rows shorter than 1e-12 are divided by 1e-12): (n, d) -> (n, d)."""

    def forward(self, x: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x / length.clamp_min(1e-12)  # torch's `normalize`, to the last bit, without its detours


def seeded(seed: int | None) -> contextlib.AbstractContextManager[object]:
    """Let this thread's torch draw from ``seed`` inside the block; no global state takes part. None changes nothing."""
    return contextlib.nullcontext() if seed is None else _Seeded(Whole(0).check("seed", seed))


class _Seeded(TorchDispatchMode):
    """Hand every operation that draws at random a generator of one's own."""

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.generator, self.has_drawn = torch.Generator().manual_seed(seed), False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            func, kwargs["generator"], self.has_drawn = _with_generator(func), self.generator, True
        return func(*args, **kwargs)


def _with_generator(operation: Any) -> Any:
    """Return the form of a random operation that takes a generator beside its other arguments."""
    names = {argument.name for argument in operation._schema.arguments} | {"generator"}
    packet = operation.overloadpacket
    for form in (operation, *(getattr(packet, name) for name in packet.overloads())):
        if {argument.name for argument in form._schema.arguments} == names:
            return form
    raise RuntimeError(f"{operation} draws at random and takes no generator; it cannot be seeded here")


def layered_net(
    widths: Sequence[int], *, activation: Maker = nn.Mish, normalize: bool = True, output: Maker = nn.Sigmoid,
    bias: bool = True, seed: int | None = None,
) -> nn.Sequential:  # fmt: skip
    """Build a nested Sequential: hidden blocks (linear, activation, normalisation), then the output block.

    Parameters
    ----------
    widths : sequence of int
        Inputs, hidden widths, outputs: at least two numbers, each 1 or more.
    activation, output : callable or None
        Make the activation of each hidden block and of the output block, if they have one.
    normalize, bias : bool
        Whether a hidden block scales each row of its output to length 1; whether the linear layers have a bias.
    seed : int or None
        Seed of the initial weights; None draws from torch's global state.
    """
    sizes = [Whole(1).check("each of widths", width) for width in widths]
    if len(sizes) < 2:
        raise ValueError(f"widths must name inputs and outputs at least, got {sizes}")
    with seeded(seed):
        linear = [nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(sizes)]
        after: list[list[Maker]] = [[activation, Normalize if normalize else None]] * (len(linear) - 1) + [[output]]
        made = [[part, *(make() for make in makers if make)] for part, makers in zip(linear, after)]
        return nn.Sequential(*(nn.Sequential(*parts) for parts in made))


def mertens_net(inputs: int = 2, outputs: int = 1, *, seed: int | None = None) -> nn.Sequential:
    """Build the net of the local-propagation document: inputs-100-100-10-outputs, Mish, unit rows, sigmoid output."""
    return layered_net([inputs, 100, 100, 10, outputs], seed=seed)


def square_net(
    widths: Sequence[int], *, bias: bool = True, activation: Maker = None, seed: int | None = None
) -> nn.Sequential:
    """Build a net as idempotent ones are: the activation, if any, follows *each* linear layer, the last included."""
    return layered_net(widths, activation=activation, normalize=False, output=activation, bias=bias, seed=seed)


NETWORKS: Registry[Callable[..., nn.Sequential]] = Registry(
    "net",
    N1=partial(square_net, [5, 5], bias=False),
    N2=partial(square_net, [5, 10, 5], bias=False),
    N3=partial(square_net, [5, 10, 5], activation=nn.Tanh),
    N4=partial(square_net, [784, 1024, 2048, 784], activation=nn.Tanh),
    B1=partial(square_net, [5, 5]),
    B2=partial(square_net, [100, 250, 100]),
    B3=partial(square_net, [4096, 1024, 4096]),
    B4=partial(square_net, [784, 1024, 2048, 784]),
)
"""The nets of the idempotent document by name; call one to build it, with ``seed=``."""
