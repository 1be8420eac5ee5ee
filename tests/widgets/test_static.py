"""What panels leave in a page without a kernel: the frames of a run, answers side by side."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from helpers import widgets
from helpers.widgets import Explorer
from helpers.widgets.controls import choice, slider
from tests.widgets.test_panels import EXPLORERS, TRAINERS


def frames(page):
    return [base64.b64decode(code.replace("\\\n", "")) for code in re.findall(r'data:image/jpeg;base64,([^"]*)"', page)]


def pixels(picture):
    """The figure as a frame shows it."""
    buffer, size = io.BytesIO(), picture.figure.get_size_inches()
    dpi = min(80, (450_000 / size.prod()) ** 0.5)
    picture.figure.savefig(buffer, format="jpeg", dpi=dpi, pil_kwargs={"quality": 70})
    return np.asarray(Image.open(buffer)).astype(int)


@pytest.mark.parametrize("name", ["constraints", "idempotent", "playground", "scalars"])
def test_a_run_leaves_a_player_whose_last_frame_is_the_end(name):
    panel = TRAINERS[name]()
    panel.run(2)
    controls = {key: control for key, control in panel.controls.items() if key in ("epochs", "turns", "steps")}
    for control in controls.values():
        control.value = 14
    size = tuple(panel.picture.figure.get_size_inches())
    page = panel.static()
    found = frames(page)
    assert len(page) < 2e6
    assert len(set(found)) == len(found) >= min(12, panel.total + 1)
    assert panel.phase == "finished"
    assert tuple(panel.picture.figure.get_size_inches()) == size
    last = np.asarray(Image.open(io.BytesIO(found[-1]))).astype(int)
    again = pixels(TRAINERS[name]().run() if not controls else panel.run())
    assert np.abs(last - again).mean() < 0.1
    assert "://" not in page  # nothing comes from a network
    assert "Description of the figure" in page
    assert panel.live.picture.words in page.replace("&#x27;", "'").replace("&lt;", "<").replace("&gt;", ">")
    for control in panel.controls.values():
        assert control.description.rstrip(" =") in page


def test_the_frames_are_of_what_one_should_watch_and_the_last_of_the_end(monkeypatch):
    drawn = []
    monkeypatch.setattr(widgets.ScalarNetPanel, "watch", 15)
    monkeypatch.setattr(widgets.ScalarNetPanel, "_move", lambda self, still: drawn.append(self.count))
    panel = widgets.ScalarNetPanel(hidden=2, points=6, epochs=40)
    drawn.clear()
    panel.static()
    assert drawn == [*range(16), 40]


def test_a_run_that_fails_shows_how_far_it_came_and_says_why(monkeypatch):
    panel = widgets.ScalarNetPanel(hidden=2, points=6, epochs=20)
    plain = panel._record

    def record(count):
        if count == 4:
            raise ValueError("no number <today>")
        plain(count)

    monkeypatch.setattr(panel, "_record", record)
    page = panel.static()
    assert "no number &lt;today&gt;" in page
    assert len(set(frames(page))) >= 3


@pytest.mark.parametrize("name", EXPLORERS)
def test_an_explorer_leaves_answers_side_by_side_and_stands_as_before(name):
    panel = EXPLORERS[name]()
    before = panel.values
    page = panel.static()
    assert panel.values == before
    assert panel.error is None
    assert len(page) < 2e6
    assert page.count("flex:1 0") == 3
    assert page.count("Description of the figure") >= 3


def test_an_explorer_shows_the_settings_that_it_is_told_and_says_what_fails():
    panel = Explorer(lambda x, y: f"{6 // x} {y}", x=slider("x", 2, 0, 3), y=choice("the y", [("one", 1), ("two", 2)]))
    page = panel.static()
    assert re.findall("<b>(.*?)</b>", page) == ["x = 2; the y = one", "x = 0", "x = 3"]
    assert "3 1" in page
    assert "by zero" in page
    assert panel.error is None
    panel.settings_shown = [{"x": 1}, {"y": 2, "x": 3}]
    page = panel.static()
    assert re.findall("<b>(.*?)</b>", page) == ["x = 1", "the y = two; x = 3"]
    assert "2 2" in page


def test_the_book_asks_for_the_static_form(monkeypatch):
    panel = Explorer(lambda x: f"{x}!", x=slider("x", 2, 0, 3))
    assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()
    monkeypatch.setenv("COURSE_STATIC", "1")
    assert panel._repr_mimebundle_() == {"text/html": panel.static(), "text/plain": "Explorer"}
