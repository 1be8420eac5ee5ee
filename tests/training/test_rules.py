"""The rules against loops written by hand, number for number; encoders, decoders, accuracies; what each learns."""

from __future__ import annotations

import statistics
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import mse_loss
from torch.optim import Adam, Rprop
from torch.utils.data import DataLoader

from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.training import (
    RULES,
    accuracy,
    average_loss,
    backprop_optimize,
    fit_decoders,
    layer_scores,
    locally_optimize_parallel,
    make_decoders,
    make_encoders,
    predictor,
)
from tests.training.common import begin, same, sgd, state

WIDTHS = [2, 8, 6, 1]


def net(seed=1, **options):
    return layered_net(WIDTHS, seed=seed, **options)


def mode_of(name):
    """Constrained training takes all samples at once; the others are asked for the harder case."""
    return "epoch" if name.startswith("constrained") else "batch"


@pytest.mark.parametrize("step", ["epoch", "batch"])
@pytest.mark.parametrize("optimizer", [Rprop, partial(Adam, lr=1e-2)])
def test_backpropagation_is_the_loop_that_one_writes_by_hand(batches, step, optimizer):
    expected, by_hand = net(), []
    opt = optimizer(expected.parameters())
    for _ in range(4):
        opt.zero_grad()
        total = 0.0
        for X, Y in batches:
            loss = bce(expected(X), Y)
            loss.backward()
            total += loss.item()
            if step == "batch":
                opt.step()
                opt.zero_grad()
        if step == "epoch":
            opt.step()
        by_hand.append(total / len(batches))
    model = net()
    steps = list(backprop_optimize(model, optimizer, bce, 4, batches, step=step))
    assert [s.epoch for s in steps] == [1, 2, 3, 4]
    assert [s.loss for s in steps] == pytest.approx(by_hand, rel=1e-12)
    assert same(state(model), state(expected))


@pytest.mark.parametrize("step", ["epoch", "batch"])
@pytest.mark.parametrize("train_decoders", [True, False])
def test_parallel_updates_all_blocks_from_the_inputs_before_the_update(batches, step, train_decoders):
    expected = net()
    decoders = make_decoders(expected, batches[0][0], seed=9)
    start = state(*decoders)
    for group in ([batches] if step == "epoch" else [[batch] for batch in batches]) * 3:
        frozen = [nn.Sequential(*list(expected)[:i]) for i in range(len(expected))]
        gradients = []
        for i, (block, decoder) in enumerate(zip(expected, decoders)):
            learned = [*block.parameters(), *(decoder.parameters() if train_decoders else [])]
            criterion = bce if i == len(expected) - 1 else mse_loss
            total = sum(criterion(decoder(block(frozen[i](X).detach())), Y) for X, Y in group)
            gradients.append((learned, torch.autograd.grad(total, learned)))
        with torch.no_grad():
            for learned, slopes in gradients:
                for p, g in zip(learned, slopes):
                    p -= 0.1 * g
    model = net()
    options = {"step": step, "train_decoders": train_decoders, "seed": 9}
    *_, last = begin("local, parallel", model, batches, sgd, epochs=3, **options)
    assert same(state(model), state(expected), 1e-6)  # float32, summed in another order
    assert same(state(*last.decoders), state(*decoders), 1e-6)
    assert same(state(*last.decoders), start) is not train_decoders


@pytest.mark.parametrize("train_decoders", [True, False])
def test_sequential_trains_one_block_at_a_time_on_frozen_features(xor, train_decoders):
    one = [(xor.X, xor.Y)]
    expected = net()
    decoders = make_decoders(expected, xor.X, seed=9)
    by_hand, H = [], xor.X
    for i, (block, decoder) in enumerate(zip(expected, decoders)):
        criterion = bce if i == len(expected) - 1 else mse_loss
        opt = sgd([*block.parameters(), *(decoder.parameters() if train_decoders else [])])
        for _ in range(5):
            opt.zero_grad()
            loss = criterion(decoder(block(H)), xor.Y)
            loss.backward()
            opt.step()
            by_hand.append((i, loss.item()))
        H = block(H).detach()
    model = net()
    steps = list(begin("local, sequential", model, one, sgd, epochs=5, train_decoders=train_decoders, seed=9))
    assert [(s.idx, s.epoch) for s in steps] == [(i, e) for i in range(3) for e in range(1, 6)]
    assert [s.loss for s in steps] == pytest.approx([loss for _, loss in by_hand], rel=1e-12)
    assert same(state(model), state(expected))


