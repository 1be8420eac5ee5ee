"""How live the panel is: frames, answers to the buttons, time and memory, measured in JupyterLab and a real browser.

    python benchmarks/live.py                   # everything, some fifteen minutes
    python benchmarks/live.py --quick           # shorter, a smoke test
    python benchmarks/live.py --only buttons    # one measurement; --help names them

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
from live_cells import (
    COUNT,
    EXECUTE,
    FORMULAS,
    FOUR,
    HEAD,
    LOADED,
    PANEL,
    PEER,
    PLAYGROUND,
    PRESS,
    STEPPER,
    THEME,
    TYPE,
    WEIGH,
)
from tables import Row, judged, table

from tests.browser.lab import CHROMIUM, NARROW, THEMED, WIDE, Server
from tests.browser.panels import PANELS

PEER_EPOCHS, EPOCHS = 20, 200  # the peer is too slow for all of them


class Lab(NamedTuple):
    """Where is measured, and whether quickly."""

    server: Server
    browser: Chromium
    quick: bool


@contextmanager
def panel(lab: Lab, epochs: int = 5000, size: int = 64, cell: str = "") -> Iterator[Page]:
    """Show a panel (the training panel unless told), ready to start, and hand out its page."""
    with notebook(lab.server, lab.browser, HEAD, cell or PANEL.format(epochs=epochs, size=size)) as page:
        page.wait("() => document.querySelector('.panel img, .panel svg')")
        page.evaluate("() => document.querySelector('.panel').scrollIntoView()")
        yield page


def frames(lab: Lab) -> list[Row]:
    """Count the frames that the page paints while training goes on, at both sizes of the grid."""
    rows = []
    for size, least in ((64, 15.0), (100, None)):
        with panel(lab, size=size) as page:
            page.evaluate(PRESS, ["Start", "running"])
            time.sleep(2)
            painted, epochs = page.evaluate(COUNT, 3000 if lab.quick else 10000)
        what = f"four fields of {size} x {size}: frames painted a second (epochs a second meanwhile)"
        rows.append(judged(Row(what, f"{painted:.1f} ({epochs:.0f})"), painted, low=least))
    return rows


def buttons(lab: Lab) -> list[Row]:
    """Time the answers to Reset and Pause, pressed at different phases of a frame."""
    presses = (
        ("Reset", "", "Reset, while training: until the count begins again"),
        ("Pause", "paused", "Pause, while training: until 'paused' is read"),
        ("Reset", "ready: epoch 0", "Reset, while paused: until 'ready: epoch 0' is read"),
    )
    times: list[list[float]] = [[] for _ in presses]
    with panel(lab) as page:
        for i in range(3 if lab.quick else 10):
            page.evaluate(PRESS, ["Start", "running"])
            for (button, words, _), record in zip(presses, times):
                time.sleep(0.9 + 0.037 * i)
                record.append(page.evaluate(PRESS, [button, words]))
    rows = []
    for (*_, what), found in zip(presses, times):
        median, what = statistics.median(found), f"{what}, {len(found)} presses: median (largest)"
        rows.append(judged(Row(what, f"{median:.0f} ms ({max(found):.0f} ms)"), median, high=150))
    return rows


def watched(lab: Lab) -> list[Row]:
    """Time 200 epochs of the parallel rule, watched live, against the document's loop drawing after every epoch.

    On a machine with other work the seconds of two runs say little: the contestants take turns, and what is judged is
    the median of the ratios of neighbours.
    """
    variants = {"from the document's batches": (LOADED, 10), "same step from one batch": (PANEL, 20)}
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in variants}
    for _ in range(1 if lab.quick else 5):
        with notebook(lab.server, lab.browser, HEAD, PEER) as page:
            page.evaluate(EXECUTE, "watch(1)")
            milliseconds, said = page.evaluate(EXECUTE, f"watch({PEER_EPOCHS})")
            drawn = page.evaluate("() => document.querySelectorAll('.jp-OutputArea-output img').length")
            if drawn != 1 or "rror" in said:
                raise RuntimeError(f"the peer did not draw: {said}")
        for what, (cell, _) in variants.items():
            with panel(lab, cell=cell.format(epochs=EPOCHS, size=64)) as page:
                ours = page.evaluate(PRESS, ["Start", "finished"]) / 1000
            times[what].append((ours, milliseconds / 1000 * EPOCHS / PEER_EPOCHS))
    rows = []
    for what, found in times.items():
        ours, peer = (statistics.median(column) for column in zip(*found))
        ratios = [b / a for a, b in found]
        ratio, ends = statistics.median(ratios), f"{min(ratios):.1f} to {max(ratios):.1f}"
        words = f"{EPOCHS} parallel epochs watched live, {what} (peer: {PEER_EPOCHS} epochs, times "
        words += f"{EPOCHS / PEER_EPOCHS:.0f}; {len(found)} rounds): speed-up"
        row = Row(words, f"{ours:.1f} s", f"{peer:.1f} s", f"{ratio:.1f} ({ends})")
        rows.append(judged(row, ratio, low=variants[what][1]))
    return rows


def playground(lab: Lab) -> list[Row]:
    """Count the painted frames of the playground and of a race of four, and time Pause in the first."""
    rows = []
    for name, more, least in (("playground, four fields and thumbnails", "", 15.0), ("race of four rules", FOUR, 10.0)):
        with panel(lab, cell=PLAYGROUND.format(more=more)) as page:
            page.evaluate(PRESS, ["Start", "running"])
            time.sleep(2)
            painted, epochs = page.evaluate(COUNT, 3000 if lab.quick else 10000)
            row = Row(f"{name}: frames painted a second (epochs a second meanwhile)", f"{painted:.1f} ({epochs:.0f})")
            rows.append(judged(row, painted, low=least))
            times = []
            for i in range(3 if lab.quick else 10):
                page.evaluate(PRESS, ["Start", "running"])
                time.sleep(0.9 + 0.037 * i)
                times.append(page.evaluate(PRESS, ["Pause", "paused"]))
        what, median = f"{name}, Pause, {len(times)} presses: median (largest)", statistics.median(times)
        rows.append(judged(Row(what, f"{median:.0f} ms ({max(times):.0f} ms)"), median, high=150))
    return rows


def formulas(lab: Lab) -> list[Row]:
    """Time the stepper's answer to a new formula: from Enter to another graph."""
    with panel(lab, cell=STEPPER) as page:
        page.evaluate(TYPE, "x1 - x2")
        times = [page.evaluate(TYPE, formula) for formula in FORMULAS * (1 if lab.quick else 3)]
    median = statistics.median(times)
    row = Row(
        f"a new formula in the stepper, {len(times)} times: median (largest)", f"{median:.0f} ms ({max(times):.0f} ms)"
    )
    return [judged(row, median, high=100)]


