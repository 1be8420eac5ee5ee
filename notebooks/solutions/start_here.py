"""Solution to the exercise of page 00."""

from __future__ import annotations


def double(x: float) -> float:
    """Give back twice x."""
    return 2 * x
