"""The training panel in JupyterLab: the buttons answer, frames come, errors are said, two panels train at once."""

from __future__ import annotations

import re

import pytest

from tests.browser.lab import SECONDS, opened
from tests.browser.pages import in_the_kernel, run, train_on, written

pytestmark = pytest.mark.browser

HEAD = "import torch\nfrom helpers.widgets import TrainingPanel\ntorch.set_num_threads(1)"
EPOCH = re.compile(r"epoch (\d+) of (\d+)")
# 52 presses within a second, which end with the last button.
FIFTY = """async (panel, names) => {
  const buttons = names.map(name => [...panel.querySelectorAll('button')].find(b => b.textContent.trim() === name));
  for (let i = 0; i < 13; i++)
    for (const button of buttons) { button.click(); await new Promise(done => setTimeout(done, 15)); }
}"""


@pytest.fixture
def notebook(request):
    """Write the cells of a test's mark into a notebook, and remove it afterwards."""
    path = written(f"panel_{abs(hash(request.node.name)) % 10**8}", HEAD, *request.param)
    yield path.name
    path.unlink()


class Panel:
    """A panel in the page, by what its reader sees."""

    def __init__(self, book, index=0):
        self.book, self.page = book, book.page
        self.box = book.page.locator(".panel").nth(index)
        self.box.wait_for()
        self.box.scroll_into_view_if_needed()

    def press(self, name):
        button = self.box.get_by_role("button", name=re.compile(rf"{name}\s*$"))  # an icon stands before the name
        button.click()

    def status(self):
        return self.box.locator("[role=status]").first.inner_text()

    def epoch(self):
        return int(EPOCH.search(self.status())[1])

    def frame(self):
        return self.box.locator("img").first.get_attribute("src")

    def until(self, words):
        self.box.locator("[role=status]", has_text=re.compile(words)).first.wait_for()

    def moves(self, times):
        """Return whether the picture changes so often, without a hand on the panel."""
        return self.box.locator("img").first.evaluate(
            """(image, [times, wait]) => new Promise(done => {
                 let last = image.src;
                 const watch = new MutationObserver(() => {
                   if (image.src !== last) { times -= 1; last = image.src; }
                   if (times <= 0) done(true);
                 });
                 watch.observe(image, {attributes: true, attributeFilter: ['src']});
                 setTimeout(() => { watch.disconnect(); done(times <= 0); }, wait);
               })""",
            [times, SECONDS * 1000],
        )

    def choose(self, label, option):
        self.box.get_by_label(label, exact=True).select_option(option)


@pytest.mark.parametrize("notebook", [["panel = TrainingPanel(epochs=100000)\npanel"]], indirect=True, ids=[""])
def test_start_pause_step_reset_and_changes_while_training(server, browser, notebook):
    with opened(server, browser, notebook, shared=True) as book:
        run(book)
        panel = Panel(book)
        assert panel.status() == "ready: epoch 0 of 100000"
        panel.press("Start")
        panel.until("running: epoch")
        assert panel.moves(12)
        panel.press("Pause")
        panel.until("paused")
        stands = panel.epoch()
        assert stands > 10
        book.page.wait_for_timeout(400)
        assert panel.epoch() == stands
        picture = panel.frame()
        panel.press("Step")
        panel.until(f"paused: epoch {stands + 1} ")
        book.page.wait_for_timeout(300)
        assert panel.epoch() == stands + 1
        assert panel.frame() != picture
        panel.press("Start")
        panel.until("running")
        panel.choose("Data", "moons")
        panel.until("running")
        panel.choose("Rule", "back-propagation")
        panel.until("running")
        assert panel.moves(6)
        panel.press("Pause")
        panel.until("paused")
        said = in_the_kernel(book, "panel.state.data, panel.state.rules[0], panel.error")
        assert said == "moons back-propagation None"
        panel.press("Reset")
        panel.until("ready: epoch 0 ")
        panel.box.evaluate(FIFTY, ["Start", "Pause", "Step", "Reset"])
        panel.until("ready: epoch 0 ")
        assert in_the_kernel(book, "panel.error, panel.runner.count") == "None 0"
        assert not book.errors


NUMBERS = """panel = TrainingPanel("local, sequential", epochs=40, seed=2)
panel"""
COMPARE = """from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop
from helpers.datasets import datasets
from helpers.networks import mertens_net
from helpers.training import locally_optimize
data, plain = datasets["signed_xor"].train(seed=2), mertens_net(seed=2)
list(locally_optimize(plain, Rprop, mse_loss, binary_cross_entropy, 10, [(data.X, data.Y)], seed=2))"""
SAME = "all(torch.equal(p, q) for p, q in zip(plain.parameters(), panel.sessions[0].model.parameters()))"


@pytest.mark.parametrize("notebook", [[NUMBERS, COMPARE]], indirect=True, ids=[""])
def test_the_numbers_are_those_of_the_plain_generator(server, browser, notebook):
    with opened(server, browser, notebook, shared=True) as book:
        run(book)
        panel = Panel(book)
        panel.press("Start")
        panel.until("finished: epoch 40 of 40")
        assert in_the_kernel(book, SAME) == "True"
        assert not book.errors


TWO = ["a = TrainingPanel(epochs=100000)\na", "b = TrainingPanel('back-propagation', epochs=100000)\nb"]


@pytest.mark.parametrize("notebook", [TWO], indirect=True, ids=[""])
def test_two_panels_train_at_once_and_a_restart_in_the_middle_does_no_harm(server, browser, notebook):
    with opened(server, browser, notebook) as book:
        run(book)
        panels = [Panel(book, index) for index in (0, 1)]
        for panel in panels:
            panel.box.scroll_into_view_if_needed()
            panel.press("Start")
        for panel in panels:
            panel.until("running")
        assert train_on(book, "a", "b")
        book.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        run(book)
        panel = Panel(book)
        panel.until("ready: epoch 0")
        panel.press("Start")
        panel.until("running: epoch")
        panel.press("Pause")
        panel.until("paused")


BROKEN = """panel = TrainingPanel(epochs=50)
def fail(steps):
    for i, step in enumerate(steps, 1):
        if i == 3:
            raise ValueError("the data of epoch 3 are bad")
        yield step
begin = panel.runner.begin
panel.runner.begin = lambda: (fail(begin()[0]), 50)
panel.runner.reset()
panel"""


@pytest.mark.parametrize("notebook", [[BROKEN]], indirect=True, ids=[""])
def test_an_error_is_said_in_words_and_the_kernel_lives(server, browser, notebook):
    with opened(server, browser, notebook, shared=True) as book:
        run(book)
        panel = Panel(book)
        panel.press("Start")
        panel.until("Stopped at epoch 2 of 50. ValueError: the data of epoch 3 are bad")
        assert in_the_kernel(book, "repr(panel.error)") == "ValueError('the data of epoch 3 are bad')"
        in_the_kernel(book, "setattr(panel.runner, 'begin', begin)")
        panel.press("Reset")
        panel.until("ready: epoch 0")
        panel.press("Start")
        panel.until("finished: epoch 50 of 50")
        assert not book.errors
