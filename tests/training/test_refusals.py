"""What would train nothing, or something else than it says, is refused by the name of what is wrong."""

from __future__ import annotations

import copy
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

from helpers.networks import NETWORKS, layered_net
from helpers.training import RULES, average_loss, backprop_optimize, layer_scores, make_decoders, predictor
from helpers.training.constrained import adjoints
from helpers.training.idempotent import Algorithm, IdempotencyLoss, idempotent_error, m1_update, train_idempotent

RULE = pytest.mark.parametrize("name", RULES)
CUT = [name for name in RULES if name not in ("back-propagation",) and not name.startswith("constrained")]
ANY_BLOCK = [name for name in RULES if name != "constrained, ADMM"]  # ADMM wants a linear layer and an activation


def net(*, outputs=1, seed=0):
    return layered_net([2, 5, 4, outputs], activation=nn.Tanh, normalize=False, seed=seed)


def train(name, batches, model=None, optimizer=Rprop, hidden=mse_loss, criterion=bce, epochs=2, **options):
    return list(RULES[name](model or net(), optimizer, hidden, criterion, epochs, batches, seed=0, **options))


def refused(words, name, *args, **options):
    model = options.pop("model", None) or net()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises((TypeError, ValueError), match=words):
        RULES[name](model, *args, **options)
    assert all(torch.equal(t, before[key]) for key, t in model.state_dict().items())


# targets


@RULE
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.int8, torch.uint8, torch.bool])
@pytest.mark.parametrize("criterion", [mse_loss, bce, lambda s, Y: ((s - Y.float()) ** 2).mean()])
def test_labels_without_a_second_axis_are_refused_whatever_their_type(name, dtype, criterion, xor):
    refused(
        r"targets have shape \(60,\) but the scores have \(60, 1\).*Y\[:, None\]|targets",
        name, Rprop, mse_loss, criterion, 2, [(xor.X, xor.Y[:, 0].to(dtype))],
    )  # fmt: skip


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_average_loss_does_not_compare_all_pairs(dtype, xor):
    model = net()

    def compared(compare, Y):
        return average_loss(lambda X, Y: compare(model(X), Y), [(xor.X, Y)])

    for compare in (mse_loss, lambda s, Y: (s - Y).square().mean(), lambda s, Y: (Y.float() - s).abs().mean()):
        with pytest.raises(ValueError, match="targets have shape"):
            compared(compare, xor.Y[:, 0].to(dtype))
    flat = average_loss(lambda X, Y: mse_loss(model(X)[:, 0], Y), [(xor.X, xor.Y[:, 0])])
    assert flat == pytest.approx(average_loss(lambda X, Y: mse_loss(model(X), Y), [(xor.X, xor.Y)]), rel=1e-6)
    many = net(outputs=3)
    average_loss(lambda X, Y: cross_entropy(many(X), Y), [(xor.X, torch.arange(60) % 3)])


# nothing to learn from


@RULE
@pytest.mark.parametrize("place", [torch.no_grad, torch.inference_mode])
def test_a_place_where_nothing_is_recorded(name, place, batches):
    with place():
        refused("nothing can be learned under torch.(no_grad|inference_mode)", name, Rprop, mse_loss, bce, 2, batches)
    steps = RULES[name](net(), Rprop, mse_loss, bce, 2, batches, seed=0)
    with place(), pytest.raises(ValueError, match="nothing can be learned under"):
        next(steps)


