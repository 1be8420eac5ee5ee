"""Constrained training: the activations are variables of their own, and the layers become constraints.

Minimise ``criterion(h_L(z_{L-1}), Y)`` subject to ``z_i = h_i(z_{i-1}; W_i)``, with z_0 = X. With gaps
``c_i = h_i(z_{i-1}) - z_i``, multipliers λ_i and a penalty μ, the augmented Lagrangian of n samples is

    criterion(h_L(z_{L-1}), Y)  +  sum over i of  <λ_i, c_i> + μ/(2n) |c_i|²

Without the penalty, stationarity in z_i reads λ_i = (dh_{i+1}/dz_i)' λ_{i+1}: the equations of back-propagation. With
this sign of the gaps a multiplier is the adjoint dL/dz_i itself, where the gaps are zero and z is stationary.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Unpack

import torch
from torch import Tensor, nn
from torch.optim import LBFGS

from helpers.options import OneOf, Real, Whole
from helpers.training.arguments import Criterion, Factory, Options, Passes, check_apart, checked
from helpers.training.layers import Batches, first_layers, kind, layer_outputs, mode, probe
from helpers.training.rules import Rule, Step, Training, TrainingError, start

norm = torch.linalg.vector_norm
Method = Literal["penalty", "augmented_lagrangian", "admm"]
INNER, GROWTH = 10, 1.2  # every so many epochs the penalty grows by this factor, and multipliers take a step
LARGEST_PENALTY = 1e3  # where growth ends: far beyond, the loss is lost beside the penalty
RHO = 10.0  # ADMM: weight of z = g(p) against p = A(z): Taylor et al. use the same ten to one
RIDGE = 1e-4  # a sample's pull of the weights towards what they were: the Gram matrix of tanh units is nearly singular
PROXIMAL_STEPS = 2  # steps of the optimiser in p_i; with one, Rprop cannot tell that it overshot


def constants(tensors: Iterable[Tensor]) -> Any:
    """Hold tensors in a module, where they are copied and restored with the weights, but nothing trains them."""
    return nn.ParameterList(nn.Parameter(t.clone(), requires_grad=False) for t in tensors)


def grown(penalty: float, growth: float) -> float:
    """Return the next penalty: times ``growth``, but not beyond the limit; one that began beyond it stays."""
    return max(penalty, min(penalty * growth, LARGEST_PENALTY))


class Relaxed(Rule):
    """A net pulled apart: each block reads a variable of its own, and the gaps between the blocks have a price μ > 0.

    The variables start where the net feeds X (n, ...) forward: gaps and multipliers are zero. Weights and activations
    move along the gradient of the augmented Lagrangian; μ and the multipliers move in between.
    """

    def __init__(
        self, model: nn.Sequential, optimizer: Factory, criterion: Criterion, X: Tensor, penalty: float,
        method: Method = "augmented_lagrangian", learns: nn.Module | None = None,
    ) -> None:  # fmt: skip
        with torch.no_grad(), mode(False, model):
            activations: Any = constants(layer_outputs(list(model)[:-1], X)).requires_grad_(learns is None)
        super().__init__(model, optimizer, [[learns] if learns else [model, activations]])
        self.activations, self.multipliers = activations, constants(torch.zeros_like(z) for z in activations)
        self.criterion, self.penalty, self.method = checked("criterion", criterion), penalty, method

    def judge(self, X: Tensor, Y: Tensor) -> Tensor:
        """Return the augmented Lagrangian; keep the gaps. A block's input is a leaf: no gradient passes below it."""
        outputs: list[Tensor] = [block(h.clone()) for block, h in zip(self.model, [X, *self.activations])]
        gaps = [h - z for h, z in zip(outputs, self.activations)]
        loss = self.criterion(outputs[-1], Y)
        self.loss, self.gaps = loss.item(), [gap.detach() for gap in gaps]
        for multiplier, gap in zip(self.multipliers, gaps):
            loss = loss + (multiplier * gap).sum() + self.penalty / (2 * len(Y)) * gap.square().sum()
        return loss

    @torch.no_grad()
    def update_multipliers(self) -> None:
        """Take the step of Hestenes and Powell, λ_i ← λ_i + μ/n c_i: the gradient at these gaps stays what it was."""
        for multiplier, gap in zip(self.multipliers, self.gaps):
            multiplier += self.penalty / len(gap) * gap

    def begin(self, epoch: int) -> None:
        if epoch > 1 and (epoch - 1) % INNER == 0:
            if self.method == "augmented_lagrangian":
                self.update_multipliers()
            self.penalty = grown(self.penalty, GROWTH)

    def backward(self, X: Tensor, Y: Tensor) -> list[float]:
        return [self.learn(0, self.judge(X, Y))]

    def report(self, step: Step) -> ConstrainedStep:
        multipliers, activations = ([t.detach() for t in held] for held in (self.multipliers, self.activations))
        return ConstrainedStep(step.epoch, self.loss, largest(self.gaps), multipliers, activations, self.penalty)


