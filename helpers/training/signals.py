"""What else can teach a layer than a linear read-out: a small net of its own, or labels that go forward.

- `local_losses`: each block learns from heads of its own, by prediction, by similarity, or by both.
- `forward_forward`: true and wrong labels go forward with the input; each block learns to tell them apart.
- `signal_propagation`: the target goes forward as the input does; each block learns to make them meet.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot, softplus

from helpers.networks import Normalize, seeded
from helpers.options import OneOf
from helpers.training.arguments import Criterion, Factory, Options, Passes, checked
from helpers.training.layers import Batches, first_layers, kind, make_encoders, probe
from helpers.training.local import Blockwise, ParallelStep
from helpers.training.rules import Step, Training, start

Signal = Literal["pred", "sim", "predsim"]
WEIGHT_OF_SIMILARITY = {"pred": 0.0, "sim": 1.0, "predsim": 0.99}  # 0.99 as in the paper; prediction has the rest
HEAD = 32  # hidden units (tanh) of a head; the paper's heads for fully connected layers are linear
THRESHOLD = 2.0  # goodness that tells true from wrong


def class_labels(Y: Tensor, width: int) -> Tensor:
    """Return the class of each sample, (n,), of targets 0 or 1, (n, 1), or one-hot, (n, width); refuse others."""
    if Y.shape[1:] != (width,) or not ((Y == 0) | (Y == 1)).all() or (width > 1 and not (Y.sum(1) == 1).all()):
        form = "0 or 1, (n, 1)" if width == 1 else f"one-hot, (n, {width}), a single 1 in each row"
        raise ValueError(f"targets must be class labels, {form}: this rule has no use for other numbers")
    return Y[:, 0].long() if width == 1 else Y.argmax(1)


def codes(labels: Tensor, classes: int, like: Tensor | None = None) -> Tensor:
    """Return what stands for a label, (n, classes): one-hot less its mean, so that zero stands for "no label"."""
    return one_hot(labels, classes).to(torch.empty(0) if like is None else like) - 1 / classes


# Heads


class LocalLosses(Blockwise):
    """Each block learns from a prediction head and a similarity head, which move with it."""

    def __init__(
        self, model: nn.Sequential, optimizer: Factory, criterion: Criterion, passes: Passes, signal: Signal
    ) -> None:
        self.criterion, self.weight = checked("criterion", criterion), WEIGHT_OF_SIMILARITY[signal]
        *hidden, output = probe(model, passes.X)
        self.width, ends = output.shape[1], list[nn.Module]()
        with seeded(passes.seed):
            for h in hidden:
                reader, similar = make_head(h, self.width, *ending(model[-1])), make_head(h, HEAD)
                ends.append(nn.ModuleList([reader, similar] if self.weight else [reader]))
        ends.append(nn.ModuleList([nn.Identity()]))
        self.both = make_encoders(model), [readers[0] for readers in ends]  # type: ignore[index]
        super().__init__(model, optimizer, ends, passes.train_decoders)

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's output and the weighted sum of the losses of its heads."""
        ends: Any = self.ends[i]
        (reader, *others), output = ends, self.model[i](h)
        only_reads = bool(others) and self.weight == 1
        loss = self.criterion(reader(output.detach() if only_reads else output), Y)
        for similar in others:
            targets = codes(class_labels(Y, self.width), max(2, self.width), like=output)
            loss = loss * (1.0 if only_reads else 1 - self.weight)
            loss = loss + self.weight * similarity_loss(similar(output), targets)
        return output, loss


def make_head(h: Tensor, width: int, *ending: nn.Module) -> nn.Sequential:
    """Make a head that reads a block's output, like h (n, ...)."""
    layers = nn.Linear(h[0].numel(), HEAD), nn.Tanh(), nn.Linear(HEAD, width)
    return nn.Sequential(nn.Flatten(), *layers, *ending).to(h)


def local_losses(
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches, *,
    signal: Signal = "predsim", **options: Unpack[Options],
) -> Training[ParallelStep]:  # fmt: skip
    """Train all blocks at once, each by a local loss through heads that learn with it: the decoders that it yields.

    Parameters
    ----------
    model, optimizer, epochs, batches, **options
        As in `locally_optimize_parallel`; the decoders are the heads, each with 32 hidden units.
    criterion : callable
        ``(scores, targets) -> mean loss``, of the output block and of every prediction head: a head ends as the output
        block does (in a sigmoid, say), so each layer learns as if it were the last.
    signal : {"predsim", "pred", "sim"}
        ``"pred"``: ``criterion`` of a prediction head. ``"sim"``: `similarity_loss` of a similarity head; the
        prediction head then only reads. ``"predsim"``: 0.01 of the first plus 0.99 of the second. With similarity,
        targets must be class labels.

    Notes
    -----
    After Nøkland & Eidnes (2019), "Training neural networks with local error signals"; there, heads of fully connected
    layers are linear. Yields `ParallelStep`.
    """
    passes = Passes(epochs, batches, **options)
    OneOf(WEIGHT_OF_SIMILARITY).check("signal", signal)
    return start(LocalLosses(model, optimizer, criterion, passes, signal), passes)


