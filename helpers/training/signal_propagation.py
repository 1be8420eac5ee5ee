"""Signal propagation: the target goes forward through the same layers as the input, and each layer makes them meet.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy
>>> from helpers.datasets import datasets
>>> from helpers.networks import mertens_net
>>> data = datasets["signed_xor"].train()
>>> for step in signal_propagation(mertens_net(seed=0), Rprop, binary_cross_entropy, 20, [(data.X, data.Y)], seed=0):
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
from torch.nn.functional import cross_entropy

from helpers.training.arguments import Criterion, OptimizerFactory, StepMode
from helpers.training.evaluation import Batches, Scores, mode
from helpers.training.loop import Learner, epoch_loop, rehearse
from helpers.training.signals import DoorNet, OutputLearner, class_count, class_labels, codes, prepare_labelled


class SignalStep(NamedTuple):
    """What an epoch of signal propagation yields.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    loss : float
        ``criterion`` of the output block before this epoch's update.
    losses : list of float
        The loss of each hidden block before its update.
    net : SignalNet
        The net with its target's door, live.
    """

    epoch: int
    loss: float
    losses: list[float]
    net: SignalNet

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer to X (n, d): hidden blocks by the nearest target, the last's own."""
        return self.net.answers(X)


def signal_propagation(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[SignalStep]:
    """Train hidden blocks to bring inputs and their targets together, both passed forward; the output block on top.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; trained in place. The first begins with an ``nn.Linear``: beside it a map that the rule owns
        (`open_door`) projects the targets into the same space.
    optimizer, epochs, step
        As in `locally_optimize_parallel`.
    criterion : callable
        ``(scores, targets) -> mean loss`` of the output block.
    batches : iterable of (X, Y)
        X (n, d); Y class labels: 0 or 1 (n, 1), one-hot (n, k), or whole numbers (n,).
    train_decoders : bool
        Train the projection with the first block, or leave it at its random start.
    seed : int or None
        Seed of the projection's weights.

    Yields
    ------
    SignalStep
        ``(epoch, loss, losses, net)``.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `locally_optimize_parallel`; and targets that are no class labels.

    Notes
    -----
    With h the block's output for an input and t_c its output for the target of class c, the block's loss is the cross
    entropy of the scores h·t_c: h is drawn to its own target and away from the others. The targets of all classes are
    k more rows of a batch, so an epoch takes one forward and one backward pass of each block. No gradient leaves a
    block.

    References
    ----------
    Kohan, Rietman & Siegelmann (2023), "Signal propagation: the framework for learning and inference in a forward
    pass". There, a batch's own targets stand for the classes.
    """
    passes, checked, width, door = prepare_labelled(model, criterion, epochs, batches, train_decoders, step, seed)
    net, blocks = SignalNet(model, door, width), list(model)
    learners: list[Learner] = [
        _MeetingLearner(block, checked, optimizer, train_decoders, width, door if i == 0 else None)
        for i, block in enumerate(blocks[:-1])
    ]
    learners.append(OutputLearner(blocks[-1], nn.Identity(), checked, optimizer, train_decoders))
    rehearse(learners, *passes.first)
    steps = epoch_loop(model, learners, passes, epochs, step)
    return (SignalStep(epoch, losses[-1], losses[:-1], net) for epoch, losses in steps)


def enter(block: nn.Module, door: nn.Linear, X: Tensor) -> Tensor:
    """Return the first block's output, (n + k, units): for the inputs X (n, d), then for the k targets."""
    linear, *rest = block.children()
    targets = torch.arange(door.in_features, device=X.device)
    pre_activations = torch.cat([linear(X), door(codes(targets, door.in_features, like=X))])
    output: Tensor = nn.Sequential(*rest)(pre_activations)
    return output


def similarities(output: Tensor, classes: int) -> Tensor:
    """Return h·t_c, (n, k), of a block's output for n inputs and, behind them, k targets."""
    rows = output.flatten(1)
    return rows[:-classes] @ rows[-classes:].T


class _MeetingLearner(Learner):
    """A hidden block that learns to give inputs and their targets one direction; the first has the door."""

    def __init__(
        self,
        block: nn.Module,
        criterion: Criterion,
        optimizer: OptimizerFactory,
        train: bool,
        width: int,
        door: nn.Linear | None,
    ) -> None:
        super().__init__(block, door or nn.Identity(), criterion, optimizer, train)
        self.door, self.width = door, width

    def judge(self, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs for inputs and targets, (n + k, ...), and the cross entropy of their similarities."""
        labels = class_labels(Y, self.width)
        output = enter(self.block, self.door, h) if self.door else self.block(h)
        return output, cross_entropy(similarities(output, class_count(self.width)), labels)


class SignalNet(DoorNet):
    """Answers by the nearest target."""

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return each hidden block's similarities (n, classes) of inputs and targets, in one forward pass."""
        found: list[Tensor] = []
        h = X
        for i, block in enumerate(list(self.model)[:-1]):
            h = enter(block, self.door, h) if i == 0 else block(h)
            found.append(similarities(h, self.door.in_features))
        return found

    def answers(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer: softmax of its similarities; the output block's scores."""
        x = self.like_weights(X)
        with torch.no_grad(), mode(False, self):
            return [*self.shares(self(x)), self.model(x).cpu().numpy()]
