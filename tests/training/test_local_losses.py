"""Local losses against the matrices that they never make, against steps by hand, and what must not pass a block."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import mse_loss
from torch.optim import SGD, Rprop

from helpers.networks import layered_net, seeded
from helpers.training import local_losses, similarity_loss
from helpers.training.layers import probe
from helpers.training.signals import ending

SIGNALS = pytest.mark.parametrize("signal", ["pred", "sim", "predsim"])
sgd = partial(SGD, lr=0.1)


def net(outputs=1):
    return layered_net([2, 5, 4, outputs], activation=nn.Tanh, normalize=False, seed=1).double()


def make_head(h, width, hidden, *ending):
    between = [nn.Linear(h.shape[1], hidden), nn.Tanh()] if hidden else []
    return nn.Sequential(nn.Flatten(), *between, nn.Linear(hidden or h.shape[1], width), *ending).to(h)


def state(modules):
    return [p.detach().clone() for module in modules for p in module.parameters()]


def same(a, b, tolerance=0.0):
    return all(torch.allclose(p, q, rtol=0, atol=tolerance) for p, q in zip(a, b, strict=True))


def by_matrices(features, targets, centred=True, unit=True):
    """The paper's formula as it stands, in NumPy: the similarity of each pair of rows."""

    def similarity(rows):
        rows = rows - rows.mean(1, keepdims=True) if centred else rows
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) if unit else rows
        return rows @ rows.T

    return np.mean((similarity(features) - similarity(targets)) ** 2)


def test_similarity_is_that_of_the_matrices_which_are_never_made():
    rng = np.random.default_rng(0)
    F, T = rng.standard_normal((20, 7)), np.eye(3)[rng.integers(0, 3, 20)]
    found = float(similarity_loss(torch.tensor(F), torch.tensor(T)))
    assert found == pytest.approx(by_matrices(F, T), rel=1e-12)
    assert found != pytest.approx(by_matrices(F, T, centred=False), rel=1e-2)  # the oracle tells wrong rules
    assert found != pytest.approx(by_matrices(F, T, unit=False), rel=1e-2)
    inputs = (torch.tensor(F, requires_grad=True), torch.tensor(T))
    assert torch.autograd.gradcheck(similarity_loss, inputs)
    assert float(similarity_loss(torch.tensor(3 * T), torch.tensor(T))) == pytest.approx(0, abs=1e-15)


@SIGNALS
@pytest.mark.parametrize("train_decoders", [True, False])
@pytest.mark.parametrize("head", [0, 3])
def test_a_step_is_the_one_that_is_computed_by_hand(signal, train_decoders, head, xor):
    X, Y = xor.X.double(), xor.Y.double()
    expected, weight = net(), {"pred": 0.0, "sim": 1.0, "predsim": 0.99}[signal]
    two_columns = torch.cat([1 - Y, Y], dim=1)
    with seeded(4):
        heads = [
            (make_head(h, 1, head, nn.Sigmoid()), make_head(h, max(2, head or h.shape[1]), head))
            for h in probe(expected, X)[:-1]
        ]
    gradients, h = [], X
    for block, (reader, similar) in zip(expected, heads):
        output = block(h)
        prediction = bce(reader(output), Y)
        F, T = (nn.functional.normalize(r - r.mean(1, keepdim=True)) for r in (similar(output), two_columns))
        similarity = (F @ F.T - T @ T.T).square().mean()
        learned = list(block.parameters())
        total = similarity if signal == "sim" else (1 - weight) * prediction + weight * similarity
        reads = prediction if signal == "sim" else total  # with similarity alone, the reader learns for itself
        gradients += zip(learned, torch.autograd.grad(total, learned, retain_graph=True))
        if train_decoders:
            gradients += zip(reader.parameters(), torch.autograd.grad(reads, list(reader.parameters())))
        h = output.detach()
    learned = list(expected[-1].parameters())
    gradients += zip(learned, torch.autograd.grad(bce(expected[-1](h), Y), learned))
    with torch.no_grad():
        for p, g in gradients:
            p -= 0.1 * g
    model = net()
    (step,) = local_losses(
        model, sgd, bce, 1, [(X, Y)], signal=signal, head=head, train_decoders=train_decoders, seed=4
    )
    assert same(state(model), state(expected), 1e-12)
    assert same(state(step.decoders), state(reader for reader, _ in heads), 1e-12)


@SIGNALS
def test_no_gradient_leaves_a_block(signal, batches):
    def run(spoil):
        model = layered_net([2, 5, 4, 1], seed=1)
        with torch.no_grad():
            for block in list(model)[spoil:]:
                block[0].weight.neg_()
        *_, last = local_losses(model, Rprop, bce, 3, batches, signal=signal, seed=0)
        return model, last.decoders

    (plain, heads), (other, other_heads) = run(3), run(1)
    assert same(state([plain[0], heads[0]]), state([other[0], other_heads[0]]))  # bit for bit
    assert not same(state([plain[1]]), state([other[1]]))


def test_with_similarity_alone_the_readers_teach_nothing(batches):
    def run(criterion):
        model = layered_net([2, 5, 4, 1], seed=1)
        list(local_losses(model, Rprop, criterion, 3, batches, signal="sim", seed=0))
        return state(list(model)[:-1])

    assert same(run(bce), run(mse_loss))


def test_a_reader_answers_as_the_output_block_does(xor):
    model = layered_net([2, 5, 1], seed=1)
    assert [type(part) for part in ending(model[-1])] == [nn.Sigmoid]
    assert not len(ending(nn.Sequential(nn.Flatten(), nn.Linear(3, 2))))
    *_, step = local_losses(model, Rprop, bce, 2, [(xor.X, xor.Y)], seed=0)
    assert all(((scores > 0) & (scores < 1)).all() for scores in step.predict(xor.X))
    answers = copy.deepcopy(step).predict(xor.X)  # a snapshot
    assert all((a == b).all() for a, b in zip(answers, step.predict(xor.X)))


def test_bad_input(xor):
    batches = [(xor.X, xor.Y)]
    with pytest.raises(ValueError, match="signal must be one of pred, sim, predsim, got 'cos'"):
        local_losses(net(), sgd, bce, 1, batches, signal="cos")
    with pytest.raises(ValueError, match="head must be a whole number, 0 or more"):
        local_losses(net(), sgd, bce, 1, batches, head=-1)
    with pytest.raises(ValueError, match="targets must be class labels, one-hot"):
        local_losses(net(2).float(), sgd, mse_loss, 1, [(xor.X, xor.X)])
    list(local_losses(net(2).float(), sgd, mse_loss, 1, [(xor.X, xor.X)], signal="pred", seed=0))  # needs no labels
