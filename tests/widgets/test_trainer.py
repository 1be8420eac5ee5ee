"""Training on a real event loop: commands from any thread, steps never lost, frames bounded, errors in words."""

from __future__ import annotations

import asyncio
import re
import statistics
import threading
import time
from types import SimpleNamespace

import pytest

from helpers.widgets import trainer
from helpers.widgets.trainer import Trainer
from tests.widgets.conftest import until


class Counter(Trainer):
    """Takes ``total`` steps of ``seconds`` each, may fail at one, and says what it would have drawn."""

    picture = None

    def __init__(self, total=1000, seconds=0.0, fail_at=None, slow_draw=0.0, sleep=time.sleep):
        self.wanted, self.seconds, self.fail_at, self.slow_draw, self.sleep = total, seconds, fail_at, slow_draw, sleep
        self.made, self.taken, self.shown, self.threads = 0, [], [], set()
        super().__init__({})

    def _begin(self):
        self.made += 1
        self.taken = []
        return self.work(), self.wanted

    def work(self):
        for i in range(1, self.wanted + 1):
            if i == self.fail_at:
                raise ValueError(f"the data of step {i} <are bad>")
            self.sleep(self.seconds)
            self.threads.add(threading.get_ident())
            self.taken.append(i)
            yield i

    def _record(self, count):
        pass

    def _paint(self, still):
        self.sleep(self.slow_draw)
        self.shown.append((self.count, still))


