"""A page of JupyterLab that nobody watches, and a notebook in it.

Playwright, which the tests use, is told of everything that a page loads; for twenty pictures a second that takes a
tenth of the time of a small machine, and so of what is to be measured. Here the page answers questions, and no more.
"""

from __future__ import annotations

import itertools
import json
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websocket import create_connection

from tests.browser.lab import CHROMIUM, CLOSE, FLAGS, IDLE, OPEN, ROOT, RUN_ALL, SECONDS, WIDE, Server
from tests.browser.pages import written


class Chromium:
    """A browser with a fresh profile; ``version`` says which."""

    def __init__(self, folder: Path) -> None:
        profile = folder / "chromium"
        command = [str(CHROMIUM), *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        said, end = profile / "DevToolsActivePort", time.monotonic() + SECONDS
        while not (said.exists() and said.read_text().count("\n")):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Chromium did not start: {' '.join(command)}")
            time.sleep(0.05)
        self.port = int(said.read_text().split()[0])
        self.version = str(self.ask("version")["Browser"])

    def ask(self, what: str, method: str = "GET") -> Any:
        """Ask the browser itself: for its version, for a new page, to close one."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/{what}", method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.startswith("{") else text

    def stop(self) -> None:
        """End the browser."""
        self.process.terminate()
        self.process.wait(SECONDS)


class Page:
    """A page, spoken to in Chromium's own protocol."""

    def __init__(self, browser: Chromium) -> None:
        self.browser, self.numbers = browser, itertools.count(1)
        self.target = browser.ask("new?about:blank", "PUT")
        self.socket = create_connection(self.target["webSocketDebuggerUrl"], suppress_origin=True, timeout=SECONDS)
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        size = {**WIDE, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its answer; what else the page says is not listened to."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        answer: dict[str, Any] = {}
        while answer.get("id") != number:
            answer = json.loads(self.socket.recv())
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """Call a function of JavaScript in the page; wait for what it returns or promises."""
        call = f"({function})({json.dumps(argument)})"
        answer = self.send("Runtime.evaluate", expression=call, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"the page threw {answer['exceptionDetails']} in {function}")
        return answer["result"].get("value")

    def wait(self, function: str, argument: Any = None) -> None:
        """Wait until a function of JavaScript returns something true."""
        end = time.monotonic() + SECONDS
        while not self.evaluate(f"argument => Boolean(({function})(argument))", argument):
            if time.monotonic() > end:
                raise TimeoutError(f"in vain for {function}")
            time.sleep(0.05)

    def close(self) -> None:
        """Close the page."""
        self.socket.close()
        self.browser.ask(f"close/{self.target['id']}")


@contextmanager
def notebook(server: Server, browser: Chromium, *cells: str) -> Iterator[Page]:
    """Run cells in a fresh notebook, with a kernel of its own, and hand out its page."""
    path = written(f"bench_{secrets.token_hex(3)}", *cells)
    server.copies.append(path)
    page = Page(browser)
    try:
        page.send("Page.navigate", url=f"http://127.0.0.1:{server.port}/lab?reset&token={server.token}")
        page.wait("() => window.jupyterapp?.shell")
        page.evaluate(OPEN, [path.relative_to(ROOT).as_posix(), None])
        page.wait(IDLE)
        errors = [o for outputs in page.evaluate(RUN_ALL) for o in outputs if o["output_type"] == "error"]
        if errors:
            raise RuntimeError(f"a cell failed: {errors[0]['evalue']}")
        yield page
        page.evaluate(CLOSE, "")
    finally:
        page.close()
        path.unlink(missing_ok=True)
