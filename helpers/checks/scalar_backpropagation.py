"""Self-checks of lecture 02, on nodes as its readers build them.

>>> def division(a, b):
...     raise NotImplementedError("Student exercise: a quotient")
>>> check_division(division)
○ not attempted: replace the `raise` by your answer, then run this cell again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from helpers.checks.verdict import check, judge

LONG = 10_000  # operations in a row: more than Python's own stack holds


class Node:
    """A number that remembers its operation, like the reader's; compared by identity."""

    def __init__(
        self, value: float, parents: tuple[Node, ...] = (), local_derivatives: tuple[float, ...] = (), name: str = ""
    ) -> None:
        self.value, self.parents, self.local_derivatives = value, parents, local_derivatives
        self.gradient, self.name = 0.0, name

    def __repr__(self) -> str:
        return self.name or f"{self.value:.4g}"


def plus(a: Node, b: Node, name: str = "") -> Node:
    """Add two nodes."""
    return Node(a.value + b.value, (a, b), (1.0, 1.0), name)


def times(a: Node, b: Node, name: str = "") -> Node:
    """Multiply two nodes."""
    return Node(a.value * b.value, (a, b), (b.value, a.value), name)


def sine(x: Node, name: str = "") -> Node:
    """Return the sine of a node."""
    return Node(math.sin(x.value), (x,), (math.cos(x.value),), name)


def late(x: Node) -> Node:
    """Return y = u · sin(u) with u = x², where u lies one step from y, and also two: by sin(u)."""
    u = times(x, x, "u")
    return times(u, sine(u, "sin u"), "y")


def close(got: Any, expected: float) -> bool:
    """Compare two floats; whatever is no number is not close."""
    return isinstance(got, (int, float)) and math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-12)


@check
def check_division(division: Callable[[float, float], Any]) -> Iterator[str | None]:
    """Check ``division(a, b) -> (value, (derivative with respect to a, with respect to b))``."""
    for a, b in ((6.0, 3.0), (1.0, -4.0), (-2.5, 0.5)):
        got = division(a, b)
        form = isinstance(got, Sequence) and len(got) == 2 and isinstance(got[1], Sequence) and len(got[1]) == 2
        yield judge(form, f"a = {a}, b = {b}", "(value, (d_a, d_b))", got, "the value, and a pair of derivatives")
        value, (d_a, d_b) = got
        yield judge(close(value, a / b), f"the value at a = {a}, b = {b}", a / b, value, "a / b")
        hint = "a stands on top: hold b still, and a / b grows by 1 / b for each unit of a"
        yield judge(close(d_a, 1 / b), f"∂/∂a at a = {a}, b = {b}", 1 / b, d_a, hint)
        hint = "a / b is a times b to the power -1; mind the minus, and that a stays as a factor"
        yield judge(close(d_b, -a / b**2), f"∂/∂b at a = {a}, b = {b}", -a / b**2, d_b, hint)


@check
def check_path_products(path_products: Callable[[Node, Node], Any]) -> Iterator[str | None]:
    """Check ``path_products(output, node)``: a list with one product of local derivatives for each path."""
    x, other = Node(3.0, name="x"), Node(5.0, name="z")
    square, both = times(x, x), times(x, other)
    diamond = plus(both, sine(x))
    for output, node, expected, case, hint in (
        (x, x, [1.0], "a node and itself", "the path without a step: the empty product is 1"),
        (both, x, [5.0], "x · z", "the local derivative with respect to x is z, not x"),
        (sine(both), x, [5.0 * math.cos(15.0)], "sin(x · z)", "multiply along the path"),
        (square, other, [], "x · x and an input that it does not use", "no path, no product: an empty list"),
        (square, x, [3.0, 3.0], "x · x", "two arrows lead from x: two paths, though they are alike"),
        (diamond, x, [5.0, math.cos(3.0)], "x · z + sin(x)", "a product for each path; the sum comes later"),
        (
            times(square, square),
            x,
            [27.0] * 4,
            "(x · x) · (x · x)",
            "follow each arrow anew, also to a node seen before",
        ),
    ):
        got = path_products(output, node)
        yield judge(isinstance(got, list), case, "a list", type(got).__name__, "collect the products in a list")
        agrees = len(got) == len(expected) and all(close(g, e) for g, e in zip(sorted(got), sorted(expected)))
        yield judge(agrees, case, _rounded(expected), _rounded(got), hint)


