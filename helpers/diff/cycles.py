"""Equations between variables: which depend on each other, their Jacobians, and how z = F(z) is solved for a cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.arrays import vjp
from helpers.diff.rules import is_number
from helpers.diff.symbolic import Expression, Symbol, as_expression

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Value = float | NDArray[np.float64]
Values = Mapping[str, Value]
WORST = 1e12  # condition number: of the 16 digits of a float about four are left


class Equation(NamedTuple):
    """A variable's equation, ``name = f(*parents)``."""

    name: str
    f: Callable[..., Any]
    parents: tuple[str, ...]

    def compute(self, values: Values) -> Value:
        """Return f of the parents' values."""
        try:
            return value_of(self.f(*self._operands(values)), self.name)
        except (ValueError, TypeError, IndexError) as error:
            given = ", ".join(f"{parent} {np.shape(values[parent]) or 'a number'}" for parent in self.parents)
            raise ValueError(f"{self.name} = f({given}) cannot be computed: {error}") from error

    def pullback(self, values: Values) -> Callable[[Value], Sequence[Value]]:
        """Return the function from an adjoint of this variable to what it gives to each parent."""
        if not self.parents:
            return lambda bar: []  # a constant: there is nobody to hand its adjoint on to
        return vjp(self.f, *self._operands(values))[1]

    def jacobians(self, values: Values) -> list[Matrix]:
        """Return the Jacobian in each parent, (size of the variable, size of the parent): one pullback per row."""
        pullback, own = self.pullback(values), values[self.name]
        rows = [pullback(row.reshape(np.shape(own))) for row in np.eye(np.size(own))]
        return [np.array([np.ravel(row[k]) for row in rows]) for k in range(len(self.parents))]

    def _operands(self, values: Values) -> list[Value]:
        return [value_of(values[parent], parent) for parent in self.parents]  # f may read arrays, not change them

    def expression(self) -> Expression | None:
        """Run f on symbols; None where it takes arrays only, or chooses by a value."""
        try:
            result = self.f(*map(Symbol, self.parents))
        except (TypeError, ValueError, AttributeError):
            return None
        if is_number(result) and not np.ndim(result):
            return as_expression(result)
        return result if isinstance(result, Expression) else None


class NoConvergence(ArithmeticError):
    """An iteration did not arrive at a solution.

    ``z`` is the last finite one, ``values`` the same by the names of the variables, ``residual`` the largest |F(z) - z|
    there, and ``spectral_radius`` the largest |eigenvalue| of the Jacobian of F: only below 1 the iteration contracts.
    """

    def __init__(self, message: str, residual: float, spectral_radius: float, iterations: int, z: Vector) -> None:
        super().__init__(message)
        self.residual, self.spectral_radius, self.iterations, self.z = residual, spectral_radius, iterations, z
        self.values: dict[str, float | Vector] = {}


