"""The benchmark's one command works; what does not depend on the machine's speed is held to its bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "local_propagation.py"


def test_the_quick_table():
    done = subprocess.run([sys.executable, SCRIPT, "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "|" in line]
    assert rows[0] == ["what", "ours", "peer", "ratio", "bound", "ok"]
    judged = {row[0]: row[5] for row in rows[2:]}
    for part in ("back-propagation, 10 x 100", "same step from one batch", "test accuracy", "64 blocks: memory"):
        assert any(part in what for what in judged), part
    exact = [ok for what, ok in judged.items() if ("memory" in what or "accuracy" in what) and ok != "-"]
    assert exact == ["yes"] * 6
