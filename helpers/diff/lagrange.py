"""Back-propagation as the method of Lagrange multipliers, for programs with and without cycles.

A program is a set of equations, one for each variable. To differentiate its output, take the equations as constraints
and give each a multiplier:

    L(z, λ) = z_output + Σ_i λ_i (f_i(parents of i) - z_i)

- stationary in λ_i: z_i = f_i(parents), the forward pass;
- stationary in z_i: λ_i = [i is the output] + Σ_j λ_j ∂f_j/∂z_i over the children j, back-propagation;
- an input has no equation: ∂L/∂x is not set to zero, and what is left there is the gradient. That is its multiplier.

>>> program = Program(inputs=["x"]).let("a", lambda x: x * x, "x").let("b", lambda a, x: a + x, "a", "x")
>>> program.solve({"x": 3.0})["b"], program.multipliers("b")
(12.0, {'x': 7.0, 'a': 1.0, 'b': 1.0})

After T. Vieira, "Backprop is not just the chain rule" (2017), and Y. LeCun (1988).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.diff.arrays import vjp
from helpers.diff.rules import is_number
from helpers.diff.symbolic import Expression, Symbol, as_expression, latex_name

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Value = float | NDArray[np.float64]
Values = Mapping[str, Value]
WAYS = ("back-substitution", "triangular solve", "linear solve")
WORST = 1e12  # condition number: of the 16 digits of a float about four are left


class Equation(NamedTuple):
    """A variable's equation, ``name = f(*parents)``."""

    name: str
    f: Callable[..., Any]
    parents: tuple[str, ...]

    def compute(self, values: Values) -> Value:
        return value_of(self.f(*[values[parent] for parent in self.parents]), self.name)

    def pullback(self, values: Values) -> Callable[[Value], Sequence[Value]]:
        """Return the function from an adjoint of this variable to what it gives to each parent."""
        return vjp(self.f, *[values[parent] for parent in self.parents])[1] if self.parents else lambda bar: []

    def jacobians(self, values: Values) -> list[Matrix]:
        """Return the Jacobian in each parent, (size of the variable, size of the parent): one pullback per row."""
        pullback, own = self.pullback(values), values[self.name]
        rows = [pullback(row.reshape(np.shape(own))) for row in np.eye(np.size(own))]
        return [np.array([np.ravel(row[k]) for row in rows]) for k in range(len(self.parents))]

    def expression(self) -> Expression | None:
        """Run f on symbols; None where it takes arrays only, or chooses by a value."""
        try:
            result = self.f(*map(Symbol, self.parents))
            return as_expression(result) if isinstance(result, Expression) or is_number(result) else None
        except (TypeError, ValueError, AttributeError):
            return None


class Solution(dict[str, Value]):
    """The value of every variable by name; how many iterations the cycles took, and what they left."""

    iterations, residual = 0, 0.0


class Multipliers(dict[str, Value]):
    """The multiplier of every variable by name: the derivative of the ``output`` in it."""

    output = ""


class NoConvergence(ArithmeticError):
    """An iteration did not arrive at a solution; the last finite values, and the largest |F(z) - z| there."""

    def __init__(self, message: str, values: dict[str, Value], residual: float, iterations: int) -> None:
        super().__init__(message)
        self.values, self.residual, self.iterations = values, residual, iterations


class Lagrangian(NamedTuple):
    """The Lagrangian L(z, λ), and its partial derivatives by the name of the variable that they belong to."""

    value: float
    multipliers: dict[str, Value]  # dL/dλ_i = f_i(parents) - z_i: zero where the forward pass holds
    intermediates: dict[str, Value]  # dL/dz_i: zero where the multipliers are the adjoints
    inputs: dict[str, Value]  # dL/dx, which nothing sets to zero: the gradient


class Blocks(NamedTuple):
    """The derivatives of all equations as matrices, rows and columns in dependency order."""

    names: list[str]
    inputs: list[str]
    J: Matrix  # (n, n), in the computed variables ``names``; without cycles strictly lower triangular
    B: Matrix  # (n, m), in the inputs


