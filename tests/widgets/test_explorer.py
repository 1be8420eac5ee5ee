"""A panel without training: every control answers, an error is said in words and loses nothing."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from helpers.options import OneOf, Real, Whole, Words
from helpers.plots import plot_curves
from helpers.widgets import Explorer
from helpers.widgets.controls import choice, log_slider, more, option_of, slider, text_box, whole


def test_the_answer_follows_the_control_and_is_shown():
    panel = Explorer(lambda n, of: [f"{n} <times>", f"{of}"], n=slider("n", 3, 0, 9), of=choice("of", ["a", "b"]))
    assert "3 &lt;times&gt;" in panel.shown[0].value
    panel.controls["n"].value = 5
    panel.controls["of"].value = "b"
    assert "5 &lt;times&gt;" in panel.shown[0].value
    assert ">b<" in panel.shown[1].value
    assert panel.run(n=7, of="a") == ["7 <times>", "a"]


def test_an_error_is_said_in_words_and_the_former_answer_stays():
    panel = Explorer(lambda x: f"{1 / x}", x=slider("x", 2, 0, 4))
    before = panel.shown[0].value
    panel.controls["x"].value = 0
    assert isinstance(panel.error, ZeroDivisionError)
    assert "division by zero" in panel.status.value
    assert 'role="alert"' in panel.status.value
    assert panel.shown[0].value == before
    with pytest.raises(ZeroDivisionError):
        panel.run(x=0)
    assert panel.run(x=1) == "1.0"
    assert (panel.error, panel.status.value) == (None, "")
    with pytest.raises(TypeError, match="no option is called 'y'; there are x"):
        panel.run(y=1)


def test_a_picture_is_shown_as_an_image_and_updated_in_place():
    x = np.arange(5.0)
    curves = plot_curves(x, {"line": x}, x_label="x", y_label="y", look_for="the slope")
    curves.slow = curves.changing
    curves.changing = []

    def show(slope):
        curves.update(x, {"line": slope / 4 * x})
        return curves

    panel = Explorer(show, slope=slider("slope", 4, 0, 4))
    first = bytes(panel.shown[0].image.value)
    live = panel.shown[0]
    panel.run(slope=1)
    assert panel.shown[0] is live
    assert bytes(live.image.value) != first
    assert panel.run(slope=4) is curves
    assert bytes(live.image.value) == first
    assert "the slope" in live.words.value


def test_many_changes_before_the_loop_has_time_are_one_answer():
    async def scenario():
        asked = []
        panel = Explorer(lambda n: asked.append(n) or str(n), n=slider("n", 0, 0, 99))
        for n in range(1, 50):
            panel.controls["n"].value = n
        await asyncio.sleep(0.05)
        assert asked == [0, 49]
        assert "49" in panel.shown[0].value

    asyncio.run(scenario())


def test_a_control_says_what_it_can_hold_and_what_it_is():
    for control, option in (
        (choice("a", [("one", 1), "two"]), OneOf([1, "two"])),
        (slider("a", 1, -2, 5), Whole(-2, 5)),
        (slider("a", 0.5, 0.0, 1.0, 0.1), Real(0.0, 1.0)),
        (log_slider("a", 0.1, -3, 2), Real(0.001, 100.0)),
        (whole("a", 1, 0, 9), Whole(0, 9)),
        (text_box("a", "x + 1"), Words()),
    ):
        assert option_of(control) == option
        assert control.style.description_width == "initial"
        assert control.description


def test_a_control_that_does_nothing_is_disabled_and_says_why():
    panel = Explorer(
        lambda rule, momentum: f"{rule} {momentum}",
        idle=lambda rule, momentum: {"momentum": "Only SGD has a momentum"} if rule != "SGD" else {},
        rule=choice("Rule", ["SGD", "Rprop"]),
        momentum=slider("Momentum", 0.9, 0.0, 1.0, 0.1),
    )
    momentum = panel.controls["momentum"]
    assert (momentum.disabled, momentum.tooltip) == (False, "")
    panel.controls["rule"].value = "Rprop"
    assert (momentum.disabled, momentum.tooltip) == (True, "Only SGD has a momentum")
    assert panel.run(momentum=0.5) == "Rprop 0.5"
    panel.run(rule="SGD")
    assert (momentum.disabled, momentum.tooltip) == (False, "")


def test_controls_can_be_folded_away():
    button, box = more([whole("Every", 3, 1, 9)])
    assert (button.description, box.layout.display) == ("More", "none")
    button.value = True
    assert box.layout.display is None
    button.value = False
    assert box.layout.display == "none"


def test_an_explorer_is_made_of_a_function_and_controls():
    for value in (3, "3", None, [1]):
        with pytest.raises(TypeError, match="x must be a control"):
            Explorer(lambda x: x, x=value)
        with pytest.raises(TypeError, match="show must be a function"):
            Explorer(value, x=slider("x", 1, 0, 3))
