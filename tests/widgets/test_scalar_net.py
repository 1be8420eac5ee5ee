"""The panel of the net of Scalars without a browser: it trains as the generator does, at both ends of its controls."""

from __future__ import annotations

import asyncio

import pytest

from helpers.datasets import datasets
from helpers.diff.scalar_net import ScalarNet, train
from helpers.widgets.controls import ends
from helpers.widgets.scalar_net import ScalarNetPanel

SMALL = {"hidden": 2, "points": 6, "epochs": 5}


def test_it_trains_to_the_numbers_of_the_generator_and_ends_in_a_figure():
    data, net = datasets["signed_xor"].train(samples=6, seed=3), ScalarNet(2, seed=3)
    list(train(net, data.X, data.Y, 5, 0.2))
    panel = ScalarNetPanel(seed=3, **SMALL)
    picture = panel.run()
    assert panel.net.numbers() == net.numbers()
    assert panel.runner.count == 5
    assert "after epoch 5" in picture.description
    assert picture.png().startswith(b"\x89PNG")
    assert "Description of the figure" in panel.live.words.value


def test_start_trains_to_the_end_on_a_loop():
    async def scenario():
        panel = ScalarNetPanel(**SMALL)
        panel.runner.start()
        for _ in range(1000):
            if panel.runner.state == "finished":
                break
            await asyncio.sleep(0.01)
        assert panel.runner.state == "finished"
        assert panel.error is None
        assert panel.runner.count == 5

    asyncio.run(scenario())


def test_the_boundary_moves_and_reset_brings_the_first_picture_back():
    panel = ScalarNetPanel(**SMALL)
    first = bytes(panel.live.moving.value)
    panel.runner.step()
    assert bytes(panel.live.moving.value) != first
    panel.runner.reset()
    assert bytes(panel.live.moving.value) == first
    assert panel.runner.count == 0


@pytest.mark.parametrize("name", ["hidden", "points", "rate", "seed", "epochs"])
def test_both_ends_of_every_control_train(name):
    panel = ScalarNetPanel(**SMALL)
    for value in ends(panel.controls[name]):
        panel.controls[name].value = value
        panel.runner.step()
        assert panel.error is None
        assert panel.runner.count == 1


def test_an_error_is_said_and_the_panel_trains_again(monkeypatch):
    panel = ScalarNetPanel(**SMALL)

    def broken(points):
        raise ValueError("no answer <today>")

    monkeypatch.setattr(panel.net, "predict", broken)
    panel.runner.step()
    assert "no answer &lt;today&gt;" in panel.runner.status.value
    assert isinstance(panel.error, ValueError)
    panel.run(2)
    assert panel.error is None


@pytest.mark.parametrize("change", [{"hidden": 0}, {"points": 1000}, {"rate": -1.0}, {"seed": -1}, {"epochs": 0}])
def test_numbers_out_of_range_are_refused_by_name(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be "):
        ScalarNetPanel(**SMALL | change)
