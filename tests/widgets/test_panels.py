"""Every panel by one table: each control at both ends, words, errors, numbers; how those that train start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop

from helpers import widgets
from helpers.datasets import datasets
from helpers.diff import scalar_net
from helpers.networks import mertens_net
from helpers.options import OneOf, Words
from helpers.training import RULES
from helpers.training.runs import Run, Session
from helpers.widgets import panel as panel_module
from helpers.widgets.controls import option_of
from helpers.widgets.panel import LiveImage
from helpers.widgets.playground import NETS

SMALL = {"net": "16-16 tanh", "epochs": 9, "samples": 40}
THREE = ["back-propagation", "local, sequential", "constrained, augmented Lagrangian"]
EXPLORERS: dict[str, Callable[[], Any]] = {
    "cycles": widgets.cycle_panel,
    "gradient graphs": widgets.gradient_graph_panel,
    "jacobians": widgets.jacobian_panel,
    "scalar maps": lambda: widgets.idempotent_panel("cobweb of 3a² - 2a³"),
    "step sizes": widgets.step_size_panel,
}
TRAINERS: dict[str, Callable[[], Any]] = {
    "constraints": lambda: widgets.constraint_panel("weights learn: augmented Lagrangian", samples=20),
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


async def until(condition, seconds=200.0):
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it did not happen"
        await asyncio.sleep(0.01)


def described(panel):
    """What a reader sees, with and without eyes."""
    assert "Description of the figure" in panel.live.words.value
    assert "What to look for" in panel.live.words.value
    return bytes(panel.live.image.value), panel.picture.description


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
            drawings = [part.drawing.source for part in parts if hasattr(part, "drawing")]
            seen.append((*map(str, parts), *pictures, *drawings))
        assert len(set(seen)) == len(seen), f"{key} changes nothing"
        panel.run(**{key: before})


@EACH
def test_both_ends_of_each_control_train(make, monkeypatch):
    for name in ("show", "write", "refresh", "describe"):  # the drawing is the same whatever has been computed
        monkeypatch.setattr(LiveImage, name, lambda self: None)
    panel = make()
    for key, control in panel.controls.items():
        before = control.value
        values = ends(control)
        for value in values if len(values) < 8 else values[:4]:
            control.value = value
            panel.runner.step()
            assert panel.error is None, (key, value, panel.error)
            assert panel.runner.count >= 1, (key, value)
            if key in ("data", "noise", "samples", "equal", "optimizer", "rate") and hasattr(panel, "race"):
                assert getattr(panel.race.run, key) == pytest.approx(value), key
        control.value = before


@EACH
def test_reset_brings_the_first_picture_back_and_a_run_begins_anew(make):
    panel = make()
    first = described(panel)
    assert (panel.runner.count, panel.error) == (0, None)
    for _ in range(3):
        panel.runner.step()
    moved = described(panel)
    assert moved[0] != first[0]
    assert moved[1] != first[1]
    panel.runner.reset()
    assert described(panel) == first
    assert panel.runner.count == 0
    png = panel.run(2).png()
    assert panel.run(2) is panel.picture
    assert panel.picture.png() == png
    assert panel.runner.count == 2
    for steps in (0, -1, True, 1.5, "3", 10**7):
        with pytest.raises((TypeError, ValueError), match="steps must be"):
            panel.run(steps)


@EACH
def test_an_error_is_said_and_the_panel_trains_again(make, monkeypatch):
    panel = make()

    def bad(*_):
        raise ValueError("no answer <today>")

    monkeypatch.setattr(panel, "_record", bad)
    with pytest.raises(ValueError, match="no answer"):
        panel.run(2)
    assert isinstance(panel.error, ValueError)
    assert "no answer &lt;today&gt;" in panel.runner.status.value
    assert 'role="status" class="error"' in panel.runner.status.value
    monkeypatch.undo()
    panel.run(2)
    assert (panel.error, panel.runner.count) == (None, 2)


@EACH
def test_buttons_train_to_the_words_of_a_run_without_hands(make):
    without_hands = make()
    wanted = without_hands.run().words  # what is not drawn depends on the way that the axes have stretched
    live = []

    async def scenario():
        panel = make()
        panel.runner.start()
        await until(lambda: panel.runner.count > 1 or panel.runner.state == "finished")
        if panel.runner.state != "finished":  # Start would begin anew
            panel.runner.pause()
            panel.runner.start()
        await until(lambda: panel.runner.state == "finished")
        live.append(panel)

    asyncio.run(scenario())
    (panel,) = live
    assert panel.error is None
    assert panel.runner.count == without_hands.runner.count
    assert panel.picture.x[-1] == panel.runner.total
    assert panel.picture.words == wanted


@pytest.mark.parametrize("rule", RULES)
def test_a_panel_trains_to_the_numbers_of_the_plain_generator(rule):
    data, model = datasets["signed_xor"].train(seed=3), mertens_net(seed=3)
    epochs = 1 if rule == "local, sequential" else 4  # of which each of the four blocks gets its share
    list(RULES[rule](model, Rprop, mse_loss, binary_cross_entropy, epochs, [(data.X, data.Y)], seed=3))
    panel = widgets.TrainingPanel(rule, seed=3, epochs=4)
    panel.run()
    found = panel.sessions[0].model.parameters()
    assert all(torch.equal(p, q) for p, q in zip(found, model.parameters(), strict=True))


def test_three_rules_side_by_side_are_the_three_alone():
    together = widgets.TrainingPanel(THREE, net="16-16 tanh", epochs=6)
    together.run()
    assert len(together.picture.fields) == 3 * 3
    for rule, session in zip(THREE, together.sessions, strict=True):
        alone = Session(Run(rules=(rule,), samples=1000, **NETS["16-16 tanh"], epochs=6))
        list(alone)
        assert all(torch.equal(p, q) for p, q in zip(session.model.parameters(), alone.model.parameters()))


def test_the_net_of_scalars_trains_as_its_generator():
    data, net = datasets["signed_xor"].train(samples=6, seed=3), scalar_net.ScalarNet(2, seed=3)
    list(scalar_net.train(net, data.X, data.Y, 5, 0.3))
    panel = widgets.ScalarNetPanel(hidden=2, points=6, rate=0.3, seed=3, epochs=5)
    panel.run()
    assert panel.net.numbers() == net.numbers()


def test_a_wild_learning_rate_leaves_finite_parameters():
    panel = widgets.TrainingPanel("back-propagation", net="32-32-32 tanh", optimizer="SGD", rate=10.0, epochs=30)
    panel.run()
    assert all(torch.isfinite(p).all() for p in panel.sessions[0].model.parameters())


@pytest.mark.parametrize("rerun", [True, False])
def test_a_new_panel_of_the_same_cell_pauses_the_old_ones(monkeypatch, rerun):
    class Shell:
        message, cell = "1", "cell"

        def get_parent(self):
            return {"metadata": {"cellId": self.cell}, "header": {"msg_id": self.message}}

    shell = Shell()
    monkeypatch.setattr(panel_module, "get_ipython", lambda: shell)

    async def scenario():
        old, beside = (widgets.TrainingPanel(**SMALL | {"epochs": 10**5}) for _ in range(2))
        for panel in (old, beside):
            panel.runner.start()
        await until(lambda: old.runner.count > 0 and beside.runner.count > 0)
        assert old.runner.state == beside.runner.state == "running"
        shell.message, shell.cell = "2", "cell" if rerun else "another cell"
        widgets.TrainingPanel(**SMALL)
        if rerun:
            await until(lambda: old.runner.state == beside.runner.state == "paused")
        else:
            count = old.runner.count
            await until(lambda: old.runner.count > count)
        for panel in (old, beside):
            panel.runner.pause()
        await until(lambda: old.runner.state == beside.runner.state == "paused")

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
