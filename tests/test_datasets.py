"""Every data set obeys one type, labels as its description says, and refuses what it cannot draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from helpers.datasets import datasets, descriptions

NAMES = ["signed_xor", "gaussian", "normal", "rings", "spirals", "checkerboard", "moons", "digits"]


def test_the_registry_holds_the_names_of_the_course():
    assert list(datasets) == NAMES == list(descriptions)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_obeys_the_type(name):
    entry = datasets[name]
    train, test = entry[0](), entry[1]()
    for split in (train, test):
        assert split.X.dtype == split.Y.dtype == torch.float32
        assert split.X.ndim == split.Y.ndim == 2
        assert len(split) == len(split.X) == len(split.Y)
    assert len(train) == 1000
    assert len(test) == (797 if name == "digits" else 1000)
    assert entry.description == descriptions[name]
    assert "$" in entry.description
    x, y = next(iter(DataLoader(train, batch_size=10)))
    assert x.shape == (10, train.X.shape[1])
    assert y.shape == (10, train.Y.shape[1])


def test_batches_are_cuts_of_a_new_permutation_in_every_pass():
    points = datasets["signed_xor"].train(samples=25)
    generator = torch.Generator().manual_seed(3)
    ours = points.batches(10, seed=3)
    for _ in range(2):
        rows = torch.randperm(25, generator=generator).split(10)
        for (X, Y), places in zip(ours, rows, strict=True):
            assert torch.equal(X, points.X[places])
            assert torch.equal(Y, points.Y[places])
    first = [next(iter(points.batches(10, seed=seed)))[0] for seed in (3, 3, 4)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])
    kept, state = points.X.clone(), torch.get_rng_state()
    next(iter(points.batches(5)))[0].zero_()  # a batch is a copy
    assert torch.equal(points.X, kept)
    (everything,) = points.batches(25)  # one batch needs none, and no order
    assert [a is b for a, b in zip(everything, (points.X, points.Y), strict=True)] == [True, True]
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_seeds_splits_and_noise(name):
    train, test, _ = datasets[name]
    a, b = train(samples=50, seed=5), train(samples=50, seed=5)
    assert torch.equal(a.X, b.X)
    assert torch.equal(a.Y, b.Y)
    assert not torch.equal(a.X, train(samples=50, seed=6).X)
    assert not torch.equal(a.X, test(samples=50, seed=5).X)
    assert not torch.equal(train(samples=50, seed=None).X, train(samples=50, seed=None).X)
    if torch.equal(a.X, a.Y):  # give back what you get: noise would break the promise
        with pytest.raises(ValueError, match="noise must be 0"):
            train(samples=50, noise=0.1)
        return
    noisy = train(samples=50, seed=5, noise=0.1)
    assert torch.equal(a.Y, noisy.Y)
    assert 0.05 < (noisy.X - a.X).std() < 0.2


def test_drawing_leaves_the_global_random_state_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002  the legacy state must not change
    for name in NAMES:
        datasets[name].train(samples=10)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


def test_signed_xor_is_that_of_the_document():
    points = datasets["signed_xor"].train()
    assert points.X.shape == (1000, 2)
    assert points.Y.shape == (1000, 1)
    assert points.X.abs().max() <= 1
    assert points.X.min() < -0.98
    assert points.X.max() > 0.98
    assert torch.equal(points.Y[:, 0] == 1, points.X[:, 0] * points.X[:, 1] >= 0)


def test_normal_gives_back_its_input_in_any_dimension():
    points = datasets["normal"].train(dimension=7, samples=4000)
    assert torch.equal(points.X, points.Y)
    assert points.X.shape == (4000, 7)
    assert torch.allclose(points.X.T.cov(), torch.eye(7), atol=0.15)


def test_gaussian_clouds_have_the_means_and_the_variance_of_their_description():
    points = datasets["gaussian"].train(samples=8000)
    assert points.Y.sum() == 4000
    for c, mean in enumerate((-0.5, 0.5)):
        cloud = points.X[points.Y[:, 0] == c]
        assert torch.allclose(cloud.mean(0), torch.tensor(mean), atol=0.02)
        assert torch.allclose(cloud.T.cov(), 0.06 * torch.eye(2), atol=0.005)


def test_the_shapes_are_those_of_their_descriptions():
    rings = datasets["rings"].train()
    assert torch.equal(rings.X.norm(dim=1) > 0.65, rings.Y[:, 0] == 1)
    board = datasets["checkerboard"].train()
    cells = ((board.X + 1) * 2).floor().sum(1) % 2
    assert torch.equal(cells, board.Y[:, 0])
    spirals = datasets["spirals"].train()
    radius = spirals.X.norm(dim=1)
    arm = (torch.atan2(spirals.X[:, 1], spirals.X[:, 0]) - 3 * torch.pi * radius) / torch.pi
    assert torch.equal((arm.round() % 2), spirals.Y[:, 0])
    moons = datasets["moons"].train()
    assert moons.Y.mean() == 0.5


def test_digits_are_real_and_the_splits_share_no_image():
    train, test = datasets["digits"].train(seed=1), datasets["digits"].test(seed=2)
    assert train.X.min() == 0
    assert train.X.max() == 1
    assert train.Y.shape == (1000, 10)
    assert torch.equal(train.Y.sum(1), torch.ones(1000))
    assert train.Y.sum(0).min() > 80
    shared = set(map(bytes, train.X.numpy())) & set(map(bytes, test.X.numpy()))
    assert not shared


def test_bad_arguments_are_refused_by_name():
    for options, words in [
        ({"samples": 0}, "samples must be a whole number, 1 or more, got 0"),
        ({"samples": 2.5}, "samples must be a whole number"),
        ({"noise": -0.1}, "noise must be a number, 0 or more, got -0.1"),
        ({"noise": float("nan")}, "noise"),
        ({"noise": "loud"}, "noise must be a number"),
        ({"seed": "7"}, "seed must be a whole number, 0 or more, got '7'"),
        ({"colour": 1}, "colour"),
    ]:
        for name in NAMES:
            with pytest.raises((TypeError, ValueError), match=words):
                datasets[name].train(**options)
    with pytest.raises(ValueError, match="dimension must be a whole number, 1 or more"):
        datasets["normal"].train(dimension=0)
    with pytest.raises(ValueError, match="samples must be 797 or less"):
        datasets["digits"].test(samples=798)
    for size in (0, 2.5):
        with pytest.raises((TypeError, ValueError), match="size must be a whole number"):
            datasets["moons"].train(samples=5).batches(size)


def test_a_wrong_name_is_answered_with_the_names():
    for registry in (datasets, descriptions):
        with pytest.raises(KeyError, match="'xor'.*signed_xor.*digits"):
            registry["xor"]
