"""A net as a constrained problem: every hidden activation a variable, every hidden block a constraint.

Minimise ``criterion(h_L(z_{L-1}), Y)`` subject to ``z_i = h_i(z_{i-1}; W_i)``, with z_0 = X. With gaps
``c_i = h_i(z_{i-1}) - z_i``, multipliers λ_i and a penalty μ, the augmented Lagrangian of n samples is

    criterion(h_L(z_{L-1}), Y)  +  sum over i of  <λ_i, c_i> + μ/(2n) |c_i|²

Without the penalty, stationarity in z_i reads λ_i = (dh_{i+1}/dz_i)' λ_{i+1}, and in the last one
λ_{L-1} = (dh_L/dz_{L-1})' dL/dh_L: the multipliers obey the equations of back-propagation. With this sign of the gaps a
multiplier is the adjoint dL/dz_i itself, at any point where the gaps are zero and z is stationary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from helpers.training.arguments import Criterion
from helpers.training.evaluation import layer_outputs, mode


class Relaxed(nn.Module):
    """A net pulled apart: each block reads a variable of its own, and the gaps between the blocks have a price.

    Parameters
    ----------
    model : nn.Sequential
        The blocks; they learn in place.
    X : Tensor, shape (n, ...)
        Inputs. The variables start where the net feeds them forward, so every gap is zero, as are the multipliers.
    criterion : callable
        ``(scores, targets) -> mean loss``.
    penalty : float
        μ, more than 0.
    """

    def __init__(self, model: nn.Sequential, X: Tensor, criterion: Criterion, penalty: float) -> None:
        super().__init__()
        self.model, self.criterion, self.penalty = model, criterion, penalty
        with torch.no_grad(), mode(False, model):
            outputs = list(layer_outputs(list(model)[:-1], X))
        self.activations = nn.ParameterList(z.clone() for z in outputs)
        self.multipliers = nn.ParameterList(nn.Parameter(torch.zeros_like(z), requires_grad=False) for z in outputs)
        self.gaps: list[Tensor] = []
        self.loss = math.nan  # of the scores that were judged last

    def forward(self, X: Tensor) -> Tensor:
        """Return the scores (n, k); keep the gaps. A block's input is a leaf: no gradient passes to the block below."""
        outputs: list[Tensor] = [block(h.clone()) for block, h in zip(self.model, [X, *self.activations])]
        self.gaps = [h - z for h, z in zip(outputs, self.activations)]
        return outputs[-1]

    def lagrangian(self, scores: Tensor, Y: Tensor) -> Tensor:
        """Return the augmented Lagrangian, a number, at the gaps that `forward` kept."""
        loss = self.criterion(scores, Y)
        self.loss = loss.item()
        for multiplier, gap in zip(self.multipliers, self.gaps):
            loss = loss + (multiplier * gap).sum() + self.penalty / (2 * len(Y)) * gap.square().sum()
        self.gaps = [gap.detach() for gap in self.gaps]  # numbers from here on; the graph is the loss's alone
        return loss

    @torch.no_grad()
    def update_multipliers(self) -> None:
        """Take the step of Hestenes and Powell: λ_i ← λ_i + μ/n c_i.

        At the point of these gaps, the Lagrangian then has the gradient that the augmented one had before.
        """
        for multiplier, gap in zip(self.multipliers, self.gaps):
            multiplier += self.penalty / len(gap) * gap
