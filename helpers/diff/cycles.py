"""Equations that depend on each other: which do, and how to solve them together.

``components`` finds the cycles of a graph; `fixed_point` and `newton` solve z = F(z) for a vector z.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Graph = Mapping[str, Sequence[str]]
WORST = 1e12  # condition number: of the 16 digits of a float about four are left


class NoConvergence(ArithmeticError):
    """An iteration did not arrive at a solution.

    Attributes
    ----------
    residual : float
        The largest |F(z) - z| at the last finite z.
    spectral_radius : float
        The largest |eigenvalue| of the Jacobian of F there: the fixed-point iteration contracts only below 1.
    iterations : int
        How many were made.
    z : ndarray
        The last finite z.
    values : dict
        The same by the names of the variables, where a `Program` raises this.
    """

    def __init__(self, message: str, residual: float, spectral_radius: float, iterations: int, z: Vector) -> None:
        super().__init__(message)
        self.residual, self.spectral_radius, self.iterations, self.z = residual, spectral_radius, iterations, z
        self.values: dict[str, float | Vector] = {}


def components(parents: Graph) -> list[list[str]]:
    """Group the nodes of a graph so that those of a cycle are together, and each group comes after those it needs.

    Parameters
    ----------
    parents : mapping of str to sequence of str
        What each node depends on.

    Returns
    -------
    list of list of str
        The strongly connected components in dependency order, each in the order of ``parents``.

    Notes
    -----
    Kosaraju's algorithm, two searches in depth, O(nodes + edges), without recursion.

    Examples
    --------
    >>> components({"y": ["z"], "z": ["h"], "h": ["z", "x"], "x": []})
    [['x'], ['z', 'h'], ['y']]
    """
    children: dict[str, list[str]] = {node: [] for node in parents}
    for node, needed in parents.items():
        for parent in needed:
            children[parent].append(node)
    place = {node: i for i, node in enumerate(parents)}
    found, seen = [], set[str]()
    for node in reversed(list(_postorder(children, parents, set()))):  # parents before children, but for cycles
        if node not in seen:
            found.append(sorted(_postorder(parents, [node], seen), key=place.__getitem__))
    return found


def _postorder(graph: Graph, starts: Iterable[str], seen: set[str]) -> Iterator[str]:
    """Yield what can be reached from the starts and has not been seen, each node after those that it leads to."""
    for start in starts:
        stack = [] if start in seen else [(start, iter(graph[start]))]
        seen.add(start)
        while stack:
            node, rest = stack[-1]
            following = next((other for other in rest if other not in seen), None)
            if following is None:
                stack.pop()
                yield node
            else:
                seen.add(following)
                stack.append((following, iter(graph[following])))


def fixed_point(
    F: Callable[[Vector], Vector],
    J: Callable[[Vector], Matrix],
    z: Vector,
    tolerance: float,
    limit: int,
    newton: bool = False,
) -> tuple[Vector, int, float]:
    """Solve z = F(z), by putting F(z) in the place of z again and again, or by Newton's method.

    Parameters
    ----------
    F, J : callable
        ``z (n,) -> F(z) (n,)`` and its Jacobian, (n, n); J is used by Newton's method, and to explain a failure.
    z : ndarray, shape (n,)
        Where to start.
    tolerance : float
        The largest |F(z) - z| that is good enough, relative to the largest |z| where that is more than 1.
    limit : int
        So many iterations at most.
    newton : bool
        Solve (I - J) d = F(z) - z for each step d: few and dear iterations, and no need of a contraction.

    Returns
    -------
    z : ndarray, shape (n,)
    iterations : int
    residual : float
        The largest |F(z) - z|.

    Raises
    ------
    NoConvergence
        If the limit is reached, or z grows without bounds.
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
    radius = spectral_radius(J(last))
    grew = "" if iterations == limit else "; then it grew beyond all numbers"
    hint = "start elsewhere" if newton else "the iteration contracts only below 1: try method='newton'"
    raise NoConvergence(
        f"no solution after {iterations} iterations: residual {residual:.3g}, spectral radius of J {radius:.3g}{grew} "
        f"({hint}, or start=...)", residual, radius, iterations, last,
    )  # fmt: skip


def spectral_radius(J: Matrix) -> float:
    """Return the largest absolute value of the eigenvalues."""
    return float(np.abs(np.linalg.eigvals(J)).max())


def solve(A: Matrix, b: Vector, who: str) -> Vector:
    """Solve A x = b.

    Raises
    ------
    ArithmeticError
        If A is singular, or so close to it that at most a few digits of the solution could be trusted.
    """
    if not np.isfinite(A).all() or np.linalg.cond(A) > WORST:
        raise ArithmeticError(f"{who}: I - J is singular, so that the equations do not determine the variables here")
    return np.asarray(np.linalg.solve(A, b))
