"""The check of each exercise, as the notebooks call it: it passes the solution, tells a stub from a crash, says why."""

from __future__ import annotations

import importlib
import itertools
import math
import re

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import mse_loss
from torch.optim import Rprop

from helpers.checks.local_propagation import one_optimizer_epoch
from helpers.checks.verdict import Verdict, check, same
from helpers.networks import layered_net
from helpers.training import RULES, make_decoders
from helpers.training.idempotent import purify
from tests.solutions import ROOT, load


def exercises():
    """Yield (lecture, function, check) of each cell that checks what the cell before it left to the student."""
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        for stub, call in itertools.pairwise(cells):
            if "NotImplementedError(" in stub:
                check, function = re.search(r"(check_\w+)\((\w+)\)", call).groups()
                yield pytest.param(path.stem[3:], function, check, id=f"{path.stem[:2]}-{function}")


def stub(*_):
    raise NotImplementedError("Student exercise")


def crash(*_):
    raise ZeroDivisionError("oops")


@pytest.mark.parametrize(("lecture", "function", "check"), [*exercises()])
def test_the_solution_is_correct_a_stub_is_not_attempted_a_crash_or_none_is_wrong(lecture, function, check):
    verdict = getattr(importlib.import_module(f"helpers.checks.{lecture}"), check)
    assert verdict(getattr(load(lecture), function)).status == "correct"
    assert verdict(stub).status == "not attempted"
    assert "`" not in verdict(stub).text
    assert verdict(crash).status == verdict(lambda *_: None).status == "wrong"
    assert "ZeroDivisionError: oops" in verdict(crash).text


@check
def always_wrong(answer):
    yield None
    yield f"got {answer}"


def test_a_verdict_shows_itself_in_words_and_escapes_the_readers_text():
    verdict = always_wrong("<script>")
    assert isinstance(verdict, Verdict)
    assert repr(verdict) == "✗ wrong: got <script>"
    assert "<script>" not in verdict._repr_html_()
    assert 'role="status"' in verdict._repr_html_()


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        (1.0, 1.001, "expected 1.001, got 1"),
        (-2.0, 2.0, "expected 2, got -2"),
        (math.nan, 2.0, "expected 2, got nan"),
        (None, 2.0, "got nan"),
        ("two", 2.0, "expected numbers, got 'two'"),
        ([1.0, 2.0], [1.0, 2.5], r"expected \[1, 2.5\], got \[1, 2\]"),
        ([1.0], [[1.0]], r"the shape \(1, 1\), got the shape \(1,\)"),
        (1e-11, 0.0, "expected 0, got 1e-11"),
        (torch.eye(4), torch.eye(4) * 1.001, r"entry \(0, 0\) expected 1.001, got 1"),
    ],
)
def test_numbers_that_differ_are_told_apart(got, expected, words):
    assert re.search(words, same(got, expected, "a case", "a hint"))


@given(st.lists(st.floats(-1e6, 1e6), max_size=4), st.floats(-1e-10, 1e-10))
def test_numbers_that_differ_by_rounding_agree(expected, relative):
    got = [value * (1 + relative) for value in expected]
    assert same(got, expected, "a case", "a hint") is None
    assert same(torch.tensor(got, dtype=torch.float64, requires_grad=True), expected, "a case", "a hint") is None


def test_wang_jenkins_derivative_at_minus_1():
    assert load("three_ways_to_differentiate").by_hand(-1.0) == pytest.approx(1.6155741697332788, rel=1e-15)


def test_the_solutions_agree_with_torch():
    rng = np.random.default_rng(0)
    A, X, G = (torch.tensor(rng.normal(size=s), requires_grad=True) for s in ((3, 4), (4, 2), (3, 2)))
    b = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
    y, s3 = torch.softmax(A @ X + b, dim=0), load("vectors_and_matrices")
    given = {name: t.detach().numpy() for name, t in (("A", A), ("X", X), ("G", G), ("y", y))}
    expected = (*torch.autograd.grad(A @ X, (A, X), G), *torch.autograd.grad(A @ X + b, b, G))
    found = (*s3.matmul_vjp(given["A"], given["X"], given["G"]), s3.unbroadcast(given["G"], (3, 1)))
    (through,) = torch.autograd.grad(y, b, G)
    found += (s3.unbroadcast(s3.softmax_vjp(given["y"], given["G"]), (3, 1)),)
    for ours, theirs in zip(found, (*expected, through), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_edges_part_the_basins_and_their_gaps_shrink_six_fold():
    edges = load("idempotent_networks").basin_edges(10)
    ends = [purify([(a + b) / 2], 300)[-1].round().item() for a, b in itertools.pairwise(edges)]
    assert ends == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert ((1 + 5**0.5) / 2 - edges[-2]) / ((1 + 5**0.5) / 2 - edges[-1]) == pytest.approx(6, rel=1e-3)


def test_the_counts_are_those_of_the_code():
    """Exercise 3 of lecture 07 against hooks that count the forward passes of every block over all 40 points."""
    X, Y, block_passes = torch.rand(40, 2), torch.rand(40, 1).round(), load("local_propagation").block_passes
    for rule, name in zip(RULES, ("back-propagation", "parallel", "sequential")):
        model, passes = counted_passes()
        steps = RULES[rule](model, Rprop, mse_loss, mse_loss, 5, [(X, Y)], seed=0)
        passes.clear()  # the call itself tries a batch, so that what cannot be trained is refused there
        list(steps)
        assert passes.count(40) == block_passes(name, 4, 5)
    model, passes = counted_passes()
    decoders, shared = make_decoders(model, X, seed=0), Rprop(model.parameters())
    for _ in range(5):
        one_optimizer_epoch(model, decoders, shared, X, Y, True)
    assert passes.count(40) == block_passes("document's parallel", 4, 5)


def counted_passes():
    """Return a net of four blocks and the list of the batch sizes that its blocks run forward on."""
    model, passes = layered_net([2, 3, 3, 3, 1], seed=0), []
    for block in model:
        block.register_forward_hook(lambda _, inputs, out: passes.append(len(out)))
    return model, passes


def test_the_trap_freezes_the_step_lengths_and_the_cure_frees_them():
    X = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    Y = (X[:, :1] * X[:, 1:] > 0).float()
    lengths = {}
    for set_to_none in (False, True):
        model = layered_net([2, 8, 8, 1], seed=0)
        decoders, shared = make_decoders(model, X, seed=0), Rprop(model.parameters())
        for _ in range(20):
            one_optimizer_epoch(model, decoders, shared, X, Y, set_to_none)
        lengths[set_to_none] = shared.state[model[0][0].weight]["step_size"]
    assert (lengths[False] == 0.01).all()
    assert lengths[True].max() > 2 * lengths[True].min()
