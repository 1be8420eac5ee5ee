"""What lecture 07 says of its ten-seed experiments holds in their results, and short ones of them are run again."""

from __future__ import annotations

import statistics

import pytest

from tests.solutions import load

experiments = load("local_propagation", folder="experiments")
RESULTS = experiments.read()


def pick(column="accuracy", **wanted):
    return [getattr(r, column) for t, r in RESULTS.items() if all(getattr(t, k) == v for k, v in wanted.items())]


def test_every_run_is_there_with_its_provenance():
    assert set(RESULTS) == set(experiments.tasks())
    head = experiments.RESULTS.read_text().splitlines()[:2]
    assert "python experiments/local_propagation.py" in head[0]
    assert "torch 2.13.0" in head[1]


@pytest.mark.parametrize(
    "task",
    [
        experiments.Task("decoders", "signed_xor", "local, sequential", "fixed", "passes", 3),
        experiments.Task("budgets", "rings", "local, sequential", "trained", "passes", 0),
        experiments.Task("digits", "digits", "local, sequential", "trained", "passes", 9),
    ],
    ids=lambda task: task.question,
)
def test_short_runs_come_out_again(task):
    again, kept = experiments.run(task), RESULTS[task]
    assert again.epochs == kept.epochs
    assert again.accuracy == pytest.approx(kept.accuracy, abs=0.02)  # another processor adds up in another order


def test_a_run_of_every_kind_works_at_a_tiny_budget():
    kinds = {(t.question, t.rule, t.budget): t for t in experiments.tasks() if t.data in ("signed_xor", "digits")}
    for task in kinds.values():
        assert 0 < experiments.run(task, n=4).accuracy <= 1


@pytest.mark.parametrize("rule", ["back-propagation", "local, parallel", "local, sequential"])
def test_medians_on_signed_xor(rule):
    accuracies = pick(question="budgets", data="signed_xor", rule=rule, budget="passes")
    assert len(accuracies) == 10
    assert statistics.median(accuracies) >= 0.985


@pytest.mark.parametrize("rule", ["local, parallel", "local, sequential"])
def test_training_the_decoders_lifts_the_worst_run(rule):
    trained, fixed = (pick(question="decoders", rule=rule, decoders=d) for d in ("trained", "fixed"))
    assert min(trained) > min(fixed)
    assert max(trained) - max(fixed) < 0.01


def test_zeroing_a_shared_optimiser_alone_makes_the_rule_look_stuck():
    zeroed, none = (pick("loss", rule=f"one optimiser, {how}") for how in ("zeroed", "set to None"))
    each = pick("loss", question="decoders", rule="local, parallel", decoders="fixed")
    assert len(zeroed) == len(none) == len(each) == 10
    assert statistics.median(zeroed) > 2 * statistics.median(none)
    assert statistics.median(zeroed) > 2 * statistics.median(each)


@pytest.mark.parametrize("data", ["spirals", "checkerboard"])
def test_which_local_rule_leads_depends_on_the_budget(data):
    def median(which, budget):
        return statistics.median(pick(question="budgets", data=data, rule=f"local, {which}", budget=budget))

    assert median("parallel", "passes") > median("sequential", "passes")
    assert median("parallel", "passes") < median("sequential", "updates")  # a parallel epoch is a pass and an update
    assert median("parallel", "seconds") < median("sequential", "seconds")


def test_a_high_accuracy_can_go_with_a_high_cross_entropy():
    wanted = {"question": "budgets", "data": "signed_xor", "rule": "back-propagation"}
    assert min(pick(**wanted)) > 0.98
    assert max(pick("loss", **wanted)) > 0.1


def test_no_run_failed_unnoticed():
    assert all(0 <= r.accuracy <= 1 and r.loss < float("inf") and r.seconds > 0 for r in RESULTS.values())
