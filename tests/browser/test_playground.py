"""The playground in the page: a unit and an edge are clicked, a weight is edited, points are painted and uploaded."""

from __future__ import annotations

import json
import re

import pytest

from tests.browser.pages import Panel, in_the_kernel, shown

pytestmark = pytest.mark.browser

CELL = """import json, torch
torch.set_num_threads(1)
from helpers.widgets import Playground
panel = Playground(samples=60)
def place(ax, x, y):
    px, py = ax.transData.transform((x, y))
    width, height = ax.figure.canvas.get_width_height()
    return json.dumps([px / width, 1 - py / height])
def unit(name):
    (one,) = [handle for handle in panel.picture.handles if handle.name == name]
    return place(one.ax, *one.at())
panel"""


class Touched(Panel):
    """A playground in the page, touched where its kernel says that things are."""

    def __init__(self, book):
        super().__init__(book)
        self.book, self.image = book, self.box.locator("img").first
        self.until("ready")

    def at(self, expression):
        x, y = json.loads(in_the_kernel(self.book, expression))
        box = self.image.bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def knows(self, expression, value="True"):
        """Wait until the kernel says so."""
        for _ in range(300):
            if (found := in_the_kernel(self.book, expression)) == value:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{expression} is {found}, not {value}")

    def press_at(self, place):
        """Press the mouse there, and release it."""
        self.page.mouse.move(*place)
        self.page.mouse.down()
        self.page.wait_for_timeout(100)
        self.page.mouse.up()
        self.page.wait_for_timeout(200)

    def upload(self, content):
        """Choose a file."""
        with self.page.expect_file_chooser() as chooser:
            self.box.get_by_role("button", name=re.compile("CSV")).click()
        chooser.value.set_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": content})


def test_a_reader_clicks_edits_paints_and_begins_with_a_question(server, browser):
    with shown(server, browser, CELL) as book:
        panel = Touched(book)
        before = panel.image.get_attribute("src")
        panel.press_at(panel.at("unit('unit 5 of layer 2')"))
        panel.knows("panel.looked_at", "(2, 5, 1)")
        panel.knows("'layer 2, unit 5' == panel.picture.name.get_text()")
        assert panel.box.get_by_label("unit", exact=True).input_value() == "5"
        assert panel.image.get_attribute("src") != before

        panel.press_at(panel.at("place(panel.picture.net, *panel.picture.paths[-3][6])"))  # from unit 6 to the output
        panel.knows("panel.looked_at", "(3, 1, 6)")
        shares = "panel.picture.fields[0].shares"  # of the square, on both sides of the boundary
        before = in_the_kernel(book, shares)
        box = panel.box.get_by_label("is", exact=True)
        box.fill("9")
        box.press("Enter")
        panel.knows("panel.sessions[0].model[2][0].weight[0, 5].item()", "9.0")
        panel.knows(f"{shares} != {before}")
        box.press("ArrowDown")
        box.press("Enter")
        panel.knows("panel.edits", "2")

        panel.press_at(panel.at("unit('a unit less in layer 1')"))
        panel.knows("panel.state.hidden", "(7, 8)")
        panel.press_at(panel.at("unit('the data set rings')"))
        panel.knows("panel.state.data", "rings")

        panel.choose("Begin with", "one unit")
        panel.box.get_by_text("How few are enough?").wait_for()
        panel.knows("panel.state.hidden", "(1,)")

        field = "place(panel.picture.fields[0].ax, {}, {})"
        for c, x in ((0, -0.5), (1, 0.5)):
            panel.choose("Paint", f"class {c}")
            panel.knows("any('paper' in handle.name for handle in panel.picture.handles)")
            for y in (0.5, 0.0, -0.5):
                panel.press_at(panel.at(field.format(x, y)))
            panel.knows("panel.state.data == panel.own.name and panel.own.painted", str(3 * c + 3))
        found = json.loads(
            in_the_kernel(book, "json.dumps([panel.own.points.X.tolist(), panel.own.points.Y.tolist()])")
        )
        expected = [[x, y] for x in (-0.5, 0.5) for y in (0.5, 0.0, -0.5)]
        assert all(abs(a - b) < 0.03 for one, other in zip(found[0], expected, strict=True) for a, b in zip(one, other))
        assert found[1] == [[0], [0], [0], [1], [1], [1]]
        panel.press("Start")
        panel.until("(running|finished): epoch [1-9]")
        panel.press("Clear")
        panel.knows("panel.state.data", "signed_xor")
        assert in_the_kernel(book, "panel.error") == "None"

        good, bad = (f"x0,x1,class\n1,2,a\n2,1,b\n1,{x},a\n2,2,b\n".encode() for x in ("3", "three"))
        panel.upload(good)
        panel.knows("panel.text[:23]", "data=mine.csv, 4 points")
        panel.upload(bad)
        panel.box.locator("[role=alert]", has_text="mine.csv: line 4, column x1").wait_for()
        panel.knows("panel.text[:23]", "data=mine.csv, 4 points")
