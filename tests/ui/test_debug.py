"""Debug pages: only in debug mode, and the filter of routes with and without a script."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect

from app_runner.config import PROJECT
from tests.conftest import AppFactory
from tests.ui.site_under_test import served

BUNDLED = PROJECT / "plugins"
PROCESS = "/plugins/hello-world@1-0-0/process/"


@pytest.fixture
def client(make_app: AppFactory) -> FlaskClient:
    return make_app(DEBUG=True, PLUGIN_FOLDERS=[BUNDLED]).test_client()


def rules(client: FlaskClient, query: str = "") -> list[str]:
    page = client.get(f"/debug/routes{query}")
    assert page.status_code == 200
    return re.findall(r"<tr>\s*<td><code>(.*?)</code>", page.text)


@pytest.mark.parametrize(
    "path", ["/debug/", "/debug/routes", "/debug/routes/", "/debug/microfrontend/"]
)
def test_there_are_no_debug_pages_outside_of_debug_mode(
    make_app: AppFactory, path: str
) -> None:
    answer = make_app().test_client().get(path)
    assert (answer.status_code, answer.get_json()["code"]) == (404, 404)


def test_the_index_lists_the_debug_pages(client: FlaskClient) -> None:
    page = client.get("/debug/")
    assert page.status_code == 200
    assert 'href="/debug/routes/"' in page.text


def test_every_registered_route_is_listed(client: FlaskClient) -> None:
    listed = rules(client)
    count = len(list(client.application.url_map.iter_rules()))
    assert len(listed) == count
    assert {"/", PROCESS, "/tasks/&lt;signed_task:task_id&gt;/"} <= set(listed)


def test_a_route_is_listed_with_methods_endpoint_and_plugin(client: FlaskClient) -> None:
    text = client.get(f"/debug/routes?filter={PROCESS}").text
    cells = re.findall(r"<td>(?:<code>)?(.*?)(?:</code>)?</td>", text)
    plugin = "hello-world@1-0-0"
    assert cells == [PROCESS, "POST", f"{plugin}.ProcessView", plugin]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?filter=HELLO+process", [PROCESS]),
        ("?filter=post+tasks-api", ["/tasks/&lt;signed_task:task_id&gt;/"]),
        ("?filter=no-such-route", []),
    ],
)
def test_the_filter_keeps_routes_that_hold_all_words(
    client: FlaskClient, query: str, expected: list[str]
) -> None:
    assert rules(client, query) == expected


def test_what_is_typed_into_the_filter_cannot_become_markup(client: FlaskClient) -> None:
    page = client.get('/debug/routes?filter="><script>alert(1)</script>')
    assert "<script>alert" not in page.text


def test_the_pages_have_the_strict_policy_of_our_own(client: FlaskClient) -> None:
    for path in ("/debug/", "/debug/routes", "/debug/microfrontend/"):
        policy = client.get(path).headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy


@pytest.mark.browser
def test_the_filter_works_without_a_script(client: FlaskClient, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    with served(client.application) as url:
        page = context.new_page()
        page.goto(f"{url}/debug/")
        page.get_by_role("link", name="Routes").click()
        page.get_by_label("Show routes with these words").fill("hello process")
        page.get_by_role("button", name="Filter").click()
        expect(page.get_by_role("row")).to_have_count(2)  # with the head
        expect(page.get_by_role("cell", name=PROCESS, exact=True)).to_be_visible()
        context.close()


@pytest.mark.browser
def test_routes_are_filtered_while_one_types(client: FlaskClient, page: Page) -> None:
    with served(client.application) as url:
        page.goto(f"{url}/debug/routes?filter=hello+process")
        rows = page.locator("#routes tbody tr:visible")
        expect(rows).to_have_count(1)
        box = page.get_by_label("Show routes with these words")
        box.fill("post")
        expect(page.get_by_role("cell", name=PROCESS, exact=True)).to_be_visible()
        expect(page.get_by_role("cell", name="/api-spec.json")).to_have_count(0)
        expect(page).to_have_url(f"{url}/debug/routes?filter=post")
        box.fill("no-such-route")
        expect(rows).to_have_count(0)
        expect(page.get_by_role("status").first).to_contain_text("0 /")
        box.fill("")
        expect(page.get_by_role("cell", name="/api-spec.json")).to_be_visible()
        expect(page).to_have_url(f"{url}/debug/routes")


@pytest.mark.browser
def test_a_form_is_hosted_and_answered(client: FlaskClient, page: Page) -> None:
    with served(client.application) as url:
        page.goto(f"{url}/debug/")
        page.get_by_role("link", name="Micro frontend debugger").click()
        form_url = f"{url}/plugins/hello-world@1-0-0/ui/"
        proposed = page.locator("#forms option")
        assert form_url in [o.get_attribute("value") for o in proposed.all()]
        page.get_by_label("Form to host").fill(form_url)
        page.get_by_role("button", name="Open").click()
        log = page.locator("#messages li")
        for kind in ("ui-loaded", "load-css", "plugin-context", "autofill-response"):
            expect(page.locator(f"#messages li[data-kind={kind}]").first).to_be_visible()
        expect(log.locator(".qhana-error-message")).to_have_count(0)
        form = page.frame_locator("iframe")
        page.get_by_label("Message", exact=True).select_option("autofill-response")
        value = (
            '{"value": "inputStr=told", "encoding": "application/x-www-form-urlencoded"}'
        )
        page.get_by_label("Content (JSON)").fill(value)
        page.get_by_role("button", name="Send to the form").click()
        expect(form.locator("#input_str")).to_have_value("told")
        page.get_by_label("Content (JSON)").fill("{")
        expect(page.get_by_text("This is not JSON.")).to_be_visible()
        page.get_by_label("Message", exact=True).select_option("ui-prevent-submit")
        page.get_by_role("button", name="Clear").click()
        page.get_by_role("button", name="Send to the form").click()
        expect(page.locator("#messages li[data-kind=ui-submit-status]")).to_have_count(1)
        form.get_by_role("button", name="submit").press("Enter")
        told = page.locator("#messages li[data-kind=form-submit]")
        expect(told).to_contain_text("inputStr=told")
        frame = next(frame for frame in page.frames if "/ui/" in frame.url)
        frame.evaluate("sendMessage({type: 'form-error'}); sendMessage('nonsense')")
        complaints = log.locator(".qhana-error-message")
        expect(complaints).to_have_text(["lacks: status, error", "not a known message"])
