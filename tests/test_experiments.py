"""The experiments: their runner, and that what their files hold comes out again."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import platform
import statistics
import subprocess
import sys
from typing import NamedTuple

import pytest
import runs
import torch

from helpers.networks import NETWORKS
from helpers.training.idempotent import numerical_rank
from tests.solutions import ROOT, load

constraints, idempotent = (load(name, folder="experiments") for name in ("constraints", "idempotent"))


class Task(NamedTuple):
    word: str
    rate: float
    seed: int


class Result(NamedTuple):
    value: float
    good: bool
    process: int


TASKS = [Task(word, rate, seed) for word in ("one", "two, with a comma") for rate in (0.1, 1e-7) for seed in range(2)]


def toy_run(task):
    return Result(math.nan if task.seed else task.rate / 3, not task.seed, os.getpid())


@pytest.fixture
def toy(tmp_path):
    return runs.Experiment(str(tmp_path / "toy.py"), Task, Result, TASKS, toy_run, "seeds 0 and 1")


def counting(experiment, stop_after=None):
    """Return the experiment, and the list of the tasks that it runs from now on; it may be stopped like by Ctrl-C."""
    done = []

    def run(task):
        if len(done) == stop_after:
            raise KeyboardInterrupt
        done.append(task)
        return experiment.run(task)

    return dataclasses.replace(experiment, run=run), done


def test_all_runs_are_in_the_file_and_read_as_they_were(toy, capsys):
    toy.main(["--jobs", "1"])
    results = toy.read()
    assert list(results) == TASKS
    for task, result in results.items():
        assert repr(result) == repr(toy_run(task))  # every digit, NaN, and the kind of each value
    out, err = capsys.readouterr()
    assert "toy.csv: 8 of 8 runs" in out
    assert "8/8" in err  # the progress


def test_nothing_is_run_twice(toy):
    first, done = counting(toy)
    first.main(["--jobs", "1", "--only", "seed=1", "--only", "rate=0.1"])
    assert done == [t for t in TASKS if t.seed == 1 and t.rate == 0.1]
    second, rest = counting(toy)
    second.main(["--jobs", "1"])
    assert sorted(rest + done) == sorted(TASKS)
    assert list(toy.read()) == TASKS  # in their order, not that of running
    before = toy.file.read_text(), toy.file.stat().st_mtime_ns
    third, none = counting(toy)
    third.main(["--jobs", "1"])
    assert not none
    assert before == (toy.file.read_text(), toy.file.stat().st_mtime_ns)


def test_a_run_that_is_stopped_loses_nothing(toy):
    stopped, done = counting(toy, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        stopped.main(["--jobs", "1"])
    assert list(toy.read()) == done == TASKS[:3]
    again, rest = counting(toy)
    again.main(["--jobs", "1"])
    assert rest == TASKS[3:]


@pytest.mark.parametrize("cut", [1, 3, 25])
def test_a_last_line_that_is_cut_off_is_run_again(toy, cut):
    toy.main(["--jobs", "1"])
    toy.file.write_text(toy.file.read_text()[:-cut])
    assert list(toy.read()) == TASKS[:-1]
    again, done = counting(toy)
    again.main(["--jobs", "1"])
    assert done == TASKS[-1:]
    assert list(toy.read()) == TASKS


@pytest.mark.parametrize(
    ("line", "wrong", "words"),
    [
        (3, "word,rate,seed,value", "the columns must be word,rate,seed,value,good,process"),
        (5, "one,0.1,0", "a row has 6 values"),
        (5, "", "a row has 6 values"),
        (5, "one,much,0,0.1,True,1", "could not convert string to float: 'much'"),
        (5, "one,0.1,0,0.1,perhaps,1", "neither True nor False"),
    ],
)
def test_a_line_that_is_no_row_is_named(toy, capsys, line, wrong, words):
    toy.main(["--jobs", "1"])
    lines = toy.file.read_text().splitlines()
    lines[line - 1] = wrong
    toy.file.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=words):
        toy.read()
    with pytest.raises(SystemExit):
        toy.main(["--jobs", "1"])
    assert f"toy.csv, line {line}" in capsys.readouterr().err
    toy.main(["--jobs", "1", "--fresh"])
    assert list(toy.read()) == TASKS


def test_fresh_forgets_what_is_chosen(toy):
    toy.main(["--jobs", "1"])
    again, done = counting(toy)
    again.main(["--jobs", "1", "--fresh", "--only", "word=one"])
    assert done == TASKS[:4]
    assert list(toy.read()) == TASKS
    again.main(["--jobs", "1", "--fresh"])
    assert done[4:] == TASKS


def test_results_of_tasks_that_are_no_longer_asked_for_are_kept_at_the_end(toy):
    toy.main(["--jobs", "1"])
    fewer = dataclasses.replace(toy, tasks=[Task("new", 1.0, 0), *TASKS[4:]])
    fewer.main(["--jobs", "1"])
    assert list(toy.read()) == [Task("new", 1.0, 0), *TASKS[4:], *TASKS[:4]]


@pytest.mark.parametrize(
    ("only", "words"), [("colour=red", "must be one of word, rate, seed"), ("seed=7", "seed must be one of 0, 1")]
)
def test_an_unknown_name_is_answered_with_those_there_are(toy, capsys, only, words):
    with pytest.raises(SystemExit):
        toy.main(["--only", only])
    assert words in capsys.readouterr().err


def test_a_run_that_fails_says_which_it_was(toy):
    def run(task):
        raise ZeroDivisionError("nothing to divide")

    with pytest.raises(ZeroDivisionError) as caught:
        dataclasses.replace(toy, run=run).main(["--jobs", "1"])
    assert any("word='one', rate=0.1, seed=0" in note for note in caught.value.__notes__)
    assert toy.read() == {}


def test_the_file_says_where_it_comes_from(toy):
    toy.main(["--jobs", "1", "--only", "seed=0"])
    made, here, *_ = toy.file.read_text().splitlines()
    assert made == "# made by: python experiments/toy.py; seeds 0 and 1"
    for word in (platform.python_version(), f"torch {torch.__version__}", platform.machine(), "one thread a run"):
        assert word in here
    assert platform.node() not in made + here
    toy.file.write_text(toy.file.read_text().replace(here, "# with: Python 3.99, another machine"))
    toy.main(["--jobs", "1"])
    assert toy.file.read_text().splitlines()[1:3] == ["# with: Python 3.99, another machine", here]
    toy.main(["--jobs", "1", "--fresh"])
    assert toy.file.read_text().splitlines()[1] == here


SCRIPT = """
import os
from typing import NamedTuple