class Admm(Relaxed):
    """A net cut into linear layers A_i and what follows them, g_i: block i becomes two constraints.

    With m = μ/n, the constraints p_i = A_i(z_{i-1}) and z_i = g_i(p_i), and multipliers ν_i, λ_i, the Lagrangian is

        criterion(g_L(p_L), Y)  +  sum over i of  <ν_i, A_i(z_{i-1}) - p_i> +  m/2 |A_i(z_{i-1}) - p_i|²
                                +  sum over i of  <λ_i, g_i(p_i) - z_i>     + ρm/2 |g_i(p_i) - z_i|²

    In the weights and in z_i it is quadratic, and least squares gives the minimum; in p_i an optimiser takes a few
    steps. An update is one iteration, block by block A_i, z_i, p_i, and then all multipliers. After Taylor et al.
    (2016); there, only the output has a multiplier, and the steps in p are exact.
    """

    def __init__(
        self, model: nn.Sequential, optimizer: Factory, criterion: Criterion, X: Tensor, penalty: float, method: Method
    ) -> None:
        check_apart([block] for block in model)
        linear, nonlinear = first_layers(model), [block[1:] for block in list[Any](model)]
        for i, (A, block) in enumerate(zip(linear, model)):
            if [p.requires_grad for p in block.parameters()] != [True, True] or A.bias is None or [*block.buffers()]:
                raise ValueError(f"model: in block {i} ADMM trains weight and bias of an nn.Linear, and nothing else")
        h, affine = X, list[Tensor]()
        with torch.no_grad(), mode(False, model):
            for A, g in zip(linear, nonlinear):
                affine.append(A(h))
                h = g(affine[-1].clone())
        pre_activations: Any = nn.ParameterList(p.clone() for p in affine)
        super().__init__(model, optimizer, criterion, X, penalty, method, pre_activations)
        self.X, self.affine, self.pre_activations = X, affine, pre_activations  # affine: A_i(z_{i-1})
        self.pre_multipliers = constants(torch.zeros_like(p) for p in affine)
        self.linear, self.nonlinear = linear, nonlinear

    @property
    def inputs(self) -> list[Tensor]:
        """What each block reads: X, z_1, ..., z_{L-1}."""
        return [self.X, *self.activations]

    def judge(self, X: Tensor, Y: Tensor) -> Tensor:
        """Return the criterion of g_L(p_L), (n, k); keep Y and the gaps h_i(z_{i-1}) - z_i."""
        self.Y = Y
        with torch.no_grad():
            self.gaps = [g(a.clone()) - z for g, a, z in zip(self.nonlinear, self.affine, self.activations)]
        loss = self.criterion(self.nonlinear[-1](self.pre_activations[-1].clone()), Y)
        self.loss = loss.item()
        return loss

    def reached(self) -> list[nn.Parameter]:
        """Return the output's pre-activations: those below are given their gradients in `update`."""
        return [self.pre_activations[-1]]

    @torch.no_grad()
    def refresh(self, i: int) -> None:
        """Bring A_i(z_{i-1}) up to date."""
        self.affine[i] = self.linear[i](self.inputs[i])

    @torch.no_grad()
    def solve_weights(self, i: int) -> None:
        """Set A_i to the least-squares map from z_{i-1} to p_i - ν_i/m, with a slight pull towards what it was."""
        linear, n = self.linear[i], len(self.X)
        H = torch.cat([self.inputs[i], self.X.new_ones(n, 1)], dim=1)
        residual = self.pre_activations[i] - self.pre_multipliers[i] * (n / self.penalty) - linear(self.inputs[i])
        gram = H.T @ H + RIDGE * n * torch.eye(H.shape[1], **kind(H))
        change = torch.linalg.solve(gram, H.T @ residual)
        linear.weight.add_(change[:-1].T)
        linear.bias.add_(change[-1])

    @torch.no_grad()
    def solve_activation(self, i: int) -> None:
        """Set z_i between the two that pull at it, by least squares: g_i(p_i) below, the linear layer i + 1 above."""
        above, m = self.linear[i + 1], self.penalty / len(self.X)
        wanted = self.pre_activations[i + 1] - self.pre_multipliers[i + 1] / m - above.bias
        below = self.nonlinear[i](self.pre_activations[i].clone()) + self.multipliers[i] / (RHO * m)
        W = above.weight
        normal = W.T @ W + RHO * torch.eye(W.shape[1], **kind(W))
        self.activations[i].copy_(torch.linalg.solve(normal, wanted @ W + RHO * below, left=False))

    def price_of(self, i: int) -> Tensor:
        """Return what p_i can change of the augmented Lagrangian, over m: a sum over samples, whatever n and μ are."""
        p, m = self.pre_activations[i], self.penalty / len(self.X)
        price: Tensor = (self.affine[i] + self.pre_multipliers[i] / m - p).square().sum() / 2
        output: Tensor = self.nonlinear[i](p.clone())
        if i < len(self.activations):
            gap: Tensor = output - self.activations[i] + self.multipliers[i] / (RHO * m)
            return price + RHO / 2 * gap.square().sum()
        return price + self.criterion(output, self.Y) / m

    @torch.no_grad()
    def update_multipliers(self) -> None:
        """Add to each multiplier its constraint's gap, times the weight of its penalty."""
        m = self.penalty / len(self.X)
        for a, p, multiplier in zip(self.affine, self.pre_activations, self.pre_multipliers):
            multiplier += m * (a - p)
        for g, p, z, multiplier in zip(self.nonlinear, self.pre_activations, self.activations, self.multipliers):
            multiplier += RHO * m * (g(p.clone()) - z)

    def update(self) -> None:
        """Run one iteration; a block reads what the block below has just become."""
        self.zero_grad()
        for i in range(len(self.linear)):
            self.solve_weights(i)
            if i < len(self.activations):
                self.solve_activation(i)
            self.refresh(i)
            for _ in range(PROXIMAL_STEPS):
                self.price_of(i).backward(inputs=[self.pre_activations[i]])
                super().update()
        self.update_multipliers()


