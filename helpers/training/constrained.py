"""Constrained training: the activations are variables of their own, and the layers become constraints.

Minimise ``criterion(h_L(z_{L-1}), Y)`` subject to ``z_i = h_i(z_{i-1}; W_i)``, with z_0 = X. With gaps
``c_i = h_i(z_{i-1}) - z_i``, multipliers λ_i and a penalty μ, the augmented Lagrangian of n samples is

    criterion(h_L(z_{L-1}), Y)  +  sum over i of  <λ_i, c_i> + μ/(2n) |c_i|²

Without the penalty, stationarity in z_i reads λ_i = (dh_{i+1}/dz_i)' λ_{i+1}, and in the last one
λ_{L-1} = (dh_L/dz_{L-1})' dL/dh_L: the multipliers obey the equations of back-propagation. With this sign of the gaps a
multiplier is the adjoint dL/dz_i itself, at any point where the gaps are zero and z is stationary.

>>> from torch.optim import Rprop
>>> from torch.nn.functional import binary_cross_entropy
>>> from helpers.datasets import datasets
>>> from helpers.networks import layered_net
>>> data = datasets["signed_xor"].train()
>>> model = layered_net([2, 32, 32, 1], activation=nn.Tanh, normalize=False, seed=0)
>>> for step in train_constrained(model, Rprop, binary_cross_entropy, 100, [(data.X, data.Y)], method="penalty"):
...     pass
>>> step.epoch, max(step.violation) < 0.1, [tuple(z.shape) for z in step.activations]
(100, True, [(1000, 32), (1000, 32)])
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, Unpack, get_args

import torch
from torch import Tensor, nn

from helpers.datasets import whole_number
from helpers.training.arguments import (
    Checked,
    Criterion,
    OptimizerFactory,
    Options,
    Passes,
    at_least,
    check_apart,
    one_of,
)
from helpers.training.layers import Batches, layer_outputs, mode, probe
from helpers.training.rules import Rule, Training, start

Method = Literal["penalty", "augmented_lagrangian", "admm"]
LARGEST_PENALTY = 1e3  # where growth ends: far beyond, the loss is lost beside the penalty
RHO = 10.0  # ADMM: weight of z = g(p) against p = A(z): Taylor et al. use the same ten to one
RIDGE = 1e-4  # a sample's pull of the weights towards what they were: the Gram matrix of tanh units is nearly singular
PROXIMAL_STEPS = 2  # steps of the optimiser in p_i; with one, Rprop cannot tell that it overshot


def constants(tensors: Iterable[Tensor]) -> nn.ParameterList:
    """Hold tensors in a module, where they are copied and restored with the weights, but nothing trains them."""
    return nn.ParameterList(nn.Parameter(t.clone(), requires_grad=False) for t in tensors)


class Relaxed(nn.Module):
    """A net pulled apart: each block reads a variable of its own, and the gaps between the blocks have a price μ > 0.

    The variables start where the net feeds X (n, ...) forward, so every gap is zero, as are the multipliers.
    """

    def __init__(self, model: nn.Sequential, X: Tensor, criterion: Criterion, penalty: float) -> None:
        super().__init__()
        self.model, self.criterion, self.penalty = model, criterion, penalty
        with torch.no_grad(), mode(False, model):
            outputs = list(layer_outputs(list(model)[:-1], X))
        self.activations = nn.ParameterList(z.clone() for z in outputs)
        self.multipliers = constants(torch.zeros_like(z) for z in outputs)
        self.gaps: list[Tensor] = []
        self.loss = math.nan  # of the scores that were judged last

    def lagrangian(self, X: Tensor, Y: Tensor) -> Tensor:
        """Return the augmented Lagrangian; keep the gaps. A block's input is a leaf: no gradient passes below it."""
        outputs: list[Tensor] = [block(h.clone()) for block, h in zip(self.model, [X, *self.activations])]
        gaps = [h - z for h, z in zip(outputs, self.activations)]
        loss = self.criterion(outputs[-1], Y)
        self.loss = loss.item()
        for multiplier, gap in zip(self.multipliers, gaps):
            loss = loss + (multiplier * gap).sum() + self.penalty / (2 * len(Y)) * gap.square().sum()
        self.gaps = [gap.detach() for gap in gaps]
        return loss

    @torch.no_grad()
    def update_multipliers(self) -> None:
        """Take the step of Hestenes and Powell: λ_i ← λ_i + μ/n c_i.

        At the point of these gaps, the Lagrangian then has the gradient that the augmented one had before.
        """
        for multiplier, gap in zip(self.multipliers, self.gaps):
            multiplier += self.penalty / len(gap) * gap


