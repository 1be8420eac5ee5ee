"""The list of seeded faults is whole, and says of each whether the tests of its time found it."""

from __future__ import annotations

import csv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rows(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_there_are_100_faults_and_each_has_its_result():
    faults, results = rows("faults.csv"), rows("before.csv")
    assert len({fault["id"] for fault in faults}) == len(faults) == 100
    assert {fault["id"] for fault in faults} == {result["id"] for result in results}
    assert {result["found"] for result in results} == {"yes", "no", "not run"}
    assert all(fault["fault"] and fault["after"] != fault["before"] for fault in faults)


def test_each_fault_can_be_seeded_in_the_code_as_it_is():
    for fault in rows("faults.csv"):
        assert (ROOT / fault["file"]).read_text().count(fault["before"]) == 1, fault["id"]
        assert all((ROOT / name.partition("::")[0]).exists() for name in fault["tests"].split()), fault["id"]
