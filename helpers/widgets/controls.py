"""The controls of all panels, made alike: a label in words with symbol and unit, room for it, and a name.

Every control can be used by keyboard; a number box and a text box answer when the entry is finished. A control is the
declaration of an option: it holds default and range, and says what it can hold (`option_of`). No value reaches it from
a program that it would clamp (`set_controls`).
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ipywidgets as kit

from helpers.options import OneOf, Option, Real, Whole, Words, known

Command = Callable[[], None]
STYLE = {"description_width": "initial"}


def _make(kind: Any, text: str, width: str, **traits: Any) -> Any:
    # Without a tip the page would read "null".
    return kind(description=text, tooltip="", style=STYLE, layout=kit.Layout(width=width), **traits)


def choice(text: str, options: Sequence[Any], value: Any = None, width: str = "230px") -> kit.Dropdown:
    """Offer a few values; an option may be a pair (what is read, value). The first is chosen unless told."""
    chosen = {} if value is None else {"value": value}
    return _make(kit.Dropdown, text, width, options=options, **chosen)


def whole(text: str, value: int, low: int, high: int, width: str = "150px") -> kit.BoundedIntText:
    """Offer a box for a whole number from ``low`` to ``high``."""
    return _make(kit.BoundedIntText, text, width, value=value, min=low, max=high)


def text_box(text: str, value: str, width: str = "560px") -> kit.Text:
    """Offer a line of text, which counts when Enter is pressed or the box is left."""
    return _make(kit.Text, text, width, value=value, continuous_update=False)


def slider(
    text: str, value: float, low: float, high: float, step: float = 1, *, show: str = "", live: bool = True
) -> kit.IntSlider | kit.FloatSlider:
    """Offer a slider, of whole numbers where value and step are; ``live``: it answers while it is dragged."""
    kind, form = (kit.IntSlider, "d") if isinstance(step, int) and isinstance(value, int) else (kit.FloatSlider, ".3g")
    traits = {"readout_format": show or form, "continuous_update": live}
    return _make(kind, text, "330px", value=value, min=low, max=high, step=step, **traits)


def log_slider(
    text: str, value: float, low: float, high: float, step: float = 0.1, *, show: str = ".2g", live: bool = True
) -> kit.FloatLogSlider:
    """Offer a slider over powers of ten, from 10 to the ``low`` up to 10 to the ``high``."""
    traits = {"readout_format": show, "continuous_update": live}
    return _make(kit.FloatLogSlider, text, "330px", value=value, min=low, max=high, step=step, **traits)


def buttons(
    rows: Sequence[tuple[str, str, str, Command]], press: Callable[[Command], None] = lambda command: command()
) -> dict[str, kit.Button]:
    """Offer buttons, by name; each row is a name, an icon, a tip, and a command that ``press`` is to carry out."""
    made = {}
    for name, icon, tip, command in rows:
        made[name] = toggle(name, icon, tip, kit.Button)
        made[name].on_click(lambda _, command=command: press(command))
    return made


def toggle(name: str, icon: str, tip: str = "", kind: Any = kit.ToggleButton) -> Any:
    """Offer a button that stays down until it is pressed again."""
    return kind(description=name, icon=icon, tooltip=tip, layout=kit.Layout(width="auto", min_width="90px"))


def counted(number: int, noun: str) -> str:
    """Write a number of things: one of them in the singular."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def row(controls: Iterable[Any]) -> kit.HBox:
    """Set controls side by side, and on a narrow page below each other."""
    return kit.HBox(list(controls), layout=kit.Layout(flex_flow="row wrap"))


def more(parts: Iterable[Any], text: str = "More", tip: str = "") -> tuple[kit.ToggleButton, kit.VBox]:
    """Fold away what a student does not need: return a button that shows it, and the box of it."""
    button, box = toggle(text, "ellipsis-h", tip), kit.VBox(list(parts), layout=kit.Layout(display="none"))
    button.observe(lambda change: box.layout.set_trait("display", None if change.new else "none"), "value")
    return button, box


def idle(control: Any, why: str = "") -> None:
    """Disable a control that does nothing at the moment, and let its tip say why; without a reason it works again."""
    if not hasattr(control, "tip"):
        control.tip = control.tooltip
    control.disabled, control.tooltip = bool(why), why or control.tip


def status_line(words: str, role: str = "status", problem: bool = True) -> str:
    """Write a line as HTML that a screen reader notices; a problem has a colour of its own."""
    kind, colour = (' class="error"', "#a33b00") if problem else ("", "inherit")
    style = f"color:{colour};font-size:1.1em;white-space:pre-wrap"
    return f'<span role="{role}"{kind} style="{style}">{html.escape(words)}</span>'


def option_of(control: Any) -> Option:
    """Return what a control can hold."""
    if isinstance(control, kit.Dropdown):
        return OneOf([option[1] if isinstance(option, tuple) else option for option in control.options])
    if isinstance(control, kit.Text):
        return Words()
    if isinstance(control, kit.FloatLogSlider):
        return Real(control.base**control.min, control.base**control.max)
    return (Whole if isinstance(control, kit.BoundedIntText | kit.IntSlider) else Real)(control.min, control.max)


def nearest(control: Any, value: Any) -> Any:
    """Return what a control can hold that is next to a number; one that is disabled keeps what it holds."""
    low, high, step = (getattr(control, name, None) for name in ("min", "max", "step"))
    if control.disabled or low is None:
        return control.value if control.disabled else value
    log = isinstance(control, kit.FloatLogSlider)
    if log:
        value = math.log(value, control.base) if value > 0 else low
    value = min(max(value, low), high)
    value = min(low + round((value - low) / step) * step, high) if step else value
    if isinstance(control, kit.BoundedIntText | kit.IntSlider):
        return round(value)
    return control.base**value if log else float(f"{value:.12g}")


def set_controls(controls: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Set controls by name, all or none of them, and return all; a TypeError or ValueError names what does not fit."""
    known(given, controls)
    fitting = {name: option_of(controls[name]).check(name, value) for name, value in given.items()}
    for name, value in fitting.items():
        controls[name].value = value
    return controls
