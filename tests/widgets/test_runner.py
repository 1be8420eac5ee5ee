"""The runner on a real event loop: commands from any thread, steps never lost, frames bounded, errors in words."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
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

    def show(self, count, seen):
        self.sleep(self.slow_draw)
        self.shown.append((count, seen))

    def runner(self, **options):
        return Runner(self.begin, self.show, **options)


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
        runner.worker = AtOnce()
        runner.start()
        end = self.now + seconds
        while self.now < end:
            await asyncio.sleep(0)
        asked = self.now
        runner.pause()
        await until(lambda: runner.state == "paused")
        return self.now - asked


class AtOnce:
    """A worker that is done when it is asked."""

    def submit(self, work):
        done = Future()
        done.set_result(work())
        return done


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
        assert training.shown[-1] == (runner.count, None)

    on_a_loop(scenario())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_drawing_takes_its_share_and_no_step_is_dropped(monkeypatch, share):
    async def scenario():
        clock = Clock(monkeypatch)
        training = Counter(total=10**6, seconds=0.001, slow_draw=0.04, sleep=clock.sleep)
        runner = training.runner(share=share)
        await clock.runs(runner, 4)
        assert training.steps == list(range(1, runner.count + 1))
        frames = sum(seen is not None for _, seen in training.shown)
        # It may borrow a slice and a frame, and the run ends up to a frame late.
        assert 0.04 * frames == pytest.approx(share * 4, abs=runner_module.SLICE + 2 * 0.04)

    on_a_loop(scenario())


def test_twenty_two_frames_a_second_and_no_more(monkeypatch):
    async def scenario():
        clock = Clock(monkeypatch)
        training = Counter(total=10**6, seconds=0.0005, sleep=clock.sleep)
        runner = training.runner()
        await clock.runs(runner, 2)
        assert 40 <= sum(seen is not None for _, seen in training.shown) <= 1 + 22 * clock.now  # one at either end
        assert runner.count > 2000

    on_a_loop(scenario())


def test_what_a_press_has_drawn_holds_no_frame_up(monkeypatch):
    async def scenario():
        clock, drawn = Clock(monkeypatch), []

        def show(count, seen):
            clock.sleep(1.0 if seen is None else 0.005)  # the picture after a reset takes long
            drawn.append((clock.now, seen is None))

        runner = Runner(Counter(seconds=0.01, sleep=clock.sleep).begin, show)
        runner.worker = AtOnce()
        runner.start()
        await until(lambda: len(drawn) > 5)
        runner.reset()
        await until(lambda: sum(still for _, still in drawn) == 2 and not drawn[-1][1])
        runner.pause()
        await until(lambda: runner.state == "paused")
        reset = [i for i, (_, still) in enumerate(drawn) if still][1]
        assert drawn[reset + 1][0] - drawn[reset][0] < 0.1

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


def test_frames_are_prepared_in_another_thread_of_a_state_between_two_steps():
    async def scenario():
        training, threads = Counter(total=10**6, seconds=0.001), set()

        def look():
            copy = list(training.steps)

            def work():
                threads.add(threading.get_ident())
                return copy

            return work

        runner = training.runner(look=look)
        runner.start()
        await until(lambda: len(training.shown) > 4)
        runner.pause()
        await until(lambda: runner.state == "paused")
        assert len(threads) == 1
        assert threads != {threading.get_ident()}
        assert all(count == len(seen) for count, seen in training.shown if seen is not None)
        assert training.shown[-1] == (runner.count, None)

    on_a_loop(scenario())


def test_a_frame_in_preparation_is_forgotten_by_a_reset_and_its_error_is_kept():
    async def scenario():
        go, training = threading.Event(), Counter(total=10**6, seconds=0.001)
        runner = training.runner(look=lambda: go.wait)
        runner.start()
        await until(lambda: runner.sight is not None)
        runner.pause()
        runner.reset()
        go.set()
        await until(lambda: runner.state == "ready")
        assert [count for count, _ in training.shown][-1] == 0
        runner.look = lambda: lambda: {}["no net"]
        runner.start()
        await until(lambda: runner.state == "failed")
        assert isinstance(runner.error, KeyError)

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
        training.show = lambda count, seen: 1 / 0
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
    assert "call run(epochs)" in runner.status.value
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


@pytest.mark.parametrize("epochs", [0, -1, 1.5, True, "3"])
def test_run_refuses_what_is_no_number_of_epochs(epochs):
    with pytest.raises((TypeError, ValueError), match="steps must be"):
        Counter().runner().run(epochs)


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(ValueError, match="share"):
        Counter().runner(share=share)


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
