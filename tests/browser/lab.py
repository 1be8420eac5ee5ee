"""A real JupyterLab in private folders, and a real Chromium that looks at it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SECONDS = 180  # that are waited for anything, on a machine that has much else to do
WIDE, NARROW = {"width": 1400, "height": 1000}, {"width": 933, "height": 1000}  # a page, and the same at 150 %

OPEN = """async ([path, kernel]) => {
  const app = window.jupyterapp;
  await Promise.all([app.restored, app.serviceManager.ready]);
  document.body.style.zoom = '';
  const way = {path, factory: 'Notebook', kernel: kernel && {id: kernel}};
  const book = await app.commands.execute('docmanager:open', way);
  await Promise.all([book.context.ready, book.sessionContext.ready]);
  app.shell.activateById(book.id);
  return book.sessionContext.session.kernel.id;
}"""
CLOSE = """async tidy => {
  const app = window.jupyterapp, book = app.shell.currentWidget, session = book.sessionContext.session;
  if (tidy) await session.kernel.requestExecute({code: tidy}).done;
  else void app.serviceManager.sessions.shutdown(session.id);  // it takes a second; nobody has to wait for it
  book.dispose();
}"""
TIDY = "from ipywidgets import Widget\nWidget.close_all()\n%reset -f"
IDLE = "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
RUN_ALL = """async () => {
  const book = window.jupyterapp.shell.currentWidget;
  await window.jupyterapp.commands.execute('notebook:run-all-cells');
  return book.content.widgets.filter(c => c.model.type === 'code').map(c => c.model.sharedModel.getOutputs());
}"""

# The theme is there, and the splash over the page gone: JupyterLab throws if the next theme comes before that.
THEMED = "theme => document.body.dataset.jpThemeName === theme && !document.getElementById('jupyterlab-splash')"


class Server:
    """A JupyterLab of our own: a free port, a token, folders that nothing else uses."""

    def __init__(self, folder: Path, subshells: bool) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.token = secrets.token_hex(8)
        self.copies: list[Path] = []
        self.page: Any = None
        self.kernel: str | None = None  # that notebooks share which do not mind: seconds of imports less
        self.log = folder / "server.log"
        write_setting(folder, "notification", {"fetchNews": "false", "checkForUpdates": False})
        write_setting(folder, "kernels-settings", {"commsOverSubshells": "perCommTarget" if subshells else "disabled"})
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        command = [
            sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={ROOT}", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            environment = os.environ | {name: str(folder / place) for name, place in places.items()}
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.wait()

    def wait(self) -> None:
        """Wait until the server answers."""
        address = f"http://127.0.0.1:{self.port}/api/status?token={self.token}"
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text()[-2000:])
            try:
                urllib.request.urlopen(address, timeout=2).read()
                return
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                time.sleep(0.1)
        raise TimeoutError(f"JupyterLab does not answer: {self.log.read_text()[-2000:]}")

    def enter(self, browser: Any) -> Any:
        """Return the page of the application: it takes seconds to load, so that notebooks follow each other in it."""
        if self.page is None:
            self.page = browser.new_context(viewport=WIDE).new_page()
            self.page.set_default_timeout(SECONDS * 1000)
            self.page.goto(f"http://127.0.0.1:{self.port}/lab?reset&token={self.token}")
            self.page.wait_for_function("() => window.jupyterapp?.shell")
        return self.page

    def leave(self) -> None:
        """Close the page and forget the shared kernel; the next notebook gets fresh ones."""
        self.kernel = None
        if self.page is not None:
            self.page.context.close()
            self.page = None

    def stop(self) -> None:
        """End page, server and kernels, and remove copies of notebooks that a late save has brought back."""
        self.leave()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for copy in self.copies:
            copy.unlink(missing_ok=True)


def write_setting(folder: Path, name: str, setting: dict[str, Any]) -> None:
    """Write a user setting of JupyterLab's extension for applications."""
    place = folder / "settings" / "@jupyterlab" / "apputils-extension"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.jupyterlab-settings").write_text(json.dumps(setting))


class Book:
    """A copy of a notebook under a fresh name, open in JupyterLab, with all that went wrong in the page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", self._hear)
        page.on("console", self._read)

    def _hear(self, error: Any) -> None:
        self.errors.append(str(error))

    def _read(self, message: Any) -> None:
        """Note an error on the console, but for one: the page asks for all kernels while one is being started.

        Jupyter's server then answers 500 and goes on (jupyter-server/enterprise_gateway, issue 1395).
        """
        starting = urllib.parse.urlsplit(message.location["url"]).path == "/api/kernels" and " 500 " in message.text
        if message.type == "error" and not starting:
            self.errors.append(message.text)

    def open(self, path: str, kernel: str | None = None) -> str:
        """Open a file on a new kernel or on one that runs, wait for it, and return its name."""
        found: str = self.page.evaluate(OPEN, [path, kernel])
        self.page.wait_for_function(IDLE, polling=50)
        return found

    def close(self, keep: bool = False) -> None:
        """Close the file, and end its kernel, or keep it, tidied up."""
        self.page.evaluate(CLOSE, TIDY if keep else "")
        self.page.remove_listener("pageerror", self._hear)
        self.page.remove_listener("console", self._read)

    def run_all(self) -> list[list[dict[str, Any]]]:
        """Run all cells and return the outputs of the code cells."""
        outputs: list[list[dict[str, Any]]] = self.page.evaluate(RUN_ALL)
        return outputs


@contextmanager
def opened(server: Server, browser: Any, notebook: str, shared: bool = False) -> Iterator[Book]:
    """Open a fresh copy of a notebook and close it again; reopening a path would find the old kernel.

    With ``shared`` it gets the kernel of the notebook before, tidied up, as a reader's `Change Kernel` would do.
    """
    source = ROOT / "notebooks" / notebook
    copy = source.with_name(f"zz_{secrets.token_hex(3)}_{source.name}")
    shutil.copy(source, copy)
    server.copies.append(copy)
    try:
        book = Book(server.enter(browser))
        kernel = book.open(copy.relative_to(ROOT).as_posix(), server.kernel if shared else None)
        yield book
        book.close(keep=shared)
        if shared:
            server.kernel = kernel
    except BaseException:  # what comes next gets a page without a past
        server.leave()
        raise
    finally:
        copy.unlink(missing_ok=True)
