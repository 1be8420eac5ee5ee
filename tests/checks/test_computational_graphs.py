"""Each check of lecture 06 refuses wrong answers that a reader may well write."""

from __future__ import annotations

from collections import Counter

import torch
from torch.autograd.graph import saved_tensors_hooks

from helpers.checks import computational_graphs as exercises
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("computational_graphs")


def walked(tensor, *, pick=lambda operands: operands, leaves=True):
    """Walk without remembering what was seen."""
    counts, waiting = Counter(), [tensor.grad_fn]
    while waiting:
        function = waiting.pop()
        if function is not None:
            if leaves or function.next_functions:
                counts[function.name()] += 1
            waiting += pick([operand for operand, _ in function.next_functions])
    return counts


def parts(W, x):
    y = x @ W.T
    G = 2 * (y @ W.T - y) / y.numel()
    return G.T @ y, (G @ W - G).T @ x


def with_backward(net, x, y_bar):
    value = solution.surrogate(net, x, y_bar)
    value.backward(retain_graph=True)
    return value


def counted(size, combine=sum, unpack=lambda t: t):
    """Return a count that adds up ``size`` of each tensor put away, however often."""

    def bytes_kept(run):
        sizes = []
        with saved_tensors_hooks(lambda t: (sizes.append(size(t)), t)[1], unpack):
            run()
        return combine(sizes)

    return bytes_kept


def by_storage(t):
    return t.untyped_storage().data_ptr(), t.untyped_storage().nbytes()


test_wrong_answers = refusing(
    exercises,
    {
        "operations": [
            (walked, "seen"),
            (lambda t: walked(t, leaves=False), "AccumulateGrad"),
            (lambda t: walked(t, pick=lambda o: o[:1]), "every operand"),
        ],
        "ordinary_gradient": [
            (lambda W, x: sum(parts(W, x)) * x.numel(), "divides by mn"),
            (lambda W, x: parts(W, x)[0], "comes past y"),
            (lambda W, x: parts(W, x)[1], "adds G'y"),
            (lambda W, x: sum(parts(W, x)).T, "transpose"),
            (lambda W, x: 1.001 * sum(parts(W, x)), "expected"),
        ],
        "surrogate": [
            (lambda net, x, y_bar: (net(x) * y_bar).sum(), "hold y_bar fixed"),
            (lambda net, x, y_bar: (net(x) * y_bar.detach()).mean(), "no mean"),
            (lambda net, x, y_bar: (net(x).detach() * y_bar).sum(), "not the output of the net"),
            (with_backward, r"call no backward\(\)"),
        ],
        "bytes_kept": [
            (counted(lambda t: t.untyped_storage().nbytes()), "count it once"),
            (counted(lambda t: t.numel()), "bytes, not numbers"),
            (counted(lambda t: 8 * t.numel()), "float32"),
            (counted(lambda t: (t.data_ptr(), t.nbytes), lambda pairs: sum(dict(pairs).values())), "whole storage"),
            (counted(by_storage, lambda pairs: sum(dict(pairs).values()), torch.zeros_like), "hand back"),
        ],
    },
)
