"""Seed the faults of `faults.csv` one by one, each in a copy of its own, and write down which test finds it.

python tests/faults/seed.py --out FILE [--reach row|area|all] [--jobs N] [--timeout SECONDS] [ids...]

Until one fails, the tests that the row names run, then those of its area, then all but browser and notebooks, as far
as --reach goes. A run that hangs counts as found.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).with_name("faults.csv")
LEFT_OUT = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "faults")
AREAS = {
    "diff": "tests/diff helpers/diff tests/checks tests/plots tests/widgets",
    "training": "tests/training helpers/training tests/checks tests/widgets tests/test_experiments.py",
    "plots": "tests/plots helpers/plots tests/widgets tests/checks",
    "widgets": "tests/widgets helpers/widgets",
    "checks": "tests/checks",
    "datasets": "tests/test_datasets.py helpers/datasets.py tests/training tests/checks",
    "networks": "tests/test_networks.py helpers/networks.py tests/training tests/checks",
}
ALL = "tests helpers --ignore=tests/browser --ignore=tests/notebooks"
REACHES = ("row", "area", "all")
Fault = dict[str, str]


def seed(fault: Fault, file: Path) -> None:
    """Replace the text of a fault, which must occur exactly once."""
    text = file.read_text()
    if (times := text.count(fault["before"])) != 1:
        raise ValueError(f"{fault['id']}: `before` must occur once in {fault['file']}, it does {times} times")
    file.write_text(text.replace(fault["before"], fault["after"]))


def first_failure(root: Path, tests: str, timeout: float) -> str:
    """Run tests in a copy; return the first that fails, or "" where all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split()]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile("w+") as said:
        run = subprocess.Popen(command, cwd=root, env=environment, stdout=said, stderr=said, start_new_session=True)
        try:
            run.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)  # pytest and the processes that it started
            run.wait()
            return f"hang: {tests} ran longer than {timeout:g} s"
        said.seek(0)
        output = said.read()
    if run.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", output, re.MULTILINE)
    return failed[1] if failed else f"pytest ended with {run.returncode}: {output[-200:]!r}"


def judged(fault: Fault, timeout: float, reach: str) -> list[str]:
    """Return the row of the result: id, found, first failing test, seconds."""
    begin, found = time.perf_counter(), ""
    with tempfile.TemporaryDirectory(prefix="fault-") as folder:
        root = Path(folder) / "copy"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
        seed(fault, root / fault["file"])
        for tests in [fault["tests"], AREAS[fault["area"]], ALL][: 1 + REACHES.index(reach)]:
            if found := first_failure(root, tests, timeout):
                break
    return [fault["id"], "yes" if found else "no", found, f"{time.perf_counter() - begin:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for a run of pytest; longer is a hang")
    parser.add_argument("--reach", choices=REACHES, default="area", help="the widest tests that run")
    parser.add_argument("ids", nargs="*", help="of faults; all unless told")
    options = parser.parse_args()
    with FAULTS.open(newline="") as file:
        faults = [row for row in csv.DictReader(file) if not options.ids or row["id"] in options.ids]
    if unknown := set(options.ids) - {row["id"] for row in faults}:
        parser.error(f"no fault is called {', '.join(sorted(unknown))}")
    with options.out.open("w", newline="", buffering=1) as file, ThreadPoolExecutor(options.jobs) as pool:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "found", "first_failing_test", "seconds"])
        for row in pool.map(lambda fault: judged(fault, options.timeout, options.reach), faults):
            table.writerow(row)
            print(*row, flush=True)


if __name__ == "__main__":
    main()
