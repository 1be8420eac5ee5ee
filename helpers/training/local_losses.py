"""Local losses: each block learns from a small net of its own, by prediction, by similarity, or by both.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy
>>> from helpers.datasets import datasets
>>> from helpers.networks import mertens_net
>>> data = datasets["signed_xor"].train()
>>> for step in local_losses(mertens_net(seed=0), Rprop, binary_cross_entropy, 20, [(data.X, data.Y)], seed=0):
...     pass
>>> step.epoch, step.loss < 0.7, len(step.predict(data.X))
(20, True, 4)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn.functional import normalize

from helpers.datasets import whole_number
from helpers.networks import seeded
from helpers.training.arguments import Checked, Criterion, OptimizerFactory, Passes, StepMode, check_options
from helpers.training.evaluation import Batches
from helpers.training.layers import check_apart, make_encoders, probe
from helpers.training.local import ParallelStep
from helpers.training.loop import Learner, epoch_loop, rehearse
from helpers.training.signals import class_count, class_labels, codes

Signal = Literal["pred", "sim", "predsim"]
WEIGHT_OF_SIMILARITY = {"pred": 0.0, "sim": 1.0, "predsim": 0.99}  # 0.99 as in the paper; prediction has the rest


def local_losses(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    signal: Signal = "predsim",
    head: int = 32,
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[ParallelStep]:
    """Train all blocks at once, each by a local loss through heads that learn with it.

    Parameters
    ----------
    model, optimizer, epochs, batches, step
        As in `locally_optimize_parallel`.
    criterion : callable
        ``(scores, targets) -> mean loss``, of the output block and of every prediction head: a head ends as the output
        block does (in a sigmoid, say), so each layer learns as if it were the last.
    signal : {"predsim", "pred", "sim"}
        ``"pred"``: ``criterion`` of a prediction head. ``"sim"``: `similarity_loss` of a similarity head; the
        prediction head then learns to read the layer, and teaches it nothing. ``"predsim"``: 0.01 of the first plus
        0.99 of the second.
    head : int
        Hidden units (tanh) of a head; 0 makes heads linear, as the paper's are for fully connected layers.
    train_decoders : bool
        Train the heads with their block, or leave them at their random start.
    seed : int or None
        Seed of the heads' weights.

    Yields
    ------
    ParallelStep
        ``(epoch, loss, encoders, decoders)``: the decoders are the prediction heads.

    Raises
    ------
    TypeError, ValueError, TrainingError
        As `locally_optimize_parallel`. With similarity, targets that are no class labels are errors too.

    Notes
    -----
    An epoch takes one forward and one backward pass of each block and its heads. No gradient leaves a block.

    References
    ----------
    Nøkland & Eidnes (2019), "Training neural networks with local error signals". There, feature maps enter the
    similarity by their standard deviations; here an output of any shape is flattened.
    """
    check_options(epochs, step, seed, train_decoders)
    checked = Checked("criterion", criterion)
    if signal not in get_args(Signal):
        raise ValueError(f"signal must be one of {', '.join(get_args(Signal))}, got {signal!r}")
    whole_number("head", head, 0)
    passes = Passes(batches, epochs)
    encoders = make_encoders(model)
    outputs = probe(model, passes.first[0])
    check_apart(model)
    width = outputs[-1][0].numel()
    if signal != "pred":
        class_labels(passes.first[1], width)  # an error at the call, if they are none
    learners: list[Learner] = []
    with seeded(seed):
        for block, h in zip(list(model)[:-1], outputs):
            reader = make_head(h, width, head, ending(model[-1]))
            similar = make_head(h, max(2, head or h[0].numel()), head)  # one number, less its mean, would be zero
            learners.append(_HeadedLearner(block, reader, similar, checked, optimizer, train_decoders, signal, width))
    learners.append(Learner(model[-1], nn.Identity(), checked, optimizer, train_decoders))
    rehearse(learners, *passes.first)
    decoders = [*(learner.decoder[0] for learner in learners[:-1]), nn.Identity()]  # type: ignore[index]
    steps = epoch_loop(model, learners, passes, epochs, step)
    return (ParallelStep(epoch, losses[-1], encoders, decoders) for epoch, losses in steps)


class _HeadedLearner(Learner):
    """A block with a prediction head and a similarity head, which an optimiser moves together."""

    def __init__(
        self,
        block: nn.Module,
        reader: nn.Module,
        similar: nn.Module,
        criterion: Criterion,
        optimizer: OptimizerFactory,
        train: bool,
        signal: Signal,
        width: int,
    ) -> None:
        self.weight, self.width = WEIGHT_OF_SIMILARITY[signal], width
        heads = nn.ModuleList([reader, *([similar] if self.weight else [])])
        super().__init__(block, heads, criterion, optimizer, train)
        self.reader, self.similar = reader, similar

    def judge(self, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's output and the weighted sum of the losses of its heads."""
        output = self.block(h)
        only_reads = self.weight == 1
        loss = self.compare(self.reader(output.detach() if only_reads else output), Y)
        loss = loss * (1.0 if only_reads else 1 - self.weight)
        if self.weight:
            targets = codes(class_labels(Y, self.width), class_count(self.width), like=output)
            loss = loss + self.weight * similarity_loss(self.similar(output), targets)
        return output, loss


def similarity_loss(features: Tensor, targets: Tensor) -> Tensor:
    """Compare who resembles whom: mean squared difference of two cosine-similarity matrices.

    Parameters
    ----------
    features, targets : Tensor, shapes (n, d) and (n, k)
        Each row is taken less its mean, as in the paper.

    Returns
    -------
    Tensor
        ‖S(features) - S(targets)‖² / n² in Frobenius' norm, with S of shape (n, n).

    Notes
    -----
    The two (n, n) matrices are never made. With unit rows F and T, S(F) = FF' and ‖FF' - TT'‖² = ‖F'F‖² - 2‖F'T‖² +
    ‖T'T‖²: O(n d²) time and O(d²) memory, where the matrices take O(n² d) and O(n²).

    >>> import torch
    >>> unlike, alike = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> round(float(similarity_loss(unlike, alike)), 3)
    2.0
    """
    F, T = (normalize(rows - rows.mean(1, keepdim=True)) for rows in (features.flatten(1), targets))
    differ = (F.T @ F).square().sum() - 2 * (F.T @ T).square().sum() + (T.T @ T).square().sum()
    return differ / len(F) ** 2


def make_head(h: Tensor, width: int, hidden: int, ending: nn.Module | None = None) -> nn.Sequential:
    """Make a small net on the output h (1, ...) of a block: tanh units between, or none, and what it ends in."""
    units = h[0].numel()
    between = [nn.Linear(units, hidden), nn.Tanh()] if hidden else []
    last = [nn.Linear(hidden or units, width), *([ending] if ending else [])]
    return nn.Sequential(nn.Flatten(), *between, *last).to(h)


def ending(block: nn.Module) -> nn.Sequential:
    """Return a copy of what follows the last layer with parameters in the output block: its activation, if any."""
    parts = list(block.children())
    last = max((i for i, part in enumerate(parts) if [*part.parameters()]), default=-1)
    return copy.deepcopy(nn.Sequential(*parts[last + 1 :]))
