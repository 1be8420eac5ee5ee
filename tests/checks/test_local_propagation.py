"""Each check of lecture 07 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import torch
from torch.nn.functional import mse_loss
from torch.optim import Rprop

from helpers.checks import local_propagation as exercises
from helpers.checks.verdict import Verdict, check
from helpers.networks import layered_net
from helpers.training import RULES, make_decoders
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("local_propagation")


def step(output=lambda h: h.detach(), judge=lambda block, decoder, h: decoder(block(h)), times=1):
    def local_step(block, decoder, criterion, h, Y):
        loss = criterion(judge(block, decoder, h), Y)
        for i in range(times):
            loss.backward(retain_graph=i + 1 < times)
        return loss, output(block(h))

    return local_step


def no_cut(block, decoder, criterion, h, Y):
    out = block(h)
    loss = criterion(decoder(out), Y)
    loss.backward(retain_graph=True)
    return loss, out


def cut_before_the_decoder(block, decoder, criterion, h, Y):
    out = block(h).detach()
    loss = criterion(decoder(out), Y)
    loss.backward()
    return loss, out


def hands_on_the_decoded(block, decoder, criterion, h, Y):
    scores = decoder(block(h))
    loss = criterion(scores, Y)
    loss.backward()
    return loss, scores.detach()


def exchanged(block, decoder, criterion, h, Y):
    out = block(h)
    loss = criterion(Y, decoder(out))
    loss.backward()
    return loss, out.detach()


def frozen_decoder(block, decoder, criterion, h, Y):
    out = block(h)
    loss = criterion(torch.nn.functional.linear(out, decoder.weight.detach()), Y)
    loss.backward()
    return loss, out.detach()


def one_for_all(blocks, decoders):
    return [Rprop([p for part in (*blocks, *decoders) for p in part.parameters()])] * len(blocks)


def over_everything(blocks, decoders):
    return [Rprop([p for part in (*blocks, *decoders) for p in part.parameters()]) for _ in blocks]


def without_decoders(blocks, decoders):
    return [Rprop(block.parameters()) for block in blocks]


def one_too_few(blocks, decoders):
    return solution.make_optimizers(blocks, decoders)[:-1]


def test_the_counts_are_those_of_the_code():
    """Exercise 3 against hooks that count the forward passes of every block over all 40 points."""
    X, Y = torch.rand(40, 2), torch.rand(40, 1).round()
    for rule, name in zip(RULES, ("back-propagation", "parallel", "sequential")):
        model, passes = counted()
        list(RULES[rule](model, Rprop, mse_loss, mse_loss, 5, [(X, Y)], seed=0))
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


def test_a_verdict_shows_itself_in_words_and_escapes_the_readers_text():
    @check
    def always_wrong(answer):
        yield None
        yield f"got {answer}"

    verdict = always_wrong("<script>")
    assert isinstance(verdict, Verdict)
    assert repr(verdict) == "✗ wrong: got <script>"
    assert "<script>" not in verdict._repr_html_()
    assert 'role="status"' in verdict._repr_html_()


test_wrong_answers = refusing(
    exercises,
    {
        "local_step": [
            (no_cut, "detach"),
            (cut_before_the_decoder, "gradients of block 0"),
            (exchanged, "the loss"),
            (frozen_decoder, "gradients of block 0 and its decoder"),
            (hands_on_the_decoded, r"\(6, 5\)"),
            (step(times=2), "once"),
            (step(judge=lambda block, decoder, h: 1.001 * decoder(block(h))), "the loss"),
            (step(output=lambda h: 0.999 * h.detach()), "the output"),
        ],
        "optimizers": [
            (one_for_all, "3 different|different optimisers"),
            (over_everything, "the trap again"),
            (without_decoders, "learns with its block"),
            (one_too_few, "one each"),
        ],
        "block_passes": [
            (lambda rule, blocks, epochs: blocks * epochs, "expected"),
            (lambda rule, blocks, epochs: epochs, "expected"),
            (
                lambda rule, *sizes: solution.block_passes(rule, *sizes) + (rule == "parallel"),
                "expected",
            ),
            (lambda rule, blocks, epochs: epochs * blocks**2 if rule[0] == "d" else epochs * blocks, "expected"),
        ],
        "displacement": [
            (lambda b, a: (a - b).norm() / b.norm(), "expected"),
            (lambda b, a: ((a - b).norm(dim=1) / b.norm(dim=1)).mean(), "expected"),
            (lambda b, a: (a - b).norm(dim=1).mean() / a.norm(dim=1).mean(), "expected"),
            (lambda b, a: (a.norm(dim=1) - b.norm(dim=1)).abs().mean() / b.norm(dim=1).mean(), "expected"),
            (lambda b, a: 1.001 * solution.displacement(b, a), "expected"),
        ],
    },
)