from runs import Experiment


class Task(NamedTuple):
    seed: int


class Result(NamedTuple):
    value: int
    process: int


def run(task):
    return Result(task.seed**2, os.getpid())


if __name__ == "__main__":
    Experiment(__file__, Task, Result, [Task(seed) for seed in range(4)], run, "seeds 0 to 3").main()
"""


def rows_elsewhere(folder, *options):
    """Run a script as a reader does, and return its rows; none may come from the process that was started."""
    script = folder / "squares.py"
    script.write_text(SCRIPT)
    paths = os.pathsep.join([str(ROOT / "experiments"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen([sys.executable, script, *options], env=environment, stderr=subprocess.PIPE, text=True)
    _, err = process.communicate()
    assert process.returncode == 0, err
    rows = list(csv.DictReader(script.with_suffix(".csv").read_text().splitlines()[2:]))
    assert str(process.pid) not in {row["process"] for row in rows}
    return [(row["seed"], row["value"]) for row in rows]


def test_other_processes_give_the_same(tmp_path):
    assert rows_elsewhere(tmp_path, "--jobs", "2") == [("0", "0"), ("1", "1"), ("2", "4"), ("3", "9")]


def test_a_cluster_gives_the_same(tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        rows = rows_elsewhere(tmp_path, "--dask", cluster.scheduler_address)
    assert rows == [("0", "0"), ("1", "1"), ("2", "4"), ("3", "9")]


def test_without_dask_the_message_says_what_to_install(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SystemExit, match=r"pip install -e '\.\[cluster\]'"):
        toy.main(["--dask", "tcp://127.0.0.1:8786"])


# Lecture 04


ROWS = list(csv.DictReader(line for line in constraints.RESULTS.read_text().splitlines() if not line.startswith("#")))


def median(rule, column):
    return statistics.median(float(row[column]) for row in ROWS if row["rule"] == rule)


def test_every_run_of_lecture_04_is_in_the_file_with_its_provenance():
    assert list(constraints.EXPERIMENT.read()) == list(constraints.tasks())
    assert {(row["rule"], int(row["seed"])) for row in ROWS} == {(n, s) for n in constraints.NAMES for s in range(5)}
    assert {row["passes"] for row in ROWS} == {"200"}
    head = constraints.RESULTS.read_text().splitlines()
    assert "python experiments/constraints.py" in head[0]
    assert "torch" in head[1]


def test_medians_are_what_lecture_04_says():
    ahead = median("back-propagation", "accuracy")
    assert all(median(rule, "accuracy") < ahead for rule in constraints.METHODS)
    assert median("augmented Lagrangian", "accuracy") >= 0.98
    assert median("augmented Lagrangian", "violation") < 0.02
    assert median("back-propagation", "kept") == 0
    assert all(median(rule, "saved") > median("back-propagation", "saved") for rule in constraints.METHODS)


@pytest.mark.parametrize("rule", constraints.NAMES[:3])
def test_a_run_of_lecture_04_comes_out_again(rule):
    kept = next(row for row in ROWS if row["rule"] == rule and row["seed"] == "0")
    again = constraints.run(rule, 0)
    # sums in another order, on another processor, may move a few points of 1000 to the other side
    assert again.accuracy == pytest.approx(float(kept["accuracy"]), abs=0.02)
    assert (again.saved, again.kept) == (int(kept["saved"]), int(kept["kept"]))


def test_an_unknown_rule_is_named():
    with pytest.raises(ValueError, match="rule must be one of back-propagation"):
        constraints.run("magic", 0)


# Lecture 05


KEPT = idempotent.read()
AGAIN = [
    idempotent.Task("N1", 10_000, "ordinary", 0.03, 1, 100),
    idempotent.Task("N1", 2000, "ordinary", 0.03, 0, 100),
    idempotent.Task("N1", 10_000, "modified", 1.0, 1, 100),
    idempotent.Task("N2", 10_000, "ordinary x n/2", 0.1, 2, 100),
    idempotent.Task("N3", 10_000, "modified", 0.03, 4, 100),
    idempotent.Task("B1", 10_000, "ordinary x n/2", 0.1, 1, 100),
]


def agree(a, b):
    """Say whether two results are those of one run, on processors that round differently."""
    exact = ("start_rank", "rank", "diverged", "collapsed")

    def size(error):
        return -15 if error < 1e-15 else math.log10(error)  # below, it is the rounding that is measured

    errors = a.diverged or abs(size(a.error) - size(b.error)) < 0.5
    start = a.start_error == pytest.approx(b.start_error, rel=1e-3)
    traces = a.diverged or a.trace == pytest.approx(b.trace, abs=0.01)
    return all(getattr(a, name) == getattr(b, name) for name in exact) and errors and start and traces


def faults(results):
    """Name what cannot be true of a table of lecture 05."""
    found = []
    for task, r in results.items():
        if r.diverged != any(map(math.isnan, (r.error, r.trace, r.norm))) or r.diverged != (r.rank == -1):
            found.append(f"{task}: what diverged has no measures, all else has")
        if r.collapsed != (r.rank == 0):
            found.append(f"{task}: collapsed is rank 0")
        if idempotent.success(r) and (r.diverged or r.rank < 1 or not r.error < r.start_error):
            found.append(f"{task}: no success")
        # without biases and tanh, an idempotent map has its rank for a trace, and no smaller norm than the root of it
        if task.network in ("N1", "N2") and r.error < 1e-9:
            if not abs(r.trace - r.rank) < 0.01:
                found.append(f"{task}: trace {r.trace}, rank {r.rank}")
            if not r.norm >= 0.99 * math.sqrt(max(r.rank, 0)):
                found.append(f"{task}: norm {r.norm}, rank {r.rank}")
    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_the_table_of_lecture_05_has_every_batch_rule_rate_and_seed(network):
    mine = {task for task in KEPT if task.network == network}
    planned = {task for task in idempotent.tasks() if task.network == network}
    wide = network in ("N4", "B3", "B4")
    assert {task.batch for task in planned} == {10_000, 2000}
    assert {task.algorithm for task in planned} == {"ordinary", "ordinary x n/2", "modified"}
    assert {task.seed for task in planned} == set(range(3 if wide else 5))
    assert all(task.epochs == 3 for task in planned) is wide
    assert len(planned) == 2 * 3 * len({(task.rate, task.seed) for task in planned})
    assert mine == planned


def test_the_table_of_lecture_05_says_where_it_comes_from():
    made, here = idempotent.RESULTS.read_text().splitlines()[:2]
    assert "python experiments/idempotent.py; seeds 0 to 4" in made
    assert "torch" in here


def test_nothing_that_collapses_or_diverges_is_a_success():
    assert not faults(KEPT)
    assert any(r.diverged for r in KEPT.values())
    assert any(r.collapsed and r.error < 1e-12 for r in KEPT.values())  # a perfect score for a constant map


@pytest.mark.parametrize("network", ["N1", "N3", "B1"])
def test_the_modified_rule_more_often_ends_in_a_constant_map_or_nowhere(network):
    def successes(algorithm):
        mine = [r for t, r in KEPT.items() if (t.network, t.algorithm) == (network, algorithm)]
        assert len(mine) == 40
        return sum(map(idempotent.success, mine))

    assert 3 * successes("modified") < min(successes("ordinary"), successes("ordinary x n/2"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"diverged": True},
        {"error": math.nan},
        {"rank": -1},
        {"rank": 0},
        {"collapsed": True},
        {"rank": 2},
        {"trace": 0.5},
        {"norm": 0.5},
    ],
    ids=str,
)
def test_a_wrong_table_is_noticed(wrong):
    right = idempotent.Result(0.5, 1e-12, 1.0, 1.2, 3, 1, False, False, 1.0)
    task = idempotent.Task("N1", 2000, "modified", 0.1, 0, 100)
    assert not faults({task: right})
    assert faults({task: right._replace(**wrong)})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"error": 0.2}, False),
        ({"diverged": True}, False),
        ({"collapsed": True}, False),
        ({"error": math.nan}, False),
    ],
    ids=str,
)
def test_what_a_success_is(change, expected):
    result = idempotent.Result(0.1, 1e-6, 1.0, 1.2, 3, 1, False, False, 1.0)._replace(**change)
    assert idempotent.success(result) is expected


@pytest.mark.parametrize("task", AGAIN, ids=lambda task: f"{task.network} {task.algorithm} {task.rate}")
def test_a_run_of_lecture_05_comes_out_again(task):
    again, kept = idempotent.run(task), KEPT[task]
    assert agree(again, kept)
    assert not agree(again, kept._replace(rank=kept.rank + 1))
    assert not agree(again, kept._replace(start_error=1.1 * kept.start_error))
    assert not agree(again, kept._replace(diverged=not kept.diverged))
    assert again.diverged or not agree(again, kept._replace(error=10 * kept.error + 1e-10))


def test_the_rank_leaves_out_what_biases_add():
    constant = torch.nn.Linear(3, 3)
    with torch.no_grad():
        constant.weight.zero_()
        constant.bias.fill_(2.0)
    assert int(numerical_rank(constant(torch.eye(3)))) == 1  # three equal rows: n(I) alone would count one direction
    assert idempotent.rank(constant, 3) == 0
    with torch.no_grad():
        constant.weight[0, 0] = 1.0
    assert idempotent.rank(constant, 3) == 1


def test_a_run_that_blows_up_is_marked_and_measured_no_further():
    result = idempotent.run(idempotent.Task("N1", 10_000, "modified", 50.0, 0, 20))
    assert result.diverged
    assert not result.collapsed
    assert math.isnan(result.error)
    assert result.rank == -1


@pytest.mark.parametrize(
    ("change", "words"), [({"network": "N9"}, "N1, N2, N3, N4"), ({"algorithm": "magic"}, "magic")]
)
def test_unknown_names_of_lecture_05_are_answered(change, words):
    with pytest.raises((KeyError, ValueError), match=words):
        idempotent.run(AGAIN[0]._replace(**change))
