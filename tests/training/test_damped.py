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
from helpers.training import (
    locally_optimize,
    locally_optimize_damped,
    locally_optimize_parallel,
    locally_optimize_window,
    make_decoders,
)
from helpers.training.local import relative_movement
from tests.training.common import sgd, state


def net(**options):
    return layered_net([2, 6, 5, 1], seed=1, **options)


def run(rule, batches, optimizer=Rprop, epochs=6, **options):
    model = net()
    steps = list(rule(model, optimizer, mse_loss, bce, epochs, batches, seed=0, **options))
    return [s.loss for s in steps], state(model, *steps[-1].decoders), steps


def equal(a, b):
    return a[0] == b[0] and all(torch.equal(p, q) for p, q in zip(a[1], b[1], strict=True))


@pytest.mark.parametrize("step", ["epoch", "batch"])
@pytest.mark.parametrize("optimizer", [Rprop, partial(Adam, lr=1e-2), sgd])
@pytest.mark.parametrize("train_decoders", [True, False])
def test_the_parallel_ends_are_the_parallel_rule_bit_for_bit(step, optimizer, train_decoders, batches):
    options = {"step": step, "optimizer": optimizer, "train_decoders": train_decoders}
    expected = run(locally_optimize_parallel, batches, **options)
    assert equal(run(locally_optimize_window, batches, width=3, **options), expected)
    assert equal(run(locally_optimize_damped, batches, strength=0, **options), expected)
    assert not equal(run(locally_optimize_window, batches, width=2, **options), expected)
    assert not equal(run(locally_optimize_damped, batches, strength=1, **options), expected)


def test_a_window_of_one_block_is_the_sequential_rule_bit_for_bit(xor):
    one = [(xor.X, xor.Y)]
    window, sequential = net(), net()
    found = list(locally_optimize_window(window, Rprop, mse_loss, bce, 12, one, width=1, seed=0))
    expected = list(locally_optimize(sequential, Rprop, mse_loss, bce, 4, one, seed=0))
    assert [s.loss for s in found] == [s.loss for s in expected]
    assert [list(s.active) for s in found] == [[s.idx] for s in expected]
    assert all(torch.equal(p, q) for p, q in zip(state(window), state(sequential)))


def test_only_the_blocks_in_the_window_learn(batches):
    model = net()
    model[0].append(nn.BatchNorm1d(6))
    steps = locally_optimize_window(model, Rprop, mse_loss, bce, 4, batches, width=2, seed=0)
    for active in ([0, 1], [0, 1], [1, 2], [1, 2]):
        before = [[t.clone() for t in block.state_dict().values()] for block in model]
        step = next(steps)
        assert list(step.active) == active
        for i, block in enumerate(model):
            stays = all(torch.equal(a, b) for a, b in zip(before[i], block.state_dict().values()))
            assert stays is (i not in active)  # its running statistics too


@pytest.mark.parametrize(
    ("epochs", "width", "lowest"),
    [(6, 1, [0, 0, 1, 1, 2, 2]), (5, 2, [0, 0, 0, 1, 1]), (3, 3, [0, 0, 0]), (2, 1, [0, 1]), (3, None, [0, 0, 1])],
)
def test_the_positions_share_the_epochs(epochs, width, lowest, batches):
    steps = locally_optimize_window(net(), Rprop, mse_loss, bce, epochs, batches, width=width, seed=0)
    assert [step.active[0] for step in steps] == lowest


@pytest.mark.parametrize("width", [0, -1, 4, 1.5, True, "2"])
def test_widths_that_no_window_has_are_refused(width, batches):
    with pytest.raises((TypeError, ValueError), match="width must be"):
        locally_optimize_window(net(), Rprop, mse_loss, bce, 3, batches, width=width)


@pytest.mark.parametrize("damping", ["axes", "layer"])
def test_a_damped_step_is_the_one_that_is_computed_by_hand(damping, xor):
    X, Y, strength = xor.X.double(), xor.Y.double(), 3.0
    expected = net(activation=nn.Tanh, normalize=False).double()
    decoders = make_decoders(expected, X, seed=5)
    blocks = list(expected)
    factors = [torch.ones(2), torch.ones(6), torch.ones(5)]  # nothing is known before the first step
    before = inputs(expected, X)
    for _ in range(3):
        h = X
        for block, decoder, factor, criterion in zip(blocks, decoders, factors, (mse_loss, mse_loss, bce)):
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
    *_, step = locally_optimize_damped(
        model, sgd, mse_loss, bce, 3, [(X, Y)], strength=strength, damping=damping, seed=5
    )
    assert all(torch.allclose(p, q, rtol=0, atol=1e-12) for p, q in zip(state(model), state(expected)))
    assert all(np.allclose(found, m, atol=1e-12) for found, m in zip(step.displacements, moved))
    assert not step.displacements[0].any()  # the data stay where they are


def rms(rows):
    return np.sqrt(np.mean(rows**2, axis=0))


def inputs(model, X):
    with torch.no_grad():
        h1 = model[0](X)
        return [X.numpy(), h1.numpy(), model[1](h1).numpy()]


def test_with_all_strength_a_block_waits_until_the_one_below_has_come_to_rest(batches):
    model = net()
    steps = locally_optimize_damped(model, Rprop, mse_loss, bce, 4, batches, strength=1e12, seed=0)
    next(steps)  # nothing is known of the movement before it
    before = [block[0].weight.detach().clone() for block in model]
    list(steps)
    moved = [float((block[0].weight.detach() - W).abs().max()) for block, W in zip(model, before)]
    assert moved[0] > 1e-3
    assert max(moved[1:]) < 1e-8
    still = net()
    still[0].requires_grad_(False)
    before = still[1][0].weight.detach().clone()
    list(locally_optimize_damped(still, Rprop, mse_loss, bce, 4, batches, strength=1e12, seed=0))
    assert float((still[1][0].weight.detach() - before).abs().max()) > 1e-3  # its input does not move: it may


def test_an_axis_that_falls_to_zero_has_moved_by_its_own_size():
    before, now = torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.zeros(2, 2)
    assert relative_movement(before, now).tolist() == [1, 0]
    assert relative_movement(before, -before).tolist() == [2, 0]


def test_an_axis_that_is_always_zero_has_not_moved(xor):
    model = net(activation=nn.ReLU, normalize=False)
    with torch.no_grad():
        model[0][0].bias[0] = -100
    *_, step = locally_optimize_damped(model, Rprop, mse_loss, bce, 2, [(xor.X, xor.Y)], seed=0)
    assert step.displacements[1][0] == 0
    assert all(torch.isfinite(d).all() for d in step.displacements)


@pytest.mark.parametrize("strength", [-1, float("nan"), float("inf"), "1"])
def test_strengths_that_damp_nothing_are_refused(strength, batches):
    with pytest.raises((TypeError, ValueError), match="strength must be a number, 0 or more"):
        locally_optimize_damped(net(), Rprop, mse_loss, bce, 3, batches, strength=strength)


def test_other_bad_input_of_the_damped_rule(xor):
    with pytest.raises(ValueError, match="damping must be one of axes, layer"):
        locally_optimize_damped(net(), Rprop, mse_loss, bce, 3, [(xor.X, xor.Y)], damping="columns")
    odd = nn.Sequential(nn.Sequential(nn.Linear(2, 1)), nn.Sequential(nn.Sigmoid()))
    with pytest.raises(ValueError, match="model: block 1 has no nn.Linear"):
        locally_optimize_damped(odd, Rprop, mse_loss, bce, 3, [(xor.X, xor.Y)])
