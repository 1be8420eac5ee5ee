"""Feedback alignment: the error comes down through fixed random matrices, where back-propagation transposes weights.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy
>>> from helpers.datasets import datasets
>>> from helpers.networks import layered_net
>>> data = datasets["signed_xor"].train()
>>> model = layered_net([2, 32, 32, 1], activation=nn.Tanh, normalize=False, seed=0)
>>> for step in feedback_alignment(model, Rprop, binary_cross_entropy, 30, [(data.X, data.Y)], seed=0):
...     pass
>>> step.epoch, [angle < 90 for angle in step.angles], step.angles[-1]
(30, [True, True, True], 0.0)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.networks import seeded
from helpers.training.arguments import Checked, Criterion, OptimizerFactory, Passes, StepMode, check_options
from helpers.training.evaluation import Batches
from helpers.training.feedback_learner import FeedbackLearner
from helpers.training.layers import check_apart, probe
from helpers.training.loop import epoch_loop, rehearse
from helpers.training.signals import first_linear


class FeedbackStep(NamedTuple):
    """What an epoch of feedback alignment yields.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    loss : float
        Mean training loss before this epoch's update.
    angles : list of float
        For each block the angle in degrees, 0 to 180, between the gradient that it was given and the true one (of
        several updates in an epoch, the mean). NaN where one of the two is zero; empty with ``angles=False``.
    """

    epoch: int
    loss: float
    angles: list[float]


def feedback_alignment(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    direct: bool = False,
    angles: bool = True,
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[FeedbackStep]:
    """Train a net by errors that fixed random matrices send down.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; trained in place. Every block but the first has an ``nn.Linear`` (``direct``: only the last).
    optimizer, criterion, epochs, batches, step
        As in `backprop_optimize`.
    direct : bool
        False: block by block, e ← B_i δ_i, where back-propagation has e ← W_i' δ_i, with δ_i the error at the
        pre-activations of block i (the output of its first linear layer) and e the error at the output of the block
        below. True: from the output to every block at once, e_i = B_i δ_L.
    angles : bool
        Compute the angles: costs a true backward pass a batch.
    train_decoders
        As in the local rules; there is no decoder here.
    seed : int or None
        Seed of the matrices: normal, with the variance of torch's initial weights for such a layer.

    Yields
    ------
    FeedbackStep
        ``(epoch, loss, angles)``; the model has then been updated.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `backprop_optimize`; and ValueError for a block without the linear layer that is asked for.

    Notes
    -----
    Within a block the vJp is exact, whatever the activation and normalisation. An epoch takes one forward and one
    backward pass, and the activations of all layers are kept, as in back-propagation; with ``angles`` there is a second
    backward pass.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman (2016), "Random synaptic feedback weights support error backpropagation for deep
    learning". Nøkland (2016), "Direct feedback alignment provides learning in deep neural networks".
    """
    check_options(epochs, step, seed, train_decoders)
    checked = Checked("criterion", criterion)
    for name, flag in (("direct", direct), ("angles", angles)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name} must be True or False, got {flag!r}")
    passes = Passes(batches, epochs)
    outputs = probe(model, passes.first[0])
    check_apart(model)
    matrices = feedback_matrices(model, outputs, direct, seed)
    learner = FeedbackLearner(model, checked, optimizer, matrices, direct, angles)
    rehearse([learner], *passes.first)
    steps = epoch_loop(model, [learner], passes, epochs, step)
    return (FeedbackStep(epoch, losses[0], learner.mean_angles()) for epoch, losses in steps)


def feedback_matrices(model: nn.Sequential, outputs: Sequence[Tensor], direct: bool, seed: int | None) -> list[Tensor]:
    """Draw, for each hidden block, the matrix that brings its error.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks.
    outputs : sequence of Tensor
        The output of each block to one sample, (1, ...), as `probe` gives them.
    direct : bool
        False: matrix i has the shape of the weights of block i + 1, (out, in). True: (units of the output block's
        linear layer, numbers in the output of block i).
    seed : int or None
        Seed of the matrices.
    """
    layers = [first_linear(block) for block in model]
    for i, layer in enumerate(layers):
        if layer is None and (i == len(layers) - 1 or (i and not direct)):
            raise ValueError(f"model: block {i} has no nn.Linear, at which feedback takes the error; give it one")
    shapes = []
    for i, h in enumerate(outputs[:-1]):
        layer = layers[-1 if direct else i + 1]
        assert layer is not None  # seen above
        shapes.append((layer.out_features, h[0].numel() if direct else layer.in_features))
    with seeded(seed):
        # normal, not uniform: from the seed of the weights, uniform numbers would be the weights' own, in another order
        return [torch.randn(m, n).to(outputs[-1]) / math.sqrt(3 * n) for m, n in shapes]
