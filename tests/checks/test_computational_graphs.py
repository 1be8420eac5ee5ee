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


def as_printed(W, x):
    y = x @ W.T
    H = 2 * (y @ W.T - y) * x
    return H.T @ y + (H @ W - H).T @ x


def by_autograd(W, x):
    W.requires_grad_()
    y = x @ W.T
    return torch.autograd.grad((y @ W.T - y).square().mean(), W)[0]


def with_backward(net, x, y_bar):
    value = solution.surrogate(net, x, y_bar)
    value.backward(retain_graph=True)
    return value


def counted(size, combine=sum):
    """Return a count that adds up ``size`` of each tensor put away, however often."""

    def bytes_kept(run):
        sizes = []
        with saved_tensors_hooks(lambda t: (sizes.append(size(t)), t)[1], lambda t: t):
            run()
        return combine(sizes)

    return bytes_kept


def before_the_block(run):
    run()
    return counted(lambda t: t.nbytes)(lambda: None)


def twice(run):
    run()
    return solution.bytes_kept(run)


def by_view(run):
    sizes = {}
    with saved_tensors_hooks(lambda t: (sizes.update({t.data_ptr(): t.nbytes}), t)[1], lambda t: t):
        run()
    return sum(sizes.values())


def thrown_away(run):
    sizes = {}

    def put_away(tensor):
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(put_away, torch.zeros_like):
        run()
    return sum(sizes.values())


test_wrong_answers = refusing(
    exercises,
    {
        "operations": [
            (walked, "seen"),
            (lambda t: walked(t, leaves=False), "AccumulateGrad"),
            (lambda t: walked(t, pick=lambda o: o[:1]), "every operand"),
            (lambda t: walked(t, pick=lambda o: o[-1:]), "every operand"),
            (lambda t: Counter() if t.grad_fn is None else Counter([t.grad_fn.name()]), "AccumulateGrad"),
            (lambda t: set(walked(t)), "every operand"),
            (lambda t: Counter([t.grad_fn.name()]), "AttributeError"),
            (lambda t: None, "AccumulateGrad"),
        ],
        "ordinary_gradient": [
            (as_printed, "expected"),
            (lambda W, x: sum(parts(W, x)) * x.numel(), "divides by mn"),
            (lambda W, x: sum(parts(W, x)) * x.shape[1], "expected"),
            (lambda W, x: parts(W, x)[0], "comes past y"),
            (lambda W, x: parts(W, x)[1], "adds G'y"),
            (lambda W, x: sum(parts(W, x)).T, "transpose"),
            (lambda W, x: -sum(parts(W, x)), "expected"),
            (lambda W, x: sum(parts(W.T, x)), "two uses of W"),
            (lambda W, x: 1.001 * sum(parts(W, x)), "expected"),
            (lambda W, x: sum(parts(W, x)).sum(0), "the shape"),
            (by_autograd, "RuntimeError"),
        ],
        "surrogate": [
            (lambda net, x, y_bar: (net(x) * y_bar).sum(), "hold y_bar fixed"),
            (lambda net, x, y_bar: (net(x) * y_bar.detach()).mean(), "no mean"),
            (lambda net, x, y_bar: (net(x).detach() * y_bar).sum(), "not the output of the net"),
            (lambda net, x, y_bar: net(x) * y_bar.detach(), "add it all up"),
            (lambda net, x, y_bar: (net(x) - y_bar.detach()).square().sum(), "entry by entry"),
            (lambda net, x, y_bar: -(net(x) * y_bar.detach()).sum(), "entry by entry"),
            (lambda net, x, y_bar: (net(net(x)) * y_bar.detach()).sum(), "entry by entry"),
            (lambda net, x, y_bar: 1.001 * solution.surrogate(net, x, y_bar), "entry by entry"),
            (with_backward, r"call no backward\(\)"),
        ],
        "bytes_kept": [
            (counted(lambda t: t.untyped_storage().nbytes()), "count it once"),
            (counted(lambda t: t.numel()), "bytes, not numbers"),
            (counted(lambda t: 8 * t.numel()), "float32"),
            (counted(lambda t: 1), "bytes"),
            (counted(lambda t: t.nbytes, lambda sizes: max(sizes, default=0)), "add up"),
            (by_view, "whole storage"),
            (before_the_block, "inside the with block"),
            (twice, r"call run\(\) once"),
            (lambda run: 0, r"one call of run\(\)"),
            (thrown_away, "hand back"),
        ],
    },
)
