"""The stepper without a browser: to and fro, played, from any thread; formulas, programs and nets; what it refuses."""

from __future__ import annotations

import asyncio
import math
import threading

import numpy as np
import pytest

from helpers.diff import exp, tanh
from helpers.diff.graph import trace
from helpers.diff.lagrange import Program
from helpers.widgets.stepper import Player, Stepper
from tests.widgets.test_panels import ends

FORMULA, AT = "log(x1) + x1*x2 - sin(x2)", "x1 = 2, x2 = 5"


def seen(stepper):
    return stepper.graph.value, stepper.table.value, stepper.status.value, stepper.player.slider.value


def test_a_step_and_a_step_back_show_the_same_at_every_position():
    stepper = Stepper(FORMULA, AT)
    assert stepper.words == "Step 0 of 14: the inputs are given. Press Step."
    forth = [seen(stepper)]
    for _ in range(14):
        stepper.player.buttons["Step"].click()
        forth.append(seen(stepper))
    assert len(set(forth)) == 15
    stepper.player.buttons["Step"].click()
    assert seen(stepper) == forth[14]  # there is nothing behind the end
    for k in (*reversed(range(14)), 0):
        stepper.player.buttons["Back"].click()
        assert seen(stepper) == forth[k]
    for button, k in (("End", 14), ("Restart", 0)):
        stepper.player.buttons[button].click()
        assert seen(stepper) == forth[k]
    for k in (14, 0, 7):
        stepper.player.slider.value = k
        assert seen(stepper) == forth[k]


def test_the_words_of_each_step_stand_in_the_status_line():
    stepper = Stepper(FORMULA, AT)
    picture = stepper.run(12)
    assert picture.position == 12
    assert "x̄1 += v̄2 · ∂v2/∂x1 = 1 · 5 = 5. So far x̄1 = 5, 1 of 2 addends." in stepper.status.value
    assert 'role="status"' in stepper.status.value
    assert 'role="img"' in stepper.graph.value
    stepper.run()
    assert picture.position == 12  # it stays what it was
    assert "At the end v5 = 11.6521, ∂v5/∂x1 = 5.5, ∂v5/∂x2 = 1.71634." in stepper.words
    assert stepper.run(10**6).position == 14


def test_the_list_leads_to_each_place_and_every_control_has_two_ends():
    stepper = Stepper(FORMULA, AT, mode="forward")
    for place, position in stepper.sweep.jumps().items():
        stepper.jump.value = place
        assert stepper.player.position == position
        assert stepper.jump.value == "a node ..."  # so that the same can be chosen again
    assert "v̇5 complete" in stepper.jump.options
    for name in ("seed", "formula", "at", "mode"):
        for value in ends(stepper.controls[name]):
            stepper.run(**{name: value})
            assert stepper.error is None
            assert stepper.player.position == stepper.player.last == len(stepper.sweep.steps)


def test_another_formula_stays_at_the_end_or_begins_anew():
    stepper = Stepper(FORMULA, AT)
    stepper.run()
    stepper.controls["formula"].value = "x1 * x2"
    assert stepper.player.position == stepper.player.last == 4
    assert "∂v1/∂x1 = 5, ∂v1/∂x2 = 2" in stepper.words
    stepper.player.buttons["Back"].click()
    stepper.controls["formula"].value = "x1 + q"
    assert stepper.player.position == 0
    assert "No value was given for q: taken as 1. Not in the formula: x2." in stepper.problem.value
    stepper.controls["formula"].value = FORMULA
    assert stepper.problem.value == ""
    assert stepper.player.slider.max == 14


def test_forward_mode_with_each_input():
    stepper = Stepper(FORMULA, AT, mode="forward")
    stepper.run(seed="x2")
    assert stepper.words.endswith("At the end v5 = 11.6521, ∂v5/∂x2 = 1.71634.")
    stepper.run(formula="a * b", at="a = 2, b = 3", seed="b")
    assert stepper.words.endswith("∂v1/∂b = 2.")
    assert stepper.controls["seed"].layout.display == "flex"
    stepper.run(mode="values")
    assert stepper.words.endswith("At the end v1 = 6.")
    assert stepper.controls["seed"].layout.display == "none"


def test_names_of_any_spelling_and_constants_that_take_no_value():
    for at in ("µ=2, x=3", "μ=2, x=3", {"μ": 2, "x": 3}):
        assert Stepper("µ*x", at=at).sweep.nodes["v1"].value == 6
    assert Stepper("v1*v2 + v1", at="v1 = 2, v2 = 5").sweep.nodes["v4"].value == 12
    assert Stepper("e*x + pi", "x=3").sweep.nodes["v2"].value == 3 * math.e + math.pi
    stepper = Stepper("e*x", "x=3")
    for name in ("e", "pi", "π"):
        with pytest.raises(ValueError, match=f"at: {name} is a constant in a formula.*choose another name"):
            stepper.run(at=f"{name} = 2, x = 3")


REFUSED = [
    ("", "x = 1", "the formula is empty"),
    ("__import__('os')", "", "no place in a formula"),
    ("1 + 2", "", "nothing to differentiate by"),
    ("log(x)", "x = -1", "log needs x &gt; 0, got -1.0"),
    ("sqrt(x)", "x = 0", "no finite derivative"),
    ("x if x > 0 else 3", "x = -1", "no place in a formula"),
    ("x", "x: 1", "write name = number"),
    ("x", "x = 1e999", "the value of x must be a number"),
    ("+".join(["x"] * 100), "x = 1", "a graph of 100 nodes cannot be followed"),
    ("+".join(["x"] * 1500), "x = 1", "too long to be read"),
]


