"""What would train nothing, or something else than it says, is refused by the name of what is wrong.

Most of these tests walk over a table of bad calls, each under every rule that it concerns, and list what is wrong.
"""

from __future__ import annotations

import contextlib
import copy
import re
import threading
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import binary_cross_entropy as bce
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import LBFGS, SGD, Adam, Rprop
from torch.utils.data import DataLoader, TensorDataset

from helpers.networks import NETWORKS, layered_net
from helpers.training import RULES, adjoints, average_loss, backprop_optimize, layer_scores, make_decoders, predictor
from helpers.training.idempotent import Algorithm, IdempotencyLoss, idempotent_error, m1_update, train_idempotent

FEEDBACK = ("feedback alignment", "direct feedback alignment")
CUT = [name for name in RULES if name != "back-propagation" and not name.startswith("constrained")]
ANY_BLOCK = [name for name in RULES if name != "constrained, ADMM"]  # ADMM wants a linear layer and an activation
LOCAL = [name for name in RULES if name.startswith("local, ")]
OWN_PASS = ("forward-forward", "signal propagation")  # these run a block's layers themselves


def net(*, outputs=1, seed=0):
    return layered_net([2, 5, 4, outputs], activation=nn.Tanh, normalize=False, seed=seed)


def train(name, batches, model=None, optimizer=Rprop, hidden=mse_loss, criterion=bce, epochs=2, **options):
    return list(RULES[name](model or net(), optimizer, hidden, criterion, epochs, batches, seed=0, **options))


def fault(words, name, batches, model=None, optimizer=Rprop, hidden=mse_loss, criterion=bce, epochs=2, **options):
    """Say what is wrong with a refusal at the call, or None."""
    model = net() if model is None else model
    before = copy.deepcopy(model.state_dict())
    try:
        RULES[name](model, optimizer, hidden, criterion, epochs, batches, **options)
    except (TypeError, ValueError) as error:
        wrong = [] if re.search(words, str(error)) else [f"says {error}"]
    else:
        wrong = ["is taken"]
    wrong += [f"{key} changed" for key, t in model.state_dict().items() if not torch.equal(t, before[key])]
    return f"{name}, {words}: {'; '.join(wrong)}" if wrong else None


def none(faults):
    found = [words for words in faults if words]
    assert not found, "\n".join(found)


class Cut(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return self.how(x)


# the table: an argument, its bad values, the words of the refusal

MODELS = [
    (nn.Linear(2, 1), "model must be a nested Sequential.*got Linear"),
    (nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()), "model must be a nested Sequential.*holds a Linear"),
    (nn.Sequential(nn.Sequential(nn.Linear(2, 1)), nn.Sequential()), "model: block 1 is empty"),
    (nn.Sequential(), "model"),
    (layered_net([3, 4, 1]), r"model: block 0 cannot take the X of batches, of shape \(1, 2\)"),
    (
        nn.Sequential(nn.Sequential(nn.Linear(2, 5)), nn.Sequential(nn.Linear(4, 1))),
        "model: block 1 cannot take the output of block 0",
    ),
]
OPTIONS = [
    *(({"epochs": epochs}, "epochs must be") for epochs in (0, -1, 2.5, True, "3", None)),
    ({"step": "sample"}, "step must be"),
    ({"seed": "1"}, "seed must be a whole number"),
    ({"seed": -1}, "seed must be"),
    ({"seed": 2**80}, "seed must be a whole number from 0 to 9223372036854775807|seed must be"),
    ({"train_decoders": 1}, "train_decoders must be"),
    ({"train_decoder": True}, "train_decoder"),
]


class NeedsClosure(SGD):
    def step(self, closure):
        return closure()


class Broken(SGD):
    def step(self, closure=None):
        raise AssertionError if closure else RuntimeError("no such kernel")


OPTIMIZERS = [
    (Rprop(net().parameters()), "optimizer must be a class.*no Rprop object: shared by all layers"),
    (3, "optimizer must be a class"),
    (LBFGS, "optimizer LBFGS needs a closure"),
    (NeedsClosure, "optimizer NeedsClosure needs a closure"),
    (lambda parameters: SGD([nn.Parameter(torch.ones(1))], lr=0.1), "optimizer must make a new SGD of the"),
    (lambda parameters: SGD([*parameters, nn.Parameter(torch.ones(1))], lr=0.1), "optimizer must make a new SGD"),
    (lambda parameters: SGD(list(parameters)[:1], lr=0.1), "optimizer must make a new SGD"),
    (lambda parameters: parameters, "optimizer must make a torch.optim.Optimizer"),
    (lambda: None, "optimizer could not be made"),
    (partial(SGD, lr="fast"), "optimizer could not be made"),
]


