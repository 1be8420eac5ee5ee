"""Draw training.gif, the moving picture of the README: four layers that learn at once, epoch by epoch.

python pictures/training.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from helpers.plots.boundaries import DecisionField, Grid, draw_points
from helpers.plots.pictures import new_figure
from helpers.training import accuracy
from helpers.training.runs import Run, Session

EPOCHS = 60
LAYERS = ("layer 1", "layer 2", "layer 3", "output")
PALETTE = 32  # colours, the same for all frames: pixels that stay as they are cost nothing
FRAME, PAUSE = 100, 2500  # milliseconds that a frame stands, and the last


def main() -> None:
    """Train on signed_xor and draw each epoch."""
    torch.set_num_threads(1)
    session = Session(Run(samples=1000, hidden=(100, 100, 10), rules=("local, parallel",), epochs=EPOCHS))
    test, figure = session.test_set, new_figure(8, 2.6)
    grid, axes, canvas = Grid(test.X), figure.subplots(1, len(LAYERS), sharey=True), FigureCanvasAgg(figure)
    fields = [DecisionField(grid, ax, layer) for ax, layer in zip(axes, LAYERS)]
    for ax in axes:
        draw_points(test.X, test.Y, ax, limit=60)
        ax.set(xlabel="", ylabel="")
    frames = []
    for epoch in range(EPOCHS + 1):
        if epoch:
            next(session)
        for field, layer, scores, answer in zip(fields, LAYERS, session.predict(grid.points), session.predict(test.X)):
            field.update(scores)
            field.ax.set_title(f"{layer}: {accuracy(answer, test.Y):.0%}")
        figure.suptitle(f"epoch {epoch} of {EPOCHS}")
        canvas.draw()
        figure.set_layout_engine("none")  # from the first frame on, nothing moves
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    palette = frames[-1].quantize(PALETTE)
    first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    times = [FRAME] * EPOCHS + [PAUSE]
    first.save(Path(__file__).with_suffix(".gif"), save_all=True, append_images=rest, duration=times, loop=0)


if __name__ == "__main__":
    main()
