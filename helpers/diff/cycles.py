"""Equations between variables: which depend on each other, their Jacobians, and how z = F(z) is solved for a cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.arrays import vjp
from helpers.diff.rules import is_number
from helpers.diff.symbolic import Expression, Symbol, as_expression

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
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
        return vjp(self.f, *self._operands(values))[1] if self.parents else lambda bar: []

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
            return as_expression(result) if isinstance(result, Expression) or is_number(result) else None
        except (TypeError, ValueError, AttributeError):
            return None


class NoConvergence(ArithmeticError):
    """An iteration did not arrive at a solution.

    ``values`` are the last finite ones of all variables, ``residual`` is the largest |F(z) - z| there, and
    ``spectral_radius`` the largest |eigenvalue| of the Jacobian of F: only below 1 the iteration contracts.
    """

    def __init__(self, message: str, values: dict[str, Value], residual: float, radius: float, iterations: int) -> None:
        super().__init__(message)
        self.values, self.residual, self.spectral_radius, self.iterations = values, residual, radius, iterations


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


@np.errstate(over="ignore", invalid="ignore")
def solve_together(
    equations: Mapping[str, Equation], values: Values, first: Values, tolerance: float, limit: int, newton: bool
) -> tuple[dict[str, Value], int, float]:
    """Solve the equations of one cycle for all its variables at once, as one vector z = F(z), from ``first``.

    F(z) takes the place of z, again and again, or Newton's steps solve (I - J) d = F(z) - z: few, each with the
    Jacobian J, and F need not contract. The residual, the largest |F(z) - z|, is good enough up to the tolerance,
    relative to the largest |z| where that is more than 1. Returns the values, the number of iterations and the
    residual, or raises `NoConvergence`.
    """
    group, inside, z = list(first), dict(values), together(first.values())
    last, residual, iterations = z, np.inf, 0

    def J() -> Matrix:
        return assembled(equations, inside, group, group)

    for iterations in range(limit + 1):
        inside |= apart(z, first)
        try:
            found = {name: equations[name].compute(inside) for name in group}
        except OverflowError:  # of a float; arrays become infinite
            break
        for name, value in found.items():
            if np.shape(value) != (start := np.shape(first[name])):
                what = f"{name} has shape {np.shape(value)}, but its iteration starts from shape {start}"
                raise ValueError(f"{what}; say start={{{name!r}: an array of that shape}}")
        step = together(found.values()) - z
        if not np.isfinite(step).all():
            break
        last, residual = z, float(np.abs(step).max())
        if residual <= tolerance * max(1.0, float(np.abs(z).max())):
            return apart(z, first), iterations, residual
        z = z + (solve(np.eye(len(z)) - J(), step, "Newton's method") if newton else step)
    inside |= apart(last, first)
    radius = float(np.abs(np.linalg.eigvals(J())).max())
    grew = "" if iterations == limit else "; then it grew beyond all numbers"
    hint = "start elsewhere" if newton else "the iteration contracts only below 1: try method='newton'"
    raise NoConvergence(
        f"the cycle {' -> '.join([*group, group[0]])} has no solution after {iterations} iterations: residual "
        f"{residual:.3g}, spectral radius of J {radius:.3g}{grew} ({hint}, or start=...)",
        inside, residual, radius, iterations,
    )  # fmt: skip


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


# All variables as one vector, and its parts.


def together(values: Iterable[Value]) -> Vector:
    """Return all values as one vector."""
    return np.concatenate([np.zeros(0), *map(np.ravel, values)])


def spans(names: Iterable[str], values: Values) -> dict[str, slice]:
    """Say where each variable lies in the vector."""
    sizes = {name: np.size(values[name]) for name in names}
    return {name: slice(end - sizes[name], end) for name, end in zip(sizes, np.cumsum([*sizes.values()], dtype=int))}


def apart(vector: Vector, like: Values) -> dict[str, Value]:
    """Cut a vector into values with the names and shapes of ``like``."""
    return {n: value_of(vector[span].reshape(np.shape(like[n])), n) for n, span in spans(like, like).items()}


def assembled(equations: Mapping[str, Equation], values: Values, rows: Sequence[str], columns: Sequence[str]) -> Matrix:
    """Put the Jacobians of the variables ``rows`` in the variables ``columns`` into one matrix, block by block."""
    across = spans(columns, values)
    matrix = np.zeros([sum(np.size(values[name]) for name in names) for names in (rows, columns)])
    for name, down in spans(rows, values).items():
        for parent, block in zip(equations[name].parents, equations[name].jacobians(values)):
            if parent in across:
                matrix[down, across[parent]] += block
    return matrix
