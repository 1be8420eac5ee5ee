"""How an exercise is checked: not attempted, wrong (with the case, and a hint), or correct; never an exception.

A check is a generator of cases under ``@check``; each case is a mismatch in words, or None. The first mismatch is the
verdict. An answer that raises ``NotImplementedError`` has not been attempted.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

MARKS = {"not attempted": "○", "wrong": "✗", "correct": "✓"}


class Verdict(NamedTuple):
    """What a check says: ``status`` is "not attempted", "wrong" or "correct"; ``text`` the reason."""

    status: str
    text: str

    def __repr__(self) -> str:
        return f"{MARKS[self.status]} {self.status}: {self.text}"

    def _repr_html_(self) -> str:
        colour = {"not attempted": "#555555", "wrong": "#a33b00", "correct": "#00614a"}[self.status]
        return f'<p role="status" style="font-size:1.1em;color:{colour}"><b>{html.escape(repr(self))}</b></p>'


def check(cases: Callable[..., Iterator[str | None]]) -> Callable[..., Verdict]:
    """Turn a generator of cases into a check that returns a `Verdict`."""

    @functools.wraps(cases)
    def run(*answer: Any) -> Verdict:
        passed = 0
        try:
            for mismatch in cases(*answer):
                if mismatch:
                    return Verdict("wrong", mismatch)
                passed += 1
        except NotImplementedError:
            return Verdict("not attempted", "replace the `raise` by your answer, then run this cell again.")
        except Exception as error:
            return Verdict("wrong", f"your code raised {type(error).__name__}: {error}")
        return Verdict("correct", f"{passed} cases agree.")

    return run


def judge(agrees: bool, case: str, expected: object, got: object, hint: str) -> str | None:
    """Return None if the case agrees, else the mismatch in words: case, what was expected, what came, a hint."""
    return None if agrees else f"for {case} expected {expected}, got {got}. Hint: {hint}"
