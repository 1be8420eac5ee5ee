"""A panel of lecture 04: a cycle, solved by iteration. When does that contract, and what is left of the gradient?"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from helpers.diff import tanh
from helpers.diff.cycles import NoConvergence, assembled
from helpers.diff.lagrange import Program
from helpers.plots.cycles import CyclePicture, plot_cycle
from helpers.widgets.controls import choice, counted, set_controls, slider, whole
from helpers.widgets.panel import Explorer

SIZE, INPUTS, STEPS = 20, 3, 100
CELLS = {"z = tanh(Wz + Ux)": True, "z = Wz + Ux": False}
Vector = NDArray[np.float64]


class Weights(NamedTuple):
    """What a cycle is made of: W (n, n), U (n, m), the input x (m,), and c (n,) of the loss c'z."""

    W: Vector
    U: Vector
    x: Vector
    c: Vector


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
    return Weights(W * (radius / np.abs(np.linalg.eigvals(W)).max()), U, rng.normal(size=inputs), rng.normal(size=size))


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
    inputs, start = {"x": weights.x}, {"z": np.zeros(SIZE)}
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
        gradient = None if values is None else np.asarray(program.multipliers("loss", values)["x"])
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
    >>> cycle_panel().run(radius=1.5)[0].startswith("The iteration FAILS")
    True
    """
    picture = plot_cycle([], np.ones(STEPS + 1), np.ones(STEPS + 1))

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
