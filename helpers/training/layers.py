"""A net seen layer by layer: its encoders and decoders, its answers, and looks at it that change nothing.

The answer of layer i to X is ``decoders[i](model[i](encoders[i](X)))``: an encoder is the frozen prefix that feeds a
block, a decoder the linear read-out that judges it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from helpers.networks import seeded

Batches = Iterable[tuple[Tensor, Tensor]]
Scores = NDArray[np.floating]
FORM = "nn.Sequential(nn.Sequential(nn.Linear(2, 9), nn.Tanh()), nn.Sequential(nn.Linear(9, 1), nn.Sigmoid()))"


@contextlib.contextmanager
def mode(training: bool, *modules: nn.Module) -> Iterator[None]:
    """Put modules in training or evaluation mode, and every submodule back as it was afterwards."""
    differ = [part for module in modules for part in module.modules() if part.training is not training]
    for part in differ:
        part.training = training
    try:
        yield
    finally:
        for part in differ:
            part.training = not training


def layer_outputs(blocks: Iterable[nn.Module], X: Tensor) -> Iterator[Tensor]:
    """Yield the output of each block in turn; a block works on a copy, so that it may change its input in place."""
    h = X
    for block in blocks:
        h = block(h.clone())
        yield h


# Encoders and decoders


class FrozenPrefix(nn.Module):
    """The first ``depth`` blocks of a model, live but read-only: no gradient, evaluation mode, nothing to train."""

    def __init__(self, model: nn.Sequential, depth: int) -> None:
        super().__init__()
        self.hidden, self.depth = (model,), depth  # in a tuple torch does not register it, and optimisers miss it

    def forward(self, x: Tensor) -> Tensor:
        blocks = list(self.hidden[0])[: self.depth]
        with torch.no_grad(), mode(False, *blocks):
            return [x, *layer_outputs(blocks, x)][-1]


def make_encoders(model: nn.Sequential) -> list[FrozenPrefix]:
    """Return, for each block, the frozen prefix below it: the first passes X on, the last runs all hidden blocks."""
    return [FrozenPrefix(model, depth) for depth in range(len(model))]


def make_decoders(model: nn.Sequential, X: Tensor, *, seed: int | None = None) -> list[nn.Module]:
    """Return, for each hidden block, a linear read-out without bias; for the output block the identity.

    Decoder i maps the output of block i, (n, ...), flattened, to (n, k), k being the width of the net's output. The
    ``seed`` is that of the weights; a sample of X (n, ...) is sent through to measure the blocks.
    """
    *hidden, output = probe(model, X)
    with seeded(seed):
        linears = [nn.Linear(h[0].numel(), output[0].numel(), bias=False, **kind(h)) for h in hidden]
    return _read_outs(hidden, linears)


def fit_decoders(model: nn.Sequential, X: Tensor, Y: Tensor) -> list[nn.Module]:
    """Fit the best linear read-out of each hidden block by least squares: a look inside a net that learned without one.

    For training inputs X (n, ...) and targets Y (n, k), decoders as of `make_decoders`. After Alain & Bengio (2016),
    "Understanding intermediate layers using linear classifier probes" (with a bias and a logistic loss there).
    """
    with torch.no_grad(), mode(False, model):
        outputs = list(layer_outputs(list(model)[:-1], X))
        linears = []
        for h in outputs:
            weight = torch.linalg.lstsq(h.flatten(1), Y, driver="gelsd").solution.T
            linears.append(nn.utils.skip_init(nn.Linear, *weight.T.shape, bias=False, **kind(h)))
            linears[-1].weight.copy_(weight)
    return _read_outs(outputs, linears)


def _read_outs(outputs: Iterable[Tensor], linears: Iterable[nn.Module]) -> list[nn.Module]:
    flat = [linear if h.dim() == 2 else nn.Sequential(nn.Flatten(), linear) for h, linear in zip(outputs, linears)]
    return [*flat, nn.Identity()]


def kind(t: Tensor) -> dict[str, Any]:
    """Return what a tensor that goes with t must be like."""
    return {"dtype": t.dtype, "device": t.device}


def probe(model: nn.Sequential, X: Tensor) -> list[Tensor]:
    """Send one sample through the blocks in evaluation mode, and return the output of each, (1, ...)."""
    if not isinstance(model, nn.Sequential) or not all(isinstance(block, nn.Sequential) for block in model):
        raise TypeError(f"model must be a nested Sequential, of blocks, such as {FORM}, got {model}")
    outputs, h = [], X[:1]
    with torch.no_grad(), mode(False, model):
        for i, block in enumerate(model):
            try:
                h = block(h.clone())
            except (RuntimeError, ValueError, TypeError) as error:
                words = f"an input of shape {tuple(h.shape)} and {h.dtype}: {error}"
                raise ValueError(f"model: block {i} cannot take {words}") from error
            outputs.append(h)
    return outputs


def first_layers(model: nn.Sequential, start: int = 0, stop: int | None = None) -> list[nn.Linear]:
    """Return the `nn.Linear` that each of the blocks ``start`` to ``stop`` begins with; refuse a block without one."""
    blocks: Any = list(model)
    for i, block in list(enumerate(blocks))[start:stop]:
        if not isinstance(block[0], nn.Linear):
            name = type(block[0]).__name__
            raise ValueError(f"model: block {i} begins with {name}; this rule needs an nn.Linear there")
    return [block[0] for block in blocks[start:stop]]


# Answers


def layer_scores(model: nn.Sequential, decoders: Sequence[nn.Module], X: ArrayLike | Tensor) -> list[Scores]:
    """Return the answer (n, k) of every layer to X (n, ...), through its decoder, in one sweep over the layers."""
    with torch.no_grad(), mode(False, model, *decoders):
        outputs = layer_outputs(model, like_weights(model, X))
        return [decoder(h).cpu().numpy() for decoder, h in zip(decoders, outputs, strict=True)]


def predictor(model: nn.Module) -> Callable[[ArrayLike | Tensor], Scores]:
    """Turn a net into a function of arrays, ``points (n, d) -> scores (n, k)``: what the pictures ask for."""

    def predict(X: ArrayLike | Tensor) -> Scores:
        with torch.no_grad(), mode(False, model):
            scores: Scores = model(like_weights(model, X).clone()).cpu().numpy()
        return scores

    return predict


def like_weights(model: nn.Module, X: ArrayLike | Tensor) -> Tensor:
    """Return X as a tensor of the net's type, on its device."""
    return torch.as_tensor(X, **kind(next(model.parameters())))