class Constrained(Rule):
    """Weights and activations move together along the gradient of the augmented Lagrangian."""

    def __init__(self, optimizer: OptimizerFactory, problem: Relaxed) -> None:
        super().__init__(problem.model, optimizer, [[problem.model, problem.activations]])
        self.problem = problem

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        """Add the gradient of all samples."""
        return [self.learn(0, self.problem.lagrangian(X, Y))]


class Split(nn.Module):
    """A net cut into linear layers A_i and what follows them, g_i, for ADMM: block i becomes two constraints.

    With m = μ/n, the constraints p_i = A_i(z_{i-1}) and z_i = g_i(p_i), and multipliers ν_i, λ_i, the Lagrangian is

        criterion(g_L(p_L), Y)  +  sum over i of  <ν_i, A_i(z_{i-1}) - p_i> +  m/2 |A_i(z_{i-1}) - p_i|²
                                +  sum over i of  <λ_i, g_i(p_i) - z_i>     + ρm/2 |g_i(p_i) - z_i|²

    In the weights and in z_i it is quadratic, and least squares gives the minimum. In p_i it is not: an optimiser takes
    a few steps from where p_i was (an inexact proximal step).
    """

    def __init__(self, model: nn.Sequential, X: Tensor, criterion: Criterion, penalty: float) -> None:
        super().__init__()
        self.model, self.X, self.criterion, self.penalty, self.loss = model, X, criterion, penalty, math.nan
        blocks: list[Any] = list(model)
        self.linear, self.nonlinear = [block[0] for block in blocks], [block[1:] for block in blocks]
        self._check()
        self.affine: list[Tensor] = []  # A_i(z_{i-1})
        self.gaps: list[Tensor] = []
        h, outputs = X, list[Tensor]()
        with torch.no_grad(), mode(False, model):
            for linear, g in zip(self.linear, self.nonlinear):
                self.affine.append(linear(h))
                h = g(self.affine[-1].clone())
                outputs.append(h)
        self.pre_activations = nn.ParameterList(p.clone() for p in self.affine)
        self.activations = constants(outputs[:-1])
        self.pre_multipliers = constants(torch.zeros_like(p) for p in self.affine)
        self.multipliers = constants(torch.zeros_like(z) for z in outputs[:-1])

    def _check(self) -> None:
        """Refuse data that is no matrix, and blocks that do not begin with their only parameters, an `nn.Linear`."""
        if self.X.dim() != 2:
            shape = tuple(self.X.shape)
            raise ValueError(f"batches: for ADMM X must be of shape (n, d), got {shape}; flatten it first")
        for i, (linear, rest) in enumerate(zip(self.linear, self.nonlinear)):
            if not isinstance(linear, nn.Linear):
                raise ValueError(
                    f"model: block {i} begins with {type(linear).__name__}; ADMM's weight step needs an nn.Linear, "
                    "choose another method"
                )
            if [*rest.parameters(), *rest.buffers()]:
                raise ValueError(
                    f"model: behind its linear layer, block {i} holds parameters or statistics; ADMM has no step for "
                    "them, choose another method"
                )
            if linear.bias is not None and linear.bias.requires_grad != linear.weight.requires_grad:
                raise ValueError(
                    f"model: block {i} has either weight or bias frozen; ADMM solves for both, or for neither"
                )

    @property
    def inputs(self) -> list[Tensor]:
        """What each block reads: X, z_1, ..., z_{L-1}."""
        return [self.X, *self.activations]

    def judge(self, Y: Tensor) -> Tensor:
        """Return the criterion of g_L(p_L), (n, k); keep the gaps h_i(z_{i-1}) - z_i."""
        with torch.no_grad():
            self.gaps = [g(a.clone()) - z for g, a, z in zip(self.nonlinear, self.affine, self.activations)]
        loss = self.criterion(self.nonlinear[-1](self.pre_activations[-1].clone()), Y)
        self.loss = loss.item()
        return loss

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
        below = self.nonlinear[i](self.pre_activations[i].clone()) + self.multipliers[i] / (RHO * m)
        W = above.weight
        normal = W.T @ W + RHO * torch.eye(W.shape[1], dtype=W.dtype, device=W.device)
        self.activations[i].copy_(torch.linalg.solve(normal, wanted @ W + RHO * below, left=False))

    def price_of(self, i: int, Y: Tensor) -> Tensor:
        """Return what p_i can change of the augmented Lagrangian, over m: a sum over samples, whatever n and μ are."""
        p, m = self.pre_activations[i], self.penalty / len(self.X)
        price: Tensor = (self.affine[i] + self.pre_multipliers[i] / m - p).square().sum() / 2
        output: Tensor = self.nonlinear[i](p.clone())
        if i < len(self.activations):
            gap: Tensor = output - self.activations[i] + self.multipliers[i] / (RHO * m)
            return price + RHO / 2 * gap.square().sum()
        return price + self.criterion(output, Y) / m

    @torch.no_grad()
    def update_multipliers(self) -> None:
        """Add to each multiplier its constraint's gap, times the weight of its penalty."""
        m = self.penalty / len(self.X)
        for a, p, multiplier in zip(self.affine, self.pre_activations, self.pre_multipliers):
            multiplier += m * (a - p)
        for g, p, z, multiplier in zip(self.nonlinear, self.pre_activations, self.activations, self.multipliers):
            multiplier += RHO * m * (g(p.clone()) - z)