def dependency_groups(parents: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Group the nodes of a graph so that those of a cycle are together, and each group comes after those it needs.

    What needs more comes later; otherwise the order of ``parents`` stays. O(n^3) steps of a bit each, by NumPy.

    >>> dependency_groups({"y": ["z"], "z": ["h"], "h": ["z", "x"], "x": []})
    [['x'], ['z', 'h'], ['y']]
    """
    names = list(parents)
    place = {name: i for i, name in enumerate(names)}
    needs = np.eye(len(names), dtype=bool)  # row i: what i needs, itself included
    for name, above in parents.items():
        needs[place[name], [place[parent] for parent in above]] = True
    for k in range(len(names)):  # whoever needs k needs what k needs
        needs[needs[:, k]] |= needs[k]
    together = needs & needs.T
    in_order = np.argsort(needs.sum(axis=1), kind="stable")
    return [[names[j] for j in group] for group in dict.fromkeys(tuple(np.flatnonzero(together[i])) for i in in_order)]


def fixed_point(
    F: Callable[[Vector], Vector],
    J: Callable[[Vector], Matrix],
    z: Vector,
    tolerance: float,
    limit: int,
    newton: bool = False,
) -> tuple[Vector, int, float]:
    """Solve z = F(z) from a start: put F(z) in the place of z, again and again, or take Newton's steps.

    Newton's steps solve (I - J) d = F(z) - z: few, each with the Jacobian J, and F need not contract. The residual, the
    largest |F(z) - z|, is good enough below the tolerance, relative to the largest |z| where that is more than 1.
    Returns z, the number of iterations and the residual, or raises `NoConvergence`.
    """
    last, residual, iterations = z, np.inf, 0
    for iterations in range(limit + 1):
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                step = F(z) - z
        except OverflowError:  # of a float; arrays become infinite
            step = np.full_like(z, np.inf)
        if not np.isfinite(step).all():
            break
        last, residual = z, float(np.abs(step).max())
        if residual <= tolerance * max(1.0, float(np.abs(z).max())):
            return z, iterations, residual
        z = z + (solve(np.eye(len(z)) - J(z), step, "Newton's method") if newton else step)
    radius = float(np.abs(np.linalg.eigvals(J(last))).max())
    grew = "" if iterations == limit else "; then it grew beyond all numbers"
    hint = "start elsewhere" if newton else "the iteration contracts only below 1: try method='newton'"
    raise NoConvergence(
        f"no solution after {iterations} iterations: residual {residual:.3g}, spectral radius of J {radius:.3g}{grew} "
        f"({hint}, or start=...)", residual, radius, iterations, last,
    )  # fmt: skip


def solve_together(
    equations: Mapping[str, Equation], values: Values, first: Values, *how: Any
) -> tuple[dict[str, Value], int, float]:
    """Solve the equations of one cycle for all its variables at once, as one vector z = F(z), from ``first``."""
    group, inside = list(first), dict(values)

    def F(z: Vector) -> Vector:
        inside.update(apart(z, first))
        found = {name: equations[name].compute(inside) for name in group}
        for name, value in found.items():
            if np.shape(value) != np.shape(first[name]):
                raise ValueError(
                    f"{name} has shape {np.shape(value)}, but its iteration starts from shape "
                    f"{np.shape(first[name])}; say start={{{name!r}: an array of that shape}}"
                )
        return together(found.values())

    def J(z: Vector) -> Matrix:
        inside.update(apart(z, first))
        return assembled(equations, inside, group, group)

    try:
        z, iterations, residual = fixed_point(F, J, together(first.values()), *how)
    except NoConvergence as error:
        error.args = (f"the cycle {' -> '.join([*group, group[0]])} has {error}",)
        error.values = dict(values) | apart(error.z, first)
        raise
    return apart(z, first), iterations, residual


def solve(A: Matrix, b: Vector, who: str) -> Vector:
    """Solve A x = b, or raise an ArithmeticError where at most a few digits of the solution could be trusted."""
    if not np.isfinite(A).all() or np.linalg.cond(A) > WORST:
        raise ArithmeticError(f"{who}: I - J is singular, so that the equations do not determine the variables here")
    return np.asarray(np.linalg.solve(A, b))


def solve_upper(U: Matrix, c: Vector) -> Vector:
    """Solve U x = c for an upper triangular U with ones on its diagonal: from the last row up, O(n^2)."""
    x = np.array(c, dtype=float)
    for i in reversed(range(len(x))):
        x[i] -= U[i, i + 1 :] @ x[i + 1 :]
    return x


def value_of(given: ArrayLike, name: str) -> Value:
    """Return a number as float, all else as an array of float64 that can be read only."""
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got {given!r:.80}")
    if array.ndim == 0:
        return float(array)
    own = array.astype(float)
    own.setflags(write=False)
    return own


def together(values: Iterable[Value]) -> Vector:
    """Return all values as one vector."""
    return np.concatenate([np.ravel(value) for value in values])


def apart(vector: Vector, like: Values) -> dict[str, Value]:
    """Cut a vector into values with the names and shapes of ``like``."""
    ends = np.cumsum([np.size(value) for value in like.values()])
    pieces = np.split(vector, ends[:-1])
    return {name: value_of(p.reshape(np.shape(v)), name) for (name, v), p in zip(like.items(), pieces)}


def assembled(equations: Mapping[str, Equation], values: Values, rows: Sequence[str], columns: Sequence[str]) -> Matrix:
    """Put the Jacobians of the variables ``rows`` in the variables ``columns`` into one matrix, block by block."""
    begin = dict(zip(columns, np.cumsum([0, *(np.size(values[name]) for name in columns)])))
    bands = []
    for name in rows:
        band = np.zeros((np.size(values[name]), sum(np.size(values[column]) for column in columns)))
        for parent, block in zip(equations[name].parents, equations[name].jacobians(values)):
            if parent in begin:
                band[:, begin[parent] : begin[parent] + block.shape[1]] += block
        bands.append(band)
    return np.concatenate(bands)