def test_what_cannot_be_stepped_is_said_and_the_former_graph_stays():
    stepper = Stepper("x * x", "x = 3")
    for formula, at, words in REFUSED:
        stepper.run(2)
        before = seen(stepper)
        with pytest.raises((ValueError, TypeError)):
            stepper.run(formula=formula, at=at)
        assert stepper.error is not None
        assert words in stepper.problem.value
        assert 'role="alert"' in stepper.problem.value
        assert seen(stepper) == before
        stepper.player.buttons["Step"].click()
        assert stepper.player.position == 3
        stepper.run(formula="x * x", at="x = 3")
        assert (stepper.error, stepper.problem.value) == (None, "")


def test_a_bad_call_is_refused_by_name():
    for call, error, words in (
        (lambda: Stepper("x*y", at="x=2, z=5"), ValueError, "at: z is not in the formula 'x.y', which has x, y"),
        (lambda: Stepper("x", mode="sideways"), ValueError, "mode must be one of reverse, forward, values"),
        (lambda: Stepper("x*x", at={"x": "2"}), TypeError, "at: x must be real numbers"),
        (lambda: Stepper(trace(exp, {"x": 1.0}), at="x=2"), ValueError, "already has its own"),
        *[(lambda w=w: Stepper("x*y").run(**w), (TypeError, ValueError), "must be")
          for w in ({"mode": "sideways"}, {"seed": "z"}, {"formula": 3})],
        *[(lambda s=s: Stepper("x*y").run(s), (TypeError, ValueError), "steps must be a whole number")
          for s in (-1, 1.5, True, "3")],
        (lambda: Stepper("x").run(speed=3), TypeError, "no option is called 'speed'; there are formula, at, mode"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            call()


def test_a_trace_a_program_and_a_net():
    table = Stepper(trace(lambda x: x * x + x, {"x": 3.0}))
    table.run()
    assert "∂v2/∂x = 7" in table.words
    assert list(table.controls) == ["mode", "seed"]

    program = Program(inputs=["x"]).let("a", exp, "x").let("f", lambda a, x: a * x, "a", "x")
    with pytest.raises(ValueError, match="nothing has been solved yet"):
        Stepper(program)
    program.solve({"x": -1.0})
    stepper = Stepper(program, output="f")
    stepper.run()
    assert stepper.sweep.state(99).slopes == program.multipliers("f")
    assert "multipliers, downwards" in stepper.table.value
    assert stepper.controls["at"].value == "x = -1.0"
    stepper.run(at="x = 0")
    assert "∂f/∂x = 1." in stepper.words
    assert program.solution["x"] == -1.0
    with pytest.raises(ValueError, match="inputs must be x, got y"):
        stepper.run(at="y = 1")

    rng = np.random.default_rng(0)
    at = {"x": np.array([[1.0], [-0.5]]), "W1": rng.normal(size=(3, 2)), "W2": rng.normal(size=(1, 3))}
    net = Stepper(lambda x, W1, W2: (W2 @ tanh(W1 @ x)) ** 2, at)
    net.run()
    assert "v̄1 x&#x27;" in net.table.value
    net.run(mode="forward", seed="W2")
    assert net.error is None


def test_play_drives_the_clock_of_the_page():
    player = Stepper(FORMULA, AT).player
    for pace, milliseconds in ((10, 100), (1, 1000), (0.1, 10_000)):
        player.pace.value = pace
        assert player.clock.interval == milliseconds
    player.buttons["Play"].click()
    assert (player.clock.playing, player.buttons["Play"].description) == (True, "Pause")
    player.clock.value += 1  # as the page does while it plays
    assert (player.position, player.shown, player.slider.value, player.clock.playing) == (1, 1, 1, True)
    player.buttons["Play"].click()
    assert (player.clock.playing, player.buttons["Play"].description) == (False, "Play")
    for press in ("Step", "Back", "End", "Restart"):  # any other button pauses
        player.buttons["Play"].click()
        player.buttons[press].click()
        assert not player.clock.playing
    player.end()
    player.buttons["Play"].click()  # from the end: again from the beginning
    assert (player.position, player.clock.playing) == (0, True)
    player.clock.value, player.clock.playing = 14, False  # as the page does at the end
    assert player.buttons["Play"].description == "Play"


def test_buttons_are_pressed_from_any_thread_and_answered_on_the_loop():
    async def scenario():
        threads = set()
        player = Player(lambda position: threads.add(threading.get_ident()))
        player.use(5, 0)
        presses = [player.buttons[name].click for name in ("Step", "Step", "Back", "End", "Back")]
        worker = threading.Thread(target=lambda: [press() for press in presses])
        worker.start()
        worker.join()
        assert player.position == 0  # the loop has had no turn yet
        await asyncio.sleep(0.05)
        assert (player.position, player.slider.value) == (4, 4)
        assert threads == {threading.get_ident()}

        stepper = Stepper(FORMULA, AT)
        stepper.run()
        stepper.controls["formula"].value = "x1"
        stepper.controls["formula"].value = "x1 * x2 * x1"
        stepper.player.slider.value = 3
        await asyncio.sleep(0.1)
        assert "x1 * x2" in stepper.graph.value
        assert stepper.player.slider.value == stepper.player.position == stepper.player.shown
        stepper.run(5, mode="forward")
        await asyncio.sleep(0.05)
        assert (stepper.player.position, stepper.error) == (5, None)

    asyncio.run(scenario())
