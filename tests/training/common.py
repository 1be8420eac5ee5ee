"""What the tests of training share: gradient descent, the parameters of modules, whether two lots are equal, losses."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import SGD, Rprop

from helpers.training import RULES

sgd = partial(SGD, lr=0.1)
ANY_BLOCK = [name for name in RULES if name != "constrained, ADMM"]  # ADMM wants a linear layer and an activation


def state(*modules):
    return [p.detach().clone() for module in modules for p in module.parameters()]


def same(a, b, tolerance=0.0):
    return all(torch.allclose(p, q, rtol=0, atol=tolerance) for p, q in zip(a, b, strict=True))


def begin(name, model, batches, optimizer=Rprop, hidden=mse_loss, criterion=binary_cross_entropy, epochs=2, **options):
    """Return the steps of a rule, with what most tests want."""
    return RULES[name](model, optimizer, hidden, criterion, epochs, batches, **{"seed": 0, **options})
