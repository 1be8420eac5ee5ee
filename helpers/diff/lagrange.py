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

After T. Vieira, "Backprop is not just the chain rule" (2017), and Y. LeCun, "A theoretical framework for
back-propagation" (1988).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike

from helpers.diff.cycles import (
    Equation,
    Matrix,
    Value,
    Values,
    apart,
    assembled,
    dependency_groups,
    solve,
    solve_together,
    solve_upper,
    together,
    value_of,
)
from helpers.diff.names import by_name, checked_name
from helpers.diff.symbolic import latex_name

WAYS = ("back-substitution", "triangular solve", "linear solve")


class Solution(dict[str, Value]):
    """The value of every variable by name, which stays as it was found."""

    iterations: int = 0  # of cycles
    residual: float = 0.0

    def _stays(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "a solution stays as it was found: solve again, or change a dict(solution), which solves nothing"
        )

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = setdefault = clear = _stays

    def __reduce__(self) -> Any:
        return Solution, (dict(self),), vars(self)


class Multipliers(dict[str, Value]):
    """The multiplier of every variable by name: the derivative of the ``output`` in it."""

    def __init__(self, values: Values, output: str) -> None:
        super().__init__(values)
        self.output = output


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
    """Equations between named variables, in any order, cycles allowed; the ``inputs`` are those without an equation.

    ``let`` defines a variable, ``solve`` computes all of them, ``multipliers`` differentiates one in all others.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        if isinstance(inputs, str):
            raise TypeError(f"inputs must be a list of names, such as ['x'], got {inputs!r}")
        self.inputs = [checked_name(name, "inputs: each") for name in inputs]
        if len(set(self.inputs)) < len(self.inputs):
            raise ValueError(f"inputs must be different names, got {self.inputs}")
        self.equations: dict[str, Equation] = {}
        self.solution: Solution | None = None  # the last one

    def __repr__(self) -> str:
        return f"Program({', '.join(self.inputs)}; {', '.join(self.equations)})"

    def let(self, name: str, f: Callable[..., Any], *parents: str) -> Self:
        """Define a variable, ``name = f(*parents)``, and return the program, so that definitions can be chained.

        Parameters
        ----------
        name : str
            As Python has them, and not taken.
        f : callable
            Of the parents' values to a number or an array, with operators and the functions of ``helpers.diff``.
        *parents : str
            Inputs or variables, which may be defined later.
        """
        name = checked_name(name)
        if name in self.equations or name in self.inputs:
            raise ValueError(f"{name!r} is already {'defined' if name in self.equations else 'an input'}")
        if not callable(f):
            raise TypeError(f"let({name!r}, f, *parents) takes a function and names, got {f!r}")
        self.equations[name] = Equation(name, f, tuple(checked_name(each, "each parent") for each in parents))
        self.solution = None
        return self

    def order(self) -> list[list[str]]:
        """Return the computed variables in dependency order, those of a cycle together."""
        for name, equation in self.equations.items():
            for parent in equation.parents:
                if parent not in self.equations and parent not in self.inputs:
                    raise ValueError(f"{name!r} depends on {parent!r}, which is neither an input nor let")
        graph = dict.fromkeys(self.inputs, ()) | {name: e.parents for name, e in self.equations.items()}
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
        inputs : mapping of str to array_like
            A value for each input; one that no equation uses gives a warning.
        start : mapping of str to array_like, optional
            Where the iteration of a cycle begins, by variable; needed for arrays, 0 for numbers unless told.
        method : {"fixed-point", "newton"}
            How a cycle is solved, or else `NoConvergence` says why not.
        tolerance : float
            0 or more: a residual |f(z) - z| up to it is good enough, relative to the largest |z| where that exceeds 1.
        limit : int
            The largest number of iterations, at least 1.
        """
        if method not in ("fixed-point", "newton"):
            raise ValueError(f"method must be 'fixed-point' or 'newton', got {method!r}")
        if not 0 <= tolerance < math.inf:
            raise ValueError(f"tolerance must be a finite number, 0 or more, got {tolerance!r}")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(f"limit must be a whole number, at least 1, got {limit!r}")
        inputs, start = by_name(inputs), by_name(start or {})
        if set(inputs) != set(self.inputs):
            raise ValueError(f"inputs must be {', '.join(self.inputs)}, got {', '.join(inputs) or 'none'}")
        cycles = self.cycles()
        cyclic = [name for group in cycles for name in group]
        if strangers := [name for name in start if name not in cyclic]:
            raise ValueError(f"start: {strangers[0]} is in no cycle; it takes {', '.join(cyclic) or 'nothing here'}")
        for name in self.inputs:
            if not any(name in equation.parents for equation in self.equations.values()):
                warnings.warn(f"no equation uses the input {name!r}: its gradient will be 0", stacklevel=2)
        values, iterations, residual = {name: value_of(inputs[name], name) for name in self.inputs}, 0, 0.0
        for group in self.order():
            if group not in cycles:
                values[group[0]] = self.equations[group[0]].compute(values)
                continue
            first = {name: value_of(start.get(name, 0.0), name) for name in group}
            found, more, left = solve_together(self.equations, values, first, tolerance, limit, method == "newton")
            values, iterations, residual = values | found, iterations + more, max(residual, left)
        self.solution = Solution(values)
        self.solution.iterations, self.solution.residual = iterations, residual
        return self.solution

    def multipliers(self, output: str, values: Solution | None = None, *, way: str | None = None) -> Multipliers:
        """Compute the multiplier of every variable, the inputs included.

        Parameters
        ----------
        output : str
            The variable that is differentiated, a number.
        values : Solution, optional
            What ``solve`` returned; the last solution unless told.
        way : {"back-substitution", "triangular solve", "linear solve"}, optional
            One pullback per equation, from the output down; or the equation (I - J') λ = c, with J the derivatives of
            all equations and c a 1 at the output, from the bottom row up, in O(n^2); or the same by a general solver,
            in O(n^3), the only way where there are cycles. The first that is possible unless told. Where I - J is
            singular the equations do not determine the variables: an ArithmeticError.
        """
        values = self._solved(values)
        output, adjoints = self._begun(output, values)
        cyclic = self.cycles()
        way = way or WAYS[2 if cyclic else 0]
        if way not in WAYS:
            raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
        if cyclic and way != "linear solve":
            raise ValueError(f"{way} needs a program without cycles; {' and '.join(cyclic[0])} form one")
        if way == "back-substitution":  # hand each adjoint on to the parents, from the output down
            for (name,) in reversed(self.order()):
                self._hand_on(name, values, adjoints[name], adjoints)
        else:
            names, inputs, J, B = self.blocks(values)
            A, c = np.eye(len(J)) - J.T, together(adjoints[name] for name in names)
            lambdas = solve(A, c, "multipliers") if way == "linear solve" else solve_upper(A, c)
            below = together(adjoints[name] for name in inputs) + B.T @ lambdas  # the output may itself be an input
            adjoints |= apart(np.concatenate([lambdas, below]), {name: values[name] for name in [*names, *inputs]})
        return Multipliers(adjoints, output)

    def _hand_on(self, name: str, values: Values, bar: Value, adjoints: dict[str, Value]) -> None:
        """Add to each parent's adjoint what comes through one equation: its derivative times the adjoint ``bar``."""
        equation = self.equations[name]
        for parent, share in zip(equation.parents, equation.pullback(values)(bar)):
            adjoints[parent] = value_of(adjoints[parent] + share, parent)

    def lagrangian(self, values: Values, multipliers: Values, output: str | None = None) -> Lagrangian:
        """Evaluate the Lagrangian and its partial derivatives, at any values and multipliers of every variable.

        ``output`` is the variable that is differentiated; what ``multipliers`` returned knows it.
        """
        final, slopes = self._begun(output or str(getattr(multipliers, "output", "")), values)
        total, residuals = float(values[final]), {}
        for name, equation in self.equations.items():
            residuals[name] = value_of(equation.compute(values) - values[name], name)
            total += float(np.sum(multipliers[name] * residuals[name]))
            slopes[name] = value_of(slopes[name] - multipliers[name], name)
            self._hand_on(name, values, multipliers[name], slopes)
        parts = ({name: slopes[name] for name in names} for names in (self.equations, self.inputs))
        return Lagrangian(total, residuals, *parts)

    def blocks(self, values: Solution | None = None) -> Blocks:
        """Return the derivatives of all equations as dense matrices: n^2 numbers for n elements of all variables."""
        values = self._solved(values)
        names, inputs = [name for group in self.order() for name in group], self.inputs
        return Blocks(names, inputs, *(assembled(self.equations, values, names, some) for some in (names, inputs)))

    def latex(self, output: str) -> str:
        r"""Write the Lagrangian in LaTeX, one line per constraint, for ``IPython.display.Math``.

        >>> print(Program(inputs=["x"]).let("y", lambda x: x * x, "x").latex("y"))
        \begin{aligned} \mathcal{L} = y &+ \lambda_{y} \left( x \, x - y \right) \end{aligned}
        """
        if output not in self.equations and output not in self.inputs:
            raise ValueError(f"output must be one of {', '.join([*self.inputs, *self.equations])}, got {output!r}")
        lines = []
        for name in (name for group in self.order() for name in group):
            z, expression = latex_name(name), self.equations[name].expression()
            parents = ", ".join(map(latex_name, self.equations[name].parents))
            right = rf"f_{{{z}}}\left({parents}\right)" if expression is None else expression.written(latex=True)
            lines.append(rf"&+ \lambda_{{{z}}} \left( {right} - {z} \right)")
        head = rf"\begin{{aligned}} \mathcal{{L}} = {latex_name(output)} "
        return head + " \\\\\n".join(lines) + r" \end{aligned}"

    def _solved(self, values: Solution | None) -> Solution:
        found = self.solution if values is None else values
        if found is None:
            raise ValueError("nothing has been solved yet, or a variable was let since: call solve(inputs) first")
        if not isinstance(found, Solution) or set(found) != {*self.inputs, *self.equations}:
            raise TypeError("values must be what solve(inputs) returned: other values satisfy no equation")
        return found

    def _begun(self, output: str, values: Values) -> tuple[str, dict[str, Value]]:
        """Return the output as it is spelt, and the derivatives of it before anything is handed on: 1 there, else 0."""
        (name,) = by_name({output: None})
        if name not in values:
            raise ValueError(f"output must be one of {', '.join(values)}, got {output!r}")
        if shape := np.shape(values[name]):
            raise ValueError(f"{name} has shape {shape}: differentiate a number, such as a sum of its entries")
        return name, {each: value_of(np.zeros(np.shape(z)), each) for each, z in values.items()} | {name: 1.0}
