"""The first thing to touch: a point on a curve, which leaves the slope of its tangent behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.diff.forward import derivative
from helpers.plots.curves import Tangent
from helpers.plots.pictures import Handle, finite
from helpers.widgets.controls import slider
from helpers.widgets.panel import Explorer


def tangent_panel(f: Callable[[Any], Any], low: float = -3.0, high: float = 3.0) -> Explorer:
    """Drag a point along a curve; each place leaves a dot at the slope of its tangent.

    Parameters
    ----------
    f : callable
        A function of one number, written with operators and the functions of ``helpers.diff``, finite and with a
        derivative from ``low`` to ``high``.
    low, high : float
        The ends of the axis.
    """
    x = np.linspace(low, high, 121)
    values, slopes = ([float(of(float(v))) for v in x] for of in (f, lambda v: derivative(f, v)))
    picture = Tangent(x, finite("f", values, "(x,)", 1), finite("f's slope", slopes, "(x,)", 1))
    place = slider("point at x", low + (high - low) / 4, low, high, (high - low) / 300, show=".2f")
    picture.handles = [Handle("the point", picture.ax, lambda: picture.place, lambda x, _: {"x": x})]

    def show(x: float) -> list[Any]:
        value, slope = float(f(x)), float(derivative(f, x))
        picture.update(x, value, slope)
        return [f"x = {x:.2f}, f(x) = {value:.3f}, slope {slope:.3f}".replace("-", "−"), picture]

    quarters = [{"x": low + i * (high - low) / 4} for i in (1, 2, 3)]
    return Explorer(show, settings_shown=quarters, x=place)