def in_place(s, Y):
    return (s.mul_(2) - Y).square().mean()


def behind_torchs_back(s, Y):
    s.data.mul_(2)
    return mse_loss(s, Y)


CRITERIA = [
    lambda s, Y: mse_loss(s.detach(), Y),
    lambda s, Y: mse_loss(s, Y).item(),
    lambda s, Y: mse_loss(s, Y, reduction="none"),
    lambda s, Y: None,
    lambda s, Y: 0.5,
    lambda s, Y: torch.tensor(0.5),
    lambda s, Y: ((s > 0.5) == (Y > 0.5)).float().mean(),
    lambda s, Y: (s > 0.5).sum(),
    lambda s, Y: (mse_loss(s, Y), 1),
    lambda s: s.mean(),
    nn.MSELoss,
]
IN_PLACE = [in_place, behind_torchs_back, lambda s, Y: mse_loss(s, Y.mul_(0.5))]
FIRST_BATCHES = [
    (lambda X, Y: (X.numpy(), Y), "batches must yield pairs.*ndarray.*as_tensor"),
    (lambda X, Y: (X, Y.numpy()), "batches must yield pairs.*ndarray"),
    (lambda X, Y: (X, Y, Y), "batches must yield pairs"),
    (lambda X, Y: X, "batches must yield pairs"),
    (lambda X, Y: ([1.0], [0.0]), "batches must yield pairs"),
    (lambda X, Y: (X[:-1], Y), "batches: X and Y must have a row for each sample"),
    (lambda X, Y: (X, Y[:-1]), "batches: X and Y must have a row for each sample"),
    (lambda X, Y: (X[:0], Y[:0]), "batches: X and Y must have a row for each sample, one at least"),
    (lambda X, Y: (X * np.nan, Y), "batches: X holds NaN or infinite"),
    (lambda X, Y: (X / 0, Y), "batches: X holds NaN or infinite"),
    (lambda X, Y: (X, Y * np.nan), "batches: Y holds NaN or infinite"),
    (lambda X, Y: (X.double(), Y), r"model: block 0.*say X.to\(torch.float32\)"),
    (lambda X, Y: (X.long(), Y), r"model: block 0.*say X.to\(torch.float32\)"),
    (lambda X, Y: (X[:, :1], Y), "model: block 0 cannot take the X of batches"),
    (lambda X, Y: (X[0, 0], Y), "batches: X and Y must have a row for each sample"),
    *(
        (lambda X, Y, dtype=dtype: (X, Y[:, 0].to(dtype)), r"targets have shape \(60,\) but the scores.*Y\[:, None\]")
        for dtype in (torch.float32, torch.float64, torch.int64, torch.int8, torch.uint8, torch.bool)
    ),
]
ALL_BATCHES = [
    (lambda b: [], "batches is empty"),
    (lambda b: DataLoader(TensorDataset(torch.empty(0, 2), torch.empty(0, 1))), "batches is empty"),
    (iter, "batches is a one-shot iterator"),
    (lambda b: (pair for pair in b), r"one-shot iterator \(generator\).*one of 2 epochs"),
    (lambda b: 7, "batches must yield pairs"),
    (lambda b: b[0][0], "batches must yield pairs"),
]


