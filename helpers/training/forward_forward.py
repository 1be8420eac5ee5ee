"""Forward-Forward: two forward passes, one with the true label and one with a wrong one, and no backward pass between.

A layer learns to be active where the label is right and quiet where it is wrong. Its goodness is the mean square of
its units; it is asked to be above a threshold for the true label and below for the wrong one.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy
>>> from helpers.datasets import datasets
>>> from helpers.networks import mertens_net
>>> data = datasets["signed_xor"].train()
>>> for step in forward_forward(mertens_net(seed=0), Rprop, binary_cross_entropy, 20, [(data.X, data.Y)], seed=0):
...     pass
>>> step.epoch, len(step.losses), len(step.predict(data.X))
(20, 3, 4)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from helpers.networks import Normalize
from helpers.training.arguments import Criterion, OptimizerFactory, StepMode
from helpers.training.constrained import at_least
from helpers.training.evaluation import Batches, Scores, mode
from helpers.training.loop import Learner, epoch_loop, rehearse
from helpers.training.signals import DoorNet, OutputLearner, class_count, class_labels, codes, prepare_labelled


class ForwardForwardStep(NamedTuple):
    """What an epoch of Forward-Forward yields.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    loss : float
        ``criterion`` of the output block before this epoch's update.
    losses : list of float
        The loss of each hidden block, in goodness, before its update.
    goodness : list of (float, float)
        Mean goodness of each hidden block for true and for wrong labels, before its update (of the last batch).
    net : LabelledNet
        The net with its label's door, live.
    """

    epoch: int
    loss: float
    losses: list[float]
    goodness: list[tuple[float, float]]
    net: LabelledNet

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return answers (n, k) to X (n, d) by goodness: of each hidden block, and last of all hidden units."""
        return self.net.answers(X)


