"""Predictions in a real page: answered by a click and by the keyboard, counted, kept when the cell is run again."""

from __future__ import annotations

import pytest

from tests.browser.pages import in_the_kernel, run, shown

pytestmark = pytest.mark.browser

CELLS = [
    "from helpers.widgets import predict, predictions",
    'first = predict(answer="b", options=3, because="The error is **of order** $h^2$.", heading="The step")\nfirst',
    'second = predict(answer="a", options=["one line", "two lines"], because="One is enough.")\nsecond',
    "predictions()",
]


def test_a_prediction_counts_by_click_and_by_keyboard(server, browser):
    with shown(server, browser, *CELLS) as book:
        page = book.page
        first, second = (page.locator(".prediction").nth(i) for i in (0, 1))
        count = page.get_by_role("status").filter(has_text="of 2 predictions right")
        count.get_by_text("0 of 2 predictions right. Not made yet: 1 (The step), 2.").wait_for()
        assert page.get_by_text("The answer is b").count() == 0
        first.get_by_role("button", name="c", exact=True).click()
        first.get_by_role("status").get_by_text("You chose c. The answer is b.").wait_for()
        first.locator("strong", has_text="of order").wait_for()
        first.locator("mjx-container").wait_for()
        second.get_by_role("button", name="a: one line").focus()
        page.keyboard.press("Enter")
        second.get_by_role("status").get_by_text("Right: a.").wait_for()
        assert second.get_by_role("button", name="✓ a: one line").evaluate("e => e === document.activeElement")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")  # a second choice, which does not count
        count.get_by_text("1 of 2 predictions right. Read again: 1 (The step).").wait_for()
        assert in_the_kernel(book, "first.chosen, second.chosen") == "c a"
        run(book)
        first.get_by_role("button", name="✗ c").wait_for()
        first.get_by_role("status").get_by_text("You chose c").wait_for()
        count.get_by_text("1 of 2 predictions right. Read again: 1 (The step).").wait_for()
