"""Races: equal budgets, equal starts; the text of a state; the code that repeats a race."""

from __future__ import annotations

import threading
import time
from dataclasses import fields, replace

import pytest
import torch

from helpers.training import RULES, TrainingError
from helpers.training import race as races
from helpers.training.race import EQUAL, LABELLED, MOST_RULES, OPTIONS, Race, State
from helpers.training.race_code import code_of
from helpers.training.session import ACTIVATIONS, OPTIMIZERS, Net, Session, Setting

SMALL = State(blocks=2, width=5, samples=40, epochs=6)
TRIO = ("back-propagation", "local, parallel", "local, sequential")
CHOICES = {
    "data": LABELLED,
    "activation": list(ACTIVATIONS),
    "normalize": [True, False],
    "equal": list(EQUAL),
    "optimizer": list(OPTIMIZERS),
    "rules": [*((rule,) for rule in RULES), tuple(RULES)[:2], tuple(RULES)[-MOST_RULES:]],
}


def values_of(field):
    """Every option of a choice; both ends of a number, and something odd between them."""
    if field.name in CHOICES:
        return CHOICES[field.name]
    low, high = OPTIONS[field.name].low, OPTIONS[field.name].high
    kind = type(field.default)
    return [kind(low), kind(high), 0.1 + 0.2 if kind is float else int((low + high) / 2)]


@pytest.mark.parametrize("field", fields(State), ids=lambda field: field.name)
def test_every_setting_survives_its_text(field):
    for value in values_of(field):
        state = replace(
            State(blocks=4, width=100),
            **{field.name: value} | ({"layer": 1, "unit": 1} if field.name in ("blocks", "width") else {}),
        )
        assert State.from_text(state.text) == state
        assert State.from_text(state.text).text == state.text
        assert len(state.text) < 400
    assert not any(sign in rule for rule in RULES for sign in ";=|\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data", "not of the form name=value"),
        ("data=", "not of the form"),
        ("data=atlantis", "data must be one of signed_xor"),
        ("planet=mars", "no part of the state is called 'planet'"),
        ("seed=1; seed=2", "seed is given twice"),
        ("seed=-1", "seed must be a whole number"),
        ("seed=1.5", "seed must be a whole number"),
        ("seed=1_0", "seed must be a whole number"),
        ("seed=٣", "seed must be a whole number"),
        ("seed=1000001", "seed must be from 0"),
        ("rate=nan", "rate must be a number"),
        ("rate=inf", "rate must be a number"),
        ("rate=1e99", "rate must be from"),
        ("noise=0.6", "noise must be from 0 to 0.5"),
        ("epochs=0", "epochs must be a whole number from 1"),
        ("blocks=5", "blocks must be from 1 to 4"),
        ("normalize=True", "normalize must be yes or no"),
        ("rules=magic", "rules must be among back-propagation"),
        ("rules=local, parallel | local, parallel", "different names"),
        ("rules=" + " | ".join(list(RULES)[:5]), "one to 4"),
        ("layer=4", "layer and unit must be in the net of 3"),
        ("unit=33", "layer and unit must be in the net"),
        ("seed=__import__('os').getpid()", "seed must be a whole number"),
        ("data={0.__class__}", "data must be one of"),
        ("x" * 1001, "at most 1000 characters"),
    ],
)
def test_a_broken_text_is_refused_by_name(text, words):
    with pytest.raises(ValueError, match=words):
        State.from_text(text)


def test_what_a_text_leaves_out_has_its_default_and_spaces_do_not_count():
    assert State.from_text("") == State()
    assert State.from_text("  seed = 3 ;data=rings;") == State(seed=3, data="rings")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"seed": 1.0}, TypeError, "seed must be a whole number"),
        ({"epochs": True}, TypeError, "epochs"),
        ({"normalize": 1}, TypeError, "normalize must be True or False"),
        ({"rules": ()}, ValueError, "one to 4"),
        ({"data": "normal"}, ValueError, "data must be one of"),
        ({"rate": float("nan")}, ValueError, "rate must be from"),
    ],
)
def test_bad_fields_are_refused_by_name(fields, error, words):
    with pytest.raises(error, match=words):
        State(**fields)