def forward_forward(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    threshold: float = 2.0,
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[ForwardForwardStep]:
    """Train hidden blocks by goodness, and the output block on what they make of an input without a label.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; trained in place. The first begins with an ``nn.Linear``: there the label enters, through a map
        that the rule owns (`open_door`), as if it were appended to the input. The model itself keeps its input.
    optimizer, epochs, step
        As in `locally_optimize_parallel`.
    criterion : callable
        ``(scores, targets) -> mean loss`` of the output block.
    batches : iterable of (X, Y)
        X (n, d); Y class labels: 0 or 1 (n, 1), one-hot (n, k), or whole numbers (n,).
    threshold : float
        Goodness, as a mean square, that tells true from wrong; more than 0.
    train_decoders : bool
        Train the label's door with the first block, or leave it at its random start.
    seed : int or None
        Seed of the door's weights and of the wrong labels.

    Yields
    ------
    ForwardForwardStep
        ``(epoch, loss, losses, goodness, net)``. Ask ``step.predict``, which tries each label. The model by itself, fed
        with X alone, answers from features that were never trained without a label: worse, often much worse.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `locally_optimize_parallel`; and targets that are no class labels, a threshold that is not positive.

    Notes
    -----
    With g the goodness and θ the threshold, a block's loss is the mean of softplus(θ - g) over true labels and of
    softplus(g - θ) over wrong ones. Between blocks, rows are scaled to length 1, so that the next block cannot read
    the goodness off: a ``Normalize`` at the end of a block does it, after the goodness is taken, and where there is
    none the rule does. A wrong label is drawn anew each time, uniformly from the other classes, never the true one (of
    three classes or more this is noise, which Rprop bears). An epoch takes three forward passes (true, wrong, no label)
    and two backward passes of each block; an answer takes k forward passes. No gradient leaves a block.

    References
    ----------
    Hinton (2022), "The Forward-Forward algorithm: some preliminary investigations". There the label replaces pixels,
    and the goodness is the sum of squares; the mean makes one threshold do for all widths. His experiments leave the
    first layer out of the answer.
    """
    at_least("threshold", threshold, 0, open_end=True)
    passes, checked, width, door = prepare_labelled(model, criterion, epochs, batches, train_decoders, step, seed)
    if len(model) == 1:
        raise ValueError("model has no hidden block, and Forward-Forward trains no other by goodness; add one")
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    net, blocks = LabelledNet(model, door, width), list(model)
    hidden = [
        _GoodLearner(block, checked, optimizer, train_decoders, threshold, width, door if i == 0 else None, generator)
        for i, block in enumerate(blocks[:-1])
    ]
    learners: list[Learner] = [*hidden, OutputLearner(blocks[-1], nn.Identity(), checked, optimizer, train_decoders)]
    rehearse(learners, *passes.first)
    steps = epoch_loop(model, learners, passes, epochs, step)
    return (
        ForwardForwardStep(epoch, losses[-1], losses[:-1], [learner.goodness for learner in hidden], net)
        for epoch, losses in steps
    )


def goodness(activity: Tensor) -> Tensor:
    """Return the mean square of each row, (n, ...) -> (n,)."""
    return activity.flatten(1).square().mean(1)


def wrong_labels(labels: Tensor, classes: int, generator: torch.Generator | None) -> Tensor:
    """Draw for each label another one, uniformly: the true one moved on by 1 to classes - 1, and round."""
    moved = torch.randint(1, classes, labels.shape, generator=generator).to(labels.device)
    return (labels + moved) % classes


def cut_scaling(block: nn.Module) -> tuple[nn.Module, nn.Module | None]:
    """Cut a block before the `Normalize` that ends it, if one does."""
    layers = list(block.children())
    if isinstance(layers[-1], Normalize):
        return nn.Sequential(*layers[:-1]), layers[-1]
    return block, None


def unit(activity: Tensor) -> Tensor:
    """Scale each row (n, ...) to length 1."""
    return normalize(activity.flatten(1), dim=1).view_as(activity)


class _GoodLearner(Learner):
    """A hidden block that learns to tell true labels from wrong ones; the first is where the labels enter."""

    def __init__(
        self,
        block: nn.Module,
        criterion: Criterion,
        optimizer: OptimizerFactory,
        train: bool,
        threshold: float,
        width: int,
        door: nn.Linear | None,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__(block, door or nn.Identity(), criterion, optimizer, train)
        self.threshold, self.door, self.width, self.generator = threshold, door, width, generator
        self.body, self.scale = cut_scaling(block)
        self.goodness = (0.0, 0.0)

    def rehearse(self, h: Tensor, Y: Tensor, first: Tensor) -> Tensor:
        """Judge a sample as every learner does; the labels that are drawn for it are drawn again in training."""
        given = self.generator
        self.generator = given and given.clone_state()
        try:
            return super().rehearse(h, Y, first)
        finally:
            self.generator = given

    def judge(self, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the three streams, (3n, ...): no label, true, wrong; and the loss of the last two."""
        n = len(Y)
        activity = self._enter(h, class_labels(Y, self.width)) if self.door else self.body(h)
        true, wrong = goodness(activity[n:]).split(n)
        loss = (softplus(self.threshold - true).mean() + softplus(wrong - self.threshold).mean()) / 2
        self.goodness = (float(true.detach().mean()), float(wrong.detach().mean()))
        plain = activity[:n] if self.scale is None else self.scale(activity[:n])
        return torch.cat([plain, unit(activity[n:])]), loss

    def _enter(self, X: Tensor, labels: Tensor) -> Tensor:
        """Return the first block's activity for the three streams; its linear map of X is computed once."""
        assert self.door is not None
        classes = class_count(self.width)
        wrong = wrong_labels(labels, classes, self.generator)
        entering = self.door(codes(torch.cat([labels, wrong]), classes, like=X))
        linear, *rest = self.body.children()
        from_X = linear(X)
        activity: Tensor = nn.Sequential(*rest)(torch.cat([from_X, from_X.repeat(2, 1) + entering]))
        return activity


class LabelledNet(DoorNet):
    """Answers by goodness: each label is tried."""

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return the goodness (n, classes) of each hidden block for each label, and last that of all hidden units."""
        n, classes = len(X), class_count(self.width)
        labels = torch.arange(classes, device=X.device).repeat_interleave(n)
        squares, found, units = X.new_zeros(classes * n), [], 0
        h = X
        for i, block in enumerate(list(self.model)[:-1]):
            body, _ = cut_scaling(block)
            if i == 0:
                linear, *rest = body.children()
                h = linear(X).repeat(classes, 1) + self.door(codes(labels, classes, like=X))
                body = nn.Sequential(*rest)
            activity: Tensor = body(h)
            found.append(goodness(activity))
            squares, units = squares + found[-1] * activity[0].numel(), units + activity[0].numel()
            h = unit(activity)
        return [g.view(classes, n).T for g in (*found, squares / units)]

    def answers(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return answers (n, k): softmax over labels of each block's goodness, and of that of all hidden units."""
        with torch.no_grad(), mode(False, self):
            return self.shares(self(self.like_weights(X)))
