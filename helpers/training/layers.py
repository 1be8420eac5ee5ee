"""The two ends of a layer: a frozen prefix that feeds it (encoder), a linear read-out that judges it (decoder).

The answer of layer i to X is ``decoders[i](model[i](encoders[i](X)))``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from helpers.networks import seeded
from helpers.training.arguments import FAILURES, NamedError
from helpers.training.evaluation import layer_outputs, mode, untouched


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
            return [x, *layer_outputs(blocks, x)][-1]


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
    with torch.no_grad(), mode(False, model):
        for h, decoder in zip(layer_outputs(list(model)[:-1], X), decoders):
            linear = decoder if isinstance(decoder, nn.Linear) else decoder[-1]  # type: ignore[index]
            linear.weight.copy_(torch.linalg.lstsq(h.flatten(1), Y, driver="gelsd").solution.T)
    return decoders


def probe(model: nn.Sequential, X: Tensor) -> list[Tensor]:
    """Send one sample through the blocks, twice, and return each output, (1, ...); the model stays as it was."""
    check_nested(model)
    if not isinstance(X, Tensor) or not X.dim() or not len(X):
        kind = f"shape {tuple(X.shape)}" if isinstance(X, Tensor) else type(X).__name__
        raise TypeError(f"X must be a tensor with a row for each sample, got {kind}")
    first, again = _outputs(model, X[:1]), _outputs(model, X[:1])
    for i, (h, other) in enumerate(zip(first, again)):
        if not torch.equal(h.nan_to_num(), other.nan_to_num()):
            raise ValueError(
                f"model: block {i} answers the same sample differently the second time, in evaluation mode: it keeps "
                "state between calls, and a rule calls it more often than you do; keep the state outside"
            )
    return first


def _outputs(model: nn.Sequential, h: Tensor) -> list[Tensor]:
    outputs: list[Tensor] = []
    with torch.no_grad(), untouched(model):
        for i, block in enumerate(model):
            source = "the X of batches" if i == 0 else f"the output of block {i - 1}"
            given = f"{source}, of shape {tuple(h.shape)}"
            try:
                output: Any = block(h.clone())
            except FAILURES as error:
                wanted = next((p.dtype for p in block.parameters() if p.is_floating_point()), h.dtype)
                remedy = f"; it is {h.dtype} and the weights {wanted}, say X.to({wanted})" if h.dtype != wanted else ""
                raise ValueError(f"model: block {i} cannot take {given}: {error}{remedy}") from error
            if not isinstance(output, Tensor) or not output.is_floating_point() or len(output) != len(h):
                got = f"{output.dtype}, {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
                raise ValueError(f"model: block {i} must give numbers (n, ...), a row for each sample, got {got}")
            outputs.append(output)
            h = output
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


def check_apart(model: nn.Sequential) -> None:
    """Refuse blocks that share memory of parameters or buffers: each learns by a step of its own.

    Raises
    ------
    ValueError
        If two blocks hold the same tensor, or tensors that overlap in memory.
    """
    places = sorted(
        (t.data_ptr(), t.data_ptr() + t.element_size() * (1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride()))), i)
        for i, block in enumerate(model)
        for t in dict.fromkeys((*block.parameters(), *block.buffers()))
        if t.numel() and t.data_ptr()
    )
    for (_, end, i), (begin, _, j) in itertools.pairwise(places):
        if begin < end and i != j:
            raise NamedError(
                f"model: blocks {min(i, j)} and {max(i, j)} share a parameter or a buffer, but under this rule each "
                "block learns by itself; give each its own (copy.deepcopy), or use backprop_optimize"
            )


def _read_out(h: Tensor, width: int, make: Callable[..., nn.Module] = nn.Linear) -> nn.Module:
    linear = make(h[0].numel(), width, bias=False, device=h.device, dtype=h.dtype)
    return linear if h.dim() == 2 else nn.Sequential(nn.Flatten(), linear)
