"""The list of seeded faults is whole, and each can be seeded in the code as it is."""

from __future__ import annotations

import csv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_there_are_100_faults_and_each_can_be_seeded():
    with Path(__file__).with_name("faults.csv").open(newline="") as file:
        faults = list(csv.DictReader(file))
    assert len(faults) == len({fault["id"] for fault in faults}) == 100
    for fault in faults:
        text = (ROOT / fault["file"]).read_text()
        assert text.count(fault["before"]) == 1, fault["id"]
        assert fault["after"] != fault["before"], fault["id"]
        assert all((ROOT / test).exists() for test in fault["tests"].split()), fault["id"]
