"""Constrained training: the activations are variables of their own, and the layers become constraints.

Training minimises ``criterion(h_L(z_{L-1}), Y)`` subject to ``z_i = h_i(z_{i-1}; W_i)`` for the hidden blocks, z_0 = X.
Three methods: a growing penalty alone, the augmented Lagrangian (`Relaxed` writes it down), and ADMM (`Split`).

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
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from helpers.datasets import whole_number
from helpers.training.admm import AdmmLearner, Split, check_splits
from helpers.training.arguments import Checked, Criterion, OptimizerFactory, Passes, StepMode, check_options
from helpers.training.evaluation import Batches
from helpers.training.layers import check_apart, probe
from helpers.training.loop import Learner, epoch_loop, rehearse
from helpers.training.relaxed import Relaxed

Method = Literal["penalty", "augmented_lagrangian", "admm"]
LARGEST_PENALTY = 1e3  # where growth ends: far beyond, the loss is lost beside the penalty


class ConstrainedStep(NamedTuple):
    """What an epoch of constrained training yields; the tensors are live, so clone what you want to keep.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    loss : float
        ``criterion`` at the variables, before this epoch's update. The net itself, fed forward, has a loss of its own.
    violation : list of float
        max \\|h_i(z_{i-1}) - z_i\\| over all training points and units, a number for each hidden block.
    multipliers : list of Tensor
        λ_i, each (n, ...) as the output of hidden block i, in the order in which the batches came; zero under
        ``"penalty"``.
    activations : list of Tensor
        z_i, likewise.
    penalty : float
        μ.
    passes : int
        Gradient passes over the data so far: one an epoch, as under back-propagation.
    """

    epoch: int
    loss: float
    violation: list[float]
    multipliers: list[Tensor]
    activations: list[Tensor]
    penalty: float
    passes: int

    @property
    def norms(self) -> list[float]:
        """The Euclidean norm of the multipliers of each hidden block."""
        return [float(torch.linalg.vector_norm(m)) for m in self.multipliers]


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
    train_decoders: bool = True,
    step: StepMode = "epoch",
    seed: int | None = None,
) -> Iterator[ConstrainedStep]:
    """Train a net whose activations are variables and whose hidden blocks are constraints.

    Parameters
    ----------
    model : nn.Sequential
        Nested blocks, as for the local rules; trained in place. For ``"admm"`` each begins with an ``nn.Linear`` and
        has no other parameters.
    optimizer : callable
        Makes one optimiser for weights and activations (``"admm"``: for pre-activations only). A sample's activations
        have a gradient of the order of 1/n: take one that divides the scale out, such as ``Rprop``. ADMM gives it two
        steps an epoch; if it lags behind, as ``Adam`` does, the multipliers wind up and nothing is learned.
    criterion : callable
        ``(scores, targets) -> mean loss``.
    epochs : int
        Number of passes over the data, 1 or more.
    batches : iterable of (X, Y)
        X (n, ...) and Y (n, k), run through once, at the call: all samples are one problem.
    method : {"augmented_lagrangian", "penalty", "admm"}
        ``"penalty"``: multipliers stay zero. ``"augmented_lagrangian"``: a multiplier step every ``inner`` epochs.
        ``"admm"``: weights and activations by least squares, pre-activations by the optimiser, a multiplier step every
        epoch.
    penalty : float
        The first μ, more than 0: the price of a sample's squared gap, against its loss.
    growth : float
        Factor on μ every ``inner`` epochs, 1 or more, until μ has reached 1000.
    inner : int
        Epochs between two steps of multipliers and of μ, 1 or more.
    train_decoders, seed
        As in the local rules; there is no decoder here, and nothing is drawn.
    step : {"epoch"}
        ``"batch"`` is refused.

    Yields
    ------
    ConstrainedStep
        ``(epoch, loss, violation, multipliers, activations, penalty, passes)``; the model has then been updated.

    Raises
    ------
    TypeError, ValueError
        At the call: a model that is not nested, does not fit the data or the method; an optimiser object, bad options.
    TrainingError
        At an epoch: targets that the loss cannot take, a loss or an update that is not finite. The last finite
        parameters are back in the model.

    Notes
    -----
    An epoch takes one forward and one backward pass over each block (`AdmmLearner`: ADMM's count). Memory: activations
    and multipliers of all n samples, and the optimiser's state for them, beside what back-propagation keeps.
    A block that normalises over the batch (or drops units) is a constraint that ties all samples together (or a random
    one). In evaluation mode it is another function: then the gaps do not begin at zero, and a small violation does not
    say that the net fed forward computes the same.

    References
    ----------
    Carreira-Perpiñán & Wang (2014), "Distributed optimization of deeply nested systems" (penalty, by the name of
    auxiliary coordinates). Hestenes (1969) and Powell (1969), for the multipliers. Taylor et al. (2016), for ADMM.
    """
    check_options(epochs, step, seed, train_decoders)
    checked = Checked("criterion", criterion)
    if step != "epoch":
        raise ValueError("step must be 'epoch': the activations of all samples are variables, and move together")
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, got {method!r}")
    at_least("penalty", penalty, 0, open_end=True)
    at_least("growth", growth, 1)
    whole_number("inner", inner, 1)
    passes = Passes(batches, epochs)
    scores = probe(model, passes.first[0])[-1]
    features, Y = passes.gather()
    checked.rehearse(scores.expand(len(Y), *scores.shape[1:]), Y)
    X = torch.cat(features)
    if method == "admm":
        check_splits(model, X)
        check_apart(model)
        split = Split(model, X, penalty)
        solver = AdmmLearner(split, checked, optimizer, Y)
        rehearse([solver], X, Y, rows=None)
        return _steps(split, solver, X, Y, method, epochs, growth, inner)
    relaxed = Relaxed(model, X, checked, penalty)
    learner = Learner(relaxed, nn.Identity(), relaxed.lagrangian, optimizer, train_decoders)
    rehearse([learner], X, Y, rows=None)
    return _steps(relaxed, learner, X, Y, method, epochs, growth, inner)


def _steps(
    problem: Relaxed | Split,
    learner: Learner,
    X: Tensor,
    Y: Tensor,
    method: Method,
    epochs: int,
    growth: float,
    inner: int,
) -> Iterator[ConstrainedStep]:
    for epoch, losses in epoch_loop(problem.model, [learner], [(X, Y)], epochs, "epoch"):
        yield ConstrainedStep(
            epoch,
            problem.loss if isinstance(problem, Relaxed) else losses[0],
            [float(gap.abs().max()) for gap in problem.gaps],
            [multiplier.detach() for multiplier in problem.multipliers],
            [z.detach() for z in problem.activations],
            problem.penalty,
            passes=epoch,
        )
        if epoch % inner == 0:
            if method == "augmented_lagrangian":
                problem.update_multipliers()
            problem.penalty = grown(problem.penalty, growth)


def grown(penalty: float, growth: float) -> float:
    """Return the next penalty: times ``growth``, but not beyond the limit; one that began beyond it stays."""
    return max(penalty, min(penalty * growth, LARGEST_PENALTY))


def at_least(name: str, value: float, least: float, *, open_end: bool = False) -> float:
    """Return a finite number that is ``least`` or more (``open_end``: more), or refuse it by name."""
    words = f"{name} must be a finite number, {'more than' if open_end else 'at least'} {least}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(words)
    if not math.isfinite(value) or value < least or (open_end and value == least):
        raise ValueError(words)
    return value
