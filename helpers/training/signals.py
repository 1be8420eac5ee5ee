"""What rules with a signal of their own share: class labels, and a net with a door for them.

>>> class_labels(torch.tensor([[1.0], [0.0]]), 1), class_labels(torch.tensor([[0.0, 0.0, 1.0]]), 3)
(tensor([1, 0]), tensor([2]))
>>> codes(torch.tensor([1, 0]), 2)
tensor([[-0.5000,  0.5000],
        [ 0.5000, -0.5000]])
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import one_hot

from helpers.networks import seeded
from helpers.training.arguments import Checked, Criterion, Passes, StepMode, check_options
from helpers.training.evaluation import Batches, Scores
from helpers.training.layers import check_apart, probe
from helpers.training.loop import Learner


class OutputLearner(Learner):
    """The output block among learners that hand on more than a batch: the net's own stream comes first in it."""

    def judge(self, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Judge the first len(Y) rows by ``criterion``, as any learner does."""
        return super().judge(h[: len(Y)], Y)


def class_count(width: int) -> int:
    """Return how many classes a net with so many outputs tells apart: two, where it has one output."""
    return 2 if width == 1 else width


def class_labels(Y: Tensor, width: int) -> Tensor:
    """Return the class of each sample, (n,) whole numbers from 0.

    Parameters
    ----------
    Y : Tensor
        Targets: 0 or 1, of shape (n, 1); one-hot, of shape (n, width); or the classes themselves, whole numbers (n,).
    width : int
        Number of outputs of the net.

    Raises
    ------
    ValueError
        If the targets are none of these, or name a class that the net has no output for.
    """
    classes = class_count(width)
    if not Y.is_floating_point() and Y.dim() == 1:
        labels = Y.long()
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise ValueError(
                f"targets must be classes from 0 to {classes - 1}, got {int(labels.min())} to {int(labels.max())}"
            )
        return labels
    if Y.dim() != 2 or Y.shape[1] != width:
        raise ValueError(f"targets have shape {tuple(Y.shape)} but the net gives (n, {width}) scores")
    if not ((Y == 0) | (Y == 1)).all() or (width > 1 and not (Y.sum(1) == 1).all()):
        form = "0 or 1" if width == 1 else "one-hot, a single 1 in each row"
        raise ValueError(f"targets must be class labels, {form}: this rule has no use for other numbers")
    return Y[:, 0].long() if width == 1 else Y.argmax(1)


def codes(labels: Tensor, classes: int, like: Tensor | None = None) -> Tensor:
    """Return what stands for a label, (n, classes): one-hot less its mean, so that zero stands for "no label"."""
    dtype, device = (torch.get_default_dtype(), labels.device) if like is None else (like.dtype, like.device)
    return one_hot(labels, classes).to(device, dtype) - 1 / classes


def first_linear(block: nn.Module) -> nn.Linear | None:
    """Return the first linear layer of a block, if it has one."""
    return next((part for part in block.modules() if isinstance(part, nn.Linear)), None)


def open_door(model: nn.Sequential, width: int, seed: int | None) -> nn.Linear:
    """Make the door through which a label enters a net: a map from its code to the first layer's pre-activations.

    Parameters
    ----------
    model : nn.Sequential
        Its first block begins with an ``nn.Linear``; it is not changed.
    width : int
        Number of outputs of the net.
    seed : int or None
        Seed of the initial weights (torch's default for ``nn.Linear``).

    Returns
    -------
    nn.Linear
        From (n, classes) to (n, units of the first layer), without bias. To add what it gives is the same as to append
        the code to the input: (W E) (x; c) = W x + E c.
    """
    layer = next(iter(model))[0]  # type: ignore[index]
    if not isinstance(layer, nn.Linear):
        raise ValueError(
            f"model: block 0 begins with {type(layer).__name__}; a label enters at an nn.Linear, put one first"
        )
    with seeded(seed):
        kind = {"device": layer.weight.device, "dtype": layer.weight.dtype}
        return nn.Linear(class_count(width), layer.out_features, bias=False, **kind)


def prepare_labelled(
    model: nn.Sequential,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    train: bool,
    step: StepMode,
    seed: int | None,
) -> tuple[Passes, Checked, int, nn.Linear]:
    """Check what a rule for class labels is called with; return batches, criterion, outputs, and the labels' door."""
    check_options(epochs, step, seed, train)
    checked = Checked("criterion", criterion)
    passes = Passes(batches, epochs)
    width = probe(model, passes.first[0])[-1][0].numel()
    class_labels(passes.first[1], width)  # an error at the call, if they are none
    check_apart(model)
    return passes, checked, width, open_door(model, width, seed)


class DoorNet(nn.Module):
    """A net and the door of its labels: what a rule that passes labels forward answers with.

    Parameters
    ----------
    model : nn.Sequential
        The blocks, live.
    door : nn.Linear
        From label codes to the first layer's pre-activations.
    width : int
        Number of outputs of the model.
    """

    def __init__(self, model: nn.Sequential, door: nn.Linear, width: int) -> None:
        super().__init__()
        self.model, self.door, self.width = model, door, width

    def like_weights(self, X: ArrayLike | Tensor) -> Tensor:
        """Return X as a tensor of the net's type, on its device."""
        return torch.as_tensor(X, dtype=self.door.weight.dtype, device=self.door.weight.device)

    def shares(self, scores: Sequence[Tensor]) -> list[Scores]:
        """Return softmax over the labels of each (n, classes); (n, 1), of class 1, where the net has one output."""
        return [s.softmax(1)[:, self.width == 1 :].cpu().numpy() for s in scores]
