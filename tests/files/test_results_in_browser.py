"""Results that are scripts, in a real browser: either defence keeps them from running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserError

from app_runner.api import files
from app_runner.api.file_links import lasting_url
from app_runner.tasks import records, results
from tests.ui.site_under_test import served

pytestmark = pytest.mark.browser
RAN = "document.documentElement.setAttribute('data-ran', location.origin)"
SCRIPT = f"<script>{RAN}</script>"
XMLNS = 'xmlns="http://www.w3.org/1999/xhtml"'
RESULTS = {
    "html": ("text/html", f"<!DOCTYPE html><html>{SCRIPT}</html>"),
    "svg": (
        "image/svg+xml",
        f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>',
    ),
    "xhtml": ("application/xhtml+xml", f"<html {XMLNS}><head>{SCRIPT}</head></html>"),
    "xml": ("text/xml", f"<a><html {XMLNS}>{SCRIPT}</html></a>"),
}
#: What is said instead, so that a defence is gone.
GONE = {
    "download": ("Content-Disposition", "inline"),
    "sandbox": ("Content-Security-Policy", "img-src *"),
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def without(*defences: str) -> Callable[..., dict[str, str]]:
    whole = files.headers_of

    def headers_of(*given: Any) -> dict[str, str]:
        return {**whole(*given), **dict(GONE[name] for name in defences)}

    return headers_of


def runs(app: Flask, page: Page, kind: str) -> bool:
    """Open a result; tell whether its script ran."""
    mimetype, content = RESULTS[kind]
    with app.test_request_context():
        file = results.save_file(records.start("f"), content, kind, "custom", mimetype)
        path = lasting_url(file).partition("//")[2].partition("/")[2]
    with served(app) as url:
        try:
            page.goto(f"{url}/{path}")
        except BrowserError as error:
            if "Download is starting" in str(error):
                return False
            raise
        return bool(page.evaluate("document.querySelector('[data-ran]') !== null"))


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("gone", GONE)
def test_either_defence_keeps_a_script_from_running(
    app: Flask, page: Page, monkeypatch: pytest.MonkeyPatch, kind: str, gone: str
) -> None:
    monkeypatch.setattr(files, "headers_of", without(gone))
    assert not runs(app, page, kind)


@pytest.mark.parametrize("kind", RESULTS)
def test_without_both_it_runs(
    app: Flask, page: Page, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Or the test above would show nothing."""
    monkeypatch.setattr(files, "headers_of", without(*GONE))
    assert runs(app, page, kind)