def test_sequential_encodes_each_feature_once_and_shuffles_with_the_seed(batches):
    def run(seed):
        seen, model = [], net()
        model[1][0].register_forward_hook(lambda _, inputs, out: seen.append(inputs[0][:, 0].clone()))
        list(begin("local, sequential", model, batches, sgd, step="batch", seed=seed))
        return [s for s in seen if len(s) > 1], [p.tolist() for p in state(model)]  # without the sample that is tried

    (seen, weights), (_, again), (_, other) = run(1), run(1), run(2)
    epochs = [torch.cat(seen[:3]), torch.cat(seen[3:6])]
    assert len(seen) == 2 * 3 + 3  # two epochs of three batches, then the features of the block above: nothing else
    assert not torch.equal(*epochs)
    assert torch.equal(epochs[0].sort().values, epochs[1].sort().values)
    assert weights == again != other


@pytest.mark.parametrize("name", RULES)
def test_equal_seeds_give_equal_numbers_and_nothing_draws_from_the_global_state(name, batches):
    def run():
        model = net()
        losses = [s.loss for s in begin(name, model, batches, epochs=3, step=mode_of(name), seed=5)]
        return losses, [p.tolist() for p in state(model)]

    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first = run()
    assert torch.rand(1) == expected
    assert run() == first


@pytest.mark.parametrize("name", ["back-propagation", "local, parallel"])
def test_the_yielded_loss_is_that_before_the_update_and_batches_count_by_their_samples(name, xor):
    model, uneven = net(), [(xor.X[:50], xor.Y[:50]), (xor.X[50:], xor.Y[50:])]
    before = average_loss(lambda X, Y: bce(model(X), Y), [(xor.X, xor.Y)])
    assert average_loss(lambda X, Y: bce(model(X), Y), uneven) == pytest.approx(before, rel=1e-6)
    steps = begin(name, model, uneven)
    for _ in range(2):
        assert next(steps).loss == pytest.approx(before, rel=1e-6)
        before = average_loss(lambda X, Y: bce(model(X), Y), uneven)


@pytest.mark.parametrize("name", ["back-propagation", "local, parallel", "local, sequential"])
def test_batches_that_add_up_take_the_step_of_one_batch_by_rprop(name, xor):
    models = [net(), net()]
    for model, batches in zip(models, ([(xor.X, xor.Y)], xor.batches(20, seed=1))):
        list(begin(name, model, batches, epochs=5))
    assert same(*(state(model) for model in models), tolerance=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_what_is_yielded_unpacks_reads_by_name_and_keeps_no_graph(name, batches):
    *_, step = begin(name, net(), batches)
    assert tuple(getattr(step, field) for field in step._fields) == tuple(step)
    assert isinstance(step.loss, float)
    if name.startswith("local, "):
        *_, encoders, decoders = step
        assert not encoders[-1](batches[0][0]).requires_grad
        assert all(p.grad is None for d in decoders for p in d.parameters())
        assert not list(encoders[-1].parameters())
        assert [d.bias for d in decoders[:-1]] == [None, None]


def test_the_layers_answer_through_their_decoders_in_evaluation_mode(xor, batches):
    model = net()
    model[0].append(nn.BatchNorm1d(8))
    *_, step = locally_optimize_parallel(model, Rprop, mse_loss, bce, 2, batches, seed=0)
    before = [b.clone() for b in model.buffers()]
    scores, output = step.predict(xor.X), predictor(model)(xor.X)
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers()))
    model.eval()
    for i, found in enumerate(scores):
        by_hand = step.decoders[i](model[i](step.encoders[i](xor.X))).detach()
        assert torch.allclose(torch.as_tensor(found), by_hand)
    assert (scores[-1] == output).all()


@pytest.mark.parametrize("name", RULES)
def test_loaders_many_outputs_and_other_losses(name):
    digits = datasets["digits"].train(samples=80)
    loader = DataLoader(digits, batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(0))
    model = layered_net([64, 16, 10], output=nn.Identity, seed=0)
    slow = {"forward-forward": (partial(Adam, lr=3e-2), 60)}
    usual = (Rprop, 60) if name.startswith("constrained") else (partial(Adam, lr=1e-2), 15)
    optimizer, epochs = slow.get(name, usual)
    arguments = (model, optimizer, mse_loss, nn.CrossEntropyLoss(), epochs, loader)
    steps = list(RULES[name](*arguments, step=mode_of(name), seed=0))
    assert steps[-1].loss < steps[-epochs].loss
    asked = steps[-1].predict(digits.X)[-1] if name == "forward-forward" else predictor(model)(digits.X)
    assert accuracy(asked, digits.Y) > 0.5  # Forward-Forward answers by goodness, not by its output


