"""The benchmark's one command works; what does not depend on the machine's speed is held to its bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "benchmarks"


def rows_of(script, *options):
    command = [sys.executable, FOLDER / script, "--quick", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "|" in line]


def test_the_quick_table():
    rows = rows_of("local_propagation.py")
    assert rows[0] == ["what", "ours", "peer", "ratio", "bound", "ok"]
    judged = {row[0]: row[5] for row in rows[2:]}
    for part in ("back-propagation, 10 x 100", "same step from one batch", "test accuracy", "16 blocks: memory"):
        assert any(part in what for what in judged), part
    exact = [ok for what, ok in judged.items() if ("memory" in what or "accuracy" in what) and ok != "-"]
    assert exact == ["yes"] * 6


def test_scalars_beside_micrograd():
    found = {row[0]: row for row in rows_of("differentiation.py")[2:]}
    assert found["objects that only it could free"][1] == "0"  # the engine leaves the garbage collector nothing to do
    assert found["gradients: largest difference"][5] == "yes"


def test_three_modes_count_their_evaluations():
    head, _, *rows = rows_of("three_modes.py")
    counted, expected = (head.index(name) for name in ("evaluations", "expected"))
    assert len(rows) >= 10
    assert all(row[counted] == row[expected] for row in rows)


def test_ensembles_beside_the_loop_get_the_same_weights():
    head, _, *rows = rows_of("ensembles.py")
    assert len(rows) == 2
    for row in rows:
        found = dict(zip(head, row, strict=True))
        assert float(found["difference"]) < 1e-12
        assert int(found["left out"]) < int(found["nets"])
