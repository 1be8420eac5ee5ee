"""Self-checks of lecture 02, on nodes as its readers build them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from helpers.checks.verdict import Answer, Cases, check, judge, pair, same

LONG = 10_000  # operations in a row: more than Python's own stack holds


@dataclass(eq=False)
class Node:
    """A number that remembers its operation, like the reader's; compared by identity."""

    name: str
    value: float
    parents: tuple[Node, ...] = ()
    local_derivatives: tuple[float, ...] = ()
    gradient: float = 0.0

    def __repr__(self) -> str:
        return self.name[:30]  # a long chain does not spell itself out

    def __add__(self, other: Node) -> Node:
        return Node(f"{self} + {other}", self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other: Node) -> Node:
        return Node(f"{self} · {other}", self.value * other.value, (self, other), (other.value, self.value))


def sine(x: Node) -> Node:
    """Return the sine of a node."""
    return Node(f"sin({x})", math.sin(x.value), (x,), (math.cos(x.value),))


def late(x: Node) -> Node:
    """Return y = u · sin(u) with u = x², where u lies one step from y, and also two: by sin(u)."""
    u = x * x
    return u * sine(u)


@check
def check_division(division: Answer) -> Cases:
    """Check ``division(a, b) -> (value, (derivative with respect to a, with respect to b))``."""
    for a, b in ((6.0, 3.0), (1.0, -4.0), (-2.5, 0.5)):
        got, at = division(a, b), f"at a = {a}, b = {b}"
        yield pair(got, at, "(value, a pair of derivatives)") or pair(got[1], at, "of derivatives, (d_a, d_b)")
        value, (d_a, d_b) = got
        yield same(value, a / b, f"the value {at}", "a / b")
        hint = "a stands on top: hold b still, and a / b grows by 1 / b for each unit of a"
        yield same(d_a, 1 / b, f"∂/∂a {at}", hint)
        hint = "a / b is a times b to the power -1; mind the minus, and that a stays as a factor"
        yield same(d_b, -a / b**2, f"∂/∂b {at}", hint)


@check
def check_path_products(path_products: Answer) -> Cases:
    """Check ``path_products(output, node)``: a list with one product of local derivatives for each path."""
    x, z = Node("x", 3.0), Node("z", 5.0)
    square, both = x * x, x * z
    for output, node, expected, case, hint in (
        (x, x, [1.0], "a node and itself", "the path without a step: the empty product is 1"),
        (both, x, [5.0], "x · z", "the local derivative with respect to x is z, not x"),
        (sine(both), x, [5.0 * math.cos(15.0)], "sin(x · z)", "multiply along the path"),
        (square, z, [], "x · x and an input that it does not use", "no path, no product: an empty list"),
        (square, x, [3.0] * 2, "x · x", "two arrows lead from x: two paths, though they are alike"),
        (both + sine(x), x, [math.cos(3.0), 5.0], "x · z + sin(x)", "a product for each path; the sum comes later"),
        (square * square, x, [27.0] * 4, "(x · x) · (x · x)", "follow each arrow anew, to a node seen before too"),
    ):
        got = path_products(output, node)
        yield judge(isinstance(got, list), case, "a list", type(got).__name__, "collect the products in a list")
        yield same(sorted(got), expected, case, hint)


@check
def check_topological_order(topological_order: Answer) -> Cases:
    """Check ``topological_order(output)``: each node once, after its parents; of long traces too."""
    x = chain = Node("x", 3.0)
    for _ in range(LONG):
        chain = sine(chain)
    for output, size, case in (
        (x, 1, "x alone"),
        (x * x, 2, "x · x"),
        (x * x + x, 3, "x · x + x"),
        (late(x), 4, "u · sin(u) with u = x · x"),
        (chain, LONG + 1, f"{LONG} operations in a row"),
    ):
        try:
            order = topological_order(output)
        except RecursionError:
            hint = "one call per node is more than Python's stack holds; keep the nodes to visit in a list of your own"
            yield judge(False, case, "a list", "RecursionError", hint)
            return
        yield judge(isinstance(order, list), case, "a list", type(order).__name__, "return the nodes in a list")
        places = {id(node): i for i, node in enumerate(order)}
        hint = "remember which nodes have been seen: a shared node is reached along several arrows"
        yield judge(len(places) == len(order), case, "each node once", order[:9], hint)
        yield same(len(order), size, f"{case}, the nodes", "the output, its parents, theirs, and so on")
        sorted_so = all(places[id(parent)] < i for i, node in enumerate(order) for parent in node.parents)
        hint = "a node goes into the list when all its parents are there, not when it is first met"
        yield judge(sorted_so, case, "parents before what is computed from them", order[:9], hint)


@check
def check_backward(backward: Answer) -> Cases:
    """Check ``backward(output)``: every ``gradient`` is the derivative of this output, however often it is called."""
    a, b = Node("a", 3.0), Node("b", 4.0)
    product = a * b
    backward(product)
    yield same(product.gradient, 1.0, "the output itself", "dy/dy = 1: start with it")
    hint = "the output's gradient times the local derivative"
    yield same([a.gradient, b.gradient], [4.0, 3.0], "a · b at a = 3, b = 4", hint)
    x = Node("x", 3.0)
    y = x * x + x
    backward(y)
    yield same(x.gradient, 7.0, "x · x + x at x = 3", "x is used three times: add up (+=) what each use hands back")
    backward(y)
    hint = "set the gradients of all nodes to 0 before you start, those in between too"
    yield same(x.gradient, 7.0, "x · x + x, the second time", hint)
    backward(x * b)
    yield same(x.gradient, 4.0, "x · b after another output", hint)
    x = Node("x", 1.5)
    backward(late(x))
    u = x.value**2
    expected = 2 * x.value * (math.sin(u) + u * math.cos(u))
    hint = "u must have received from all its uses before it hands on: walk the topological order backwards"
    yield same(x.gradient, expected, "u · sin(u) with u = x · x at x = 1.5", hint)
