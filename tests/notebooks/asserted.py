"""What the tests assert of an executed lecture: functions of its variables, appended to a copy that is run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def three_ways(book: Mapping[str, Any]) -> None:
    """See that panels hold no error, that what the lecture says of its numbers is so, and run the printed program."""
    for panel in ("descent", "secant", "swell", "dual"):
        assert book[panel].error is None
    off = [abs(value - book["truth"]) for value in book["suspects"].values()]
    assert off[0] < 1e-5 < 1e-3 < off[1] < 1e-2 < off[2] < 0.2
    assert abs(off[2] - 0.09509146) <= book["ulp"] / 1e-5
    assert book["counts"] == [[2 ** (n + 1) - 2, 3 * n * 2**n, 7 * n] for n in range(1, 8)]
    printed: dict[str, Any] = {}
    exec(book["with_slopes"](book["grow"]), printed)
    assert printed["grow"](1.5, 1.0) == book["jvp"](book["grow"], 1.5, 1.0) == (243.69140625, 965.875)
    *good, (cancelled, exact) = book["runs"].values()
    assert all(abs(z.slope - exact) < 1e-12 * abs(exact) for z, exact in good)
    assert abs(cancelled.slope + 88.9) < 0.1
    assert abs(exact) < 1e-7
    assert abs(book["twice"] - book["school"]) < 1e-12
    assert all(2.5 < ratio < 2.7 for ratio in book["costs"]["reverse mode"])
    assert min(book["costs"][way][-1] for way in ("forward difference", "forward mode")) > 100
    assert [row["the loop"] for row in book["rows"]].count("refused") == 1


ASSERTED: dict[str, Callable[[Mapping[str, Any]], None]] = {"01_three_ways_to_differentiate": three_ways}


def last_cell(lecture: str) -> str:
    """Return the code that asserts what must hold of a lecture, to be run after its cells; nothing if there is none."""
    if (check := ASSERTED.get(lecture)) is None:
        return ""
    head = "from __future__ import annotations\nfrom collections.abc import Mapping\nfrom typing import Any\n"
    return f"{head}{inspect.getsource(check)}\n{check.__name__}(globals())"