def largest(gaps: Iterable[Tensor]) -> list[float]:
    """Return the largest gap of each block."""
    return [float(gap.abs().max()) for gap in gaps]


class ConstrainedStep(NamedTuple):
    """What an epoch of constrained training yields; the tensors are live, so clone what you want to keep.

    ``loss`` is the criterion at the variables, before this epoch's update; the net itself, fed forward, has a loss of
    its own. ``violation`` is max \\|h_i(z_{i-1}) - z_i\\| over training points and units, a number for each hidden
    block. ``multipliers`` λ_i and ``activations`` z_i are (n, ...) as the output of hidden block i, in the order of the
    batches; ``penalty`` is μ.
    """

    epoch: int
    loss: float
    violation: list[float]
    multipliers: list[Tensor]
    activations: list[Tensor]
    penalty: float


def train_constrained(
    model: nn.Sequential, optimizer: Factory, criterion: Criterion, epochs: int, batches: Batches, *,
    method: Method = "augmented_lagrangian", penalty: float = 1.0, **options: Unpack[Options],
) -> Training[ConstrainedStep]:  # fmt: skip
    """Train a net whose activations are variables and whose hidden blocks are constraints. Yields `ConstrainedStep`.

    Parameters
    ----------
    model, criterion, epochs, **options
        As in `backprop_optimize`; ``step="batch"`` is refused. For ``"admm"`` each block begins with an ``nn.Linear``
        and has no other parameters.
    optimizer : callable
        Makes one optimiser for weights and activations (``"admm"``: for pre-activations only). A sample's activations
        have a gradient of the order of 1/n: take one that divides the scale out, such as ``Rprop``.
    batches : iterable of (X, Y)
        X (n, ...) and Y (n, k), run through once, at the call: all samples are one problem.
    method : {"augmented_lagrangian", "penalty", "admm"}
        A multiplier step every 10 epochs; none, so the multipliers stay zero; weights and activations by least squares,
        pre-activations by the optimiser, and a multiplier step every epoch.
    penalty : float
        The first μ, more than 0, the price of a sample's squared gap against its loss. It grows by a factor of 1.2
        every 10 epochs, until it has reached 1000.

    Notes
    -----
    After Carreira-Perpiñán & Wang (2014), "Distributed optimization of deeply nested systems" (penalty); Hestenes
    (1969), Powell (1969); Taylor et al. (2016), "Training neural networks without gradients: a scalable ADMM". A block
    that normalises over the batch is another function in evaluation mode, whatever the violation.
    """
    passes = Passes(epochs, batches, **options)
    if passes.step != "epoch":
        raise ValueError("step must be 'epoch': the activations of all samples are variables, and move together")
    OneOf(("penalty", "augmented_lagrangian", "admm")).check("method", method)
    Real(0, above=True).check("penalty", penalty)
    probe(model, passes.X)
    X, Y = (torch.cat(parts) for parts in zip(*passes))
    rule = (Admm if method == "admm" else Relaxed)(model, optimizer, criterion, X, penalty, method)
    return start(rule, Passes(epochs, [(X, Y)], seed=passes.seed), rows=None)


