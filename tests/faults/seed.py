"""Seed the faults of `faults.csv` one by one, each in a copy of its own, and write down which test finds it.

Until one fails, the tests that the row names run, then those of its area, then all but browser and notebooks, as far
as --reach goes. A run that hangs counts as found. A run is a fork of this process, which has imported the libraries.
The texts of the rows are of the code as it is; the results in `before.csv` are of commit 3ee4673, when the package had
not been rebuilt. A fault is meant as its sentence says: where code is rebuilt, its texts are to be found anew.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import shutil
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT, FAULTS = Path(__file__).parents[2], Path(__file__).with_name("faults.csv")
LEFT_OUT = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "faults")
LIBRARIES = "hypothesis.strategies ipywidgets matplotlib.figure nbmake.pytest_items sklearn.datasets sympy torch"
AREA = "tests/{0} helpers/{0} tests/checks tests/plots tests/widgets"
REST = "tests/test_{0}.py helpers/{0}.py tests/training tests/checks tests/plots tests/widgets"
ALL = "tests helpers --ignore=tests/browser --ignore=tests/notebooks"


def run_tests(root: Path, tests: str, said: Path) -> None:
    """Run pytest in a copy, write the first failing test to `said`, and end this process with pytest's exit code."""

    class First:
        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed:
                said.write_text(report.nodeid)

        pytest_collectreport = pytest_runtest_logreport

    os.setsid()
    os.chdir(root)
    os.environ["PYTHONPATH"] = str(root)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    os._exit(int(pytest.main(["-x", "--tb=no", "-p", "no:cacheprovider", *tests.split()], plugins=[First()])))


def judged(fault: dict[str, str], timeout: float, reach: int) -> list[str]:
    """Return the row of the result: id, found, first failing test."""
    area = (AREA if (ROOT / "tests" / fault["area"]).is_dir() else REST).format(fault["area"])
    with tempfile.TemporaryDirectory(prefix="fault-", ignore_cleanup_errors=True) as folder:
        root, said = Path(folder, "copy"), Path(folder, "said")
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
        text = (file := root / fault["file"]).read_text()
        if (times := text.count(fault["before"])) != 1:
            raise ValueError(f"{fault['id']}: its `before` must occur once in {fault['file']}, got {times} times")
        file.write_text(text.replace(fault["before"], fault["after"]))
        for tests in [fault["tests"], area, ALL][:reach]:
            run = multiprocessing.get_context("fork").Process(target=run_tests, args=(root, tests, said))
            run.start()
            run.join(timeout)
            if run.exitcode is None:
                os.killpg(run.pid or 0, signal.SIGKILL)  # pytest and the processes that it started
                return [fault["id"], "yes", f"hang: {tests} ran longer than {timeout:g} s"]
            if run.exitcode:
                return [fault["id"], "yes", said.read_text() if said.exists() else f"pytest: {run.exitcode}"]
    return [fault["id"], "no", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time")
    parser.add_argument("--timeout", type=float, default=600, help="seconds; a longer run of pytest is a hang")
    parser.add_argument("--reach", type=int, default=2, help="1: tests of the row, 2: of its area too, 3: all")
    parser.add_argument("ids", nargs="*", help="of faults; all unless told")
    options = parser.parse_args()
    with FAULTS.open(newline="") as file:
        faults = {row["id"]: row for row in csv.DictReader(file)}
    list(map(__import__, LIBRARIES.split()))
    with options.out.open("w", newline="", buffering=1) as file, ThreadPoolExecutor(options.jobs) as pool:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "found", "first_failing_test"])
        for row in pool.map(lambda i: judged(faults[i], options.timeout, options.reach), options.ids or faults):
            table.writerow(row)
            print(*row, flush=True)


if __name__ == "__main__":
    main()