class Admm(Rule):
    """A rule whose update is one iteration of ADMM: block by block A_i, z_i, p_i, and then all multipliers.

    An iteration takes about twice the multiplications of a gradient pass, and for each layer two linear systems of its
    width. After Taylor et al. (2016); there, only the output has a multiplier, and the steps in p are exact.
    """

    def __init__(self, optimizer: OptimizerFactory, problem: Split, Y: Tensor) -> None:
        check_apart([block] for block in problem.model)
        super().__init__(problem.model, optimizer, [[problem.pre_activations]])
        self.problem, self.Y = problem, Y

    def reached(self) -> list[nn.Parameter]:
        """Return the output's pre-activations: those below are given their gradients in `update`."""
        return [self.problem.pre_activations[-1]]

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        """Judge where the variables stand; the gradient is that of the output alone."""
        return [self.learn(0, self.problem.judge(Y))]

    def update(self) -> None:
        """Run one iteration; a block reads what the block below has just become."""
        problem, last = self.problem, len(self.problem.linear) - 1
        self.zero_grad()
        for i in range(last + 1):
            problem.solve_weights(i)
            if i < last:
                problem.solve_activation(i)
            problem.refresh(i)
            for _ in range(PROXIMAL_STEPS):
                problem.price_of(i, self.Y).backward(inputs=[problem.pre_activations[i]])
                super().update()
        problem.update_multipliers()


class ConstrainedStep(NamedTuple):
    """What an epoch of constrained training yields; the tensors are live, so clone what you want to keep.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1; ``passes``, gradient passes over the data so far, is the same number.
    loss : float
        ``criterion`` at the variables, before this epoch's update. The net itself, fed forward, has a loss of its own.
    violation : list of float
        max \\|h_i(z_{i-1}) - z_i\\| over all training points and units, a number for each hidden block.
    multipliers, activations : list of Tensor
        λ_i (zero under ``"penalty"``) and z_i, each (n, ...) as the output of hidden block i, in the order of the
        batches.
    penalty : float
        μ.
    """

    epoch: int
    loss: float
    violation: list[float]
    multipliers: list[Tensor]
    activations: list[Tensor]
    penalty: float
    passes: int


