"""What the tests of training share: gradient descent, the parameters of modules, and whether two lots are equal."""

from __future__ import annotations

from functools import partial

import torch
from torch.optim import SGD

sgd = partial(SGD, lr=0.1)


def state(*modules):
    return [p.detach().clone() for module in modules for p in module.parameters()]


def same(a, b, tolerance=0.0):
    return all(torch.allclose(p, q, rtol=0, atol=tolerance) for p, q in zip(a, b, strict=True))
