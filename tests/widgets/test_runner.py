"""The runner on a real event loop: commands from any thread, steps never lost, frames bounded, errors in words."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from helpers.widgets import runner as runner_module
from helpers.widgets.runner import Runner


class Counter:
    """A training of ``total`` steps that takes ``seconds`` each and may fail at one."""

    def __init__(self, total=1000, seconds=0.0, fail_at=None, slow_draw=0.0, sleep=time.sleep):
        self.total, self.seconds, self.fail_at, self.slow_draw = total, seconds, fail_at, slow_draw
        self.sleep = sleep
        self.made, self.steps, self.shown, self.threads, self.closed = 0, [], [], set(), 0

    def begin(self):
        self.made += 1
        self.steps = []
        return self.work(), self.total

    def work(self):
        try:
            for i in range(1, self.total + 1):
                if i == self.fail_at:
                    raise ValueError(f"the data of step {i} <are bad>")
                self.sleep(self.seconds)
                self.threads.add(threading.get_ident())
                self.steps.append(i)
                yield i
        finally:
            self.closed += 1

    def show(self, count, still):
        self.sleep(self.slow_draw)
        self.shown.append((count, still))

    def runner(self):
        return Runner(self.begin, self.show)


class Clock:
    """A time that passes only where a step, a drawing or a pause of the loop takes it: equal runs, equal counts."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        loop = SimpleNamespace(sleep=self.asleep, get_running_loop=asyncio.get_running_loop)
        monkeypatch.setattr(runner_module, "time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr(runner_module, "asyncio", loop)

    def sleep(self, seconds):
        self.now += seconds

    async def asleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)

    async def runs(self, runner, seconds):
        """Let a runner train for so many seconds of this clock, then pause it."""
        runner.start()
        end = self.now + seconds
        while self.now < end:
            await asyncio.sleep(0)
        asked = self.now
        runner.pause()
        await until(lambda: runner.state == "paused")
        return self.now - asked


async def until(condition, seconds=60.0):
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "it did not happen"
        await asyncio.sleep(0.005)


def on_a_loop(scenario):
    asyncio.run(scenario)


def test_start_pause_step_reset_and_start_again():
    async def scenario():
        training = Counter(total=400, seconds=0.001)
        runner = training.runner()
        assert (runner.state, runner.count, training.shown[-1][0]) == ("ready", 0, 0)
        runner.start()
        await until(lambda: runner.count > 20)
        assert runner.state == "running"
        runner.pause()
        await until(lambda: runner.state == "paused")
        count = runner.count
        assert training.shown[-1][0] == count  # the picture is that of the last step
        await asyncio.sleep(0.05)
        assert runner.count == count
        runner.step()
        await until(lambda: runner.count == count + 1)
        await asyncio.sleep(0.05)
        assert (runner.state, runner.count) == ("paused", count + 1)
        runner.start()
        await until(lambda: runner.state == "finished")
        assert runner.count == 400
        assert training.steps == list(range(1, 401))
        assert runner.bar.value == runner.bar.max == 400
        runner.reset()
        await until(lambda: runner.state == "ready")
        assert (runner.count, training.shown[-1][0], training.made) == (0, 0, 2)
        runner.start()
        await until(lambda: runner.count > 5)
        runner.reset()  # while it trains: it begins again and goes on
        await until(lambda: training.made == 3 and runner.count > 0)
        assert runner.state == "running"
        runner.pause()
        await until(lambda: runner.state == "paused")

    on_a_loop(scenario())


def test_commands_come_from_any_thread_and_training_stays_on_the_loop():
    async def scenario():
        training = Counter(seconds=0.001)
        runner = training.runner()
        for command in (runner.start, runner.pause, runner.step, runner.start):
            thread = threading.Thread(target=command)
            thread.start()
            await asyncio.sleep(0.05)
            thread.join()
        await until(lambda: runner.count > 10)
        assert training.threads == {threading.get_ident()}
        runner.pause()
        await until(lambda: runner.state == "paused")

    on_a_loop(scenario())


def test_fifty_presses_a_second_do_no_harm():
    async def scenario():
        training = Counter(total=10**6)
        runner = training.runner()
        for i in range(50):
            (runner.start, runner.pause, runner.step, runner.reset)[i % 4]()
            await asyncio.sleep(0.02)
        runner.reset()
        runner.start()
        await until(lambda: runner.count > 50)
        assert runner.error is None
        runner.pause()
        await until(lambda: runner.state == "paused")
        assert training.steps == list(range(1, runner.count + 1))

    on_a_loop(scenario())


