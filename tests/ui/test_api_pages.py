"""Swagger UI, ReDoc and RapiDoc: from installed packages, and rendered without a net."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from app_runner.config import PROJECT
from app_runner.ui import api_pages
from app_runner.ui.api_pages import ApiPage
from tests.conftest import AppFactory
from tests.ui.site_under_test import served

FIXTURES = PROJECT / "tests" / "fixtures"
#: Texts of the entry points of hello-world and of a plugin in the published style.
ENTRY_POINTS = ("Start a task and redirect to it.", "Start the task.")
PATHS = ("/swagger-ui/", "/swagger-ui", "/redoc", "/redoc/", "/rapidoc", "/rapidoc/")
ASSETS = (
    "/swagger-ui/assets/swagger-ui-bundle.js",
    "/swagger-ui/assets/swagger-ui.css",
    "/redoc/assets/redoc.standalone.js",
    "/rapidoc/assets/rapidoc-min.js",
)


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    return make_app(PLUGIN_FOLDERS=[PROJECT / "plugins", FIXTURES / "published"])


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize("path", PATHS)
def test_each_page_is_there_with_and_without_a_slash(
    client: FlaskClient, path: str
) -> None:
    page = client.get(path)
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert client.head(path).status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("path", ["/swagger-ui/", "/redoc"])
def test_only_rapidoc_may_use_inline_styles(client: FlaskClient, path: str) -> None:
    assert "unsafe" not in client.get(path).headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ASSETS)
def test_assets_are_kept_for_long_when_their_version_is_named(
    client: FlaskClient, path: str
) -> None:
    plain = client.get(path)
    etag = plain.headers["ETag"]
    assert plain.status_code == 200
    assert plain.headers["Cache-Control"] == "no-cache"
    assert plain.headers["X-Content-Type-Options"] == "nosniff"
    assert plain.mimetype in ("text/javascript", "text/css")
    versioned = client.get(path, query_string={"v": etag.strip('"')})
    assert "immutable" in versioned.headers["Cache-Control"]
    again = client.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "VERSION",
        "../__init__.py",
        "%2e%2e/__init__.py",
        "..%2f__init__.py",
        "swagger-ui.css/",
    ],
)
def test_other_files_of_the_packages_are_not_served(
    client: FlaskClient, name: str
) -> None:
    assert client.get(f"/swagger-ui/assets/{name}").status_code == 404


def test_the_packages_are_not_imported(client: FlaskClient) -> None:
    for path in PATHS:
        client.get(path)
    assert not {page.package for page in api_pages.PAGES} & set(sys.modules)


def test_a_page_whose_package_is_missing_says_what_to_install(
    make_app: AppFactory,
) -> None:
    missing = ApiPage("other", "Other", "no_such_package", "no-such-dist", "js", "o.js")
    app = make_app()
    app.register_blueprint(api_pages.blueprint_of([missing]), name="others")
    client = app.test_client()
    for path in ("/other", "/other/assets/o.js"):
        answer = client.get(path)
        assert answer.status_code == 501
        assert answer.get_json()["code"] == 501
        assert "pip install no-such-dist" in answer.get_json()["message"]
    assert client.get("/other/assets/else.js").status_code == 404


class Visit:
    """A page with all that it said and asked for."""

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context()
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._on_console)
        self.context.on("request", lambda asked: self._on_request(asked.url))

    def _on_console(self, line: Any) -> None:
        if line.type in ("error", "warning"):
            self.complaints.append(line.text)

    def _on_request(self, url: str) -> None:
        if url.startswith("http"):
            self.hosts.add(urlsplit(url).hostname or "")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Visit pages; they may complain of nothing and ask nobody but this machine."""
    visit = Visit(browser)
    yield visit
    visit.context.close()
    assert visit.complaints == []
    assert visit.hosts == {"127.0.0.1"}


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    with served(app) as url:
        yield url


@pytest.fixture
def site_below_a_prefix(app: Flask) -> Iterator[str]:
    below: Any = DispatcherMiddleware(Response(status=404), {"/pre/fix": app})
    with served(below) as url:
        yield f"{url}/pre/fix"


def expect_entry_points(page: Page) -> None:
    for text in ENTRY_POINTS:
        found = page.get_by_text(text, exact=True).locator("visible=true")
        expect(found.first).to_be_visible()


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/swagger-ui/", "/redoc", "/rapidoc"])
def test_the_operations_are_rendered(site: str, visit: Visit, path: str) -> None:
    visit.page.goto(site + path)
    expect_entry_points(visit.page)


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/swagger-ui", "/redoc/", "/rapidoc/"])
def test_the_operations_are_rendered_below_a_prefix(
    site_below_a_prefix: str, visit: Visit, path: str
) -> None:
    visit.page.goto(site_below_a_prefix + path)
    expect_entry_points(visit.page)


@pytest.mark.browser
def test_swagger_ui_calls_the_api_where_the_client_reaches_it(
    site_below_a_prefix: str, visit: Visit
) -> None:
    page = visit.page
    page.goto(f"{site_below_a_prefix}/swagger-ui/")
    page.get_by_role("button", name="GET /plugins/ List the plugins.").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    answer = page.locator(".live-responses-table")
    expect(answer).to_contain_text("/pre/fix/plugins/hello-world@1-0-0/")


@pytest.mark.browser
def test_redoc_searches_and_unfolds(site: str, visit: Visit) -> None:
    page = visit.page
    page.goto(f"{site}/redoc")
    expect_entry_points(page)
    page.get_by_placeholder("Search...").fill("webhook")
    hit = page.get_by_role("search").get_by_text("receivers of webhooks").first
    expect(hit).to_be_visible()
    page.get_by_role("button", name="422 Unprocessable Entity").first.click()
    expect(page.get_by_text("Messages by location and field").first).to_be_visible()


@pytest.mark.browser
def test_rapidoc_calls_the_api_where_the_client_reaches_it(
    site_below_a_prefix: str, visit: Visit
) -> None:
    page = visit.page
    page.goto(f"{site_below_a_prefix}/rapidoc")
    with page.expect_response(f"{site_below_a_prefix}/plugins/") as answer:
        page.get_by_role("button", name="TRY").first.click()
    assert answer.value.status == 200
