"""The list of seeded faults is whole, and says of each whether the tests of its time found it."""

from __future__ import annotations

import csv
from pathlib import Path


def rows(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_there_are_100_faults_and_each_has_its_result():
    faults, results = rows("faults.csv"), rows("before.csv")
    assert len({fault["id"] for fault in faults}) == len(faults) == 100
    assert {fault["id"] for fault in faults} == {result["id"] for result in results}
    assert {result["found"] for result in results} == {"yes", "no", "not run"}
    assert all(fault["fault"] and fault["after"] != fault["before"] for fault in faults)
