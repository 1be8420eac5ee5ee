"""ADMM for nets: split each block into linear layer and activation, and solve for one group of variables at a time.

Block i becomes two constraints, ``p_i = A_i(z_{i-1})`` with the linear layer A_i and ``z_i = g_i(p_i)`` with what
follows it; the last block keeps ``criterion(g_L(p_L), Y)`` as the objective. With m = μ/n, the augmented Lagrangian is

    criterion(g_L(p_L), Y)  +  sum over i of  <ν_i, A_i(z_{i-1}) - p_i> +  m/2 |A_i(z_{i-1}) - p_i|²
                            +  sum over i of  <λ_i, g_i(p_i) - z_i>     + ρm/2 |g_i(p_i) - z_i|²

In the weights and in z_i it is quadratic, and least squares gives the minimum. In p_i it is not, and has no closed form
but for a few activations: an optimiser takes a few steps from where p_i was (an inexact proximal step).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from helpers.training.arguments import Criterion, OptimizerFactory
from helpers.training.evaluation import mode
from helpers.training.loop import Learner

RHO = 10.0  # weight of z = g(p) against p = A(z): Taylor et al. use the same ten to one
RIDGE = 1e-4  # a sample's pull of the weights towards what they were: the Gram matrix of tanh units is nearly singular
PROXIMAL_STEPS = 2  # steps of the optimiser in p_i; with one, Rprop cannot tell that it overshot


def check_splits(model: nn.Sequential, X: Tensor) -> None:
    """Refuse a net whose weight steps have no closed form.

    Raises
    ------
    ValueError
        If X is no matrix, or a block does not begin with the only layer of it that has parameters, an ``nn.Linear``.
    """
    if X.dim() != 2:
        raise ValueError(f"batches: for ADMM X must be of shape (n, d), got {tuple(X.shape)}; flatten it first")
    for i, (linear, rest) in enumerate(_cut(block) for block in model):
        if not isinstance(linear, nn.Linear):
            raise ValueError(
                f"model: block {i} begins with {type(linear).__name__}; ADMM's weight step needs an nn.Linear, choose "
                "another method"
            )
        if [*rest.parameters(), *rest.buffers()]:
            raise ValueError(
                f"model: behind its linear layer, block {i} holds parameters or statistics; ADMM has no step for them, "
                "choose another method"
            )
        if linear.bias is not None and linear.bias.requires_grad != linear.weight.requires_grad:
            raise ValueError(f"model: block {i} has either weight or bias frozen; ADMM solves for both, or for neither")


class Split(nn.Module):
    """A net with its pre-activations p_i and activations z_i as variables, and the multipliers of both constraints.

    Parameters
    ----------
    model : nn.Sequential
        Blocks that `check_splits` lets pass; they learn in place.
    X : Tensor, shape (n, d)
        Inputs. The variables start where the net feeds them forward, the multipliers at zero.
    penalty : float
        μ, more than 0.
    """

    def __init__(self, model: nn.Sequential, X: Tensor, penalty: float) -> None:
        super().__init__()
        self.model, self.X, self.penalty = model, X, penalty
        self.linear, self.nonlinear = zip(*(_cut(block) for block in model))
        self.affine: list[Tensor] = []  # A_i(z_{i-1})
        self.gaps: list[Tensor] = []
        h, outputs = X, []
        with torch.no_grad(), mode(False, model):
            for linear, g in zip(self.linear, self.nonlinear):
                self.affine.append(linear(h))
                h = g(self.affine[-1])
                outputs.append(h)
        self.pre_activations = nn.ParameterList(p.clone() for p in self.affine)
        self.activations = _constants(outputs[:-1])
        self.pre_multipliers = _constants([torch.zeros_like(p) for p in self.affine])
        self.multipliers = _constants([torch.zeros_like(z) for z in outputs[:-1]])

    @property
    def inputs(self) -> list[Tensor]:
        """What each block reads: X, z_1, ..., z_{L-1}."""
        return [self.X, *self.activations]

    def forward(self, X: Tensor) -> Tensor:
        """Return g_L(p_L), (n, k), the scores that the objective sees; keep the gaps h_i(z_{i-1}) - z_i."""
        with torch.no_grad():
            self.gaps = [g(a) - z for g, a, z in zip(self.nonlinear, self.affine, self.activations)]
        scores: Tensor = self.nonlinear[-1](self.pre_activations[-1])
        return scores

    @torch.no_grad()
    def refresh(self, i: int) -> None:
        """Bring A_i(z_{i-1}) up to date."""
        self.affine[i] = self.linear[i](self.inputs[i])

    @torch.no_grad()
    def solve_weights(self, i: int) -> None:
        """Set A_i to the least-squares map from z_{i-1} to p_i - ν_i/m, with a slight pull towards what it was."""
        linear, n = self.linear[i], len(self.X)
        if not linear.weight.requires_grad:
            return
        H = self.inputs[i]
        if linear.bias is not None:
            H = torch.cat([H, H.new_ones(n, 1)], dim=1)
        residual = self.pre_activations[i] - self.pre_multipliers[i] * (n / self.penalty) - linear(self.inputs[i])
        gram = H.T @ H + RIDGE * n * torch.eye(H.shape[1], dtype=H.dtype, device=H.device)
        change = torch.linalg.solve(gram, H.T @ residual)
        linear.weight += change[: linear.in_features].T
        if linear.bias is not None:
            linear.bias += change[-1]

    @torch.no_grad()
    def solve_activation(self, i: int) -> None:
        """Set z_i between the two that pull at it, by least squares: g_i(p_i) below, the linear layer i + 1 above."""
        above, m = self.linear[i + 1], self.penalty / len(self.X)
        wanted = self.pre_activations[i + 1] - self.pre_multipliers[i + 1] / m
        if above.bias is not None:
            wanted = wanted - above.bias
        below = self.nonlinear[i](self.pre_activations[i]) + self.multipliers[i] / (RHO * m)
        W = above.weight
        normal = W.T @ W + RHO * torch.eye(W.shape[1], dtype=W.dtype, device=W.device)
        self.activations[i].copy_(torch.linalg.solve(normal, wanted @ W + RHO * below, left=False))

    def price_of(self, i: int, criterion: Criterion, Y: Tensor) -> Tensor:
        """Return what p_i can change of the augmented Lagrangian, over m: a sum over samples, whatever n and μ are."""
        n, p = len(self.X), self.pre_activations[i]
        m = self.penalty / n
        price: Tensor = (self.affine[i] + self.pre_multipliers[i] / m - p).square().sum() / 2
        output: Tensor = self.nonlinear[i](p)
        if i < len(self.activations):
            gap: Tensor = output - self.activations[i] + self.multipliers[i] / (RHO * m)
            return price + RHO / 2 * gap.square().sum()
        return price + criterion(output, Y) / m

    @torch.no_grad()
    def update_multipliers(self) -> None:
        """Add to each multiplier its constraint's gap, times the weight of its penalty."""
        m = self.penalty / len(self.X)
        for a, p, multiplier in zip(self.affine, self.pre_activations, self.pre_multipliers):
            multiplier += m * (a - p)
        for g, p, z, multiplier in zip(self.nonlinear, self.pre_activations, self.activations, self.multipliers):
            multiplier += RHO * m * (g(p) - z)


