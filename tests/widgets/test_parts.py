"""Steps in parts: the loop gets a turn after each, while whoever looks, stops or counts finds whole steps only."""

from __future__ import annotations

import asyncio

import pytest

from helpers.training.runs import Race, Run
from helpers.widgets.panels import TrainingPanel
from helpers.widgets.playground import Playground
from helpers.widgets.runner import PART, Runner
from tests.widgets.test_runner import Clock, Counter, on_a_loop, until

FOUR = ("back-propagation", "local, parallel", "local, sequential", "feedback alignment")


class InParts(Counter):
    """A training whose steps have four parts of equal length."""

    def work(self):
        for i in super().work():
            for _ in range(3):
                self.steps.append(PART)
                yield PART
                self.sleep(self.seconds)
            yield i

    def whole(self):
        return len(self.steps) % 4 == 0


def test_a_pause_waits_for_one_part_completes_the_step_and_says_its_number_at_once(monkeypatch):
    async def scenario():
        clock = Clock(monkeypatch)
        training = InParts(total=10**6, seconds=0.03, sleep=clock.sleep)
        runner = training.runner()
        said = []
        runner.status.observe(lambda change: said.append((clock.now, change["new"])), "value")
        waited = await clock.runs(runner, 0.5)
        heard = [at for at, words in said if f"paused: epoch {runner.count} " in words]
        assert heard[0] <= 0.5 + 2 * 0.03  # a part in progress, not a step of four
        assert waited <= 5 * 0.03
        assert training.whole()
        assert training.shown[-1] == (runner.count, None)

    on_a_loop(scenario())


def test_a_step_is_whole_wherever_the_training_is():
    async def scenario():
        training = InParts(total=50, seconds=0.0)
        runner = training.runner()
        for count in (1, 2):
            runner.step()
            await until(lambda count=count: training.shown[-1][0] == count)
            assert (runner.count, training.whole()) == (count, True)
        runner._advance()  # one part of the third
        assert not training.whole()
        runner.state = "running"
        runner.step()
        await until(lambda: training.shown[-1][0] == 3)
        assert (runner.count, training.whole()) == (3, True)
        assert runner.run(7) == 7
        assert training.whole()
        assert runner.run() == 50
        runner.reset()
        await until(lambda: runner.state == "ready")
        assert (runner.count, runner.whole) == (0, True)

    on_a_loop(scenario())


def test_only_whole_steps_are_looked_at():
    async def scenario():
        training, looked = InParts(total=10**6, seconds=0.001), []

        def look():
            looked.append(training.whole())
            return lambda: ()

        runner = training.runner(look=look)
        runner.start()
        await until(lambda: len(looked) > 5)
        runner.pause()
        await until(lambda: runner.state == "paused")
        assert all(looked)

    on_a_loop(scenario())


@pytest.mark.parametrize("fail_at", [1, 3])
def test_an_error_in_a_part_is_an_error_of_the_step(fail_at):
    def work():
        for i in range(1, 9):
            yield PART
            if i == fail_at:
                raise ValueError("bad data")
            yield i

    runner = Runner(lambda: (work(), 8), lambda *_: None)
    with pytest.raises(ValueError, match="bad data"):
        runner.run()
    assert (runner.state, runner.count, runner.whole) == ("failed", fail_at - 1, True)
    assert f"epoch {fail_at - 1} of 8" in runner.status.value


def test_a_race_yields_a_part_after_each_rule_but_the_last():
    race = Race(Run(hidden=(3,), samples=20, epochs=3, rules=FOUR))
    parts = list(race.parts())
    assert parts == [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]
    assert list(Race(Run(hidden=(3,), samples=20, epochs=3, rules=FOUR))) == [1, 2, 3]


@pytest.mark.parametrize("make", [Playground, TrainingPanel])
def test_panels_with_several_rules_hand_their_parts_to_the_runner(make):
    small = {"samples": 20} if make is Playground else {"net": "16-16 tanh"}
    key = "rules" if make is Playground else "rule"
    panel = make(**{key: FOUR}, epochs=3, **small)
    steps, total = panel._begin()
    assert total == 3
    assert [step is PART for step in steps] == 3 * [True, True, True, False]


def test_a_paused_race_stands_at_whole_epochs():
    async def scenario():
        panel = Playground(rules=FOUR, hidden=(8, 8), samples=50, epochs=1000)
        for _ in range(5):
            panel.runner.start()
            await asyncio.sleep(0.05)
            panel.runner.pause()
            await until(lambda: panel.runner.state == "paused")
            count, total = panel.runner.count, panel.race.total
            assert all(s.count == s.total * count // total for s in panel.race.sessions)

    on_a_loop(scenario())
