"""The pictures of lecture 01 under a hand in the browser: what is read there is what is computed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.plots.derivatives import scientific
from helpers.widgets.derivatives import INPUTS, TARGETS
from tests.browser.conftest import once
from tests.browser.pages import Panel, in_the_kernel, shown

pytestmark = pytest.mark.browser
MAKE = "from helpers.widgets import {0}_panel\npanel = {0}_panel()\npanel"
PLACE = (
    "*(h.ax.transData.transform({at}) / h.ax.figure.bbox.size for h in panel.answer[-1].handles if h.name == {name!r})"
)


class Touched(Panel):
    """A panel whose picture is touched at a handle, or at a place in the data of the handle's axes."""

    def __init__(self, book):
        super().__init__(book)
        self.book = book

    def move(self, name, at="h.at()"):
        x, y = map(float, in_the_kernel(self.book, PLACE.format(at=at, name=name)).strip("[]").split())
        image = self.box.locator("img")
        image.scroll_into_view_if_needed()
        box = image.bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"], steps=8)

    def drag(self, name, to):
        self.move(name)
        self.box.locator("img.touching").wait_for()
        self.page.mouse.down()
        self.move(name, to)
        self.page.mouse.up()

    def click(self, name):
        self.move(name)
        self.page.mouse.down()
        self.page.mouse.up()


@once("panel", ["secant"])
def test_the_second_point_is_dragged_and_the_error_that_is_read_is_the_one_computed(server, browser, panel):
    def error(h):
        x, h = np.float32(5), np.float32(h)
        f = [np.log(np.float32(2)) + 2 * t - np.sin(t) for t in (x + h, x)]
        return abs(float((f[0] - f[1]) / h) - (2 - math.cos(5)))

    with shown(server, browser, MAKE.format(panel)) as book:
        touched = Touched(book)
        touched.drag("the second point", "(0.4, 0)")
        touched.box.get_by_text("h = 0.4: off by").first.wait_for()
        h = float(in_the_kernel(book, "panel.values['step']"))
        assert h == pytest.approx(0.4, rel=0.03)
        words = touched.box.get_by_text(f"off by {scientific(error(h))}").first.inner_text()
        assert words == in_the_kernel(book, "panel.answer[0]")
        for _ in range(5):
            touched.click("the second point")
        touched.box.get_by_text("·10⁻⁶: off by").first.wait_for()
        h = float(in_the_kernel(book, "panel.values['step']"))
        touched.box.get_by_text(f"off by {scientific(error(h))}").first.wait_for()
        assert in_the_kernel(book, "panel.error") == "None"


@once("panel", ["descent"])
def test_a_step_downhill_is_dragged_and_taken(server, browser, panel):
    with shown(server, browser, MAKE.format(panel)) as book:
        touched = Touched(book)
        touched.drag("your weight", "(0.1, 1)")
        for _ in range(100):
            if abs(float(in_the_kernel(book, "panel.values['weight']")) - 0.1) < 0.02:
                break
            book.page.wait_for_timeout(100)
        book.page.wait_for_timeout(500)  # the last move has been answered
        later = float(in_the_kernel(book, "panel.answer[1].state['next']"))
        loss = ((np.tanh(round(later, 2) * INPUTS) - TARGETS) ** 2).mean()
        touched.click("the next weight")
        touched.box.get_by_text(f"loss {loss:.3g}, slope").first.wait_for()
        assert in_the_kernel(book, "panel.error") == "None"
