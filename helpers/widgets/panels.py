"""Panels: settings, buttons and a live picture around a training run.

>>> panel = TrainingPanel(epochs=4, data="moons", net="16-16 tanh")
>>> picture = panel.run()  # without hands; in a notebook, show the panel and press Start
>>> panel.runner.count, panel.error
(4, None)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from time import perf_counter
from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor

from helpers.options import OneOf, Several, known
from helpers.plots import LayerProgress
from helpers.plots.progress import Measured
from helpers.training import RULES
from helpers.training.layers import Scores
from helpers.training.runs import LABELLED, OPTIMIZERS, Run, Session
from helpers.widgets.controls import choice, log_slider, row, set_controls, slider, whole
from helpers.widgets.live_panel import LivePanel
from helpers.widgets.runner import PART

POINT_EVERY = 0.2  # seconds between two points of the live curves
CURVES_EVERY = 1.0  # seconds between two drawings of the curves and titles, which take longer than the fields
MEASURED = 300  # points of each set on which the live curves are measured
NETS: dict[str, dict[str, Any]] = {
    "100-100-10 Mish": {"hidden": (100, 100, 10), "activation": "Mish", "normalize": True},
    "32-32-32 tanh": {"hidden": (32, 32, 32), "activation": "tanh", "normalize": False},
    "16-16 tanh": {"hidden": (16, 16), "activation": "tanh", "normalize": False},
}
Seen = tuple[list[Scores], Measured | None]  # the answers over the plane; now and then a point of the curves


class TrainingPanel(LivePanel[LayerProgress]):
    """Watch the boundary of every layer move while a net trains.

    Parameters
    ----------
    rule : str or sequence of str
        One rule, which the reader can then change, or several, which train side by side from the same start.
    size : int
        Grid points a side of each field, 64 or, slower and finer, 100.
    share : float
        The share of the time that drawing may take, between 0.1 and 0.9.
    net : str
        A name in `NETS`; a net of one's own by the fields ``hidden``, ``activation``, ``normalize``.
    **setting
        The other fields of `Run`. Those without a control (noise, samples, equal) stay as they are given.

    Attributes
    ----------
    runner : Runner
        Start, Pause, Step, Reset; the count of epochs.
    sessions : list of Session
        The runs as they stand, one a rule: models, data.

    Raises
    ------
    TypeError, ValueError
        If an option is not known or out of its range; the message names it and the range.
    """

    def __init__(
        self,
        rule: str | Sequence[str] = "local, parallel",
        *,
        size: int = 64,
        share: float = 0.5,
        net: str = "100-100-10 Mish",
        **setting: Any,
    ):
        self.rules = Several(RULES).check("rule", (rule,) if isinstance(rule, str) else rule)
        known(setting, [field.name for field in fields(Run) if field.name != "rules"])
        OneOf(NETS).check("net", net)
        self.base = start = Run(**{"samples": 1000, **NETS[net], **setting})
        own = {name: getattr(start, name) for name in NETS[net]}
        self.nets = NETS if own == NETS[net] else NETS | {f"{'-'.join(map(str, start.hidden))} {start.activation}": own}
        self.net = next(name for name, known_net in self.nets.items() if known_net == own)
        self.next_point = self.next_curves = 0.0
        self.sessions: list[Session] = []
        controls = self._make_controls(start, size)
        self.share = slider("Drawing's share of time", 0.5, 0.1, 0.9, 0.1, show=".0%")
        set_controls({"share": self.share}, {"share": share})
        chosen = list(controls.values())
        settings = [row(chosen[:-4]), row([*chosen[-4:], self.share])]
        super().__init__(controls, settings, share)
        self.share.observe(lambda change: setattr(self.runner, "share", change["new"]), "value")

    def _make_controls(self, start: Run, size: int) -> dict[str, Any]:
        controls: dict[str, Any] = {
            "data": choice("Data", list(LABELLED)),
            "rule": choice("Rule", list(RULES)),
            "net": choice("Net", list(self.nets)),
            "optimizer": choice("Optimiser", list(OPTIMIZERS)),
            "rate": log_slider("Learning rate η", 0.01, -4, 1, live=False),
            "seed": whole("Seed", 0, 0, 10**6),
            "epochs": whole("Epochs", 200, 1, 10**5),
            "size": choice("Grid", [("64 × 64", 64), ("100 × 100", 100)], width="150px"),
        }
        given = {name: getattr(start, name) for name in ("data", "optimizer", "rate", "seed", "epochs")}
        set_controls(controls, given | {"rule": self.rules[0], "net": self.net, "size": size})
        if len(self.rules) > 1:
            del controls["rule"]
        return controls

    @property
    def setting(self) -> Run:
        """What the controls say now (with several rules, of the first), and of what has no control, what was given."""
        values = {name: control.value for name, control in self.controls.items() if name != "size"}
        rule = values.pop("rule", self.rules[0])
        return replace(self.base, rules=(rule,), **self.nets[values.pop("net")], **values)

    def _begin(self) -> tuple[Iterator[Any], int]:
        """Build the runs that the controls describe, and the picture if it no longer fits them."""
        base = self.setting
        rules = self.rules if len(self.rules) > 1 else base.rules
        self.sessions = [Session(replace(base, rules=(rule,))) for rule in rules]
        first, size = self.sessions[0], self.controls["size"].value
        total = max(session.total for session in self.sessions)
        key = (replace(base, optimizer="Rprop", rate=1.0), size, rules, total)
        self._use(
            key,
            lambda: LayerProgress(
                first.training_set,
                first.test_set,
                len(first.model),
                rules=rules,
                total=total,
                size=size,
                measured=MEASURED,
                x_label="epoch (sequential: block after block)" if "local, sequential" in rules else "epoch",
            ),
        )
        return self._together(), total

    def _together(self) -> Iterator[Any]:
        """Yield once an epoch, of every run that has one left, and a `PART` between two of them."""
        left = list(self.sessions)
        while left:
            for session in list(left):
                if next(session, None) is None:
                    left.remove(session)
                elif session is not left[-1]:
                    yield PART
            if left:
                yield left

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answers (n, k) of every layer of every run, in one list."""
        return [scores for session in self.sessions for scores in session.predict(X)]

    def _look(self) -> Callable[[], Seen]:
        """Copy the runs as they stand, and hand out the longer work: answers over the plane, a point of the curves."""
        views, picture, now = [session.snapshot() for session in self.sessions], self._picture, perf_counter()
        due = now > self.next_point
        if due:
            self.next_point = now + POINT_EVERY

        def predict(X: Any) -> list[Scores]:
            return [scores for view in views for scores in view.predict(X)]

        def work() -> Seen:
            return predict(picture.grid.points) if picture.grid else [], picture.yardstick(predict) if due else None

        return work

    def _note(self, count: int) -> None:
        self._picture.record(count, self.predict)

    def _show(self, count: int, seen: Seen | None) -> None:
        """Draw the fields; now and then, and at every stop, the curves too, and say it in words."""
        now, still = perf_counter(), seen is None
        if still:
            self._note(count)  # by the net itself: the quick one is right to a millionth
            self.next_point = perf_counter() + POINT_EVERY
        answers, measured = self._look()() if seen is None else seen
        if measured is not None:
            self._picture.note(count, measured)
        self._picture.fill(answers)
        curves = still or now > self.next_curves
        if curves:
            self.next_curves = now + CURVES_EVERY
        self._send(curves=curves, words=still)
