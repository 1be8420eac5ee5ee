"""Look at a net without changing it: no gradient, evaluation mode, every buffer as it was."""

from __future__ import annotations

import contextlib
import numbers
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

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


class Modes:
    """Which parts of a model the reader keeps in evaluation mode while the rest of it trains.

    These are the parts that are in evaluation mode when an epoch begins and the model as a whole is in training mode.
    A model that is in evaluation mode as a whole is only being looked at: then the parts of the epoch before count.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model, self.resting = model, set[nn.Module]()

    @contextlib.contextmanager
    def training(self, *modules: nn.Module) -> Iterator[None]:
        """Put modules in training mode, but for the resting parts; afterwards every part is as it was."""
        if self.model.training:
            self.resting = {part for part in self.model.modules() if not part.training}
        with mode(True, *modules):
            for part in self.resting:
                part.training = False
            yield


@contextlib.contextmanager
def untouched(*modules: nn.Module) -> Iterator[None]:
    """Run modules in evaluation mode, and put modes, buffers and torch's random state back afterwards."""
    parts = dict.fromkeys(part for module in modules for part in module.modules())
    buffers = [(part, name, b, b.clone()) for part in parts for name, b in part._buffers.items() if b is not None]
    with torch.random.fork_rng(devices=[]), mode(False, *modules):
        try:
            yield
        finally:
            for part, name, b, value in buffers:
                part._buffers[name] = b  # a module may have put another tensor there
                b.detach().copy_(value)


def layer_outputs(blocks: Iterable[nn.Module], X: Tensor) -> Iterator[Tensor]:
    """Yield the output of each block in turn; a block works on a copy, so that it may change its input in place."""
    h = X
    for block in blocks:
        h = block(h.clone())
        yield h


def unfit_targets(scores: Tensor, Y: Tensor, *, indices: bool = True) -> str | None:
    """Say what is wrong with targets that a loss would broadcast; None where nothing is.

    Targets fit if they have the shape of the scores, (n, k). Class indices, whole numbers (n,), fit scores of two
    classes or more, (n, k), for criteria such as ``cross_entropy``.
    """
    whole = not (Y.is_floating_point() or Y.is_complex() or Y.dtype == torch.bool)
    classes = scores.shape[1] if scores.dim() > 1 else 1
    if scores.shape == Y.shape or (
        indices and whole and classes > 1 and Y.shape == (*scores.shape[:1], *scores.shape[2:])
    ):
        return None
    column, codes = "Y[:, None].float()", f"torch.nn.functional.one_hot(Y, {classes}).float()"
    remedy = f", for instance {column if classes == 1 else codes}" if Y.dim() == 1 else ""
    return (
        f"targets have shape {tuple(Y.shape)} but the scores have {tuple(scores.shape)}; "
        f"give Y the shape of the scores{remedy}"
    )


def average_loss(comparator: Comparator, batches: Batches) -> float:
    """Average a loss over all samples of the batches: evaluation mode, no graph, and no module is changed.

    Parameters
    ----------
    comparator : callable
        ``(X, Y) -> mean loss of the batch``, for example ``lambda X, Y: mse_loss(model(X), Y)``.
    batches : iterable of (X, Y)
        A ``DataLoader``, or any other iterable of pairs; each batch counts by its number of samples.

    Raises
    ------
    TypeError, ValueError
        If there is no batch, the comparator gives no number, changes a batch in place, or compares (n,) with (n, 1),
        which would be broadcast to all pairs of samples.
    """
    total, count = 0.0, 0
    with torch.no_grad(), _called_modules_untouched():
        for X, Y in batches:
            versions = X._version, Y._version
            with _NoPairs(Y):
                loss: Any = comparator(X, Y)
            number = isinstance(loss, (Tensor, np.ndarray, numbers.Real))
            if not number or (loss.numel() if isinstance(loss, Tensor) else np.size(loss)) != 1:
                raise TypeError(f"comparator must return one number, a mean loss, got {_kind(loss)}")
            if (X._version, Y._version) != versions:
                raise ValueError("comparator changes X or Y in place; let it make new tensors, y * 2 for y.mul_(2)")
            total += float(loss) * len(X)
            count += len(X)
    if not count:
        raise ValueError("batches must hold at least one sample, got none")
    return total / count


def _kind(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


@contextlib.contextmanager
def _called_modules_untouched() -> Iterator[None]:
    """Run whatever modules this thread calls inside the block as `untouched` does."""
    thread, seen = threading.get_ident(), set[nn.Module]()
    with contextlib.ExitStack() as stack:

        def before(module: nn.Module, _: object) -> None:
            if threading.get_ident() == thread and module not in seen:
                seen.update(module.modules())
                stack.enter_context(untouched(module))

        handle = register_module_forward_pre_hook(before)
        try:
            yield
        finally:
            handle.remove()


class _NoPairs(TorchFunctionMode):
    """Refuse operations that broadcast targets (n,) and scores (n, 1) against each other, into (n, n)."""

    def __init__(self, Y: Tensor) -> None:
        super().__init__()
        self.targets = [Y]  # and what is made of them alone, sample by sample: Y.float()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        tensors = [t for t in (*args, *(kwargs or {}).values()) if isinstance(t, Tensor)]
        ours = [t for t in tensors if any(t is target for target in self.targets)]
        for Y in ours:
            for other in tensors:
                if Y.dim() != other.dim() and other.dim() and Y.dim() and len(Y) == len(other):
                    self.check(other, Y)
        result = func(*args, **(kwargs or {}))
        if len(ours) == len(tensors) == 1 and isinstance(result, Tensor) and result.shape == ours[0].shape:
            self.targets.append(result)
        return result

    def check(self, scores: Tensor, Y: Tensor) -> None:
        """Refuse two shapes that are both stretched."""
        with contextlib.suppress(RuntimeError):  # shapes that do not broadcast at all are for the operation to judge
            if torch.broadcast_shapes(scores.shape, Y.shape) in (scores.shape, Y.shape):
                return
            raise ValueError(unfit_targets(scores, Y))


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
    x = torch.as_tensor(X, dtype=like.dtype, device=like.device)
    with torch.no_grad(), mode(False, model, *decoders):
        outputs = layer_outputs(model, x)
        return [decoder(h).cpu().numpy() for decoder, h in zip(decoders, outputs, strict=True)]


def predictor(model: nn.Module) -> Callable[[ArrayLike | Tensor], Scores]:
    """Turn a net into a function of arrays, ``points (n, d) -> scores (n, k)``: what the pictures ask for."""

    def predict(X: ArrayLike | Tensor) -> Scores:
        like = next(model.parameters())
        with torch.no_grad(), mode(False, model):
            x = torch.as_tensor(X, dtype=like.dtype, device=like.device).clone()  # a net may change it in place
            scores: Scores = model(x).cpu().numpy()
        return scores

    return predict


def accuracy(scores: ArrayLike | Tensor, targets: ArrayLike | Tensor) -> float:
    """Return the share of right answers, 0 to 1: one column is cut at 0.5, of several the largest wins."""
    s, t = np.asarray(scores), np.asarray(targets)
    if s.shape != t.shape:
        raise ValueError(f"scores and targets must have one shape, got {s.shape} and {t.shape}")
    right = (s >= 0.5) == (t >= 0.5) if s.shape[-1] == 1 else s.argmax(-1) == t.argmax(-1)
    return float(right.mean())