def pictures(lab: Lab) -> list[Row]:
    """Take screenshots of every panel, light and dark and on a page as narrow as at 150 %, into pictures/panels."""
    folder = ROOT / "pictures" / "panels"
    folder.mkdir(exist_ok=True)
    cases = PANELS | {"09_race": PLAYGROUND.format(more=FOUR)}
    for name, cell in cases.items():
        with panel(lab, cell=f"{cell}\npanel") as page:
            page.resize(WIDE["width"], 2000)  # the tallest panel fits
            for theme in ("Light", "Dark"):
                page.evaluate(THEME, f"JupyterLab {theme}")
                page.wait(THEMED, f"JupyterLab {theme}")
                time.sleep(0.4)
                page.picture(folder / f"{name}_{theme.lower()}.png", ".panel")
            page.resize(NARROW["width"], 1400)
            time.sleep(0.5)
            page.picture(folder / f"{name}_large.png")
            page.evaluate(THEME, "JupyterLab Light")
    return [Row("screenshots of every panel, light, dark, at 150 %", f"{3 * len(cases)} in pictures/panels")]


def memory(lab: Lab) -> list[Row]:
    """Compare what kernel and page hold, while the panel is paused, after a few frames and after many."""
    held: list[list[int]] = []
    with panel(lab, 100_000) as page:
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


MEASUREMENTS: dict[str, Callable[[Lab], list[Row]]] = {
    f.__name__: f for f in (frames, buttons, watched, playground, formulas, pictures, memory)
}


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
