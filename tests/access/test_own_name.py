"""In whose name the runner asks itself: never in that of somebody who did not want it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app_runner.db import DB
from app_runner.db.models import ProcessingTask, TaskUpdateSubscription, WebhookDelivery
from app_runner.db.types import now
from app_runner.state import BASE_URL, OWNER, current_runner, state_of
from app_runner.tasks import deliveries, monitors, neighbours, webhooks
from app_runner.tasks.deliveries import AS_OWNER
from app_runner.tasks.interop import (
    UnexpectedAnswer,
    call_plugin_endpoint,
    get_plugin_endpoint,
)
from tests.access.conftest import PROCESS, Site
from tests.access.test_browser_login import SAME, log_in
from tests.conftest import PluginFolder
from tests.fetch.servers import Exchange, serving

BASE = "http://localhost/"
PROBE = f"{BASE}plugins/probe@v1/"
PLUGIN = '''
    from json import dumps

    from flask import jsonify, redirect, request
    from requests import RequestException
    from qhana_plugin_runner.api.util import SecurityBlueprint
    from qhana_plugin_runner.db.models.tasks import ProcessingTask
    from qhana_plugin_runner.plugin_utils.interop import call_plugin_endpoint
    from qhana_plugin_runner.util.plugins import QHAnaPluginBase

    BLP = SecurityBlueprint("probe", __name__)
    BASE = "http://localhost/plugins/probe@v1/"

    @BLP.route("/make/", methods=["POST"])
    def make():
        """Makes a task for whom it works."""
        sent = [request.form.to_dict(flat=False), request.get_json(silent=True)]
        task = ProcessingTask(task_name="made", parameters=dumps(sent))
        task.save(commit=True)
        return redirect(f"/tasks/{request.args.get('to', '')}", 303)

    @BLP.route("/go/<path:to>", methods=["GET", "POST"])
    def go(to):
        """Calls another route of it."""
        try:
            return jsonify(url=call_plugin_endpoint(BASE + to, {}))
        except RequestException as error:
            return jsonify(error=str(error))

    @BLP.route("/lab/", methods=["POST"])
    @BLP.require_jwt("jwt", scopes=["lab"])
    def lab():
        """Needs a scope."""
        return jsonify({})

    @BLP.route("/away/", methods=["POST"])
    def away():
        """Leads to what is no plugin and no task."""
        return redirect("/login/", 303)

    @BLP.route("/moved/", methods=["POST"])
    def moved():
        """Leads elsewhere, with all that was sent."""
        return redirect("/plugins/probe@v1/make/", 307)

    class Probe(QHAnaPluginBase):
        name, version, description, tags = "probe", "v1", "Probes.", []

        def __init__(self, app):
            super().__init__(app)

        def get_api_blueprint(self):
            return BLP

        def get_requirements(self):
            return ""
'''


@pytest.fixture
def site(plugin_folder: PluginFolder, make_site: Any) -> Site:
    plugin_folder.add("probe.py", PLUGIN)
    made: Site = make_site(EXPOSURE="private")
    assert state_of(made.app).registry.problems == []
    return made


@contextmanager
def job_of(site: Site, user: str | None) -> Iterator[None]:
    """Be a job that works for a user."""
    owner, base = OWNER.set(user), BASE_URL.set(BASE)
    try:
        with site.app.app_context():
            yield
    finally:
        BASE_URL.reset(base)
        OWNER.reset(owner)


def made_for(site: Site) -> list[str | None]:
    """Give the owners of what the plugin has made."""
    with site.app.app_context():
        tasks = DB.session.scalars(select(ProcessingTask).filter_by(task_name="made"))
        return [task.owner for task in tasks]


def sent_to(site: Site) -> list[Any]:
    """Give the forms and the JSON that it was sent."""
    with site.app.app_context():
        tasks = DB.session.scalars(select(ProcessingTask).filter_by(task_name="made"))
        return [json.loads(str(task.parameters)) for task in tasks]


def test_a_job_calls_in_the_name_of_its_user_and_of_nobody_else(site: Site) -> None:
    for user in ("ann", "bob"):
        with job_of(site, user), pytest.raises(UnexpectedAnswer):
            call_plugin_endpoint(f"{PROBE}away/", {})
        with job_of(site, user), pytest.raises(Exception, match="404"):
            call_plugin_endpoint(f"{PROBE}make/?to=1", {"a": ["b", "c"], "d": None})
    with job_of(site, None), pytest.raises(Exception, match="401"):
        call_plugin_endpoint(f"{PROBE}make/", {})
    assert made_for(site) == ["ann", "bob"]
    assert sent_to(site) == [[{"a": ["b", "c"]}, None]] * 2


def test_what_a_user_may_not_do_their_job_may_not_either(site: Site) -> None:
    hers = site.task("ann", state="running")
    document = f"{BASE}{hers[1:]}"
    with job_of(site, "bob"):
        refused = neighbours.ask(document, "DELETE")
        kind, cancel = {"Content-Type": "application/json"}, b'{"command": "cancel"}'
        cancelled = neighbours.ask(document, "POST", headers=kind, data=cancel)
    assert (refused.status, cancelled.status) == (403, 403)
    with job_of(site, "root"):  # an admin's job is no admin
        assert neighbours.ask(document, "DELETE").status == 403
        assert neighbours.ask(f"{PROBE}lab/", "POST").status == 403


@pytest.mark.parametrize(
    "url",
    [
        f"{PROBE}../../tasks/",
        f"{PROBE}%2e%2e/%2E./login/",
        f"{BASE}plugins/..%2flogin/",
        f"{BASE}plugins\\login/",
        f"{BASE}plugins//login/",
        f"{BASE}plugins/\tprobe@v1/make/",
        f"{BASE}plugins/%5cprobe@v1/make/",
        f"{BASE}/plugins/probe@v1/make/",
        f"{BASE}login/",
        f"{BASE}schedules/",
        "http://localhost@evil.example/plugins/probe@v1/make/",
        "http://ann:pw@localhost/plugins/probe@v1/make/",
        "http://localhost:81/plugins/probe@v1/make/",
        "http://localhost.evil.example/plugins/probe@v1/make/",
        "https://localhost/plugins/probe@v1/make/",
        "HTTP://localhost/plugins/probe@v1/make/",
        "//localhost/plugins/probe@v1/make/",
    ],
)
def test_crafted_urls_are_nobody_s(site: Site, url: str) -> None:
    with job_of(site, "ann"):
        assert neighbours.own_url(url) is None
        assert not neighbours.is_plugin(url)
        with pytest.raises(Exception, match=r"refused|not|URL|log"):
            call_plugin_endpoint(url, {})
    assert made_for(site) == []


def test_the_url_map_decides_what_is_ours_too(make_site: Any) -> None:
    site = make_site(URL_MAP=[("^http://inner:9/", BASE)])
    with job_of(site, "ann"):
        assert neighbours.own_url("http://inner:9/plugins/x/") == f"{BASE}plugins/x/"
        assert neighbours.own_url("http://inner:9/files/x/") is None


def test_a_link_starts_nothing_in_the_name_of_who_follows_it(site: Site) -> None:
    link = "/plugins/probe@v1/go/make/?to=1"
    assert "401" in site.ask("ann", "GET", link).json["error"]
    assert "401" in site.ask("ann", "GET", "/plugins/probe@v1/go/go/make/").text
    assert made_for(site) == []
    site.ask("ann", "POST", link)
    assert made_for(site) == ["ann"]


def test_a_session_s_cookie_is_not_passed_on_for_foreign_pages(site: Site) -> None:
    log_in(site, site.tokens["ann"])
    foreign = {"Sec-Fetch-Site": "cross-site"}
    path = "/plugins/probe@v1/go/make/"
    for method in ("GET", "POST"):
        site.client.open(path, method=method, headers=foreign).get_data()
    assert made_for(site) == []
    own = site.client.post(path, headers=SAME)
    own.get_data()
    assert made_for(site) == ["ann"]


def test_rates_count_for_the_user(plugin_folder: PluginFolder, make_site: Any) -> None:
    plugin_folder.add("probe.py", PLUGIN)
    site = make_site(RATE_LIMIT="3/minute")
    for status in ("404", "404", "404", "429"):
        with job_of(site, "ann"), pytest.raises(Exception, match=status):
            call_plugin_endpoint(f"{PROBE}make/?to=1", {})
    assert made_for(site) == ["ann"] * 3
    assert site.ask("ann", "POST", PROCESS, data={"text": "x"}).status_code == 429
    assert site.ask("bob", "POST", PROCESS, data={"text": "x"}).status_code == 303


def test_what_calls_itself_ends_with_a_reason(site: Site) -> None:
    path = "go/" * 30
    answer = site.ask("ann", "POST", f"/plugins/probe@v1/{path}make/")
    assert answer.status_code == 200
    assert made_for(site) == []


def test_a_redirect_that_keeps_the_method_is_sent_again(site: Site) -> None:
    with job_of(site, "ann"):
        assert call_plugin_endpoint(f"{PROBE}moved/", {"a": "b"}) == f"{BASE}tasks/"
    assert made_for(site) == ["ann"]
    assert sent_to(site) == [[{"a": ["b"]}, None]]


def elsewhere(exchange: Exchange) -> None:
    """Answer as a plugin and a task whose links lead to the runner; else lead there."""
    links = [{"type": "subscribe", "href": f"{PROBE}make/"}]
    if exchange.path == "/":
        entry = {"href": f"{PROBE}make/"}
        told = {"status": "PENDING", "links": links, "entryPoint": entry}
        exchange.reply(json.dumps(told).encode())
    else:
        exchange.redirect(f"{PROBE}make/", 307)


def test_other_servers_make_us_do_nothing_in_the_name_of_a_user(
    plugin_folder: PluginFolder, make_site: Any
) -> None:
    plugin_folder.add("probe.py", PLUGIN)
    with serving(elsewhere) as server:
        site = make_site(FETCH_ALLOWED_HOSTS=["127.0.0.1"])
        with job_of(site, "ann"):
            with pytest.raises(UnexpectedAnswer, match="another runner"):
                get_plugin_endpoint(server.url())
            hook = f"{PROBE}make/"
            assert not monitors.subscribe(server.url(), hook, check_for_updates=False)
            with pytest.raises(Exception, match="localhost"):
                call_plugin_endpoint(server.url(path="/moved/"), {})
    assert made_for(site) == []


def receivers(site: Site, path: str) -> list[str]:
    with site.app.app_context():
        found = TaskUpdateSubscription.of_task(site.task_id(path))
        return [one.webhook_href for one in found]


def follow(site: Site, user: str | None, path: str, hook: str) -> int:
    command = {"command": "subscribe", "webhookHref": hook, "event": "status"}
    status: int = site.ask(user, "POST", path, json=command).status_code
    return status


HOOK = f"{PROBE}make/?to=1"
ENDED = {"state": "succeeded", "task_status": "SUCCESS", "finished_at": now()}


@pytest.mark.parametrize(
    ("owner", "user", "hook", "in_name"),
    [
        ("ann", "ann", HOOK, True),
        ("ann", "bob", HOOK, False),
        ("ann", None, HOOK, False),
        ("ann", "root", HOOK, False),
        (None, "ann", HOOK, False),
        (None, None, HOOK, False),
        ("ann", "ann", "http://hooks.example/plugins/probe@v1/make/", False),
        ("ann", "ann", f"{BASE}tasks/", False),
        ("ann", "ann", f"{BASE}login/", False),
        ("ann", "ann", "http://localhost:81/plugins/probe@v1/make/", False),
        ("ann", "ann", f"{PROBE}%2e%2e/%2e%2e/login/", False),
        ("ann", "ann", "http://x@localhost/plugins/probe@v1/make/", False),
    ],
)
def test_only_the_owner_has_plugins_told_in_the_owner_s_name(
    site: Site, owner: str | None, user: str | None, hook: str, in_name: bool
) -> None:
    task = site.task(owner)
    assert follow(site, user, task, hook) == 200
    assert receivers(site, task) == [AS_OWNER + hook if in_name else hook]


def test_no_client_writes_in_whose_name_it_is_told(site: Site) -> None:
    task = site.task("ann")
    assert follow(site, "bob", task, AS_OWNER + HOOK) == 422
    assert receivers(site, task) == []


def test_who_unsubscribes_names_the_plain_url(site: Site) -> None:
    task = site.task("ann")
    follow(site, "ann", task, HOOK)
    command = {"command": "unsubscribe", "webhookHref": HOOK}
    assert site.ask("ann", "POST", task, json=command).status_code == 200
    assert receivers(site, task) == []


def delivered(site: Site) -> list[tuple[str | None, Any]]:
    """Send what is due as a worker does, run the jobs, and give outcomes and tries."""
    sent: list[tuple[str | None, str | None, int]] = []
    with site.app.app_context():
        celery = current_runner.celery
        rows = DB.session.execute(
            webhooks.DUE, {"moment": now() + timedelta(seconds=1), "busy": [""]}
        ).all()
        for row in rows:
            tried = webhooks.post(site.app, row)
            if tried is not None:
                webhooks.finish(row, tried)
        with celery.connection_for_read() as connection:
            queue = connection.SimpleQueue(celery.conf.task_default_queue)
            while queue.qsize():
                message = queue.get_nowait()
                message.ack()
                if message.headers["task"] == "app-runner.tell-plugin":
                    told = message.payload[1]["delivery"]
                    headers = message.headers
                    sent.append((headers["owner"], headers["base_url"], told))
            queue.close()
    for owner, base, told in sent:
        assert base == BASE
        with job_of(site, owner):
            webhooks.tell_plugin(delivery=told)
    with site.app.app_context():
        found = DB.session.scalars(select(WebhookDelivery).order_by("id"))
        return [(one.outcome, one.tries) for one in found]


def test_plugins_are_told_as_owner_or_without_a_name(site: Site) -> None:
    hers, his = site.task("ann", **ENDED), site.task("bob", **ENDED)
    follow(site, "ann", hers, f"{PROBE}lab/")
    follow(site, "ann", his, HOOK)
    follow(site, "bob", his, HOOK)
    needs_scope, of_ann, of_bob = delivered(site)
    assert needs_scope[1][0]["status"] == 403
    assert of_ann[0] == "refused"  # our address, over HTTP: it is not fetched
    assert of_bob[1][0]["status"] == 303  # what the route answers, not followed
    assert made_for(site) == ["bob"]
    ((form, body),) = sent_to(site)
    assert form == {}
    assert (body["type"], body["data"]["source"]) == ("task.status", f"{BASE}{his[1:]}")


def test_a_plugin_that_passes_on_a_forged_receiver_speaks_for_nobody(site: Site) -> None:
    hers = f"{BASE}{site.task('ann', **ENDED)[1:]}"
    with job_of(site, "bob"):
        for forged in (AS_OWNER + HOOK, HOOK):
            monitors.monitor_result(hers, forged, retry=False)
    assert [outcome for outcome, _tries in delivered(site)] == ["refused", "refused"]
    with job_of(site, "ann"):
        monitors.monitor_result(hers, HOOK, retry=False)
    delivered(site)
    assert made_for(site) == ["ann"]


def test_a_job_that_works_for_another_tells_nothing(site: Site) -> None:
    task = site.task("ann", **ENDED)
    follow(site, "ann", task, HOOK)
    with job_of(site, "bob"):
        row = DB.session.scalars(select(WebhookDelivery)).one()
        webhooks.tell_plugin(delivery=row.id)
        DB.session.refresh(row)
        assert row.outcome == "refused"
    assert made_for(site) == []


def test_a_delivery_of_a_task_without_owner_is_not_made_by_hand(site: Site) -> None:
    with site.app.app_context():
        deliveries.add(AS_OWNER + HOOK, f"{BASE}tasks/1/", "status", status="SUCCESS")
        DB.session.commit()
    assert [outcome for outcome, _tries in delivered(site)] == ["refused"]
