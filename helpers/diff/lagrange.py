"""Back-propagation as the method of Lagrange multipliers, for programs with and without cycles.

A program is a set of equations, one a variable. To differentiate its output, take the equations as constraints and
give each a multiplier:

    L(z, λ) = z_output + Σ_i λ_i (f_i(parents of i) - z_i)

- stationary in λ_i: z_i = f_i(parents), the forward pass;
- stationary in z_i: λ_i = [i is the output] + Σ_j λ_j ∂f_j/∂z_i over the children j, back-propagation;
- an input has no equation: ∂L/∂x is not set to zero, and what is left there is the gradient. That is its multiplier.

>>> from helpers.diff.rules import exp, sin
>>> program = Program(inputs=["x"])
>>> program.let("a", exp, "x").let("b", lambda a: a * a, "a").let("c", lambda a, b: a + b, "a", "b")
Program(x; a, b, c)
>>> program.let("d", exp, "c").let("e", sin, "c").let("f", lambda d, e: d + e, "d", "e")
Program(x; a, b, c, d, e, f)
>>> values = program.solve({"x": -1.0})
>>> print(round(program.multipliers("f")["x"], 14))
1.61557416973328

After T. Vieira, "Backprop is not just the chain rule" (2017), and Y. LeCun, "A theoretical framework for
back-propagation" (1988).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.diff.cycles import Matrix, Vector, solve
from helpers.diff.equations import Equation, Equations, Value, apart, assembled, together, value_of
from helpers.diff.expressions import Expression, Symbol, as_expression, topological_order
from helpers.diff.printing import name as written_name
from helpers.diff.printing import written
from helpers.diff.rules import is_number

Way = Literal["back-substitution", "triangular solve", "linear solve"]
WAYS = ("back-substitution", "triangular solve", "linear solve")


class Multipliers(dict[str, Value]):
    """The multiplier of every variable by name: the derivative of ``output``, weighted by ``seed``, in it."""

    def __init__(self, values: Mapping[str, Value], output: str, seed: Value) -> None:
        super().__init__(values)
        self.output, self.seed = output, seed


class Lagrangian(NamedTuple):
    """The Lagrangian, and its partial derivatives by the name of the variable that they belong to.

    Attributes
    ----------
    value : float
        L(z, λ).
    multipliers : dict of str to float or ndarray
        dL/dλ_i = f_i(parents) - z_i: zero where the forward pass holds.
    intermediates : dict of str to float or ndarray
        dL/dz_i: zero where the multipliers are the adjoints.
    inputs : dict of str to float or ndarray
        dL/dx, which nothing sets to zero: the gradient.
    """

    value: float
    multipliers: dict[str, Value]
    intermediates: dict[str, Value]
    inputs: dict[str, Value]


class Blocks(NamedTuple):
    """The derivatives of all equations as matrices, rows and columns in dependency order.

    Attributes
    ----------
    names, inputs : list of str
        The computed variables and the inputs.
    edges, input_edges : list of int
        Where the rows or columns of each begin, and where the last ends.
    J : ndarray, shape (n, n)
        Derivatives of the equations in the computed variables; without cycles strictly lower triangular.
    B : ndarray, shape (n, elements of the inputs)
        Derivatives in the inputs.
    """

    names: list[str]
    inputs: list[str]
    edges: list[int]
    input_edges: list[int]
    J: Matrix
    B: Matrix


class Program(Equations):
    """Equations between named variables, whose output can be differentiated by multipliers.

    ``let`` defines a variable, ``solve`` computes all of them, ``multipliers`` differentiates.

    Parameters
    ----------
    inputs : sequence of str
        The variables that have no equation.
    """

    def multipliers(
        self,
        output: str,
        values: Mapping[str, Value] | None = None,
        *,
        way: Way | None = None,
        seed: ArrayLike | None = None,
    ) -> Multipliers:
        """Compute the multiplier of every variable, the inputs included.

        Parameters
        ----------
        output : str
            The variable that is differentiated.
        values : mapping, optional
            What ``solve`` returned; the last solution unless told.
        way : {"back-substitution", "triangular solve", "linear solve"}, optional
            Pullbacks from the output down to the inputs; or the equation (I - J') λ = c, with J the derivatives of all
            equations and c the seed at the output, from the bottom row up; or the same by a general solver, the only
            way where there are cycles. The first that is possible unless told; where several are, they agree.
        seed : array_like, optional
            The adjoint of the output, in its shape: 1 for a number, needed for an array.

        Returns
        -------
        Multipliers
            In the shapes of the values. Variables that the output does not depend on have 0.

        Raises
        ------
        ValueError
            If there is no such variable, nothing has been solved, the seed is missing or has the wrong shape, or the
            way is not possible.
        ArithmeticError
            If I - J is singular: the equations then do not determine the variables.

        Notes
        -----
        Back-substitution costs a pullback an equation, a small multiple of the forward pass. The two others build J,
        n rows of one pullback each, and solve in O(n^2) and O(n^3).
        """
        values = self._solved(values)
        bar = self._seed(output, values, seed)
        cyclic = self.cycles()
        way = way or ("linear solve" if cyclic else "back-substitution")
        if way not in WAYS:
            raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
        if cyclic and way != "linear solve":
            raise ValueError(f"{way} needs a program without cycles; {' and '.join(cyclic[0])} form one")
        adjoints = {name: value_of(np.zeros(np.shape(value)), name) for name, value in values.items()}
        adjoints[output] = bar
        if way == "back-substitution":
            return Multipliers(self._back_substitution(values, adjoints), output, bar)
        names, inputs, *_, J, B = self.blocks(values)
        A, c = np.eye(len(J)) - J.T, together(adjoints[name] for name in names)
        lambdas = solve(A, c, "multipliers") if way == "linear solve" else solve_upper(A, c)
        found = apart(lambdas, {name: values[name] for name in names})
        below = apart(B.T @ lambdas, {name: values[name] for name in inputs}) if inputs else {}
        direct = {name: adjoints[name] + below[name] for name in inputs}  # the output may itself be an input
        return Multipliers({name: (direct | found)[name] for name in values}, output, bar)

    def _back_substitution(self, values: Mapping[str, Value], adjoints: dict[str, Value]) -> dict[str, Value]:
        """Hand each variable's adjoint on to its parents, from the output down: this is back-propagation."""
        for (name,) in reversed(self.order()):
            equation = self.equations[name]
            for parent, share in zip(equation.parents, equation.pullback(values)(adjoints[name])):
                adjoints[parent] = value_of(adjoints[parent] + share, parent)
        return adjoints

    def lagrangian(
        self, values: Mapping[str, Value], multipliers: Mapping[str, Value], output: str | None = None
    ) -> Lagrangian:
        """Evaluate the Lagrangian and its partial derivatives, at any values and multipliers.

        Parameters
        ----------
        values, multipliers : mapping of str to float or ndarray
            Of every variable; what ``solve`` and ``multipliers`` return, or anything else of these shapes.
        output : str, optional
            Which variable is differentiated; `Multipliers` know it.

        Returns
        -------
        Lagrangian
        """
        final = output or str(getattr(multipliers, "output", ""))
        bar = self._seed(final, values, getattr(multipliers, "seed", None))
        slopes = {name: value_of(np.zeros(np.shape(value)), name) for name, value in values.items()}
        slopes[final] = bar
        total, residuals = float(np.sum(bar * values[final])), {}
        for name, equation in self.equations.items():
            residuals[name] = value_of(equation.compute(values) - values[name], name)
            total += float(np.sum(multipliers[name] * residuals[name]))
            slopes[name] = value_of(slopes[name] - multipliers[name], name)
            for parent, share in zip(equation.parents, equation.pullback(values)(multipliers[name])):
                slopes[parent] = value_of(slopes[parent] + share, parent)
        inputs = {name: slopes.pop(name) for name in self.inputs}
        return Lagrangian(total, residuals, {name: slopes[name] for name in self.equations}, inputs)

    def blocks(self, values: Mapping[str, Value] | None = None) -> Blocks:
        """Return the derivatives of all equations as matrices, to look at and to compute with.

        Notes
        -----
        The matrices are dense: n^2 numbers for n elements of all variables.
        """
        values = self._solved(values)
        names, inputs = [name for group in self.order() for name in group], self.inputs
        edges, input_edges = (
            [0, *np.cumsum([np.size(values[name]) for name in some]).tolist()] for some in (names, inputs)
        )
        J, B = (assembled(self.equations, values, names, columns) for columns in (names, inputs))
        return Blocks(names, inputs, edges, input_edges, J, B)

    def latex(self, output: str) -> str:
        r"""Write the Lagrangian in LaTeX, a constraint a line, for ``IPython.display.Math``.

        The right side of an equation that takes no symbols, such as a product of matrices, is written ``f(parents)``.

        Examples
        --------
        >>> print(Program(inputs=["x"]).let("y", lambda x: x * x, "x").latex("y"))
        \begin{aligned} \mathcal{L} = y &+ \lambda_{y} \left( x \, x - y \right) \end{aligned}
        """
        if output not in self.equations and output not in self.inputs:
            raise ValueError(f"output must be one of {', '.join([*self.inputs, *self.equations])}, got {output!r}")
        lines = []
        for name in itertools.chain(*self.order()):
            z = latex_name(name)
            lines.append(rf"&+ \lambda_{{{z}}} \left( {_right_side(self.equations[name])} - {z} \right)")
        head = rf"\begin{{aligned}} \mathcal{{L}} = {latex_name(output)} "
        return head + " \\\\\n".join(lines) + r" \end{aligned}"

    def _solved(self, values: Mapping[str, Value] | None) -> Mapping[str, Value]:
        found = self.solution if values is None else values
        if found is None:
            raise ValueError("nothing has been solved yet, or a variable was let since: call solve(inputs) first")
        return found

    def _seed(self, output: str, values: Mapping[str, Value], seed: ArrayLike | None) -> Value:
        if output not in values:
            raise ValueError(f"output must be one of {', '.join(values)}, got {output!r}")
        shape = np.shape(values[output])
        if seed is None and shape:
            raise ValueError(f"{output} has shape {shape}: give a seed of that shape, or differentiate a number")
        bar = value_of(1.0 if seed is None else seed, "seed")
        if np.shape(bar) != shape:
            raise ValueError(f"seed must have the shape of {output}, {shape}, got {np.shape(bar)}")
        return bar


def solve_upper(U: Matrix, c: Vector) -> Vector:
    """Solve U x = c for an upper triangular U with ones on its diagonal: from the last row up, O(n^2)."""
    x = np.array(c, dtype=float)
    for i in reversed(range(len(x))):
        x[i] -= U[i, i + 1 :] @ x[i + 1 :]
    return x


def latex_name(name: str) -> str:
    """Write the name of a variable in LaTeX."""
    return written_name(name, latex=True)[0]


def _right_side(equation: Equation) -> str:
    """Run a variable's function on symbols, and write what comes out."""
    try:
        result = equation.f(*(Symbol(parent) for parent in equation.parents))
    except (TypeError, ValueError, AttributeError):  # it takes arrays only
        result = None
    if is_number(result) and np.ndim(result) == 0:
        result = as_expression(result)
    if isinstance(result, Expression):
        return written(topological_order(result), latex=True)
    parents = ", ".join(map(latex_name, equation.parents))
    return rf"f_{{{latex_name(equation.name)}}}\left({parents}\right)"
