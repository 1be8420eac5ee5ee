"""The runner of the experiments: nothing is run twice, nothing is lost, each file says where it comes from."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import platform
import subprocess
import sys
from typing import NamedTuple

import pytest
import runs
import torch
from distributed import LocalCluster

from tests.solutions import ROOT


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


def test_a_last_line_that_is_cut_off_is_run_again(toy):
    toy.main(["--jobs", "1"])
    toy.file.write_text(toy.file.read_text()[:-3])
    assert list(toy.read()) == TASKS[:-1]
    again, done = counting(toy)
    again.main(["--jobs", "1"])
    assert done == TASKS[-1:]
    assert list(toy.read()) == TASKS


def test_a_line_that_is_no_row_is_named(toy, capsys):
    toy.main(["--jobs", "1"])
    lines = toy.file.read_text().splitlines()
    for line, wrong, words in (
        (3, "word,rate,seed,value", "the columns must be word,rate,seed,value,good,process"),
        (5, "one,0.1,0", "a row has 6 values"),
        (5, "one,much,0,0.1,True,1", "could not convert string to float: 'much'"),
        (5, "one,0.1,0,0.1,perhaps,1", "neither True nor False"),
    ):
        toy.file.write_text("\n".join([*lines[: line - 1], wrong, *lines[line:]]) + "\n")
        with pytest.raises(ValueError, match=words):
            toy.read()
        with pytest.raises(SystemExit):
            toy.main(["--jobs", "1"])
        assert f"toy.csv, line {line}" in capsys.readouterr().err


def test_fresh_forgets_what_is_chosen_and_what_is_no_longer_asked_for_is_kept_at_the_end(toy):
    toy.main(["--jobs", "1"])
    again, done = counting(toy)
    again.main(["--jobs", "1", "--fresh", "--only", "word=one"])
    assert done == TASKS[:4]
    assert list(toy.read()) == TASKS
    new = [Task("new", 1.0, 0), *TASKS[4:]]
    dataclasses.replace(toy, tasks=new).main(["--jobs", "1"])
    assert list(toy.read()) == [*new, *TASKS[:4]]


def test_an_unknown_name_is_answered_with_those_there_are(toy, capsys):
    for only, words in (("colour=red", "must be one of word, rate, seed"), ("seed=7", "seed must be one of 0, 1")):
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
    for word in (platform.python_version(), f"torch {torch.__version__}", platform.machine(), "one thread per run"):
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
    here = {"processes": False, "protocol": "tcp", "dashboard_address": None}  # in this process, reached by the network
    with LocalCluster(n_workers=2, threads_per_worker=1, **here) as cluster:
        rows = rows_elsewhere(tmp_path, "--dask", cluster.scheduler_address)
    assert rows == [("0", "0"), ("1", "1"), ("2", "4"), ("3", "9")]


def test_without_dask_the_message_says_what_to_install(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SystemExit, match=r"pip install -e '\.\[course,test\]'"):
        toy.main(["--dask", "tcp://127.0.0.1:8786"])
