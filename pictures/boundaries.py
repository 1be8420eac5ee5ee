"""Draw boundaries.png, the picture of the README: what every layer has learned, rule by rule, from one start.

python pictures/boundaries.py
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.networks import mertens_net
from helpers.plots.boundaries import DecisionField, Grid, draw_points
from helpers.plots.pictures import new_figure
from helpers.training import RULES, accuracy, fit_decoders, layer_scores

EPOCHS = {"back-propagation": 30, "local, parallel": 30, "local, sequential": 20}
LAYERS = ("layer 1", "layer 2", "layer 3", "output")


def main() -> None:
    """Train three nets on signed_xor and draw twelve boundaries."""
    torch.set_num_threads(1)
    train, test = datasets["signed_xor"].train(), datasets["signed_xor"].test()
    start = mertens_net(seed=0)
    figure = new_figure(10, 7.6)
    grid, axes = Grid(test.X, 100), figure.subplots(len(EPOCHS), len(LAYERS), sharex=True, sharey=True)
    for row, (name, epochs) in zip(axes, EPOCHS.items()):
        model = copy.deepcopy(start)
        rule = RULES[name]
        *_, step = rule(model, Rprop, mse_loss, binary_cross_entropy, epochs, [(train.X, train.Y)], seed=0)
        decoders = step.decoders if hasattr(step, "decoders") else fit_decoders(model, train.X, train.Y)
        fields, answers = (layer_scores(model, decoders, X) for X in (grid.points, test.X))
        for ax, layer, scores, answer in zip(row, LAYERS, fields, answers):
            DecisionField(grid, ax, f"{layer}: {accuracy(answer, test.Y):.0%}").update(scores)
            draw_points(test.X, test.Y, ax, limit=60)
            ax.set(xlabel="", ylabel="")
        budget = f"{epochs} epochs" + (" a layer" if name == "local, sequential" else "")
        row[0].set_ylabel(f"{name}\n{budget}", fontsize=12)
    figure.savefig(Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
