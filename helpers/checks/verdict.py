"""How an exercise is checked: not attempted, wrong (with the case, and a hint), or correct; never an exception.

A check is a generator of cases under ``@check``; each case is a mismatch in words, or None. The first mismatch is the
verdict. An answer that raises ``NotImplementedError`` has not been attempted.

>>> @check
... def check_double(double):
...     yield same(double(3), 6, "x = 3", "x + x would do")
>>> check_double(lambda x: 2.1 * x)
✗ wrong: for x = 3 expected 6, got 6.3. Hint: x + x would do
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

Answer = Callable[..., Any]  # what a student wrote
Cases = Iterator[str | None]  # what a check yields: of each case None, or the mismatch in words
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


def check(cases: Callable[..., Cases]) -> Callable[..., Verdict]:
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
            return Verdict("not attempted", "replace the line with raise by your answer, then run this cell again.")
        except Exception as error:
            return Verdict("wrong", f"your code raised {type(error).__name__}: {error}")
        return Verdict("correct", f"{passed} cases agree.")

    return run


def judge(agrees: object, case: str, expected: object, got: object, hint: str) -> str | None:
    """Return None if the case agrees, else the mismatch in words: case, what was expected, what came, a hint."""
    return None if agrees else f"for {case} expected {expected}, got {got}. Hint: {hint}"


def pair(got: Any, case: str, form: str) -> str | None:
    """Judge whether an answer has two parts, which ``form`` names."""
    return judge(isinstance(got, (tuple, list)) and len(got) == 2, case, f"a pair {form}", got, "hand back both")


def same(got: Any, expected: Any, case: str, hint: str, relative: float = 1e-9, absolute: float = 0.0) -> str | None:
    """Judge numbers, of any shape and library: the shape first, then each number, relative to the size of them all."""
    try:
        found, truth = (np.asarray(v.detach() if hasattr(v, "detach") else v, dtype=float) for v in (got, expected))
    except (TypeError, ValueError):
        return judge(False, case, "numbers", repr(got), hint)
    found = found.reshape(()) if truth.ndim == 0 and found.size == 1 else found
    if found.shape != truth.shape:
        return judge(False, case, f"the shape {truth.shape}", f"the shape {found.shape}", hint)
    size = np.abs(truth[np.isfinite(truth)]).max(initial=0.0) or 1e-3
    agrees = np.isclose(found, truth, rtol=0, atol=max(relative * size, absolute), equal_nan=True).all()
    if truth.size > 12:  # more than one can read: the entry that is off the most stands for all
        worst = np.unravel_index(np.abs(found - truth).argmax(), truth.shape)
        case, found, truth = f"{case}, entry {tuple(map(int, worst))}", found[worst], truth[worst]
    digits = next((n for n in (4, 6, 9, 12) if in_words(found, n) != in_words(truth, n)), 17)
    return judge(agrees, case, in_words(truth, digits), in_words(found, digits), hint)


def in_words(numbers: Any, digits: int = 4) -> str:
    """Write a number, or an array row by row, with so many significant digits."""
    if np.ndim(numbers):
        return f"[{', '.join(in_words(part, digits) for part in numbers)}]"
    return f"{float(numbers):.{digits}g}"
