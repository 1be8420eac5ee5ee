"""The stepper in JupyterLab: by mouse and by keyboard, to and fro, played and typed into; the picture does not move."""

from __future__ import annotations

import pytest

from tests.browser.lab import opened
from tests.browser.pages import comes_true, in_the_kernel, run, written
from tests.browser.test_panels import Panel

pytestmark = pytest.mark.browser

MADE = "stepper = Stepper('log(x1) + x1*x2 - sin(x2)', at='x1 = 2, x2 = 5')\nstepper"
PLACES = (
    "svg => [...svg.querySelectorAll('rect[fill=\"#d6eaf6\"], rect[fill=\"#fbe0cf\"]')].map(r => r.getAttribute('x'))"
)


@pytest.fixture(scope="module")
def notebook():
    path = written("stepper", "from helpers.widgets.stepper import Stepper", MADE)
    yield path.name
    path.unlink()


def test_every_control_by_mouse_and_by_keyboard(server, browser, notebook):
    with opened(server, browser, notebook, shared=True) as book:
        run(book)
        panel, keys = Panel(book), book.page.keyboard
        for position in range(1, 4):
            panel.press("Step")
            panel.until(f"^Step {position} of 14: v{position} = ")
        panel.press("Back")
        panel.until("^Step 2 of 14")
        panel.box.get_by_role("button", name="End").focus()
        keys.press("Enter")
        panel.until("Step 14 of 14: .*Complete: x̄1 = 5.5")
        svg, table = panel.box.locator("svg[role=img]"), panel.box.locator("table")
        places = svg.evaluate(PLACES)
        assert len(places) == 7
        handle = panel.box.locator(".noUi-handle").last  # the slider of the steps
        handle.focus()
        for key, words in (("Home", "Step 0 of 14"), ("End", "Step 14 of 14"), ("ArrowLeft", "Step 13 of 14")):
            keys.press(key)
            panel.until(words)
        assert svg.evaluate(PLACES) == places
        assert "x̄1 = v̄2 · ∂v2/∂x1 + v̄1 · ∂v1/∂x1 = 1 · 5 + … = …" in table.inner_text()
        assert "x̄1 = 5 so far" in svg.get_attribute("aria-label")
        panel.choose("Jump to", "x̄2 complete")
        panel.until("Step 13 of 14")
        panel.choose("Jump to", "value of v4")
        panel.until("Step 4 of 14")

        panel.press("Play")
        panel.until("Step ([5-9]|1[0-3]) of 14")
        panel.press("Pause")
        assert comes_true(book, "not stepper.player.playing")
        stands = in_the_kernel(book, "stepper.player.position")
        book.page.wait_for_timeout(1300)
        panel.until(f"Step {stands} of 14")
        assert in_the_kernel(book, "stepper.player.position") == stands

        panel.choose("Mode", "forward: tangents with the values")
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
        assert in_the_kernel(book, "stepper.error, stepper.player.position") == "None 0"
        assert not book.errors
