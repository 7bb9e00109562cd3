"""Logging in with a browser: the page, the cookie, and what a cookie may do."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from app_runner.api.credentials import COOKIE
from tests.access.conftest import PROCESS, Site

SAME = {"Sec-Fetch-Site": "same-origin"}
FORM = {"text": "x"}


def csrf_token(page: str) -> str:
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


def log_in(site: Site, token: str, place: str = "/", **more: Any) -> Any:
    page = site.ask(None, "GET", "/login/", query_string={"next": place}, **more)
    form = {"token": token, "csrf_token": csrf_token(page.text), "next": place}
    return site.ask(None, "POST", "/login/", data=form, **more)


def test_a_token_becomes_a_cookie_that_scripts_cannot_read(site: Site) -> None:
    answer = log_in(site, site.tokens["ann"], "/plugins/?a=b")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/plugins/?a=b"
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith(COOKIE))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert site.tokens["ann"] not in cookie
    assert site.ask(None, "GET", "/tasks/").status_code == 200
    assert "ann" in site.ask(None, "GET", "/", headers={"Accept": "text/html"}).text


def test_behind_tls_the_cookie_goes_nowhere_else(site: Site) -> None:
    answer = log_in(site, site.tokens["ann"], base_url="https://localhost")
    cookies = answer.headers.getlist("Set-Cookie")
    assert all("Secure" in c for c in cookies if c.startswith(COOKIE))
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_page_of_ours_starts_tasks_with_the_cookie(site: Site) -> None:
    log_in(site, site.tokens["ann"])
    origin = {"Origin": "http://localhost"}
    for headers in (SAME, origin):
        answer = site.ask(None, "POST", PROCESS, data=FORM, headers=headers)
        assert answer.status_code == 303
    assert site.ask(None, "POST", PROCESS, data=FORM).status_code == 403


@pytest.mark.parametrize("value", ["cross-site", "same-site"])
def test_pages_of_others_start_nothing(site: Site, value: str) -> None:
    log_in(site, site.tokens["ann"])
    headers = {"Sec-Fetch-Site": value}
    assert site.ask(None, "POST", PROCESS, data=FORM, headers=headers).status_code == 403
    bearer = {**headers, **site.headers("ann")}
    assert site.ask(None, "POST", PROCESS, data=FORM, headers=bearer).status_code == 303


@pytest.mark.parametrize("text", ["", "garbage", "apr_" + "x" * 43])
def test_what_is_no_token_opens_nothing(site: Site, text: str) -> None:
    answer = log_in(site, text)
    assert answer.status_code == 401
    assert not any(c.startswith(COOKIE) for c in answer.headers.getlist("Set-Cookie"))
    audit = site.app.test_cli_runner().invoke(args=["audit", "--action", "login.fail"])
    assert "login.fail\t127.0.0.1" in audit.output


def test_logging_out_ends_the_cookie_and_copies_of_it(site: Site) -> None:
    log_in(site, site.tokens["ann"])
    copy = site.client.get_cookie(COOKIE)
    assert copy is not None
    page = site.ask(None, "GET", "/login/")
    assert site.ask(None, "POST", "/logout/").status_code == 403
    form = {"csrf_token": csrf_token(page.text)}
    assert site.ask(None, "POST", "/logout/", data=form).status_code == 303
    site.client.set_cookie(COOKIE, copy.value)
    assert site.ask(None, "GET", "/tasks/").status_code == 401


def test_a_session_ends_with_its_token(site: Site) -> None:
    log_in(site, site.tokens["ann"])
    assert site.ask(None, "GET", "/tasks/").status_code == 200
    site.app.test_cli_runner().invoke(args=["token", "revoke", "ann's"])
    assert site.ask(None, "GET", "/tasks/").status_code == 401
    assert log_in(site, site.tokens["ann"]).status_code == 401


def test_a_session_never_outlives_a_signed_token(make_site: Any) -> None:
    import time

    site = make_site(JWT_SECRET_KEY="s" * 40)
    end = int(time.time()) + 90
    answer = log_in(site, jwt.encode({"sub": "ann", "exp": end}, "s" * 40, "HS256"))
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith(COOKIE))
    seconds = int(cookie.partition("Max-Age=")[2].partition(";")[0])
    assert 0 < seconds <= 90


def test_on_a_laptop_nobody_logs_in(make_site: Any) -> None:
    site = make_site(EXPOSURE="local")
    assert "EXPOSURE=local" in site.ask(None, "GET", "/login/").text
    assert site.ask(None, "POST", PROCESS, data=FORM).status_code == 303
    assert len(site.ask(None, "GET", "/tasks/").json["tasks"]) == 1
    assert (
        "login/" not in site.ask(None, "GET", "/", headers={"Accept": "text/html"}).text
    )


@pytest.mark.parametrize(
    ("settings", "frames"),
    [
        ({}, "'self'"),
        ({"EXPOSURE": "local"}, "*"),
        ({"LOGIN_REQUIRED": False}, "*"),
        ({"FRAME_ANCESTORS": "https://lab.example"}, "'self' https://lab.example"),
    ],
)
def test_who_may_frame_forms(
    make_site: Any, settings: dict[str, Any], frames: str
) -> None:
    site = make_site(**settings)
    answer = site.ask(None, "GET", "/plugins/echo@1-0-0/ui/")
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert f"frame-ancestors {frames}" in policy
    own = site.ask(None, "GET", "/login/").headers
    assert own["X-Frame-Options"] == "SAMEORIGIN"
    assert "unsafe-inline" not in own["Content-Security-Policy"]
    assert "camera=()" in own["Permissions-Policy"]
    assert own["Referrer-Policy"]
    assert own["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("settings", "scripts"),
    [
        ({}, ""),
        ({"EXPOSURE": "local"}, " *"),
        ({"LOGIN_REQUIRED": False}, " *"),
        ({"PLUGIN_SCRIPT_HOSTS": "https://cdn.example"}, " https://cdn.example"),
    ],
)
def test_whose_scripts_pages_of_plugins_load(
    make_site: Any, settings: dict[str, Any], scripts: str
) -> None:
    site = make_site(**settings)
    answer = site.ask(None, "GET", "/plugins/echo@1-0-0/ui/")
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert f"script-src 'self' 'unsafe-inline'{scripts}" in policy
    own = site.ask(None, "GET", "/login/").headers["Content-Security-Policy"]
    assert "script-src 'self';" in own


def test_plain_http_is_told_nothing_of_tls(site: Site) -> None:
    answer = site.ask(None, "GET", "/plugins/")
    assert "Strict-Transport-Security" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
