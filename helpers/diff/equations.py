"""A program as a set of equations, ``name = f(*parents)``, and its forward pass: every variable in dependency order.

Variables that depend on each other are solved for together, by the iterations of `helpers.diff.cycles`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.arrays import vjp
from helpers.diff.cycles import Matrix, NoConvergence, Vector, components, fixed_point

Value = float | NDArray[np.float64]
Pullback = Callable[[Value], Sequence[Value]]


class Equation(NamedTuple):
    """A variable's equation: ``name = f(*parents)``, and, where they are given, the derivatives of f."""

    name: str
    f: Callable[..., Any]
    parents: tuple[str, ...]
    derivatives: tuple[Callable[..., Any], ...] | None = None

    def compute(self, values: Mapping[str, Value]) -> Value:
        """Return f of the parents' values."""
        try:
            return value_of(self.f(*self._operands(values)), self.name)
        except (ValueError, TypeError, IndexError) as error:
            given = ", ".join(f"{parent} {np.shape(values[parent]) or 'a number'}" for parent in self.parents)
            raise ValueError(f"{self.name} = f({given}) cannot be computed: {error}") from error

    def pullback(self, values: Mapping[str, Value]) -> Pullback:
        """Return the function from an adjoint of this variable to what it gives to each parent."""
        operands = self._operands(values)
        if not operands:
            return lambda bar: []  # a constant: there is nobody to hand its adjoint on to
        if self.derivatives is None:
            return vjp(self.f, *operands)[1]
        jacobians = [self._given_jacobian(d(*operands), x, values) for d, x in zip(self.derivatives, operands)]
        return lambda bar: [
            (np.ravel(bar) @ jacobian).reshape(np.shape(operand)) for jacobian, operand in zip(jacobians, operands)
        ]

    def _given_jacobian(self, given: ArrayLike, operand: Value, values: Mapping[str, Value]) -> Matrix:
        J, shape, size = np.asarray(given, float), np.shape(values[self.name]), np.size(values[self.name])
        if J.shape not in (matrix := (size, np.size(operand)), shape + np.shape(operand)) and J.size != 1:
            raise ValueError(f"a derivative of {self.name!r} must have the shape {matrix}, got {J.shape}")
        return J.reshape(matrix)

    def jacobians(self, values: Mapping[str, Value]) -> list[Matrix]:
        """Return the Jacobian in each parent, (size of the variable, size of the parent): a pullback a row."""
        pullback, shape, size = self.pullback(values), np.shape(values[self.name]), np.size(values[self.name])
        rows = [pullback(row.reshape(shape)) for row in np.eye(size)]
        return [np.array([np.ravel(row[k]) for row in rows]) for k in range(len(self.parents))]

    def _operands(self, values: Mapping[str, Value]) -> list[Value]:
        return [locked(values[parent]) for parent in self.parents]


class Solution(dict[str, Value]):
    """The value of every variable by name; of cycles also how many ``iterations`` it took, and the ``residual``."""

    iterations: int = 0
    residual: float = 0.0


