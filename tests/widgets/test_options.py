"""Every option of every panel is used as it is given, or refused by its name; the panel then is as it was."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from helpers import widgets
from helpers.training.runs import Run
from helpers.widgets.controls import option_of, slider
from helpers.widgets.playground import State

SMALL: dict[str, dict[str, Any]] = {
    "ConstraintPanel": {"samples": 10},
    "IdempotentPanel": {"samples": 10, "epochs": 3},
    "Playground": {"hidden": (5, 5), "samples": 20, "epochs": 3},
    "ScalarNetPanel": {"hidden": 2, "points": 5, "epochs": 3},
    "TrainingPanel": {"net": "16-16 tanh", "epochs": 3, "samples": 20},
    "constraint_panel": {"samples": 10},
}
ELSEWHERE = {"Explorer", "Runner", "Stepper"}  # made of functions and texts; they have tests of their own
PANELS = [name for name in widgets.HOMES if name not in ELSEWHERE]
MORE = {
    "TrainingPanel": [f.name for f in fields(Run) if f.name != "rules"],
    "Playground": [f.name for f in fields(State)],
    "constraint_panel": ["samples", "data", "penalty", "seed"],
}
BAD = [
    None, True, False, 0, 1, 2, 3, 64, -1, 10**7, 10**30, 0.0, 0.5, 1.0, 2.5, -0.1, 1e-5, 100.0, 1e300,
    math.nan, math.inf, -math.inf, 1j, "", "3", "magic", "local, parallel", [], {}, (), ["local, parallel"],
    ("local, parallel", "local, parallel"), ("magic",), object(), (5,), [5, 4], (0,), (2.5,), (True,),
    (5,) * 5,
]  # fmt: skip


def options_of(name: str) -> list[str]:
    """Every option by its name: the arguments of the call, and where it takes others, their names."""
    given = inspect.signature(getattr(widgets, name)).parameters.values()
    return [p.name for p in given if p.kind is not p.VAR_KEYWORD] + MORE.get(name, [])


def held(panel: Any, name: str) -> Any:
    """What a panel says an option is now."""
    places: list[Callable[[], Any]] = [
        lambda: getattr(panel.state, name),
        lambda: panel.controls[name].value,
        lambda: getattr(panel, name).value,
        lambda: getattr(panel, name),
    ]
    for place in places:
        try:
            return place()
        except (AttributeError, KeyError):
            continue
    raise AssertionError(f"{panel} does not say what {name} is")


def made(make: Callable[..., Any], options: dict[str, Any]) -> tuple[Any, str]:
    """The panel, or in words why it was refused."""
    try:
        return make(**options), ""
    except (TypeError, ValueError) as error:
        return None, str(error)


def run(panel: Any) -> None:
    if isinstance(panel, widgets.Explorer):
        panel.run()
    else:
        panel.run(1)


def same(now: Any, given: Any) -> bool:
    if isinstance(given, list):
        given = tuple(given)
    if isinstance(given, str) and isinstance(now, tuple):
        given = (given,)
    return bool(now == given) and isinstance(now, bool) == isinstance(given, bool)


@pytest.mark.parametrize(("name", "option"), [(n, o) for n in PANELS for o in options_of(n)])
def test_an_option_is_held_as_given_or_refused_by_name(name, option):
    make, small = getattr(widgets, name), SMALL.get(name, {})
    taken = 0
    for value in BAD:
        panel, refused = made(make, small | {option: value})
        if panel is None:
            assert option in refused, (value, refused)
            continue
        taken += 1
        assert panel.error is None, (value, panel.error)
        shown = held(panel, {"rule": "rules"}.get(option, option) if name == "TrainingPanel" else option)
        shown = tuple(shown) if isinstance(shown, list) else shown
        assert same(shown, value), (value, shown)
        if taken < 3:
            run(panel)
            assert panel.error is None
    assert taken < len(BAD) / 2


@pytest.mark.parametrize("name", PANELS)
def test_an_option_that_does_not_exist_is_refused_with_those_that_do(name):
    with pytest.raises(TypeError, match="colour"):
        getattr(widgets, name)(**SMALL.get(name, {}), colour="red")


@pytest.mark.parametrize("name", PANELS)
def test_run_takes_what_a_control_can_hold_and_refuses_the_rest_by_name(name):
    panel = getattr(widgets, name)(**SMALL.get(name, {}))
    if not isinstance(panel, widgets.Explorer):
        for steps in (0, -1, True, 1.0, 1.5, math.nan, "3", 10**7, [2]):
            with pytest.raises((TypeError, ValueError), match="steps must be"):
                panel.run(steps)
        panel.run(2)
        assert panel.runner.count == 2
        return
    before = {key: control.value for key, control in panel.controls.items()}
    with pytest.raises(TypeError, match=r"'colour'; there are "):
        panel.run(colour="red")
    for key, control in panel.controls.items():
        for value in BAD:
            try:
                option_of(control).check(key, value)
            except (TypeError, ValueError):
                with pytest.raises((TypeError, ValueError), match=key):
                    panel.run(**{key: value})
                assert before == {k: c.value for k, c in panel.controls.items()}
    panel.run()
    assert panel.error is None


def test_what_has_no_control_is_used():
    plain, noisy = (widgets.TrainingPanel(epochs=2, net="16-16 tanh", samples=30, noise=noise) for noise in (0.0, 0.3))
    assert len(plain.sessions[0].training_set.X) == 30
    assert not (plain.sessions[0].training_set.X == noisy.sessions[0].training_set.X).all()
    assert [block[0].out_features for block in widgets.TrainingPanel(hidden=(5, 4)).sessions[0].model] == [5, 4, 1]


def test_a_number_in_words_is_no_number_of_a_text():
    panel = widgets.Playground(**SMALL["Playground"])
    before = panel.text
    for text in ("rate=100", "noise=2", "epochs=2.5", "seed=nan", "rules=local", "colour=red", "layer=4", "hidden=1e2"):
        with pytest.raises(ValueError, match=text.split("=")[0]):
            panel.apply(text)
        assert panel.text == before


@pytest.mark.parametrize("value", [3, "3", None, [1]])
def test_an_explorer_is_made_of_a_function_and_controls(value):
    with pytest.raises(TypeError, match="x must be a control"):
        widgets.Explorer(lambda x: x, x=value)
    with pytest.raises(TypeError, match="show must be a function"):
        widgets.Explorer(value, x=slider("x", 1, 0, 3))
