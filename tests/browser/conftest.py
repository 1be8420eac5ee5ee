"""One server for each setting of the subshells, one browser for all; `make browser` runs both side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import pytest

from tests.browser.lab import CHROMIUM, FLAGS, Server

SETTINGS = {"subshells": True, "no-subshells": False}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a setting together: in one process, one after the other."""

    def setting(item: pytest.Item) -> str:
        return str(item.callspec.params.get("server", "")) if hasattr(item, "callspec") else ""

    items.sort(key=setting)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(setting(item)))


def once(name: str, values: Iterable[str], first: int = 0) -> Callable[..., None]:
    """Let a test run once for each value, on one setting and the other in turn, the first or the second first."""
    settings = list(SETTINGS)
    cases = [pytest.param(v, settings[i % 2], id=v.partition("\n")[0]) for i, v in enumerate(values, first)]
    return pytest.mark.parametrize((name, "server"), cases, indirect=["server"])


@pytest.fixture(scope="package")
def browser():
    if CHROMIUM is None:
        warnings.warn("NO CHROMIUM ON PATH: THE BROWSER TESTS ARE SKIPPED", stacklevel=1)
        pytest.skip("no Chromium on PATH (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:  # ends before other tests: it keeps a loop running
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package", params=SETTINGS)
def server(request, browser, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("lab"), subshells=SETTINGS[request.param])
    yield server
    server.stop()
