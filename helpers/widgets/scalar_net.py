"""A panel in which a net of Scalars learns signed_xor, number by number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helpers.datasets import datasets
from helpers.diff.scalar_net import ScalarNet, train
from helpers.plots import LayerProgress
from helpers.widgets.controls import log_slider, set_controls, whole
from helpers.widgets.trainer import Trainer

GRID = 24  # points per side: the boundary is smooth, and the net answers all of them at once


class ScalarNetPanel(Trainer[LayerProgress]):
    """Watch the boundary of a net of Scalars, ``net`` as it stands, move while it learns.

    Parameters
    ----------
    **options
        What its controls are to show at first: ``hidden`` units (1 to 16), training ``points`` (4 to 100), learning
        ``rate`` (0.01 to 10), ``seed``, ``epochs`` (1 to 10,000).
    """

    watch = 60  # epochs in which the second line appears, and both turn to the axes

    def __init__(self, **options: Any) -> None:
        controls: dict[str, Any] = {
            "hidden": whole("Hidden units", 8, 1, 16),
            "points": whole("Training points", 40, 4, 100, width="180px"),
            "rate": log_slider("Learning rate η", 0.2, -2, 1, live=False),
            "seed": whole("Seed", 0, 0, 10**6, width="110px"),
            "epochs": whole("Epochs", 200, 1, 10**4, width="130px"),
        }
        super().__init__(set_controls(controls, options))

    def _begin(self, hidden: int, points: int, rate: float, seed: int, epochs: int) -> tuple[Iterator[Any], int]:
        data = datasets["signed_xor"]
        training, test = data.train(samples=points, seed=seed), data.test(seed=seed)
        self._use((points, seed, epochs), lambda: LayerProgress(training, test, 1, total=epochs, size=GRID))
        self.net = ScalarNet(hidden, seed)
        return train(self.net, training.X, training.Y, epochs, rate), epochs

    def _record(self, count: int) -> None:
        self.picture.record(count, lambda X: [self.net.predict(X)])

    def _move(self, still: bool) -> None:
        if still:
            self._record_once(self.count)
        assert self.picture.grid is not None
        self.picture.fill([self.net.predict(self.picture.grid.points)])
