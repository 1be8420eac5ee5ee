"""The page that checks the machine: each line is true, and a missing package gets a line that says what to do."""

from __future__ import annotations

import pytest

from helpers.checks import start_here


def test_this_machine_passes():
    for report in (start_here.check_versions(), start_here.check_training()):
        assert report.passed, report
    assert "torch" in repr(start_here.check_versions())
    assert "✓" in start_here.check_drawing()._repr_html_()


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch):
    def missing(name):
        if name == "torchviz":
            raise start_here.PackageNotFoundError(name)
        return "999"

    monkeypatch.setattr(start_here, "version", missing)
    report = start_here.check_versions()
    assert not report.passed
    assert "✗ torchviz is missing: pip install 'torchviz>=0.0.3'" in repr(report)


def test_an_old_package_does_not_pass(monkeypatch):
    monkeypatch.setattr(start_here, "version", lambda name: "0.0.1")
    assert not start_here.check_versions().passed


@pytest.mark.parametrize("wrong", [lambda x: x, lambda x: x**2, lambda x: abs(2 * x), lambda x: None])
def test_wrong_doubles(wrong):
    assert start_here.check_double(wrong).status == "wrong"
