"""What passes the gate of a runner that others can reach."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from app_runner.api import scheduling
from app_runner.db import DB, audit
from app_runner.db.models import Schedule
from app_runner.db.types import now
from app_runner.state import BASE_URL, OWNER, state_of
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


def test_schedules_are_for_their_owners_and_run_for_them(site: Site) -> None:
    plan = {"plugin": "echo@1-0-0", "cron": "0 0 1 1 *", "parameters": {"text": "x"}}
    assert site.ask(None, "POST", "/schedules/", json=plan).status_code == 401
    made = site.ask("ann", "POST", "/schedules/", json=plan)
    assert made.status_code == 201
    href = made.headers["Location"]
    assert site.ask("bob", "GET", "/schedules/").json["schedules"] == []
    assert site.ask("bob", "GET", href).status_code == 403
    assert site.ask("bob", "DELETE", href).status_code == 403
    with site.app.app_context():
        schedule = DB.session.scalars(select(Schedule)).one()
        due = schedule.next_run_at.isoformat()
        scheduling.run_schedule(schedule_id=schedule.id, due=due)
    assert len(site.ask("ann", "GET", "/tasks/").json["tasks"]) == 1
    assert site.ask("root", "DELETE", href).status_code == 204


def test_schedules_are_made_where_reading_needs_a_login_too(make_site: Any) -> None:
    plan = {"plugin": "echo@1-0-0", "cron": "0 0 1 1 *", "parameters": {"text": "x"}}
    answer = make_site(READING="login").ask("ann", "POST", "/schedules/", json=plan)
    assert answer.status_code == 201, answer.text


def test_a_task_is_run_again_for_who_asks(site: Site) -> None:
    answer = site.ask("ann", "POST", PROCESS, data={"text": "x"})
    path, again = answer.headers["Location"], {"command": "rerun"}
    assert site.ask("bob", "POST", path, json=again).status_code == 403
    assert site.ask(None, "POST", path, json=again).status_code == 401
    assert site.ask("ann", "POST", path, json=again).status_code == 303
    assert len(site.ask("ann", "GET", "/tasks/").json["tasks"]) == 2
    assert site.ask("bob", "GET", "/tasks/").json["tasks"] == []


def test_a_link_that_expires_needs_no_login(make_site: Any) -> None:
    site = make_site(READING="login")
    file = site.file(site.task("ann"))
    link = file.replace("/?", "/link/?")
    assert site.ask("bob", "GET", link).status_code == 403
    href = site.ask("ann", "GET", link).json["href"]
    assert site.ask(None, "GET", href).status_code == 200
    forged = href.partition("signature=")[0] + "signature=" + "a" * 26
    assert site.ask(None, "GET", forged).status_code == 404


def test_jobs_read_no_files_of_others_either(make_site: Any) -> None:
    for reading, expected in (("link", [200, 200]), ("login", [200, 404])):
        site = make_site(READING=reading)
        url = f"http://localhost{site.file(site.task('ann'))}"
        found = []
        for user in ("ann", "bob"):
            token, base = OWNER.set(user), BASE_URL.set("http://localhost/")
            with site.app.app_context():
                fetcher = state_of(site.app).fetcher
                with fetcher.open(url, raise_on_error_status=False) as answer:
                    found.append(answer.status_code)
            BASE_URL.reset(base)
            OWNER.reset(token)
        assert found == expected


def test_only_owner_and_admin_delete_and_the_audit_log_tells_it(site: Site) -> None:
    ended: dict[str, Any] = {"task_status": "SUCCESS", "state": "succeeded"}
    path = site.task("ann", finished_at=now(), **ended)
    codes = [site.ask(u, "DELETE", path).status_code for u in (None, "bob", "ann")]
    assert codes == [401, 403, 204]
    told = site.app.test_cli_runner().invoke(args=["audit", "--actor", "ann", "--json"])
    event = json.loads(told.output)
    assert (event["action"], event["target"]) == ("task.delete", path)
    assert event["address"] == "127.0.0.1"


def test_a_user_name_forges_no_line_of_the_audit_log(site: Site) -> None:
    with site.app.app_context():
        audit.record("login", actor="ann\n2030-01-01\tlogin\troot\x1b[2J")
    told = site.app.test_cli_runner().invoke(args=["audit", "--action", "login"]).output
    assert len(told.splitlines()) == 1
    assert told.split("\t")[2] == "ann?2030-01-01?login?root?[2J"
