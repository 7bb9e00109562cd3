"""What a person with a login sees and does in a real browser, and what others cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response
from playwright.sync_api import Browser, Page, expect

from app_runner.db import DB, tokens
from app_runner.db.models import ProcessingTask
from app_runner.state import state_of
from tests.access.conftest import PROCESS, Site
from tests.ui.site_under_test import served

pytestmark = pytest.mark.browser
UI = PROCESS.replace("process", "ui")


class Served:
    """A runner that needs a login for all, and where it answers."""

    def __init__(self, site: Site, url: str) -> None:
        self.site, self.url = site, url

    def log_in(self, page: Page, user: str = "ann") -> None:
        page.get_by_label("Token").fill(self.site.tokens[user])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "/login/" not in url)

    def started(self) -> list[str | None]:
        """Give the owners of all tasks."""
        with self.site.app.app_context():
            return list(DB.session.scalars(DB.select(ProcessingTask.owner)))


@pytest.fixture
def runner(make_site: Any) -> Iterator[Served]:
    site: Site = make_site(EXPOSURE="private", READING="login", RATE_LIMIT="")
    state_of(site.app).celery.conf.task_always_eager = True  # there is no worker
    with served(site.app) as url:
        yield Served(site, url)


def test_from_the_login_to_the_result_and_out_again(runner: Served, page: Page) -> None:
    page.goto(f"{runner.url}/?a=b")
    expect(page).to_have_url(re.compile(r"/login/\?next="))
    page.get_by_label("Token").fill("apr_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    runner.log_in(page)
    expect(page).to_have_url(f"{runner.url}/?a=b")
    expect(page.get_by_role("link", name="ann")).to_be_visible()
    assert page.evaluate("document.cookie") == ""

    page.get_by_role("link", name="echo").click()
    form = page.frame_locator("iframe")
    form.get_by_label("Text").fill("said again")
    form.get_by_role("button", name="submit").click()
    expect(page.get_by_text("The task is finished.")).to_be_visible()
    expect(page.get_by_text("said again")).to_have_count(1)  # the log, folded
    assert runner.started() == ["ann"]
    page.reload()
    expect(page.locator("#recent-tasks a")).to_have_count(1)

    page.get_by_role("link", name="ann").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto(f"{runner.url}/")
    expect(page).to_have_url(re.compile("/login/"))


def test_the_form_on_its_own_page_shows_the_task(runner: Served, page: Page) -> None:
    page.goto(f"{runner.url}{UI}?text=hello")
    runner.log_in(page)
    expect(page).to_have_url(f"{runner.url}{UI}?text=hello")
    page.get_by_role("button", name="submit").click()
    expect(page.get_by_text("The task is finished.")).to_be_visible()
    assert runner.started() == ["ann"]


def test_the_form_works_without_javascript(runner: Served, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{runner.url}{UI}?text=hello")
    runner.log_in(page)
    page.get_by_role("button", name="submit").click()
    expect(page).to_have_url(re.compile("/tasks/"))
    assert runner.started() == ["ann"]
    context.close()


def test_who_was_logged_out_meanwhile_is_told(runner: Served, page: Page) -> None:
    page.goto(f"{runner.url}{UI}?text=hello")
    runner.log_in(page)
    with runner.site.app.app_context():
        for token in tokens.listed():
            tokens.revoke([token.id])
    page.get_by_role("button", name="submit").click()
    expect(page.get_by_role("alert")).to_contain_text("login")
    assert runner.started() == []


EVIL = """<!DOCTYPE html><title>Evil</title>
<form id="plain" method="post" action="{to}"><input name="text" value="evil"></form>
<form id="text" method="post" action="{to}" enctype="text/plain">
<input name='{{"text": "evil", "x": "' value='"}}'></form>
<form id="parts" method="post" action="{to}" enctype="multipart/form-data">
<input name="text" value="evil"></form>
<iframe id="framed" src="{ui}"></iframe>"""


def evil(runner: Served) -> Flask:
    """Make a page of somebody else that sends forms to the runner."""
    app = Flask("evil")

    @app.get("/")
    def show() -> Response:
        to, ui = f"{runner.url}{PROCESS}", f"{runner.url}{UI}"
        return Response(EVIL.format(to=to, ui=ui), mimetype="text/html")

    return app


READS = """async (url) => {
  try { return await (await fetch(url, {credentials: "include"})).text() }
  catch { return "refused" }
}"""
STARTS = """async (url) => {
  const body = new URLSearchParams({text: "evil"});
  for (const mode of ["cors", "no-cors"]) {
    try { await fetch(url, {method: "POST", mode, credentials: "include", body}) }
    catch { }
  }
}"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_of_others_does_and_reads_nothing(
    runner: Served, browser: Browser, host: str
) -> None:
    """With another port it is the same site to a browser, with another name it is not."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{runner.url}/")
    runner.log_in(page)
    expect(page.get_by_role("link", name="ann")).to_be_visible()
    with served(evil(runner)) as url:
        url = url.replace("127.0.0.1", host)
        for form in ("plain", "text", "parts"):
            page.goto(url)
            with page.expect_navigation():
                page.evaluate("id => document.getElementById(id).submit()", form)
            assert page.url.startswith(runner.url)
            assert "evil" not in page.url
        page.goto(url)
        page.evaluate(STARTS, f"{runner.url}{PROCESS}")
        assert "echo" not in page.evaluate(READS, f"{runner.url}/plugins/")
        framed = page.frames[1]
        expect(framed.get_by_role("button")).to_have_count(0)
    assert runner.started() == []
    page.goto(f"{runner.url}/")  # the session lives on
    expect(page.get_by_role("link", name="ann")).to_be_visible()
    context.close()
