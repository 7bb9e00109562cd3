"""Plugins find, call and watch each other over HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.exceptions import Retry
from flask import Flask
from requests.exceptions import HTTPError, RequestException
from sqlalchemy import select

from app_runner.db import DB
from app_runner.db.models import WebhookDelivery
from app_runner.state import state_of
from app_runner.tasks import monitors
from app_runner.tasks.interop import (
    UnexpectedAnswer,
    call_plugin_endpoint,
    get_plugin_endpoint,
    get_task_result_no_wait,
)
from tests.conftest import AppFactory
from tests.fetch.servers import Exchange, Server, serving
from tests.plugins.conftest import app_with

METADATA = {
    "entryPoint": {"href": "./process/"},
    "links": [{"type": "pass-data", "href": "/elsewhere/pass"}],
}
HOOK = "http://hook.example/?id=7"
DOCUMENTS: dict[str, Any] = {
    "/plugin/": METADATA,
    "/plain/": {},
    "/text/": "text",
    "/pending/": {
        "status": "PENDING",
        "links": [{"type": "other"}, {"type": "subscribe", "href": "/subscribe/"}],
    },
    "/unknown/": {"status": "UNKNOWN"},
    "/done/": {"status": "SUCCESS", "outputs": []},
    "/odd/": {"status": "EXPLODED"},
    "/asks/": {
        "status": "PENDING",
        "steps": [{"stepId": "a", "cleared": True}, {"stepId": "b", "cleared": False}],
    },
}


def answer(exchange: Exchange) -> None:
    path = exchange.path
    if path == "/plugin/process/":
        exchange.redirect("/done/", 303)
    elif path == "/refused/":
        exchange.reply(b"wrong field", 422)
    elif path == "/subscribe/":
        exchange.reply(b'{"status": "PENDING"}')
    elif path not in DOCUMENTS:
        exchange.reply(b"", 404)
    else:
        document = json.loads(json.dumps(DOCUMENTS[path]))
        for link in document.get("links", []) if isinstance(document, dict) else []:
            if link.get("href", "").startswith("/subscribe"):
                link["href"] = exchange.server.url(path="/subscribe/")
        exchange.reply(json.dumps(document).encode())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Server]]:
    instance = tmp_path_factory.mktemp("instance")
    with app_with([], instance, BROKER_URL="memory://") as app, serving(answer) as server:
        yield app, server


@pytest.fixture
def app(shared: tuple[Flask, Server]) -> Iterator[Flask]:
    with shared[0].app_context():
        yield shared[0]


@pytest.fixture
def server(shared: tuple[Flask, Server], app: Flask) -> Server:
    shared[1].seen.clear()
    return shared[1]


@pytest.fixture
def published(app: Flask) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """Give what was published since the last call: names and arguments."""
    celery = state_of(app).celery

    def take() -> list[tuple[str, dict[str, Any]]]:
        messages = []
        with celery.connection_for_read() as connection:
            queue = connection.SimpleQueue(celery.conf.task_default_queue)
            while queue.qsize():
                message = queue.get_nowait()
                message.ack()
                messages.append((message.headers["task"], message.payload[1]))
            queue.close()
        return messages

    take()
    return take


def test_endpoints_are_found(server: Server) -> None:
    url = server.url(path="/plugin/")
    assert get_plugin_endpoint(url) == server.url(path="/plugin/process/")
    assert get_plugin_endpoint(url, "pass-data") == server.url(path="/elsewhere/pass")
    with pytest.raises(UnexpectedAnswer, match="no endpoint other"):
        get_plugin_endpoint(url, "other")
    with pytest.raises(UnexpectedAnswer, match="entryPoint"):
        get_plugin_endpoint(server.url(path="/plain/"))
    with pytest.raises(UnexpectedAnswer, match="no JSON object"):
        get_plugin_endpoint(server.url(path="/text/"))
    with pytest.raises(HTTPError):
        get_plugin_endpoint(server.url(path="/none/"))


def test_calls_give_the_url_of_the_task(server: Server) -> None:
    url = server.url(path="/plugin/process/")
    assert call_plugin_endpoint(url, {"inputStr": "ä b"}) == server.url(path="/done/")
    assert server.seen[0].body == b"inputStr=%C3%A4+b"
    assert server.seen[0].headers["Content-Type"].endswith("urlencoded")
    assert call_plugin_endpoint(url, None, debug=True) == server.url(path="/done/")


def test_a_refused_call_is_an_error_and_told_when_debugging(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for debug in (False, True):
        with pytest.raises(HTTPError):
            call_plugin_endpoint(server.url(path="/refused/"), {}, debug=debug)
        assert ("wrong field" in caplog.text) is debug


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pending/", "PENDING"),
        ("/unknown/", "PENDING"),
        ("/done/", "SUCCESS"),
        ("/odd/", "FAILURE"),
    ],
)
def test_a_task_is_asked_once(server: Server, path: str, status: str) -> None:
    found, document = get_task_result_no_wait(server.url(path=path))
    assert found == status
    assert document["status"] == DOCUMENTS[path]["status"]


def test_subscribing_tells_whether_it_was_done(server: Server, published: Any) -> None:
    url = server.url(path="/pending/")
    assert monitors.subscribe(url, HOOK, events=["status", "steps"])
    sent = [json.loads(seen.body) for seen in server.seen if seen.method == "POST"]
    assert [s["event"] for s in sent] == ["status", "steps"]
    assert sent[0] == {"command": "subscribe", "webhookHref": HOOK, "event": "status"}
    ((name, arguments),) = published()
    assert name == "app-runner.monitor-result"
    assert arguments == {
        "result_url": url,
        "webhook_url": HOOK,
        "monitor": "all",
        "retry": False,
    }
    assert not monitors.subscribe(server.url(path="/done/"), HOOK)


@pytest.mark.parametrize(
    ("events", "monitor"),
    [("all", "all"), (["status"], "status"), (["steps"], "steps"), (["details"], None)],
)
def test_only_what_was_subscribed_is_looked_for(
    server: Server, published: Any, events: Any, monitor: str | None
) -> None:
    monitors.subscribe(server.url(path="/pending/"), HOOK, events=events)
    looked_for = [arguments["monitor"] for _, arguments in published()]
    assert looked_for == ([] if monitor is None else [monitor])


def told() -> list[str]:
    """Give the events that the receiver is to be told of."""
    found = DB.session.scalars(select(WebhookDelivery).filter_by(webhook_href=HOOK)).all()
    for delivery in found:
        delivery.delete(commit=True)
    return [delivery.event_type for delivery in found]


@pytest.mark.parametrize(
    ("path", "monitor", "events"),
    [
        ("/done/", "all", ["status"]),
        ("/done/", "steps", ["status"]),
        ("/odd/", "status", ["status"]),
        ("/asks/", "all", ["steps"]),
        ("/asks/", "steps", ["steps"]),
        ("/asks/", "status", []),
        ("/pending/", "all", []),
    ],
)
def test_a_monitor_tells_of_changes(
    server: Server, published: Any, path: str, monitor: Any, events: list[str]
) -> None:
    monitors.monitor_result(server.url(path=path), HOOK, monitor=monitor, retry=False)
    assert told() == events


@pytest.mark.parametrize(
    ("step", "events"), [("a", ["steps"]), (0, ["steps"]), ("b", []), (1, [])]
)
def test_a_step_is_known_by_its_id_or_its_place(
    server: Server, published: Any, step: str | int, events: list[str]
) -> None:
    url = server.url(path="/asks/")
    monitors.monitor_external_substep(url, HOOK, step, retry=False)
    assert told() == events


@pytest.mark.parametrize("step", ["c", 2, -1])
def test_an_unknown_step_is_an_error(server: Server, step: str | int) -> None:
    with pytest.raises(ValueError, match="no step"):
        monitors.monitor_external_substep(server.url(path="/asks/"), HOOK, step)


def test_the_end_of_a_task_ends_the_wait_for_a_step(
    server: Server, published: Any
) -> None:
    monitors.monitor_external_substep(server.url(path="/done/"), HOOK, "c")
    assert told() == ["status"]


def test_a_monitor_comes_back_later_and_holds_no_worker(
    server: Server, published: Any
) -> None:
    task = state_of_task("app-runner.monitor-result")
    for asked, delay in ((0, 1), (3, 8), (100, 60)):
        arguments = (server.url(path="/pending/"), HOOK)
        task.push_request(args=arguments, kwargs={}, retries=asked, called_directly=False)
        try:
            with pytest.raises(Retry) as caught:
                task.run(*arguments)
        finally:
            task.pop_request()
        assert caught.value.when == delay


def state_of_task(name: str) -> Any:
    from app_runner.state import current_runner

    return current_runner.celery.tasks[name]


def test_a_monitor_says_that_the_other_side_is_silent(
    app: Flask, published: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    task = state_of_task("app-runner.monitor-result")
    arguments = ("http://127.0.0.1:1/tasks/1/", HOOK)
    task.push_request(args=arguments, kwargs={}, retries=0, called_directly=False)
    try:
        with pytest.raises(Retry):
            task.run(*arguments)
    finally:
        task.pop_request()
    (line,) = (r.getMessage() for r in caplog.records if "monitors" in r.name)
    assert line.startswith("Task http://127.0.0.1:1/tasks/1/ gives no answer now")


def test_a_monitor_of_nothing_ends(server: Server, published: Any) -> None:
    for path in ("/none/", "/text/"):
        monitors.monitor_result(server.url(path=path), HOOK)
    assert published() == []


def test_private_addresses_are_guarded(make_app: AppFactory) -> None:
    app = make_app(EXPOSURE="public", LOGIN_REQUIRED=False)
    with app.app_context(), serving(answer) as server:
        with pytest.raises(RequestException, match="not"):
            get_plugin_endpoint(server.url(path="/plugin/"))
        assert server.seen == []
