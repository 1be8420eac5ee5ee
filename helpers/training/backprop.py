"""Back-propagation: one learner, the whole net.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy
>>> from helpers.datasets import datasets
>>> from helpers.networks import mertens_net
>>> data = datasets["signed_xor"].train()
>>> for epoch, loss in backprop_optimize(mertens_net(seed=0), Rprop, binary_cross_entropy, 2, [(data.X, data.Y)]):
...     print(epoch, round(loss, 2))
1 0.69
2 0.69
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from helpers.training.arguments import Checked, Criterion, OptimizerFactory, Passes, StepMode, check_options
from helpers.training.evaluation import Batches
from helpers.training.layers import probe
from helpers.training.loop import Learner, epoch_loop, rehearse


class BackpropStep(NamedTuple):
    """What an epoch of back-propagation yields: its number, from 1, and the mean training loss before its update."""

    epoch: int
    loss: float


def backprop_optimize(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[BackpropStep]:
    """Train a net by back-propagation, an epoch a step of this generator.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks, as for the local rules; trained in place.
    optimizer : callable
        Makes an optimiser from parameters: a class, or ``functools.partial(Adam, lr=1e-2)``.
    criterion : callable
        ``(scores, targets) -> mean loss``.
    epochs : int
        Number of passes over the batches, 1 or more.
    batches : iterable of (X, Y)
        X (n, ...) and Y (n, k), the shape of the scores; or class indices (n,), as in the local rules. A
        ``DataLoader``, or any iterable that can be run through again.
    train_decoders, seed
        As in the local rules; back-propagation has no decoder and draws nothing.
    step : {"epoch", "batch"}
        Add up the loss over the batches and take one step, or take a step each batch.

    Yields
    ------
    BackpropStep
        ``(epoch, loss)``; the model has then been updated. With ``step="batch"`` each batch's loss is that before its
        own step.

    Raises
    ------
    TypeError, ValueError
        At the call, as in the local rules; but blocks may share parameters.
    TrainingError
        At a batch: targets that the loss cannot take, a loss or an update that is not finite. The last finite
        parameters are back in the model.

    Notes
    -----
    An epoch takes one forward and one backward pass over L layers. All L activations are kept until the backward pass.
    """
    check_options(epochs, step, seed, train_decoders)
    checked = Checked("criterion", criterion)
    passes = Passes(batches, epochs)
    probe(model, passes.first[0])
    learner = Learner(model, nn.Identity(), checked, optimizer, train_decoders)
    rehearse([learner], *passes.first)
    steps = epoch_loop(model, [learner], passes, epochs, step)
    return (BackpropStep(epoch, losses[0]) for epoch, losses in steps)