@check
def check_topological_order(topological_order: Callable[[Node], Any]) -> Iterator[str | None]:
    """Check ``topological_order(output)``: each node once, after its parents; of long traces too."""
    x = Node(3.0, name="x")
    square = times(x, x, "x · x")
    for output, size, case in (
        (x, 1, "x alone"),
        (square, 2, "x · x"),
        (plus(square, x, "x · x + x"), 3, "x · x + x"),
        (late(x), 4, "u · sin(u) with u = x · x"),
    ):
        order = topological_order(output)
        yield judge(isinstance(order, list), case, "a list", type(order).__name__, "return the nodes in a list")
        places = {id(node): i for i, node in enumerate(order)}
        hint = "remember which nodes have been seen: a shared node is reached along several arrows"
        yield judge(len(places) == len(order), case, "each node once", order, hint)
        yield judge(len(order) == size, case, f"{size} nodes", order, "the output, its parents, theirs, and so on")
        sorted_so = all(places[id(parent)] < i for i, node in enumerate(order) for parent in node.parents)
        hint = "a node goes into the list when all its parents are there, not when it is first met"
        yield judge(sorted_so, case, "parents before what is computed from them", order, hint)
    y = x
    for _ in range(LONG):
        y = sine(y)
    try:
        order = topological_order(y)
    except RecursionError:
        hint = "a call a node is more than Python's stack holds; keep the nodes still to visit in a list of your own"
        yield judge(False, f"{LONG} operations in a row", "a list", "RecursionError", hint)
        return
    yield judge(len(order) == LONG + 1, f"{LONG} operations in a row", f"{LONG + 1} nodes", len(order), "visit all")


@check
def check_backward(backward: Callable[[Node], Any]) -> Iterator[str | None]:
    """Check ``backward(output)``: every ``gradient`` is the derivative of this output, however often it is called."""
    a, b = Node(3.0), Node(4.0)
    product = times(a, b)
    backward(product)
    yield judge(close(product.gradient, 1.0), "the output itself", 1.0, product.gradient, "dy/dy = 1: start with it")
    hint = "the output's gradient times the local derivative"
    yield judge(close(a.gradient, 4.0) and close(b.gradient, 3.0), "a · b at a = 3, b = 4", (4.0, 3.0),
                (a.gradient, b.gradient), hint)  # fmt: skip
    x = Node(3.0)
    y = plus(times(x, x), x)
    backward(y)
    hint = "x is used three times: add up (+=) what each use hands back"
    yield judge(close(x.gradient, 7.0), "x · x + x at x = 3", 7.0, _rounded(x.gradient), hint)
    backward(y)
    hint = "set the gradients of all nodes to 0 before you start, those in between too"
    yield judge(close(x.gradient, 7.0), "x · x + x, the second time", 7.0, _rounded(x.gradient), hint)
    backward(times(x, b))
    yield judge(close(x.gradient, 4.0), "x · b after another output", 4.0, _rounded(x.gradient), hint)
    x = Node(1.5)
    y = late(x)
    backward(y)
    u = x.value**2
    expected = 2 * x.value * (math.sin(u) + u * math.cos(u))
    hint = "u must have received from all its uses before it hands on: walk the topological order backwards"
    yield judge(close(x.gradient, expected), "u · sin(u) with u = x · x at x = 1.5", _rounded(expected),
                _rounded(x.gradient), hint)  # fmt: skip


def _rounded(values: Any) -> Any:
    if isinstance(values, (list, tuple)):
        return [_rounded(value) for value in values]
    return round(values, 4) if isinstance(values, float) else values
