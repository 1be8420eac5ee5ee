"""The panels of lecture 04: a cycle solved by iteration, and a net pulled apart, its gaps and its multipliers."""

from __future__ import annotations

import itertools
from collections import namedtuple
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.diff import tanh
from helpers.diff.forward import jvp
from helpers.diff.lagrange import NoConvergence, Program, assembled
from helpers.networks import layered_net
from helpers.plots.errors import CyclePicture
from helpers.plots.recordings import ConstraintProgress, Measured
from helpers.training.constrained import adjoints, cosine, multipliers_at, relative_difference, train_constrained
from helpers.widgets.controls import choice, counted, log_slider, set_controls, slider, whole
from helpers.widgets.panel import Explorer
from helpers.widgets.trainer import Trainer

SIZE, INPUTS, STEPS = 20, 3, 100
CELLS = {"z = tanh(Wz + Ux)": True, "z = Wz + Ux": False}
Vector = NDArray[np.float64]
Weights = tuple[Vector, Vector, Vector, Vector]  # of a cycle: W (n, n), U (n, m), the input x (m,), c (n,) of the loss


# What is known of a cycle: the eigenvalues (n,) of J where the search for a solution ended; `unrolled_gradients`, as
# errors relative to the ``gradient`` (m,) by the multipliers, which is None without a solution; how it was solved.
Cycle = namedtuple("Cycle", "eigenvalues changes errors gradient words")


def draw_weights(radius: float, seed: int, size: int = SIZE, inputs: int = INPUTS) -> Weights:
    """Draw a cycle's weights, normal(0, 1), and scale W to a spectral radius."""
    rng = np.random.default_rng(seed)
    W, U = rng.normal(size=(size, size)), rng.normal(size=(size, inputs))
    return W * (radius / np.abs(np.linalg.eigvals(W)).max()), U, rng.normal(size=inputs), rng.normal(size=size)


def cell_of(weights: Weights, bent: bool = True) -> Callable[[Any, Any], Any]:
    """Return the cell z, x -> tanh(Wz + Ux); without the tanh unless ``bent``."""
    W, U, *_ = weights
    return (lambda z, x: tanh(W @ z + U @ x)) if bent else (lambda z, x: W @ z + U @ x)


def unrolled_gradients(weights: Weights, bent: bool = True, steps: int = STEPS) -> tuple[Vector, Vector]:
    """Iterate from z = 0: return the largest change of z at step k (NaN at 0), and the derivative of c'z_k in x (m,).

    Both for every k up to ``steps``. The derivative is what back-propagation through k steps gives; here it comes by
    forward mode, so that one sweep for each input serves every k.
    """
    _, _, x, c = weights
    cell, zero = cell_of(weights, bent), np.zeros(len(c))

    def iterates(x: Any) -> list[Any]:
        return list(itertools.accumulate(range(steps), lambda z, _: cell(z, x), initial=zero))

    changes = np.abs(np.diff(np.array(iterates(x)), axis=0)).max(axis=1)
    slopes = [jvp(iterates, x, direction)[1] for direction in np.eye(len(x))]
    return np.append(np.nan, changes), (np.array(slopes) @ c).T


@lru_cache(maxsize=128)
def look_into(radius: float, seed: int, bent: bool = True) -> Cycle:
    """Solve a cycle by iteration, or else by Newton's method, and compare its gradient with the unrolled ones."""
    weights, gradient, solved = draw_weights(radius, seed), None, True
    program = Program(inputs=["x"]).let("z", cell_of(weights, bent), "z", "x")
    program.let("loss", lambda z: (weights[3] * z).sum(), "z")
    given: dict[str, Any] = {"inputs": {"x": weights[2]}, "start": {"z": np.zeros(SIZE)}}
    try:
        place: Any = program.solve(**given)
        words = f"The iteration contracts: solved after {counted(place.iterations, 'step')}."
    except NoConvergence as failure:
        moved = f"z still changes by {failure.residual:.2g}"  # all in one line: a picture that is dragged stays there
        moved = moved if failure.residual < 1e6 else "z has grown without bounds"
        place, words = failure.values, f"The iteration FAILS: {moved} after {failure.iterations} steps. "
        try:
            place = program.solve(**given, method="newton", limit=100)
            steps = counted(place.iterations, "step")
            words += f"Newton's method finds a solution in {steps}."
        except ArithmeticError as again:  # no convergence, or I - J singular
            words, solved = f"{words}Newton's method fails too: {again}", False
    J = assembled(program.equations, place, ["z"], ["z"])
    changes, gradients = unrolled_gradients(weights, bent)
    errors = np.full(len(changes), np.nan)
    try:
        if solved:
            gradient = np.asarray(program.multipliers("loss")["x"])
            errors = np.linalg.norm(gradients - gradient, axis=-1) / np.linalg.norm(gradient)
    except ArithmeticError as singular:
        words = f"{words} {singular}"
    if gradient is not None and np.linalg.cond(np.eye(SIZE) - J) > 1e10:
        words += " I − J is almost singular here: trust no digit of the gradient."
    return Cycle(np.linalg.eigvals(J).astype(complex), changes, errors, gradient, words)


