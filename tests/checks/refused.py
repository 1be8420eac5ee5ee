"""What the checks of every lecture are tested with: wrong answers that a reader may well write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

Wrong = tuple[Callable[..., Any], str]


def refusing(exercises: ModuleType, wrong: Mapping[str, Sequence[Wrong]]) -> Callable[[], None]:
    """Make a test: each check refuses three wrong answers or more, and says of each what fits its pattern."""

    def test() -> None:
        assert {f"check_{name}" for name in wrong} == {n for n in vars(exercises) if n.startswith("check_")}
        for name, answers in wrong.items():
            assert len(answers) >= 3, name
            for place, (answer, words) in enumerate(answers):
                status, text = getattr(exercises, f"check_{name}")(answer)
                assert status == "wrong", (name, place)
                assert re.search(words, text), (name, place, text)
                assert "`" not in text, (name, place)

    return test
