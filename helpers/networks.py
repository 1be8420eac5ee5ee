"""The nets of the course: a Sequential of blocks, each a Sequential of its own, so that a rule can cut between them.

>>> len(mertens_net())  # three hidden blocks and the output block
4
>>> layered_net([64, 32, 10], seed=0)[0][0]
Linear(in_features=64, out_features=32, bias=True)
>>> NETWORKS["N1"](seed=0)[0][0]
Linear(in_features=5, out_features=5, bias=False)
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.datasets import Registry, whole_number


class Normalize(nn.Module):
    """Scale each row to length 1 (rows shorter than 1e-12 are divided by 1e-12): (n, d) -> (n, d)."""

    def forward(self, x: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x / length.clamp_min(1e-12)  # torch's `normalize`, to the last bit, without its detours


def seeded(seed: int | None) -> contextlib.AbstractContextManager[object]:
    """Let this thread's torch draw from ``seed`` inside the block; no global state takes part. None changes nothing."""
    return contextlib.nullcontext() if seed is None else _Seeded(whole_number("seed", seed, 0))


class _Seeded(TorchDispatchMode):
    """Hand every operation that draws at random a generator of one's own, one for each device."""

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.generator = functools.cache(lambda device: torch.Generator(device).manual_seed(seed))
        self.has_drawn = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            like = next((a.device for a in args if isinstance(a, Tensor)), "cpu")
            device = torch.device(kwargs.get("device") or like)
            if device.type != "meta":
                func, kwargs["generator"] = _with_generator(func), self.generator(device)
                self.has_drawn = True
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
    widths: Sequence[int],
    *,
    activation: Callable[[], nn.Module] = nn.Mish,
    normalize: bool = True,
    output: Callable[[], nn.Module] = nn.Sigmoid,
    seed: int | None = None,
) -> nn.Sequential:
    """Build a nested Sequential: hidden blocks (linear, activation, normalisation), then the output block.

    Parameters
    ----------
    widths : sequence of int
        Inputs, hidden widths, outputs: at least two numbers, each 1 or more.
    activation, output : callable
        Make the activation of each hidden block and of the output block.
    normalize : bool
        Whether a hidden block scales each row of its output to length 1.
    seed : int or None
        Seed of the initial weights; None draws from torch's global state.

    Returns
    -------
    nn.Sequential
        ``len(widths) - 1`` blocks, each an ``nn.Sequential``.
    """
    sizes = _sizes(widths, activation=activation, output=output)
    if not isinstance(normalize, bool):
        raise TypeError(f"normalize must be True or False, got {normalize!r}")
    with seeded(seed):
        linear = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        hidden = [nn.Sequential(part, activation(), *[Normalize()] * normalize) for part in linear[:-1]]
        return nn.Sequential(*hidden, nn.Sequential(linear[-1], output()))


def _sizes(widths: Sequence[int], **makers: Callable[[], nn.Module]) -> list[int]:
    """Return the widths as a list; refuse by name what is no list of them, or makes no module."""
    for name, make in makers.items():
        if not callable(make) or isinstance(make, nn.Module):
            got = f"the module {make}; give its class" if isinstance(make, nn.Module) else repr(make)
            raise TypeError(f"{name} must be a class or a function that makes a module, such as nn.Tanh, got {got}")
    if isinstance(widths, (str, int)) or not isinstance(widths, Iterable):
        raise TypeError(f"widths must be a list of whole numbers, such as [2, 32, 1], got {widths!r}")
    sizes = [whole_number("each of widths", width, 1) for width in widths]
    if len(sizes) < 2:
        raise ValueError(f"widths must name inputs and outputs at least, got {sizes}")
    return sizes


def mertens_net(inputs: int = 2, outputs: int = 1, *, seed: int | None = None) -> nn.Sequential:
    """Build the net of the local-propagation document: inputs-100-100-10-outputs, Mish, unit rows, sigmoid output."""
    ends = whole_number("inputs", inputs, 1), whole_number("outputs", outputs, 1)
    return layered_net([ends[0], 100, 100, 10, ends[1]], seed=seed)


def square_net(
    widths: Sequence[int],
    *,
    bias: bool = True,
    activation: Callable[[], nn.Module] | None = None,
    seed: int | None = None,
) -> nn.Sequential:
    """Build a net from n numbers to n numbers, as idempotent ones must be; one block for each linear layer.

    ``widths`` and ``seed``: see `layered_net`; the first width and the last are equal. The activation, if any, follows
    *each* linear layer, the last included.
    """
    sizes = _sizes(widths, **({} if activation is None else {"activation": activation}))
    if not isinstance(bias, bool):
        raise TypeError(f"bias must be True or False, got {bias!r}")
    if sizes[0] != sizes[-1]:
        raise ValueError(f"widths must begin and end alike, such as [5, 10, 5], got {sizes}")
    with seeded(seed):
        linear = [nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(sizes)]
        return nn.Sequential(*(nn.Sequential(part, *([activation()] if activation else [])) for part in linear))


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
