"""What the checks of every lecture are tested with: wrong answers that a reader may well write."""

import importlib
import re


def refuse(lecture, wrong):
    """See that each check refuses three wrong answers or more, and says of each what fits its pattern."""
    exercises = importlib.import_module(f"helpers.checks.{lecture}")
    assert {f"check_{name}" for name in wrong} == {n for n in vars(exercises) if n.startswith("check_")}
    for name, answers in wrong.items():
        assert len(answers) >= 3, name
        for place, (answer, words) in enumerate(answers):
            status, text = getattr(exercises, f"check_{name}")(answer)
            assert status == "wrong", (name, place)
            assert re.search(words, text), (name, place, text)
            assert "`" not in text, (name, place)