class AdmmLearner(Learner):
    """A learner whose update is one iteration of ADMM: block by block A_i, z_i, p_i, and then all multipliers.

    Parameters
    ----------
    split : Split
        The net and its variables.
    criterion : callable
        ``(scores, targets) -> mean loss``.
    optimizer : callable
        Makes the optimiser of the pre-activations.
    Y : Tensor, shape (n, k)
        Targets of all samples.

    Notes
    -----
    An iteration takes about twice the multiplications of a gradient pass, and for each layer two linear systems of its
    width.

    References
    ----------
    Taylor, Burmeister, Xu, Singh, Patel & Goldstein (2016), "Training neural networks without gradients: a scalable
    ADMM approach". There, only the output has a multiplier, and the steps in p are exact, for ReLU and a hinge loss.
    """

    def __init__(self, split: Split, criterion: Criterion, optimizer: OptimizerFactory, Y: Tensor) -> None:
        self.split, self.Y = split, Y
        super().__init__(split, nn.Identity(), criterion, optimizer, False)
        self.waiting = []  # each is given its gradient in `update`

    def variables(self) -> list[nn.Parameter]:
        """Return the pre-activations, the only variables that an optimiser moves."""
        return list(self.split.pre_activations)

    def refuse_unreached(self, missed: set[int], partly: bool = True) -> None:
        """Refuse output pre-activations that no gradient reaches: those below have prices of their own."""
        super().refuse_unreached(missed & {id(self.split.pre_activations[-1])}, partly)

    def update(self) -> None:
        """Run one iteration; a block reads what the block below has just become."""
        last = len(self.split.linear) - 1
        self.forget_gradient()
        for i in range(last + 1):
            self.split.solve_weights(i)
            if i < last:
                self.split.solve_activation(i)
            self.split.refresh(i)
            for _ in range(PROXIMAL_STEPS):
                self.split.price_of(i, self.criterion, self.Y).backward(inputs=[self.split.pre_activations[i]])
                super().update()
        self.split.update_multipliers()


def _cut(block: Any) -> tuple[Any, nn.Module]:
    """Return the first layer of a block and the rest, which may be empty."""
    return block[0], block[1:]


def _constants(tensors: list[Tensor]) -> nn.ParameterList:
    """Hold tensors in a module, where they are copied and restored with the weights, but nothing trains them."""
    return nn.ParameterList(nn.Parameter(t.clone(), requires_grad=False) for t in tensors)
