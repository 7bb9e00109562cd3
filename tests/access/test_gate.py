"""What passes the gate of a runner that others can reach."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.conftest import PROCESS, Site

CANCEL = {"command": "cancel"}
FOLLOW = {"command": "subscribe", "webhookHref": "http://hooks.example/x"}


def test_nobody_starts_a_task_without_a_login(site: Site) -> None:
    answer = site.ask(None, "POST", PROCESS, data={"text": "x"})
    assert answer.status_code == 401
    assert "LOGIN_REQUIRED" in answer.json["message"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_user_starts_a_task_which_is_theirs(site: Site) -> None:
    answer = site.ask("ann", "POST", PROCESS, data={"text": "x"})
    assert answer.status_code == 303
    listed = {user: site.ask(user, "GET", "/tasks/").json for user in ("ann", "bob")}
    assert len(listed["ann"]["tasks"]) == 1
    assert listed["bob"]["tasks"] == []


def test_an_api_key_is_as_good_as_a_bearer_token(site: Site) -> None:
    key = {"X-API-Key": site.tokens["ann"]}
    answer = site.ask(None, "POST", PROCESS, data={"text": "x"}, headers=key)
    assert answer.status_code == 303


def test_everybody_starts_tasks_where_the_setting_opens_the_runner(
    make_site: Any,
) -> None:
    site = make_site(LOGIN_REQUIRED=False)
    answer = site.ask(None, "POST", PROCESS, data={"text": "x"})
    assert answer.status_code == 303
    path = answer.headers["Location"]
    assert site.ask(None, "POST", path, json=CANCEL).status_code == 200
    assert site.ask(None, "GET", "/tasks/").status_code == 401
    hers = site.task("ann")
    assert site.ask(None, "POST", hers, json=CANCEL).status_code == 401


@pytest.mark.parametrize(
    ("user", "status"), [(None, 401), ("bob", 403), ("ann", 200), ("root", 200)]
)
def test_only_owner_and_admin_cancel(site: Site, user: str | None, status: int) -> None:
    path = site.task("ann")
    assert site.ask(user, "POST", path, json=CANCEL).status_code == status


@pytest.mark.parametrize("user", [None, "bob", "ann", "root"])
def test_who_knows_the_url_reads_and_follows(site: Site, user: str | None) -> None:
    path = site.task("ann")
    assert site.ask(user, "GET", path).status_code == 200
    assert site.ask(user, "POST", path, json=FOLLOW).status_code == 200


@pytest.mark.parametrize(
    ("user", "status"), [(None, 401), ("bob", 403), ("ann", 200), ("root", 200)]
)
def test_a_setting_makes_reading_need_the_owner(
    make_site: Any, user: str | None, status: int
) -> None:
    site = make_site(READING="login")
    path = site.task("ann")
    assert site.ask(user, "GET", path).status_code == status
    assert site.ask(user, "POST", path, json=FOLLOW).status_code == status
    file = site.file(path)
    assert site.ask(user, "GET", file).status_code == status


@pytest.mark.parametrize("path", ["/plugins/", "/api-spec.json", "/problems/"])
def test_that_setting_closes_documents_too(make_site: Any, path: str) -> None:
    site = make_site(READING="login")
    assert site.ask("bob", "GET", path).status_code == 200
    assert site.ask(None, "GET", path).status_code == 401
    assert site.ask(None, "GET", "/health/live").status_code == 200


def test_a_browser_is_led_to_the_login_page(make_site: Any) -> None:
    site = make_site(READING="login")
    answer = site.ask(None, "GET", "/?a=b", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login/?next=%2F%3Fa%3Db"


def test_a_task_of_nobody_is_for_admins_where_a_login_is_required(site: Site) -> None:
    path = site.task(None)
    statuses = [
        site.ask(u, "POST", path, json=CANCEL).status_code for u in ("ann", "root")
    ]
    assert statuses == [403, 200]


def test_a_revoked_token_is_refused_at_once(site: Site) -> None:
    assert site.ask("ann", "GET", "/tasks/").status_code == 200
    runner = site.app.test_cli_runner()
    assert runner.invoke(args=["token", "revoke", "ann's"]).exit_code == 0
    assert site.ask("ann", "GET", "/tasks/").status_code == 401
    assert site.ask("ann", "POST", PROCESS, data={"text": "x"}).status_code == 401
