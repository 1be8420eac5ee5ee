"""Solution to the exercise of page 00."""


def double(x: float) -> float:
    """Give back twice x."""
    return 2 * x
