"""The page that checks the machine: each line is true, and a missing package gets a line that says what to do."""

from helpers.checks import start_here


def test_this_machine_passes():
    for report in (start_here.check_versions(), start_here.check_training()):
        assert report.passed, report
    assert "torch" in repr(start_here.check_versions())
    assert "✓" in start_here.check_drawing()._repr_html_()


def test_a_missing_or_old_package_does_not_pass_and_is_named_with_the_command_that_brings_it(monkeypatch):
    def found(name):
        if name == "torchviz":
            raise start_here.PackageNotFoundError(name)
        return "0.0.1"

    monkeypatch.setattr(start_here, "version", found)
    lines = start_here.check_versions().lines
    assert (False, "torchviz is missing: pip install 'torchviz>=0.0.3'") in lines
    assert [ok for ok, text in lines if text.startswith("torch 0.0.1")] == [False]
