"""Programs with constants, unused variables and results that are somebody's parents: against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff.graph import trace
from helpers.diff.lagrange import WAYS, Program
from helpers.diff.rules import exp, sin, tanh
from helpers.diff.steps import Sweep

FUNCTIONS = {
    0: [lambda: 3.0, lambda: -0.5, lambda: 2],
    1: [sin, tanh, lambda a: a, lambda a: 0.5 * a * a, lambda a: 1.5, lambda a: exp(0.1 * tanh(a))],
    2: [lambda a, b: a + b, lambda a, b: a * tanh(b), lambda a, b: b, lambda a, b: a - 2 * b],
}
LINES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
                 min_size=1, max_size=8)  # fmt: skip


def built(lines):
    program, names = Program(inputs=["x", "y"]), ["x", "y"]
    program.let("used", lambda x, y: x + y, "x", "y")
    for number, (arity, which, *parents) in enumerate(lines):
        options = FUNCTIONS[arity]
        name = f"v{number}"
        program.let(name, options[which % len(options)], *[names[i % len(names)] for i in parents[:arity]])
        names.append(name)
    return program, names


@settings(max_examples=60, deadline=None, derandomize=True)
@given(LINES, st.floats(-1, 1).map(lambda x: round(x, 2)), st.integers(0, 99))
def test_random_programs(lines, x, which):
    program, names = built(lines)
    output, inputs, h = names[which % len(names)], {"x": x, "y": 0.4}, 1e-6
    values = program.solve(inputs)
    for way in WAYS:
        found = program.multipliers(output, way=way)
        for name in ("x", "y"):
            up, down = (program.solve(inputs | {name: inputs[name] + s * h})[output] for s in (1, -1))
            assert found[name] == pytest.approx((up - down) / (2 * h), abs=1e-7)
        program.solve(inputs)
        lagrangian = program.lagrangian(values, found)
        assert max(map(abs, lagrangian.intermediates.values())) < 1e-12
        assert max(map(abs, lagrangian.multipliers.values())) < 1e-12
        assert lagrangian.inputs["x"] == pytest.approx(found["x"], abs=1e-12)
    assert program.latex(output).startswith(r"\begin{aligned}")
    if output not in ("x", "y"):
        sweep = Sweep(trace(program, inputs, output))
        assert sweep.steps


def test_a_constant_alone():
    program = Program(inputs=["x"]).let("c", lambda: 3.0).let("y", lambda c, x: c * x, "c", "x")
    program.solve({"x": 2.0})
    for way in WAYS:
        assert dict(program.multipliers("y", way=way)) == {"x": 3.0, "c": 2.0, "y": 1.0}
        assert dict(program.multipliers("c", way=way)) == {"x": 0.0, "c": 1.0, "y": 0.0}
    assert r"\left( 3 - c \right)" in program.latex("y")


def test_constants_that_are_arrays():
    program = (
        Program(inputs=["x"]).let("w", lambda: np.array([1.0, 2.0])).let("y", lambda w, x: (w * x).sum(), "w", "x")
    )
    program.solve({"x": np.array([3.0, 4.0])})
    for way in WAYS:
        assert program.multipliers("y", way=way)["x"].tolist() == [1.0, 2.0]
        assert program.multipliers("y", way=way)["w"].tolist() == [3.0, 4.0]
    assert program.blocks().J.shape == (3, 3)


def test_a_function_cannot_change_what_it_is_given():
    def doubled(x):
        x *= 2
        return x.sum()

    program = Program(inputs=["x"]).let("y", doubled, "x")
    given_to_it = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        program.solve({"x": given_to_it})
    assert given_to_it.tolist() == [1.0, 2.0]