@pytest.mark.parametrize("name", RULES)
def test_every_bad_argument_is_refused_at_the_call_by_its_name(name, xor, batches):
    X, Y = xor.X.clone(), xor.Y.clone()
    local, labels = name in LOCAL, "targets"  # a rule for class labels words it its own way
    none(fault(words, name, batches, model=copy.deepcopy(model)) for model, words in MODELS)
    none(fault(words, name, batches, **options) for options, words in OPTIONS)
    none(fault(words, name, batches, optimizer=optimizer) for optimizer, words in OPTIMIZERS)
    no_gradient = "no gradient of the loss"
    none(fault(f"criterion|{no_gradient}", name, batches, criterion=bad) for bad in CRITERIA)
    none(fault(f"hidden_criterion|{no_gradient}", name, batches, hidden=bad) for bad in CRITERIA * local)
    words = "criterion changes its scores or targets in place"
    none(fault(words, name, [(X, Y)], criterion=bad) for bad in IN_PLACE)
    assert torch.equal(X, xor.X)
    assert torch.equal(Y, xor.Y)
    none(fault(words, name, spoil(batches)) for spoil, words in ALL_BATCHES)
    for spoil, words in FIRST_BATCHES:
        words = f"{words}|targets must be class|{labels}" if words.startswith("targets") else words
        none(
            fault(words, name, [spoil(xor.X, xor.Y)], criterion=criterion)
            for criterion in (bce, mse_loss, lambda s, Y: ((s - Y.float()) ** 2).mean())
        )


# targets


