"""The two ends of a layer: a frozen prefix that feeds it (encoder), a linear read-out that judges it (decoder).

The answer of layer i to X is ``decoders[i](model[i](encoders[i](X)))``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from helpers.networks import seeded
from helpers.training.evaluation import mode


class FrozenPrefix(nn.Module):
    """The first ``depth`` blocks of a model, live but read-only: no gradient, evaluation mode, nothing to train."""

    def __init__(self, model: nn.Sequential, depth: int) -> None:
        super().__init__()
        self.hidden = (model,)  # inside a tuple torch does not register it, so no optimiser finds its parameters here
        self.depth = depth

    @property
    def model(self) -> nn.Sequential:
        """The whole model that this is a prefix of."""
        return self.hidden[0]

    def forward(self, x: Tensor) -> Tensor:
        blocks = list(self.model)[: self.depth]
        with torch.no_grad(), mode(False, *blocks):
            for block in blocks:
                x = block(x)
        return x


def make_encoders(model: nn.Sequential) -> list[FrozenPrefix]:
    """Return, for each block, the frozen prefix below it: the first passes X on, the last runs all hidden blocks."""
    check_nested(model)
    return [FrozenPrefix(model, depth) for depth in range(len(model))]


def make_decoders(model: nn.Sequential, X: Tensor, *, seed: int | None = None) -> list[nn.Module]:
    """Return, for each hidden block, a linear read-out without bias; for the output block the identity.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; no parameter, buffer or mode of it changes.
    X : Tensor, shape (n, ...)
        Inputs; the first sample is sent through to measure the blocks.
    seed : int or None
        Seed of the initial weights (torch's default for ``nn.Linear``).

    Returns
    -------
    list of nn.Module
        Decoder i maps the output of block i, (n, ...), to (n, k), with k the width of the model's output. A block whose
        output is no vector is flattened first.

    Raises
    ------
    TypeError, ValueError
        If the model is not nested, or a block cannot take what the one below gives.
    """
    outputs = probe(model, X)
    width = outputs[-1][0].numel()
    with seeded(seed):
        return [*(_read_out(h, width) for h in outputs[:-1]), nn.Identity()]


def fit_decoders(model: nn.Sequential, X: Tensor, Y: Tensor) -> list[nn.Module]:
    """Fit the best linear read-out of each hidden block by least squares: a look inside a net that learned without one.

    Parameters
    ----------
    X, Y : Tensor, shapes (n, ...) and (n, k)
        Training inputs and targets.

    Returns
    -------
    list of nn.Module
        As `make_decoders`; the model takes no part and does not change.

    References
    ----------
    Alain & Bengio (2016), "Understanding intermediate layers using linear classifier probes" (with a bias and a
    logistic loss there; bias-free least squares here, as the decoders of local propagation are).
    """
    return refit(blank_decoders(model, X), model, X, Y)


def blank_decoders(model: nn.Sequential, X: Tensor) -> list[nn.Module]:
    """Return read-outs as `make_decoders` does, their weights not set: no random number is drawn, as others may be."""
    outputs, blank = probe(model, X), partial(nn.utils.skip_init, nn.Linear)
    return [*(_read_out(h, outputs[-1][0].numel(), blank) for h in outputs[:-1]), nn.Identity()]


def refit(decoders: list[nn.Module], model: nn.Sequential, X: Tensor, Y: Tensor) -> list[nn.Module]:
    """Fit read-outs of `blank_decoders` in place, as `fit_decoders` does, and return them."""
    h = X
    with torch.no_grad(), mode(False, model):
        for block, decoder in zip(list(model)[:-1], decoders):
            h = block(h)
            linear = decoder if isinstance(decoder, nn.Linear) else decoder[-1]  # type: ignore[index]
            linear.weight.copy_(torch.linalg.lstsq(h.flatten(1), Y, driver="gelsd").solution.T)
    return decoders


def probe(model: nn.Sequential, X: Tensor) -> list[Tensor]:
    """Send one sample through the blocks and return each output, (1, ...); buffers work on copies."""
    check_nested(model)
    outputs, h = [], X[:1]
    with torch.no_grad(), mode(False, model):
        for i, block in enumerate(model):
            try:
                h = functional_call(block, {name: b.clone() for name, b in block.named_buffers()}, (h,))
            except (RuntimeError, ValueError, TypeError, IndexError) as error:
                source = "the X of batches" if i == 0 else f"the output of block {i - 1}"
                raise ValueError(
                    f"model: block {i} cannot take {source}, of shape {tuple(h.shape)}: {error}"
                ) from error
            outputs.append(h)
    return outputs


def check_nested(model: nn.Sequential) -> None:
    """Refuse a model that is not a Sequential of non-empty Sequentials."""
    form = "nn.Sequential(nn.Sequential(nn.Linear(2, 9), nn.Tanh()), nn.Sequential(nn.Linear(9, 1), nn.Sigmoid()))"
    if not isinstance(model, nn.Sequential) or not len(model):
        raise TypeError(f"model must be a Sequential of blocks, such as {form}, got {type(model).__name__}")
    for i, block in enumerate(model):
        if not isinstance(block, nn.Sequential):
            raise TypeError(f"model must be nested, such as {form}; its part {i} is a {type(block).__name__}")
        if not len(block):
            raise ValueError(f"model: block {i} is empty; give it a layer or leave it out")


def _read_out(h: Tensor, width: int, make: Callable[..., nn.Module] = nn.Linear) -> nn.Module:
    linear = make(h[0].numel(), width, bias=False, device=h.device, dtype=h.dtype)
    return linear if h.dim() == 2 else nn.Sequential(nn.Flatten(), linear)