def cycle_panel(**options: Any) -> Explorer:
    """Make the panel; its options are ``radius`` (0.05 to 2.5, of W), ``k`` (0 to 100), ``seed`` and ``cell``."""
    picture = CyclePicture([], np.ones(STEPS + 1), np.ones(STEPS + 1))

    def show(radius: float, k: int, seed: int, cell: str) -> list[CyclePicture | str]:
        cycle = look_into(radius, seed, CELLS[cell])
        picture.update(cycle.eigenvalues, cycle.changes, cycle.errors)
        picture.choose(k, radius)
        radii = f"Spectral radius: {radius:.2f} of W, {picture.radius:.3f} of J, which decides."
        error = "No gradient to compare with."
        if cycle.gradient is not None:
            shown = np.array2string(cycle.gradient, precision=4, suppress_small=True)
            off = f"{counted(k, 'step')} it is off by {cycle.errors[k]:.1e}, relatively."
            error = f"Implicit gradient {shown}; unrolled through {off}"
        return [cycle.words, radii, error, picture]

    controls: dict[str, Any] = {
        "radius": slider("Spectral radius of W", 0.8, 0.05, 2.5, 0.05, show=".2f"),
        "k": slider("Steps unrolled, k", 20, 0, STEPS),
        "seed": whole("Seed", 2, 0, 99),
        "cell": choice("Cycle", list(CELLS)),
    }
    return Explorer(show, **set_controls(controls, options))


FIXED = "weights held fixed"
METHODS = {"augmented Lagrangian": "augmented_lagrangian", "penalty alone": "penalty", "ADMM": "admm"}
WAYS = {FIXED: ""} | {f"weights learn: {name}": method for name, method in METHODS.items()}
HIDDEN = 2  # layers, of 32 tanh units each


class ConstraintPanel(Trainer[ConstraintProgress]):
    """Watch gaps close and multipliers move, layer by layer, beside the adjoints that back-propagation computes.

    Parameters
    ----------
    way : str
        What trains, one of `WAYS`. With the weights held fixed a step is an outer step of the method of multipliers,
        otherwise an epoch. The ``model`` is 2-32-32-1 with tanh.
    **options
        What the other controls are to show at first: ``data``, training ``samples`` (1 to 10,000), the first
        ``penalty`` μ (0.1 to 100), the ``seed`` of data and net.
    """

    watch = 150  # epochs in which the multipliers find their direction; with fixed weights all the outer steps

    def __init__(self, way: str = FIXED, **options: Any) -> None:
        controls: dict[str, Any] = {
            "way": choice("What moves", list(WAYS), width="350px"),
            "data": choice("Data", ["signed_xor", "gaussian", "rings", "moons"], width="160px"),
            "samples": whole("Training points", 200, 1, 10_000, width="190px"),
            "seed": whole("Seed", 0, 0, 10**6),
            "penalty": log_slider("Penalty μ, at first", 1.0, -1, 2, live=False),
        }
        super().__init__(set_controls(controls, {"way": way, **options}))

    def _begin(self, way: str, data: str, samples: int, penalty: float, seed: int) -> tuple[Iterator[Any], int]:
        self.training_set = datasets[data].train(samples=samples, seed=seed)
        total, self.unit = (12, "outer step") if way == FIXED else (300, "epoch")
        X, Y, loss = self.training_set.X, self.training_set.Y, binary_cross_entropy
        self.model = layered_net([2, *[32] * HIDDEN, 1], activation=nn.Tanh, normalize=False, seed=seed)
        self._use((total, self.unit), lambda: ConstraintProgress(HIDDEN, total, self.unit))
        if way == FIXED:
            return multipliers_at(self.model, X, Y, loss, penalty=penalty, growth=1.0, outer=total, inner=50), total
        method: Any = WAYS[way]
        return train_constrained(self.model, Rprop, loss, total, [(X, Y)], method=method, penalty=penalty), total

    def _record(self, count: int) -> None:
        """Measure the last step, of either kind, against the adjoints at the net itself; at first λ is 0."""
        step, X, Y = self.last, self.training_set.X, self.training_set.Y
        now = getattr(step, "adjoints", None) or adjoints(self.model, X, Y, binary_cross_entropy)
        multipliers = step.multipliers if step else [torch.zeros_like(adjoint) for adjoint in now]
        with torch.no_grad():
            net_loss = float(binary_cross_entropy(self.model(X), Y))
        sizes, adjoint_sizes = ([float(torch.linalg.vector_norm(t)) for t in some] for some in (multipliers, now))
        apart = relative_difference(multipliers, now), cosine(multipliers, now)
        loss, gaps = getattr(step, "loss", net_loss), step.violation if step else [0.0] * HIDDEN
        self.picture.record(count, Measured(loss, net_loss, gaps, sizes, adjoint_sizes, *apart))