def test_images_and_double_precision_pass_through():
    X, Y = torch.rand(12, 1, 6, 6, dtype=torch.float64), torch.rand(12, 3, dtype=torch.float64)
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh()), nn.Sequential(nn.Flatten(), nn.Linear(32, 3))
    ).double()
    *_, step = locally_optimize_parallel(model, sgd, mse_loss, mse_loss, 3, [(X, Y)], seed=0)
    assert [s.shape for s in step.predict(X)] == [(12, 3), (12, 3)]
    assert step.predict(X)[0].dtype == "float64"


def test_encoders_are_the_live_prefixes_and_decoders_come_from_the_seed(xor):
    model = layered_net([2, 8, 6, 3], seed=1)
    encoders = make_encoders(model)
    assert torch.equal(encoders[0](xor.X), xor.X)
    with torch.no_grad():
        model[0][0].weight.mul_(2)
    assert torch.equal(encoders[1](xor.X), model[0](xor.X).detach())
    assert torch.equal(encoders[2](xor.X), model[1](model[0](xor.X)).detach())
    a, b, c = (make_decoders(model, xor.X, seed=s) for s in (1, 1, 2))
    assert [tuple(d.weight.shape) for d in a[:-1]] == [(3, 8), (3, 6)]
    assert torch.equal(a[0].weight, b[0].weight)
    assert not torch.equal(a[0].weight, c[0].weight)
    assert torch.equal(a[-1](xor.X), xor.X)


def test_fitted_decoders_solve_the_least_squares_problem(xor):
    model = layered_net([2, 8, 6, 3], seed=1).double()
    X, Y = xor.X.double(), torch.cat([xor.Y, 1 - xor.Y, xor.Y], dim=1).double()
    decoders = fit_decoders(model, X, Y)
    h = model[0](X).detach()
    residual = Y - decoders[0](h).detach()
    assert torch.allclose(h.T @ residual, torch.zeros(8, 3, dtype=torch.float64), atol=1e-9)  # the normal equations
    scores = layer_scores(model, decoders, X)
    assert [s.shape for s in scores] == [(60, 3)] * 3


def test_accuracy_cuts_a_column_and_takes_the_largest_of_several():
    assert accuracy([[0.6], [0.4], [0.5]], [[1], [1], [1]]) == pytest.approx(2 / 3)
    assert accuracy(np.array([[0.2, 0.1], [3, 5]]), torch.eye(2)) == 1
    for scores, targets, words in [
        ([0.5], [[1.0]], "one shape"),
        ([[np.nan]], [[1.0]], "hold NaN"),
        ([[0.5]], [[-1.0]], "must be 0 or 1"),
    ]:
        with pytest.raises(ValueError, match=words):
            accuracy(scores, targets)


tanh = partial(layered_net, [2, 32, 32, 1], activation=nn.Tanh, normalize=False)
mish = partial(layered_net, [2, 32, 32, 1])


@pytest.mark.parametrize(
    ("name", "make", "epochs", "least"),
    [
        ("back-propagation", tanh, 60, 0.97),
        ("local, parallel", tanh, 120, 0.95),
        ("local, sequential", tanh, 50, 0.95),
        ("local, window", tanh, 60, 0.95),
        ("local, damped", tanh, 120, 0.95),
        ("local losses, pred", tanh, 60, 0.97),
        ("local losses, predsim", mish, 40, 0.94),
        ("local losses, sim", mish, 40, 0.94),
        ("feedback alignment", tanh, 60, 0.97),
        ("direct feedback alignment", tanh, 60, 0.94),
        ("forward-forward", mish, 60, 0.90),
        ("signal propagation", mish, 40, 0.90),
    ],
)
def test_signed_xor_is_learned(name, make, epochs, least):
    """Median test accuracy of three seeds after so many epochs of full-batch Rprop."""
    found = []
    for seed in range(3):
        data, test = (build(samples=500, seed=seed) for build in datasets["signed_xor"][:2])
        model = make(seed=seed)
        *_, step = begin(name, model, [(data.X, data.Y)], epochs=epochs, seed=seed)
        scores = step.predict(test.X)[-1] if hasattr(step, "predict") else predictor(model)(test.X)
        found.append(accuracy(scores, test.Y))
    assert statistics.median(found) >= least
