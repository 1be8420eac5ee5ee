"""Every panel of the lectures in JupyterLab: each control by mouse and by keyboard; words, dark theme, zoom."""

from __future__ import annotations

import pytest

from tests.browser.lab import NARROW, THEMED, WIDE, opened
from tests.browser.pages import in_the_kernel, run, written
from tests.browser.panels import PANELS
from tests.browser.test_panels import Panel

pytestmark = pytest.mark.browser

PICTURES = "panel => [...panel.querySelectorAll('img')].map(image => image.src).join(' ')"
# What a reader sees; of a panel that trains the chosen options too: not each changes what the start looks like.
SEEN = f"""panel => ({PICTURES})(panel) + panel.innerText
  + (panel.querySelector('button') ? [...panel.querySelectorAll('select')] : [])
    .map(list => list.selectedIndex)
  + [...panel.querySelectorAll('input[type=number]')].map(box => box.value)
  + [...panel.querySelectorAll('svg')].map(svg => svg.outerHTML.length).join(' ')"""
# A picture comes a moment after its words.
SETTLED = f"""async panel => {{
  for (let before = null, seen = ({SEEN})(panel); seen !== before; ) {{
    await new Promise(done => setTimeout(done, 150));
    [before, seen] = [seen, ({SEEN})(panel)];
  }}
}}"""
# Controls without a name of two letters or more, and pictures without a description in words.
NAMELESS = """panel => [
  ...[...panel.querySelectorAll('button')].filter(one => !/[a-z]{2}/i.test(one.innerText)),
  ...[...panel.querySelectorAll('.widget-inline-hbox')].filter(one =>
    one.querySelector('input, select, .noUi-target') && !/[a-z]{2}/i.test(one.querySelector('label')?.innerText ?? '')),
  ...[...panel.querySelectorAll('svg')].filter(one => one.closest('figure, [role=img]') === null
    && !one.getAttribute('aria-label')),
].map(one => one.outerHTML.slice(0, 200))"""
UNDESCRIBED = "panel => panel.querySelector('img') !== null && !/Description of the figure/.test(panel.textContent)"
# Labels and buttons whose words do not fit.
CLIPPED = """panel => [...panel.querySelectorAll('button, .widget-label, .widget-readout')]
  .filter(one => one.offsetWidth && one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"""
# Controls that a page as narrow as at a lecture's zoom cuts off.
OUTSIDE = """panel => [...panel.querySelectorAll('button, input, select, .noUi-target, .widget-readout')]
  .filter(one => one.offsetWidth && one.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1)
  .map(one => one.outerHTML.slice(0, 200))"""
# Words whose contrast to their ground is less than 4.5, as the guidelines for accessible pages ask.
FAINT = """panel => {
  const rgba = text => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const linear = c => c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(linear).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = one => {
    for (; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if ((colour[3] ?? 1) > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  return [...panel.querySelectorAll('label, button, span, p, summary, td, th, li')]
    .filter(one => one.offsetWidth && [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .filter(one => getComputedStyle(one).opacity > 0.9 && !one.closest('[disabled]') && !one.closest('mjx-container'))
    .map(one => [one, ...[light(rgba(getComputedStyle(one).color)), light(ground(one))].sort((a, b) => b - a)])
    .filter(([one, high, low]) => (high + 0.05) / (low + 0.05) < 4.5).map(([one]) => one.innerText);
}"""


