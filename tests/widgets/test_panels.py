"""Every panel by one table: each control at both ends, words, errors, numbers; how those that train start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop

from helpers import widgets
from helpers.datasets import datasets
from helpers.diff import scalar_net
from helpers.networks import mertens_net
from helpers.options import OneOf, Words
from helpers.training import RULES
from helpers.training.runs import Race
from helpers.widgets import panel as panel_module
from helpers.widgets.controls import option_of
from helpers.widgets.panel import LiveImage
from tests.widgets.conftest import until

SMALL = {"hidden": (16, 16), "activation": "tanh", "normalize": False, "epochs": 9, "samples": 40}
THREE = ["back-propagation", "local, sequential", "constrained, augmented Lagrangian"]
EXPLORERS: dict[str, Callable[[], Any]] = {
    "cycles": widgets.cycle_panel,
    "gradient graphs": widgets.gradient_graph_panel,
    "jacobians": widgets.jacobian_panel,
    "scalar maps": lambda: widgets.idempotent_panel("cobweb of 3a² - 2a³"),
    "descent": widgets.descent_panel,
    "dual numbers": widgets.dual_panel,
    "expressions": widgets.expression_panel,
    "secants": widgets.secant_panel,
}
TRAINERS: dict[str, Callable[[], Any]] = {
    "constraints": lambda: widgets.ConstraintPanel("weights learn: augmented Lagrangian", samples=20),
    "idempotent": lambda: widgets.IdempotentPanel("plane, linear (2-2)", samples=16, epochs=9),
    "playground": lambda: widgets.Playground(hidden=(5, 5), samples=40, epochs=9),
    "scalars": lambda: widgets.ScalarNetPanel(hidden=2, points=6, epochs=9),
    "training": lambda: widgets.TrainingPanel(**SMALL),
    "three rules": lambda: widgets.TrainingPanel(THREE, **SMALL),
}
EACH = pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in TRAINERS.items()])


def ends(control: Any) -> list[Any]:
    """The options of a choice, both ends of a number; of a text nothing else is known to fit."""
    option = option_of(control)
    if isinstance(option, Words):
        return [control.value]
    return list(option.values) if isinstance(option, OneOf) else [option.low, option.high]


def described(panel):
    """What a reader sees, with and without eyes."""
    assert "Description of the figure" in panel.live.words.value
    assert "What to look for" in panel.live.words.value
    return bytes(panel.live.image.value), panel.picture.description


def shown_in(ax):
    """What is drawn in axes: images, texts, lines with a finite point."""
    lines = [np.isfinite(np.asarray(line.get_xydata(), dtype=float)).all(1).any() for line in ax.lines]
    return [*ax.images, *filter(None, lines), *(text for text in ax.texts if text.get_visible() and text.get_text())]


def parameters(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@pytest.mark.parametrize("name", EXPLORERS)
def test_each_control_of_an_explorer_changes_what_is_seen(name):
    panel = EXPLORERS[name]()
    if name == "jacobians":
        panel.run(operation="XB, in X")  # which has an m, an n and a k
    for key, control in panel.controls.items():
        before, seen = control.value, []
        for value in ends(control):
            control.value = value
            assert panel.error is None, (key, value, panel.error)
            parts = panel.answer if isinstance(panel.answer, list) else [panel.answer]
            pictures = [one.image.value for one in panel.shown if isinstance(one, LiveImage)]
            seen.append((*map(str, parts), *pictures))
        assert len(set(seen)) == len(seen), f"{key} changes nothing"
        panel.run(**{key: before})


@pytest.mark.parametrize("name", sorted({*EXPLORERS, *TRAINERS} - {"playground"}))
def test_a_panel_fits_and_no_axes_are_empty_before_the_first_step(name):
    panel = {**EXPLORERS, **TRAINERS}[name]()
    pictures = [panel.live] if name in TRAINERS else [one for one in panel.shown if isinstance(one, LiveImage)]
    for live in pictures:
        width, height = live.canvas.get_width_height()
        assert width <= 960
        assert height <= 500
        assert all(shown_in(ax) for ax in live.picture.figure.axes if ax.axison)
        texts = live.picture.figure.findobj(Text)
        assert min(text.get_fontsize() for text in texts if text.get_text() and text.get_visible()) >= 10


@EACH
def test_both_ends_of_each_control_train(make, undrawn):
    panel = make()
    for key, control in panel.controls.items():
        before = control.value
        values = ends(control)
        for value in values if len(values) < 8 else values[:4]:
            control.value = value
            panel.step()
            assert panel.error is None, (key, value, panel.error)
            assert panel.count >= 1, (key, value)
            if key in ("data", "noise", "samples", "equal", "optimizer", "rate") and hasattr(panel, "race"):
                assert getattr(panel.race.run, key) == pytest.approx(value), key
        control.value = before


@EACH
def test_reset_brings_the_first_picture_back_and_a_run_begins_anew(make):
    panel = make()
    first = described(panel)
    assert (panel.count, panel.error) == (0, None)
    for _ in range(3):
        panel.step()
    three = described(panel)
    assert three[0] != first[0]
    assert three[1] != first[1]
    panel.run()  # so far that the limits of some curves have stretched: that must not be kept
    panel.reset()
    assert described(panel) == first
    assert panel.count == 0
    for _ in range(3):
        panel.step()
    assert described(panel) == three
    png = panel.run(2).png()
    assert panel.run(2) is panel.picture
    assert panel.picture.png() == png
    assert panel.count == 2


@EACH
def test_an_error_is_said_and_the_panel_trains_again(make, monkeypatch):
    panel = make()

    def bad(*_):
        raise ValueError("no answer <today>")

    for hook in ("_record", "_move"):
        monkeypatch.setattr(panel, hook, bad)
        with pytest.raises(ValueError, match="no answer"):
            panel.run(2)
        assert isinstance(panel.error, ValueError)
        assert "no answer &lt;today&gt;" in panel.status.value
        assert 'role="status" class="error"' in panel.status.value
        monkeypatch.undo()
        panel.run(2)
        assert (panel.error, panel.count) == (None, 2)


@EACH
def test_buttons_train_to_the_words_of_a_run_without_hands(make):
    without_hands = make()
    wanted = without_hands.run().words  # what is not drawn depends on the way that the axes have stretched
    live = []

    async def scenario():
        panel = make()
        panel.fast.value = True
        panel.start()
        await until(lambda: panel.count > 1 or panel.phase == "finished")
        if panel.phase != "finished":  # Start would begin anew
            panel.pause()
            panel.start()
        await until(lambda: panel.phase == "finished")
        live.append(panel)

    asyncio.run(scenario())
    (panel,) = live
    assert panel.error is None
    assert panel.count == without_hands.count
    assert panel.picture.x[-1] == panel.total
    assert panel.picture.words == wanted


def test_at_a_pause_every_net_has_taken_the_epochs_that_are_counted(undrawn):
    async def scenario():
        panel = widgets.TrainingPanel(THREE, **SMALL | {"epochs": 60})
        panel.fast.value = True
        for stop in (3, 10):
            panel.start()
            await until(lambda: panel.count >= stop)  # noqa: B023
            panel.pause()
            await until(lambda: panel.phase == "paused")
            count, plain = panel.count, Race(panel.state)
            assert count < 60
            assert len(panel.picture.fields) == 3 * 3
            assert next(k for k in plain if k == count)
            for ours, theirs in zip(panel.sessions, plain.sessions, strict=True):
                assert ours.count == theirs.count == ours.total * count // 60
                assert torch.equal(parameters(ours.model), parameters(theirs.model)), (ours.run.rules, count)

    asyncio.run(scenario())


def test_a_panel_trains_to_the_numbers_of_the_plain_generator(undrawn):
    data = datasets["signed_xor"].train(seed=3)
    for rule in RULES:
        model, epochs = mertens_net(seed=3), 1 if rule == "local, sequential" else 4  # a share for each of four blocks
        list(RULES[rule](model, Rprop, mse_loss, binary_cross_entropy, epochs, [(data.X, data.Y)], seed=3))
        panel = widgets.TrainingPanel(rule, seed=3, epochs=4)
        panel.run()
        assert torch.equal(parameters(panel.sessions[0].model), parameters(model)), rule


def test_the_net_of_scalars_trains_as_its_generator(undrawn):
    data, net = datasets["signed_xor"].train(samples=6, seed=3), scalar_net.ScalarNet(2, seed=3)
    list(scalar_net.train(net, data.X, data.Y, 5, 0.3))
    panel = widgets.ScalarNetPanel(hidden=2, points=6, rate=0.3, seed=3, epochs=5)
    panel.run()
    assert panel.net.numbers() == net.numbers()


@pytest.mark.parametrize("rerun", [True, False])
def test_a_new_panel_of_the_same_cell_pauses_the_old_ones(monkeypatch, undrawn, rerun):
    class Shell:
        message, cell = "1", "cell"

        def get_parent(self):
            return {"metadata": {"cellId": self.cell}, "header": {"msg_id": self.message}}

    shell = Shell()
    monkeypatch.setattr(panel_module, "get_ipython", lambda: shell)

    async def scenario():
        old, beside = (widgets.TrainingPanel(**SMALL | {"epochs": 10**5}) for _ in range(2))
        for panel in (old, beside):
            panel.start()
        await until(lambda: old.count > 0 and beside.count > 0)
        assert old.phase == beside.phase == "running"
        shell.message, shell.cell = "2", "cell" if rerun else "another cell"
        widgets.TrainingPanel(**SMALL)
        if rerun:
            await until(lambda: old.phase == beside.phase == "paused")
        else:
            count = old.count
            await until(lambda: old.count > count)
        for panel in (old, beside):
            panel.pause()
        await until(lambda: old.phase == beside.phase == "paused")

    asyncio.run(scenario())


@pytest.mark.parametrize("make", [TRAINERS["three rules"], TRAINERS["playground"]])
def test_a_live_frame_is_the_picture_drawn_whole(make):
    panel = make()
    panel.run(3)
    live = panel.live
    live.show()
    frame = np.asarray(live.canvas.buffer_rgba())[:, :, :3].astype(int)
    for artist in (*live.picture.changing, *live.picture.slow):
        artist.set_animated(False)
    live.canvas.draw()
    whole = np.asarray(live.canvas.buffer_rgba())[:, :, :3].astype(int)
    apart = np.abs(frame - whole).max(axis=2) > 60
    assert apart.mean() < 0.001
    moved = np.abs(np.roll(frame, 6, axis=1) - whole).max(axis=2) > 60
    assert moved.mean() > 0.02
