"""The training panel without a browser: equal numbers, both ends of every control, errors in words."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.networks import mertens_net
from helpers.training import RULES, TrainingError
from helpers.training.runs import OPTIMIZERS, Run, Session
from helpers.widgets import TrainingPanel, cells
from helpers.widgets.panels import NETS

SMALL = {"net": "16-16 tanh", "epochs": 9}


async def until(condition, seconds=20.0):
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it did not happen"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("rule", RULES)
def test_a_panel_trains_to_the_numbers_of_the_plain_generator(rule):
    data, model = datasets["signed_xor"].train(seed=3), mertens_net(seed=3)
    epochs = 2 if rule == "local, sequential" else 8
    list(RULES[rule](model, Rprop, mse_loss, binary_cross_entropy, epochs, [(data.X, data.Y)], seed=3))
    without_hands = TrainingPanel(rule, seed=3, epochs=8)
    without_hands.run()
    live = []

    async def with_buttons():
        panel = TrainingPanel(rule, seed=3, epochs=8)
        panel.runner.start()
        await until(lambda: panel.runner.state == "finished")
        live.append(panel)

    asyncio.run(with_buttons())
    for panel in (without_hands, *live):
        assert panel.runner.count == 8
        found = panel.sessions[0].model.parameters()
        assert all(torch.equal(p, q) for p, q in zip(found, model.parameters(), strict=True))


def test_reset_brings_the_first_picture_back():
    panel = TrainingPanel(**SMALL)
    assert panel.error is None
    first = bytes(panel.live.moving.value)
    for _ in range(3):
        panel.runner.step()
    assert bytes(panel.live.moving.value) != first
    panel.runner.reset()
    assert bytes(panel.live.moving.value) == first
    assert panel.runner.count == 0


def test_run_ends_in_a_figure_with_curves_and_words():
    panel = TrainingPanel(**SMALL)
    picture = panel.run()
    assert "output: test accuracy" in picture.description
    assert len(picture.x) >= 5
    assert picture.png().startswith(b"\x89PNG")
    assert "Description of the figure" in panel.live.words.value
    assert 'role="status"' in panel.runner.status.value


def test_three_rules_side_by_side_are_the_three_alone():
    rules = ["back-propagation", "local, sequential", "constrained, augmented Lagrangian"]
    together = TrainingPanel(rules, **SMALL | {"epochs": 6})
    together.run()
    assert len(together.live.picture.fields) == 3 * 3
    for rule, session in zip(rules, together.sessions, strict=True):
        alone = Session(Run(rules=(rule,), samples=1000, **NETS["16-16 tanh"], epochs=6))
        list(alone)
        assert all(torch.equal(p, q) for p, q in zip(session.model.parameters(), alone.model.parameters()))


@pytest.mark.parametrize("name", ["data", "rule", "net", "optimizer", "size"])
def test_every_choice_trains(name):
    panel = TrainingPanel(**SMALL | {"epochs": 3})
    control = panel.controls[name]
    values = [option[1] if isinstance(option, tuple) else option for option in control.options]
    for value in [*values, values[0]]:
        control.value = value
        panel.runner.step()
        assert panel.error is None, (value, panel.error)
        assert panel.runner.count == 1


@pytest.mark.parametrize(("name", "ends"), [("rate", (1e-4, 10.0)), ("seed", (0, 10**6)), ("epochs", (1, 10**5))])
def test_every_number_trains_at_both_ends(name, ends):
    panel = TrainingPanel(**SMALL)
    for value in (*ends, ends[0]):
        panel.controls[name].value = value
        panel.runner.step()
        assert panel.error is None
        assert panel.runner.count == 1
        assert getattr(panel.setting, name) == pytest.approx(value)
    for value in (0.1, 0.9):
        panel.share.value = value
        assert panel.runner.share == value


def test_an_error_is_said_and_the_panel_trains_again(monkeypatch):
    panel = TrainingPanel(**SMALL)
    session = panel.sessions[0]

    def bad(*_):
        raise TrainingError("the loss is nan")

    monkeypatch.setattr(type(session), "__next__", bad)
    panel.runner.step()
    assert isinstance(panel.error, TrainingError)
    assert "the loss is nan" in panel.runner.status.value
    with pytest.raises(TrainingError):
        panel.run(2)
    monkeypatch.undo()
    panel.run(2)
    assert panel.error is None
    assert panel.runner.count == 2


def test_a_wild_learning_rate_leaves_finite_parameters():
    panel = TrainingPanel("back-propagation", net="32-32-32 tanh", optimizer="SGD", rate=10.0, epochs=30)
    panel.run()
    assert all(torch.isfinite(p).all() for p in panel.sessions[0].model.parameters())


def test_a_new_panel_of_the_same_cell_pauses_the_old_one(monkeypatch):
    class Shell:
        message = "1"

        def get_parent(self):
            return {"metadata": {"cellId": "cell"}, "header": {"msg_id": self.message}}

    shell = Shell()
    monkeypatch.setattr(cells, "get_ipython", lambda: shell)

    async def scenario():
        old, beside = TrainingPanel(**SMALL | {"epochs": 10**5}), TrainingPanel(**SMALL | {"epochs": 10**5})
        for panel in (old, beside):
            panel.runner.start()
        await until(lambda: old.runner.count > 0 and beside.runner.count > 0)
        assert old.runner.state == beside.runner.state == "running"
        shell.message = "2"
        TrainingPanel(**SMALL)
        await until(lambda: old.runner.state == beside.runner.state == "paused")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rule": "magic"}, "rule must be among back-propagation"),
        ({"rule": []}, "rule must be one or more different names"),
        ({"net": "huge"}, "net must be one of"),
        ({"optimizer": "Newton"}, "optimizer must be one of Rprop"),
        ({"rate": -1.0}, "rate must be a number from 0.0001"),
        ({"epochs": 0}, "epochs must be a whole number from 1"),
        ({"share": 1.5}, "share"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        TrainingPanel(**arguments)


def test_names_offered_are_names_that_exist():
    panel = TrainingPanel(**SMALL)
    assert set(panel.controls["net"].options) == set(NETS)
    assert set(panel.controls["optimizer"].options) == set(OPTIMIZERS)
    assert "normal" not in panel.controls["data"].options


@pytest.mark.parametrize("net", ["16-16 tanh", "100-100-10 Mish"])
def test_a_live_frame_is_the_picture_drawn_whole(net):
    panel = TrainingPanel(["local, parallel", "back-propagation"], net=net, epochs=2)
    panel.run()
    live, upper = panel.live, slice(0, panel.live.cut)
    live.show()
    frame = np.asarray(live.canvas.buffer_rgba())[upper, :, :3].astype(int)
    for artist in (*live.layers, *live.picture.covering, *live.picture.slow):
        artist.set_animated(False)
    live.canvas.draw()
    whole = np.asarray(live.canvas.buffer_rgba())[upper, :, :3].astype(int)
    apart = np.abs(frame - whole).max(axis=2) > 60
    assert apart.mean() < 0.001
    moved = np.abs(np.roll(frame, 6, axis=1) - whole).max(axis=2) > 60
    assert moved.mean() > 0.02
