"""Forward-Forward, signal propagation and local losses against steps by hand; labels; what must not pass a block."""

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
from helpers.training import RULES, forward_forward, local_losses, predictor, signal_propagation, similarity_loss
from helpers.training.layers import probe
from helpers.training.signals import class_labels, codes, ending, open_door
from tests.training.common import same, sgd, state

FORWARD = pytest.mark.parametrize("rule", [forward_forward, signal_propagation])


def net(outputs=1, **options):
    return layered_net([2, 5, 4, outputs], seed=1, **options)


def tanh_net():
    return net(activation=nn.Tanh, normalize=False).double()


def door_of(step):
    return (step.net if hasattr(step, "net") else step.rule).ends[0]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights(model):
    return [(block[0].weight.detach().numpy().copy(), block[0].bias.detach().numpy().copy()) for block in model]


def check_updates(model, before, gradients):
    for block, (W, b), (dW, db) in zip(model, before, gradients):
        assert np.allclose(block[0].weight.detach(), W - 0.1 * dW, atol=1e-12)
        assert np.allclose(block[0].bias.detach(), b - 0.1 * db, atol=1e-12)


def output_gradient(h, y, W, b):
    delta = (sigmoid(h @ W.T + b) - y) / len(y)
    return delta.T @ h, delta.sum(0)


def test_a_step_of_forward_forward_is_the_one_that_is_computed_by_hand(xor):
    X, Y, threshold = xor.X.double(), xor.Y.double(), 0.3
    model = tanh_net()
    before, E = weights(model), open_door(model, 1, 7).weight.detach().numpy()
    (W1, b1), (W2, b2), (W3, b3) = before
    x, y, n = X.numpy(), Y.numpy(), len(Y)
    code = np.concatenate([0.5 - y, y - 0.5], axis=1)  # one-hot of (class 0, class 1), less 1/2
    streams = {+1: code, -1: -code}  # of two classes, the wrong label is the other one

    def gradient(h_in, W, b, extra):
        """Each sign adds sigmoid(±(threshold - g)) / 2n times -±dg, with g the mean square of tanh units."""
        dW, db, dE, outputs = 0, 0, 0, {}
        for sign in (1, -1):
            h = np.tanh(h_in[sign] @ W.T + b + extra[sign])
            g = (h**2).mean(1, keepdims=True)
            delta = -sign * sigmoid(sign * (threshold - g)) / (2 * n) * (2 * h / h.shape[1]) * (1 - h**2)
            dW, db, dE = dW + delta.T @ h_in[sign], db + delta.sum(0), dE + delta.T @ streams[sign]
            outputs[sign] = h / np.linalg.norm(h, axis=1, keepdims=True)
        return (dW, db), dE, outputs

    first, dE, units = gradient({1: x, -1: x}, W1, b1, {s: c @ E.T for s, c in streams.items()})
    second, _, _ = gradient(units, W2, b2, {1: 0, -1: 0})
    plain = np.tanh(np.tanh(x @ W1.T + b1) @ W2.T + b2)  # no label, and no scaling: the net as it is
    (step,) = forward_forward(model, sgd, bce, 1, [(X, Y)], threshold=threshold, seed=7)
    check_updates(model, before, [first, second, output_gradient(plain, y, W3, b3)])
    assert np.allclose(door_of(step).weight.detach(), E - 0.1 * dE, atol=1e-12)


def test_a_step_of_signal_propagation_is_the_one_that_is_computed_by_hand(xor):
    X, Y = xor.X.double(), xor.Y.double()
    model = tanh_net()
    before, S = weights(model), open_door(model, 1, 7).weight.detach().numpy()
    (W1, b1), (W2, b2), (W3, b3) = before
    x, y, n = X.numpy(), Y.numpy(), len(Y)
    one_hot, code = np.concatenate([1 - y, y], axis=1), np.array([[0.5, -0.5], [-0.5, 0.5]])

    def gradient(h, t):
        """Cross entropy of h·t_c: the gradient reaches the weights through inputs and through targets."""
        scores = h @ t.T
        share = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        d = (share - one_hot) / n
        return (d @ t) * (1 - h**2), (d.T @ h) * (1 - t**2)

    h1, t1 = np.tanh(x @ W1.T + b1), np.tanh(code @ S.T)
    dh, dt = gradient(h1, t1)
    first, dS = (dh.T @ x, dh.sum(0)), dt.T @ code
    h2, t2 = np.tanh(h1 @ W2.T + b2), np.tanh(t1 @ W2.T + b2)
    dh, dt = gradient(h2, t2)
    second = (dh.T @ h1 + dt.T @ t1, dh.sum(0) + dt.sum(0))
    (step,) = signal_propagation(model, sgd, bce, 1, [(X, Y)], seed=7)
    check_updates(model, before, [first, second, output_gradient(h2, y, W3, b3)])
    assert np.allclose(door_of(step).weight.detach(), S - 0.1 * dS, atol=1e-12)


