"""The panels of lecture 04: a cycle solved by iteration, and a net pulled apart, its gaps and its multipliers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.diff import tanh
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


Weights = tuple[Vector, Vector, Vector, Vector]
"""What a cycle is made of: W (n, n), U (n, m), the input x (m,), and c (n,) of the loss c'z."""


class Cycle(NamedTuple):
    """A cycle that has been looked into: what the panel draws, and how it was solved, in words.

    ``eigenvalues`` (n,) are those of J at the solution, or where the search for one ended. ``changes`` and ``errors``,
    (STEPS + 1,) each, are the largest change of z at step k from z = 0, and the relative error of the gradient through
    the first k steps. ``gradient`` (m,) is that by the multipliers; None without a solution.
    """

    eigenvalues: NDArray[np.complex128]
    changes: Vector
    errors: Vector
    gradient: Vector | None
    words: str


def draw_weights(radius: float, seed: int, size: int = SIZE, inputs: int = INPUTS) -> Weights:
    """Draw a cycle's weights, normal(0, 1), and scale W to a spectral radius."""
    rng = np.random.default_rng(seed)
    W, U = rng.normal(size=(size, size)), rng.normal(size=(size, inputs))
    return W * (radius / np.abs(np.linalg.eigvals(W)).max()), U, rng.normal(size=inputs), rng.normal(size=size)


def cyclic_program(weights: Weights, bent: bool = True) -> Program:
    """Return the program z = tanh(Wz + Ux), loss = c'z; without the tanh unless ``bent``."""
    W, U, _, c = weights
    cell = (lambda z, x: tanh(W @ z + U @ x)) if bent else (lambda z, x: W @ z + U @ x)
    return Program(inputs=["x"]).let("z", cell, "z", "x").let("loss", lambda z: (c * z).sum(), "z")


def unrolled_gradients(weights: Weights, bent: bool = True, steps: int = STEPS) -> tuple[Vector, Vector]:
    """Iterate from z = 0: return the largest change of z at step k (NaN at 0), and the derivative of c'z_k in x (m,).

    Both for every k up to ``steps``. The derivative is what back-propagation through k steps gives; here dz_k/dx is
    carried along (forward mode), so that one sweep serves every k.
    """
    W, U, x, c = weights
    z, z_dot = np.zeros(len(W)), np.zeros(U.shape)
    changes, gradients = [np.nan], [c @ z_dot]
    for _ in range(steps):
        new = W @ z + U @ x
        new = np.tanh(new) if bent else new
        slope = 1 - new**2 if bent else np.ones(len(W))
        z_dot = slope[:, None] * (W @ z_dot + U)
        changes.append(float(np.abs(new - z).max()))
        gradients.append(c @ z_dot)
        z = new
    return np.array(changes), np.array(gradients)


@lru_cache(maxsize=128)
def look_into(radius: float, seed: int, bent: bool = True) -> Cycle:
    """Solve a cycle by iteration, or else by Newton's method, and compare its gradient with the unrolled ones."""
    weights = draw_weights(radius, seed)
    program = cyclic_program(weights, bent)
    inputs, start = {"x": weights[2]}, {"z": np.zeros(SIZE)}
    changes, gradients = unrolled_gradients(weights, bent)
    try:
        values: Any = program.solve(inputs, start=start)
        place, words = values, f"The iteration contracts: solved after {counted(values.iterations, 'step')}."
    except NoConvergence as failure:
        values, place, moved = None, failure.values, f"z still changes by {failure.residual:.2g} in each"
        moved = moved if failure.residual < 1e6 else "z has grown without bounds"
        words = f"The iteration FAILS: after {failure.iterations} steps {moved}. "
        try:
            place = values = program.solve(inputs, start=start, method="newton", limit=100)
            steps = counted(values.iterations, "step")
            words += f"Newton's method finds a solution in {steps}; the multipliers need no more."
        except ArithmeticError as again:  # no convergence, or I - J singular
            words += f"Newton's method fails too: {again}"
    J = assembled(program.equations, place, ["z"], ["z"])
    try:
        gradient = None if values is None else np.asarray(program.multipliers("loss")["x"])
    except ArithmeticError as singular:
        gradient, words = None, f"{words} {singular}"
    if gradient is not None and np.linalg.cond(np.eye(SIZE) - J) > 1e10:
        words += " I − J is almost singular here: trust no digit of the gradient."
    errors = np.full(len(changes), np.nan)
    if gradient is not None:
        errors = np.linalg.norm(gradients - gradient, axis=-1) / np.linalg.norm(gradient)
    return Cycle(np.linalg.eigvals(J).astype(complex), changes, errors, gradient, words)


def cycle_panel(**options: Any) -> Explorer:
    """Make the panel; its options are ``radius`` (0.05 to 2.5, of W), ``k`` (0 to 100), ``seed`` and ``cell``.

    Examples
    --------
    >>> solved, radii, error, picture = cycle_panel().run(radius=0.5, k=20)
    >>> print(solved)
    The iteration contracts: solved after 38 steps.
    """
    picture = CyclePicture([], np.ones(STEPS + 1), np.ones(STEPS + 1))

    def show(radius: float, k: int, seed: int, cell: str) -> list[CyclePicture | str]:
        cycle = look_into(radius, seed, CELLS[cell])
        picture.update(cycle.eigenvalues, cycle.changes, cycle.errors)
        picture.choose(k)
        radii = f"Spectral radius: {radius:.2f} of W, {picture.radius:.3f} of J, which decides."
        if cycle.gradient is None:
            return [cycle.words, radii, "No gradient to compare with.", picture]
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
METHODS: dict[str, Any] = {
    "weights learn: augmented Lagrangian": "augmented_lagrangian",
    "weights learn: penalty alone": "penalty",
    "weights learn: ADMM": "admm",
}
WAYS = {FIXED: 12} | dict.fromkeys(METHODS, 300)  # and how many steps each takes
PLANE = ["signed_xor", "gaussian", "rings", "moons"]
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

    def __init__(self, way: str = FIXED, **options: Any) -> None:
        controls: dict[str, Any] = {
            "way": choice("What moves", list(WAYS), width="360px"),
            "data": choice("Data", PLANE),
            "samples": whole("Training points", 200, 1, 10_000, width="190px"),
            "penalty": log_slider("Penalty μ, at first", 1.0, -1, 2, live=False),
            "seed": whole("Seed", 0, 0, 10**6),
        }
        super().__init__(set_controls(controls, {"way": way, **options}))

    def _begin(self, way: str, data: str, samples: int, penalty: float, seed: int) -> tuple[Iterator[Any], int]:
        self.training_set = datasets[data].train(samples=samples, seed=seed)
        total, self.unit = WAYS[way], "outer step" if way == FIXED else "epoch"
        X, Y = self.training_set.X, self.training_set.Y
        self.model = layered_net([2, *[32] * HIDDEN, 1], activation=nn.Tanh, normalize=False, seed=seed)
        self._use((total, self.unit), lambda: ConstraintProgress(HIDDEN, total, self.unit))
        if way == FIXED:
            method: dict[str, Any] = {"penalty": penalty, "growth": 1.0, "outer": total, "inner": 50}
            return multipliers_at(self.model, X, Y, binary_cross_entropy, **method), total
        loss, batches = binary_cross_entropy, [(X, Y)]
        return train_constrained(self.model, Rprop, loss, total, batches, method=METHODS[way], penalty=penalty), total

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


def constraint_panel(way: str = FIXED, **options: Any) -> ConstraintPanel:
    """Make the panel; its options are those of `ConstraintPanel`."""
    return ConstraintPanel(way, **options)