class Swept:
    """A panel in the page, each control of which is moved."""

    def __init__(self, book):
        self.page, self.box = book.page, book.page.locator(".panel").first
        self.box.wait_for()
        self.box.scroll_into_view_if_needed()

    def after(self, act):
        """Do something, and wait until the panel shows something else, without a complaint."""
        before = self.box.evaluate(SEEN)
        act()
        self.page.wait_for_function(
            f"([panel, before]) => ({SEEN})(panel) !== before",
            arg=[self.box.element_handle(), before],
            polling=50,
        )
        self.box.evaluate(SETTLED)
        assert self.box.locator("[role=alert]").count() == 0, self.box.locator("[role=alert]").all_inner_texts()

    def slide(self):
        """Move every slider: by keyboard to one end, the other and a step back, by mouse to the middle and back."""
        handles, keys = self.box.locator(".noUi-handle"), self.page.keyboard
        for i in range(handles.count()):
            handle = handles.nth(i)
            if not handle.is_visible():
                continue
            track = handle.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]")
            for key, times, end in (("End", 1, "max"), ("Home", 1, "min"), ("ArrowRight", 3, "")):
                handle.focus()
                if not end or handle.get_attribute("aria-valuenow") != handle.get_attribute(f"aria-value{end}"):
                    self.after(lambda key=key, times=times: [keys.press(key) for _ in range(times)])
            for share in (0.6, 0.3):
                place = track.bounding_box()
                x, y = place["x"] + share * place["width"], place["y"] + place["height"] / 2
                self.after(lambda x=x, y=y: self.page.mouse.click(x, y))
                self.page.wait_for_timeout(200)  # a slider on its way after a click does not see another one
        return handles.count()

    def choose(self, most):
        """Choose every option of every list (or the first few), and the one that was chosen again."""
        lists = self.box.locator("select")
        for i in range(lists.count()):
            if not lists.nth(i).is_visible():
                continue
            options = lists.nth(i).locator("option").all_inner_texts()
            chosen = lists.nth(i).evaluate("list => list.selectedIndex")
            rest = [at for at in range(len(options)) if at != chosen][:most]
            for option in [*rest, chosen][: len(options) if len(options) > 1 else 0]:
                self.after(lambda i=i, option=option: lists.nth(i).select_option(index=option))
        return lists.count()

    def count(self):
        """Type the ends into every box for a number, and what was there again."""
        boxes = self.box.locator("input[type=number]")
        for i in range(boxes.count()):
            box = boxes.nth(i)
            was = box.input_value()
            for value in (box.get_attribute("max"), box.get_attribute("min"), was):
                if box.input_value() != value:
                    self.after(lambda box=box, value=value: (box.fill(value), box.press("Enter")))
        return boxes.count()


@pytest.fixture
def notebook(request):
    """Write the notebook of one panel, and remove it afterwards."""
    path = written(f"sweep_{request.param}", f"{PANELS[request.param].make}\npanel")
    yield path.name
    path.unlink()


@pytest.mark.parametrize("notebook", PANELS, indirect=True, ids=str)
def test_each_control_of_each_panel(server, browser, notebook, request):
    case = PANELS[request.node.callspec.params["notebook"]]
    brief = "no-subshells" in request.node.name
    with opened(server, browser, notebook, shared=True) as book:
        run(book)
        swept = Swept(book)
        assert not swept.box.evaluate(NAMELESS)
        assert not swept.box.evaluate(UNDESCRIBED)
        if not case.apart:
            touched = swept.slide() + swept.choose(1 if brief else 2 if case.trains else 99)
            assert touched + (0 if brief else swept.count()) >= 2
        if case.trains:
            trained(Panel(book))
        assert in_the_kernel(book, "panel.error") == "None"
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            book.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            book.page.wait_for_function(THEMED, arg=theme, polling=50)
            assert not swept.box.evaluate(FAINT), theme
        book.page.evaluate("document.body.style.zoom = 1.5")
        book.page.wait_for_timeout(300)
        assert not swept.box.evaluate(CLIPPED)
        book.page.evaluate("document.body.style.zoom = ''")
        book.page.set_viewport_size(NARROW)
        book.page.wait_for_timeout(300)
        assert not swept.box.evaluate(OUTSIDE)
        book.page.set_viewport_size(WIDE)
        assert not book.errors


def trained(panel):
    """Start, Pause, Reset and Step: the picture moves, and the count is right."""
    first = panel.box.evaluate(PICTURES)
    panel.press("Start")
    panel.until("(running|finished): [a-z ]+ [1-9]")
    panel.press("Pause")
    panel.until("paused|finished")
    box = panel.box.element_handle()
    panel.page.wait_for_function(f"([panel, first]) => ({PICTURES})(panel) !== first", arg=[box, first])
    panel.press("Reset")
    panel.until("ready")
    panel.press("Step")
    panel.until("paused: [a-z ]+ 1 of")
