"""Every panel of the lectures that answers to controls: by keyboard to both ends and back, and the picture changes."""

from __future__ import annotations

import pytest

from tests.browser.lab import opened
from tests.browser.pages import in_the_kernel, run, written
from tests.browser.test_panels import Panel

pytestmark = pytest.mark.browser

PANELS = {
    "step_size_panel": "from helpers.widgets.step_sizes import step_size_panel",
    "formula_panel": "from helpers.widgets.formulas import formula_panel",
    "jacobian_panel": "from helpers.widgets.jacobians import jacobian_panel",
    "cycle_panel": "from helpers.widgets.cycles import cycle_panel",
}
TYPED = {"formula_panel": ["tanh(a * b) + a if a > 0 else a", "x^2", "1 / x"]}  # the second is refused, in words
PICTURES = "panel => [...panel.querySelectorAll('img')].map(image => image.src).join(' ')"
SEEN = f"""panel => ({PICTURES})(panel) + panel.innerText
  + [...panel.querySelectorAll('svg')].map(svg => svg.outerHTML.length).join(' ')"""


class Explorer:
    """A panel in the page, by what its reader sees and touches."""

    def __init__(self, book, index):
        self.page, self.box = book.page, book.page.locator(".panel").nth(index)
        self.box.wait_for()
        self.box.scroll_into_view_if_needed()

    def seen(self):
        return self.box.evaluate(SEEN)

    def after(self, act, alerts=0):
        """Do something, wait until the panel shows something else, and return that; count what it complains of."""
        before = self.seen()
        act()
        self.page.wait_for_function(
            f"([panel, before]) => ({SEEN})(panel) !== before", arg=[self.box.element_handle(), before], timeout=20_000
        )
        self.page.wait_for_timeout(300)  # a picture comes a moment after its words
        assert self.box.locator("[role=alert]").count() == alerts, self.box.locator("[role=alert]").all_inner_texts()
        return self.seen()

    def sliders(self):
        """Move every slider to one end, to the other, and one step back."""
        handles = self.box.locator(".noUi-handle")
        for i in range(handles.count()):
            handle = handles.nth(i)
            handle.focus()
            at, low, high = (handle.get_attribute(f"aria-value{name}") for name in ("now", "min", "max"))
            keys = ["Home", "End", "ArrowLeft"] if at != low else ["End", "Home", "ArrowRight"]
            ends = [self.after(lambda key=key: self.page.keyboard.press(key)) for key in keys]
            assert ends[0] != ends[1], (i, low, high)
        return handles.count()

    def choices(self, most=99):
        """Choose every option of every list, or the first few."""
        lists = self.box.locator("select")
        for i in range(lists.count()):
            options = lists.nth(i).locator("option").all_inner_texts()
            chosen = lists.nth(i).evaluate("list => list.selectedOptions[0].innerText")
            rest = [option for option in options if option != chosen][:most]
            for option in [*rest, chosen]:
                self.after(lambda i=i, option=option: lists.nth(i).select_option(label=option))
        return lists.count()

    def type(self, texts):
        """Type into the first box, and press Enter; the second text is a mistake."""
        for i, text in enumerate(texts):
            box = self.box.locator("input[type=text]").first
            box.fill(text)
            self.after(lambda box=box: box.press("Enter"), alerts=int(i == 1))
        return len(texts)


@pytest.fixture(scope="module")
def notebook():
    lines = [line for name, line in PANELS.items()] + ["import torch", "torch.set_num_threads(1)"]
    path = written("explorers", "\n".join(lines), *(f"{name} = {name}(); {name}" for name in PANELS))
    yield path.name
    path.unlink()


def test_every_control_of_every_panel(server, browser, notebook, request):
    most = 2 if "no-subshells" in request.node.name else 99
    with opened(server, browser, notebook) as book:
        run(book)
        for index, name in enumerate(PANELS):
            panel = Explorer(book, index)
            assert panel.type(TYPED.get(name, [])) + panel.sliders() + panel.choices(most) >= 2, name
            assert in_the_kernel(book, f"{name}.error") == "None", name
        assert not book.errors


RUNNERS = {
    "ScalarNetPanel": "from helpers.widgets.scalar_net import ScalarNetPanel",
    "constraint_panel": "from helpers.widgets.constraints import constraint_panel",
}


@pytest.fixture(scope="module")
def trainings():
    lines = [*RUNNERS.values(), "import torch", "torch.set_num_threads(1)"]
    path = written("trainings", "\n".join(lines), *(f"{name[0]} = {name}(); {name[0]}" for name in RUNNERS))
    yield path.name
    path.unlink()


def test_the_trainings_of_lectures_2_and_4(server, browser, trainings):
    with opened(server, browser, trainings) as book:
        run(book)
        for index, name in enumerate(RUNNERS):
            panel = Panel(book, index)
            first = panel.box.evaluate(PICTURES)
            panel.press("Start")
            panel.until("(running|finished): [a-z ]+ [1-9]")
            panel.press("Pause")
            panel.until("paused|finished")
            box = panel.box.element_handle()
            book.page.wait_for_function(f"([panel, first]) => ({PICTURES})(panel) !== first", arg=[box, first])
            panel.press("Reset")
            panel.until("ready")
            panel.press("Step")
            panel.until("paused: [a-z ]+ 1 of")
            assert in_the_kernel(book, f"{name[0]}.error, {name[0]}.runner.count") == "None 1"
        assert not book.errors
