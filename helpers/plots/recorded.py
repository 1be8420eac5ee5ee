"""Read what torch recorded behind a tensor: each operation, what it saved, and on which side of dE/dy it lies.

Nothing of torch is imported: a ``grad_fn`` says its name, its operands (``next_functions``) and what it saved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

LEAF = "AccumulateGrad"
TRANSPOSES = ("TBackward0", "TransposeBackward0", "PermuteBackward0")  # they still belong to the product before them
ABOVE, BELOW, PAST = "dE/dy", "dn/dW", "past y"

Address = tuple[int, tuple[int, ...], tuple[int, ...]]  # of the memory, then shape and strides
Names = Mapping[Address, str]


class Saved(NamedTuple):
    """A tensor that an operation keeps for its own derivative: its name, its shape, whether it depends on a leaf."""

    name: str
    shape: tuple[int, ...]
    recorded: bool


class Operation(NamedTuple):
    """A node: torch's ``kind`` such as "MmBackward0", the ``shape`` of its result, its ``part``, what it ``saved``.

    ``leaf`` is the name of the leaf that an "AccumulateGrad" stands for, else "". ``part`` is "dE/dy", "dn/dW",
    "past y", or "" where no line was found.
    """

    kind: str
    shape: tuple[int, ...]
    part: str
    saved: tuple[Saved, ...]
    leaf: str


def address(tensor: Any) -> Address:
    """Return what two tensors have in common if they are the same view of the same memory."""
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride())


def by_address(names: Mapping[str, Any]) -> Names:
    """Name tensors by where they lie; the transpose of a matrix gets a prime."""
    matrices = {f"{name}'": t.T for name, t in names.items() if t.dim() == 2}
    return {address(tensor): name for name, tensor in (matrices | dict(names)).items()}


def function_behind(name: str, tensor: Any) -> Any:
    """Return ``tensor.grad_fn``, or say why there is none."""
    if not hasattr(tensor, "grad_fn"):
        hint = ": a leaf that the loss did not reach has .grad None" if tensor is None else ""
        raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}{hint}")
    if tensor.grad_fn is None:
        what = "is a leaf: nothing was computed" if tensor.requires_grad else "has no graph"
        raise ValueError(
            f"nothing here requires grad: {name}, of shape {tuple(tensor.shape)}, {what}. Compute a gradient with "
            "torch.autograd.grad(loss, W, create_graph=True). A constant has no graph even then, nor has what a rule "
            "computes under no_grad or behind .detach()"
        )
    return tensor.grad_fn


def operands_of(function: Any) -> list[Any]:
    """Return the functions whose results this one uses; constants have none."""
    return [operand for operand, _ in function.next_functions if operand is not None]


def reached_from(root: Any, steps: Callable[[Any], list[Any]] = operands_of) -> dict[Any, int]:
    """Number the root and all that it is computed from, depth first, without recursion; ``steps``: follow others."""
    numbers: dict[Any, int] = {}
    waiting = [root]
    while waiting:
        function = waiting.pop()
        if function not in numbers:
            numbers[function] = len(numbers)
            waiting += reversed(steps(function))
    return numbers


def behind_data(root: Any) -> Any | None:
    """Return the function of dE/dy for one layer y = xW': dL/dW = (dE/dy)'x is a product with data, x has no graph.

    From the gradient we go through sums, then along operations of one operand each, to the first that keeps data.
    """
    waiting = [root]
    while waiting:
        function = waiting.pop()
        if function.name().startswith("Add"):
            waiting += operands_of(function)
            continue
        found = False
        while len(operands := operands_of(function)) == 1:
            found = found or any(kept.shape and not kept.recorded for kept in _saved_by(function, {}))
            function = operands[0]
            if found and function.name() not in TRANSPOSES:
                return function
    return None


def operation(function: Any, part: str, tensors: Names) -> Operation:
    """Write down in words and numbers what a function is."""
    kind = function.name().rsplit("::", 1)[-1]
    shapes = [tuple(result.shape) for result in getattr(function, "_input_metadata", ())]
    leaf = ""
    if kind == LEAF:
        leaf = tensors.get(address(function.variable), "a leaf")
    return Operation(kind, shapes[0] if shapes else (), part, _saved_by(function, tensors), leaf)


def _saved_by(function: Any, tensors: Names) -> tuple[Saved, ...]:
    """Return the tensors that an operation keeps; a custom Function has ``saved_tensors``, others ``_saved_...``."""
    saved = []
    for attribute in dir(function):
        if attribute.startswith("_saved_") or attribute == "saved_tensors":
            try:
                value = getattr(function, attribute)
            except RuntimeError:  # freed by a backward pass, or changed in place since: nothing is kept
                continue
            for tensor in value if isinstance(value, tuple) else (value,):
                if hasattr(tensor, "data_ptr"):
                    name = tensors.get(address(tensor), attribute.removeprefix("_saved_"))
                    saved.append(Saved(name, tuple(tensor.shape), tensor.requires_grad))
    return tuple(saved)


def parts(order: Mapping[Any, int], y_bar: Any) -> dict[Any, str]:
    """Say of each function which part it belongs to.

    dE/dy is all that y_bar is computed from. The product (dE/dy) · dn/dW is linear in y_bar, so what is *added* to it
    without depending on y_bar is no part of it: that came past y. All else is a factor of dn/dW.
    """
    users: dict[Any, list[Any]] = {f: [] for f in order}
    for f in order:
        for operand in operands_of(f):
            users[operand].append(f)
    above = reached_from(y_bar)
    below = reached_from(y_bar, users.__getitem__).keys() - {y_bar}
    added = [f for total in below if total.name().startswith("Add") for f in operands_of(total) if f not in below]
    past = {f for term in added for f in reached_from(term)}
    return {f: ABOVE if f in above else PAST if f in past else BELOW for f in order}