class Cut(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return self.how(x)


def without_record(x):
    with torch.no_grad():
        return x * 1


@pytest.mark.parametrize("name", ANY_BLOCK)
@pytest.mark.parametrize("where", [0, 2])
@pytest.mark.parametrize("how", [torch.Tensor.detach, lambda x: x.data * 1, without_record])
def test_a_layer_that_no_gradient_passes(name, where, how, batches):
    model = net()
    model[where].append(Cut(how))
    refused(
        "no gradient of the loss reaches .*detach.*requires_grad_", name, Rprop, mse_loss, bce, 2, batches, model=model
    )


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_a_layer_that_is_cut_in_training_mode_only_or_not_used_at_all(name, batches):
    model = net()
    model[0].append(Cut(lambda x: x.detach() if model[0].training else x))
    with pytest.raises(ValueError, match="no gradient of the loss reaches"):
        train(name, batches, model)
    model = net()
    model[0].unused = nn.Linear(3, 3)
    model[0].forward = lambda x: torch.tanh(model[0][0](x))
    if name not in ("forward-forward", "signal propagation"):  # these run a block's layers themselves
        refused("reaches unused.weight|reaches .*unused.weight", name, Rprop, mse_loss, bce, 2, batches, model=model)
        model[0].unused.requires_grad_(False)
        train(name, batches, model)


@RULE
@pytest.mark.parametrize(
    "bad",
    [
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
    ],
)
def test_a_criterion_of_the_wrong_form(name, bad, batches):
    words = "criterion|no gradient of the loss"
    refused(words, name, Rprop, mse_loss, bad, 2, batches)
    if name.startswith("local, "):
        refused("hidden_criterion|no gradient of the loss", name, Rprop, bad, bce, 2, batches)


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_what_is_frozen_on_purpose_stays_and_the_rest_learns(name, batches):
    model = net()
    model[1].requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    train(name, batches, model, epochs=5)
    moved = {key for key, t in model.state_dict().items() if not torch.equal(t, before[key])}
    assert moved == {key for key in before if not key.startswith("1.")}


@RULE
def test_a_gradient_of_exactly_zero_is_no_error(name, batches):
    model = layered_net([2, 5, 4, 1], activation=nn.ReLU, normalize=False, seed=0)
    with torch.no_grad():
        model[0][0].bias.fill_(-1e3)  # dead for all data
    assert train(name, batches, model)[-1].epoch == 2


# what breaks a rule's promise


@pytest.mark.parametrize("name", [*CUT, "constrained, ADMM"])
@pytest.mark.parametrize("share", ["module", "parameter", "memory"])
def test_blocks_that_share_a_parameter(name, share):
    first, second = (nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(2))
    if share == "module":
        second = first
    elif share == "parameter":
        second[0].weight = first[0].weight
    else:
        second[0].weight = nn.Parameter(first[0].weight.data)
    model = nn.Sequential(first, second, nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()))
    data = [(torch.rand(6, 2), torch.ones(6, 1))]
    refused("blocks 0 and 1 share a parameter", name, Rprop, mse_loss, bce, 2, data, model=model)
    train("back-propagation", data, model)  # the sum of both gradients is the gradient


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_a_block_that_remembers(name, batches):
    class Running(nn.Module):
        sum = 0.0

        def forward(self, x):
            self.sum = self.sum + x.detach().mean()
            return x + self.sum

    model = net()
    model[1].append(Running())
    refused("block 1 answers the same sample differently", name, Rprop, mse_loss, bce, 2, batches, model=model)


@pytest.mark.parametrize("name", [n for n in CUT if n not in ("feedback alignment", "direct feedback alignment")])
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


shared_list = []


def one_for_all(parameters):
    if not shared_list:
        shared_list.append(SGD(parameters, lr=0.1))
    return shared_list[0]


class NeedsClosure(SGD):
    def step(self, closure):
        return closure()


class Broken(SGD):
    def step(self, closure=None):
        raise AssertionError if closure else RuntimeError("no such kernel")


@RULE
@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (LBFGS, "optimizer LBFGS needs a closure"),
        (NeedsClosure, "optimizer NeedsClosure needs a closure"),
        (lambda parameters: SGD([nn.Parameter(torch.ones(1))], lr=0.1), "optimizer must make a new SGD of the"),
        (lambda parameters: SGD([*parameters, nn.Parameter(torch.ones(1))], lr=0.1), "optimizer must make a new SGD"),
        (lambda parameters: SGD(list(parameters)[:1], lr=0.1), "optimizer must make a new SGD"),
        (lambda: None, "optimizer could not be made"),
        (partial(SGD, lr="fast"), "optimizer could not be made"),
    ],
)
def test_an_optimiser_that_no_rule_can_use(name, optimizer, words, batches):
    refused(words, name, optimizer, mse_loss, bce, 2, batches)