@FORWARD
def test_no_gradient_leaves_a_block(rule, batches):
    def run(spoil):
        model = net()
        with torch.no_grad():
            for block in list(model)[spoil:]:
                block[0].weight.neg_()
        *_, last = rule(model, Rprop, bce, 3, batches, seed=0)
        return state(model[0], door_of(last)), state(model[1])

    (first, second), (other_first, other_second) = run(3), run(1)
    assert all(torch.equal(p, q) for p, q in zip(first, other_first))  # bit for bit
    assert not all(torch.equal(p, q) for p, q in zip(second, other_second))


@FORWARD
@pytest.mark.parametrize("trained", [True, False])
def test_the_door_learns_with_its_block_or_not_at_all(rule, trained, batches):
    model = net()
    start = open_door(model, 1, 3).weight.detach().clone()
    *_, step = rule(model, Rprop, bce, 2, batches, seed=3, train_decoders=trained)
    assert torch.equal(start, door_of(step).weight) is not trained


def test_a_wrong_label_is_never_the_true_one_and_each_other_one_is_as_likely():
    for classes in (3, 10):
        labels = torch.arange(classes).repeat(3000)
        model, X = layered_net([2, 3, classes], seed=0), torch.zeros(len(labels), 2)
        rule = forward_forward(model, Rprop, nn.functional.cross_entropy, 1, [(X, labels)], seed=0).rule
        wrong = rule.wrong(labels)
        counts = torch.bincount(labels * classes + wrong, minlength=classes**2).view(classes, classes)
        assert not counts.diagonal().any()
        expected = 3000 / (classes - 1)
        assert ((counts[~torch.eye(classes, dtype=torch.bool)] - expected).abs() < 5 * expected**0.5).all()


def test_goodness_is_taken_before_the_rows_are_scaled(xor):
    model = net()
    (step,) = forward_forward(model, partial(SGD, lr=0.0), bce, 1, [(xor.X, xor.Y)], seed=0)
    with torch.no_grad():
        code = codes(xor.Y[:, 0].long(), 2)
        a = nn.functional.mish(model[0][0](xor.X) + door_of(step)(code))
        assert step.goodness[0][0] == pytest.approx(float(a.square().mean()), rel=1e-5)
        b = nn.functional.mish(model[1][0](nn.functional.normalize(a)))
        assert step.goodness[1][0] == pytest.approx(float(b.square().mean()), rel=1e-5)


@FORWARD
@pytest.mark.parametrize("outputs", [1, 3])
def test_every_layer_answers(rule, outputs, xor):
    model = net(outputs)
    Y = xor.Y if outputs == 1 else nn.functional.one_hot(torch.arange(60) % 3, 3).float()
    *_, step = rule(model, Rprop, bce, 2, [(xor.X, Y)], seed=0)
    answers = step.predict(xor.X)
    assert [a.shape for a in answers] == [(60, outputs)] * 3
    assert all(((a > 0) & (a < 1)).all() for a in answers)
    if rule is signal_propagation:
        assert (answers[-1] == predictor(model)(xor.X)).all()
    else:  # by hand, one label after the other
        with torch.no_grad():
            good = [_goodness(model, door_of(step), xor.X, label) for label in range(max(2, outputs))]
        for i, answer in enumerate(answers):
            each = torch.stack([g[i] for g in good], dim=1).softmax(1)
            assert np.allclose(answer, each[:, 1:] if outputs == 1 else each, atol=1e-5)
    snapshot = copy.deepcopy(step)
    list(rule(model, Rprop, bce, 1, [(xor.X, Y)], seed=1))
    assert all((a == b).all() for a, b in zip(answers, snapshot.predict(xor.X)))


def _goodness(model, door, X, label):
    code = codes(torch.full((len(X),), label), door.in_features)
    h = nn.functional.mish(model[0][0](X) + door(code))
    upper = nn.functional.mish(model[1][0](nn.functional.normalize(h)))
    return [part.square().mean(1) for part in (h, upper, torch.cat([h, upper], dim=1))]


def test_class_labels_in_all_their_forms():
    assert class_labels(torch.tensor([[1.0], [0.0]]), 1).tolist() == [1, 0]
    assert class_labels(torch.eye(3)[[2, 0]], 3).tolist() == [2, 0]
    assert class_labels(torch.tensor([2, 0]), 3).tolist() == [2, 0]


