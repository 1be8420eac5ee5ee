"""Labels that go forward and teach each layer on their way, with no gradient between blocks.

- `forward_forward`: true and wrong labels go forward with the input; each block learns to tell them apart.
- `signal_propagation`: the target goes forward as the input does; each block learns to make them meet.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy
>>> from helpers.datasets import datasets
>>> from helpers.networks import mertens_net
>>> data = datasets["signed_xor"].train()
>>> for rule in (forward_forward, signal_propagation):
...     for step in rule(mertens_net(seed=0), Rprop, binary_cross_entropy, 20, [(data.X, data.Y)], seed=0):
...         pass
...     print(step.epoch, len(step.predict(data.X)))
20 4
20 4
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot, softplus

from helpers.networks import Normalize, seeded
from helpers.training.arguments import Checked, Criterion, OptimizerFactory, Options, Passes, at_least
from helpers.training.layers import Batches, Scores, probe
from helpers.training.local import Blockwise
from helpers.training.rules import Training, start

# Class labels


def class_count(width: int) -> int:
    """Return how many classes a net with so many outputs tells apart: two, where it has one output."""
    return 2 if width == 1 else width


def class_labels(Y: Tensor, width: int) -> Tensor:
    """Return the class of each sample, (n,) whole numbers from 0.

    Targets are 0 or 1, (n, 1); one-hot, (n, width); or the classes themselves, whole numbers (n,). Others are a
    ValueError, as is a class that a net of that width has no output for.

    >>> class_labels(torch.tensor([[1.0], [0.0]]), 1), class_labels(torch.tensor([[0.0, 0.0, 1.0]]), 3)
    (tensor([1, 0]), tensor([2]))
    """
    most = class_count(width) - 1
    if not Y.is_floating_point() and Y.dim() == 1:
        labels = Y.long()
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) <= most:
            raise ValueError(
                f"targets must be classes from 0 to {most}, got {int(labels.min())} to {int(labels.max())}"
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


def open_door(model: nn.Sequential, width: int, seed: int | None) -> nn.Linear:
    """Make the door through which a label enters a net: a map from its code to the first layer's pre-activations.

    It leads from (n, classes) to (n, units of the first layer), without bias; the model, with so many outputs
    (``width``), is not changed. To add what it gives is the same as to append the code to the input: (W E) (x; c) = W x
    + E c.
    """
    first: Any = model[0]
    layer = first[0]
    if not isinstance(layer, nn.Linear):
        raise ValueError(
            f"model: block 0 begins with {type(layer).__name__}; a label enters at an nn.Linear, put one first"
        )
    kind: Any = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    with seeded(seed):
        return nn.Linear(class_count(width), layer.out_features, bias=False, **kind)


# Labels that go forward


class Labelled(Blockwise):
    """Hidden blocks learn from labels that enter by a door of the first; the output block learns by ``criterion``."""

    def __init__(self, model: nn.Sequential, optimizer: OptimizerFactory, criterion: Criterion, passes: Passes) -> None:
        width, checked = probe(model, passes.X)[-1][0].numel(), Checked("criterion", criterion)
        class_labels(passes.Y, width)  # an error at the call, if they are none
        door, hidden = open_door(model, width, passes.seed), len(model) - 1
        ends = [door if i == 0 < hidden else nn.Identity() for i in range(len(model))]
        super().__init__(model, optimizer, ends, passes.train_decoders)
        self.criterion, self.door, self.width, self.classes = checked, door, width, class_count(width)

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return what goes on to the next block, the net's own stream first, and the loss of this block."""
        if i + 1 < len(self.model):
            return self.judge_hidden(i, h, class_labels(Y, self.width))
        output = self.model[i](h[: len(Y)])
        return output, self.criterion(output, Y)

    def judge_hidden(self, i: int, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return output and loss of a hidden block."""
        raise NotImplementedError

    def enter(self, labels: Tensor, X: Tensor) -> Tensor:
        """Return what labels (m,) add to the pre-activations of the first layer."""
        entered: Tensor = self.door(codes(labels, self.classes, like=X))
        return entered

    def shares(self, scores: Tensor) -> Tensor:
        """Return softmax over labels of (n, classes); (n, 1), of class 1, where the net has one output."""
        return scores.softmax(1)[:, self.width == 1 :]


def goodness(activity: Tensor) -> Tensor:
    """Return the mean square of each row, (n, ...) -> (n,)."""
    return activity.flatten(1).square().mean(1)


def unit(activity: Tensor) -> Tensor:
    """Scale each row (n, ...) to length 1."""
    return normalize(activity.flatten(1), dim=1).view_as(activity)


def wrong_labels(labels: Tensor, classes: int, generator: torch.Generator | None) -> Tensor:
    """Draw for each label another one, uniformly: the true one moved on by 1 to classes - 1, and round."""
    moved = torch.randint(1, classes, labels.shape, generator=generator).to(labels.device)
    return (labels + moved) % classes


def cut_scaling(block: nn.Module) -> tuple[list[Any], list[nn.Module]]:
    """Cut the layers of a block before the `Normalize` that ends it, if one does."""
    layers = list(block.children())
    end = len(layers) - isinstance(layers[-1], Normalize)
    return layers[:end], layers[end:]


class ForwardForward(Labelled):
    """A block learns to be active where the label is right, and quiet where it is wrong."""

    def __init__(self, *arguments: Any, threshold: float, seed: int | None) -> None:
        super().__init__(*arguments)
        if len(self.model) == 1:
            raise ValueError("model has no hidden block, and Forward-Forward trains no other by goodness; add one")
        self.threshold = threshold
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.goodness = [(0.0, 0.0)] * (len(self.model) - 1)

    def judge_hidden(self, i: int, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the three streams, (3n, ...): no label, true, wrong; and the loss of the last two."""
        n, (layers, scaling) = len(labels), cut_scaling(self.model[i])
        if i == 0:  # where the labels enter; the linear map of X is computed once
            from_X = layers.pop(0)(h)
            entering = self.enter(torch.cat([labels, wrong_labels(labels, self.classes, self.generator)]), h)
            h = torch.cat([from_X, from_X.repeat(2, 1) + entering])
        activity = nn.Sequential(*layers)(h)
        true, wrong = goodness(activity[n:]).split(n)
        loss = (softplus(self.threshold - true).mean() + softplus(wrong - self.threshold).mean()) / 2
        self.goodness[i] = (float(true.detach().mean()), float(wrong.detach().mean()))
        return torch.cat([nn.Sequential(*scaling)(activity[:n]), unit(activity[n:])]), loss

    def label_goodness(self, X: Tensor) -> list[Tensor]:
        """Return the goodness (n, classes) of each hidden block for each label, and last that of all hidden units."""
        n, labels = len(X), torch.arange(self.classes, device=X.device).repeat_interleave(len(X))
        squares, found, units = X.new_zeros(self.classes * n), list[Tensor](), 0
        h = X
        for i, block in enumerate(list(self.model)[:-1]):
            layers, _ = cut_scaling(block)
            if i == 0:
                h = layers.pop(0)(X.clone()).repeat(self.classes, 1) + self.enter(labels, X)
            activity: Tensor = nn.Sequential(*layers)(h)
            found.append(goodness(activity))
            squares, units = squares + found[-1] * activity[0].numel(), units + activity[0].numel()
            h = unit(activity)
        return [g.view(self.classes, n).T for g in (*found, squares / units)]

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return answers by goodness, each label tried: of each hidden block, and last of all hidden units."""
        return [self.shares(g) for g in self.label_goodness(X)]


class ForwardForwardStep(NamedTuple):
    """What an epoch of Forward-Forward yields.

    Attributes
    ----------
    epoch, loss
        Number of the epoch, from 1, and ``criterion`` of the output block before its update.
    losses : list of float
        The loss of each hidden block, in goodness, before its update.
    goodness : list of (float, float)
        Mean goodness of each hidden block for true and for wrong labels, before its update (of the last batch).
    net : ForwardForward
        The rule: the net with its label's door, live.
    """

    epoch: int
    loss: float
    losses: list[float]
    goodness: list[tuple[float, float]]
    net: ForwardForward

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return answers (n, k) to X (n, d) by goodness: of each hidden block, and last of all hidden units."""
        return self.net.predict(X)


def forward_forward(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    threshold: float = 2.0,
    **options: Unpack[Options],
) -> Training[ForwardForwardStep]:
    """Train hidden blocks by goodness, and the output block on what they make of an input without a label.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; trained in place. The first begins with an ``nn.Linear``: there the label enters, through a map
        that the rule owns (`open_door`), as if it were appended to the input. The model itself keeps its input.
    optimizer, epochs, **options
        As in `locally_optimize_parallel`; the door is the decoder of the first block. The seed draws wrong labels too.
    criterion : callable
        ``(scores, targets) -> mean loss`` of the output block.
    batches : iterable of (X, Y)
        X (n, d); Y class labels: 0 or 1 (n, 1), one-hot (n, k), or whole numbers (n,).
    threshold : float
        Goodness, as a mean square, that tells true from wrong; more than 0.

    Yields
    ------
    ForwardForwardStep
        ``(epoch, loss, losses, goodness, net)``. Ask ``step.predict``, which tries each label, in k forward passes. The
        model by itself, fed with X alone, answers from features that were never trained without a label: often much
        worse.

    Notes ----- With g the goodness and θ the threshold, a block's loss is the mean of softplus(θ - g) over true labels
    and of softplus(g - θ) over wrong ones, drawn anew each time from the other classes. Between blocks, rows are scaled
    to length 1, so that the next block cannot read the goodness off: by the ``Normalize`` that ends a block, or by the
    rule. After Hinton (2022), "The Forward-Forward algorithm: some preliminary investigations". There the label
    replaces pixels, the goodness is the sum of squares, and the first layer is left out of the answer.
    """
    at_least("threshold", threshold, 0, open_end=True)
    passes = Passes(epochs, batches, **options)
    rule = ForwardForward(model, optimizer, criterion, passes, threshold=threshold, seed=passes.seed)
    return start(rule, passes, lambda s: ForwardForwardStep(s.epoch, s.loss, s.losses[:-1], list(rule.goodness), rule))


class SignalPropagation(Labelled):
    """A block learns to give inputs and their targets one direction."""

    def outputs(self, i: int, h: Tensor) -> Tensor:
        """Return a hidden block's output, (n + k, ...): for n inputs, then for the k targets."""
        if i:
            output: Tensor = self.model[i](h)
            return output
        linear, *rest = self.model[0].children()
        targets = self.enter(torch.arange(self.classes, device=h.device), h)
        output = nn.Sequential(*rest)(torch.cat([linear(h), targets]))
        return output

    def similarities(self, output: Tensor) -> Tensor:
        """Return h·t_c, (n, k), of a block's output for n inputs and, behind them, k targets."""
        rows = output.flatten(1)
        return rows[: -self.classes] @ rows[-self.classes :].T

    def judge_hidden(self, i: int, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs for inputs and targets, and the cross entropy of their similarities."""
        output = self.outputs(i, h)
        return output, cross_entropy(self.similarities(output), labels)

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return answers: of hidden blocks softmax of the similarities, of the output block its scores."""
        found, h = list[Tensor](), X
        for i in range(len(self.model) - 1):
            h = self.outputs(i, h.clone())
            found.append(self.shares(self.similarities(h)))
        return [*found, self.model(X.clone())]


class SignalStep(NamedTuple):
    """What an epoch of signal propagation yields; the losses are those of the output and of the hidden blocks."""

    epoch: int
    loss: float
    losses: list[float]
    net: SignalPropagation

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer to X (n, d): hidden blocks by the nearest target, the last's own."""
        return self.net.predict(X)


def signal_propagation(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    **options: Unpack[Options],
) -> Training[SignalStep]:
    """Train hidden blocks to bring inputs and their targets together, both passed forward; the output block on top.

    Arguments are as in `forward_forward`; here the door projects the targets beside the first layer, into the same
    space. Yields `SignalStep`.

    With h the block's output for an input and t_c its output for the target of class c, the block's loss is the cross
    entropy of the scores h·t_c: h is drawn to its own target and away from the others. The targets of all classes are k
    more rows of a batch. After Kohan, Rietman & Siegelmann (2023), "Signal propagation: the framework for learning and
    inference in a forward pass"; there, a batch's own targets stand for the classes.
    """
    passes = Passes(epochs, batches, **options)
    rule = SignalPropagation(model, optimizer, criterion, passes)
    return start(rule, passes, lambda step: SignalStep(step.epoch, step.loss, step.losses[:-1], rule))
