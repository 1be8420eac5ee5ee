"""What would train nothing, or something else than it says, is refused by the name of what is wrong.

Most of these tests walk over a table of bad calls, each under every rule that it concerns, and list what is wrong.
"""

from __future__ import annotations

import copy
import re
import threading
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import mse_loss
from torch.optim import SGD, Adam, Rprop

from helpers.networks import NETWORKS, layered_net
from helpers.training import RULES, average_loss
from helpers.training.idempotent import Algorithm, IdempotencyLoss, train_idempotent
from tests.training.common import ANY_BLOCK, begin, sgd

FEEDBACK = ("feedback alignment", "direct feedback alignment")
CUT = [*(name for name in RULES if name != "back-propagation" and name[:5] != "const"), "constrained, ADMM"]
OWN_PASS = ("forward-forward", "signal propagation", *FEEDBACK)  # these run a block's layers themselves


def net(*, outputs=1, seed=0):
    return layered_net([2, 5, 4, outputs], activation=nn.Tanh, normalize=False, seed=seed)


def fault(words, name, batches, model=None, **options):
    """Say what is wrong with a refusal at the call, or None."""
    model = net() if model is None else model
    before = copy.deepcopy(model.state_dict())
    try:
        begin(name, model, batches, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        wrong = [] if re.search(words, str(error)) else [f"says {error}"]
    else:
        wrong = ["is taken"]
    wrong += [f"{key} changed" for key, t in model.state_dict().items() if not torch.equal(t, before[key])]
    return f"{name}, {words}: {'; '.join(wrong)}" if wrong else None


def none(faults):
    found = [words for words in faults if words]
    assert not found, "\n".join(found)


class Layer(nn.Module):
    """A layer that does what a function says."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return self.how(x)


# the table: an argument, its bad values, the words of the refusal

MODELS = [
    (nn.Linear(2, 1), "model must be a nested Sequential"),
    (nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()), "model must be a nested Sequential"),
    (layered_net([3, 4, 1]), r"model: block 0 cannot take an input of shape \(1, 2\)"),
    (nn.Sequential(nn.Sequential(nn.Linear(2, 5)), nn.Sequential(nn.Linear(4, 1))), "model: block 1 cannot take"),
]
OPTIONS = [
    *(({"epochs": epochs}, "epochs must be") for epochs in (0, 2.5, True, "3", None)),
    ({"step": "sample"}, "step must be"),
    *(({"seed": seed}, "seed must be a whole number") for seed in ("1", -1, 2**80)),
    ({"train_decoders": 1}, "train_decoders must be"),
    ({"train_decoder": True}, "train_decoder"),
]
OPTIMIZERS = [
    (Rprop(net().parameters()), "optimizer must be a class.*no Rprop object: shared by all layers"),
    (lambda parameters: SGD([*parameters, nn.Parameter(torch.ones(1))], lr=0.1), "optimizer must make a new"),
    (lambda parameters: SGD(list(parameters)[:1], lr=0.1), "optimizer must make a new"),
]
CRITERIA = [
    lambda s, Y: mse_loss(s.detach(), Y),
    lambda s, Y: mse_loss(s, Y).item(),
    lambda s, Y: torch.tensor(0.5),
    lambda s, Y: (mse_loss(s, Y), 1),
    lambda s, Y: None,
    nn.MSELoss,
]
FIRST_BATCHES = [
    (lambda X, Y: (X.numpy(), Y), "batches must yield pairs.*ndarray.*as_tensor"),
    (lambda X, Y: (X, Y, Y), "batches must yield pairs"),
    (lambda X, Y: X, "batches must yield pairs"),
    (lambda X, Y: (X[:-1], Y), "batches: X and Y must have a row for each sample"),
    (lambda X, Y: (X[:0], Y[:0]), "batches: X and Y must have a row for each sample, one at least"),
    (lambda X, Y: (X * np.nan, Y), "batches: X holds NaN or infinite"),
    (lambda X, Y: (X, Y / 0), "batches: Y holds NaN or infinite"),
    (lambda X, Y: (X.double(), Y), "model: block 0.*float64"),
    (lambda X, Y: (X[:, :1], Y), "model: block 0 cannot take"),
    *(
        (lambda X, Y, dtype=dtype: (X, Y[:, 0].to(dtype)), r"targets (have shape \(\d+,\).*Y\[:, None\]|must be class)")
        for dtype in (torch.float32, torch.int64)
    ),
]
ALL_BATCHES = [
    (lambda b: [], "batches is empty"),
    (lambda b: 7, "not iterable"),
    (lambda b: b[0][0], "batches must yield pairs"),
]


@pytest.mark.parametrize("name", RULES)
def test_every_bad_argument_is_refused_at_the_call_by_its_name(name, xor, batches):
    none(fault(words, name, batches, model=copy.deepcopy(model)) for model, words in MODELS)
    none(fault(words, name, batches, **options) for options, words in OPTIONS)
    none(fault(words, name, batches, optimizer=optimizer) for optimizer, words in OPTIMIZERS)
    words = "criterion must return|not require grad|no gradient of the loss|ambiguous"
    none(fault(words, name, batches, criterion=bad) for bad in CRITERIA)
    none(fault(words, name, batches, hidden=bad) for bad in CRITERIA * name.startswith("local, "))
    none(fault(words, name, spoil(batches)) for spoil, words in ALL_BATCHES)
    for criterion in (mse_loss, lambda s, Y: ((s - Y.float()) ** 2).mean()):  # which would broadcast
        pairs = ((spoil(xor.X, xor.Y), words) for spoil, words in FIRST_BATCHES)
        none(fault(words, name, [pair], criterion=criterion) for pair, words in pairs)


def test_a_one_shot_iterator_is_enough_for_one_epoch_and_an_error_in_the_second(batches):
    for name in RULES:
        losses = [s.loss for s in begin(name, net(), iter(batches), epochs=1)]
        assert losses == [s.loss for s in begin(name, net(), batches, epochs=1)], name
    with pytest.raises(ValueError, match="epoch 2.*batches gave nothing in this epoch; give a list or a DataLoader"):
        list(begin("local, parallel", net(), iter(batches)))


def test_average_loss_refuses_what_it_cannot_average_and_changes_no_net(xor):
    model = net()
    model[0].append(nn.BatchNorm1d(5))
    model[1].append(nn.Dropout(0.5))
    before, drawn = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    losses = {average_loss(lambda X, Y: mse_loss(model(X), Y), [(xor.X, xor.Y)]) for _ in range(2)}
    assert losses == {mse_loss(model.eval()(xor.X), xor.Y).item()}
    model.train()
    average_loss(lambda X, Y: mse_loss(model(X), Y), [(xor.X, xor.Y)])
    assert all(torch.equal(t, before[key]) for key, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(m.training for m in model.modules())
    with pytest.raises(ValueError, match="Y must have the shape of the scores"):  # not compared with all rows
        average_loss(lambda X, Y: (model(X) - Y).square().mean(), [(xor.X, xor.Y[:, 0])])
    with pytest.raises(ValueError, match="batches must hold at least one sample"):
        average_loss(lambda X, Y: X.sum(), [])


# nothing to learn from


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_a_layer_that_no_gradient_reaches(name, batches):
    words = "no gradient of the loss reaches|does not require grad|not have been used in the graph"
    for where in (0, 2):
        for how in (torch.Tensor.detach, lambda x: x.data * 1):
            model = net()
            model[where].append(Layer(how))
            none([fault(words, name, batches, model=model)])
    model = net()
    model[0].unused = nn.Linear(3, 3)
    model[0].forward = lambda x: torch.tanh(model[0][0](x))
    if name not in OWN_PASS:
        none([fault("reaches .*unused.weight", name, batches, model=model)])
        model[0].unused.requires_grad_(False)
        list(begin(name, model, batches))
    with torch.no_grad():
        none([fault(words, name, batches)])


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_what_is_frozen_stays_and_a_gradient_of_zero_is_no_error(name, batches):
    model = net()
    model[1].requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    list(begin(name, model, batches, epochs=5))
    moved = {key for key, t in model.state_dict().items() if not torch.equal(t, before[key])}
    assert moved == {key for key in before if not key.startswith("1.")}
    model = layered_net([2, 5, 4, 1], activation=nn.ReLU, normalize=False, seed=0)
    with torch.no_grad():
        model[0][0].bias.fill_(-1e3)  # dead for all data
    *_, step = begin(name, model, batches)
    assert step.epoch == 2
    model = net().requires_grad_(False)
    if name in ("back-propagation", *FEEDBACK):  # they have no decoder
        none([fault("model has no parameter that requires a gradient", name, batches, model=model)])
    else:
        before = copy.deepcopy(model.state_dict())
        list(begin(name, model, batches))  # the decoders learn alone
        assert all(torch.equal(t, before[key]) for key, t in model.state_dict().items())


# what breaks a rule's promise


def test_blocks_that_share_a_parameter_and_one_optimiser_for_all_blocks(batches):
    data = [(torch.rand(6, 2), torch.ones(6, 1))]
    for share in ("module", "parameter", "memory"):
        first, second = (nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(2))
        if share == "module":
            second = first
        else:
            weight = first[0].weight
            second[0].weight = weight if share == "parameter" else nn.Parameter(weight.data)
        model = nn.Sequential(first, second, nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()))
        none(fault("blocks 0 and 1 share a parameter", name, data, model=model) for name in CUT)
        list(begin("back-propagation", model, data))  # the sum of both gradients is the gradient
    for name in CUT[:4]:
        shared = []

        def one_for_all(parameters, shared=shared):
            shared.append(shared[0] if shared else SGD(parameters, lr=0.1))
            return shared[0]

        none([fault("optimizer must make a new", name, batches, optimizer=one_for_all)])


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_a_part_in_evaluation_mode_stays_in_it(name, batches):
    model = net()
    for block in (model[0], model[1]):
        block.insert(1, nn.BatchNorm1d(block[0].out_features))
    model[0][1].eval()
    for _ in begin(name, model, batches):
        model.eval()  # a look at the whole net changes nothing
    assert model[0][1].num_batches_tracked == 0
    assert model[1][1].num_batches_tracked > 0


def test_a_net_that_would_change_the_data_is_refused(xor):
    for name in ANY_BLOCK:
        model, X = net(), xor.X.clone()
        model[0].insert(1, nn.ReLU(inplace=True))  # inside, a layer may work in place
        list(begin(name, model, [(X, xor.Y)]))
        if name not in OWN_PASS and not name.startswith("constrained"):  # these read a copy, or begin with a layer
            model[0].insert(0, Layer(lambda x: x.mul_(2)))
            none([fault("model must not change its input in place", name, [(X, xor.Y)], model=model)])
        assert torch.equal(X, xor.X)
    x = torch.linspace(-1, 1, 10).view(2, 5)
    doubles = nn.Sequential(Layer(lambda x: x.mul_(2)), NETWORKS["N1"](seed=0))
    for modified in (True, False):
        with pytest.raises(ValueError, match="net must not change its input in place"):
            IdempotencyLoss(doubles, modified)(x.clone())
    with pytest.raises(ValueError, match="must not change its input in place"):
        train_idempotent(doubles, sgd, Algorithm.MODIFIED, 2, [(x, x)])


def test_two_rules_at_once_are_the_two_rules_alone(batches):
    def run(seed, found):
        model = net(seed=seed)
        model[0].append(nn.Dropout(0.3))
        steps = begin("local, parallel", model, batches, partial(Adam, lr=0.01), criterion=bce, epochs=20, seed=seed)
        found[seed] = [step.loss for step in steps]

    alone, together = {}, {}
    for seed in range(4):
        run(seed, alone)
    threads = [threading.Thread(target=run, args=(seed, together)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
