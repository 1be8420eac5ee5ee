"""Independent runs and a CSV file of their results: on all cores or a cluster, and never the same run twice.

    python experiments/NAME.py                         # runs what is not in NAME.csv yet, on all cores
    python experiments/NAME.py --jobs 1                # on one
    python experiments/NAME.py --only seed=0           # a part of it; of a column named twice, either value
    python experiments/NAME.py --fresh                 # forgets the results that are there, and begins again
    python experiments/NAME.py --dask tcp://host:8786  # on a Dask cluster with the same packages and two cores or more

A task is a NamedTuple of words and numbers, and so is its result; a row of the file is the two together. A row is
written as soon as its run ends: a run of hours may be stopped at any time, and goes on from there when called again.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib.metadata
import os
import platform
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import torch
from tqdm import tqdm


def _truth(text: str) -> bool:
    if text not in ("True", "False"):
        raise ValueError(f"{text!r} is neither True nor False")
    return text == "True"


READERS: dict[type, Callable[[str], Any]] = {str: str, int: int, float: float, bool: _truth}


@dataclass(frozen=True)
class Experiment:
    """Tasks, how one is run, and the file in which the results are kept.

    ``script`` is the script's ``__file__``; its results lie beside it, with the ending ``.csv``. The fields of the
    NamedTuples ``Task`` and ``Result``, each str, int, float or bool, are the columns. ``tasks`` are all runs in the
    order of the file. ``run`` makes a Result of a Task, and draws at random from the task's seed alone. ``note`` is
    what else the first line of the file says, such as the seeds.
    """

    script: str
    Task: type[Any]
    Result: type[Any]
    tasks: Sequence[Any]
    run: Callable[[Any], Any]
    note: str

    @property
    def file(self) -> Path:
        """Where the results are."""
        return Path(self.script).with_suffix(".csv")

    @property
    def columns(self) -> list[str]:
        """The fields of a task, then those of a result."""
        return [*self.Task._fields, *self.Result._fields]

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Run what the command line asks for and the file does not have yet."""
        parser = argparse.ArgumentParser(description="Runs what is not in the file yet; may be stopped at any time.")
        parser.add_argument("--fresh", action="store_true", help="forget the results that are there (see --only)")
        parser.add_argument("--only", action="append", default=[], metavar="COLUMN=VALUE", help="a part of the runs")
        parser.add_argument("--jobs", type=int, default=-1, help="runs at a time, one thread each; -1: all cores")
        parser.add_argument("--dask", metavar="ADDRESS", help="run on the Dask cluster with this scheduler")
        options = parser.parse_args(arguments)
        try:
            chosen = dict.fromkeys(self.select(options.only))
            results = {} if options.fresh and not options.only else self.read()
        except ValueError as error:
            parser.error(str(error))
        if options.fresh:
            results = {task: result for task, result in results.items() if task not in chosen}
        self.complete(chosen, results, parallel(options.jobs, options.dask))
        print(f"{self.file.name}: {sum(task in results for task in self.tasks)} of {len(self.tasks)} runs")

    def select(self, only: Iterable[str]) -> list[Any]:
        """Return the tasks that have the values asked for, as ``["network=N1", "network=N2", "seed=0"]`` asks."""
        wanted: dict[str, set[str]] = {}
        for condition in only:
            column, _, value = condition.partition("=")
            if column not in self.Task._fields:
                raise ValueError(f"only {condition}: COLUMN must be one of {', '.join(self.Task._fields)}")
            known = dict.fromkeys(str(getattr(task, column)) for task in self.tasks)
            if value not in known:
                raise ValueError(f"only {condition}: {column} must be one of {', '.join(known)}")
            wanted.setdefault(column, set()).add(value)
        return [t for t in self.tasks if all(str(getattr(t, name)) in values for name, values in wanted.items())]

    def complete(self, tasks: Iterable[Any], results: dict[Any, Any], workers: joblib.Parallel) -> None:
        """Run the tasks that have no result yet, and add theirs to ``results`` and to the file, as they come."""
        missing = [task for task in tasks if task not in results]
        if not missing:
            return
        self.write(results)
        run = self.run

        def one(task: Any) -> tuple[Any, Any]:  # nested, so that it travels as code: a cluster does not have this file
            torch.set_num_threads(1)
            try:
                return task, run(task)
            except Exception as error:
                error.add_note(f"in the run of {task}")
                raise

        with self.file.open("a", newline="") as file, tqdm(total=len(missing), unit="run") as progress:
            rows = csv.writer(file, lineterminator="\n")
            for task, result in workers(joblib.delayed(one)(task) for task in missing):
                rows.writerow([*task, *result])
                file.flush()
                results[task] = result
                progress.update()
        self.write(results)

    def read(self) -> dict[Any, Any]:
        """Return the results that the file has, by task; a last line that was cut off by a stop is left out.

        Raises
        ------
        ValueError
            If the columns are not those of this experiment, or a line is no row of it.
        """
        if not self.file.exists():
            return {}
        text = self.file.read_text()
        whole = text[: text.rfind("\n") + 1].splitlines()
        lines = [(number, line) for number, line in enumerate(whole, start=1) if not line.startswith("#")]
        results = {}
        for place, (number, line) in enumerate(lines):
            row = next(csv.reader([line]), [])
            try:
                if place:
                    task, result = self._parse(row)
                    results[task] = result
                elif row != self.columns:
                    raise ValueError(f"the columns must be {','.join(self.columns)}")
            except ValueError as error:
                hint = "mend the line, or begin again with --fresh"
                raise ValueError(f"{self.file.name}, line {number}: {error}, got {line!r}; {hint}") from None
        return results

    def _parse(self, row: list[str]) -> tuple[Any, Any]:
        """Turn a row of text into a task and its result."""
        if len(row) != len(self.columns):
            raise ValueError(f"a row has {len(self.columns)} values")
        kinds = [kind for part in (self.Task, self.Result) for kind in typing.get_type_hints(part).values()]
        values = [READERS[kind](text) for kind, text in zip(kinds, row)]
        width = len(self.Task._fields)
        return self.Task(*values[:width]), self.Result(*values[width:])

    def write(self, results: Mapping[Any, Any]) -> None:
        """Write the file anew: provenance, then the results in the order of the tasks; those of other tasks last.

        The new file takes the place of the old one when it is complete.
        """
        order = dict.fromkeys([*(task for task in self.tasks if task in results), *results])
        head = [f"# made by: python experiments/{Path(self.script).name}; {self.note}", *self._environments(results)]
        new = self.file.with_suffix(".new")
        with new.open("w", newline="") as file:
            file.writelines(f"{line}\n" for line in head)
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(self.columns)
            rows.writerows([*task, *results[task]] for task in order)
        os.replace(new, self.file)

    def _environments(self, results: Mapping[Any, Any]) -> list[str]:
        """Name the versions and kinds of machine that the results come from: those of the file, and these here."""
        packages = ("torch", "numpy", "scikit-learn")
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
        here = f"# with: Python {platform.python_version()}, {versions}, {platform.machine()}, one thread per run"
        earlier = self.file.read_text().splitlines() if results and self.file.exists() else []
        return list(dict.fromkeys([*(line for line in earlier if line.startswith("# with:")), here]))


def parallel(jobs: int, scheduler: str | None) -> joblib.Parallel:
    """Return what runs calls in processes of this machine, or on a cluster, and gives results as they come."""
    cluster: Any = contextlib.nullcontext()
    if scheduler:
        try:
            from distributed import Client
        except ImportError:
            sys.exit("--dask needs Dask: say pip install -e '.[course,test]' here and on the cluster")
        Client(scheduler)  # joblib uses the client that was made last
        cluster = joblib.parallel_config("dask")
    with cluster:
        return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
