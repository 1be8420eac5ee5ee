"""Paths of a trace: each is an addend of the chain rule, and their sum is the derivative.

Back-propagation gives the same sum without following any path to its end: it adds up at every node, because the number
of paths can double with each operation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from helpers.diff.scalar import Scalar, topological_order

LIMIT = 1000  # more paths than one would read


class Path(NamedTuple):
    """A path from an output back to a node: an addend of the chain rule.

    Attributes
    ----------
    nodes : tuple of Scalar
        The output first.
    derivatives : tuple of float
        The local derivatives along the path, one fewer than nodes.
    product : float
        Their product.
    """

    nodes: tuple[Scalar, ...]
    derivatives: tuple[float, ...]
    product: float


def paths(output: Scalar, node: Scalar, limit: int = LIMIT) -> list[Path]:
    """Return all paths from an output back to a node: their products add up to the derivative.

    Parameters
    ----------
    output, node : Scalar
        The two ends. If the output does not depend on the node there is no path.
    limit : int
        The largest number of paths to enumerate.

    Raises
    ------
    ValueError
        If there are more. Their number can double with each operation, and that is why back-propagation adds up at
        every node instead of following each path.

    Examples
    --------
    >>> x = Scalar(3.0)
    >>> [path.product for path in paths(x * x + x, x)]
    [3.0, 3.0, 1.0]
    """
    ways: dict[Scalar, int] = {}
    for each in topological_order(output):  # counted first, and only up to the limit: the counts grow like 2^n
        ways[each] = 1 if each is node else min(limit + 1, sum(ways[parent] for parent in each.parents))
    if ways[output] > limit:
        raise ValueError(f"there are more than {limit} paths; take a smaller graph, or a larger limit")
    if output is node:
        return [Path((output,), (), 1.0)]
    found: list[Path] = []
    nodes, derivatives = [output], list[float]()
    stack = [_steps(output)]
    while stack:
        for parent, derivative in stack[-1]:
            if ways[parent]:  # otherwise it does not lead to the node
                nodes.append(parent)
                derivatives.append(derivative)
                stack.append(iter(()) if parent is node else _steps(parent))
                if parent is node:
                    found.append(Path(tuple(nodes), tuple(derivatives), math.prod(derivatives)))
                break
        else:
            stack.pop()
            nodes.pop()
            del derivatives[-1:]
    return found


def _steps(node: Scalar) -> Iterator[tuple[Scalar, float]]:
    return zip(node.parents, node.local_derivatives)