@given(n=st.integers(1, 6), k=st.integers(1, 6), whole=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_criterion_ever_broadcasts(n, k, whole):
    X, Y = torch.linspace(0, 1, 2 * n).view(n, 2), torch.arange(n) % k
    labels = Y if whole else Y.float()
    model = layered_net([2, 3, k], output=nn.Identity, seed=0)
    with pytest.raises((TypeError, ValueError), match="targets have shape"):
        backprop_optimize(model, Rprop, lambda s, t: (s - t).square().mean(), 2, [(X, labels)])
    if whole and k > 1:  # class indices, for a criterion that takes them
        assert len(list(backprop_optimize(model, Rprop, cross_entropy, 2, [(X, labels)]))) == 2
    else:
        with pytest.raises((TypeError, ValueError), match="targets have shape"):
            backprop_optimize(model, Rprop, cross_entropy, 2, [(X, labels)])


def test_average_loss_does_not_compare_all_pairs(xor):
    model, many = net(), net(outputs=3)

    def compared(compare, Y):
        return average_loss(lambda X, Y: compare(model(X), Y), [(xor.X, Y)])

    for compare in (mse_loss, lambda s, Y: (s - Y).square().mean(), lambda s, Y: (Y.float() - s).abs().mean()):
        for dtype in (torch.float32, torch.int64):
            with pytest.raises(ValueError, match="targets have shape"):
                compared(compare, xor.Y[:, 0].to(dtype))
    flat = average_loss(lambda X, Y: mse_loss(model(X)[:, 0], Y), [(xor.X, xor.Y[:, 0])])
    assert flat == pytest.approx(average_loss(lambda X, Y: mse_loss(model(X), Y), [(xor.X, xor.Y)]), rel=1e-6)
    average_loss(lambda X, Y: cross_entropy(many(X), Y), [(xor.X, torch.arange(60) % 3)])
    for bad in (lambda X, Y: None, lambda X, Y: (X - X) ** 2, lambda X, Y: "0.5", lambda X, Y: [1, 2]):
        with pytest.raises(TypeError, match="comparator must return one number"):
            average_loss(bad, [(xor.X, xor.Y)])
    with pytest.raises(ValueError, match="comparator changes X or Y in place"):
        average_loss(lambda X, Y: X.mul_(1).sum(), [(xor.X, xor.Y)])
    with pytest.raises(ValueError, match="batches must hold at least one sample"):
        average_loss(lambda X, Y: X.sum(), [])


def test_average_loss_changes_no_net(xor):
    model = net()
    model[0].append(nn.BatchNorm1d(5))
    model[1].append(nn.Dropout(0.5))
    before, drawn = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    losses = {average_loss(lambda X, Y: mse_loss(model(X), Y), [(xor.X, xor.Y)]) for _ in range(2)}
    assert len(losses) == 1
    assert all(torch.equal(t, before[key]) for key, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(m.training for m in model.modules())


# nothing to learn from


@pytest.mark.parametrize("place", [torch.no_grad, torch.inference_mode])
def test_a_place_where_nothing_is_recorded(place, batches):
    words = "nothing can be learned under torch.(no_grad|inference_mode)"
    with place():
        none(fault(words, name, batches) for name in RULES)
    for name in RULES:
        steps = RULES[name](net(), Rprop, mse_loss, bce, 2, batches, seed=0)
        with place(), pytest.raises(ValueError, match=words):
            next(steps)


def without_record(x):
    with torch.no_grad():
        return x * 1


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_a_layer_that_no_gradient_reaches(name, batches):
    words = "no gradient of the loss reaches .*detach.*requires_grad_"
    for where in (0, 2):
        for how in (torch.Tensor.detach, lambda x: x.data * 1, without_record):
            model = net()
            model[where].append(Cut(how))
            none([fault(words, name, batches, model=model)])
    model = net()
    model[0].append(Cut(lambda x: x.detach() if model[0].training else x))  # in training mode only
    with pytest.raises(ValueError, match="no gradient of the loss reaches"):
        train(name, batches, model)
    model = net()
    model[0].unused = nn.Linear(3, 3)
    model[0].forward = lambda x: torch.tanh(model[0][0](x))
    if name not in OWN_PASS:
        none([fault("reaches .*unused.weight", name, batches, model=model)])
        model[0].unused.requires_grad_(False)
        train(name, batches, model)


@pytest.mark.parametrize("name", RULES)
def test_what_is_frozen_stays_and_a_gradient_of_zero_is_no_error(name, batches):
    model = net()
    model[1].requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    train(name, batches, model, epochs=5)
    moved = {key for key, t in model.state_dict().items() if not torch.equal(t, before[key])}
    assert moved == {key for key in before if not key.startswith("1.")}
    model = layered_net([2, 5, 4, 1], activation=nn.ReLU, normalize=False, seed=0)
    with torch.no_grad():
        model[0][0].bias.fill_(-1e3)  # dead for all data
    assert train(name, batches, model)[-1].epoch == 2
    model = net().requires_grad_(False)
    if name in ("back-propagation", *FEEDBACK):  # they have no decoder
        none([fault("model has no parameter that requires a gradient", name, batches, model=model)])
    else:
        before = copy.deepcopy(model.state_dict())
        train(name, batches, model)  # the decoders learn alone
        assert all(torch.equal(t, before[key]) for key, t in model.state_dict().items())


def test_a_one_shot_iterator_is_enough_for_one_epoch(batches):
    for name in RULES:
        losses = [s.loss for s in train(name, iter(batches), epochs=1)]
        assert losses == [s.loss for s in train(name, batches, epochs=1)], name


# what breaks a rule's promise


@pytest.mark.parametrize("share", ["module", "parameter", "memory"])
def test_blocks_that_share_a_parameter(share):
    first, second = (nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(2))
    if share == "module":
        second = first
    elif share == "parameter":
        second[0].weight = first[0].weight
    else:
        second[0].weight = nn.Parameter(first[0].weight.data)
    model = nn.Sequential(first, second, nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()))
    data = [(torch.rand(6, 2), torch.ones(6, 1))]
    none(fault("blocks 0 and 1 share a parameter", name, data, model=model) for name in [*CUT, "constrained, ADMM"])
    train("back-propagation", data, model)  # the sum of both gradients is the gradient


class Running(nn.Module):
    sum = 0.0

    def forward(self, x):
        self.sum = self.sum + x.detach().mean()
        return x + self.sum


shared_list = []


def one_for_all(parameters):
    if not shared_list:
        shared_list.append(SGD(parameters, lr=0.1))
    return shared_list[0]


def test_a_block_that_remembers_and_one_optimiser_for_all_blocks(batches):
    for name in ANY_BLOCK:
        model = net()
        model[1].append(Running())
        none([fault("block 1 answers the same sample differently", name, batches, model=model)])
    for name in RULES:
        if name.startswith("local"):
            shared_list.clear()
            none([fault("optimizer must make a new SGD", name, batches, optimizer=one_for_all)])


@pytest.mark.parametrize("name", [n for n in CUT if n not in FEEDBACK])
def test_no_gradient_enters_a_block_by_a_back_door(name, batches):
    """A block that reads the weights of the block below: they have no step from it."""

    class Reads(nn.Module):
        def __init__(self, other):
            super().__init__()
            self.other = (other,)

        def forward(self, x):
            return x + self.other[0].weight.sum()

    def first_block(back_door):
        model = net()
        model[1].insert(0, Reads(model[0][0]) if back_door else Cut(lambda x: x * 1))
        train(name, batches, model, epochs=1)
        return model[0][0].weight

    assert torch.equal(first_block(True), first_block(False))


@pytest.mark.parametrize("name", RULES)
def test_an_optimiser_that_fails_is_no_fault_of_the_batches(name, batches):
    with pytest.raises(ValueError, match=r"^epoch 1, batch \d: optimizer Broken cannot take a step.*no such kernel"):
        train(name, batches, optimizer=partial(Broken, lr=0.1))


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_a_part_in_evaluation_mode_stays_in_it(name, batches):
    model = net()
    for block in (model[0], model[1]):
        block.insert(1, nn.BatchNorm1d(block[0].out_features))
    model[0][1].eval()
    for _ in RULES[name](model, Rprop, mse_loss, bce, 2, batches, seed=0):
        model.eval()  # a look at the whole net changes nothing
    assert model[0][1].num_batches_tracked == 0
    assert model[1][1].num_batches_tracked > 0


# work in place


class Doubles(nn.Module):
    def __init__(self, inplace):
        super().__init__()
        self.inplace = inplace

    def forward(self, x):
        return x.mul_(2) if self.inplace else x * 2


@pytest.mark.parametrize("name", [n for n in ANY_BLOCK if n not in OWN_PASS])
def test_blocks_that_begin_in_place_compute_what_others_do(name, xor):
    def run(inplace):
        model, X = net(), xor.X.clone()
        whole = name == "back-propagation" or name in FEEDBACK  # whose gradient needs each block's output as it was
        for block in list(model)[: 1 if whole else None]:
            block.insert(0, Doubles(inplace))
        losses = [step.loss for step in train(name, [(X, xor.Y)], model, epochs=3)]
        answers = [*layer_scores(model, make_decoders(model, X, seed=0), X), predictor(model)(X)]
        adjoint = adjoints(model, X, xor.Y, mse_loss)
        assert torch.equal(X, xor.X)
        return losses, answers, adjoint

    found, expected = run(True), run(False)
    assert found[0] == expected[0]
    assert all((a == b).all() for a, b in zip(found[1], expected[1]))
    assert all(torch.equal(a, b) for a, b in zip(found[2], expected[2]))


@pytest.mark.parametrize("rule", [Algorithm.ORDINARY, Algorithm.MODIFIED, Algorithm.ORDINARY_SCALED])
def test_an_idempotent_net_may_work_in_place(rule):
    def run(inplace):
        model = nn.Sequential(Doubles(inplace), layered_net([3, 3], output=nn.Identity, seed=0)[0])
        x = torch.linspace(-1, 1, 12).view(4, 3)
        kept = x.clone()
        loss = IdempotencyLoss(model, modified=rule is Algorithm.MODIFIED)(model(x.clone()))
        gradient = torch.autograd.grad(loss, model[1][0].weight)[0]
        errors = [step.error for step in train_idempotent(model, partial(SGD, lr=0.01), rule, 3, [(x, x)])]
        errors.append(idempotent_error(model, x))
        assert torch.equal(x, kept)
        return errors, gradient

    (found, gradient), (expected, other) = run(True), run(False)
    assert found == expected
    assert torch.equal(gradient, other)


def test_what_the_idempotent_rules_cannot_use():
    x = torch.rand(6, 5)
    cut = nn.Sequential(nn.Linear(5, 5), Cut(torch.Tensor.detach))
    for words, model, optimizer, where in [
        ("nothing can be learned under torch.no_grad", NETWORKS["N1"](seed=0), Rprop, torch.no_grad),
        ("optimizer LBFGS needs a closure", NETWORKS["N1"](seed=0), LBFGS, contextlib.nullcontext),
        ("no gradient of the loss reaches", cut, Rprop, contextlib.nullcontext),
    ]:
        with where(), pytest.raises((TypeError, ValueError), match=words):
            train_idempotent(model, optimizer, Algorithm.MODIFIED, 2, [(x, x)])
    with pytest.raises(TypeError, match="W must be a tensor"):
        m1_update(np.eye(5), x)


# two at once


def test_two_rules_at_once_are_the_two_rules_alone(batches):
    def run(seed, found):
        model = net(seed=seed)
        model[0].append(nn.Dropout(0.3))
        steps = RULES["local, parallel"](model, partial(Adam, lr=0.01), mse_loss, bce, 20, batches, seed=seed)
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
