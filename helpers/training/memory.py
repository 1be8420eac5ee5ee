"""What a training step has to remember: the bytes that autograd keeps until the backward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks


class _Held:
    """What graphs keep in place of a tensor: it counts from now until the graph lets go of it."""

    def __init__(self, tensor: Tensor, count: Callable[[torch.UntypedStorage, int], None]) -> None:
        # detached: an operation's result refers to its operation, and the two would keep each other for ever
        self.tensor, self.count = tensor.detach(), count
        count(self.tensor.untyped_storage(), +1)

    def __del__(self) -> None:
        self.count(self.tensor.untyped_storage(), -1)


def saved_for_backward(run: Callable[[], object], ignore: nn.Module) -> int:
    """Run something and return the most bytes that were kept for the backward pass at one time, or 0.

    Parameters
    ----------
    run : callable
        Takes nothing, for example ``lambda: criterion(model(X), Y).backward()``; what it returns is dropped.
    ignore : nn.Module
        Its parameters and buffers are not counted: a model's weights are in memory anyway.

    Notes
    -----
    Counted are the tensors that operations save for their derivatives, data among them: each storage once, a view with
    the whole storage, until the backward pass or the end of the graph frees it. Not counted are gradients, the
    optimiser's state, copies that a rule makes itself, and what an ``autograd.Function`` leaves on its ``ctx``.
    """
    ignored = {t.untyped_storage().data_ptr() for t in (*ignore.parameters(), *ignore.buffers())}
    holders: Counter[int] = Counter()
    live = peak = 0

    def count(storage: torch.UntypedStorage, change: int) -> None:
        nonlocal live, peak
        key = storage.data_ptr()
        if key not in ignored:
            before = holders[key] > 0
            holders[key] += change
            live += ((holders[key] > 0) - before) * storage.nbytes()
            peak = max(peak, live)

    with saved_tensors_hooks(lambda tensor: _Held(tensor, count), lambda held: held.tensor):
        run()
    return peak