@pytest.mark.parametrize("name", ["forward-forward", "signal propagation", "local losses, sim"])
@pytest.mark.parametrize(
    ("Y", "words"),
    [
        (torch.full((60, 1), 2.0), "targets must be class labels, 0 or 1"),
        (torch.full((60, 1), 0.5), "targets must be class labels"),
        (torch.full((60,), 2), "targets must be classes from 0 to 1, got 2 to 2"),
        (torch.full((60,), -1), "targets must be classes from 0 to 1"),
        (torch.zeros(60, 2), "targets have shape \\(60, 2\\)"),
        (torch.full((60, 1), float("nan")), "batches: Y holds NaN"),
    ],
)
def test_labels_out_of_range_are_refused_at_the_call(name, Y, words, xor):
    with pytest.raises(ValueError, match=words):
        RULES[name](net(), Rprop, None, bce, 1, [(xor.X, Y)])


def test_one_hot_rows_have_a_single_one(xor):
    for Y in (torch.zeros(60, 3), torch.ones(60, 3)):
        with pytest.raises(ValueError, match="one-hot, a single 1 in each row"):
            forward_forward(net(3), Rprop, bce, 1, [(xor.X, Y)])


@pytest.mark.parametrize("threshold", [0, -1.0, float("nan"), float("inf"), "2", True])
def test_a_threshold_that_is_not_positive_is_refused(threshold, xor):
    with pytest.raises((TypeError, ValueError), match="threshold must be a number, more than 0"):
        forward_forward(net(), Rprop, bce, 1, [(xor.X, xor.Y)], threshold=threshold)


@FORWARD
def test_nets_without_a_place_for_the_label_are_refused(rule, xor):
    model = net()
    model[0].insert(0, nn.Dropout())
    with pytest.raises(ValueError, match="model: block 0 begins with Dropout; a label enters at an nn.Linear"):
        rule(model, Rprop, bce, 1, [(xor.X, xor.Y)])
    single = layered_net([2, 1], seed=0)
    if rule is forward_forward:
        with pytest.raises(ValueError, match="model has no hidden block"):
            rule(single, Rprop, bce, 1, [(xor.X, xor.Y)])
    else:
        list(rule(single, Rprop, bce, 1, [(xor.X, xor.Y)], seed=0))


SIGNALS = pytest.mark.parametrize("signal", ["pred", "sim", "predsim"])


def double_net(outputs=1):
    return layered_net([2, 5, 4, outputs], activation=nn.Tanh, normalize=False, seed=1).double()


def make_head(h, width, hidden, *ending):
    between = [nn.Linear(h.shape[1], hidden), nn.Tanh()] if hidden else []
    return nn.Sequential(nn.Flatten(), *between, nn.Linear(hidden or h.shape[1], width), *ending).to(h)


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
    expected, weight = double_net(), {"pred": 0.0, "sim": 1.0, "predsim": 0.99}[signal]
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
    model = double_net()
    (step,) = local_losses(
        model, sgd, bce, 1, [(X, Y)], signal=signal, head=head, train_decoders=train_decoders, seed=4
    )
    assert same(state(model), state(expected), 1e-12)
    assert same(state(*step.decoders), state(*(reader for reader, _ in heads)), 1e-12)


@SIGNALS
def test_no_gradient_of_a_local_loss_leaves_a_block(signal, batches):
    def run(spoil):
        model = layered_net([2, 5, 4, 1], seed=1)
        with torch.no_grad():
            for block in list(model)[spoil:]:
                block[0].weight.neg_()
        *_, last = local_losses(model, Rprop, bce, 3, batches, signal=signal, seed=0)
        return model, last.decoders

    (plain, heads), (other, other_heads) = run(3), run(1)
    assert same(state(plain[0], heads[0]), state(other[0], other_heads[0]))  # bit for bit
    assert not same(state(plain[1]), state(other[1]))


def test_with_similarity_alone_the_readers_teach_nothing(batches):
    def run(criterion):
        model = layered_net([2, 5, 4, 1], seed=1)
        list(local_losses(model, Rprop, criterion, 3, batches, signal="sim", seed=0))
        return state(*list(model)[:-1])

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
        local_losses(double_net(), sgd, bce, 1, batches, signal="cos")
    with pytest.raises(ValueError, match="head must be a whole number, 0 or more"):
        local_losses(double_net(), sgd, bce, 1, batches, head=-1)
    with pytest.raises(ValueError, match="targets must be class labels, one-hot"):
        local_losses(double_net(2).float(), sgd, mse_loss, 1, [(xor.X, xor.X)])
    list(
        local_losses(double_net(2).float(), sgd, mse_loss, 1, [(xor.X, xor.X)], signal="pred", seed=0)
    )  # needs no labels
