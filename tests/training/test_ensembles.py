"""An ensemble learns what its nets would learn one by one; and with many seeds at hand, the two confounds."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD

from helpers.networks import NETWORKS, square_net
from helpers.training.ensembles import Ensemble, train_ensemble
from helpers.training.idempotent import Algorithm, Samples, train_idempotent

RULES = [Algorithm.ORDINARY, Algorithm.ORDINARY_SCALED, Algorithm.MODIFIED]
RULE = pytest.mark.parametrize("rule", RULES, ids=str)
X = torch.ones(4, 5)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@RULE
@pytest.mark.parametrize("name", ["N1", "N2", "N3", "B1"])
@pytest.mark.parametrize("own", [False, True])
def test_the_ensemble_is_the_loop(rule, name, own):
    """In float64, with rates of their own, on two batches: errors and parameters after every epoch."""
    nets = [NETWORKS[name](seed=seed).double() for seed in range(3)]
    rates = [0.02, 0.05, 0.1]
    X = [draw(3, 12, 5, seed=i) if own else draw(12, 5, seed=i) for i in range(2)]
    ensemble = Ensemble(nets)
    together = train_ensemble(ensemble, rule, rates, 6, [(x, x) for x in X])
    loops = [
        train_idempotent(net, partial(SGD, lr=rate), rule, 6, [(x[i], x[i]) if own else (x, x) for x in X])
        for i, (net, rate) in enumerate(zip(nets, rates))
    ]
    for step, *alone in zip(together, *loops, strict=True):
        assert step.errors.tolist() == pytest.approx([s.error for s in alone], abs=1e-10)
        assert not step.diverged.any()
        for i, net in enumerate(nets):
            for p, q in zip(net.parameters(), ensemble.parameters.values(), strict=True):
                assert torch.allclose(p, q[i], rtol=0, atol=1e-10)
            assert torch.allclose(ensemble.images()[i], alone[i].image, rtol=0, atol=1e-10)
    assert ensemble.norms().tolist() == pytest.approx([s.norm for s in alone], abs=1e-10)
    assert ensemble.ranks().tolist() == [s.rank for s in alone]


def test_the_comparison_tells_the_rules_apart_and_the_nets_are_copied():
    """The oracle of the test above is sharp: another rule, or a rate 0.1 % off, is seen at once."""
    x, net = draw(12, 5), NETWORKS["N1"](seed=0).double()
    before = net[0][0].weight.clone()

    def weights(rule, rate):
        ensemble = Ensemble([net])
        list(train_ensemble(ensemble, rule, rate, 6, [(x, x)]))
        return ensemble.images()

    right = weights(Algorithm.MODIFIED, 0.1)
    for rule, rate in [(Algorithm.ORDINARY, 0.1), (Algorithm.ORDINARY_SCALED, 0.1), (Algorithm.MODIFIED, 0.1001)]:
        assert (weights(rule, rate) - right).abs().max() > 1e-6
    assert torch.equal(net[0][0].weight, before)


@RULE
def test_a_net_that_diverges_is_flagged_and_leaves_the_others_alone(rule):
    calm, wild = NETWORKS["N1"](seed=0).double(), NETWORKS["N1"](seed=1).double()
    wild.load_state_dict({"0.0.weight": 30 * torch.eye(5, dtype=torch.float64)})
    x = draw(12, 5)
    ensemble = Ensemble([calm, wild])
    steps = list(train_ensemble(ensemble, rule, 0.1, 30, [(x, x)]))
    alone = list(train_ensemble(Ensemble([calm]), rule, 0.1, 30, [(x, x)]))
    assert steps[-1].diverged.tolist() == [False, True]
    assert steps[-1].errors[1].isnan()
    assert steps[-1].errors[0].item() == pytest.approx(alone[-1].errors.item(), rel=1e-12)
    # the loop stops in the same epoch, with the same last finite weights
    loop = list(train_idempotent(wild, partial(SGD, lr=0.1), rule, 30, [(x, x)]))
    assert loop[-1].diverged
    assert loop[-1].epoch == next(s.epoch for s in steps if s.diverged[1])
    assert torch.allclose(loop[-1].image, ensemble.images()[1], rtol=1e-6)


def test_two_confounds_the_modified_step_is_n_half_times_as_large_and_the_error_rewards_the_zero_map():
    """60 seeds of N1 from the default start, 200 steps: 34 modified and 4 ordinary runs end in the zero map."""
    zeros, lost, median = [], [], []
    for rule in RULES:
        ensemble = Ensemble([NETWORKS["N1"](seed=seed) for seed in range(60)])
        *_, step = train_ensemble(ensemble, rule, 0.1, 200, Samples("normal", 256, fresh=True, copies=60, seed=1))
        zero = (ensemble.norms() < 0.01) & ~step.diverged
        assert step.errors[zero].max() < 1e-5
        assert not ensemble.ranks()[zero].any()
        zeros, lost = [*zeros, int(zero.sum())], [*lost, int(step.diverged.sum())]
        median.append(step.errors.nanmedian().item())
    assert max(median[1:]) < 1e-3 * median[0]
    assert max(zeros[:2]) <= 8
    assert 28 <= zeros[2] <= 40
    assert lost[:2] == [0, 0]
    assert lost[2] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nets": []}, "nets must be one or more"),
        ({"nets": [square_net([5, 5], activation=nn.Tanh), square_net([5, 5])]}, "with the same layers"),
        ({"nets": [nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5))]}, "no buffers"),
        ({"algorithm": "best"}, "'best' is not a valid Algorithm"),
        ({"learning_rates": [0.1, float("nan")]}, "learning_rates"),
        ({"learning_rates": [0.1] * 3}, "expand"),
        ({"epochs": 0}, "epochs"),
        ({"batches": []}, "batches is empty"),
        ({"batches": [(X * torch.nan, X)]}, "X holds NaN"),
    ],
)
def test_bad_calls_are_refused_at_the_call(change, words):
    options = {
        "nets": [NETWORKS["N1"](seed=0)] * 2,
        "algorithm": Algorithm.MODIFIED,
        "learning_rates": 0.1,
        "epochs": 2,
    }
    nets, *rest = (options | {"batches": [(X, X)]} | change).values()
    with pytest.raises((TypeError, ValueError, RuntimeError), match=words):
        train_ensemble(Ensemble(nets), *rest)
