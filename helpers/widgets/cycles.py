"""A panel of lecture 04: a cycle, solved by iteration. When does that contract, and what is left of the gradient?"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from helpers.diff import tanh
from helpers.diff.cycles import NoConvergence, assembled
from helpers.diff.lagrange import Program
from helpers.plots.errors import CyclePicture
from helpers.widgets.controls import choice, set_controls, slider, whole
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

    Attributes
    ----------
    eigenvalues : ndarray of complex, shape (n,)
        Of J, at the solution, or where the search for one ended.
    changes, errors : ndarray, shape (STEPS + 1,)
        The largest change of z at step k from z = 0; the relative error of the gradient through the first k steps.
    gradient : ndarray, shape (m,), or None
        By the multipliers at the solution.
    words : str
    """

    eigenvalues: NDArray[np.complex128]
    changes: Vector
    errors: Vector
    gradient: Vector | None
    words: str


def draw_weights(radius: float, seed: int, size: int = SIZE, inputs: int = INPUTS) -> Weights:
    """Draw a cycle's weights, normal(0, 1), and scale W to a spectral radius.

    Examples
    --------
    >>> W = draw_weights(0.8, seed=0).W
    >>> print(round(np.abs(np.linalg.eigvals(W)).max(), 12))
    0.8
    """
    rng = np.random.default_rng(seed)
    W, U = rng.normal(size=(size, size)), rng.normal(size=(size, inputs))
    return Weights(W * (radius / np.abs(np.linalg.eigvals(W)).max()), U, rng.normal(size=inputs), rng.normal(size=size))


def cyclic_program(weights: Weights, bent: bool = True) -> Program:
    """Return the program z = tanh(Wz + Ux), loss = c'z; without the tanh unless ``bent``."""
    W, U, _, c = weights
    cell = (lambda z, x: tanh(W @ z + U @ x)) if bent else (lambda z, x: W @ z + U @ x)
    return Program(inputs=["x"]).let("z", cell, "z", "x").let("loss", lambda z: (c * z).sum(), "z")


def unrolled_gradients(weights: Weights, bent: bool = True, steps: int = STEPS) -> tuple[Vector, Vector]:
    """Iterate from z = 0, and differentiate the loss after k steps, for every k.

    Returns
    -------
    changes : ndarray, shape (steps + 1,)
        The largest change of z in step k; NaN at k = 0.
    gradients : ndarray, shape (steps + 1, m)
        The derivative of c'z_k in x: what back-propagation through k steps gives.

    Notes
    -----
    dz_k/dx is carried along (forward mode), so that one sweep serves every k.
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
    values: Any = None
    try:
        values = program.solve(inputs, start=start)
        words = f"The iteration contracts: solved after {_count(values.iterations)}."
    except NoConvergence as failure:
        still = (
            f"z still changes by {failure.residual:.2g} in each"
            if failure.residual < 1e6
            else "z has grown without bounds"
        )
        words = f"The iteration FAILS: after {failure.iterations} steps {still}. "
        last = failure.values
        try:
            values = program.solve(inputs, start=start, method="newton", limit=100)
            words += f"Newton's method finds a solution in {_count(values.iterations)}; the multipliers need no more."
        except ArithmeticError as again:  # no convergence, or I - J singular
            words += f"Newton's method fails too: {again}"
    J = assembled(program.equations, last if values is None else values, ["z"], ["z"])
    eigenvalues = np.linalg.eigvals(J)
    try:
        gradient = None if values is None else np.asarray(program.multipliers("loss", values)["x"])
    except ArithmeticError as singular:
        gradient, words = None, f"{words} {singular}"
    if gradient is not None and np.linalg.cond(np.eye(SIZE) - J) > 1e10:
        words += " I − J is almost singular here: trust no digit of the gradient."
    nothing = np.full(len(changes), np.nan)
    errors = nothing if gradient is None else _distance(gradients, gradient)
    return Cycle(eigenvalues.astype(complex), changes, errors, gradient, words)


def _count(steps: int) -> str:
    return f"{steps} step{'' if steps == 1 else 's'}"


def _distance(found: Vector, wanted: Vector) -> Vector:
    distance: Vector = np.linalg.norm(found - wanted, axis=-1) / np.linalg.norm(wanted)
    return distance


def cycle_panel(radius: float = 0.8, seed: int = 2) -> Explorer:
    """Make the panel: sliders for the spectral radius of W and for the steps that are unrolled.

    Examples
    --------
    >>> solved, radii, error, picture = cycle_panel().run(radius=0.5, k=20)
    >>> print(solved)
    The iteration contracts: solved after 38 steps.
    >>> cycle_panel().run(radius=1.5)[0].startswith("The iteration FAILS")
    True
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
        error = (
            f"Implicit gradient {shown}; unrolled through {_count(k)} it is off by {cycle.errors[k]:.1e}, relatively."
        )
        return [cycle.words, radii, error, picture]

    controls = {
        "radius": slider("Spectral radius of W", 0.8, 0.05, 2.5, 0.05, show=".2f"),
        "k": slider("Steps unrolled, k", 20, 0, STEPS),
        "seed": whole("Seed", 2, 0, 99),
        "cell": choice("Cycle", list(CELLS)),
    }
    set_controls(controls, {"radius": radius, "seed": seed})
    return Explorer(show, **controls)
