"""Races: equal budgets, equal starts; the text of a state; the code that repeats a race."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import pytest
import torch

from helpers.options import Each, OneOf, Whole
from helpers.training import RULES, TrainingError, runs
from helpers.training.runs import Race, Run, Session, declared

SMALL = Run(hidden=(5, 4), samples=40, epochs=6)
TRIO = ("back-propagation", "local, parallel", "local, sequential")
FOUR = 4  # rules in a race


def values_of(option):
    """Every option of a choice; both ends of a number, and something odd between them; one and several of them."""
    if isinstance(option, Each) and option.different:
        return [*((name,) for name in option.option.values), tuple(option.option.values)[: option.most]]
    if isinstance(option, Each):
        ends = values_of(option.option)
        return [(end,) for end in ends] + [(ends * option.most)[: option.most]]
    if isinstance(option, OneOf):
        return list(option.values)
    between = 0.1 + 0.2 if not isinstance(option, Whole) else (option.low + option.high) // 2
    return [option.low, option.high, between]


@pytest.mark.parametrize(("name", "option"), Run.options().items())
def test_every_field_survives_its_text(name, option):
    base = SMALL if name == "optimizer" else replace(SMALL, optimizer="SGD")
    for value in values_of(option):
        run = replace(base, **{name: value})
        assert getattr(run, name) == (tuple(value) if isinstance(value, list) else value)
        assert Run.from_text(run.text) == run
        assert Run.from_text(run.text).text == run.text
        assert len(run.text) < 450
    assert not any(sign in rule for rule in RULES for sign in ";=|\n")


WRONG = [None, b"3", object(), 1 + 2j, [[]], float("nan"), float("inf"), -1, 10**9, "atlantis", {}, ()]


@pytest.mark.parametrize("name", Run.options())
def test_a_value_of_another_kind_or_out_of_range_is_refused_by_name(name):
    whole = isinstance(Run.options()[name], Whole)
    wrong = [*WRONG, *([1, 0] if name == "normalize" else [True, "1"]), *([2.5] if whole else [])]
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=name):
            Run(**{name: value})
    with pytest.raises(TypeError, match="nois"):
        Run(nois=0.1)


def test_lists_are_taken_as_tuples_and_a_session_runs_one_rule():
    assert Run(hidden=[8, 4], rules=["back-propagation"]) == Run(hidden=(8, 4), rules=("back-propagation",))
    with pytest.raises(ValueError, match="rules must be one for a Session"):
        Session(Run(rules=TRIO))


def test_a_panel_adds_fields_that_are_checked_and_written_alike():
    @dataclass(frozen=True)
    class Shown(Run):
        unit: int = declared(1, Whole(1, 9))

    shown = Shown(unit=3, seed=5)
    assert Shown.from_text(shown.text) == shown
    with pytest.raises(ValueError, match="unit must be a whole number from 1 to 9"):
        Shown(unit=10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data", "not of the form name=value"),
        ("data=", "not of the form"),
        ("planet=mars", "no part of a run is called 'planet'"),
        ("seed=1; seed=2", "seed is given twice"),
        *(
            (f"seed={seed}", "seed must be a whole number")
            for seed in ("-1", "1.5", "1_0", "٣", "1000001", "__import__")
        ),
        *((f"rate={rate}", "rate must be a number") for rate in ("nan", "inf", "1e99")),
        ("hidden=5-5-5-5-5", "hidden must be one to 4 values"),
        ("hidden=5-x", "hidden must be a whole number"),
        ("normalize=True", "normalize must be one of True, False"),
        ("rules=local, parallel | local, parallel", "rules must be one to 4 different"),
        ("rules=" + " | ".join(list(RULES)[:5]), "one to 4"),
        ("data={0.__class__}", "data must be one of"),
        ("x" * 1001, "at most 1000 characters"),
    ],
)
def test_a_broken_text_is_refused_by_name(text, words):
    with pytest.raises(ValueError, match=words):
        Run.from_text(text)


def test_what_a_text_leaves_out_has_its_default_and_spaces_do_not_count():
    assert Run.from_text("") == Run()
    assert Run.from_text("  seed = 3 ;data=rings;") == Run(seed=3, data="rings")


@pytest.mark.parametrize(("equal", "steps"), [("passes", [12, 12, 12]), ("updates", [12, 12, 36])])
def test_a_race_spends_its_budget_evenly_and_its_runs_are_the_runs_alone(equal, steps):
    race = Race(replace(SMALL, rules=TRIO, equal=equal, epochs=12))
    assert [s.total for s in race.sessions] == steps
    for count in race:
        assert [session.count for session in race.sessions] == [n * count // 12 for n in steps]
    for rule, session in zip(TRIO, race.sessions):
        alone = Session(replace(race.run, rules=(rule,)))
        list(alone)
        assert all(torch.equal(p, q) for p, q in zip(session.model.parameters(), alone.model.parameters()))


def test_every_rule_starts_from_the_same_weights_and_data():
    for chunk in range(0, len(RULES), FOUR):
        race = Race(replace(SMALL, rules=tuple(RULES)[chunk : chunk + FOUR], noise=0.1))
        first = race.sessions[0]
        for session in race.sessions:
            assert torch.equal(session.training_set.X, first.training_set.X)
            assert all(torch.equal(p, q) for p, q in zip(session.model.parameters(), first.model.parameters()))


def test_equal_seconds_follow_the_measured_speeds(monkeypatch):
    speeds = {"back-propagation": 100.0, "local, parallel": 50.0, "local, sequential": 301.0}
    monkeypatch.setattr(runs, "speed", lambda run: speeds[run.rules[0]])
    race = Race(replace(SMALL, rules=TRIO, equal="seconds", epochs=12))
    assert [s.total for s in race.sessions] == [12, 6, 36]  # sequential: a third of 36 epochs for each of its blocks
    list(race)
    assert [s.count for s in race.sessions] == [12, 6, 36]


def test_a_speed_is_steps_over_seconds(monkeypatch):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert runs.speed(replace(SMALL, rules=("local, sequential",))) == 3.0  # 12 steps, 4 for each of 3 blocks


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
        if session.run.rules[0] == "local, parallel":
            raise TrainingError("the loss is nan")
        return real(session)

    monkeypatch.setattr(Session, "__next__", fails)
    with pytest.raises(TrainingError, match="local, parallel: the loss is nan"):
        list(race)


@pytest.mark.parametrize("start", range(0, len(RULES), FOUR))
@pytest.mark.parametrize("equal", ["passes", "updates"])
def test_the_code_gives_the_same_numbers(start, equal):
    rules = tuple(RULES)[start : start + FOUR]
    chosen = {"data": "moons", "noise": 0.1, "seed": 3, "rate": 0.02, "activation": "tanh", "normalize": False}
    race = Race(replace(SMALL, rules=rules, equal=equal, **chosen))
    list(race)
    namespace = {}
    exec(race.code(), namespace)  # the code is ours, from a state whose parts are all names and numbers
    for rule, session, outcome in zip(rules, race.sessions, race.outcomes()):
        theirs = namespace["models"][rule].parameters()
        assert all(torch.equal(p, q) for p, q in zip(session.model.parameters(), theirs, strict=True)), rule
        assert namespace["found"][rule] == outcome.test


def test_the_code_repeats_a_race_at_equal_seconds_and_digits_too():
    race = Race(replace(SMALL, rules=TRIO[::2], equal="seconds", data="digits", optimizer="Adam"))
    list(race)
    namespace = {}
    exec(race.code(), namespace)
    assert [namespace["found"][o.rule] for o in race.outcomes()] == [o.test for o in race.outcomes()]


@pytest.mark.parametrize("data", ["moons", "own"])
def test_batches_decay_ratio_and_own_points_do_what_they_say_and_the_code_repeats_them(data):
    own = runs.OWN["own"] = runs.datasets["rings"].train(samples=50, seed=3)
    run = replace(
        SMALL, data=data, rules=TRIO, optimizer="Adam", batch=16, l2=0.3, ratio="1:1", noise=0.1, hidden=(4, 3)
    )
    race = Race(run)
    list(race)
    train, test = run.points()
    assert (len(train), len(test)) == ((40, 40) if data == "moons" else (25, 25))
    namespace = {}
    exec(race.code(), namespace)
    assert [namespace["found"][o.rule] for o in race.outcomes()] == [o.test for o in race.outcomes()]
    for model, session in zip(namespace["models"].values(), race.sessions):
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), session.model.parameters()))
    for change in ({"batch": 0}, {"l2": 0.0}):
        other = Session(replace(run, rules=TRIO[:1], **change))
        list(other)
        assert not torch.equal(other.model[0][0].weight, race.sessions[0].model[0][0].weight)
    if data == "own":
        parts = torch.cat([p.X for p in replace(run, noise=0.0).points()])
        assert torch.equal(parts.sort(0).values, own.X.sort(0).values)


def test_what_a_rule_or_an_optimiser_cannot_do_is_refused_by_name():
    with pytest.raises(ValueError, match="l2 must be 0 with Rprop"):
        Run(l2=0.1)
    with pytest.raises(ValueError, match="batch must be 0"):
        Run(batch=5, rules=("constrained, ADMM",))
    with pytest.raises(ValueError, match="ratio 1:4 asks for too many test points"):
        Session(Run(data="digits", ratio="1:4"))
    for rule in RULES:
        if not rule.startswith("constrained"):
            list(Session(replace(SMALL, rules=(rule,), batch=7, optimizer="SGD", epochs=2)))


@pytest.mark.parametrize("rule", RULES)
def test_a_session_answers_as_its_net_is_now(rule):
    session = Session(replace(SMALL, rules=(rule,)))
    X = session.test_set.X[:20]
    begin = session.predict(X)
    list(session)
    answers = session.predict(X)
    assert [a.shape for a in answers] == [(20, 1)] * 3
    assert any((a != b).any() for a, b in zip(answers, begin))
    assert all((a == b).all() for a, b in zip(answers, session.predict(X), strict=True))
    assert [h.shape for h in session.units(X)] == [(20, 5), (20, 4)]