class Clock:
    """A time that passes only where a step, a drawing or a pause of the loop takes it: equal runs, equal counts."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        loop = SimpleNamespace(sleep=self.asleep)
        monkeypatch.setattr(trainer, "time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr(trainer, "asyncio", loop)

    def sleep(self, seconds):
        self.now += seconds

    async def asleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)

    async def runs(self, panel, seconds):
        """Let a panel train for so many seconds of this clock, then pause it."""
        panel.start()
        end = self.now + seconds
        while self.now < end:
            await asyncio.sleep(0)
        asked = self.now
        panel.pause()
        await until(lambda: panel.phase == "paused" and panel.shown[-1][1])
        return self.now - asked


def test_start_pause_step_reset_and_start_again():
    async def scenario():
        panel = Counter(total=400, seconds=0.001)
        panel.fast.value = True
        assert (panel.phase, panel.count, panel.shown[-1][0]) == ("ready", 0, 0)
        panel.start()
        await until(lambda: panel.count > 20)
        assert panel.phase == "running"
        panel.pause()
        await until(lambda: panel.phase == "paused" and panel.shown[-1][1])
        count = panel.count
        assert panel.shown[-1][0] == count  # the picture is that of the last step
        await asyncio.sleep(0.05)
        assert panel.count == count
        panel.step()
        await until(lambda: panel.count == count + 1)
        await asyncio.sleep(0.05)
        assert (panel.phase, panel.count) == ("paused", count + 1)
        panel.start()
        await until(lambda: panel.phase == "finished")
        assert panel.count == 400
        assert panel.taken == list(range(1, 401))
        assert panel.bar.value == panel.bar.max == 400
        panel.reset()
        await until(lambda: panel.phase == "ready" and panel.shown[-1][0] == 0)
        assert (panel.count, panel.made) == (0, 2)
        panel.start()
        await until(lambda: panel.count > 5)
        panel.reset()  # while it trains: it begins again and goes on
        await until(lambda: panel.made == 3 and panel.count > 0)
        assert panel.phase == "running"
        panel.pause()
        await until(lambda: panel.phase == "paused")

    asyncio.run(scenario())


def test_commands_come_from_any_thread_and_training_stays_on_the_loop():
    async def scenario():
        panel = Counter(seconds=0.001)
        panel.fast.value = True
        for command in (panel.start, panel.pause, panel.step, panel.start):
            thread = threading.Thread(target=command)
            thread.start()
            await asyncio.sleep(0.05)
            thread.join()
        await until(lambda: panel.count > 10)
        assert panel.threads == {threading.get_ident()}
        panel.pause()
        await until(lambda: panel.phase == "paused")

    asyncio.run(scenario())


def test_fifty_presses_a_second_do_no_harm_and_those_that_wait_get_one_picture():
    async def scenario():
        panel = Counter(total=10**6)
        panel.fast.value = True
        for i in range(50):
            (panel.start, panel.pause, panel.step, panel.reset)[i % 4]()
            await asyncio.sleep(0.02)
        panel.reset()
        panel.start()
        await until(lambda: panel.count > 50)
        assert panel.error is None
        panel.pause()
        await until(lambda: panel.phase == "paused")
        assert panel.taken == list(range(1, panel.count + 1))
        await asyncio.sleep(0.05)
        panel.shown.clear()
        count = panel.count
        for _ in range(10):
            panel.step()
        await asyncio.sleep(0.05)
        assert panel.shown == [(count + 10, True)]

    asyncio.run(scenario())


def test_a_pause_waits_for_one_slice_and_one_frame_at_most(monkeypatch):
    async def scenario():
        clock = Clock(monkeypatch)
        panel = Counter(total=10**6, seconds=0.002, slow_draw=0.02, sleep=clock.sleep)
        panel.fast.value = True
        waited = await clock.runs(panel, 0.5)
        assert waited <= trainer.SLICE + 0.002 + 2 * 0.02  # a frame, and that of the stop
        assert panel.shown[-1] == (panel.count, True)

    asyncio.run(scenario())


@pytest.mark.parametrize(("slow_draw", "least", "most"), [(0.0, 40, 45), (0.04, 33, 38), (0.2, 7, 9)])
def test_frames_are_many_but_leave_training_a_fifth_or_a_slice(monkeypatch, slow_draw, least, most):
    async def scenario():
        clock = Clock(monkeypatch)
        panel = Counter(total=10**6, seconds=0.001, slow_draw=slow_draw, sleep=clock.sleep)
        panel.fast.value = True
        await clock.runs(panel, 2)
        assert panel.taken == list(range(1, panel.count + 1))
        assert least <= sum(not still for _, still in panel.shown) <= most
        assert panel.count > 0.6 * (2 - most * slow_draw) / 0.001

    asyncio.run(scenario())


@pytest.mark.parametrize("speed", [1, 20, 100])
def test_the_speed_is_kept_and_said(monkeypatch, speed):
    async def scenario():
        clock = Clock(monkeypatch)
        panel = Counter(total=10**6, sleep=clock.sleep)
        panel.speed.value, said = speed, []
        panel.status.observe(lambda change: said.append(change["new"]), "value")
        await clock.runs(panel, 4)
        assert panel.count == pytest.approx(4 * speed, abs=2)
        rates = [float(rate) for rate in re.findall(r", (\d+) epochs a second", "".join(said))]
        assert speed == 1 or statistics.fmean(rates) == pytest.approx(speed, rel=0.1)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("total", "watch", "least", "most"), [(300, None, 8, 12), (5000, 200, 200, 300), (3, 9, 6, 31)]
)
def test_what_one_should_watch_lasts_about_ten_seconds(monkeypatch, total, watch, least, most):
    async def scenario():
        clock = Clock(monkeypatch)
        monkeypatch.setattr(Counter, "watch", watch)
        panel = Counter(total=total, sleep=clock.sleep)
        assert panel.speed.description == "Speed (epochs/s)"
        panel.start()
        await until(lambda: panel.phase == "finished")
        assert least <= clock.now <= most
        panel.reset()
        panel.fast.value = True
        assert (panel.speed.disabled, panel.speed.tooltip) == (True, "Fast is on: as fast as it goes")
        begin = clock.now
        panel.start()
        await until(lambda: panel.phase == "finished")
        assert clock.now - begin <= 1
        panel.fast.value = False
        assert not panel.speed.disabled
        panel.wanted = 2 * total
        panel.reset()
        await until(lambda: panel.total == 2 * total)
        assert panel.speed.value == pytest.approx(min(panel.watch or 2 * total, 2 * total) / 10, rel=0.13)
        panel.speed.value, panel.wanted = 7, total  # chosen by the reader: it stays
        panel.reset()
        await until(lambda: panel.total == total)
        assert panel.speed.value == 7

    asyncio.run(scenario())


def test_another_speed_holds_at_once():
    async def scenario():
        panel = Counter(total=1000)
        panel.speed.value = 0.1
        panel.start()
        await until(lambda: panel.count == 1)  # the next one would come in ten seconds
        panel.fast.value = True
        await until(lambda: panel.phase == "finished", 5)

    asyncio.run(scenario())


def test_a_button_that_would_do_nothing_is_disabled_and_says_why():
    async def scenario():
        panel = Counter(total=10**4)

        def off():
            return {name for name, button in panel.buttons.items() if button.disabled}

        assert off() == {"Pause"}
        assert panel.buttons["Pause"].tooltip == "Nothing trains at the moment"
        panel.start()
        await until(lambda: panel.phase == "running")
        assert off() == {"Start"}
        panel.fast.value = True
        await until(lambda: panel.phase == "finished" and panel.shown[-1] == (10**4, True))
        assert off() == {"Pause", "Step"}
        assert panel.buttons["Start"].tooltip == "Train until the last epoch"
        panel.reset()
        await until(lambda: panel.phase == "ready")
        assert off() == {"Pause"}

    asyncio.run(scenario())


def test_an_error_is_kept_said_in_words_and_gone_after_a_reset(monkeypatch):
    async def scenario():
        panel = Counter(total=10, fail_at=3)
        panel.fast.value = True
        panel.start()
        await until(lambda: panel.phase == "failed")
        assert isinstance(panel.error, ValueError)
        assert panel.count == 2
        await until(lambda: "epoch 2 of 10. ValueError: the data of step 3 &lt;are bad&gt;" in panel.status.value)
        panel.step()  # nothing to step on
        await asyncio.sleep(0.05)
        assert (panel.phase, panel.count) == ("failed", 2)
        panel.fail_at = None
        panel.start()
        await until(lambda: panel.phase == "finished")
        assert (panel.error, panel.count) == (None, 10)
        monkeypatch.setattr(panel, "_paint", lambda still: 1 / 0)  # in drawing, and in the beginning
        panel.reset()
        await until(lambda: isinstance(panel.error, ZeroDivisionError))
        monkeypatch.setattr(panel, "_begin", lambda: {}["missing"])
        panel.reset()
        await until(lambda: isinstance(panel.error, KeyError))
        assert panel.phase == "failed"

    asyncio.run(scenario())


def test_without_a_loop_the_panel_says_what_to_do_and_run_works():
    panel = Counter(total=5)
    panel.start()
    assert panel.phase == "ready"
    assert "call run(steps)" in panel.status.value
    panel.step()
    assert panel.count == 1
    for steps in (3, 5, None):
        panel.shown.clear()
        panel.run(steps)
        assert panel.shown == [(steps or 5, True)]
    assert panel.phase == "finished"
    panel.fail_at = 2
    with pytest.raises(ValueError, match="step 2"):
        panel.run()
    assert isinstance(panel.error, ValueError)


def test_run_inside_a_loop_takes_over_from_the_buttons():
    async def scenario():
        panel = Counter(total=50, seconds=0.001)
        panel.fast.value = True
        panel.start()
        await until(lambda: panel.count > 3)
        panel.run(7)
        await asyncio.sleep(0.1)
        assert (panel.count, panel.phase) == (7, "paused")
        panel.start()
        await until(lambda: panel.phase == "finished")
        assert panel.taken == list(range(1, 51))

    asyncio.run(scenario())
