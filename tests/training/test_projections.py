"""Projections of digits: the measures against closed forms and torch, and the experiment's short runs once more."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest
import torch
from torch.func import jacrev, vmap
from torch.optim import SGD

from helpers.datasets import datasets
from helpers.training.idempotent import Algorithm, IdempotencyLoss
from helpers.training.projections import local_rank, measure_map, projection_net, train_projection
from tests.solutions import load

experiment = load("idempotent_digits", folder="experiments")
TABLE = pd.read_csv(experiment.RESULTS, comment="#")


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_local_rank_is_that_of_torchs_jacobian_and_of_a_projector():
    net, x = projection_net(seed=0), datasets["digits"].test(samples=5).X
    with torch.no_grad():
        net[-1][0].weight *= 20  # a fresh net is almost flat
    values = torch.linalg.svdvals(vmap(jacrev(lambda v: net(v[None])[0]))(x))
    assert local_rank(net, x).tolist() == (values > 0.5).sum(1).tolist()
    assert local_rank(net, x).min() > 0
    Q = torch.linalg.qr(draw(6, 2))[0]
    assert local_rank(lambda x: x @ Q @ Q.T, draw(3, 6)).tolist() == [2, 2, 2]


def test_a_table_is_idempotent_and_has_rank_0():
    known, unseen = draw(50, 6), draw(20, 6, seed=1)

    def table(x):
        return known[torch.cdist(x, known).argmin(1)]

    found = measure_map(table, unseen, known, noise=0.2)
    assert (found.error, found.nearest, found.rank) == (0, 0, 0)
    assert found.moved == pytest.approx(float(torch.cdist(unseen, known).min(1).values.median()), rel=1e-4)
    assert found.pulled[1] == found.pulled[2] == found.pulled[3]


def test_a_linear_projection_is_measured_by_hand():
    keep = torch.diag(torch.tensor([1.0, 1, 0, 0]))
    unseen, known = draw(30, 4), torch.zeros(1, 4)
    found = measure_map(lambda x: x @ keep, unseen, known, noise=0.0)
    y, rest = unseen @ keep, (unseen - unseen @ keep).norm(dim=1).median()
    assert found.error == 0
    assert found.rank == 2
    assert found.moved == pytest.approx(float(rest))
    assert found.nearest == pytest.approx(float(y.norm(dim=1).median()), rel=1e-4)
    assert found.pulled == pytest.approx([0] + [float(rest)] * 3)


@pytest.mark.parametrize("rule", [Algorithm.ORDINARY, Algorithm.MODIFIED])
def test_a_run_is_the_loop_that_one_writes_by_hand(rule):
    images = datasets["digits"].train(samples=40).X
    net, twin = projection_net(seed=1), projection_net(seed=1)
    options = {"reconstruction": 0.5, "idempotence": 2.0, "algorithm": rule, "noise": 0.1, "batch": 8, "seed": 3}
    losses = list(train_projection(net, partial(SGD, lr=0.1), 3, images, **options))
    generator = torch.Generator().manual_seed(3)
    criterion = IdempotencyLoss(twin, modified=rule is Algorithm.MODIFIED)
    for loss in losses:
        x = images[torch.randint(40, (8,), generator=generator)]
        cleaned = twin(x + 0.1 * torch.randn(x.shape, generator=generator))
        total = 0.5 * ((twin(x) - x) ** 2).mean() + 0.5 * ((cleaned - x) ** 2).mean()
        total = total + 2.0 / (32 if rule is Algorithm.MODIFIED else 1) * criterion(cleaned)
        assert loss == pytest.approx(total.item(), rel=1e-6)
        gradients = torch.autograd.grad(total, list(twin.parameters()))
        with torch.no_grad():
            for p, g in zip(twin.parameters(), gradients):
                p -= 0.1 * g
    assert all(torch.allclose(p, q, atol=1e-7) for p, q in zip(net.parameters(), twin.parameters()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps"),
        ({"reconstruction": -1.0}, "0 or more"),
        ({"reconstruction": 0.0, "idempotence": 0.0}, "not both 0"),
        ({"algorithm": Algorithm.ORDINARY_SCALED}, "weights take the place of scales"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_calls_are_refused_at_the_call(change, words):
    options = {"steps": 1, "images": torch.ones(3, 64), **change}
    with pytest.raises((TypeError, ValueError), match=words):
        train_projection(projection_net(seed=0), partial(SGD, lr=0.1), **options)


@pytest.mark.parametrize("objective", experiment.OBJECTIVES)
def test_a_short_run_of_the_file_comes_out_again(objective):
    (kept,) = TABLE.query("objective == @objective and steps == @experiment.FEW").itertuples()
    again = experiment.run(experiment.Task(objective, 0, experiment.FEW))
    # sums in another order, on another processor, drift apart over the steps
    for name in ("moved", "nearest", "once", "thrice"):
        assert getattr(again, name) == pytest.approx(getattr(kept, name), rel=0.02)


@pytest.mark.parametrize("rule", ["ordinary", "modified"])
def test_what_the_lecture_says_of_the_full_runs(rule):
    full = TABLE.query("steps == @experiment.STEPS").groupby("objective")
    least, median, most = full.min(), full.median(), full.max()
    alone, both, neither = f"idempotence alone, {rule}", f"both, {rule}", "reconstruction alone"
    assert most.error[alone] < 1e-8
    assert most["rank"][alone] == 0 < least["rank"][both]
    assert least.trace[alone] > 10  # n(I) does not see that the map is constant
    assert median.error[both] < median.error[neither]
    assert median.once[both] > median.once[neither]
    assert most.moved[both] < 1.09  # an unseen image to the nearest known one, as the lecture prints it
    assert median.error["both, ordinary"] < median.error["both, modified"]
