"""Every panel of the lectures in JupyterLab, once: each control by mouse or keyboard; words, dark theme, zoom."""

from __future__ import annotations

import pytest

from tests.browser.conftest import once
from tests.browser.lab import NARROW, THEMED, WIDE
from tests.browser.pages import Panel, in_the_kernel, shown
from tests.browser.panels import PANELS

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
  ...[...panel.querySelectorAll('button')].filter(one => one.offsetWidth && !/[a-z]{2}/i.test(one.innerText)),
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


class Moved(Panel):
    """A panel in the page, each control of which is moved."""

    def after(self, act):
        """Do something, and wait until the panel shows something else, without a complaint."""
        before = self.box.evaluate(SEEN)
        act()
        self.page.wait_for_function(
            f"([panel, before]) => ({SEEN})(panel) !== before", arg=[self.box.element_handle(), before], polling=50
        )
        self.box.evaluate(SETTLED)
        assert self.box.locator("[role=alert]").count() == 0, self.box.locator("[role=alert]").all_inner_texts()

    def visible(self, selector):
        """Return the controls of a kind that can be seen now and are not disabled."""
        found = self.box.locator(f":not([disabled]) {selector}:not([disabled])")
        return [found.nth(i) for i in range(found.count()) if found.nth(i).is_visible()]

    def slide(self):
        """Move every slider: by keyboard to an end, by mouse near the middle."""
        handles = self.visible(".noUi-handle")
        for handle in handles:
            track = handle.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]")
            at_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
            handle.focus()
            self.after(lambda: self.page.keyboard.press("Home" if at_end else "End"))  # noqa: B023
            place = track.bounding_box()
            x, y = place["x"] + 0.4 * place["width"], place["y"] + place["height"] / 2
            self.after(lambda: self.page.mouse.click(x, y))  # noqa: B023
            self.page.wait_for_timeout(200)  # a slider on its way after a click does not see another one
        return len(handles)

    def choose_others(self):
        """Choose the next option of every list, and the one that was chosen again."""
        lists = self.visible("select")
        for one in lists:
            chosen, count = one.evaluate("list => [list.selectedIndex, list.options.length]")
            for option in ((chosen + 1) % count, chosen):
                if one.evaluate("list => list.selectedIndex") != option:  # one that only jumps goes back by itself
                    self.after(lambda: one.select_option(index=option))  # noqa: B023
        return len(lists)

    def type_numbers(self):
        """Type the largest number into every box for one, and what was there again."""
        boxes = self.visible("input[type=number]")
        for box in boxes:
            most, was = box.get_attribute("max"), box.input_value()
            for value in (most, was) if most != was else ():
                self.after(lambda: (box.fill(value), box.press("Enter")))  # noqa: B023
        return len(boxes)

    def train(self):
        """Start, Pause, Reset and Step: the picture moves, and the count is right."""
        first = self.box.evaluate(PICTURES)
        self.press("Start")
        self.until("(running|finished): [a-z ]+ [1-9]")
        self.press("Pause")
        self.until("paused|finished")
        box = self.box.element_handle()
        self.page.wait_for_function(f"([panel, first]) => ({PICTURES})(panel) !== first", arg=[box, first])
        self.press("Reset")
        self.until("ready")
        self.press("Step")
        self.until("paused: [a-z ]+ 1 of")


@once("name", PANELS, first=1)
def test_each_control_of_each_panel(server, browser, name):
    with shown(server, browser, f"{PANELS[name]}\npanel") as book:
        panel = Moved(book)
        assert not panel.box.evaluate(NAMELESS)
        assert not panel.box.evaluate(UNDESCRIBED)
        assert panel.slide() + panel.choose_others() + panel.type_numbers() >= (1 if name == "00_tangent" else 2)
        if panel.button("Start").count():
            panel.train()
        assert in_the_kernel(book, "panel.error") == "None"
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            book.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            book.page.wait_for_function(THEMED, arg=theme, polling=50)
            assert not panel.box.evaluate(FAINT), theme
        book.page.evaluate("document.body.style.zoom = 1.5")
        book.page.wait_for_timeout(300)
        assert not panel.box.evaluate(CLIPPED)
        book.page.evaluate("document.body.style.zoom = ''")
        book.page.set_viewport_size(NARROW)
        book.page.wait_for_timeout(300)
        assert not panel.box.evaluate(OUTSIDE)
        book.page.set_viewport_size(WIDE)
