"""Own points for a panel: uploaded, given in code, or painted by hand, class by class, in the fields of its picture."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ipywidgets import HTML, Button, Dropdown, FileUpload, Layout
from pandas import DataFrame
from torch import as_tensor, cat

from helpers.datasets import Floats, Points, one_hot
from helpers.own_data import read_points
from helpers.plots.boundaries import class_of
from helpers.training.runs import OWN
from helpers.widgets.controls import row

OFF, CLASSES, MOST = -1, 4, 1000  # classes and points that can be painted
APART = 0.04  # at least, from one point of a stroke to the next


def is_source(data: Any) -> bool:
    """Return whether what is given as data is a table or a file, and no name of a data set."""
    return isinstance(data, DataFrame | bytes | Path) or (isinstance(data, str) and data.lower().endswith(".csv"))


class OwnData:
    """The ``points`` of a panel's reader, None without any, and a ``row`` of controls to paint, clear and upload.

    ``use`` is called with what changes the points and returns the ``name`` that a run has them by, "" without any.
    ``drawn``: only points of the plane and square images will do.
    """

    def __init__(self, use: Callable[[Callable[[], str]], None], drawn: bool) -> None:
        self.points: Points | None = None
        self.drawn, self.words = drawn, HTML()
        self.name = self.base = self.origin = ""  # base: the name before anything was painted
        self.painted, self.last = 0, (math.inf, math.inf)
        classes = [("off", OFF), *((f"class {c}", c) for c in range(CLASSES))]
        self.paint = Dropdown(description="Paint", options=classes, layout=Layout(width="130px"))
        self.paint.style.description_width = "initial"
        self.erase = Button(
            description="Clear", icon="eraser", tooltip="Forget the own points", layout=Layout(width="80px")
        )
        self.upload = FileUpload(description="CSV", accept=".csv", multiple=False, layout=Layout(width="90px"))
        self.upload.tooltip = "Upload a CSV file with the columns x0, x1, class"
        self.row = row([self.paint, self.erase, self.upload])
        self.erase.on_click(lambda _: use(self.clear))
        self.upload.observe(lambda change: use(lambda: self.open(change.new)), "value")

    def open(self, files: Sequence[Any]) -> str:
        """Take over an uploaded file; a ValueError says what is wrong with it, by line and column."""
        return self.read(bytes(files[-1]["content"]), files[-1]["name"]) if files else self.name

    def read(self, source: Any, name: str = "") -> str:
        """Take over a table or a file, scaled where it is far from -1 to 1."""
        found = read_points(source, ratio=0.5, name=name)
        both = found.train(), found.test()
        X, Y = (cat([getattr(points, part) for points in both]).numpy().astype(float) for part in "XY")
        if self.drawn and X.shape[1] != 2 and math.isqrt(X.shape[1]) ** 2 != X.shape[1]:
            raise ValueError(f"data must have two inputs, or the pixels of a square image, got {X.shape[1]} inputs")
        largest, scaled = np.abs(X).max(), ""
        if X.shape[1] == 2 and not 0.5 <= largest <= 1.5:
            low, high = X.min(0), X.max(0)
            X = 2 * (X - low) / np.where(high > low, high - low, 1) - 1
            scaled = "".join(f"; x{i}: {a:.3g} to {b:.3g} is now -1 to 1" for i, (a, b) in enumerate(zip(low, high)))
        elif X.shape[1] > 2 and largest > 1.5:
            X, scaled = X / largest, f"; divided by {largest:.3g}"
        self.origin, self.painted = re.sub(r"[;=|#\s]+", " ", found.description.partition(":")[0])[:40], 0
        self.words.value = found.description.rpartition(";")[0] + scaled
        self.base = self._keep(X, Y)
        return self.base

    def dab(self, x: float, y: float) -> str:
        """Paint a point of the chosen class, unless it is too near to the one before."""
        if self.paint.value == OFF or math.hypot(x - self.last[0], y - self.last[1]) < APART or self.painted >= MOST:
            return self.name
        X, Y = (self.points.X.numpy(), self.points.Y.numpy()) if self.points else (np.zeros((0, 2)), np.zeros((0, 1)))
        if X.shape[1] != 2:
            raise ValueError(f"points can be painted in the plane only, and these have {X.shape[1]} inputs; clear them")
        self.last, self.painted = (x, y), self.painted + 1
        classes = np.append(class_of(Y), self.paint.value)
        self.words.value = f"{self.painted} painted"
        return self._keep(np.append(X, [[x, y]], 0), one_hot(classes, max(2, Y.shape[1], int(self.paint.value) + 1)))

    def clear(self) -> str:
        """Forget the own points."""
        self.points, self.name, self.base, self.origin, self.words.value = None, "", "", "", ""
        self.painted, self.last = 0, (math.inf, math.inf)
        return self.name

    def _keep(self, X: Floats, Y: Floats) -> str:
        """Keep the points under a name that says where they come from, and which no others have."""
        self.points = Points(as_tensor(X.astype(np.float32)), as_tensor(Y.astype(np.float32)))
        check = zlib.crc32(self.points.X.numpy().tobytes() + self.points.Y.numpy().tobytes())
        by_hand = f"{self.painted} painted by hand" if self.painted else ""
        self.name = f"{' and '.join(filter(None, (self.origin, by_hand)))}, {len(X)} points #{check:08x}"
        OWN[self.name] = self.points
        return self.name
