"""The window and the damped rule: at one end the parallel rule bit for bit, at the other a sequential one."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import mse_loss
from torch.optim import Adam, Rprop

from helpers.networks import layered_net
from helpers.training import locally_optimize_damped, make_decoders
from helpers.training.local import relative_movement
from tests.training.common import begin, same, sgd, state


def net(**options):
    return layered_net([2, 6, 5, 1], seed=1, **options)


@pytest.mark.parametrize("step", ["epoch", "batch"])
@pytest.mark.parametrize("optimizer", [Rprop, partial(Adam, lr=1e-2), sgd])
def test_the_parallel_ends_are_the_parallel_rule_bit_for_bit(step, optimizer, batches):
    def run(name, **options):
        model = net()
        steps = list(begin(name, model, batches, optimizer, epochs=6, step=step, **options))
        return [s.loss for s in steps], [p.tolist() for p in state(model, *steps[-1].decoders)]

    expected = run("local, parallel")
    assert run("local, window", width=3) == run("local, damped", strength=0) == expected
    assert run("local, window", width=2) != expected
    assert run("local, damped", strength=1) != expected


def test_a_window_of_one_block_is_the_sequential_rule_bit_for_bit(xor):
    window, sequential = net(), net()
    found = [s.loss for s in begin("local, window", window, [(xor.X, xor.Y)], epochs=12, width=1)]
    assert found == [s.loss for s in begin("local, sequential", sequential, [(xor.X, xor.Y)], epochs=4)]
    assert same(state(window), state(sequential))


@pytest.mark.parametrize(
    ("epochs", "width", "lowest"),
    [(6, 1, [0, 0, 1, 1, 2, 2]), (5, 2, [0, 0, 0, 1, 1]), (3, 3, [0, 0, 0]), (2, 1, [0, 1]), (3, None, [0, 0, 1])],
)
def test_only_the_blocks_in_the_window_learn_and_its_positions_share_the_epochs(epochs, width, lowest, batches):
    model = net()
    model[0].append(nn.BatchNorm1d(6))
    steps = begin("local, window", model, batches, epochs=epochs, width=width)
    for start in lowest:
        before = [[t.clone() for t in block.state_dict().values()] for block in model]
        next(steps)
        assert steps.rule.active == range(start, start + (width or 2))
        for i, block in enumerate(model):
            stays = all(torch.equal(a, b) for a, b in zip(before[i], block.state_dict().values()))
            assert stays is (i not in steps.rule.active)  # its running statistics too


@pytest.mark.parametrize("damping", ["axes", "layer"])
def test_a_damped_step_is_the_one_that_is_computed_by_hand(damping, xor):
    X, Y, strength = xor.X.double(), xor.Y.double(), 3.0
    expected = net(activation=nn.Tanh, normalize=False).double()
    decoders = make_decoders(expected, X, seed=5)
    factors = [torch.ones(2), torch.ones(6), torch.ones(5)]  # nothing is known before the first step
    before = inputs(expected, X)
    for _ in range(3):
        h = X
        for block, decoder, factor, criterion in zip(expected, decoders, factors, (mse_loss, mse_loss, bce)):
            output = block(h)
            learned = [*block.parameters(), *decoder.parameters()]
            gradients = torch.autograd.grad(criterion(decoder(output), Y), learned)
            with torch.no_grad():
                for p, g in zip(learned, gradients):
                    p -= 0.1 * g * (factor if p is block[0].weight else 1)  # with SGD, step and gradient are one
            h = output.detach()
        now = inputs(expected, X)
        moved = [rms(b - a) / np.maximum(rms(a), rms(b)) for a, b in zip(before, now)]
        factors = [torch.as_tensor(1 / (1 + strength * m)) for m in moved]
        if damping == "layer":
            factors = [f.mean() for f in factors]
        before = now
    model = net(activation=nn.Tanh, normalize=False).double()
    options = {"strength": strength, "damping": damping, "seed": 5}
    list(steps := begin("local, damped", model, [(X, Y)], sgd, epochs=3, **options))
    assert same(state(model), state(expected), 1e-12)
    assert all(np.allclose(found, m, atol=1e-12) for found, m in zip(steps.rule.displacements, moved))
    assert not steps.rule.displacements[0].any()  # the data stay where they are


def rms(rows):
    return np.sqrt(np.mean(rows**2, axis=0))


def inputs(model, X):
    with torch.no_grad():
        h1 = model[0](X)
        return [X.numpy(), h1.numpy(), model[1](h1).numpy()]


def test_with_all_strength_a_block_waits_until_the_one_below_has_come_to_rest(batches):
    model = net()
    steps = begin("local, damped", model, batches, epochs=4, strength=1e12)
    next(steps)  # nothing is known of the movement before it
    before = [block[0].weight.detach().clone() for block in model]
    list(steps)
    moved = [float((block[0].weight.detach() - W).abs().max()) for block, W in zip(model, before)]
    assert moved[0] > 1e-3
    assert max(moved[1:]) < 1e-8


def test_an_axis_that_falls_to_zero_has_moved_by_its_own_size_and_one_at_zero_not_at_all():
    before, now = torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.zeros(2, 2)
    assert relative_movement(before, now).tolist() == [1, 0]
    assert relative_movement(before, -before).tolist() == [2, 0]


def test_what_damps_nothing_is_refused(batches):
    for name, options, words in [
        *(("local, damped", {"strength": s}, "strength must be a number, 0 or more") for s in (-1, float("nan"), "1")),
        ("local, damped", {"damping": "columns"}, "damping must be one of axes, layer"),
        *(("local, window", {"width": width}, "width must be") for width in (0, 4, 1.5, True)),
    ]:
        with pytest.raises((TypeError, ValueError), match=words):
            begin(name, net(), batches, **options)
    odd = nn.Sequential(nn.Sequential(nn.Linear(2, 1)), nn.Sequential(nn.Sigmoid()))
    with pytest.raises(ValueError, match="model: block 1 begins with Sigmoid; this rule needs an nn.Linear"):
        locally_optimize_damped(odd, Rprop, mse_loss, bce, 3, batches)
