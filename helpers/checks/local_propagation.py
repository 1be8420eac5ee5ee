"""Self-checks of lecture 07, and the loop whose bug its readers look for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Optimizer

from helpers.checks.verdict import Answer, Cases, check, judge, same
from helpers.networks import layered_net
from helpers.training import make_decoders

Layers = Sequence[nn.Module]


def one_optimizer_epoch(
    model: nn.Sequential, decoders: Layers, optimizer: Optimizer, X: Tensor, Y: Tensor, set_to_none: bool
) -> None:
    """Update all blocks once, as in the document: ONE optimiser for all blocks, zeroed and stepped once per block."""
    for i, (block, decoder) in enumerate(zip(model, decoders)):
        optimizer.zero_grad(set_to_none=set_to_none)
        with torch.no_grad():
            h = model[:i](X)
        criterion = mse_loss if i + 1 < len(model) else binary_cross_entropy
        criterion(decoder(block(h)), Y).backward()
        optimizer.step()


@check
def check_local_step(local_step: Answer) -> Cases:
    """Check ``local_step(block, decoder, criterion, h, Y) -> (loss, output for the next block)``."""

    def lopsided(scores: Tensor, targets: Tensor) -> Tensor:  # not the same with its arguments exchanged
        return ((scores - targets) ** 2 + 0.5 * scores).mean()

    model = layered_net([2, 5, 4, 1], seed=3)
    first, second = model[0], model[1]
    X = torch.linspace(-1, 1, 12).reshape(6, 2)
    Y = (X[:, :1] > 0).float()
    decoders = make_decoders(model, X, seed=4)
    learners = [*first.parameters(), *decoders[0].parameters()]
    expected = lopsided(decoders[0](first(X)), Y)
    slopes = torch.autograd.grad(expected, learners)
    loss, h = local_step(first, decoders[0], lopsided, X, Y)
    yield same(loss, expected, "the loss", "criterion(decoder(block(h)), Y), in this order", 1e-5)
    yield judge(not h.requires_grad, "the output", "no graph", "requires_grad=True", "cut it off with .detach()")
    hint = "hand on block(h), not what the decoder makes of it; change no parameter"
    yield same(h, first(X), "the output", hint, 1e-7)
    learned = [None if p.grad is None else p.grad.clone() for p in learners]
    agree = all(g is not None and torch.allclose(g, slope) for g, slope in zip(learned, slopes))
    what, hint = "the gradients of block 0 and its decoder", "call loss.backward() once, and cut only what you hand on"
    yield judge(agree, what, "those of its own loss", "others or none", hint)
    local_step(second, decoders[1], lopsided, h, Y)
    crossed = any(not torch.equal(g, p.grad) for p, g in zip(learners, learned) if p.grad is not None and g is not None)
    yield judge(not crossed, "block 0 while block 1 learns", "an unchanged gradient", "a changed one", "cut the graph")


@check
def check_optimizers(make_optimizers: Answer) -> Cases:
    """Check ``make_optimizers(blocks, decoders) -> [Optimizer, ...]``, a cure of the shared-optimiser trap."""
    model = layered_net([2, 5, 4, 1], seed=3)
    decoders = make_decoders(model, torch.zeros(1, 2), seed=4)
    optimizers = list(make_optimizers(list(model), decoders))
    yield same(len(optimizers), 3, "3 blocks, the optimisers", "one each")
    different = len({id(o) for o in optimizers})
    yield same(different, 3, "3 blocks, the different optimisers", "make a new one in each turn of the loop")
    for i, (optimizer, block, decoder) in enumerate(zip(optimizers, model, decoders)):
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        own, read_out = ({id(p) for p in part.parameters()} for part in (block, decoder))
        for agrees, expected, got, hint in (
            (own <= held, "its parameters", "not all of them", "block.parameters()"),
            (read_out <= held, "its decoder's too", "none of them", "a decoder learns with its block"),
            (held == own | read_out, "its own alone", "others' too", "that is the trap again"),
        ):
            yield judge(agrees, f"block {i}", expected, got, hint)


@check
def check_block_passes(block_passes: Answer) -> Cases:
    """Check ``block_passes(rule, blocks, epochs)``, the forward passes of a single block over the data."""
    for blocks, epochs in ((4, 100), (1, 7), (16, 3)):
        once, below = blocks * epochs, epochs * blocks * (blocks + 1) // 2
        for rule, count, hint in (
            ("back-propagation", once, "count block passes: every epoch has one for every block"),
            ("parallel", once, "one sweep per epoch: a block's output is the next one's input"),
            ("document's parallel", below, "block i is reached through the blocks below it: 1 + 2 + ... + L per epoch"),
            ("sequential", once + blocks - 1, "once more for each block that feeds another; the last feeds none"),
        ):
            yield same(block_passes(rule, blocks, epochs), count, f"{rule!r}, {blocks} blocks, {epochs} epochs", hint)


@check
def check_displacement(displacement: Answer) -> Cases:
    """Check ``displacement(before, after)``, mean length of the moves over mean length of the points before."""
    before = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    twice = "each moves by twice its own length: take after - before, row by row"
    average = "average the row lengths first, then divide: no mean of ratios, no norm of the whole tensor"
    for after, expected, case, hint in (
        (before.clone(), 0.0, "points that stay", "no move, no displacement"),
        (-before, 2.0, "points that change sign", twice),
        (before + torch.tensor([0.0, 3.0]), 1.0, "points that all move up by 3", average),
        (before * torch.tensor([[1.0], [4.0]]), 0.5, "a point that stays, one that moves by 3", "1.5 over 3"),
    ):
        yield same(displacement(before, after), expected, case, hint, 1e-5)
