"""Every data set obeys one type, labels as its description says, and refuses what it cannot draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from helpers.datasets import data_set, datasets, descriptions

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
    assert len(ours) == 3
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


def test_a_batch_size_that_is_none_is_said():
    for size in (0, -1, 2.5, True, "10"):
        with pytest.raises((TypeError, ValueError), match=f"size .*{size!r}"):
            datasets["signed_xor"].train(samples=5).batches(size)


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
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002  the legacy state is what must not change
    before = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    for name in NAMES:
        datasets[name].train(samples=10)
    assert before == (torch.rand(1), np.random.rand())  # noqa: NPY002


def test_signed_xor_is_that_of_the_document():
    points = datasets["signed_xor"].train()
    assert points.X.shape == (1000, 2)
    assert points.Y.shape == (1000, 1)
    assert points.X.abs().max() <= 1
    assert points.X.min() < -0.98
    assert points.X.max() > 0.98
    assert torch.equal(points.Y[:, 0] == 1, points.X[:, 0] * points.X[:, 1] >= 0)


@given(st.integers(0, 2**31), st.floats(0.1, 3))
def test_signed_xor_labels_before_the_noise(seed, noise):
    clean = datasets["signed_xor"].train(samples=20, seed=seed)
    assert torch.equal(clean.Y, datasets["signed_xor"].train(samples=20, seed=seed, noise=noise).Y)


def test_normal_gives_back_its_input_in_any_dimension():
    points = datasets["normal"].train(dimension=7, samples=4000)
    assert torch.equal(points.X, points.Y)
    assert points.X.shape == (4000, 7)
    assert torch.allclose(points.X.T.cov(), torch.eye(7), atol=0.15)


def test_gaussian_clouds_have_the_chosen_means_and_covariances():
    means, covariance = [[0, 0], [5, 0], [0, 9]], [[1.0, 0.6], [0.6, 2.0]]
    points = datasets["gaussian"].train(samples=9000, means=means, covariances=covariance)
    assert points.Y.shape == (9000, 3)
    assert torch.equal(points.Y.sum(0), torch.full((3,), 3000.0))
    for c, mean in enumerate(means):
        cloud = points.X[points.Y[:, c] == 1]
        assert torch.allclose(cloud.mean(0), torch.tensor(mean, dtype=torch.float32), atol=0.15)
        assert torch.allclose(cloud.T.cov(), torch.tensor(covariance), atol=0.15)
    assert datasets["gaussian"].train().Y.shape == (1000, 1)


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


BAD = [
    *(
        (name, options, words)
        for name in NAMES
        for options, words in [
            ({"samples": 0}, "samples must be a whole number, 1 or more, got 0"),
            ({"samples": 2.5}, "samples must be a whole number"),
            ({"samples": True}, "samples"),
            ({"noise": -0.1}, "noise must be a number, 0 or more, got -0.1"),
            ({"noise": float("nan")}, "noise"),
            ({"noise": "loud"}, "noise must be a number"),
            ({"seed": "7"}, "seed must be a whole number, 0 or more, got '7'"),
            ({"seed": -1}, "seed"),
            ({"colour": 1}, "colour"),
        ]
    ),
    ("gaussian", {"means": [[0, 0]]}, "means"),
    ("gaussian", {"means": [[0, float("inf")], [0, 0]]}, "means"),
    ("gaussian", {"covariances": [[1, 2], [3, 4]]}, "symmetric"),
    ("gaussian", {"covariances": -1.0}, "positive semi-definite"),
    ("gaussian", {"covariances": [1, 2, 3]}, "covariances"),
    ("gaussian", {"means": [[0, 0], [1, 1], [2, 2]], "samples": 2}, "samples must be 3 or more, one for each cloud"),
    *(("signed_xor", {"width": value}, "width") for value in (0.0, -1.0, float("nan"), float("inf"), "2", True)),
    *(("spirals", {"turns": value}, "turns") for value in (0.0, float("nan"), "2")),
    *(("checkerboard", {"squares": value}, "squares") for value in (0, 2.5, "4")),
    *(("normal", {"dimension": value}, "dimension") for value in (0, 2.5, True)),
    ("digits", {"held_out": True}, "held_out"),
    ("digits", {"split": 1}, "split"),
]


def test_bad_arguments_are_refused_by_name():
    for name, options, words in BAD:
        with pytest.raises((TypeError, ValueError), match=words):
            datasets[name].train(**options)
    with pytest.raises(ValueError, match="samples must be 797 or less"):
        datasets["digits"].test(samples=798)


def test_options_are_given_by_name():
    with pytest.raises(TypeError, match="by its name, such as samples=500, got 500"):
        datasets["moons"].train(500)


def test_a_wrong_name_is_answered_with_the_names():
    for registry in (datasets, descriptions):
        with pytest.raises(KeyError, match="'xor'.*signed_xor.*digits"):
            registry["xor"]


def test_adding_a_data_set_is_a_function_and_a_line():
    @data_set("Given $x$: its sign.")
    def signs(rng, samples=1000):
        X = rng.standard_normal((samples, 1))
        return X, (X >= 0).astype(float)

    try:
        assert datasets["signs"].test(samples=5, noise=0.1, seed=2).Y.shape == (5, 1)
    finally:
        del datasets["signs"], descriptions["signs"]
