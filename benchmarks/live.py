"""How live the panel is: frames, answers to the buttons, time and memory, measured in JupyterLab and a real browser.

    python benchmarks/live.py                   # everything, some ten minutes
    python benchmarks/live.py --quick           # shorter, a smoke test
    python benchmarks/live.py --only training   # one measurement; --help names them

Needs a Chromium on PATH and the extra ``test``. README.md, beside this file, says what each row means. A new
measurement is a function ``Lab -> list of rows``, entered in ``MEASUREMENTS``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from chromium import Chromium, Page, notebook
from live_cells import COUNT, DRAG, EXECUTE, FAST, FOUR, HEAD, PANEL, PLACE, PLAYGROUND, PRESS, WEIGH
from tables import Row, judged, table

from tests.browser.lab import CHROMIUM, Server
from tests.browser.panels import PANELS

DRAGGED = ("00_tangent", "01_descent")  # panels whose first handle is a point that goes sideways


class Lab(NamedTuple):
    """Where is measured, and whether quickly."""

    server: Server
    browser: Chromium
    quick: bool


@contextmanager
def panel(lab: Lab, cell: str) -> Iterator[Page]:
    """Show the panel that a cell makes, ready to start, and hand out its page."""
    with notebook(lab.server, lab.browser, HEAD, cell) as page:
        page.wait("() => document.querySelector('.panel img, .panel svg')")
        page.evaluate("() => document.querySelector('.panel').scrollIntoView()")
        yield page


def trained(lab: Lab, what: str, cell: str, least: float | None, more: bool = False) -> list[Row]:
    """Count the frames painted while a panel trains, and time its answers to Pause, with ``more`` to Reset too."""
    asked = {"Pause, while training: until 'paused' is read": ("Pause", "paused")}
    if more:
        asked = {
            "Reset, while training: until the count begins again": ("Reset", ""),
            **asked,
            "Reset, while paused: until 'ready: epoch 0' is read": ("Reset", "ready: epoch 0"),
        }
    times: dict[str, list[float]] = {words: [] for words in asked}
    with panel(lab, cell) as page:
        page.evaluate(FAST)
        page.evaluate(PRESS, ["Start", "running"])
        time.sleep(2)
        painted, epochs = page.evaluate(COUNT, 3000 if lab.quick else 10000)
        for i in range(3 if lab.quick else 10):  # at different phases of a frame
            page.evaluate(PRESS, ["Start", "running"])
            for words, press in asked.items():
                time.sleep(0.9 + 0.037 * i)
                times[words].append(page.evaluate(PRESS, list(press)))
    row = Row(f"{what}: frames painted a second (epochs a second meanwhile)", f"{painted:.1f} ({epochs:.0f})")
    rows = [judged(row, painted, low=least)]
    for words, found in times.items():
        median = statistics.median(found)
        row = Row(f"{what}, {words}, {len(found)} presses: median (largest)", f"{median:.0f} ms ({max(found):.0f} ms)")
        rows.append(judged(row, median, high=150))
    return rows


def training(lab: Lab) -> list[Row]:
    """Measure the training panel at both sizes of the grid."""
    sizes = ((64, 15.0, True), (100, None, False))
    cells = [(f"four fields of {n} x {n}", PANEL.format(epochs=5000, size=n), *rest) for n, *rest in sizes]
    return [row for cell in cells for row in trained(lab, *cell)]


def playground(lab: Lab) -> list[Row]:
    """Measure the playground and a race of four rules in it."""
    cells = (("playground, the network", "", 15.0), ("race of four rules", FOUR, 10.0))
    return [row for what, more, least in cells for row in trained(lab, what, PLAYGROUND.format(more=more), least)]


def dragging(lab: Lab) -> list[Row]:
    """Count the frames painted while something is dragged in a picture."""
    rows = []
    for name in DRAGGED:
        with panel(lab, f"{PANELS[name]}\npanel") as page:
            place = page.evaluate(EXECUTE, PLACE)[1].split()
            page.evaluate(DRAG, [float(share) for share in place])
            painted, _ = page.evaluate(COUNT, 3000 if lab.quick else 10000)
        row = Row(f"dragging in the panel {name}: frames painted a second", f"{painted:.1f}")
        rows.append(judged(row, painted, low=15.0))
    return rows


def memory(lab: Lab) -> list[Row]:
    """Compare what kernel and page hold, while the panel is paused, after a few frames and after many."""
    held: list[list[int]] = []
    with panel(lab, PANEL.format(epochs=100_000, size=64)) as page:
        page.evaluate(FAST)
        for least in (50, 200) if lab.quick else (200, 2000):
            page.evaluate(PRESS, ["Start", "running"])
            while int(page.evaluate(EXECUTE, "print(panel.frames)")[1]) < least:
                time.sleep(1)
            page.evaluate(PRESS, ["Pause", "paused"])
            weighed = [int(number) for number in page.evaluate(EXECUTE, WEIGH)[1].split()]
            page.send("HeapProfiler.collectGarbage")
            held.append([*weighed, page.send("Runtime.getHeapUsage")["usedSize"]])
    rows, ((first, *before), (last, *after)) = [], held
    for who, low, high in zip(("kernel, resident", "kernel, in use", "page, JavaScript heap"), before, after):
        growth, ends = (high - low) / 2**20, f"{low / 2**20:.0f}, {high / 2**20:.0f}"
        row = Row(f"{who}, {first} to {last} frames: growth (from, to)", f"{growth:.1f} MiB ({ends})")
        rows.append(judged(row, growth, high=20))
    return rows


MEASUREMENTS: dict[str, Callable[[Lab], list[Row]]] = {f.__name__: f for f in (training, playground, dragging, memory)}


def main() -> None:
    """Read the command line, measure, print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter, and memory over 200 frames: a smoke test")
    parser.add_argument("--only", choices=MEASUREMENTS, help="one measurement instead of all")
    options = parser.parse_args()
    if CHROMIUM is None:
        parser.error("no Chromium on PATH (Debian: apt install chromium)")
    rows = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = Server(Path(folder), subshells=True)
        stack.callback(server.stop)
        browser = Chromium(Path(folder))
        stack.callback(browser.stop)
        for name in [options.only] if options.only else MEASUREMENTS:
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            rows += MEASUREMENTS[name](Lab(server, browser, options.quick))
        print(f"{browser.version}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
