"""Checks of lecture 09: a state is read, a race is judged over seeds, a setting is found where the order turns."""

from __future__ import annotations

import statistics
from dataclasses import replace

from helpers.checks.verdict import Answer, Cases, check, judge
from helpers.training.runs import Outcome, Race, Run

TRIO = "rules=back-propagation | local, parallel | local, sequential"
PAIR = ("back-propagation", "local, parallel")
MARGIN = 0.02  # by which the local rule has to lead, in test accuracy
SEEDS = range(3)


@check
def check_each_weight_changes(each_weight_changes: Answer) -> Cases:
    """Check ``each_weight_changes(text) -> {rule: updates of each weight}``."""
    for text, sequential, epochs, hint in (
        (f"hidden=32-32-32; {TRIO}; equal=passes", 50, 200, "four blocks share the passes: the output is one too"),
        (f"hidden=32; epochs=31; {TRIO}; equal=passes", 15, 31, "a share of an epoch is no epoch: round down"),
        (f"hidden=9-9-9-9; epochs=3; {TRIO}; equal=passes", 1, 3, "no block gets less than one epoch"),
        (f"hidden=32-16; epochs=80; {TRIO}; equal=updates", 80, 80, "read the part equal: here it is the updates"),
        (f"{TRIO}", 50, 200, "what the text leaves out has its default: Run.from_text knows it"),
    ):
        expected = {"back-propagation": epochs, "local, parallel": epochs, "local, sequential": sequential}
        got = each_weight_changes(text)
        yield judge(got == expected, repr(text), expected, got, hint)
    got = each_weight_changes("epochs=7; rules=local, parallel")
    yield judge(got == {"local, parallel": 7}, "one rule alone", {"local, parallel": 7}, got, "only rules of the text")


@check
def check_winner(winner: Answer) -> Cases:
    """Check ``winner(races) -> rule``, the best median test accuracy over races that differ in their seed."""

    def races(**tests: tuple[float, ...]) -> list[list[Outcome]]:
        return [[Outcome(rule, 100, 0.9, t, 1.0) for rule, t in zip(tests, ts)] for ts in zip(*tests.values())]

    memory = [[Outcome("A", 100, 0.99, 0.80, 1.0), Outcome("B", 100, 0.85, 0.84, 1.0)]] * 3
    (first,), (second,) = races(A=(0.8,), B=(0.7,)), races(A=(0.9,), B=(0.6,))
    for given, expected, case, hint in (
        (memory, "B", "A ahead on training, B on test data", "read .test"),
        (races(A=(0.99, 0.7, 0.7), B=(0.8,) * 3), "B", "A with one lucky seed of three", "a median, not the best run"),
        (races(A=(0.0, 0.9, 0.9), B=(0.8,) * 3), "A", "A with one bad seed", "a median, not a mean or the worst"),
        ([first[::-1], second], "A", "rules in another order", "group by .rule, not by position"),
    ):
        got = winner(given)
        yield judge(got == expected, case, expected, got, hint)


@check
def check_local_wins(local_wins: Answer) -> Cases:
    """Check ``local_wins() -> text``, a state in which the local parallel rule leads at equal passes."""
    run = Run.from_text(local_wins())
    rules = set(run.rules)
    yield judge(rules == set(PAIR), "the rules", " | ".join(PAIR), " | ".join(run.rules), "these two and no other")
    yield judge(run.equal == "passes", "what is equal", "passes", run.equal, "choose it in the panel")
    small = run.epochs <= 200 and run.samples <= 500
    yield judge(small, "the budget", "200 epochs and 500 points at most", f"{run.epochs}, {run.samples}", "we wait")
    margins = []
    for seed in SEEDS:
        race = Race(replace(run, seed=seed))
        for _ in race:
            pass
        test = {found.rule: found.test for found in race.outcomes()}
        margins.append(test[PAIR[1]] - test[PAIR[0]])
    lead = statistics.median(margins)
    case, wanted = f"seeds 0 to {SEEDS.stop - 1}", f"a median lead of the local rule of {MARGIN} on test data"
    hint = "no signal through all blocks reaches a local rule: make that signal weak (depth, activation, optimiser)"
    yield judge(lead >= MARGIN, case, wanted, f"{lead:.3f}", hint)
