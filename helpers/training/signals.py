"""What else can teach a layer than a linear read-out: a small net of its own, or labels that go forward.

- `local_losses`: each block learns from heads of its own, by prediction, by similarity, or by both.
- `forward_forward`: true and wrong labels go forward with the input; each block learns to tell them apart.
- `signal_propagation`: the target goes forward as the input does; each block learns to make them meet.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Unpack

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, softplus

from helpers.networks import Normalize, seeded
from helpers.options import OneOf, Real, Whole
from helpers.training.arguments import Checked, Criterion, Factory, Options, Passes, class_count, class_labels, codes
from helpers.training.layers import Batches, Scores, kind, layer_outputs, make_encoders, probe
from helpers.training.local import Blockwise, ParallelStep
from helpers.training.rules import Step, Training, start

Signal = Literal["pred", "sim", "predsim"]
WEIGHT_OF_SIMILARITY = {"pred": 0.0, "sim": 1.0, "predsim": 0.99}  # 0.99 as in the paper; prediction has the rest


class Signals(Blockwise):
    """Hidden blocks learn by `judge_hidden`, with ends of their own; the output block by ``criterion``."""

    def __init__(self, model: nn.Sequential, optimizer: Factory, criterion: Criterion, passes: Passes) -> None:
        outputs = probe(model, passes.X)
        self.width, self.criterion = outputs[-1][0].numel(), Checked("criterion", criterion)
        self.classes = class_count(self.width)
        super().__init__(model, optimizer, self.make_ends(model, outputs, passes), passes.train_decoders)

    def make_ends(self, model: nn.Sequential, outputs: list[Tensor], passes: Passes) -> Iterable[nn.Module]:
        """Make what each block has beside its layers, from the blocks' outputs (1, ...) for one sample."""
        raise NotImplementedError

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        if i + 1 < len(self.model):
            return self.judge_hidden(i, h, Y)
        output = self.model[i](h[: len(Y)])  # the net's own stream comes first
        return output, self.criterion(output, Y)

    def judge_hidden(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return what goes on to the next block, and the loss of hidden block i."""
        raise NotImplementedError


# Heads


class LocalLosses(Signals):
    """Each block learns from a prediction head and a similarity head, which move with it."""

    def __init__(self, *arguments: Any, signal: Signal, head: int) -> None:
        self.weight, self.head = WEIGHT_OF_SIMILARITY[signal], head
        super().__init__(*arguments)
        self.encoders = make_encoders(self.model)
        self.decoders: list[Any] = [*(heads[0] for heads in self.ends[:-1]), self.ends[-1]]  # type: ignore

    def make_ends(self, model: nn.Sequential, outputs: list[Tensor], passes: Passes) -> Iterable[nn.Module]:
        if self.weight:
            class_labels(passes.Y, self.width)  # an error at the call, if they are none
        ends = list[nn.Module]()
        with seeded(passes.seed):
            for h in outputs[:-1]:
                reader = self._make_head(h, self.width, ending(model[-1]))
                similar = self._make_head(h, max(2, self.head or h[0].numel()))  # one number, less its mean, is zero
                ends.append(nn.ModuleList([reader, similar] if self.weight else [reader]))
        return [*ends, nn.Identity()]

    def _make_head(self, h: Tensor, width: int, *ending: nn.Module) -> nn.Sequential:
        units, hidden = h[0].numel(), self.head
        between = [nn.Linear(units, hidden), nn.Tanh()] if hidden else []
        return nn.Sequential(nn.Flatten(), *between, nn.Linear(hidden or units, width), *ending).to(h)

    def judge_hidden(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's output and the weighted sum of the losses of its heads."""
        output, only_reads = self.model[i](h), self.weight == 1
        loss = self.criterion(self.decoders[i](output.detach() if only_reads else output), Y)
        loss = loss * (1.0 if only_reads else 1 - self.weight)
        if self.weight:
            targets = codes(class_labels(Y, self.width), self.classes, like=output)
            similar: Any = self.ends[i][1]  # type: ignore[index]
            loss = loss + self.weight * similarity_loss(similar(output), targets)
        return output, loss

    def forward(self, X: Tensor) -> list[Tensor]:
        return [decoder(h) for decoder, h in zip(self.decoders, layer_outputs(self.model, X))]

    def report(self, step: Step) -> ParallelStep:
        return ParallelStep(step.epoch, step.loss, self.encoders, self.decoders)


def local_losses(
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches, *,
    signal: Signal = "predsim", head: int = 32, **options: Unpack[Options],
) -> Training[ParallelStep]:  # fmt: skip
    """Train all blocks at once, each by a local loss through heads that learn with it: the decoders that it yields.

    Parameters
    ----------
    model, optimizer, epochs, batches, **options
        As in `locally_optimize_parallel`; the decoders are the heads.
    criterion : callable
        ``(scores, targets) -> mean loss``, of the output block and of every prediction head: a head ends as the output
        block does (in a sigmoid, say), so each layer learns as if it were the last.
    signal : {"predsim", "pred", "sim"}
        ``"pred"``: ``criterion`` of a prediction head. ``"sim"``: `similarity_loss` of a similarity head; the
        prediction head then learns to read the layer, and teaches it nothing. ``"predsim"``: 0.01 of the first plus
        0.99 of the second. With similarity, targets must be class labels.
    head : int
        Hidden units (tanh) of a head; 0 makes heads linear, as the paper's are for fully connected layers.

    Notes
    -----
    After Nøkland & Eidnes (2019), "Training neural networks with local error signals"; here an output of any shape is
    flattened. Yields `ParallelStep`.
    """
    passes = Passes(epochs, batches, **options)
    signal, head = OneOf(WEIGHT_OF_SIMILARITY).check("signal", signal), Whole(0).check("head", head)
    return start(LocalLosses(model, optimizer, criterion, passes, signal=signal, head=head), passes)


def similarity_loss(features: Tensor, targets: Tensor) -> Tensor:
    """Compare who resembles whom: mean squared difference of two cosine-similarity matrices.

    For features (n, d) and targets (n, k), each row taken less its mean, ‖S(features) - S(targets)‖² / n² in Frobenius'
    norm, with S of shape (n, n). The two matrices are never made: with unit rows F and T, S(F) = FF' and ‖FF' - TT'‖² =
    ‖F'F‖² - 2‖F'T‖² + ‖T'T‖², O(n d²) time and O(d²) memory, where the matrices take O(n² d) and O(n²).
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
    first: Any = model[0]
    if not isinstance(layer := first[0], nn.Linear):
        begins = f"begins with {type(layer).__name__}"
        raise ValueError(f"model: block 0 {begins}; a label enters at an nn.Linear, put one first")
    with seeded(seed):
        return nn.Linear(class_count(width), layer.out_features, bias=False, **kind(layer.weight))


class Labelled(Signals):
    """Hidden blocks learn from labels that enter by a door of the first."""

    def make_ends(self, model: nn.Sequential, outputs: list[Tensor], passes: Passes) -> Iterable[nn.Module]:
        class_labels(passes.Y, self.width)  # an error at the call, if they are none
        door = open_door(model, self.width, passes.seed)
        return [door if i == 0 < len(model) - 1 else nn.Identity() for i in range(len(model))]

    def enter(self, labels: Tensor, X: Tensor) -> Tensor:
        """Return what labels (m,) add to the pre-activations of the first layer."""
        entered: Tensor = self.ends[0](codes(labels, self.classes, like=X))
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
        loss = (softplus(self.threshold - true).mean() + softplus(wrong - self.threshold).mean()) / 2
        self.goodness[i] = (float(true.detach().mean()), float(wrong.detach().mean()))
        return torch.cat([nn.Sequential(*scaling)(activity[:n]), unit(activity[n:])]), loss

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return answers by goodness, each label tried: of each hidden block, and last of all hidden units."""
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
        return [self.shares(g.view(self.classes, n).T) for g in (*found, squares / units)]

    def report(self, step: Step) -> ForwardForwardStep:
        return ForwardForwardStep(step.epoch, step.loss, step.losses[:-1], list(self.goodness), self)


class ForwardForwardStep(NamedTuple):
    """What an epoch of Forward-Forward yields, all from before its update but for ``net``, the rule, live.

    ``loss`` is the criterion of the output block; ``losses`` are those of the hidden blocks, in goodness, and
    ``goodness`` their means for true and for wrong labels (of the last batch).
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
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches, *,
    threshold: float = 2.0, **options: Unpack[Options],
) -> Training[ForwardForwardStep]:  # fmt: skip
    """Train hidden blocks by goodness, and the output block on what they make of an input without a label.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks; trained in place. The first begins with an ``nn.Linear``: there the label enters, through a map
        that the rule owns (`open_door`), as if it were appended to the input. The model itself keeps its input.
    optimizer, criterion, epochs, **options
        As in `locally_optimize_parallel`; the door is the decoder of the first block. The seed draws wrong labels too.
    batches : iterable of (X, Y)
        X (n, d); Y class labels: 0 or 1 (n, 1), one-hot (n, k), or whole numbers (n,).
    threshold : float
        Goodness, as a mean square, that tells true from wrong; more than 0.

    Yields
    ------
    ForwardForwardStep
        ``(epoch, loss, losses, goodness, net)``. Ask ``step.predict``, which tries each label, in k forward passes. The
        model by itself, fed with X alone, answers from features that were never trained without a label: often worse.

    Notes
    -----
    With g the goodness and θ the threshold, a block's loss is the mean of softplus(θ - g) over true labels and of
    softplus(g - θ) over wrong ones, drawn anew each time. Between blocks, rows are scaled to length 1, so that the next
    block cannot read the goodness off. After Hinton (2022), "The Forward-Forward algorithm: some preliminary
    investigations"; there the label replaces pixels, the goodness is the sum of squares, and the first layer is left
    out of the answer.
    """
    threshold = Real(0, above=True).check("threshold", threshold)
    passes = Passes(epochs, batches, **options)
    return start(ForwardForward(model, optimizer, criterion, passes, threshold=threshold, seed=passes.seed), passes)


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
        rows = output.flatten(1)
        return rows[: -self.classes] @ rows[-self.classes :].T

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
    Siegelmann (2023), "Signal propagation: the framework for learning and inference in a forward pass"; there, a
    batch's own targets stand for the classes.
    """
    passes = Passes(epochs, batches, **options)
    return start(SignalPropagation(model, optimizer, criterion, passes), passes)
