"""The stepper without a browser: to and fro, played on a loop, from any thread; formulas, programs and nets."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from helpers.diff import exp, tanh
from helpers.diff.lagrange import Program
from helpers.diff.trace import trace
from helpers.widgets.controls import ends
from helpers.widgets.player import Player
from helpers.widgets.stepper import Stepper

FORMULA, AT = "log(x1) + x1*x2 - sin(x2)", "x1 = 2, x2 = 5"


def seen(stepper):
    return stepper.graph.value, stepper.table.value, stepper.status.value, stepper.player.slider.value


async def until(condition, seconds=5.0):
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "it did not happen"
        await asyncio.sleep(0.005)


def test_a_step_and_a_step_back_show_the_same_at_every_position():
    stepper = Stepper(FORMULA, AT)
    assert stepper.words == "Step 0 of 14: the inputs are given. Press Step."
    forth = [seen(stepper)]
    for _ in range(14):
        stepper.player.step()
        forth.append(seen(stepper))
    assert len(set(forth)) == 15
    stepper.player.step()
    assert seen(stepper) == forth[14]  # there is nothing behind the end
    for k in reversed(range(14)):
        stepper.player.back()
        assert seen(stepper) == forth[k]
    stepper.player.back()
    assert seen(stepper) == forth[0]
    stepper.player.end()
    assert seen(stepper) == forth[14]
    stepper.player.restart()
    assert seen(stepper) == forth[0]


def test_the_words_of_each_step_stand_in_the_status_line():
    stepper = Stepper(FORMULA, AT)
    picture = stepper.run(12)
    assert picture.position == 12
    assert "x̄1 += v̄2 · ∂v2/∂x1 = 1 · 5 = 5. So far x̄1 = 5, 1 of 2 addends." in stepper.status.value
    assert 'role="status"' in stepper.status.value
    assert 'role="img"' in stepper.graph.value
    stepper.run()
    assert "At the end v5 = 11.6521, ∂v5/∂x1 = 5.5, ∂v5/∂x2 = 1.71634." in stepper.words
    assert "panel" in stepper.box._dom_classes


@pytest.mark.parametrize("name", ["formula", "at", "mode", "seed"])
def test_both_ends_of_every_control(name):
    stepper = Stepper(FORMULA, AT, mode="forward")
    for value in ends(stepper.controls[name]):
        stepper.run(**{name: value})
        assert stepper.error is None
        assert stepper.player.position == stepper.player.last == len(stepper.sweep.steps)


def test_slider_and_list_move_it_too():
    stepper = Stepper(FORMULA, AT)
    for value in (14, 0, 7):
        stepper.player.slider.value = value
        assert stepper.player.position == value
    for place, position in stepper.places.items():
        stepper.jump.value = place
        assert stepper.player.position == position
        assert stepper.jump.value == "a node ..."  # so that the same can be chosen again
    assert "x̄1 complete" in stepper.jump.options


def test_another_formula_stays_at_the_end_or_begins_anew():
    stepper = Stepper(FORMULA, AT)
    stepper.run()
    stepper.controls["formula"].value = "x1 * x2"
    assert stepper.player.position == stepper.player.last == 4
    assert "∂v1/∂x1 = 5, ∂v1/∂x2 = 2" in stepper.words
    stepper.player.back()
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


@pytest.mark.parametrize(
    ("formula", "at", "words"),
    [
        ("", "x = 1", "the formula is empty"),
        ("x^2", "x = 1", "for a power write"),
        ("__import__('os')", "", "no place in a formula"),
        ("1 + 2", "", "nothing to differentiate by"),
        ("log(x)", "x = -1", "log needs x &gt; 0, got -1.0"),
        ("sqrt(x)", "x = 0", "no finite derivative"),
        ("x if x > 0 else 3", "x = -1", "must compute a Scalar"),
        ("x", "x: 1", "write name = number"),
        ("x", "x = 1e999", "the value of x must be a number"),
        ("+".join(["x"] * 100), "x = 1", "a graph of 100 nodes cannot be followed"),
        ("+".join(["x"] * 1500), "x = 1", "too long to be read"),
    ],
)
def test_what_cannot_be_stepped_is_said_and_the_former_graph_stays(formula, at, words):
    stepper = Stepper("x * x", "x = 3")
    stepper.run(2)
    before = seen(stepper)
    with pytest.raises((ValueError, TypeError)):
        stepper.run(formula=formula, at=at)
    assert stepper.error is not None
    assert words in stepper.problem.value
    assert 'role="alert"' in stepper.problem.value
    assert seen(stepper) == before
    stepper.player.step()
    assert stepper.player.position == 3
    stepper.run(formula="x * x", at="x = 3")
    assert stepper.error is None
    assert stepper.problem.value == ""


def test_nan_is_shown_where_it_comes_from():
    stepper = Stepper("x*x - x*x", "x = 1e200")
    stepper.run(3)
    assert "= nan. That is no finite number" in stepper.words
    assert "nan" in stepper.graph.value
    assert stepper.error is None


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
    assert "λ_x" in stepper.table.value
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


def test_it_answers_within_a_blink():
    stepper = Stepper(" + ".join(f"x{i}*sin(x{i})" for i in range(10)))
    assert len(stepper.sweep.nodes) == 39
    stepper.run()
    assert len(stepper.graph.value) < 100_000  # what a step sends


def test_play_pause_and_play_to_the_end_on_a_loop():
    async def scenario():
        stepper = Stepper(FORMULA, AT)
        player = stepper.player
        player.pace.value = 10
        player.play()
        assert (player.playing, player.buttons["Play"].description) == (True, "Pause")
        await until(lambda: player.position == 2)
        player.play()
        assert (player.playing, player.buttons["Play"].description) == (False, "Play")
        await asyncio.sleep(0.15)
        assert player.position == 2
        player.play()
        await until(lambda: player.position == 3)
        player.back()  # any other button pauses
        assert not player.playing
        player.go(12)
        player.play()
        await until(lambda: not player.playing)
        assert player.position == 14
        player.play()  # from the end: again from the beginning
        assert player.position == 0
        player.pause()
        assert stepper.error is None

    asyncio.run(scenario())


def test_buttons_are_pressed_from_any_thread_and_answered_on_the_loop():
    async def scenario():
        threads = set()
        player = Player(lambda position: threads.add(threading.get_ident()))
        player.use(5, 0)

        def presses():
            for name in ("Step", "Step", "Back", "End", "Back"):
                player.buttons[name].click()

        worker = threading.Thread(target=presses)
        worker.start()
        worker.join()
        assert player.position == 0  # the loop has had no turn yet
        await until(lambda: player.position == 4)
        await asyncio.sleep(0.05)
        assert (player.position, player.slider.value) == (4, 4)
        assert threads == {threading.get_ident()}

    asyncio.run(scenario())


def test_changes_of_controls_on_a_loop_end_in_the_last_of_them():
    async def scenario():
        stepper = Stepper(FORMULA, AT)
        stepper.run()
        stepper.controls["formula"].value = "x1"
        stepper.controls["formula"].value = "x1 * x2 * x1"
        stepper.player.slider.value = 3
        await asyncio.sleep(0.1)
        assert "x1 * x2" in stepper.graph.value
        assert stepper.error is None
        assert stepper.player.slider.value == stepper.player.position
        stepper.run(5, mode="forward")
        await asyncio.sleep(0.1)
        assert stepper.player.position == 5

    asyncio.run(scenario())


def test_without_a_loop_play_does_nothing():
    stepper = Stepper(FORMULA, AT)
    stepper.player.play()
    assert not stepper.player.playing


@pytest.mark.parametrize("steps", [-1, 1.5, True, "3"])
def test_run_refuses_what_is_no_number_of_steps(steps):
    with pytest.raises(ValueError, match="steps must be a whole number"):
        Stepper(FORMULA, AT).run(steps)


def test_run_refuses_unknown_controls_and_stays_at_the_end():
    stepper = Stepper(FORMULA, AT)
    with pytest.raises(TypeError, match="no option is called 'speed'; there are formula, at, mode, seed"):
        stepper.run(speed=3)
    assert stepper.run(10**6).position == 14
