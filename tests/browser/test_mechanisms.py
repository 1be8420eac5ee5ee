"""What all panels are made of, in depth: buttons that answer, frames, errors in words, two at once, a monkey."""

from __future__ import annotations

import random

import pytest

from tests.browser.conftest import once
from tests.browser.lab import SECONDS
from tests.browser.pages import Panel, in_the_kernel, run, shown

pytestmark = pytest.mark.browser

HEAD = "import torch\nfrom helpers.widgets import TrainingPanel, Playground\ntorch.set_num_threads(1)"
SETS = ["signed_xor", "gaussian", "rings", "spirals", "checkerboard", "moons", "digits"]
# What a reader's hands do, in the page itself: many times as fast as through the driver of the browser.
HANDS = """const panel = document.querySelectorAll('.panel')[0];
  const status = () => panel.querySelector('[role=status]').innerText;
  const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));
  const press = name => [...panel.querySelectorAll('button')].find(one => one.textContent.trim() === name).click();
  const until = async words => {
    for (const end = performance.now() + PATIENCE; !new RegExp(words).test(status()); await wait(4))
      if (performance.now() > end) throw new Error(`waiting for ${words}, read ${status()}`);
  };
  const tell = (field, name) => field.dispatchEvent(new Event(name, {bubbles: true}));
  const point = (kind, x, y, buttons) => {
    const image = panel.querySelector('img'), {left, top, width, height} = image.getBoundingClientRect();
    const place = {clientX: left + x * width, clientY: top + y * height, buttons, bubbles: true, cancelable: true};
    image.dispatchEvent(new MouseEvent(kind, place));
  };
  const choose = (list, index) => { list.selectedIndex = index; tell(list, 'change'); };
  const named = label => document.getElementById([...panel.querySelectorAll('label')].find(
    one => label.test(one.textContent)).htmlFor);""".replace("PATIENCE", str(SECONDS * 1000))
SWEEP = f"""async sets => {{ {HANDS}
  const pick = async (list, option) => {{
    const index = [...list.options].findIndex(one => one.textContent === option);
    if (list.selectedIndex !== index) choose(list, index);
    await wait(100);
  }};
  const rules = [...named(/^Rule( 1)?$/).options].map(one => one.textContent), pairs = [];
  for (const [i, rule] of rules.entries()) {{
    pairs.push([sets[i % sets.length], rule]);
    await pick(named(/^Data$/), pairs[i][0]); await pick(named(/^Rule( 1)?$/), rule);
    press('Start'); await until('running: epoch [1-9]');
    press('Pause'); await until('paused: epoch [1-9]');
    const stands = Number(status().match(/epoch (\\d+)/)[1]);
    press('Step'); await until(`paused: epoch ${{stands + 1}} `);
    press('Reset'); await until('ready: epoch 0 ');
  }}
  return pairs;
}}"""
MONKEY = f"""async actions => {{ {HANDS}
  for (const [kind, which, how, rest] of actions) {{
    if (kind === 'press') press(which);
    if (kind === 'choose') {{
      const lists = panel.querySelectorAll('select'), list = lists[which % lists.length];
      choose(list, how % list.options.length);
    }}
    if (kind === 'slide') {{
      const handles = panel.querySelectorAll('.noUi-handle');
      handles[which % handles.length].dispatchEvent(new KeyboardEvent('keydown', {{key: how, bubbles: true}}));
    }}
    if (kind === 'touch') {{
      point('mousedown', ...which, 1);
      for (const place of how) {{ point('mousemove', ...place, 1); await wait(rest); }}
      point('mouseup', ...(how.at(-1) ?? which), 0);
    }}
    if (kind === 'type') {{
      const boxes = panel.querySelectorAll('input[type=number]'), box = boxes[which % boxes.length];
      box.value = how; tell(box, 'input'); tell(box, 'change');
    }}
    if (kind === 'paste') {{
      const box = panel.querySelector('input[type=text]');
      box.value = how; tell(box, 'change');
    }}
    await wait(rest);
  }}
  return status();
}}"""
# 52 presses within a second, which end with the last button.
FIFTY = f"""async names => {{ {HANDS}
  for (let i = 0; i < 13; i++) for (const name of names) {{ press(name); await wait(15); }}
}}"""


