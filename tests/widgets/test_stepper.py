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
from helpers.widgets.stepper import Stepper
from tests.widgets.test_panels import ends

FORMULA, AT = "log(x1) + x1*x2 - sin(x2)", "x1 = 2, x2 = 5"


def seen(stepper):
    return stepper.graph.value, stepper.table.value, stepper.status.value, stepper.slider.value


def test_a_step_and_a_step_back_show_the_same_at_every_position():
    stepper = Stepper(FORMULA, AT)
    assert stepper.words == "Step 0 of 14: the inputs are given. Press Step."
    forth = [seen(stepper)]
    for _ in range(14):
        stepper.buttons["Step"].click()
        forth.append(seen(stepper))
    assert len(set(forth)) == 15
    stepper.buttons["Step"].click()
    assert seen(stepper) == forth[14]  # there is nothing behind the end
    for k in (*reversed(range(14)), 0):
        stepper.buttons["Back"].click()
        assert seen(stepper) == forth[k]
    for button, k in (("End", 14), ("Restart", 0)):
        stepper.buttons[button].click()
        assert seen(stepper) == forth[k]
    for k in (14, 0, 7):
        stepper.slider.value = k
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
        assert stepper.position == position
        assert stepper.jump.value == "a node ..."  # so that the same can be chosen again
    assert "v̇5 complete" in stepper.jump.options
    for name in ("seed", "formula", "at", "mode"):
        for value in ends(stepper.controls[name]):
            stepper.run(**{name: value})
            assert stepper.error is None
            assert stepper.position == len(stepper.sweep.steps) == len(stepper.sweep.steps)


def test_another_formula_stays_at_the_end_or_begins_anew():
    stepper = Stepper(FORMULA, AT)
    stepper.run()
    stepper.controls["formula"].value = "x1 * x2"
    assert stepper.position == len(stepper.sweep.steps) == 4
    assert "∂v1/∂x1 = 5, ∂v1/∂x2 = 2" in stepper.words
    stepper.buttons["Back"].click()
    stepper.controls["formula"].value = "x1 + q"
    assert stepper.position == 0
    assert "No value was given for q: taken as 1. Not in the formula: x2." in stepper.problem.value
    stepper.controls["formula"].value = FORMULA
    assert stepper.problem.value == ""
    assert stepper.slider.max == 14


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
        stepper.buttons["Step"].click()
        assert stepper.position == 3
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


def test_a_click_on_a_node_goes_to_its_value_and_then_to_its_adjoint():
    stepper = Stepper(FORMULA, AT)
    for name, position in (("v2", 2), ("v2", 10), ("v2", 2), ("x1", 12), ("x1", 14), ("x1", 12), ("", 12), ("no", 12)):
        stepper.event._dom_handlers(  # what the page says of a click
            {"event": "click", "target": {"id": name, "tagName": "rect"}}
        )
        assert stepper.position == position, name
        assert f'id="{name or "v1"}" cursor="pointer"' in stepper.graph.value or name == "no"


def test_a_page_without_a_kernel_shows_the_steps():
    page = Stepper(FORMULA, AT).static()
    assert page.count("<svg") == 13
    assert page.index("Step 0 of 14") < page.index("Step 7 of 14") < page.index("At the end v5 = 11.6521")


def test_play_drives_the_clock_of_the_page():
    stepper = Stepper(FORMULA, AT)
    for pace, milliseconds in ((4.0, 250), (1.0, 1000), (0.4, 2500)):
        stepper.pace.value = pace
        assert stepper.clock.interval == milliseconds
    stepper.buttons["Play"].click()
    assert (stepper.clock.playing, stepper.buttons["Play"].description) == (True, "Pause")
    stepper.clock.value += 1  # as the page does while it plays
    assert (stepper.position, stepper.shown, stepper.slider.value, stepper.clock.playing) == (1, 1, 1, True)
    stepper.buttons["Play"].click()
    assert (stepper.clock.playing, stepper.buttons["Play"].description) == (False, "Play")
    for press in ("Step", "Back", "End", "Restart"):  # any other button pauses
        stepper.buttons["Play"].click()
        stepper.buttons[press].click()
        assert not stepper.clock.playing
    stepper.go(14)
    stepper.buttons["Play"].click()  # from the end: again from the beginning
    assert (stepper.position, stepper.clock.playing) == (0, True)
    stepper.clock.value, stepper.clock.playing = 14, False  # as the page does at the end
    assert stepper.buttons["Play"].description == "Play"


def test_buttons_are_pressed_from_any_thread_and_answered_on_the_loop(monkeypatch):
    async def scenario():
        threads = set()
        stepper = Stepper(FORMULA, AT)
        monkeypatch.setattr(stepper, "_show", lambda: threads.add(threading.get_ident()))
        presses = [stepper.buttons[name].click for name in ("Step", "Step", "Back", "End", "Back")]
        worker = threading.Thread(target=lambda: [press() for press in presses])
        worker.start()
        worker.join()
        assert stepper.position == 0  # the loop has had no turn yet
        await asyncio.sleep(0.05)
        assert (stepper.position, stepper.slider.value) == (13, 13)
        assert threads == {threading.get_ident()}

        stepper = Stepper(FORMULA, AT)
        stepper.run()
        stepper.controls["formula"].value = "x1"
        stepper.controls["formula"].value = "x1 * x2 * x1"
        stepper.slider.value = 3
        await asyncio.sleep(0.1)
        assert "x1 * x2" in stepper.graph.value
        assert stepper.slider.value == stepper.position == stepper.shown
        stepper.run(5, mode="forward")
        await asyncio.sleep(0.05)
        assert (stepper.position, stepper.error) == (5, None)

    asyncio.run(scenario())
