"""Look at a net without changing it: no gradient, evaluation mode, every buffer as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

Comparator = Callable[[Tensor, Tensor], Tensor]
Batches = Iterable[tuple[Tensor, Tensor]]
Scores = NDArray[np.floating]


@contextlib.contextmanager
def mode(training: bool, *modules: nn.Module) -> Iterator[None]:
    """Put modules in training or evaluation mode, and every submodule back as it was afterwards."""
    differ = [part for module in modules for part in module.modules() if part.training is not training]
    if differ:
        for module in modules:
            module.train(training)
    try:
        yield
    finally:
        for part in differ:
            part.training = not training


def average_loss(comparator: Comparator, batches: Batches) -> float:
    """Average a loss over all samples of the batches, without recording a graph.

    Parameters
    ----------
    comparator : callable
        ``(X, Y) -> mean loss of the batch``, for example ``lambda X, Y: mse_loss(model(X), Y)``.
    batches : iterable of (X, Y)
        A ``DataLoader``, or any other iterable of pairs; each batch counts by its number of samples.

    Raises
    ------
    ValueError
        If there is no batch.
    """
    total, count = 0.0, 0
    with torch.no_grad():
        for X, Y in batches:
            total += float(comparator(X, Y)) * len(X)
            count += len(X)
    if not count:
        raise ValueError("batches must hold at least one sample, got none")
    return total / count


def layer_scores(model: nn.Sequential, decoders: Sequence[nn.Module], X: ArrayLike | Tensor) -> list[Scores]:
    """Give the answer of every layer through its decoder, in one sweep over the layers.

    Parameters
    ----------
    model : nn.Sequential
        The blocks.
    decoders : sequence of nn.Module
        One for each block, as `make_decoders` or `fit_decoders` gives them.
    X : array_like or Tensor, shape (n, ...)
        Inputs.

    Returns
    -------
    list of ndarray, each of shape (n, k)
        The scores of each layer, the first layer first.
    """
    like = next(model.parameters())
    h, scores = torch.as_tensor(X, dtype=like.dtype, device=like.device), []
    with torch.no_grad(), mode(False, model, *decoders):
        for block, decoder in zip(model, decoders, strict=True):
            h = block(h)
            scores.append(decoder(h).cpu().numpy())
    return scores


def predictor(model: nn.Module) -> Callable[[ArrayLike | Tensor], Scores]:
    """Turn a net into a function of arrays, ``points (n, d) -> scores (n, k)``: what the pictures ask for."""

    def predict(X: ArrayLike | Tensor) -> Scores:
        like = next(model.parameters())
        with torch.no_grad(), mode(False, model):
            scores: Scores = model(torch.as_tensor(X, dtype=like.dtype, device=like.device)).cpu().numpy()
        return scores

    return predict


def accuracy(scores: ArrayLike | Tensor, targets: ArrayLike | Tensor) -> float:
    """Return the share of right answers, 0 to 1: one column is cut at 0.5, of several the largest wins."""
    s, t = np.asarray(scores), np.asarray(targets)
    if s.shape != t.shape:
        raise ValueError(f"scores and targets must have one shape, got {s.shape} and {t.shape}")
    right = (s >= 0.5) == (t >= 0.5) if s.shape[-1] == 1 else s.argmax(-1) == t.argmax(-1)
    return float(right.mean())
