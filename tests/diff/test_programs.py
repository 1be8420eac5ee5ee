"""Random programs with control flow and shared nodes: reverse and forward mode against torch in float64."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff import forward, rules, scalar
from helpers.diff.arrays import vjp
from helpers.diff.forward import jvp
from helpers.diff.rules import RULES
from helpers.diff.scalar import Scalar, topological_order

# An instruction takes two numbers a, b and the functions m of a library. Each stays in its domain.
INSTRUCTIONS = [
    lambda m, a, b: a + b, lambda m, a, b: a - b, lambda m, a, b: a * b, lambda m, a, b: a / (b * b + 1),
    lambda m, a, b: 2.5 / (1.5 + a * a) - b, lambda m, a, b: -a, lambda m, a, b: 0.5 - a, lambda m, a, b: a * 3 + 1,
    lambda m, a, b: a**2, lambda m, a, b: a**3 - b, lambda m, a, b: (a * a + 0.5) ** -1.5,
    lambda m, a, b: (a * a + 0.5) ** b, lambda m, a, b: 1.5**a, lambda m, a, b: m.log(1 + a * a),
    lambda m, a, b: m.exp(-a * a), lambda m, a, b: m.sqrt(a * a + b * b + 0.1), lambda m, a, b: m.sin(a) * m.cos(b),
    lambda m, a, b: m.tan(m.tanh(a)), lambda m, a, b: m.sigmoid(a - b), lambda m, a, b: m.relu(a) + b,
    lambda m, a, b: abs(a) * 0.7, lambda m, a, b: m.maximum(a, b), lambda m, a, b: m.minimum(a, b) * a,
    lambda m, a, b: a + b if a > 0 else a - b * b, lambda m, a, b: a * b if a <= b else m.sin(a),
]  # fmt: skip
STEPS = st.tuples(st.integers(0, len(INSTRUCTIONS) - 1), st.integers(0, 99), st.integers(0, 99))
PROGRAMS = st.lists(STEPS, min_size=1, max_size=14)
INPUTS = st.tuples(*[st.floats(-2, 2).map(lambda x: round(x, 3))] * 3)


def run(program, m, inputs):
    """Run a program; each step may use any earlier result, so that nodes are shared."""
    results = list(inputs)
    for which, i, j in program:
        result = INSTRUCTIONS[which](m, results[i % len(results)], results[j % len(results)])
        while abs(result) > 5:  # a loop whose length depends on the values; it keeps them of order one
            result = result * 0.25
        results.append(result)
    total = results[-1]
    for result in results[:-1]:
        total = total + 0.5 * result
    return total


def of_torch(program, inputs):
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in inputs]
    output = run(program, torch, leaves)
    return output.item(), [g.item() for g in torch.autograd.grad(output, leaves)]


def reverse(program, inputs):
    leaves = [Scalar(x) for x in inputs]
    output = run(program, scalar, leaves)
    output.backward()
    return output, [x.gradient for x in leaves], [magnitude(output, x) for x in leaves]


def pushed(program, inputs):
    units = [tuple(float(i == j) for j in range(3)) for i in range(3)]
    return [jvp(lambda *x: run(program, forward, x), inputs, unit)[1] for unit in units]


def magnitude(output, leaf):
    """The sum of the absolute addends of the chain rule: rounding is relative to this, not to what cancels in it."""
    sums = {output: 1.0}
    for node in reversed(topological_order(output)):
        for parent, derivative in zip(node.parents, node.local_derivatives):
            sums[parent] = sums.get(parent, 0.0) + sums[node] * abs(derivative)
    return sums.get(leaf, 0.0)


def agree(found, expected, magnitudes):
    """Whether the relative error is below 1e-12: a library's sine may differ by an ulp, and errors add up by depth."""
    return all(abs(a - b) <= 1e-12 * scale for a, b, scale in zip(found, expected, magnitudes))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(PROGRAMS, INPUTS)
def test_all_engines_agree_with_torch(program, inputs):
    value, expected = of_torch(program, inputs)
    output, gradient, magnitudes = reverse(program, inputs)
    assert abs(output.value - value) <= 1e-12 * max(1.0, abs(value))
    assert agree(gradient, expected, magnitudes)
    assert agree(pushed(program, inputs), expected, magnitudes)
    assert agree(vjp(lambda *x: run(program, rules, x), *inputs)[1](1.0), expected, magnitudes)


EVERYTHING = [(which, which % 3, (which + 1) % 3) for which in range(len(INSTRUCTIONS))]  # each on the inputs
AT = (0.7, -1.3, 0.4)


def test_one_program_with_all_instructions_uses_every_row():
    output, gradient, magnitudes = reverse(EVERYTHING, AT)
    used = {node.operation.name for node in topological_order(output) if node.operation}
    assert used >= set(RULES) - {"step", "sign"}
    assert agree(gradient, of_torch(EVERYTHING, AT)[1], magnitudes)


def test_the_fast_operators_repeat_the_table():
    a, b = Scalar(0.7), Scalar(-1.3)
    for node, name in ((a + b, "add"), (a - b, "sub"), (a * b, "mul")):
        rule = rules.RULES[name]
        assert node.operation is rule
        assert node.value == rule.value(0.7, -1.3)
        assert node.local_derivatives == tuple(d(node.value, 0.7, -1.3) for d in rule.derivatives)