class Program:
    """Equations between named variables, in any order, cycles allowed; the ``inputs`` are those without an equation."""

    def __init__(self, inputs: Sequence[str]) -> None:
        self.inputs = list(inputs)
        self.equations: dict[str, Equation] = {}
        self.solution: dict[str, Value] = {}  # the last one

    def let(self, name: str, f: Callable[..., Any], *parents: str) -> Self:
        """Define a variable, ``name = f(*parents)``, and return the program, so that definitions can be chained.

        f gives a number or an array, by operators and the functions of ``helpers.diff``; parents may be defined later.
        """
        if name in self.equations or name in self.inputs:
            raise ValueError(f"{name!r} is already {'defined' if name in self.equations else 'an input'}")
        self.equations[name] = Equation(name, f, parents)
        self.solution = {}
        return self

    def order(self) -> list[list[str]]:
        """Return the computed variables in dependency order, those of a cycle together."""
        graph = dict.fromkeys(self.inputs, ()) | {name: e.parents for name, e in self.equations.items()}
        if strangers := {parent for parents in graph.values() for parent in parents} - graph.keys():
            raise ValueError(f"equations depend on {', '.join(sorted(strangers))}: neither an input nor let")
        return [group for group in dependency_groups(graph) if group[0] in self.equations]

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
        inputs, start : mapping of str to array_like
            A value for each input; where the iteration of a cycle begins, by variable: arrays need it, numbers have 0.
        method : {"fixed-point", "newton"}
            How a cycle is solved, or else `NoConvergence` says why not.
        tolerance, limit : float, int
            A residual |f(z) - z| that is good enough, relative to max(1, largest |z|); how many iterations at most.
        """
        cycles, start = self.cycles(), start or {}
        cyclic = [name for group in cycles for name in group]
        if set(inputs) != set(self.inputs):
            raise ValueError(f"inputs must be {', '.join(self.inputs)}, got {', '.join(inputs) or 'none'}")
        if not set(start) <= set(cyclic):
            raise ValueError(f"start takes {', '.join(cyclic) or 'nothing here'}, got {', '.join(start)}")
        values = Solution({name: value_of(inputs[name], name) for name in self.inputs})
        for group in self.order():
            if group not in cycles:
                values[group[0]] = self.equations[group[0]].compute(values)
                continue
            first = {name: value_of(start.get(name, 0.0), name) for name in group}
            found, more, left = solve_together(self.equations, values, first, tolerance, limit, method == "newton")
            values.update(found)
            values.iterations, values.residual = values.iterations + more, max(values.residual, left)
        self.solution = dict(values)
        return values

    def multipliers(self, output: str, values: Values | None = None, *, way: str | None = None) -> Multipliers:
        """Compute the multiplier of every variable, the inputs included, at the last solution unless told.

        ``output`` is the variable that is differentiated, a number. ``way`` is one of `WAYS`: one pullback per
        equation, from the output down; or the equation (I - J') λ = c, with J the derivatives of all equations and c a
        1 at the output, from the bottom row up, in O(n^2); or the same by a general solver, in O(n^3), the only way
        where there are cycles. Where I - J is singular the equations do not determine the variables: ArithmeticError.
        """
        cycles, values = self.cycles(), self.solved() if values is None else values
        way = way or WAYS[2 if cycles else 0]
        if way not in WAYS[2 if cycles else 0 :]:
            raise ValueError(f"way must be one of {', '.join(WAYS)}; with cycles ({cycles}) the last; got {way!r}")
        adjoints = Multipliers(slopes_at_first(output, values))
        adjoints.output = output
        if way == "back-substitution":  # hand each adjoint on to the parents, from the output down
            for (name,) in reversed(self.order()):
                self._hand_on(name, values, adjoints[name], adjoints)
            return adjoints
        names, inputs, J, B = self.blocks(values)
        A, c = np.eye(len(J)) - J.T, together(adjoints[name] for name in names)
        lambdas = solve(A, c) if way == "linear solve" else solve_upper(A, c)
        below = together(adjoints[name] for name in inputs) + B.T @ lambdas  # the output may itself be an input
        adjoints.update(apart(np.concatenate([lambdas, below]), {name: values[name] for name in [*names, *inputs]}))
        return adjoints

    def _hand_on(self, name: str, values: Values, bar: Value, adjoints: dict[str, Value]) -> None:
        """Add to each parent's adjoint what comes through one equation: its derivative times the adjoint ``bar``."""
        equation = self.equations[name]
        for parent, share in zip(equation.parents, equation.pullback(values)(bar)):
            adjoints[parent] = value_of(adjoints[parent] + share, parent)

    def lagrangian(self, values: Values, multipliers: Values, output: str = "") -> Lagrangian:
        """Evaluate the Lagrangian and its partial derivatives anywhere; what ``multipliers`` gave knows the output."""
        output = output or getattr(multipliers, "output", "")
        slopes = slopes_at_first(output, values)
        total, residuals = float(values[output]), {}
        for name, equation in self.equations.items():
            residuals[name] = value_of(equation.compute(values) - values[name], name)
            total += float(np.sum(multipliers[name] * residuals[name]))
            slopes[name] = value_of(slopes[name] - multipliers[name], name)
            self._hand_on(name, values, multipliers[name], slopes)
        parts = ({name: slopes[name] for name in names} for names in (self.equations, self.inputs))
        return Lagrangian(total, residuals, *parts)

    def blocks(self, values: Values | None = None) -> Blocks:
        """Return the derivatives of all equations as dense matrices, at the last solution unless told."""
        values = self.solved() if values is None else values
        names, inputs = [name for group in self.order() for name in group], self.inputs
        return Blocks(names, inputs, *(assembled(self.equations, values, names, some) for some in (names, inputs)))

    def latex(self, output: str) -> str:
        r"""Write the Lagrangian in LaTeX, one line per constraint, for ``IPython.display.Math``.

        >>> print(Program(inputs=["x"]).let("y", lambda x: x * x, "x").latex("y"))
        \begin{aligned} \mathcal{L} = y &+ \lambda_{y} \left( x \, x - y \right) \end{aligned}
        """
        lines = []
        for name, _, parents in (self.equations[name] for group in self.order() for name in group):
            z, expression = latex_name(name), self.equations[name].expression()
            f = rf"f_{{{z}}}\left({', '.join(map(latex_name, parents))}\right)"
            right = f if expression is None else expression.written(latex=True)
            lines.append(rf"&+ \lambda_{{{z}}} \left( {right} - {z} \right)")
        head = rf"\begin{{aligned}} \mathcal{{L}} = {latex_name(output)} "
        return head + " \\\\\n".join(lines) + r" \end{aligned}"

    def solved(self) -> dict[str, Value]:
        if not self.solution:
            raise ValueError("nothing has been solved yet, or a variable was let since: call solve(inputs) first")
        return self.solution


def slopes_at_first(output: str, values: Values) -> dict[str, Value]:
    """Return the derivatives of the output before anything is handed on: 1 there, else 0."""
    if shape := np.shape(values[output]):
        raise ValueError(f"{output} has shape {shape}: differentiate a number, such as a sum of its entries")
    return {name: value_of(np.zeros(np.shape(z)), name) for name, z in values.items()} | {output: 1.0}


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


def dependency_groups(parents: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Group the nodes of a graph so that those of a cycle are together, and each group comes after those it needs.

    What needs more comes later; otherwise the order of ``parents`` stays. O(n^3) steps of a bit each, by NumPy.
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
    """Solve the equations of one cycle from ``first``; return the values, the iterations, the residual.

    F(z) takes the place of z, again and again, or Newton's steps solve (I - J) d = F(z) - z: few, each with the
    Jacobian J, and F need not contract.
    """
    group, inside, z = list(first), dict(values), together(first.values())
    last, residual, iterations = z, np.inf, 0
    for iterations in range(limit + 1):
        inside |= apart(z, first)
        try:
            found = {name: equations[name].compute(inside) for name in group}
        except OverflowError:  # of a float; arrays become infinite
            break
        if any(np.shape(value) != np.shape(first[name]) for name, value in found.items()):
            raise ValueError(f"{', '.join(group)} change their shapes: say start=, with arrays of the right shapes")
        step = together(found.values()) - z
        if not np.isfinite(step).all():
            break
        last, residual = z, float(np.abs(step).max())
        if residual <= tolerance * max(1.0, float(np.abs(z).max())):
            return apart(z, first), iterations, residual
        if newton:
            step = solve(np.eye(len(z)) - assembled(equations, inside, group, group), step)
        z = z + step
    inside |= apart(last, first)
    radius = float(np.abs(np.linalg.eigvals(assembled(equations, inside, group, group))).max())
    grew = "" if iterations == limit else "; then it grew beyond all numbers"
    hint = "" if newton else "the iteration contracts only below 1: try method='newton', or "
    raise NoConvergence(
        f"the cycle {' -> '.join([*group, group[0]])} has no solution after {iterations} iterations: residual "
        f"{residual:.3g}, spectral radius of J {radius:.3g}{grew} ({hint}start=...)",
        inside, residual, iterations,
    )  # fmt: skip


def solve(A: Matrix, b: Vector) -> Vector:
    """Solve A x = b, or raise an ArithmeticError where at most a few digits of the solution could be trusted."""
    if not np.isfinite(A).all() or np.linalg.cond(A) > WORST:
        raise ArithmeticError("I - J is singular, so that the equations do not determine the variables here")
    return np.asarray(np.linalg.solve(A, b))


def solve_upper(U: Matrix, c: Vector) -> Vector:
    """Solve U x = c for an upper triangular U with ones on its diagonal: from the last row up, O(n^2)."""
    x = np.array(c, dtype=float)
    for i in reversed(range(len(x))):
        x[i] -= U[i, i + 1 :] @ x[i + 1 :]
    return x


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