# The weights held fixed, the method of multipliers finds what back-propagation computes


class MultiplierStep(NamedTuple):
    """What an outer step yields: its number from 1, its μ, then of each hidden block the largest gap, |λ_i - adjoint| /
    |adjoint|, λ_i and dL/dz_i (n, ...); at last the gradient passes over the data so far.
    """

    outer: int
    penalty: float
    violation: list[float]
    difference: list[float]
    multipliers: list[Tensor]
    adjoints: list[Tensor]
    passes: int


def adjoints(model: nn.Sequential, X: Tensor, Y: Tensor, criterion: Criterion) -> list[Tensor]:
    """Return dL/dz_i, (n, ...) as z_i, of each hidden block's output z_i, by back-propagation in evaluation mode."""
    probe(model, X)
    hidden, h = list[Tensor](), X
    with mode(False, model), torch.enable_grad():
        for block in list(model)[:-1]:
            h = block(h.clone())
            if not h.requires_grad:  # frozen weights: start the graph at this output
                h = h.detach().requires_grad_()
            hidden.append(h)
        loss = checked("criterion", criterion)(model[-1](h.clone()), Y)
    return list(torch.autograd.grad(loss, hidden)) if hidden else []


def relative_difference(multipliers: Sequence[Tensor], references: Sequence[Tensor]) -> list[float]:
    """Return |λ - reference| / |reference| of each pair; infinite or NaN where the reference is zero."""
    return [float(norm(m - r) / norm(r)) for m, r in zip(multipliers, references)]


def cosine(multipliers: Sequence[Tensor], references: Sequence[Tensor]) -> list[float]:
    """Return the cosine of the angle between each multiplier and its reference, -1 to 1; NaN if either is zero."""
    return [float((m * r).sum() / (norm(m) * norm(r))) for m, r in zip(multipliers, references)]


def multipliers_at(
    model: nn.Sequential, X: Tensor, Y: Tensor, criterion: Criterion, *, penalty: float = 100.0, growth: float = 2.0,
    outer: int = 10, inner: int = 100,
) -> Iterator[MultiplierStep]:  # fmt: skip
    """Run the method of multipliers on the activations alone, the weights held fixed. Yields `MultiplierStep`.

    ``penalty`` is μ of the first of ``outer`` steps of the multipliers, more than 0, and ``growth`` the factor on it
    each step, 1 or more, until it has reached 1000; ``inner`` are the iterations of L-BFGS that a step may take. All is
    computed in float64, on a copy in evaluation mode. μ must outweigh the negative curvature of a sample's loss in its
    activations, or these leave for a better loss. After LeCun (1988), "A theoretical framework for back-propagation";
    Hestenes (1969) and Powell (1969).
    """
    Real(0, above=True).check("penalty", penalty)
    Real(1).check("growth", growth)
    Whole(1).check("outer", outer)
    Whole(1).check("inner", inner)
    probe(model, X)
    X, Y = X.double(), Y.double()
    fixed = copy.deepcopy(model).double().eval().requires_grad_(False)
    tight: Any = {"tolerance_grad": 1e-9, "tolerance_change": 0, "line_search_fn": "strong_wolfe"}
    rule = Relaxed(fixed, partial(LBFGS, max_iter=inner, **tight), criterion, X, penalty)
    return _steps(rule, X, Y, growth, outer)


def _steps(rule: Relaxed, X: Tensor, Y: Tensor, growth: float, outer: int) -> Iterator[MultiplierStep]:
    references, passes = adjoints(rule.model, X, Y, rule.criterion), 0
    optimizer: Any = rule.optimizers[0]

    def price() -> Tensor:
        nonlocal passes
        passes += 1
        optimizer.zero_grad()
        value = rule.judge(X, Y) * len(X)  # a sum over samples: gradients of order 1
        value.backward()
        return value.detach()

    for step in range(1, outer + 1):
        optimizer.state.clear()  # the problem has changed
        optimizer.step(price)
        if not math.isfinite(price()):  # also takes the gaps at the minimum
            raise TrainingError(f"outer step {step}: the loss is not finite; look for NaN in X, Y and the weights")
        rule.update_multipliers()
        found = [m.detach().clone() for m in rule.multipliers]
        difference = relative_difference(found, references)
        yield MultiplierStep(step, rule.penalty, largest(rule.gaps), difference, found, references, passes)
        rule.penalty = grown(rule.penalty, growth)
