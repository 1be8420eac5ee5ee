"""Pictures: they take arrays, steps and ``predict(points) -> scores``, and know no optimiser.

Each function returns a `Picture` that shows itself in a notebook and can be updated in place.
"""

from helpers.plots.boundaries import DecisionField, decision_boundary, plot_dataset
from helpers.plots.curves import Curves, plot_curves, plot_spread
from helpers.plots.pictures import Picture
from helpers.plots.progress import LayerProgress, plot_backprop_progress, plot_local_progress

__all__ = [
    "Curves",
    "DecisionField",
    "LayerProgress",
    "Picture",
    "decision_boundary",
    "plot_backprop_progress",
    "plot_curves",
    "plot_dataset",
    "plot_local_progress",
    "plot_spread",
]
