"""The playground in JupyterLab: lecture 09, every rule on every data set, a monkey, two panels at once."""

from __future__ import annotations

import random

import pytest

from helpers.training import RULES
from helpers.training.runs import LABELLED
from tests.browser.lab import SECONDS, opened
from tests.browser.pages import in_the_kernel, run, train_on, written
from tests.browser.test_panels import Panel

pytestmark = pytest.mark.browser

HEAD = "import torch\nfrom helpers.widgets.playground import Playground\ntorch.set_num_threads(1)"
SMALL = "hidden=6, samples=40, epochs=5000"

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
  const choose = (list, index) => { list.selectedIndex = index; tell(list, 'change'); };
  const named = label => document.getElementById([...panel.querySelectorAll('label')].find(
    one => one.textContent === label).htmlFor);""".replace("PATIENCE", str(SECONDS * 1000))
SWEEP = f"""async ([data, rules]) => {{ {HANDS}
  const pick = (label, option) => {{
    const list = named(label); choose(list, [...list.options].findIndex(one => one.textContent === option));
  }};
  pick('Data', data);
  const seen = [];
  for (const rule of rules) {{
    pick('Rule 1', rule);
    press('Start'); await until('running: epoch [1-9]');
    press('Pause'); await until('paused: epoch [1-9]');
    const stands = Number(status().match(/epoch (\\\\d+)/)[1]);
    press('Step'); await until(`paused: epoch ${{stands + 1}} `);
    press('Reset'); await until('ready: epoch 0 ');
    seen.push(rule);
  }}
  return seen;
}}""".replace("\\\\", "\\")
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


@pytest.fixture
def notebook(request):
    """Write the cells of a test's mark into a notebook, and remove it afterwards."""
    path = written(f"playground_{abs(hash(request.node.name)) % 10**8}", HEAD, *request.param)
    yield path.name
    path.unlink()


ONE = [f"panel = Playground({SMALL})\npanel"]


@pytest.mark.parametrize("notebook", [ONE], indirect=True, ids=[""])
def test_every_rule_on_every_data_set(server, browser, notebook, request):
    few = "no-subshells" in request.node.name
    with opened(server, browser, notebook, shared=True) as book:
        run(book)
        Panel(book).until("ready: epoch 0 of 5000")
        for data in LABELLED[:1] if few else LABELLED:
            assert book.page.evaluate(SWEEP, [data, list(RULES)]) == list(RULES)
            assert in_the_kernel(book, "panel.error, panel.state.data") == f"None {data}"
        assert not book.errors


def actions(seed, count=300):
    """Make up what a monkey does; every kind of control, good texts and broken ones."""
    rng = random.Random(seed)
    texts = [
        "data=moons; epochs=50",
        "rules=magic",
        "=",
        "<b>",
        "hidden=12-12-12-12; layer=4",
        "seed=1e3",
        "epochs=300",
    ]
    made = []
    for _ in range(count):
        kind = rng.choice([*["press"] * 6, "choose", "slide", "type", "paste"])
        which, how = rng.randrange(1000), rng.randrange(1000)
        if kind == "press":
            which = rng.choice([*["Start", "Pause", "Step", "Reset"] * 3, "SVG", "Code"])
        if kind == "slide":
            how = rng.choice(["Home", "End", "ArrowLeft", "ArrowRight", "PageUp"])
        if kind == "type":
            how = rng.choice(["-1", "0", "17", "123456789", ""])
        if kind == "paste":
            how = rng.choice(texts)
        made.append([kind, which, how, rng.choice([2, 10, 40])])
    return made


@pytest.mark.parametrize("notebook", [ONE], indirect=True, ids=[""])
def test_after_a_monkey_start_still_trains(server, browser, notebook, request):
    with opened(server, browser, notebook) as book:
        run(book)
        panel = Panel(book)
        panel.until("ready: epoch 0 of 5000")
        book.page.evaluate(MONKEY, actions(0, 60 if "no-subshells" in request.node.name else 300))
        book.page.evaluate(MONKEY, [["press", "Pause", 0, 50], ["press", "Reset", 0, 50]])
        panel.until("ready: epoch 0 ")
        panel.press("Start")
        panel.until("(running|finished): [a-z]+ [1-9]")
        assert in_the_kernel(book, "panel.error") == "None"
        assert in_the_kernel(book, "Playground.from_text(panel.text).state == panel.state") == "True"
        assert not book.errors


TWO = [f"a = Playground({SMALL})\na", f"b = Playground(rules=('back-propagation', 'local, damped'), {SMALL})\nb"]


@pytest.mark.parametrize("notebook", [TWO], indirect=True, ids=[""])
def test_two_panels_train_at_once_and_show_other_pictures(server, browser, notebook):
    with opened(server, browser, notebook, shared=True) as book:
        run(book)
        panels = [Panel(book, index) for index in (0, 1)]
        first = [panel.frame() for panel in panels]
        for panel in panels:
            panel.box.scroll_into_view_if_needed()
            panel.press("Start")
        for panel in panels:
            panel.until("running: epoch [1-9]")
        for panel, src in zip(panels, first):
            book.page.wait_for_function(
                "([panel, src]) => panel.querySelector('img').src !== src", arg=[panel.box.element_handle(), src]
            )
        assert train_on(book, "a", "b")
        for panel in panels:
            panel.press("Pause")
            panel.until("paused")
        assert in_the_kernel(book, "a.error, b.error") == "None None"
        panels[0].press("SVG")
        panels[0].box.get_by_text("Save playground.svg").wait_for()
        assert not book.errors
