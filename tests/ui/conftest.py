"""Fixtures: the pages of `site_under_test`, served, and a browser that looks at them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui.site_under_test import build_app, build_host, served


@pytest.fixture
def app() -> Flask:
    """Give the app of these tests."""
    return build_app()


@pytest.fixture(scope="session")
def shared_app() -> Flask:
    """Give one app for all examples of a property."""
    return build_app()


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """Serve the app of these tests."""
    with served(app) as url:
        yield url


@pytest.fixture
def host(site: str) -> Iterator[str]:
    """Serve a page of another origin that frames the form."""
    with served(build_host(f"{site}/ui/")) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium; it cannot leave this machine."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs the program chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield started
        started.close()


CHROMIUM = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Give a page; the test fails when a script of the page failed."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.on("console", lambda line: failures.extend(_policy_violations(line.text)))
    yield opened
    context.close()
    assert failures == []


def _policy_violations(text: str) -> list[str]:
    return [text] if "Content Security Policy" in text else []