@pytest.mark.parametrize("name", [n for n in RULES if n.startswith("local")])
def test_one_optimiser_for_all_blocks(name, batches):
    shared_list.clear()
    refused("optimizer must make a new SGD", name, one_for_all, mse_loss, bce, 2, batches)


@RULE
def test_an_optimiser_that_fails_is_no_fault_of_the_batches(name, batches):
    with pytest.raises(ValueError, match=r"^epoch 1, batch \d: optimizer Broken cannot take a step.*no such kernel"):
        train(name, batches, optimizer=partial(Broken, lr=0.1))


@pytest.mark.parametrize("name", ANY_BLOCK)
def test_a_part_in_evaluation_mode_stays_in_it(name, batches):
    model = net()
    for block in (model[0], model[1]):
        block.insert(1, nn.BatchNorm1d(block[0].out_features))
    model[0][1].eval()
    steps = RULES[name](model, Rprop, mse_loss, bce, 2, batches, seed=0)
    for _ in steps:
        model.eval()  # a look at the whole net changes nothing
    assert model[0][1].num_batches_tracked == 0
    assert model[1][1].num_batches_tracked > 0


def test_average_loss_changes_no_net(xor):
    model = net()
    model[0].append(nn.BatchNorm1d(5))
    model[1].append(nn.Dropout(0.5))
    before, state, modes = (
        copy.deepcopy(model.state_dict()),
        torch.get_rng_state(),
        [m.training for m in model.modules()],
    )
    losses = {average_loss(lambda X, Y: mse_loss(model(X), Y), [(xor.X, xor.Y)]) for _ in range(2)}
    assert len(losses) == 1
    assert all(torch.equal(t, before[key]) for key, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in model.modules()] == modes


@pytest.mark.parametrize("bad", [lambda X, Y: None, lambda X, Y: (X - X) ** 2, lambda X, Y: "0.5", lambda X, Y: [1, 2]])
def test_average_loss_wants_one_number(bad, xor):
    with pytest.raises(TypeError, match="comparator must return one number"):
        average_loss(bad, [(xor.X, xor.Y)])


# batches


@RULE
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda X, Y: (X.numpy(), Y), "batches must yield pairs.*ndarray.*as_tensor"),
        (lambda X, Y: (X, Y.numpy()), "batches must yield pairs.*ndarray"),
        (lambda X, Y: (X, Y, Y), "batches must yield pairs"),
        (lambda X, Y: (X[:-1], Y), "batches: X and Y must have a row for each sample"),
        (lambda X, Y: (X, Y[:-1]), "batches: X and Y must have a row for each sample"),
        (lambda X, Y: (X[:0], Y[:0]), "batches: a batch is empty"),
        (lambda X, Y: (X * np.nan, Y), "batches: X holds NaN or infinite"),
        (lambda X, Y: (X / 0, Y), "batches: X holds NaN or infinite"),
        (lambda X, Y: (X, Y * np.nan), "batches: Y holds NaN or infinite"),
        (lambda X, Y: (X.double(), Y), r"model: block 0.*say X.to\(torch.float32\)"),
        (lambda X, Y: (X.long(), Y), r"model: block 0.*say X.to\(torch.float32\)"),
        (lambda X, Y: (X[:, :1], Y), "model: block 0 cannot take the X of batches"),
        (lambda X, Y: (X[0, 0], Y), "batches: X and Y must have a row for each sample"),
    ],
)
def test_a_first_batch_that_no_rule_can_use(name, spoil, words, xor):
    refused(words, name, Rprop, mse_loss, bce, 2, [spoil(xor.X, xor.Y)])


