"""What the checks of every lecture are tested with: wrong answers that a reader may well write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest

Wrong = tuple[Callable[..., Any], str]


def refusing(exercises: ModuleType, wrong: Mapping[str, Sequence[Wrong]]) -> Callable[..., None]:
    """Make a test: each check refuses three wrong answers or more, and says of each what fits its pattern."""
    assert {f"check_{name}" for name in wrong} == {n for n in vars(exercises) if n.startswith("check_")}
    assert all(len(answers) >= 3 for answers in wrong.values())
    cases = [(name, *answer) for name, answers in wrong.items() for answer in answers]

    @pytest.mark.parametrize(("name", "answer", "words"), cases)
    def test(name: str, answer: Callable[..., Any], words: str) -> None:
        verdict = getattr(exercises, f"check_{name}")(answer)
        assert verdict.status == "wrong"
        assert re.search(words, verdict.text), verdict.text
        assert "`" not in verdict.text

    return test