def test_a_pause_waits_for_one_slice_and_one_frame_at_most(monkeypatch):
    async def scenario():
        clock = Clock(monkeypatch)
        training = Counter(total=10**6, seconds=0.002, slow_draw=0.02, sleep=clock.sleep)
        runner = training.runner()
        waited = await clock.runs(runner, 0.5)
        assert waited <= runner_module.SLICE + 0.002 + 2 * 0.02  # a frame, and that of the stop
        assert training.shown[-1] == (runner.count, True)

    on_a_loop(scenario())


@pytest.mark.parametrize(("slow_draw", "least", "most"), [(0.0, 40, 45), (0.04, 20, 26), (0.2, 4, 6)])
def test_frames_are_many_but_leave_training_its_half(monkeypatch, slow_draw, least, most):
    async def scenario():
        clock = Clock(monkeypatch)
        training = Counter(total=10**6, seconds=0.001, slow_draw=slow_draw, sleep=clock.sleep)
        runner = training.runner()
        await clock.runs(runner, 2)
        assert training.steps == list(range(1, runner.count + 1))
        assert least <= sum(not still for _, still in training.shown) <= most
        assert runner.count > 0.6 * (2 - most * slow_draw) / 0.001

    on_a_loop(scenario())


@pytest.mark.parametrize("speed", [1, 20, 100])
def test_the_speed_is_kept(monkeypatch, speed):
    async def scenario():
        clock = Clock(monkeypatch)
        training = Counter(total=10**6, sleep=clock.sleep)
        runner = training.runner()
        runner.speed.value = speed
        await clock.runs(runner, 4)
        assert runner.count == pytest.approx(4 * speed, abs=2)

    on_a_loop(scenario())


def test_an_error_is_kept_said_in_words_and_gone_after_a_reset():
    async def scenario():
        training = Counter(total=10, fail_at=3)
        runner = training.runner()
        runner.start()
        await until(lambda: runner.state == "failed")
        assert isinstance(runner.error, ValueError)
        assert runner.count == 2
        assert "epoch 2 of 10. ValueError: the data of step 3 &lt;are bad&gt;" in runner.status.value
        runner.step()  # nothing to step on
        await asyncio.sleep(0.05)
        assert (runner.state, runner.count) == ("failed", 2)
        training.fail_at = None
        runner.start()
        await until(lambda: runner.state == "finished")
        assert (runner.error, runner.count) == (None, 10)

    on_a_loop(scenario())


def test_an_error_in_drawing_or_in_the_beginning_is_kept_too():
    async def scenario():
        training = Counter()
        runner = training.runner()
        training.show = lambda count, still: 1 / 0
        runner.show = training.show
        runner.step()
        await until(lambda: runner.state == "failed")
        assert isinstance(runner.error, ZeroDivisionError)
        runner.begin = lambda: {}["missing"]
        runner.reset()
        await until(lambda: isinstance(runner.error, KeyError))
        assert runner.state == "failed"

    on_a_loop(scenario())


def test_without_a_loop_the_panel_says_what_to_do_and_run_works():
    training = Counter(total=5)
    runner = training.runner()
    runner.start()
    assert "call run(steps)" in runner.status.value
    runner.step()
    assert runner.count == 1
    assert runner.run(3) == 3
    assert training.shown[-1][0] == 3
    assert runner.run() == 5
    assert runner.state == "finished"
    training.fail_at = 2
    with pytest.raises(ValueError, match="step 2"):
        runner.run()
    assert isinstance(runner.error, ValueError)


def test_presses_that_wait_get_one_picture_for_all():
    async def scenario():
        training = Counter(total=100)
        runner = training.runner()
        training.shown.clear()
        for _ in range(10):
            runner.step()
        await asyncio.sleep(0.05)
        assert training.shown == [(10, True)]

    on_a_loop(scenario())


@pytest.mark.parametrize("value", [None, 3, "half"])
def test_a_runner_is_made_of_functions(value):
    with pytest.raises(TypeError, match="begin must be a function"):
        Runner(value, lambda *_: None)
    with pytest.raises(TypeError, match="show must be a function"):
        Runner(lambda: (iter([1]), 1), value)


@pytest.mark.parametrize("epochs", [0, -1, 1.5, True, "3"])
def test_run_refuses_what_is_no_number_of_epochs(epochs):
    with pytest.raises((TypeError, ValueError), match="steps must be"):
        Counter().runner().run(epochs)


def test_run_inside_a_loop_takes_over_from_the_buttons():
    async def scenario():
        training = Counter(total=50, seconds=0.001)
        runner = training.runner()
        runner.start()
        await until(lambda: runner.count > 3)
        assert runner.run(7) == 7
        await asyncio.sleep(0.1)
        assert (runner.count, runner.state) == (7, "paused")
        runner.start()
        await until(lambda: runner.state == "finished")
        assert training.steps == list(range(1, 51))

    on_a_loop(scenario())
