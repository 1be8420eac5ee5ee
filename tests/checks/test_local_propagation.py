"""Each check of lecture 07 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import torch
from torch.nn.functional import mse_loss
from torch.optim import Rprop

from helpers.checks import local_propagation as exercises
from helpers.networks import layered_net
from helpers.training import RULES, make_decoders
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("local_propagation")


def step(
    scores=lambda block, decoder, h: decoder(block(h)), hand_on=lambda block, decoder, h: block(h).detach(), times=1
):
    """Return a local step with one thing changed."""

    def local_step(block, decoder, criterion, h, Y):
        loss = criterion(scores(block, decoder, h), Y)
        for _ in range(times):
            loss.backward(retain_graph=True)
        return loss, hand_on(block, decoder, h)

    return local_step


def parameters(*parts):
    return [p for part in parts for p in part.parameters()]


def test_the_counts_are_those_of_the_code():
    """Exercise 3 against hooks that count the forward passes of every block over all 40 points."""
    X, Y = torch.rand(40, 2), torch.rand(40, 1).round()
    for rule, name in zip(RULES, ("back-propagation", "parallel", "sequential")):
        model, passes = counted()
        steps = RULES[rule](model, Rprop, mse_loss, mse_loss, 5, [(X, Y)], seed=0)
        passes.clear()  # the call itself tries a batch, so that what cannot be trained is refused there
        list(steps)
        assert passes.count(40) == solution.block_passes(name, 4, 5)
    model, passes = counted()
    decoders, shared = make_decoders(model, X, seed=0), Rprop(model.parameters())
    for _ in range(5):
        exercises.one_optimizer_epoch(model, decoders, shared, X, Y, True)
    assert passes.count(40) == solution.block_passes("document's parallel", 4, 5)


def counted():
    """Return a net of four blocks and the list of the batch sizes that its blocks run forward on."""
    model, passes = layered_net([2, 3, 3, 3, 1], seed=0), []
    for block in model:
        block.register_forward_hook(lambda _, inputs, out: passes.append(len(out)))
    return model, passes


def test_the_trap_freezes_the_step_lengths_and_the_cure_frees_them():
    X = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    Y = (X[:, :1] * X[:, 1:] > 0).float()
    lengths = {}
    for set_to_none in (False, True):
        model = layered_net([2, 8, 8, 1], seed=0)
        decoders, shared = make_decoders(model, X, seed=0), Rprop(model.parameters())
        for _ in range(20):
            exercises.one_optimizer_epoch(model, decoders, shared, X, Y, set_to_none)
        lengths[set_to_none] = shared.state[model[0][0].weight]["step_size"]
    assert (lengths[False] == 0.01).all()
    assert lengths[True].max() > 2 * lengths[True].min()


test_wrong_answers = refusing(
    exercises,
    {
        "local_step": [
            (step(hand_on=lambda block, decoder, h: block(h)), "detach"),
            (step(lambda block, decoder, h: decoder(block(h).detach())), "gradients of block 0"),
            (step(hand_on=lambda block, decoder, h: decoder(block(h)).detach()), r"\(6, 5\)"),
            (step(times=2), "once"),
        ],
        "optimizers": [
            (lambda blocks, decoders: [Rprop(parameters(*blocks, *decoders))] * 3, "different optimisers"),
            (lambda blocks, decoders: [Rprop(parameters(*blocks, *decoders)) for _ in blocks], "the trap again"),
            (lambda blocks, decoders: [Rprop(block.parameters()) for block in blocks], "learns with its block"),
            (lambda blocks, decoders: solution.make_optimizers(blocks, decoders)[:-1], "one each"),
        ],
        "block_passes": [
            (lambda rule, blocks, epochs: blocks * epochs, "expected"),
            (lambda rule, *sizes: solution.block_passes(rule, *sizes) + (rule == "parallel"), "expected"),
            (lambda rule, blocks, epochs: epochs * blocks**2 if rule[0] == "d" else epochs * blocks, "expected"),
        ],
        "displacement": [
            (lambda b, a: ((a - b).norm(dim=1) / b.norm(dim=1)).mean(), "expected"),
            (lambda b, a: (a - b).norm(dim=1).mean() / a.norm(dim=1).mean(), "expected"),
            (lambda b, a: (a.norm(dim=1) - b.norm(dim=1)).abs().mean() / b.norm(dim=1).mean(), "expected"),
        ],
    },
)
