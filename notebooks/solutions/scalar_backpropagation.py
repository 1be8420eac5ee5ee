"""Solutions to the exercises of lecture 02. Try first: the checks in the notebook say what is missing.

They work on every node with ``value``, ``gradient``, ``parents`` and ``local_derivatives``, the engine's too.
"""

from typing import Any


def division(a: float, b: float) -> tuple[float, tuple[float, float]]:
    """Return a / b and its derivatives with respect to a and to b."""
    return a / b, (1 / b, -a / b**2)


def path_products(output: Any, node: Any) -> list[float]:
    """Return, for each path from the output back to the node, the product of the local derivatives along it."""
    if output is node:
        return [1.0]
    return [
        derivative * rest
        for parent, derivative in zip(output.parents, output.local_derivatives)
        for rest in path_products(parent, node)
    ]


def topological_order(output: Any) -> list[Any]:
    """Return the output and all that it was computed from, each once, parents first.

    A depth-first search with a stack of its own. A node is met twice: at first its parents are put on top of it, then,
    when all of them are in order, so is the node.
    """
    order: list[Any] = []
    ready, done = set(), set()  # of identities: nodes whose parents lie above them on the stack; nodes in order
    stack = [output]
    while stack:
        node = stack[-1]
        if id(node) not in ready:
            ready.add(id(node))
            stack += [parent for parent in node.parents if id(parent) not in ready]
            continue
        stack.pop()
        if id(node) not in done:
            done.add(id(node))
            order.append(node)
    return order


def backward(output: Any) -> None:
    """Set ``gradient`` in each node of the trace to the derivative of the output with respect to it."""
    order = topological_order(output)
    for node in order:
        node.gradient = 0.0
    output.gradient = 1.0
    for node in reversed(order):
        for parent, derivative in zip(node.parents, node.local_derivatives):
            parent.gradient += node.gradient * derivative
