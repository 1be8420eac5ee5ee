"""A net seen layer by layer: its encoders and decoders, its answers, and looks at it that change nothing.

The answer of layer i to X is ``decoders[i](model[i](encoders[i](X)))``: an encoder is the frozen prefix that feeds a
block, a decoder the linear read-out that judges it.
"""

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

from helpers.networks import seeded

Batches = Iterable[tuple[Tensor, Tensor]]
Scores = NDArray[np.floating]
FAILURES = (ValueError, RuntimeError, TypeError, IndexError, AttributeError)  # of code that is handed unfit tensors
FORM = "nn.Sequential(nn.Sequential(nn.Linear(2, 9), nn.Tanh()), nn.Sequential(nn.Linear(9, 1), nn.Sigmoid()))"


@contextlib.contextmanager
def mode(training: bool, *modules: nn.Module) -> Iterator[None]:
    """Put modules in training or evaluation mode, and every submodule back as it was afterwards."""
    differ = [part for module in modules for part in module.modules() if part.training is not training]
    for module in modules if differ else ():
        module.train(training)
    try:
        yield
    finally:
        for part in differ:
            part.training = not training


@contextlib.contextmanager
def untouched(*modules: nn.Module) -> Iterator[None]:
    """Run modules in evaluation mode, and put modes, buffers and torch's random state back afterwards."""
    parts = dict.fromkeys(part for module in modules for part in module.modules())
    buffers = [(part, name, b, b.clone()) for part in parts for name, b in part._buffers.items() if b is not None]
    with torch.random.fork_rng(devices=[]), mode(False, *modules):
        try:
            yield
        finally:
            for part, name, buffer, value in buffers:
                part._buffers[name] = buffer  # a module may have put another tensor there
                buffer.detach().copy_(value)


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
        self.hidden, self.depth = (
            (model,),
            depth,
        )  # in a tuple: so torch does not register it, nor do optimisers find it

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

    Decoder i maps the output of block i, (n, ...), flattened, to (n, k), k being the width of the net's output. The
    ``seed`` is that of the weights, torch's default; a sample of X (n, ...) is sent through to measure the blocks.
    """
    *hidden, output = probe(model, X)
    with seeded(seed):
        linears = [nn.Linear(h[0].numel(), output[0].numel(), bias=False, **kind(h)) for h in hidden]
    return _read_outs(hidden, linears)


def fit_decoders(model: nn.Sequential, X: Tensor, Y: Tensor) -> list[nn.Module]:
    """Fit the best linear read-out of each hidden block by least squares: a look inside a net that learned without one.

    For training inputs X (n, ...) and targets Y (n, k), decoders as of `make_decoders`; the model does not change, and
    no random number is drawn. After Alain & Bengio (2016), "Understanding intermediate layers using linear classifier
    probes" (with a bias and a logistic loss there; bias-free here, as the decoders of local propagation are).
    """
    check_nested(model)
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
    """Send one sample through the blocks, twice, and return each output, (1, ...); the model stays as it was."""
    check_nested(model)
    if not isinstance(X, Tensor) or not X.dim() or not len(X):
        got = f"shape {tuple(X.shape)}" if isinstance(X, Tensor) else type(X).__name__
        raise TypeError(f"X must be a tensor with a row for each sample, got {got}")
    first, again = _outputs(model, X[:1]), _outputs(model, X[:1])
    for i, (h, other) in enumerate(zip(first, again)):
        if not torch.equal(h.nan_to_num(), other.nan_to_num()):
            words = "answers the same sample differently the second time, in evaluation mode: keep its state outside"
            raise ValueError(f"model: block {i} {words}")
    return first


def _outputs(model: nn.Sequential, h: Tensor) -> list[Tensor]:
    outputs: list[Tensor] = []
    with torch.no_grad(), untouched(model):
        for i, block in enumerate(model):
            try:
                output: Any = block(h.clone())
            except FAILURES as error:
                source = "the X of batches" if i == 0 else f"the output of block {i - 1}"
                wanted = next((p.dtype for p in block.parameters() if p.is_floating_point()), h.dtype)
                remedy = f"; it is {h.dtype} and the weights {wanted}, say X.to({wanted})" if h.dtype != wanted else ""
                words = f"{source}, of shape {tuple(h.shape)}: {error}{remedy}"
                raise ValueError(f"model: block {i} cannot take {words}") from error
            if not isinstance(output, Tensor) or not output.is_floating_point() or len(output) != len(h):
                got = f"{output.dtype}, {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
                raise ValueError(f"model: block {i} must give numbers (n, ...), a row for each sample, got {got}")
            outputs.append(output)
            h = output
    return outputs


def check_nested(model: nn.Sequential) -> None:
    """Refuse a model that is not a Sequential of non-empty Sequentials."""
    parts: list[Any] = list(model) if isinstance(model, nn.Sequential) else []
    wrong = next((part for part in parts if not isinstance(part, nn.Sequential)), None)
    if not parts or wrong is not None:
        got = type(model).__name__ if wrong is None else f"one that holds a {type(wrong).__name__}"
        raise TypeError(f"model must be a nested Sequential, of blocks, such as {FORM}, got {got}")
    if not all(map(len, parts)):
        raise ValueError(f"model: block {[*map(len, parts)].index(0)} is empty; give it a layer or leave it out")


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
    NaN is refused.
    """
    s, t = np.asarray(scores), np.asarray(targets)
    if s.shape != t.shape or s.ndim != 2 or not s.size:
        raise ValueError(f"scores and targets must have one shape (n, k), n of 1 or more, got {s.shape} and {t.shape}")
    for name, values in (("scores", s), ("targets", t)):
        if np.isnan(values).any():
            raise ValueError(f"{name} must be numbers, but hold NaN: of it, no answer is right or wrong")
    if s.shape[1] > 1:
        return float((s.argmax(1) == t.argmax(1)).mean())
    if not np.isin(t, (0, 1)).all():
        raise ValueError("targets of one column must be 0 or 1; of -1 and 1, say (targets + 1) / 2 of both")
    return float(((s >= 0.5) == t).mean())


