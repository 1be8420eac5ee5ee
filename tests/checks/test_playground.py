"""Each check of lecture 09 refuses wrong answers that a reader may well write."""

from __future__ import annotations

import statistics

import pytest

from helpers.checks import playground as exercises
from helpers.training.runs import Run
from tests.checks.refused import refusing
from tests.solutions import load

solution = load("playground")


@pytest.mark.parametrize(("name", "cases"), [("each_weight_changes", "6"), ("winner", "4"), ("local_wins", "4")])
def test_a_right_answer_is_told_how_many_cases_it_passed(name, cases):
    assert getattr(exercises, f"check_{name}")(getattr(solution, name)).text.startswith(cases)


def counted(share, updates=True, rules=None):
    def each_weight_changes(text):
        state = Run.from_text(text)
        shared = state.equal == "passes" or not updates
        return {
            rule: share(state) if rule == "local, sequential" and shared else state.epochs
            for rule in rules or state.rules
        }

    return each_weight_changes


def by(measure, summary=statistics.median):
    def winner(races):
        found = {}
        for race in races:
            for outcome in race:
                found.setdefault(outcome.rule, []).append(measure(outcome))
        return max(found, key=lambda rule: summary(found[rule]))

    return winner


def by_position(races):
    columns = list(zip(*races))
    best = max(columns, key=lambda column: statistics.median(o.test for o in column))
    return best[0].rule


THREE = ["back-propagation", "local, parallel", "local, sequential"]
TWO = "rules=back-propagation | local, parallel; epochs=5; samples=50; hidden=4-4-4"

test_wrong_answers = refusing(
    exercises,
    {
        "each_weight_changes": [
            (counted(lambda s: s.epochs // len(s.hidden)), "the output is one too"),
            (counted(lambda s: s.epochs / (len(s.hidden) + 1)), "round down"),
            (counted(lambda s: max(1, s.epochs // (len(s.hidden) + 1)), updates=False), "read the part equal"),
            (counted(lambda s: max(1, s.epochs // (len(s.hidden) + 1)), rules=THREE), "only rules"),
        ],
        "winner": [
            (by(lambda o: o.training), "read .test"),
            (by(lambda o: o.test, min), "not a mean or the worst"),
            (by(lambda o: o.test, statistics.mean), "not a mean"),
            (by_position, "not by position"),
        ],
        "local_wins": [
            (lambda: TWO, "make that signal weak"),
            (lambda: TWO + "; equal=updates", "choose it in the panel"),
            (lambda: TWO.replace("samples=50", "samples=600"), "500 points at most"),
            (lambda: "epochs=5; planet=mars", "no part of a run is called 'planet'"),
        ],
    },
)