class Equations:
    """Equations between named variables: numbers or arrays, in any order, cycles allowed.

    Parameters
    ----------
    inputs : sequence of str
        The variables that have no equation.

    Attributes
    ----------
    equations : dict of str to Equation
        In the order in which they were let.
    solution : Solution or None
        What ``solve`` found last.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        if isinstance(inputs, str) or not all(isinstance(name, str) for name in inputs):
            raise TypeError(f"inputs must be a list of names, such as ['x'], got {inputs!r}")
        self.inputs = list(inputs)
        if len(set(self.inputs)) < len(self.inputs):
            raise ValueError(f"inputs must be different names, got {self.inputs}")
        self.equations: dict[str, Equation] = {}
        self.solution: Solution | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.inputs)}; {', '.join(self.equations)})"

    def let(
        self,
        name: str,
        f: Callable[..., Any],
        *parents: str,
        derivatives: Sequence[Callable[..., Any]] | None = None,
    ) -> Self:
        """Define a variable: ``name = f(*parents)``.

        Parameters
        ----------
        name : str
            A new name.
        f : callable
            Of the parents' values to a number or an array, written with the operators and generic functions of
            ``helpers.diff``, so that its derivatives follow.
        *parents : str
            Names of inputs or of variables; they may be defined later.
        derivatives : sequence of callable, optional
            Given instead, where f is not written so: for each parent a function of all parents' values to the
            Jacobian, of shape (size of the variable, size of the parent).

        Returns
        -------
        Program
            This one, so that definitions can be chained.

        Raises
        ------
        ValueError
            If the name is taken, or the derivatives are not one a parent.
        """
        if name in self.equations or name in self.inputs:
            raise ValueError(f"{name!r} is already {'defined' if name in self.equations else 'an input'}")
        if not callable(f) or not all(isinstance(parent, str) for parent in parents):
            raise TypeError(f"let({name!r}, f, *parents) takes a function and names, got {f!r} and {parents!r}")
        if derivatives is not None and len(derivatives) != len(parents):
            raise ValueError(f"{name!r} has {len(parents)} parents, but {len(derivatives)} derivatives")
        self.equations[name] = Equation(name, f, parents, None if derivatives is None else tuple(derivatives))
        self.solution = None
        return self

    def order(self) -> list[list[str]]:
        """Return the computed variables in dependency order, those of a cycle together.

        Raises
        ------
        ValueError
            If a parent is neither an input nor defined.
        """
        known = set(self.inputs) | set(self.equations)
        for name, equation in self.equations.items():
            for parent in equation.parents:
                if parent not in known:
                    raise ValueError(f"{name!r} depends on {parent!r}, which is neither an input nor let")
        graph = {name: e.parents for name, e in self.equations.items()} | dict.fromkeys(self.inputs, ())
        return [group for group in components(graph) if group[0] in self.equations]

    def cycles(self) -> list[list[str]]:
        """Return the groups of variables that depend on each other, or on themselves."""
        return [group for group in self.order() if len(group) > 1 or group[0] in self.equations[group[0]].parents]

    def solve(
        self,
        inputs: Mapping[str, ArrayLike],
        *,
        start: Mapping[str, ArrayLike] | None = None,
        method: Literal["fixed-point", "newton"] = "fixed-point",
        tolerance: float = 1e-13,
        limit: int = 1000,
    ) -> Solution:
        """Compute every variable: the feed-forward pass, with an iteration where variables form a cycle.

        Parameters
        ----------
        inputs : mapping of str to array_like
            A value for each input.
        start : mapping of str to array_like, optional
            Where the iteration of a cycle begins, by variable; needed for arrays, 0 for numbers unless told.
        method : {"fixed-point", "newton"}
            How a cycle is solved.
        tolerance : float
            Good enough is a residual |f(z) - z| of so much, relative to the largest |z| where that is more than 1.
        limit : int
            So many iterations at most.

        Returns
        -------
        Solution
            The value of every variable, inputs included.

        Raises
        ------
        ValueError
            If an input is missing or unknown, a parent is not defined, or an equation cannot be computed.
        NoConvergence
            If a cycle is not solved; the error carries residual, spectral radius and the values so far.

        Warns
        -----
        UserWarning
            If an input is used by no equation.
        """
        if method not in ("fixed-point", "newton"):
            raise ValueError(f"method must be 'fixed-point' or 'newton', got {method!r}")
        if set(inputs) != set(self.inputs):
            raise ValueError(f"inputs must be {', '.join(self.inputs)}, got {', '.join(inputs) or 'none'}")
        if not 0 <= tolerance < float("inf"):
            raise ValueError(f"tolerance must be finite and not below 0, got {tolerance!r}")
        order, cycles = self.order(), self.cycles()
        if strangers := set(start or {}) - {name for group in cycles for name in group}:
            raise ValueError(f"start must name variables of a cycle, got {', '.join(sorted(map(str, strangers)))}")
        used = {parent for equation in self.equations.values() for parent in equation.parents}
        for name in self.inputs:
            if name not in used:
                warnings.warn(f"no equation uses the input {name!r}: its gradient will be 0", stacklevel=2)
        values = Solution({name: value_of(inputs[name], name) for name in self.inputs})
        for group in order:
            if group in cycles:
                self._solve_together(group, values, start or {}, tolerance, limit, method == "newton")
            else:
                values[group[0]] = self.equations[group[0]].compute(values)
        self.solution = values
        return values

    def _solve_together(self, group: list[str], values: Solution, start: Mapping[str, ArrayLike], *how: Any) -> None:
        """Solve the equations of one cycle for all its variables at once, as one vector z = F(z)."""
        first = {name: value_of(start.get(name, 0.0), name) for name in group}
        inside = dict(values)

        def F(z: Vector) -> Vector:
            inside.update(apart(z, first))
            found = {name: self.equations[name].compute(inside) for name in group}
            for name, value in found.items():
                if np.shape(value) != np.shape(first[name]):
                    raise ValueError(
                        f"{name} has shape {np.shape(value)}, but its iteration starts from shape "
                        f"{np.shape(first[name])}; say start={{{name!r}: an array of that shape}}"
                    )
            return together(found.values())

        def J(z: Vector) -> Matrix:
            inside.update(apart(z, first))
            return assembled(self.equations, inside, group, group)

        try:
            z, iterations, residual = fixed_point(F, J, together(first.values()), *how)
        except NoConvergence as error:
            error.args = (f"the cycle {' -> '.join([*group, group[0]])} has {error}",)
            error.values = values | apart(error.z, first)
            raise
        values.update(apart(z, first))
        values.iterations, values.residual = values.iterations + iterations, max(values.residual, residual)


def value_of(given: ArrayLike, name: str) -> Value:
    """Return a number as float, all else as an array of float64."""
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got {given!r:.80}")
    return float(array) if array.ndim == 0 else array.astype(float)


def locked(value: Value) -> Value:
    """Return an array as f may read it, but not change it."""
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.setflags(write=False)
    return view


def together(values: Iterable[Value]) -> Vector:
    """Return all values as one vector."""
    return np.concatenate([np.ravel(value) for value in values])


def apart(vector: Vector, like: Mapping[str, Value]) -> dict[str, Value]:
    """Cut a vector into values with the names and shapes of ``like``."""
    edges = np.cumsum([np.size(value) for value in like.values()])
    pieces = np.split(vector, edges[:-1])
    return {name: value_of(p.reshape(np.shape(v)), name) for (name, v), p in zip(like.items(), pieces)}


def assembled(
    equations: Mapping[str, Equation], values: Mapping[str, Value], rows: Sequence[str], columns: Sequence[str]
) -> Matrix:
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