def train_constrained(
    model: nn.Sequential,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    batches: Batches,
    *,
    method: Method = "augmented_lagrangian",
    penalty: float = 1.0,
    growth: float = 1.2,
    inner: int = 10,
    **options: Unpack[Options],
) -> Training[ConstrainedStep]:
    """Train a net whose activations are variables and whose hidden blocks are constraints.

    Parameters
    ----------
    model : nn.Sequential
        As in `backprop_optimize`. For ``"admm"`` each block begins with an ``nn.Linear`` and has no other parameters.
    optimizer : callable
        Makes one optimiser for weights and activations (``"admm"``: for pre-activations only). A sample's activations
        have a gradient of the order of 1/n: take one that divides the scale out, such as ``Rprop``. ADMM gives it two
        steps an epoch; if it lags behind, as ``Adam`` does, the multipliers wind up and nothing is learned.
    criterion, epochs, **options
        As in `backprop_optimize`; ``step="batch"`` is refused.
    batches : iterable of (X, Y)
        X (n, ...) and Y (n, k), run through once, at the call: all samples are one problem.
    method : {"augmented_lagrangian", "penalty", "admm"}
        ``"penalty"``: multipliers stay zero. ``"augmented_lagrangian"``: a multiplier step every ``inner`` epochs.
        ``"admm"``: weights and activations by least squares, pre-activations by the optimiser, a multiplier step every
        epoch.
    penalty, growth : float
        The first μ, more than 0, the price of a sample's squared gap against its loss; the factor on it, 1 or more,
        every ``inner`` epochs, until it has reached 1000.
    inner : int
        Epochs between two steps of multipliers and of μ, 1 or more.

    Yields
    ------
    ConstrainedStep
        ``(epoch, loss, violation, multipliers, activations, penalty, passes)``; the model has then been updated.

    Notes
    -----
    An epoch takes one forward and one backward pass over each block (ADMM: `Admm`). Memory: activations and multipliers
    of all n samples, and the optimiser's state for them, beside what back-propagation keeps.
    A block that normalises over the batch (or drops units) is a constraint that ties all samples together (or a random
    one). In evaluation mode it is another function: then the gaps do not begin at zero, and a small violation does not
    say that the net fed forward computes the same.

    References
    ----------
    Carreira-Perpiñán & Wang (2014), "Distributed optimization of deeply nested systems" (penalty, by the name of
    auxiliary coordinates). Hestenes (1969) and Powell (1969), for the multipliers. Taylor, Burmeister, Xu, Singh, Patel
    & Goldstein (2016), "Training neural networks without gradients: a scalable ADMM approach".
    """
    passes = Passes(epochs, batches, **options)
    if passes.step != "epoch":
        raise ValueError("step must be 'epoch': the activations of all samples are variables, and move together")
    one_of("method", method, get_args(Method))
    at_least("penalty", penalty, 0, open_end=True)
    at_least("growth", growth, 1)
    whole_number("inner", inner, 1)
    probe(model, passes.X)
    features, Y = passes.gather()
    whole = Passes(epochs, [(torch.cat(features), Y)])
    checked = Checked("criterion", criterion)
    kind = Split if method == "admm" else Relaxed
    problem: Any = kind(model, whole.X, checked, penalty)
    rule = Admm(optimizer, problem, Y) if method == "admm" else Constrained(optimizer, problem)

    def report(step: Any) -> ConstrainedStep:
        return ConstrainedStep(
            step.epoch,
            problem.loss,
            [float(gap.abs().max()) for gap in problem.gaps],
            [multiplier.detach() for multiplier in problem.multipliers],
            [z.detach() for z in problem.activations],
            problem.penalty,
            passes=step.epoch,
        )

    def steps(plain: Iterator[ConstrainedStep]) -> Iterator[ConstrainedStep]:
        for step in plain:
            yield step
            if step.epoch % inner == 0:
                if method == "augmented_lagrangian":
                    problem.update_multipliers()
                problem.penalty = grown(problem.penalty, growth)

    return Training(rule, steps(start(rule, whole, report)))


def grown(penalty: float, growth: float) -> float:
    """Return the next penalty: times ``growth``, but not beyond the limit; one that began beyond it stays."""
    return max(penalty, min(penalty * growth, LARGEST_PENALTY))