def similarity_loss(features: Tensor, targets: Tensor) -> Tensor:
    """Compare who resembles whom: mean squared difference of two cosine-similarity matrices.

    For features (n, d) and targets (n, k), each row taken less its mean, ‖S(features) - S(targets)‖² / n² in Frobenius'
    norm. The two matrices S (n, n) are never made: with unit rows F and T, ‖FF' - TT'‖² = ‖F'F‖² - 2‖F'T‖² + ‖T'T‖²,
    O(n d²) time.
    """
    F, T = (normalize(rows - rows.mean(1, keepdim=True)) for rows in (features.flatten(1), targets))
    differ = (F.T @ F).square().sum() - 2 * (F.T @ T).square().sum() + (T.T @ T).square().sum()
    return differ / len(F) ** 2


def ending(block: nn.Module) -> nn.Sequential:
    """Return a copy of what follows the last layer with parameters in the output block: its activation, if any."""
    parts = list(block.children())
    last = max((i for i, part in enumerate(parts) if [*part.parameters()]), default=-1)
    return copy.deepcopy(nn.Sequential(*parts[last + 1 :]))


# Labels that go forward


def open_door(model: nn.Sequential, width: int, seed: int | None) -> nn.Linear:
    """Make the door through which a label enters a net: a map from its code to the first layer's pre-activations.

    It leads from (n, classes) to (n, units), without bias; the model, of ``width`` outputs, is not changed. To add what
    it gives is the same as to append the code to the input: (W E) (x; c) = W x + E c.
    """
    (layer,) = first_layers(model, stop=1)
    with seeded(seed):
        return nn.Linear(max(2, width), layer.out_features, bias=False, **kind(layer.weight))


