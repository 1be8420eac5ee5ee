"""The stepper in JupyterLab: by mouse and by keyboard, to and fro, played and typed into; the picture does not move."""

from __future__ import annotations

import pytest

from tests.browser.conftest import once
from tests.browser.pages import Panel, in_the_kernel, shown

pytestmark = pytest.mark.browser

MADE = "stepper = Stepper('log(x1) + x1*x2 - sin(x2)', at='x1 = 2, x2 = 5')\nstepper"
HEAD = "from helpers.widgets.stepper import Stepper"


@once("made", [MADE])
def test_every_control_by_mouse_and_by_keyboard(server, browser, made):
    with shown(server, browser, HEAD, made) as book:
        panel, keys = Panel(book), book.page.keyboard
        for position in range(1, 4):
            panel.press("Step")
            panel.until(f"^Step {position} of 14: v{position} = ")
        panel.press("Back")
        panel.until("^Step 2 of 14")
        panel.button("End").focus()
        keys.press("Enter")
        panel.until("Step 14 of 14: .*Complete: x̄1 = 5.5")
        svg, table = panel.box.locator("svg[role=img]"), panel.box.locator("table")
        frame = svg.get_attribute("viewBox")
        handle = panel.box.locator(".noUi-handle").last  # the slider of the steps
        handle.focus()
        for key, words in (("Home", "Step 0 of 14"), ("End", "Step 14 of 14"), ("ArrowLeft", "Step 13 of 14")):
            keys.press(key)
            panel.until(words)
        assert svg.get_attribute("viewBox") == frame
        assert "x̄1 = v̄2 · ∂v2/∂x1 + v̄1 · ∂v1/∂x1 = 1 · 5 + … = …" in table.inner_text()
        assert "x̄1 = 5 so far" in svg.get_attribute("aria-label")
        panel.choose("Jump to", "x̄2 complete")
        panel.until("Step 13 of 14")
        panel.choose("Jump to", "value of v4")
        panel.until("Step 4 of 14")

        panel.box.locator("svg rect#v1").click()  # from step 4 on: to its adjoint, and then to its value
        panel.until("Step 9 of 14: v̄1 \\+= ")
        panel.box.locator("svg rect#v1").click()
        panel.until("Step 1 of 14")
        panel.choose("Jump to", "value of v4")
        panel.until("Step 4 of 14")

        panel.press("Play")
        panel.until("Step ([5-9]|1[0-3]) of 14")
        panel.press("Pause")
        book.page.wait_for_timeout(500)
        stands = panel.status()
        book.page.wait_for_timeout(1300)
        assert panel.status() == stands

        panel.choose("Mode", "forward")
        panel.choose("Input with tangent 1", "x2")
        panel.press("End")
        panel.until("At the end v5 = 11.6521, ∂v5/∂x2 = 1.71634")
        formula = panel.box.get_by_label("Formula f =", exact=True)
        formula.fill("x1^2")
        formula.press("Enter")
        panel.box.locator("[role=alert]", has_text="for a power write **").wait_for()
        assert "∂v5/∂x2" in panel.status()  # what it showed before stays
        formula.fill("x1 ** x2 * x1")
        formula.press("Enter")
        panel.until("At the end v2 = 64")
        assert panel.box.locator("[role=alert]").count() == 0
        panel.press("Restart")
        panel.until("Step 0 of 7")
        assert in_the_kernel(book, "stepper.error") == "None"