@RULE
def test_a_tensor_is_no_list_of_batches(name, xor):
    refused("batches must yield pairs", name, Rprop, mse_loss, bce, 2, xor.X)


@RULE
def test_a_seed_that_no_generator_holds(name, batches):
    with pytest.raises(ValueError, match="seed must be less than 2\\*\\*63"):
        RULES[name](net(), Rprop, mse_loss, bce, 2, batches, seed=2**80)


# in place


def in_place(s, Y):
    return (s.mul_(2) - Y).square().mean()


def behind_torchs_back(s, Y):
    s.data.mul_(2)
    return mse_loss(s, Y)


@RULE
@pytest.mark.parametrize("criterion", [in_place, behind_torchs_back, lambda s, Y: mse_loss(s, Y.mul_(0.5))])
def test_a_criterion_that_works_in_place(name, criterion, xor):
    X, Y = xor.X.clone(), xor.Y.clone()
    refused("criterion changes its scores or targets in place", name, Rprop, mse_loss, criterion, 2, [(X, Y)])
    assert torch.equal(X, xor.X)
    assert torch.equal(Y, xor.Y)


class Doubles(nn.Module):
    def __init__(self, inplace):
        super().__init__()
        self.inplace = inplace

    def forward(self, x):
        return x.mul_(2) if self.inplace else x * 2


@pytest.mark.parametrize("name", [n for n in ANY_BLOCK if n not in ("forward-forward", "signal propagation")])
def test_blocks_that_begin_in_place_compute_what_others_do(name, xor):
    def run(inplace):
        model, X = net(), xor.X.clone()
        whole = name == "back-propagation" or "feedback" in name  # whose gradient needs each block's output as it was
        for block in list(model)[: 1 if whole else None]:
            block.insert(0, Doubles(inplace))
        losses = [step.loss for step in train(name, [(X, xor.Y)], model, epochs=3)]
        assert torch.equal(X, xor.X)
        answers = layer_scores(model, make_decoders(model, X, seed=0), X)
        answers.append(predictor(model)(X))
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
        model = nn.Sequential(Doubles(inplace), nn.Linear(3, 3))
        torch.manual_seed(0)
        nn.init.normal_(model[1].weight, std=0.3)
        nn.init.zeros_(model[1].bias)
        x = torch.linspace(-1, 1, 12).view(4, 3)
        kept = x.clone()
        y = model(x.clone())
        loss = IdempotencyLoss(model, modified=rule is Algorithm.MODIFIED)(y)
        gradient = torch.autograd.grad(loss, model[1].weight)[0]
        errors = [step.error for step in train_idempotent(model, partial(SGD, lr=0.01), rule, 3, [(x, x)])]
        errors.append(idempotent_error(model, x))
        assert torch.equal(x, kept)
        return errors, gradient

    (found, gradient), (expected, other) = run(True), run(False)
    assert found == expected
    assert torch.equal(gradient, other)


def test_what_the_idempotent_rules_cannot_use():
    x = torch.rand(6, 5)
    for words, bad in [
        ("nothing can be learned under torch.no_grad", None),
        ("optimizer LBFGS needs a closure", LBFGS),
    ]:
        with torch.set_grad_enabled(bad is not None), pytest.raises((TypeError, ValueError), match=words):
            train_idempotent(NETWORKS["N1"](seed=0), bad or Rprop, Algorithm.MODIFIED, 2, [(x, x)])
    model = nn.Sequential(nn.Linear(5, 5), Cut(torch.Tensor.detach))
    with pytest.raises(ValueError, match="no gradient of the loss reaches"):
        train_idempotent(model, Rprop, Algorithm.MODIFIED, 2, [(x, x)])
    with pytest.raises(TypeError, match="W must be a tensor"):
        m1_update(np.eye(5), x)


# two at once


def test_two_rules_at_once_are_the_two_rules_alone(batches):
    def run(seed, found):
        model = net(seed=seed)
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