@pytest.mark.parametrize(("equal", "steps"), [("passes", [12, 12, 12]), ("updates", [12, 12, 36])])
def test_a_race_spends_its_budget_evenly_and_its_runs_are_the_runs_alone(equal, steps):
    race = Race(replace(SMALL, rules=TRIO, equal=equal, epochs=12))
    assert [s.total for s in race.sessions] == steps
    for count in race:
        assert [session.count for session in race.sessions] == [n * count // 12 for n in steps]
    for rule, session in zip(TRIO, race.sessions):
        alone = Session(race.state.setting(rule))
        list(alone)
        assert all(torch.equal(p, q) for p, q in zip(session.model.parameters(), alone.model.parameters()))


def test_every_rule_starts_from_the_same_weights_and_data():
    for chunk in range(0, len(RULES), MOST_RULES):
        race = Race(replace(SMALL, rules=tuple(RULES)[chunk : chunk + MOST_RULES], noise=0.1))
        first = race.sessions[0]
        for session in race.sessions:
            assert session.training_set is first.training_set
            assert all(torch.equal(p, q) for p, q in zip(session.model.parameters(), first.model.parameters()))


def test_equal_seconds_follow_the_measured_speeds(monkeypatch):
    speeds = {"back-propagation": 100.0, "local, parallel": 50.0, "local, sequential": 301.0}
    monkeypatch.setattr(races, "speed", lambda state, rule: speeds[rule])
    race = Race(replace(SMALL, rules=TRIO, equal="seconds", epochs=12))
    assert [s.total for s in race.sessions] == [12, 6, 36]  # sequential: a third of 36 epochs for each of its blocks
    list(race)
    assert [s.count for s in race.sessions] == [12, 6, 36]


def test_a_speed_is_steps_over_seconds(monkeypatch):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert races.speed(SMALL, "local, sequential") == 3.0  # 12 steps, 4 for each of 3 blocks


def test_outcomes_say_where_each_rule_stands():
    race = Race(replace(SMALL, rules=TRIO, data="gaussian", epochs=30, noise=0.05))
    list(race)
    for outcome, session in zip(race.outcomes(), race.sessions):
        data = session.test_set
        right = ((session.predict(data.X)[-1] >= 0.5) == (data.Y.numpy() >= 0.5)).mean()
        assert outcome.test == right
        assert outcome.steps == 30
        assert outcome.seconds > 0
    assert race.outcomes()[0].test > 0.8


def test_an_error_names_the_rule_that_met_it(monkeypatch):
    race = Race(replace(SMALL, rules=TRIO))
    real = Session.__next__

    def fails(session):
        if session.setting.rule == "local, parallel":
            raise TrainingError("the loss is nan")
        return real(session)

    monkeypatch.setattr(Session, "__next__", fails)
    with pytest.raises(TrainingError, match="local, parallel: the loss is nan"):
        list(race)


@pytest.mark.parametrize("start", range(0, len(RULES), MOST_RULES))
@pytest.mark.parametrize("equal", ["passes", "updates"])
def test_the_code_gives_the_same_numbers(start, equal):
    rules = tuple(RULES)[start : start + MOST_RULES]
    race = Race(
        replace(
            SMALL,
            rules=rules,
            equal=equal,
            data="moons",
            noise=0.1,
            seed=3,
            rate=0.02,
            activation="tanh",
            normalize=False,
        )
    )
    list(race)
    namespace = {}
    exec(code_of(race), namespace)  # the code is ours, from a state whose parts are all names and numbers
    for rule, session, outcome in zip(rules, race.sessions, race.outcomes()):
        theirs = namespace["models"][rule].parameters()
        assert all(torch.equal(p, q) for p, q in zip(session.model.parameters(), theirs, strict=True)), rule
        assert namespace["found"][rule] == outcome.test


def test_the_code_repeats_a_race_at_equal_seconds_and_digits_too():
    race = Race(replace(SMALL, rules=TRIO[::2], equal="seconds", data="digits", optimizer="Adam"))
    list(race)
    namespace = {}
    exec(code_of(race), namespace)
    assert [namespace["found"][o.rule] for o in race.outcomes()] == [o.test for o in race.outcomes()]


def test_a_setting_takes_a_net_of_ones_own_and_refuses_an_unknown_activation():
    session = Session(Setting(net=Net((3, 4), "ReLU"), samples=20, noise=0.1, epochs=1))
    assert [h.shape for h in session.snapshot().units(session.training_set.X[:7])] == [(7, 3), (7, 4)]
    assert len(session.training_set) == 20
    assert len(session.test_set) == 1000
    with pytest.raises(ValueError, match="activation must be one of Mish"):
        Setting(net=Net((3,), "step"))
    with pytest.raises(ValueError, match="net must be one of"):
        Setting(net="huge")


@pytest.mark.parametrize("rule", RULES)
def test_a_snapshot_answers_as_the_net_did_when_it_was_taken(rule):
    session = Session(SMALL.setting(rule))
    X = session.test_set.X[:20]
    for _ in range(2):
        answers, view, quick = session.predict(X), session.snapshot(), session.snapshot(quick=True)
        next(session)
        assert all((a == b).all() for a, b in zip(view(X), answers, strict=True))
        assert all(abs(a - b).max() < 1e-5 for a, b in zip(quick(X), answers, strict=True))
    assert any((a != b).any() for a, b in zip(view(X), session.predict(X)))


@pytest.mark.parametrize("rule", ["back-propagation", "local, parallel", "forward-forward"])
def test_each_reader_has_a_net_of_its_own(rule):
    """A frame that stands still is asked, by another thread, while the run goes on and takes new snapshots."""
    session = Session(replace(SMALL, epochs=20).setting(rule))
    X = session.test_set.X[:20]
    next(session)
    views = [session.snapshot(quick=quick) for quick in (False, True)]
    expected = [view(X) for view in views]
    wrong = []

    def ask():
        for _ in range(30):
            for view, answers in zip(views, expected):
                wrong.extend(1 for a, b in zip(view(X), answers) if (a != b).any())

    def ask_the_run():
        for _ in range(10):
            session.predict(X)  # puts the live net into evaluation mode for a moment

    readers = [threading.Thread(target=ask), threading.Thread(target=ask_the_run)]
    for reader in readers:
        reader.start()
    losses = [step.loss for step in session if session.snapshot(quick=True)]
    for reader in readers:
        reader.join()
    assert not wrong
    alone = Session(replace(SMALL, epochs=20).setting(rule))
    assert [step.loss for step in alone][1:] == losses
    again = [view(X) for view in views]
    assert all((a == b).all() for found, wanted in zip(again, expected) for a, b in zip(found, wanted))
