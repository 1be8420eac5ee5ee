"""What no rule can run with is refused at the call, and the message names the argument."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import mse_loss
from torch.optim import Rprop
from torch.utils.data import DataLoader, TensorDataset

from helpers.networks import layered_net
from helpers.training import RULES

RULE = pytest.mark.parametrize("name", RULES)


def net():
    return layered_net([2, 4, 1], seed=0)


def call(name, batches, model=None, optimizer=Rprop, epochs=2, **options):
    return RULES[name](model or net(), optimizer, mse_loss, bce, epochs, batches, **options)


@RULE
@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Linear(2, 1), "model must be a Sequential of blocks"),
        (nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()), "model must be nested.*part 0 is a Linear"),
        (nn.Sequential(nn.Sequential(nn.Linear(2, 1)), nn.Sequential()), "model: block 1 is empty"),
        (nn.Sequential(), "model"),
        (layered_net([3, 4, 1]), "model: block 0 cannot take the X of batches, of shape \\(1, 2\\)"),
        (
            nn.Sequential(nn.Sequential(nn.Linear(2, 5)), nn.Sequential(nn.Linear(4, 1))),
            "model: block 1 cannot take the output of block 0",
        ),
    ],
)
def test_models(name, model, words, batches):
    with pytest.raises((TypeError, ValueError), match=words):
        RULES[name](model, Rprop, mse_loss, bce, 2, batches)


@RULE
def test_an_optimiser_object_is_refused_and_told_why(name, batches):
    model = net()
    with pytest.raises(TypeError, match=r"optimizer must be a class.*got an Rprop object: shared by all layers"):
        call(name, batches, model, Rprop(model.parameters()))


@RULE
@pytest.mark.parametrize("epochs", [0, -1, 2.5, True, "3", None])
def test_epochs(name, epochs, batches):
    with pytest.raises((TypeError, ValueError), match="epochs must be"):
        call(name, batches, epochs=epochs)


@RULE
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"step": "sample"}, "step must be 'epoch' or 'batch', got 'sample'"),
        ({"seed": "1"}, "seed must be a whole number"),
        ({"seed": -1}, "seed"),
        ({"train_decoders": 1}, "train_decoders must be True or False"),
        ({"train_decoder": True}, "train_decoder"),
    ],
)
def test_options(name, options, words, batches):
    with pytest.raises((TypeError, ValueError), match=words):
        call(name, batches, **options)


@RULE
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda b: [], "batches is empty"),
        (lambda b: DataLoader(TensorDataset(torch.empty(0, 2), torch.empty(0, 1))), "batches is empty"),
        (iter, "batches is a one-shot iterator"),
        (lambda b: (pair for pair in b), "one-shot iterator \\(generator\\).*one of 2 epochs"),
        (lambda b: 7, "batches must be an iterable"),
        (lambda b: [X for X, _ in b], "batches must yield pairs"),
        (lambda b: [([1.0], [0.0])], "batches must yield pairs"),
    ],
)
def test_batches(name, spoil, words, batches):
    with pytest.raises((TypeError, ValueError), match=words):
        call(name, spoil(batches))


@RULE
def test_a_one_shot_iterator_is_enough_for_one_epoch(name, batches):
    losses = [s.loss for s in call(name, iter(batches), epochs=1, seed=0)]
    assert losses == [s.loss for s in call(name, batches, epochs=1, seed=0)]


@RULE
def test_a_model_with_nothing_to_train(name, batches):
    model = net().requires_grad_(False)
    if name in ("back-propagation", "feedback alignment", "direct feedback alignment"):  # they have no decoder
        with pytest.raises(ValueError, match="model has no parameter that requires a gradient"):
            call(name, batches, model)
    else:
        before = [p.clone() for p in model.parameters()]
        list(call(name, batches, model, seed=0))  # the decoders learn alone
        assert all(torch.equal(p, q) for p, q in zip(before, model.parameters()))
