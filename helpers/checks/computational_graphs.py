"""Self-checks of lecture 06."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from helpers.checks.verdict import Answer, Cases, check, judge, same
from helpers.networks import NETWORKS
from helpers.training.idempotent import IdempotencyLoss

LEAF = "torch::autograd::AccumulateGrad"


@check
def check_operations(operations: Answer) -> Cases:
    """Check ``operations(tensor) -> Counter`` of the names of all functions behind a tensor."""
    a, b = (torch.tensor(value, requires_grad=True) for value in (1.0, 2.0))
    h = a.sin()
    once = dict.fromkeys(["MulBackward0", "ExpBackward0", "SinBackward0", LEAF], 1)
    for tensor, expected, case, hint in (
        (torch.ones(2), {}, "a constant", "without a grad_fn there is nothing to walk"),
        (h, {"SinBackward0": 1, LEAF: 1}, "sin a", "the AccumulateGrad of a leaf is a function like the others"),
        (a * b, {"MulBackward0": 1, LEAF: 2}, "a b", "go on through every operand, not only the first or the last"),
        (3.0 * a, {"MulBackward0": 1, LEAF: 1}, "3 a", "an operand without a graph is None: skip it"),
        (h * h.exp(), once, "h exp h, h = sin a", "h is reached on two ways: remember which functions you have seen"),
    ):
        got: Counter[str] = Counter(operations(tensor))
        yield judge(got == Counter(expected), case, expected, dict(got), hint)
    net = NETWORKS["N1"](seed=0)
    loss = IdempotencyLoss(net)(net(torch.ones(3, 5)))
    (gradient,) = torch.autograd.grad(loss, list(net.parameters()), create_graph=True)
    yield same(
        Counter[str](operations(gradient))["MmBackward0"],
        4,
        "the modified rule on N1, the MmBackward0",
        "follow all the operands",
    )


@check
def check_ordinary_gradient(ordinary_gradient: Answer) -> Cases:
    """Check ``ordinary_gradient(W, x)``, the closed form of dL/dW for L = mean((n(y) - y)²), y = xW'."""
    generator = torch.Generator().manual_seed(1)
    for m, n in ((1, 1), (4, 3), (3, 5)):
        W, x = (torch.randn(rows, n, dtype=torch.float64, generator=generator) for rows in (n, m))
        y = x @ W.T
        G = 2 * (y @ W.T - y) / (m * n)
        past, through = G.T @ y, (G @ W - G).T @ x
        with torch.no_grad():
            got = torch.as_tensor(ordinary_gradient(W.clone(), x.clone()))
        hint = "y = n(x) and n(y) are two uses of W, each a product with its adjoint; both have the shape of W"
        for mistaken, words in (
            (m * n * (past + through), "a mean over m samples and n features divides by mn"),
            (through, "that is what comes through y; n(y) uses W as well, and adds G'y"),
            (past, "that is what comes past y; now send dE/dy = GW - G on to the first use of W"),
            ((past + through).T, "transpose it: y = xW', so the adjoint of W is G'x and not x'G"),
        ):
            hint = words if same(got, mistaken, "", "") is None else hint
        yield same(got, past + through, f"{m} samples of {n} numbers", hint)


@check
def check_surrogate(surrogate: Answer) -> Cases:
    """Check ``surrogate(net, x, y_bar)``, a number whose gradient is y_bar · dn/dW."""
    net = NETWORKS["N3"](seed=2).double()
    parameters = list(net.parameters())
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    y_bar = 3 * net(x) - 2 * net(net(x))
    for case, adjoint, hint in (
        ("a constant y_bar", y_bar.detach(), "⟨net(x), y_bar⟩: multiply entry by entry, then add up; no mean"),
        ("a y_bar with a graph", y_bar, "hold y_bar fixed with .detach(): its own derivative must not join in"),
    ):
        expected = torch.autograd.grad(net(x), parameters, adjoint.detach())
        value = surrogate(net, x, adjoint)
        yield judge(value.numel() == 1, case, "one number", f"shape {tuple(value.shape)}", "add it all up")
        graph = "detach y_bar, not the output of the net"
        yield judge(value.requires_grad, case, "a number with a graph", "none", graph)
        got = torch.autograd.grad(value, parameters, materialize_grads=True)
        for number, (ours, theirs) in enumerate(zip(got, expected)):
            yield same(ours, theirs, f"{case}, gradient {number}", hint)
    clean = all(p.grad is None for p in parameters)
    yield judge(clean, "the net", "no .grad", "a .grad", "return the number; call no backward()")


@check
def check_bytes_kept(bytes_kept: Answer) -> Cases:
    """Check ``bytes_kept(run)``, the bytes of all storages that operations put away while ``run()`` runs."""
    a = torch.ones(10, dtype=torch.float64, requires_grad=True)
    single = torch.ones(10, requires_grad=True)
    view = torch.ones(100, dtype=torch.float64)[:10].requires_grad_()
    for case, run, expected, hint in (
        ("a sum, which keeps nothing", lambda: a.sum(), 0, "only what is put away counts"),
        ("tanh of ten doubles", lambda: a.tanh(), 80, "call run() inside the with block, and count bytes, not numbers"),
        ("exp of ten floats", lambda: single.exp(), 40, "a float32 has 4 bytes: ask the storage"),
        ("tanh and exp", lambda: (a.tanh(), a.exp()), 160, "add up over all the calls of the hook"),
        ("sin and cos of one tensor", lambda: (a.sin(), a.cos()), 80, "both keep the same tensor: count it once"),
        ("sin of 10 of 100 numbers", lambda: view.sin(), 800, "a view keeps the whole storage it looks into"),
    ):
        calls: list[Any] = []
        got = bytes_kept(lambda run=run, calls=calls: calls.append(run()))
        yield judge(len(calls) == 1, case, "one call of run()", f"{len(calls)} calls", "call run() once, in the block")
        yield same(got, expected, f"the bytes of {case}", hint)
    x = torch.ones(3, requires_grad=True)
    bytes_kept(lambda: x.exp().sum().backward())
    yield same(x.grad, x.detach().exp(), "a gradient taken inside run()", "hand back what was put away", 1e-6)