class Labelled(Blockwise):
    """Hidden blocks learn by `judge_hidden` from labels that enter by a door, the output by a criterion."""

    def __init__(self, model: nn.Sequential, optimizer: Factory, criterion: Criterion, passes: Passes) -> None:
        self.criterion, self.width = checked("criterion", criterion), probe(model, passes.X)[-1].shape[1]
        self.classes, door = max(2, self.width), open_door(model, self.width, passes.seed)
        ends = [door if i == 0 < len(model) - 1 else nn.Identity() for i in range(len(model))]
        super().__init__(model, optimizer, ends, passes.train_decoders)

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        if i + 1 < len(self.model):
            return self.judge_hidden(i, h, Y)
        output = self.model[i](h[: len(Y)])  # the net's own stream comes first
        return output, self.criterion(output, Y)

    def judge_hidden(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return what goes on to the next block, and the loss of hidden block i."""
        raise NotImplementedError

    def report(self, step: Step) -> Step:
        return step

    def enter(self, labels: Tensor, X: Tensor) -> Tensor:
        """Return what labels (m,) add to the pre-activations of the first layer."""
        entered: Tensor = self.ends[0](codes(labels, self.classes, like=X))
        return entered

    def shares(self, scores: Tensor) -> Tensor:
        """Return softmax over labels of (n, classes); (n, 1), of class 1, where the net has one output."""
        return scores.softmax(1)[:, self.width == 1 :]


def goodness(activity: Tensor) -> Tensor:
    """Return the mean square of each row, (n, units) -> (n,)."""
    return activity.square().mean(1)


def cut_scaling(block: nn.Module) -> tuple[list[Any], list[nn.Module]]:
    """Cut the layers of a block before the `Normalize` that ends it, if one does."""
    layers = list(block.children())
    end = len(layers) - isinstance(layers[-1], Normalize)
    return layers[:end], layers[end:]


class ForwardForward(Labelled):
    """A block learns to be active where the label is right, and quiet where it is wrong.

    ``goodness`` holds for each hidden block its means for true and for wrong labels, of the last batch.
    """

    def __init__(self, model: nn.Sequential, optimizer: Factory, criterion: Criterion, passes: Passes) -> None:
        super().__init__(model, optimizer, criterion, passes)
        if len(model) == 1:
            raise ValueError("model has no hidden block, and Forward-Forward trains no other by goodness; add one")
        self.seed = passes.seed
        self.generator: Any = None  # until the first epoch begins, for a rehearsal draws no number of the training's
        self.goodness = [(0.0, 0.0)] * (len(model) - 1)

    def begin(self, epoch: int) -> None:
        if epoch == 1 and self.seed is not None:
            self.generator = torch.Generator().manual_seed(self.seed)

    def wrong(self, labels: Tensor) -> Tensor:
        """Draw for each label another one, uniformly: the true one moved on by 1 to classes - 1, and round."""
        moved = torch.randint(1, self.classes, labels.shape, generator=self.generator).to(labels.device)
        return (labels + moved) % self.classes

    def judge_hidden(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the three streams, (3n, ...): no label, true, wrong; and the loss of the last two."""
        n, (layers, scaling), labels = len(Y), cut_scaling(self.model[i]), class_labels(Y, self.width)
        if i == 0:  # where the labels enter; the linear map of X is computed once
            from_X = layers.pop(0)(h)
            h = torch.cat([from_X, from_X.repeat(2, 1) + self.enter(torch.cat([labels, self.wrong(labels)]), h)])
        activity = nn.Sequential(*layers)(h)
        true, wrong = goodness(activity[n:]).split(n)
        loss = (softplus(THRESHOLD - true).mean() + softplus(wrong - THRESHOLD).mean()) / 2
        self.goodness[i] = (float(true.detach().mean()), float(wrong.detach().mean()))
        return torch.cat([nn.Sequential(*scaling)(activity[:n]), normalize(activity[n:])]), loss

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return answers by goodness, each label tried: of each hidden block, and last of all hidden units."""
        n, labels = len(X), torch.arange(self.classes, device=X.device).repeat_interleave(len(X))
        h, squares, found, units = X, X.new_zeros(self.classes * n), list[Tensor](), 0
        for i, block in enumerate(list(self.model)[:-1]):
            layers, _ = cut_scaling(block)
            if i == 0:
                h = layers.pop(0)(X.clone()).repeat(self.classes, 1) + self.enter(labels, X)
            activity: Tensor = nn.Sequential(*layers)(h)
            found.append(goodness(activity))
            squares, units = squares + found[-1] * activity.shape[1], units + activity.shape[1]
            h = normalize(activity)
        return [self.shares(g.view(self.classes, n).T) for g in (*found, squares / units)]


def forward_forward(
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches,
    **options: Unpack[Options],
) -> Training[Step]:  # fmt: skip
    """Train hidden blocks by goodness, and the output block on what they make of an input without a label.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; the first begins with an ``nn.Linear``: there the label enters, through a map that the rule owns
        (`open_door`), as if it were appended to the input. The model itself keeps its input.
    optimizer, criterion, epochs, batches, **options
        As in `locally_optimize_parallel`; Y are class labels: 0 or 1 (n, 1), or one-hot (n, k). The door is the decoder
        of the first block. The seed draws wrong labels too.

    Yields
    ------
    Step
        ``losses`` are those of the hidden blocks, in goodness, and last the criterion of the output block. Ask
        ``step.predict``, which tries each label: the model by itself, fed with X alone, answers from features that were
        never trained without a label.

    Notes
    -----
    With g the goodness, a mean square, and θ = 2, a block's loss is the mean of softplus(θ - g) over true labels and of
    softplus(g - θ) over wrong ones, drawn anew each time. Between blocks, rows are scaled to length 1, so that the next
    block cannot read the goodness off. After Hinton (2022), "The Forward-Forward algorithm: some preliminary
    investigations"; there the label replaces pixels, and the goodness is the sum of squares.
    """
    passes = Passes(epochs, batches, **options)
    return start(ForwardForward(model, optimizer, criterion, passes), passes)


class SignalPropagation(Labelled):
    """A block learns to give inputs and their targets one direction."""

    def outputs(self, i: int, h: Tensor) -> Tensor:
        """Return a hidden block's output, (n + k, ...): for n inputs, then for the k targets."""
        linear, *rest = self.model[i].children()
        if i == 0:
            h = torch.cat([linear(h), self.enter(torch.arange(self.classes, device=h.device), h)])
        output: Tensor = nn.Sequential(*rest)(h) if i == 0 else self.model[i](h)
        return output

    def similarities(self, output: Tensor) -> Tensor:
        """Return h·t_c, (n, k), of a block's output for n inputs and, behind them, k targets."""
        return output[: -self.classes] @ output[-self.classes :].T

    def judge_hidden(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs for inputs and targets, and the cross entropy of their similarities."""
        output = self.outputs(i, h)
        return output, cross_entropy(self.similarities(output), class_labels(Y, self.width))

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return answers: of hidden blocks softmax of the similarities, of the output block its scores."""
        found, h = list[Tensor](), X
        for i in range(len(self.model) - 1):
            h = self.outputs(i, h.clone())
            found.append(self.shares(self.similarities(h)))
        return [*found, self.model(X.clone())]


def signal_propagation(
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches,
    **options: Unpack[Options],
) -> Training[Step]:  # fmt: skip
    """Train hidden blocks to bring inputs and their targets together, both passed forward; the output block on top.

    Arguments are as in `forward_forward`; here the door projects the targets beside the first layer. Yields `Step`,
    whose ``predict`` answers hidden blocks by the nearest target. With h the block's output for an input and t_c that
    for the target of class c, the block's loss is the cross entropy of the scores h·t_c. After Kohan, Rietman &
    Siegelmann (2023), "Signal propagation: the framework for learning and inference in a forward pass".
    """
    passes = Passes(epochs, batches, **options)
    return start(SignalPropagation(model, optimizer, criterion, passes), passes)
