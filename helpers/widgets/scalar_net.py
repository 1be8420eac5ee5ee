"""A panel in which a net of Scalars learns signed_xor, number by number.

>>> panel = ScalarNetPanel(hidden=3, points=8, epochs=4)
>>> picture = panel.run()  # without hands; in a notebook, show the panel and press Start
>>> panel.count, panel.error
(4, None)
"""

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

    def __init__(self, **options: Any) -> None:
        controls: dict[str, Any] = {
            "hidden": whole("Hidden units", 8, 1, 16),
            "points": whole("Training points", 40, 4, 100, width="180px"),
            "rate": log_slider("Learning rate η", 0.2, -2, 1, live=False),
            "seed": whole("Seed", 0, 0, 10**6),
            "epochs": whole("Epochs", 200, 1, 10**4),
        }
        super().__init__(set_controls(controls, options))

    def _begin(self, hidden: int, points: int, rate: float, seed: int, epochs: int) -> tuple[Iterator[Any], int]:
        training_set, test_set = (
            datasets["signed_xor"].train(samples=points, seed=seed),
            datasets["signed_xor"].test(seed=seed),
        )
        self._use((points, seed, epochs), lambda: LayerProgress(training_set, test_set, 1, total=epochs, size=GRID))
        self.net = ScalarNet(hidden, seed)
        return train(self.net, training_set.X, training_set.Y, epochs, rate), epochs

    def _record(self, count: int) -> None:
        self.picture.record(count, lambda X: [self.net.predict(X)])

    def _move(self, still: bool) -> None:
        if still:
            self._record_once(self.count)
        assert self.picture.grid is not None
        self.picture.fill([self.net.predict(self.picture.grid.points)])
