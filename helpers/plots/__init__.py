"""Pictures: they take arrays, steps and ``predict(points) -> scores``, and know no optimiser.

Each function returns a `Picture` that shows itself in a notebook; some can be updated in place.
"""

from helpers.plots.boundaries import DecisionField, decision_boundary, plot_dataset
from helpers.plots.curves import Curves, Recording, plot_curves, plot_spread
from helpers.plots.jacobians import plot_jacobian
from helpers.plots.pictures import Picture
from helpers.plots.progress import LayerProgress, plot_backprop_progress, plot_local_progress
from helpers.plots.traces import plot_trace

__all__ = [
    "Curves",
    "DecisionField",
    "LayerProgress",
    "Picture",
    "Recording",
    "decision_boundary",
    "plot_backprop_progress",
    "plot_curves",
    "plot_dataset",
    "plot_jacobian",
    "plot_local_progress",
    "plot_spread",
    "plot_trace",
]
