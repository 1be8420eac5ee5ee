"""The playground without a browser: every rule on every data set, every control, the state's text, the exports."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pandas as pd
import pytest
import torch

from helpers.training import RULES
from helpers.training.runs import LABELLED, Race
from helpers.widgets.playground import Playground, TrainingPanel
from helpers.widgets.states import PRESETS, State
from tests.widgets.conftest import until

SMALL = {"hidden": (5, 5), "samples": 40, "epochs": 6}
RACE = SMALL | {"rules": ("back-propagation", "local, sequential", "forward-forward")}


def test_every_rule_and_every_data_set_train(undrawn):
    for data in LABELLED:
        panel = Playground(**SMALL | {"data": data, "epochs": 2})
        for rule in RULES if data in ("digits", "moons") else ("local, parallel", "back-propagation"):
            panel.controls["rule 1"].value = rule
            panel.step()
            panel.step()
            assert panel.error is None, (data, rule, panel.error)
            assert panel.phase == "finished"
            assert panel.state.rules == (rule,)
            session = panel.race.sessions[0]
            assert all(torch.isfinite(p).all() for p in session.model.parameters())
            assert rule in panel.live.picture.description


def test_a_race_runs_as_the_generator_and_ends_in_a_figure():
    panel = Playground(**RACE)
    picture = panel.run()
    race = Race(State(**RACE))
    list(race)
    for ours, theirs in zip(panel.race.sessions, race.sessions, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(ours.model.parameters(), theirs.model.parameters()))
    assert [o[:4] for o in panel.outcomes()] == [o[:4] for o in race.outcomes()]
    assert "equal passes: the data 6 times" in picture.description
    assert all(rule in picture.description for rule in RACE["rules"])
    assert picture.x == list(range(7))


@pytest.mark.parametrize("state", [SMALL, RACE | {"data": "digits", "equal": "updates"}], ids=["one", "digits"])
def test_equal_texts_give_equal_pictures_by_hand_or_without(state):
    first = Playground(**state)
    png = first.run().png()
    assert Playground.from_text(first.text).run().png() == png
    live = []

    async def with_buttons():
        panel = Playground()
        panel.fast.value = True
        panel.apply(first.text)
        await until(lambda: panel.race.run == panel.state and panel.phase == "ready")
        panel.start()
        await until(lambda: panel.count > 1 or panel.phase == "finished")
        panel.pause()
        panel.start()
        await until(lambda: panel.phase == "finished")
        live.append(panel.live.picture.png())

    asyncio.run(with_buttons())
    assert live == [png]


def test_another_unit_is_shown_without_a_new_start():
    panel = Playground(**SMALL)
    panel.step()
    before = bytes(panel.live.image.value)
    panel.controls["unit"].value = 4
    panel.controls["layer"].value = 2
    assert panel.count == 1
    assert bytes(panel.live.image.value) != before
    assert "Unit 4 of layer 2 goes from" in panel.live.picture.description
    panel.controls["source"].value = 5
    assert panel.weight.value == pytest.approx(panel.sessions[0].model[1][0].weight[3, 4].item(), rel=1e-3)
    panel.controls["hidden"].value = "3"
    assert (panel.state.layer, panel.state.unit, panel.state.source) == (2, 1, 3)  # the output's only unit
    assert panel.controls["source"].value == 3
    assert panel.error is None


def test_an_edited_weight_changes_the_net_until_the_next_reset_and_the_code_says_so():
    panel = Playground(**SMALL, layer=2, unit=3, source=1)
    panel.step()
    before, picture = panel.predict([[0.5, -0.2]]), bytes(panel.live.image.value)
    panel.weight.value = 7.5
    assert panel.sessions[0].model[1][0].weight[2, 0] == 7.5
    panel.controls["source"].value = 0
    panel.weight.value = -3.0
    assert panel.sessions[0].model[1][0].bias[2] == -3.0
    assert panel.count == 1
    assert "its bias is -3" in panel.picture.description
    assert (panel.predict([[0.5, -0.2]])[-1] != before[-1]).all()
    assert bytes(panel.live.image.value) != picture
    assert "without the 2 weights that were changed by hand" in panel.code()
    panel.step()
    assert panel.error is None
    panel.reset()
    assert panel.edits == 0
    assert panel.sessions[0].model[1][0].weight[2, 0] != 7.5


def test_what_is_clicked_in_the_picture_is_done(undrawn):
    panel = Playground(**SMALL)

    def click(name):
        (handle,) = (handle for handle in panel.picture.handles if handle.name == name)
        panel.touched(lambda: handle.click(*(handle.at() if handle.at else (0, 0))))

    click("unit 4 of layer 2")
    assert (panel.state.layer, panel.state.unit, panel.looked_at) == (2, 4, (2, 4, 1))
    click("the data set moons")
    assert panel.state.data == panel.controls["data"].value == "moons"
    click("a unit more in layer 2")
    click("a layer more in the net")
    click("a unit less in layer 1")
    assert panel.controls["hidden"].value == "4-6-6"
    assert panel.state.hidden == (4, 6, 6)
    click("the data set your own points")
    assert panel.own.paint.value == 0
    assert panel.state.data == "moons"
    assert panel.error is None


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_state_and_a_question(name, undrawn):
    text, question = PRESETS[name]
    panel = Playground(**SMALL)
    panel.preset.value = name
    assert panel.state == State.from_text(text)
    assert question.endswith(("?", "."))
    assert question[:20] in panel.question.value
    panel.step()
    assert panel.error is None


def test_points_are_painted_class_by_class_and_cleared():
    for panel in (Playground(**SMALL | {"data": "rings"}), TrainingPanel(**SMALL | {"data": "rings"})):
        assert not any("paper" in handle.name for handle in panel.picture.handles)
        for c, x, y in [(0, -0.5, 0.5), (0, -0.5, 0.501), (1, 0.5, 0.25), (1, 0.5, -0.5), (2, 0.9, 0.0)]:
            panel.own.paint.value = c
            paper = next(handle for handle in panel.picture.handles if "paper" in handle.name)
            assert paper.ax is panel.picture.fields[0].ax
            panel.touched(lambda: paper.drag(x, y))  # noqa: B023
        X = torch.cat([points.X for points in panel.state.points()])
        assert sorted(X[:, 0].tolist()) == pytest.approx([-0.5, 0.5, 0.5, 0.9])  # the second one touches the first
        assert panel.own.points.Y.argmax(1).tolist() == [0, 1, 1, 2]
        assert "data=4 painted by hand, 4 points #" in panel.text
        panel.step()
        assert panel.error is None
        assert Playground.from_text(panel.text).race.run.data == panel.state.data
        painted = panel.text
        panel.own.erase.click()
        assert panel.state.data == panel.controls["data"].value == "rings"
        with pytest.raises(ValueError, match="data must be one of"):
            panel.apply(painted)


TABLE = pd.DataFrame({"x0": range(40, 80), "x1": [0.5, -0.5] * 20, "class": ["a", "b", "b", "a"] * 10})


@pytest.mark.parametrize("kind", [Playground, TrainingPanel])
def test_own_points_come_as_a_table_or_a_file_and_the_text_says_whence(kind, capsys, tmp_path):
    panel = kind(**SMALL | {"data": TABLE, "ratio": "1:1"})
    assert panel.text.startswith("data=the table, 40 points #")
    assert "x0: 40 to 79 is now -1 to 1" in panel.own.words.value
    assert [len(points) for points in panel.state.points()] == [20, 20]
    panel.run()
    namespace = {}
    exec(panel.code(), namespace)
    assert list(namespace["found"].values()) == [o.test for o in panel.outcomes()]
    assert "of the test points right" in capsys.readouterr().out

    def upload(text, name="mine.csv"):
        panel.own.upload.value = ({"name": name, "type": "", "size": 9, "content": text, "last_modified": now},)

    now = datetime.now(UTC)
    upload(TABLE.to_csv(index=False).encode())
    assert panel.text.startswith("data=mine.csv, 40 points #")
    before = panel.text
    upload(b"x0,x1,class\n1,2,a\n1,zwei,b\n")
    assert "mine.csv: line 3, column x1" in panel.refusal.value
    assert panel.text == before
    path = tmp_path / "odd=;name.csv"
    TABLE.to_csv(path, index=False)
    assert kind(**SMALL | {"data": str(path)}).text.startswith("data=odd name.csv, 40 points #")
    with pytest.raises(ValueError, match="there is no column class"):
        kind(data=TABLE.drop(columns="class"))


def test_own_points_need_a_plane_or_images_in_the_playground_alone():
    three = TABLE.assign(x2=1.0)
    with pytest.raises(ValueError, match="two inputs"):
        Playground(**SMALL | {"data": three})
    assert TrainingPanel(**SMALL | {"data": three}).run(2).description


def test_a_rule_chosen_twice_counts_once(undrawn):
    panel = Playground(**SMALL)
    panel.controls["rule 3"].value = "local, parallel"
    assert panel.state.rules == ("local, parallel",)
    assert panel.controls["rule 3"].value == "none"
    panel.controls["rule 4"].value = "back-propagation"
    assert panel.state.rules == ("local, parallel", "back-propagation")
    assert panel.controls["rule 2"].value == "back-propagation"


def test_a_broken_text_is_said_and_changes_nothing(undrawn):
    panel = Playground(**SMALL)
    panel.step()
    before, race = panel.text, panel.race
    values = {name: control.value for name, control in panel.controls.items()}
    texts = "=|seed=x|rules=magic|data=moons; data=rings|<b>hello</b>|hidden=9-9-9-9-9|rate=100|noise=2|epochs=2.5"
    for text in (*texts.split("|"), "seed=nan", "rules=local", "colour=red", "layer=4", "hidden=1e2", "l2=0.1"):
        with pytest.raises(ValueError, match=text.split("=")[0] or "="):
            panel.apply(text)
        panel.line.value = text
        assert 'role="alert"' in panel.refusal.value
        assert "Nothing has changed" in panel.refusal.value
        assert "<b>" not in panel.refusal.value
        assert panel.text == before
        assert panel.race is race
        assert panel.count == 1
        assert values == {name: control.value for name, control in panel.controls.items()}
    panel.line.value = before.replace("seed=0", "seed=7")
    assert panel.state.seed == panel.controls["seed"].value == 7
    assert panel.refusal.value == ""
    assert panel.error is None


def test_a_text_sets_every_control_and_other_digits_stay(undrawn):
    panel = Playground()
    panel.apply("data=rings; rate=0.012345; noise=0.33; hidden=7; samples=33; rules=local, damped | local, window")
    assert panel.controls["rate"].value == 0.012345
    assert panel.controls["rule 2"].value == "local, window"
    panel.controls["seed"].value = 4
    assert (panel.state.rate, panel.state.noise, panel.state.samples) == (0.012345, 0.33, 33)


def test_the_code_of_the_panel_gives_its_numbers(capsys, undrawn):
    panel = Playground(**RACE | {"data": "rings"})
    panel.run()
    namespace = {}
    exec(panel.code(), namespace)
    assert namespace["found"] == {o.rule: o.test for o in panel.outcomes()}
    assert panel.text.split("rules")[0].strip("; ") in panel.code().replace("\n#  ", "")
    assert "of the test points right" in capsys.readouterr().out


def test_the_code_and_the_figure_are_offered_and_a_failure_is_said(monkeypatch):
    panel = Playground(**SMALL)
    panel.run(2)
    offers = {button.description: button for button in panel.offers.children[1:]}
    for name, sign in (("Code", "RULES[rule]"), ("PNG", "image/png"), ("SVG", "svg+xml")):
        offers[name].click()
        assert sign in panel.export.value
    monkeypatch.setattr(panel.picture, "file", lambda kind: 1 / 0)
    offers["PNG"].click()
    assert "division by zero" in panel.refusal.value


def test_changes_while_it_trains_count_as_one_and_the_picture_follows(undrawn):
    async def scenario():
        panel = Playground(**SMALL | {"epochs": 5000})
        panel.start()
        await until(lambda: panel.count > 0)
        panel.apply("hidden=9-9-9-9; layer=4; unit=9; epochs=5000; samples=40; data=moons")
        panel.controls["layer"].value = 2
        panel.controls["hidden"].value = "9-9"
        await until(lambda: panel.race.run.data == "moons" and panel.count > 0)
        assert panel.phase == "running"
        assert panel.looked_at == (2, 9, 1)
        panel.pause()
        await until(lambda: panel.phase == "paused")
        assert panel.error is None
        assert len(panel.live.picture.layers) == 3

    asyncio.run(scenario())