def test_start_pause_step_reset_and_changes_while_training(server, browser):
    with shown(server, browser, HEAD, "panel = Playground(epochs=5000)\npanel") as book:
        panel = Panel(book)
        assert panel.status() == "ready: epoch 0 of 5000"
        panel.press("Start")
        panel.until("running: epoch")
        assert panel.paints(12)
        panel.press("Pause")
        panel.until("paused")
        stands, frame = panel.epoch(), panel.box.locator("img").first
        assert stands > 10
        book.page.wait_for_timeout(400)
        assert panel.epoch() == stands
        before = frame.get_attribute("src")
        panel.press("Step")
        panel.until(f"paused: epoch {stands + 1} ")
        book.page.wait_for_timeout(300)
        assert panel.epoch() == stands + 1
        assert frame.get_attribute("src") != before
        panel.press("Start")
        panel.until("running")
        panel.choose("Data", "moons")
        panel.until("running")
        assert panel.paints(6)
        panel.press("Pause")
        panel.until("paused")
        assert "data=moons" in in_the_kernel(book, "panel.text")
        panel.press("Reset")
        panel.until("ready: epoch 0 ")
        book.page.evaluate(FIFTY, ["Start", "Pause", "Step", "Reset"])
        panel.until("ready: epoch 0 ")
        assert in_the_kernel(book, "panel.error") == "None"


def test_two_panels_train_at_once_and_a_restart_in_the_middle_does_no_harm(server, browser):
    cells = ["a = TrainingPanel(epochs=100000)\na", "b = Playground(epochs=5000)\nb"]
    with shown(server, browser, HEAD, *cells, shared=False) as book:
        panels = [Panel(book, index) for index in (0, 1)]
        for panel in panels:
            panel.box.scroll_into_view_if_needed()
            panel.press("Start")
        for panel in panels:
            panel.until("running: epoch [1-9]")
        for panel in panels:
            assert panel.paints(3)
        before = [panel.epoch() for panel in panels]
        for panel, count in zip(panels, before):
            panel.until(f"running: epoch (?!{count} )")
        assert in_the_kernel(book, "a.error, b.error") == "None None"
        book.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        run(book)
        panel = Panel(book)
        panel.until("ready: epoch 0")
        panel.press("Start")
        panel.until("running: epoch")
        panel.press("Pause")
        panel.until("paused")


FAILING = """from helpers.training import RULES
rule = RULES["local, parallel"]
class Fails:
    def __init__(self, *arguments, **options):
        self.steps, self.count = rule(*arguments, **options), 0
    def __iter__(self):
        return self
    def __next__(self):
        self.count += 1
        if self.count == 3:
            raise ValueError("the data of epoch 3 are bad")
        return next(self.steps)
    def __getattr__(self, name):
        return getattr(self.steps, name)
RULES["local, parallel"] = Fails
panel = TrainingPanel(epochs=50)
panel"""


@once("cell", [FAILING])
def test_an_error_is_said_in_words_and_the_kernel_lives(server, browser, cell):
    with shown(server, browser, HEAD, cell) as book:
        panel = Panel(book)
        panel.press("Start")
        panel.until("Stopped at epoch 2 of 50. ValueError: the data of epoch 3 are bad")
        assert "epoch 3 are bad" in in_the_kernel(book, "repr(panel.error)")
        in_the_kernel(book, "RULES.update({'local, parallel': rule})")
        panel.press("Reset")
        panel.until("ready: epoch 0")
        panel.press("Fast")
        panel.press("Start")
        panel.until("finished: epoch 50 of 50")
        assert in_the_kernel(book, "panel.error") == "None"


