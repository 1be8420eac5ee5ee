"""What a book hears of its page: all errors on the console but the one that is known."""

from __future__ import annotations

import pytest

from tests.browser.lab import Book

pytestmark = pytest.mark.browser


def test_an_error_is_heard_but_a_list_of_kernels_asked_for_while_one_starts(browser):
    page = browser.new_page()
    page.route("http://lab/**", lambda route: route.fulfill(status=500 if "kernels" in route.request.url else 404))
    page.route("http://lab/", lambda route: route.fulfill(body="<p>a page</p>", content_type="text/html"))
    page.goto("http://lab/")
    book = Book(page)
    for path in ("/api/kernels?1", "/api/kernels/7", "/api/contents"):
        page.evaluate("path => fetch(path).then(answer => answer.text())", path)
    page.evaluate("console.error('from a script')")
    page.evaluate("setTimeout(() => { setTimeout(() => { window.thrown = true }, 100); throw new Error('thrown') })")
    page.wait_for_function("() => window.thrown")
    refused, missing, *others = book.errors
    assert "status of 500" in refused  # one kernel asked for is another matter than all of them
    assert "status of 404" in missing
    assert others == ["from a script", "thrown"]
    page.close()
