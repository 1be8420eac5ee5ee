"""The trace of an array computation: what is kept on the way forward, and how adjoints run back through it.

A node has a ``value``; the ``operation`` that made it (a row of `helpers.diff.array_rules`) with its ``options``; the
``parents`` it was made of; a ``serial`` number, less than those of all older nodes; and it is ``constant`` or not.
`helpers.diff.array_node` makes the nodes. `propagate` is all of reverse mode.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from helpers.diff.array_rules import ROWS, add_at, sum_to
from helpers.diff.rules import Operand

value_of = attrgetter("value")  # with `map` quicker than a comprehension, and here that counts
GETITEM = ROWS["getitem"]


def real_array(value: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Copy real numbers into an array of float32 or float64.

    Parameters
    ----------
    value : array_like
        An array of float32 or float64 keeps its type.
    dtype : dtype, optional
        The type for integers, bools and numbers without axes; float64 if it is not given.

    Raises
    ------
    TypeError, ValueError
        If the value is a number type of this package, is ragged, or holds complex numbers, text or objects.
    """
    if isinstance(value, Operand):
        raise TypeError(f"value must be plain numbers, got {type(value).__name__}; take its .value")
    try:
        array = np.array(value)
    except ValueError as error:
        raise ValueError(f"value must be rectangular, but its rows have different lengths ({error})") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"value must hold real numbers, got {array.dtype}: {array!r:.80}")
    if array.dtype.char in "fd" and (array.ndim or dtype is None):
        return array
    return array.astype(dtype or np.float64)


def read_only(value: Any) -> NDArray[Any]:
    """Lock an array, so that a change in place raises; make an array of a number."""
    array = np.asarray(value)
    array.setflags(write=False)
    return array


def kept_index(index: Any) -> Any:
    """Return an index of NumPy's with its lists and arrays copied: the trace needs them later as they are now."""
    return tuple(map(_kept_part, index)) if isinstance(index, tuple) else _kept_part(index)


def _kept_part(part: Any) -> Any:
    if isinstance(part, Operand):
        raise TypeError(f"an index must be plain whole numbers or bools, got a {type(part).__name__}; say x.value")
    if not isinstance(part, (list, tuple, np.ndarray)):
        return part
    array = np.array(part)
    return array if array.size or isinstance(part, np.ndarray) else array.astype(np.intp)  # NumPy takes [] for floats


def trace(output: Any) -> set[Any]:
    """Return the output and all nodes it was made of, constants left out."""
    reached, found = {output}, [output]
    for node in found:  # the list grows while it is read: no recursion, however deep the trace
        for parent in node.parents:
            if not parent.constant and parent not in reached:
                reached.add(parent)
                found.append(parent)
    return reached


def made_from(inputs: Iterable[Any], nodes: Iterable[Any]) -> set[Any]:
    """Return the inputs, and those of the nodes of a trace that depend on them."""
    made = set(inputs)
    for node in sorted(nodes, key=attrgetter("serial"), reverse=True):  # the oldest first
        if any(parent in made for parent in node.parents):
            made.add(node)
    return made


def propagate(
    output: Any, y_bar: Any, recorded: bool = False, wanted: Container[Any] | None = None
) -> Iterator[tuple[Any, Any]]:
    """Run back through the trace of an output and yield each node with its adjoint: the youngest first, inputs last.

    Parameters
    ----------
    output : node
    y_bar : ndarray (if recorded: Array)
        The adjoint of the output, in its shape.
    recorded : bool
        Apply the rules to nodes, not to their values: then the adjoints are nodes too, and can be differentiated.
    wanted : container of nodes, optional
        Which nodes receive an adjoint; by default all but constants.

    Notes
    -----
    A node is younger than its parents. So all that was made of the youngest node in waiting has had its turn, and the
    adjoint is complete: this is a topological order, found on the way. An adjoint is dropped once it is passed on.
    """
    adjoints = {output: y_bar}
    waiting = [(output.serial, output)] if output.parents else []  # a heap: the youngest node on top
    ours = set()  # nodes whose adjoint was added up here: nobody else holds that array, it may change in place
    while waiting:
        node = heappop(waiting)[1]
        y_bar = adjoints.pop(node)
        yield node, y_bar
        parents, operation, options = node.parents, node.operation, node.options
        if operation is GETITEM and parents[0] in ours and not recorded:
            add_at(adjoints[parents[0]], options["index"], y_bar)  # costs what was read, not an array of zeros
            continue
        arguments = (y_bar, node, *parents) if recorded else (y_bar, node.value, *map(value_of, parents))
        for parent, vjp in zip(parents, operation.vjps):
            if parent.constant if wanted is None else parent not in wanted:
                continue
            x_bar = vjp(*arguments, **options)
            x = parent.value
            if x_bar.shape != x.shape:
                x_bar = sum_to(x_bar, x.shape)
            if x_bar.dtype is not x.dtype:
                x_bar = x_bar.astype(x.dtype)
            if parent not in adjoints:
                adjoints[parent] = x_bar
                if parent.parents:  # an input passes nothing on
                    heappush(waiting, (parent.serial, parent))
            elif parent in ours:
                adjoints[parent] += x_bar
            else:
                adjoints[parent] = adjoints[parent] + x_bar
                if x.ndim:  # a number cannot change in place
                    ours.add(parent)
    yield from adjoints.items()
