"""Stop, go on, fail: the model stays usable, in the mode and with the flags that the caller gave it."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import mse_loss
from torch.optim import SGD, Rprop

from helpers.networks import layered_net
from helpers.training import RULES, TrainingError, layer_scores, make_decoders, predictor

RULE = pytest.mark.parametrize("name", RULES)
ANY_BLOCK = pytest.mark.parametrize("name", [n for n in RULES if n != "constrained, ADMM"])  # ADMM wants linear layers


def net():
    return layered_net([2, 8, 6, 1], seed=1)


def with_batch_norm():
    model = net()
    model[0].append(nn.BatchNorm1d(8))
    model[1].insert(0, nn.Dropout(0.0))
    return model


def state(model):
    return {name: t.clone() for name, t in model.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@RULE
def test_stop_and_go_on_equals_an_uninterrupted_run(name, batches):
    whole, broken = net(), net()
    expected = [s.loss for s in RULES[name](whole, Rprop, mse_loss, bce, 6, batches, seed=0)]
    steps = RULES[name](broken, Rprop, mse_loss, bce, 6, batches, seed=0)
    losses = [next(steps).loss for _ in range(3)]
    predictor(broken)(batches[0][0])
    torch.rand(3)
    losses += [s.loss for s in steps]
    assert losses == expected
    assert same(state(whole), state(broken))


@ANY_BLOCK
@pytest.mark.parametrize("training", [True, False])
def test_close_leaves_mode_flags_and_gradients_as_they_were(name, training, batches):
    model = with_batch_norm().train(training)
    model[0][0].weight.requires_grad_(False)
    frozen = model[0][0].weight.clone()
    modes = [m.training for m in model.modules()]
    steps = RULES[name](model, Rprop, mse_loss, bce, 5, batches, seed=0)
    assert next(steps).epoch == 1
    assert [m.training for m in model.modules()] == modes
    steps.close()
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == [False] + [True] * (len(list(model.parameters())) - 1)
    assert torch.equal(model[0][0].weight, frozen)
    assert all(p.grad is None for p in model.parameters())
    assert predictor(model)(batches[0][0]).shape == (20, 1)


@ANY_BLOCK
def test_a_caller_may_look_in_evaluation_mode_between_epochs(name, batches):
    model = with_batch_norm()
    for _ in RULES[name](model, Rprop, mse_loss, bce, 2, batches, seed=0):
        model.eval()
        before = state(model)
        model(batches[0][0])
        assert same(before, state(model))
    assert not model.training
    assert model[0][-1].num_batches_tracked > 0  # it did train in training mode all the same


def test_probe_decoders_and_answers_touch_no_buffer(batches):
    model = with_batch_norm()
    before = state(model)
    decoders = make_decoders(model, batches[0][0], seed=0)
    layer_scores(model, decoders, batches[0][0])
    predictor(model)(batches[0][0])
    assert same(before, state(model))
    assert model.training


class Poison:
    """Good batches, until the given pass; then a batch that no loss can take."""

    def __init__(self, batches, bad, epoch):
        self.batches, self.bad, self.epoch, self.passes = batches, bad, epoch, 0

    def __iter__(self):
        self.passes += 1
        yield from self.batches[:-1]
        yield self.bad if self.passes == self.epoch else self.batches[-1]


PASS_BY_PASS = [n for n in RULES if not n.startswith("constrained") and n != "local, sequential"]


@pytest.mark.parametrize("name", PASS_BY_PASS)
@pytest.mark.parametrize("step", ["epoch", "batch"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda X, Y: (X, Y + 3), "epoch 3, batch 3.*(between 0 and 1|class labels, 0 or 1)"),
        (lambda X, Y: (X, Y[:, 0]), "epoch 3, batch 3.*targets have shape"),
        (lambda X, Y: (X * float("nan"), Y), "epoch 3, batch 3"),
        (lambda X, Y: (X[:, :1], Y), "epoch 3, batch 3.*shapes"),
    ],
)
def test_a_bad_batch_is_an_error_at_that_batch_and_nothing_is_lost(name, step, spoil, words, batches):
    model, twin = with_batch_norm(), with_batch_norm()
    data = Poison(batches, spoil(*batches[-1]), epoch=3)
    options = {"width": 3} if name == "local, window" else {}  # all blocks at once, or none would see the loss fail
    steps = RULES[name](model, Rprop, mse_loss, bce, 5, data, step=step, seed=0, **options)
    next(steps), next(steps)
    modes = [m.training for m in model.modules()]
    with pytest.raises(TrainingError, match=words):
        next(steps)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.isfinite(t).all() for t in model.state_dict().values())
    assert all(p.grad is None for p in model.parameters())
    for _ in RULES[name](model, Rprop, mse_loss, bce, 1, batches, seed=0, **options):  # usable
        pass
    if step == "epoch":  # the last parameters with a finite loss are those that epoch 2 started its update from
        list(RULES[name](twin, Rprop, mse_loss, bce, 1, batches, seed=0, **options))
        spoiled = with_batch_norm()
        steps = RULES[name](
            spoiled, Rprop, mse_loss, bce, 5, Poison(batches, spoil(*batches[-1]), 3), seed=0, **options
        )
        with pytest.raises(TrainingError):
            list(steps)
        assert all(torch.equal(p, q) for p, q in zip(spoiled.parameters(), twin.parameters()))


@RULE
def test_a_divergence_is_an_error_with_the_last_finite_parameters(name, batches):
    model = layered_net([2, 8, 6, 1], normalize=False, output=nn.Identity, seed=1)
    with pytest.raises(TrainingError, match="smaller learning rate"):
        list(RULES[name](model, partial(SGD, lr=1e3), mse_loss, mse_loss, 60, batches, seed=0))
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert torch.isfinite(torch.as_tensor(predictor(model)(batches[0][0]))).all()


@RULE
def test_an_interrupt_passes_through_and_leaves_the_model_usable(name, batches):
    calls = []

    def impatient(scores, Y):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return mse_loss(scores, Y)

    model = net().eval()
    with pytest.raises(KeyboardInterrupt):
        list(RULES[name](model, Rprop, impatient, impatient, 5, batches, seed=0))
    assert not any(m.training for m in model.modules())
    assert all(p.grad is None for p in model.parameters())
