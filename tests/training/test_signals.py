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
from helpers.training import forward_forward, local_losses, predictor, signal_propagation, similarity_loss
from helpers.training.layers import probe
from helpers.training.signals import HEAD, codes, make_head, open_door
from tests.training.common import begin, same, sgd, state

FORWARD = pytest.mark.parametrize("rule", [forward_forward, signal_propagation])
SIGNALS = pytest.mark.parametrize("signal", ["pred", "sim", "predsim"])


def net(outputs=1, **options):
    return layered_net([2, 5, 4, outputs], seed=1, **options)


def tanh_net(outputs=1):
    return net(outputs, activation=nn.Tanh, normalize=False).double()


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
    X, Y, threshold = xor.X.double(), xor.Y.double(), 2.0
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
    (step,) = forward_forward(model, sgd, bce, 1, [(X, Y)], seed=7)
    check_updates(model, before, [first, second, output_gradient(plain, y, W3, b3)])
    assert np.allclose(step.rule.ends[0].weight.detach(), E - 0.1 * dE, atol=1e-12)


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
    assert np.allclose(step.rule.ends[0].weight.detach(), S - 0.1 * dS, atol=1e-12)


@pytest.mark.parametrize(
    "name", ["forward-forward", "signal propagation", *(f"local losses, {s}" for s in ("pred", "sim", "predsim"))]
)
def test_no_gradient_leaves_a_block_and_ends_learn_or_stay(name, batches):
    def run(spoil=3, trained=True):
        model = net()
        with torch.no_grad():
            for block in list(model)[spoil:]:
                block[0].weight.neg_()
        steps = begin(name, model, batches, epochs=3, train_decoders=trained)
        ends = state(steps.rule.ends[0])
        list(steps)
        assert same(ends, state(steps.rule.ends[0])) is not trained
        return state(model[0], steps.rule.ends[0]), state(model[1])

    (first, second), (other_first, other_second) = run(), run(spoil=1)
    assert same(first, other_first)  # bit for bit
    assert not same(second, other_second)
    run(trained=False)


def test_a_wrong_label_is_never_the_true_one_and_each_other_one_is_as_likely():
    for classes in (3, 10):
        labels = torch.arange(classes).repeat(3000)
        model, Y = layered_net([2, 3, classes], seed=0), nn.functional.one_hot(labels, classes).float()
        wrong = forward_forward(model, Rprop, mse_loss, 1, [(torch.zeros(len(Y), 2), Y)], seed=0).rule.wrong(labels)
        counts = torch.bincount(labels * classes + wrong, minlength=classes**2).view(classes, classes)
        assert not counts.diagonal().any()
        expected = 3000 / (classes - 1)
        assert ((counts[~torch.eye(classes, dtype=torch.bool)] - expected).abs() < 5 * expected**0.5).all()


def test_goodness_is_taken_before_the_rows_are_scaled(xor):
    model = net()
    (step,) = forward_forward(model, partial(SGD, lr=0.0), bce, 1, [(xor.X, xor.Y)], seed=0)
    with torch.no_grad():
        a = nn.functional.mish(model[0][0](xor.X) + step.rule.ends[0](codes(xor.Y[:, 0].long(), 2)))
        b = nn.functional.mish(model[1][0](nn.functional.normalize(a)))
    found = [true for true, _ in step.rule.goodness]
    assert found == pytest.approx([float(a.square().mean()), float(b.square().mean())], rel=1e-5)


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
            good = [_goodness(model, step.rule.ends[0], xor.X, label) for label in range(max(2, outputs))]
        for i, answer in enumerate(answers):
            each = torch.stack([g[i] for g in good], dim=1).softmax(1)
            assert np.allclose(answer, each[:, 1:] if outputs == 1 else each, atol=1e-5)
    snapshot = copy.deepcopy(step)
    list(rule(model, Rprop, bce, 1, [(xor.X, Y)], seed=1))
    assert all((a == b).all() for a, b in zip(answers, snapshot.predict(xor.X)))


def _goodness(model, door, X, label):
    h = nn.functional.mish(model[0][0](X) + door(codes(torch.full((len(X),), label), door.in_features)))
    upper = nn.functional.mish(model[1][0](nn.functional.normalize(h)))
    return [part.square().mean(1) for part in (h, upper, torch.cat([h, upper], dim=1))]


def test_what_is_no_label_and_nets_without_a_place_for_one_are_refused(xor):
    rows = torch.zeros(60, 3), torch.ones(60, 3)
    wrong = [
        (1, torch.full((60, 1), 2.0)),
        (1, torch.full((60, 1), 0.5)),
        (1, torch.zeros(60, 2)),
        *((3, Y) for Y in rows),
    ]
    for outputs, Y in wrong:
        for name in ("forward-forward", "signal propagation", "local losses, sim"):
            with pytest.raises(ValueError, match="targets (must be class labels|have shape)"):
                begin(name, net(outputs), [(xor.X, Y)], criterion=mse_loss)
    for name in ("forward-forward", "signal propagation"):
        model = net()
        model[0].insert(0, nn.Dropout())
        with pytest.raises(ValueError, match="model: block 0 begins with Dropout; this rule needs an nn.Linear"):
            begin(name, model, [(xor.X, xor.Y)])
    with pytest.raises(ValueError, match="model has no hidden block"):
        begin("forward-forward", layered_net([2, 1], seed=0), [(xor.X, xor.Y)])
    with pytest.raises(ValueError, match="signal must be one of pred, sim, predsim, got 'cos'"):
        local_losses(net(), sgd, bce, 1, [(xor.X, xor.Y)], signal="cos")
    list(local_losses(net(2), sgd, mse_loss, 1, [(xor.X, xor.X)], signal="pred"))  # needs no labels


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
    assert torch.autograd.gradcheck(similarity_loss, (torch.tensor(F, requires_grad=True), torch.tensor(T)))
    assert float(similarity_loss(torch.tensor(3 * T), torch.tensor(T))) == pytest.approx(0, abs=1e-15)


@SIGNALS
@pytest.mark.parametrize("train_decoders", [True, False])
def test_a_step_is_the_one_that_is_computed_by_hand(signal, train_decoders, xor):
    X, Y = xor.X.double(), xor.Y.double()
    expected, weight = tanh_net(), {"pred": 0.0, "sim": 1.0, "predsim": 0.99}[signal]
    two_columns = torch.cat([1 - Y, Y], dim=1)
    with seeded(4):
        heads = [(make_head(h, 1, nn.Sigmoid()), make_head(h, HEAD)) for h in probe(expected, X)[:-1]]
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
    model, options = tanh_net(), {"signal": signal, "train_decoders": train_decoders, "seed": 4}
    (step,) = local_losses(model, sgd, bce, 1, [(X, Y)], **options)
    assert same(state(model), state(expected), 1e-12)
    assert same(state(*step.decoders), state(*(reader for reader, _ in heads)), 1e-12)
    assert all(((scores > 0) & (scores < 1)).all() for scores in step.predict(X))  # a reader ends as the output does
