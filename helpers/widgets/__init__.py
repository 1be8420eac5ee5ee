"""What readers touch: panels with buttons over training generators and live pictures."""

from helpers.widgets.explorer import Explorer
from helpers.widgets.panels import TrainingPanel
from helpers.widgets.runner import Runner

__all__ = ["Explorer", "Runner", "TrainingPanel"]
