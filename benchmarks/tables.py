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


def apart(script: str, *arguments: str) -> Any:
    """Run a script with arguments in a fresh process, on one thread, and return what it prints as JSON."""
    print("measuring:", *arguments, file=sys.stderr, flush=True)
    command, environment = [sys.executable, script, *arguments], {**os.environ, **ONE_THREAD}
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
) -> None:
    """Read the command line, take each measurement in a process of its own, print the table.

    A measurement gets the budget ``full`` or ``quick`` and returns rows of a kind; a quick run takes those in
    ``quickly``, or all, in one process.
    """
    parser = argparse.ArgumentParser(description=head)
    parser.add_argument("--quick", action="store_true", help="few repetitions: a smoke test")
    parser.add_argument("--only", choices=measurements, help="one measurement instead of all")
    parser.add_argument("--measure", choices=measurements, help="measure in this process and print JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measurements[options.measure](full)))
        return
    chosen = [options.only] if options.only else (options.quick and quickly) or measurements
    results = (measurements[name](quick) if options.quick else apart(script, "--measure", name) for name in chosen)
    rows = [kind(*row) for result in results for row in result]
    print(f"{head}, one thread\n\n{table(rows)}")
