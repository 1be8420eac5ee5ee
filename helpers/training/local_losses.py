"""Local losses: each block learns from a small net of its own, by prediction, by similarity, or by both."""

from __future__ import annotations

import copy
from typing import Any, Literal, Unpack

from torch import Tensor, nn
from torch.nn.functional import normalize

from helpers.datasets import whole_number
from helpers.networks import seeded
from helpers.training.arguments import Checked, Criterion, OptimizerFactory, Options, Passes, one_of
from helpers.training.layers import Batches, layer_outputs, make_encoders, probe
from helpers.training.local import Blockwise, ParallelStep
from helpers.training.rules import Training, start
from helpers.training.signals import class_count, class_labels, codes

Signal = Literal["pred", "sim", "predsim"]
WEIGHT_OF_SIMILARITY = {"pred": 0.0, "sim": 1.0, "predsim": 0.99}  # 0.99 as in the paper; prediction has the rest


class LocalLosses(Blockwise):
    """Each block learns from a prediction head and a similarity head, which move with it."""

    def __init__(
        self, model: nn.Sequential, optimizer: OptimizerFactory, criterion: Criterion, passes: Passes, signal: Signal,
        head: int,
    ) -> None:  # fmt: skip
        self_weight = WEIGHT_OF_SIMILARITY[signal]
        *outputs, last = probe(model, passes.X)
        self_width = last[0].numel()
        if self_weight:
            class_labels(passes.Y, self_width)  # an error at the call, if they are none
        checked, heads = Checked("criterion", criterion), list[nn.Module]()
        with seeded(passes.seed):
            for h in outputs:
                reader = make_head(h, self_width, head, ending(model[-1]))
                similar = make_head(h, max(2, head or h[0].numel()), head)  # one number, less its mean, would be zero
                heads.append(nn.ModuleList([reader, similar] if self_weight else [reader]))
        super().__init__(model, optimizer, [*heads, nn.Identity()], passes.train_decoders)
        self.criterion, self.weight, self.width = checked, self_weight, self_width
        self.decoders: list[Any] = [*(head[0] for head in heads), nn.Identity()]  # type: ignore[index]

    def judge(self, i: int, h: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's output and the weighted sum of the losses of its heads."""
        output = self.model[i](h)
        if i + 1 == len(self.model):
            return output, self.criterion(output, Y)
        only_reads = self.weight == 1
        loss = self.criterion(self.decoders[i](output.detach() if only_reads else output), Y)
        loss = loss * (1.0 if only_reads else 1 - self.weight)
        if self.weight:
            targets = codes(class_labels(Y, self.width), class_count(self.width), like=output)
            similar: Any = self.ends[i][1]  # type: ignore[index]
            loss = loss + self.weight * similarity_loss(similar(output), targets)
        return output, loss

    def forward(self, X: Tensor) -> list[Tensor]:
        """Return the answer of every layer, through its prediction head."""
        return [decoder(h) for decoder, h in zip(self.decoders, layer_outputs(self.model, X))]


def local_losses(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    signal: Signal = "predsim",
    head: int = 32,
    **options: Unpack[Options],
) -> Training[ParallelStep]:
    """Train all blocks at once, each by a local loss through heads that learn with it.

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

    Yields
    ------
    ParallelStep
        ``(epoch, loss, encoders, decoders)``: the decoders are the prediction heads.

    References
    ----------
    Nøkland & Eidnes (2019), "Training neural networks with local error signals". There, feature maps enter the
    similarity by their standard deviations; here an output of any shape is flattened.
    """
    passes = Passes(epochs, batches, **options)
    one_of("signal", signal, ("pred", "sim", "predsim"))
    encoders = make_encoders(model)
    rule = LocalLosses(model, optimizer, criterion, passes, signal, whole_number("head", head, 0))
    return start(rule, passes, lambda step: ParallelStep(step.epoch, step.loss, encoders, rule.decoders))


def similarity_loss(features: Tensor, targets: Tensor) -> Tensor:
    """Compare who resembles whom: mean squared difference of two cosine-similarity matrices.

    For features (n, d) and targets (n, k), each row taken less its mean, ‖S(features) - S(targets)‖² / n² in Frobenius'
    norm, with S of shape (n, n). The two matrices are never made: with unit rows F and T, S(F) = FF' and ‖FF' - TT'‖² =
    ‖F'F‖² - 2‖F'T‖² + ‖T'T‖², O(n d²) time and O(d²) memory, where the matrices take O(n² d) and O(n²).

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
