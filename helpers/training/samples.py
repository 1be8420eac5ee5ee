"""Inputs for nets that learn from X alone: one data set for all epochs, or a new one each epoch.

>>> fixed = Samples("normal", 6, batch=4, dimension=5)
>>> [tuple(X.shape) for X, _ in fixed]
[(4, 5), (2, 5)]
>>> fresh = Samples("normal", 6, fresh=True, copies=3)  # three independent data sets, for an ensemble of three nets
>>> [tuple(X.shape) for X, _ in fresh]
[(3, 6, 5)]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from helpers.datasets import datasets, whole_number


class Samples:
    """Batches (X, X) from a data set of the course; going through them once is an epoch.

    Parameters
    ----------
    name : str
        A data set of ``helpers.datasets``, such as ``"normal"`` or ``"digits"``; its training split, without targets.
    samples : int
        Samples an epoch.
    batch : int, optional
        Samples a batch (the last batch may be smaller); by default all in one batch.
    fresh : bool
        Whether each epoch draws anew. Of the digits, an epoch draws ``samples`` of the 1000 training images.
    copies : int, optional
        Draw that many independent data sets side by side: X has shape (copies, batch, n).
    seed : int
        Equal seeds give equal epochs, in the order in which they are gone through.
    **options
        What the data set takes: ``dimension=5`` of ``"normal"``, ``noise=0.1`` of all.
    """

    def __init__(
        self,
        name: str,
        samples: int,
        *,
        batch: int | None = None,
        fresh: bool = False,
        copies: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.name, self.fresh, self.options = name, fresh, options
        self.samples, self.seed = whole_number("samples", samples, 1), whole_number("seed", seed, 0)
        self.batch = self.samples if batch is None else whole_number("batch", batch, 1)
        self.copies = None if copies is None else whole_number("copies", copies, 1)
        self.passes = 0
        self.held = self._draw(seed)

    def _draw(self, seed: int) -> Tensor:
        X = datasets[self.name].train(samples=self.samples * (self.copies or 1), seed=seed, **self.options).X
        return X if self.copies is None else X.unflatten(0, (self.copies, self.samples))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.fresh and self.passes:
            # a seed of its own for each epoch, unlike those of neighbouring seeds
            self.held = self._draw(int(np.random.SeedSequence([self.seed, self.passes]).generate_state(1)[0]))
        self.passes += 1
        yield from ((X, X) for X in self.held.split(self.batch, dim=-2))