def average_loss(comparator: Callable[[Tensor, Tensor], Tensor], batches: Batches) -> float:
    """Average a loss over all samples of the batches: evaluation mode, no graph, and no module is changed.

    The comparator, ``(X, Y) -> mean loss``, is for example ``lambda X, Y: mse_loss(model(X), Y)``; batches are any
    iterable of pairs, each of which counts by its number of samples. A TypeError or ValueError says if there is none,
    if the comparator gives no number, changes a batch in place, or compares (n,) with (n, 1), which would be broadcast
    to all pairs of samples.
    """
    total, count = 0.0, 0
    with torch.no_grad(), _called_modules_untouched():
        for X, Y in batches:
            versions = X._version, Y._version
            with _NoPairs(Y):
                loss: Any = comparator(X, Y)
            if not isinstance(loss, (Tensor, np.ndarray, numbers.Real)) or torch.as_tensor(loss).numel() != 1:
                got = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
                raise TypeError(f"comparator must return one number, a mean loss, got {got}")
            if (X._version, Y._version) != versions:
                raise ValueError("comparator changes X or Y in place; let it make new tensors, y * 2 for y.mul_(2)")
            total, count = total + float(loss) * len(X), count + len(X)
    if not count:
        raise ValueError("batches must hold at least one sample, got none")
    return total / count


@contextlib.contextmanager
def _called_modules_untouched() -> Iterator[None]:
    """Run whatever modules this thread calls inside the block as `untouched` does."""
    thread, seen = threading.get_ident(), set[nn.Module]()
    with contextlib.ExitStack() as stack:

        def before(module: nn.Module, _: object) -> None:
            if threading.get_ident() == thread and module not in seen:
                seen.update(module.modules())
                stack.enter_context(untouched(module))

        stack.callback(register_module_forward_pre_hook(before).remove)
        yield


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
                if 0 < Y.dim() != other.dim() > 0 and len(Y) == len(other):
                    with contextlib.suppress(RuntimeError):  # shapes that do not broadcast: the operation judges them
                        if torch.broadcast_shapes(other.shape, Y.shape) not in (other.shape, Y.shape):
                            raise ValueError(unfit_targets(other, Y))
        result = func(*args, **(kwargs or {}))
        if len(ours) == len(tensors) == 1 and isinstance(result, Tensor) and result.shape == ours[0].shape:
            self.targets.append(result)
        return result


def unfit_targets(scores: Tensor, Y: Tensor, *, indices: bool = True) -> str | None:
    """Say what is wrong with targets that a loss would broadcast; None where nothing is.

    Targets fit if they have the shape of the scores, (n, k). Class indices, whole numbers (n,), fit scores of two
    classes or more, for criteria such as ``cross_entropy``.
    """
    whole = not (Y.is_floating_point() or Y.is_complex() or Y.dtype == torch.bool)
    classes = scores.shape[1] if scores.dim() > 1 else 1
    as_indices = indices and whole and classes > 1 and Y.shape == (*scores.shape[:1], *scores.shape[2:])
    if scores.shape == Y.shape or as_indices:
        return None
    column, codes = "Y[:, None].float()", f"torch.nn.functional.one_hot(Y, {classes}).float()"
    remedy = f", for instance {column if classes == 1 else codes}" if Y.dim() == 1 else ""
    return (
        f"targets have shape {tuple(Y.shape)} but the scores have {tuple(scores.shape)}; "
        f"give Y the shape of the scores{remedy}"
    )