def accuracy(scores: ArrayLike | Tensor, targets: ArrayLike | Tensor) -> float:
    """Return the share of right answers, 0 to 1, of scores and targets (n, k): of several columns the largest wins.

    One column is cut at 0.5, as fits targets of 0 and 1, and no others are taken; of logits, take the sigmoid first.
    """
    s, t = np.asarray(scores), np.asarray(targets)
    if s.shape != t.shape or s.ndim != 2 or not s.size:
        raise ValueError(f"scores and targets must have one shape (n, k), n of 1 or more, got {s.shape} and {t.shape}")
    if np.isnan(s).any() or np.isnan(t).any():
        raise ValueError("scores and targets must be numbers, but hold NaN: of it, no answer is right or wrong")
    if s.shape[1] > 1:
        return float((s.argmax(1) == t.argmax(1)).mean())
    if not np.isin(t, (0, 1)).all():
        raise ValueError("targets of one column must be 0 or 1; of -1 and 1, say (targets + 1) / 2 of both")
    return float(((s >= 0.5) == t).mean())


def average_loss(comparator: Callable[[Tensor, Tensor], Any], batches: Batches) -> float:
    """Average a loss over all samples of the batches, each module that is called in evaluation mode, without a graph.

    The comparator, ``(X, Y) -> mean loss``, is for example ``lambda X, Y: mse_loss(model(X), Y)``; batches are any
    iterable of pairs (n, ...) and (n, k), each of which counts by its number of samples.
    """
    total, count = 0.0, 0
    with torch.no_grad(), _evaluating():
        for X, Y in batches:
            if Y.dim() < 2:
                raise ValueError(f"Y must have the shape of the scores, got {tuple(Y.shape)}: Y[:, None] or one-hot")
            total, count = total + float(comparator(X, Y)) * len(X), count + len(X)
    if not count:
        raise ValueError("batches must hold at least one sample, got none")
    return total / count


@contextlib.contextmanager
def _evaluating() -> Iterator[None]:
    """Run whatever modules this thread calls inside the block in evaluation mode."""
    thread = threading.get_ident()
    with contextlib.ExitStack() as stack:

        def before(module: nn.Module, _: object) -> None:
            if module.training and threading.get_ident() == thread:
                stack.enter_context(mode(False, module))

        stack.callback(register_module_forward_pre_hook(before).remove)
        yield
