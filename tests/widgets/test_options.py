"""Every option of every panel is used as it is given, or refused by its name; the panel then is as it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from helpers import widgets
from helpers.widgets.controls import option_of
from helpers.widgets.states import State

SMALL: dict[str, dict[str, Any]] = {
    "IdempotentPanel": {"samples": 10, "epochs": 3},
    "Playground": {"hidden": (5, 5), "samples": 20, "epochs": 3},
    "ScalarNetPanel": {"hidden": 2, "points": 5, "epochs": 3},
    "TrainingPanel": {"hidden": (5, 5), "epochs": 3, "samples": 20},
    "ConstraintPanel": {"samples": 10},
}
ELSEWHERE = {"Explorer", "Stepper", "predict", "predictions", "table", "tangent_panel"}  # made of functions and texts
PANELS = [name for name in widgets.HOMES if name not in ELSEWHERE]
OF_A_RUN = {
    "TrainingPanel": ["rule", "size", "noise", "normalize", "data"],  # the others go the way of the playground's
    "Playground": [f.name for f in fields(State)],
}
WITHOUT = {  # options: only `run` sets their controls
    "descent_panel", "dual_panel", "expression_panel", "gradient_graph_panel", "jacobian_panel", "secant_panel",
}  # fmt: skip
BAD = [
    None, True, False, 0, 1, 2, 3, 64, -1, 10**7, 10**30, 0.0, 0.5, 1.0, 2.5, -0.1, 1e-5, 100.0, 1e300,
    math.nan, math.inf, -math.inf, 1j, "", "3", "magic", "local, parallel", [], {}, (), ["local, parallel"],
    ("local, parallel", "local, parallel"), ("magic",), object(), (5,), [5, 4], (0,), (2.5,), (True,),
    (5,) * 5,
]  # fmt: skip


def attempted(action: Callable[[], Any]) -> tuple[Any, str]:
    """Return what an action gives, or in words why it was refused."""
    try:
        return action(), ""
    except (TypeError, ValueError) as error:
        return None, str(error) or "without a word"


def held(panel: Any, option: str) -> Any:
    """Return what a panel says an option is now."""
    if option == "size":
        return panel.size
    state = getattr(panel, "state", None)
    return panel.controls[option].value if state is None else getattr(state, {"rule": "rules"}.get(option, option))


def same(now: Any, given: Any) -> bool:
    if isinstance(now, tuple):
        given = (given,) if isinstance(given, str) else tuple(given)
    return bool(now == given) and isinstance(now, bool) == isinstance(given, bool)


pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize("name", PANELS)
def test_an_option_is_held_as_given_or_refused_by_name(name):
    make, small = getattr(widgets, name), SMALL.get(name, {})
    with pytest.raises(TypeError, match="colour"):
        make(**small, colour="red")
    for option in [] if name in WITHOUT else OF_A_RUN.get(name, make(**small).controls):
        taken = 0
        for value in BAD:
            panel, refused = attempted(lambda: make(**small | {option: value}))  # noqa: B023
            if panel is None:
                assert option in refused, (value, refused)
                continue
            taken += 1
            assert panel.error is None, (option, value, panel.error)
            assert same(held(panel, option), value), (option, value)
            if taken < 3:
                panel.run(*[] if isinstance(panel, widgets.Explorer) else [1])
                assert panel.error is None, (option, value, panel.error)
        assert taken < len(BAD) / 2, option


@pytest.mark.parametrize("name", PANELS)
def test_run_takes_what_a_control_can_hold_and_refuses_the_rest_by_name(name):
    panel = getattr(widgets, name)(**SMALL.get(name, {}))
    if not isinstance(panel, widgets.Explorer):
        for steps in (0, -1, True, 1.0, 1.5, math.nan, "3", 10**7, [2]):
            assert "steps must be" in attempted(lambda: panel.run(steps))[1], steps  # noqa: B023
        panel.run(2)
        assert panel.count == 2
        return
    before = panel.values
    with pytest.raises(TypeError, match=r"'colour'; there are "):
        panel.run(colour="red")
    for key, control in panel.controls.items():
        for value in BAD:
            if attempted(lambda: option_of(control).check(key, value))[1]:  # noqa: B023
                assert key in attempted(lambda: panel.run(**{key: value}))[1], (key, value)  # noqa: B023
                assert panel.values == before
    panel.run()
    assert panel.error is None


def test_what_has_no_control_is_used():
    plain, noisy = (widgets.TrainingPanel(epochs=2, hidden=(5, 5), samples=30, noise=noise) for noise in (0.0, 0.3))
    assert len(plain.sessions[0].training_set.X) == 30
    assert not (plain.sessions[0].training_set.X == noisy.sessions[0].training_set.X).all()
    assert [block[0].out_features for block in widgets.TrainingPanel(hidden=(5, 4)).sessions[0].model] == [5, 4, 1]