EXPLORER = """from helpers.widgets import Explorer
from helpers.widgets.controls import slider
panel = Explorer(lambda x: f"six over {x} is {6 // x}", x=slider("x", 1, 0, 3))
panel"""


def test_an_explorer_answers_says_what_went_wrong_and_answers_again(server, browser):
    with shown(server, browser, EXPLORER) as book:
        panel, keys = Panel(book), book.page.keyboard
        panel.box.get_by_text("six over 1 is 6").wait_for()
        panel.box.locator(".noUi-handle").focus()
        keys.press("Home")
        panel.box.locator("[role=alert]", has_text="ZeroDivisionError").wait_for()
        panel.box.get_by_text("six over 1 is 6").wait_for()  # what it showed before stays
        keys.press("End")
        panel.box.get_by_text("six over 3 is 2").wait_for()
        assert panel.box.locator("[role=alert]").count() == 0
        assert in_the_kernel(book, "panel.error") == "None"


SCENE = """from helpers.plots.pictures import Handle, Picture, new_figure
from helpers.widgets import Explorer
from helpers.widgets.controls import slider
scene = Picture(new_figure(8, 4, layout=None), "the point", "a point")
left, right = scene.figure.add_axes((0.1, 0.1, 0.4, 0.8)), scene.figure.add_axes((0.55, 0.1, 0.4, 0.8))
for ax in (left, right):
    ax.set(xlim=(0, 10), ylim=(0, 5))
(dot,) = left.plot([1.0], [1.0], "o")
scene.changing, clicked = [dot], []
scene.handles = [
    Handle("the dot", left, lambda: (dot.get_xdata()[0], dot.get_ydata()[0]), drag=lambda x, y: {"x": x, "y": y}),
    Handle("the paper", right, click=lambda x, y: clicked.append((round(x, 1), round(y, 1)))),
]
def show(x, y):
    dot.set_data([x], [y])
    return [f"The dot is at {x:.2f}, {y:.2f}", scene]
panel = Explorer(show, x=slider("x", 1.0, 0.0, 10.0, 0.05), y=slider("y", 1.0, 0.0, 5.0, 0.05))
panel"""


