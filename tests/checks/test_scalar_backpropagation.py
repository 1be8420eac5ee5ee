"""Each check of lecture 02 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import pytest

from helpers.checks import scalar_backpropagation as exercises
from helpers.diff.scalar import Scalar, log, sin
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("scalar_backpropagation")


def only_direct(output, node):
    return [d for parent, d in zip(output.parents, output.local_derivatives) if parent is node]


def without_memory(output):
    order = []
    for parent in output.parents:
        order += without_memory(parent)
    return [*order, output]


def level_by_level(output):
    nodes = [output]
    for node in nodes:
        nodes += [p for p in dict.fromkeys(node.parents) if not any(p is n for n in nodes)]
    return nodes[::-1]


def by_recursion(output):
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(output)
    return order


def sweep(order=None, zero=True, hand_on=None, factor=1.0):
    """Return a backward pass with one thing changed."""

    def backward(output):
        nodes = solution.topological_order(output) if order is None else order(output)
        if zero:
            for node in nodes:
                node.gradient = 0.0
        output.gradient = 1.0
        for node in reversed(nodes):
            for parent, derivative in zip(node.parents, node.local_derivatives):
                product = factor * node.gradient * derivative
                parent.gradient = hand_on(parent.gradient, product) if hand_on else parent.gradient + product

    return backward


def test_the_solutions_work_on_the_engine_too():
    x1, x2 = Scalar(2.0), Scalar(5.0)
    y = log(x1) + x1 * x2 - sin(x2)
    assert sum(solution.path_products(y, x1)) == pytest.approx(5.5)
    assert len(solution.topological_order(y)) == 7
    solution.backward(y)
    found = x1.gradient, x2.gradient
    y.backward()
    assert found == (x1.gradient, x2.gradient)


test_wrong_answers = refusing(
    exercises,
    {
        "division": [
            (lambda a, b: a / b, "a pair of derivatives"),
            (lambda a, b: (a / b, (1 / b, a / b**2)), "mind the minus"),
            (lambda a, b: (a // b, (1 / b, -a / b**2)), "the value"),
        ],
        "path_products": [
            (only_direct, "empty product"),
            (lambda y, x: sum(solution.path_products(y, x)), "a list"),
            (lambda y, x: list(set(solution.path_products(y, x))), "two paths, though they are alike"),
        ],
        "topological_order": [
            (without_memory, "each node once"),
            (level_by_level, "parents before"),
            (by_recursion, "RecursionError.*list of your own"),
            (lambda y: [n for n in solution.topological_order(y) if n.parents] or [y], "nodes"),
        ],
        "backward": [
            (sweep(hand_on=lambda old, product: product), "used three times"),
            (sweep(zero=False), "the second time"),
            (sweep(order=level_by_level), "walk the topological order"),
            (sweep(factor=1.001), "a · b"),
        ],
    },
)
