"""One server a subshell setting, one browser for all; both end before other tests: Playwright keeps a loop running."""

from __future__ import annotations

import warnings

import pytest

from tests.browser.lab import CHROMIUM, FLAGS, Server


@pytest.fixture(scope="package")
def browser():
    if CHROMIUM is None:
        warnings.warn("NO CHROMIUM ON PATH: THE BROWSER TESTS ARE SKIPPED", stacklevel=1)
        pytest.skip("no Chromium on PATH (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package", params=[True, False], ids=["subshells", "no-subshells"])
def server(request, browser, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("lab"), subshells=request.param)
    yield server
    server.stop()
