"""Stop, go on, fail: the model stays usable, in the mode and with the flags that the caller gave it."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from helpers.networks import layered_net
from helpers.training import RULES, TrainingError, predictor
from tests.training.common import ANY_BLOCK, begin, same, state

RULE = pytest.mark.parametrize("name", RULES)


def net():
    return layered_net([2, 8, 6, 1], seed=1)


def with_batch_norm():
    model = net()
    model[0].append(nn.BatchNorm1d(8))
    model[1].insert(1, nn.Dropout(0.0))
    return model


@RULE
def test_stop_and_go_on_equals_an_uninterrupted_run(name, batches):
    whole, broken = net(), net()
    expected = [s.loss for s in begin(name, whole, batches, epochs=6)]
    steps = begin(name, broken, batches, epochs=6)
    losses = [next(steps).loss for _ in range(3)]
    predictor(broken)(batches[0][0])
    torch.rand(3)
    losses += [s.loss for s in steps]
    assert losses == expected
    assert same(state(whole), state(broken))


@pytest.mark.parametrize("name", ANY_BLOCK)
@pytest.mark.parametrize("training", [True, False])
def test_close_leaves_mode_flags_and_gradients_as_they_were(name, training, batches):
    model = with_batch_norm().train(training)
    model[0][0].weight.requires_grad_(False)
    frozen = model[0][0].weight.clone()
    steps = begin(name, model, batches, epochs=5)
    assert next(steps).epoch == 1
    before = next(model.buffers()).clone()
    model.eval()(batches[0][0])  # a caller may look between epochs
    assert torch.equal(before, next(model.buffers()))
    model.train(training)
    next(steps)
    assert [m.training for m in model.modules()] == [training] * len(list(model.modules()))
    steps.close()
    assert [p.requires_grad for p in model.parameters()] == [False] + [True] * (len(list(model.parameters())) - 1)
    assert torch.equal(model[0][0].weight, frozen)
    assert all(p.grad is None for p in model.parameters())
    assert predictor(model)(batches[0][0]).shape == (20, 1)
    assert model[0][-1].num_batches_tracked > 0  # it did train in training mode all the same


class Poison:
    """Good batches, until the third pass; then a batch that no loss can take."""

    def __init__(self, batches, bad):
        self.batches, self.bad, self.passes = batches, bad, 0

    def __iter__(self):
        self.passes += 1
        yield from self.batches[:-1]
        yield self.bad if self.passes == 3 else self.batches[-1]


@pytest.mark.parametrize("name", [n for n in RULES if not n.startswith("constrained") and n != "local, sequential"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda X, Y: (X, Y + 3), "epoch 3, batch 3.*(between 0 and 1|class labels, 0 or 1)"),
        (lambda X, Y: (X, Y[:, 0]), "epoch 3, batch 3.*targets (have shape|must be class)"),
        (lambda X, Y: (X * float("nan"), Y), "epoch 3, batch 3"),
        (lambda X, Y: (X[:, :1], Y), "epoch 3, batch 3.*shapes"),
    ],
)
def test_a_bad_batch_is_an_error_at_that_batch_and_nothing_is_lost(name, spoil, words, batches):
    options = {"width": 3} if name == "local, window" else {}  # all blocks at once, or none would see the loss fail
    for step in ("epoch", "batch"):
        model, twin = with_batch_norm(), with_batch_norm()
        modes = [m.training for m in model.modules()]
        steps = begin(name, model, Poison(batches, spoil(*batches[-1])), epochs=5, step=step, **options)
        next(steps), next(steps)
        with pytest.raises(TrainingError, match=words):
            next(steps)
        assert [m.training for m in model.modules()] == modes
        assert all(torch.isfinite(t).all() for t in model.state_dict().values())
        assert all(p.grad is None for p in model.parameters())
        if step == "epoch":  # the last parameters with a finite loss are those that epoch 2 started its update from
            list(begin(name, twin, batches, epochs=1, **options))
            assert same(state(model), state(twin))
        list(begin(name, model, batches, epochs=1, **options))  # usable


@RULE
def test_a_divergence_is_an_error_with_the_last_finite_parameters(name, batches):
    model = layered_net([2, 8, 6, 1], normalize=False, output=nn.Identity, seed=1)
    with pytest.raises(TrainingError, match="smaller learning rate"):
        list(begin(name, model, batches, partial(SGD, lr=1e3), criterion=mse_loss, epochs=60))
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
        list(begin(name, model, batches, hidden=impatient, criterion=impatient, epochs=5))
    assert not any(m.training for m in model.modules())
    assert all(p.grad is None for p in model.parameters())