class Picture(Panel):
    """The picture of a panel, and a mouse over it, in data of the left or the right axes."""

    def move(self, x, y, left=0.1, steps=1):
        image = self.box.locator("img")
        image.scroll_into_view_if_needed()
        box = image.bounding_box()
        across, up = left + 0.4 * x / 10, 0.1 + 0.8 * y / 5
        self.page.mouse.move(box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"], steps=steps)

    def says(self, x, y):
        self.box.get_by_text(f"The dot is at {x:.2f}, {y:.2f}").wait_for()


def test_a_point_follows_the_hand_and_the_keys_and_a_release_outside_lets_it_go(server, browser):
    with shown(server, browser, SCENE) as book:
        picture, mouse = Picture(book), book.page.mouse
        image = picture.box.locator("img")
        picture.move(5, 4)
        picture.move(1, 1)
        picture.box.locator("img.touching").wait_for()
        before = image.get_attribute("src")
        mouse.down()
        picture.move(4, 3, steps=20)
        picture.says(4, 3)
        mouse.up()
        assert image.get_attribute("src") != before
        assert [picture.box.locator(".widget-readout").nth(i).inner_text() for i in (0, 1)] == ["4.00", "3.00"]
        picture.box.locator(".noUi-handle").first.press("ArrowRight")
        picture.says(4.05, 3)
        assert in_the_kernel(book, "dot.get_xdata()[0], panel.error") == "4.05 None"
        picture.move(4.05, 3)
        mouse.down()
        picture.move(4.05, -3, steps=5)
        picture.says(4.05, 0)
        mouse.up()
        picture.move(2, 2, steps=5)
        picture.move(7, 2, left=0.55)
        picture.box.locator("img.touching").wait_for()
        mouse.down()
        mouse.up()
        picture.move(10.5, 2)  # between the axes: nothing is there
        mouse.down()
        mouse.up()
        picture.box.locator("img:not(.touching)").wait_for()
        assert in_the_kernel(book, "clicked, panel.values") == "[(7.0, 2.0)] {'x': 4.05, 'y': 0.0}"


SMALL = "panel = Playground(samples=40, epochs=5000, hidden=(8, 8))\npanel"


@once("cell", [SMALL])
def test_every_rule_and_every_data_set(server, browser, cell):
    with shown(server, browser, HEAD, cell) as book:
        Panel(book).until("ready: epoch 0 of 5000")
        pairs = book.page.evaluate(SWEEP, SETS)
        data, rule = pairs[-1]
        assert len(pairs) > 8
        assert in_the_kernel(book, "panel.error") == "None"
        text = in_the_kernel(book, "panel.text")
        assert f"data={data};" in text
        assert f"rules={rule};".replace("\xa0", " ") in text  # as a list shows it, with spaces that do not break


def actions(seed, count=300):
    """Make up what a monkey does: every kind of control, good texts and broken ones, hands in the picture and off."""
    rng = random.Random(seed)
    texts = ["data=moons; epochs=50", "rules=magic", "=", "<b>", "seed=1e3", "epochs=300"]
    made = []
    for _ in range(count):
        kind = rng.choice([*["press"] * 6, "choose", "slide", "type", "paste", *["touch"] * 4])
        which, how = rng.randrange(1000), rng.randrange(1000)
        if kind == "press":
            which = rng.choice([*["Start", "Pause", "Step", "Reset", "Fast"] * 3, "SVG", "Code"])
        if kind == "slide":
            how = rng.choice(["Home", "End", "ArrowLeft", "ArrowRight", "PageUp"])
        if kind == "touch":  # a click, or a drag of some moves
            which, *how = [[rng.uniform(-0.1, 1.1), rng.uniform(-0.1, 1.1)] for _ in range(rng.choice([1, 2, 9]))]
        if kind == "type":
            how = rng.choice(["-1", "0", "17", "123456789", ""])
        if kind == "paste":
            how = rng.choice(texts)
        made.append([kind, which, how, rng.choice([2, 10, 40])])
    return made


@once("cell", [SMALL], first=1)
def test_after_a_monkey_start_still_trains(server, browser, cell):
    with shown(server, browser, HEAD, cell) as book:
        panel = Panel(book)
        panel.until("ready: epoch 0 of 5000")
        book.page.evaluate(MONKEY, actions(0))
        book.page.evaluate(MONKEY, [["press", "Pause", 0, 50], ["press", "Reset", 0, 50]])
        panel.until("ready: epoch 0 ")
        panel.press("Start")
        panel.until("(running|finished): [a-z]+ [1-9]")
        assert in_the_kernel(book, "panel.error") == "None"
        assert in_the_kernel(book, "Playground.from_text(panel.text).text == panel.text") == "True"


SAME = """from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop
from helpers.datasets import datasets
from helpers.networks import mertens_net
from helpers.training import locally_optimize
panel = TrainingPanel("local, sequential", epochs=40, seed=2)
def same():
    data, plain = datasets["signed_xor"].train(seed=2), mertens_net(seed=2)
    list(locally_optimize(plain, Rprop, mse_loss, binary_cross_entropy, 10, [(data.X, data.Y)], seed=2))
    return all(torch.equal(p, q) for p, q in zip(plain.parameters(), panel.sessions[0].model.parameters()))
panel"""


@once("cell", [SAME])
def test_the_numbers_are_those_of_the_plain_generator(server, browser, cell):
    with shown(server, browser, HEAD, cell) as book:
        panel = Panel(book)
        panel.press("Fast")
        panel.press("Start")
        panel.until("finished: epoch 40 of 40")
        assert in_the_kernel(book, "same()") == "True"
