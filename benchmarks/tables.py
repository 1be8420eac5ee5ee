"""What all benchmarks share: a command line, measuring in a fresh process, judging by a bound, one table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Row(NamedTuple):
    """A line of the table, as text; a benchmark may have rows with other columns."""

    what: str
    ours: str
    peer: str = "-"
    ratio: str = "-"
    bound: str = "-"
    ok: str = "-"


def judged(row: Row, value: float, low: float | None = None, high: float | None = None) -> Row:
    """Fill in the bound, and whether the value keeps it; without a bound nothing is judged."""
    if low is None and high is None:
        return row
    bound = f"<= {high}" if low is None else f">= {low}" if high is None else f"{low} to {high}"
    kept = (low is None or value >= low) and (high is None or value <= high)
    return row._replace(bound=bound, ok="yes" if kept else "missed")


def apart(script: str, task: str, *arguments: object) -> Any:
    """Let a script run one of its tasks in a fresh process, on one thread, and return the answer."""
    print("measuring:", task, *arguments, file=sys.stderr, flush=True)
    command = [sys.executable, script, "--task", json.dumps([task, *arguments])]
    environment = {**os.environ, **ONE_THREAD}
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment).stdout)


def table(rows: Sequence[Any]) -> str:
    """Set rows, named tuples of text, as an aligned Markdown table."""
    lines = [tuple(field.replace("_", " ") for field in rows[0]._fields), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]])


def main(
    script: str,
    measurements: Mapping[str, Callable[[Any], Sequence[Any]]],
    full: Any,
    quick: Any,
    head: str,
    quickly: Sequence[str] = (),
    kind: Callable[..., Any] = Row,
    tasks: Mapping[str, Callable[..., Any]] | None = None,
) -> None:
    """Read the command line, take each measurement in a process of its own, print the table.

    A measurement gets the budget ``full`` or ``quick`` and returns rows of a kind; a quick run takes those in
    ``quickly``, or all, in one process. One that has ``tasks`` starts the processes itself, by `apart`.
    """
    parser = argparse.ArgumentParser(description=head)
    parser.add_argument("--quick", action="store_true", help="few repetitions: a smoke test")
    parser.add_argument("--only", choices=measurements, help="one measurement instead of all")
    parser.add_argument("--task", help="name and arguments as JSON: answer in this process, as JSON")
    options = parser.parse_args()
    if options.task:
        name, *arguments = json.loads(options.task)
        print(json.dumps((tasks or measurements)[name](*(arguments if tasks else [full]))))
        return
    chosen = [options.only] if options.only else (options.quick and quickly) or measurements
    budget, here = (quick if options.quick else full), options.quick or tasks
    results = (measurements[name](budget) if here else apart(script, name) for name in chosen)
    rows = [kind(*row) for result in results for row in result]
    print(f"{head}, one thread\n\n{table(rows)}")
