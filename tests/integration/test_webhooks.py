"""Webhooks, delivered by a real worker to a real server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app_runner.db.models import TaskUpdateSubscription
from app_runner.state import state_of
from tests.docs.pages import DOCS, blocks
from tests.integration.conftest import Runner
from tests.polling import wait_for

pytestmark = pytest.mark.integration


@dataclass
class Call:
    """What a receiver was told once."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        """Give the id of the delivery."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """A server that notes what it is told; ``answers`` are its first ones, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    open: Event = field(default_factory=Event)

    def events(self) -> list[str]:
        """Give the events in the order they came."""
        return [call.query["event"][0] for call in self.calls]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    found = Receiver()
    found.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.calls.append(Call(parts.path, parse_qs(parts.query), headers, body))
            found.open.wait(60)
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/webhooks/7?token=a%20b"
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield found
        finally:
            found.open.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def subscribe(runner: Runner, task: str, receiver: Receiver, event: str | None) -> None:
    command = {"command": "subscribe", "webhookHref": receiver.url, "event": event}
    assert runner.client.post(task, json=command).status_code == 200


def waiting_quiz(runner: Runner) -> tuple[str, str]:
    """Give the URLs of a task that waits for input, and of that input."""
    task = runner.submit("quiz%20game@v1-2-0/process/", player="Ada")
    wait_for(lambda: runner.document(task).get("steps"))
    return task, runner.document(task)["steps"][0]["href"]


def test_a_hook_for_everything_hears_of_steps_and_of_the_end(
    runner: Runner, receiver: Receiver
) -> None:
    task, href = waiting_quiz(runner)
    subscribe(runner, task, receiver, None)
    assert receiver.calls == []
    runner.client.post(href, data={"answer": "42"})
    wait_for(lambda: {"steps", "status", "details"} <= set(receiver.events()))
    for call in receiver.calls:
        assert call.path == "/webhooks/7"
        assert call.query["source"] == [f"http://localhost{task}"]
        assert call.query["token"] == ["a b"]
    assert runner.document(task)["status"] == "SUCCESS"


@pytest.mark.parametrize("event", ["status", "steps", "details"])
def test_a_hook_for_one_event_hears_of_that_only(
    runner: Runner, receiver: Receiver, event: str
) -> None:
    task, href = waiting_quiz(runner)
    subscribe(runner, task, receiver, event)
    runner.client.post(href, data={"answer": "42"})
    wait_for(receiver.events)
    runner.ended(task)
    marker, _ = waiting_quiz(runner)  # what came before has been worked off by then
    assert set(receiver.events()) == {event}
    assert runner.document(marker)["status"] == "PENDING"


def test_a_task_that_has_ended_is_told_of_once(
    runner: Runner, receiver: Receiver
) -> None:
    url = runner.submit("jobs@1/run/nothing/")
    runner.ended(url)
    subscribe(runner, url, receiver, None)
    wait_for(receiver.events)
    runner.run("jobs@1/run/nothing/")
    assert receiver.events() == ["status"]


def test_a_hook_that_was_unsubscribed_hears_nothing(
    runner: Runner, receiver: Receiver
) -> None:
    task, href = waiting_quiz(runner)
    subscribe(runner, task, receiver, None)
    command = {"command": "unsubscribe", "webhookHref": receiver.url}
    assert runner.client.post(task, json=command).status_code == 200
    runner.client.post(href, data={"answer": "42"})
    runner.ended(task)
    runner.run("jobs@1/run/nothing/")
    assert receiver.calls == []


def deliveries(runner: Runner, task: str) -> list[dict[str, Any]]:
    answer = runner.client.get(f"{task}deliveries")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["deliveries"]
    return found


def is_genuine(secret: str, call: Call, body: str) -> bool:
    """Check as the documentation tells receivers to."""
    (source,) = blocks(DOCS / "operating" / "endpoints.md", "python")
    found: dict[str, Any] = {}
    exec(source, found)  # noqa: S102 - our own example
    return bool(found["is_genuine"](secret, call.headers, body.encode()))


def finished(runner: Runner) -> str:
    url = runner.submit("jobs@1/run/nothing/")
    runner.ended(url)
    return url


def test_a_delivery_is_signed_and_says_what_happened(
    runner: Runner, receiver: Receiver
) -> None:
    url = finished(runner)
    subscribe(runner, url, receiver, "status")
    wait_for(receiver.events)
    (call,) = receiver.calls
    done = runner.app.test_cli_runner().invoke(args=["webhooks", "secret"])
    assert is_genuine(done.output.strip(), call, call.body)
    assert not is_genuine(done.output.strip(), call, call.body + " ")
    assert call.headers["content-type"] == "application/json"
    body = json.loads(call.body)
    assert body["type"] == "task.status"
    source = f"http://localhost{url}"
    assert body["data"] == {
        "source": source,
        "event": "status",
        "status": "SUCCESS",
        "state": "succeeded",
    }
    assert body["timestamp"].endswith("+00:00")


def test_a_hook_that_refuses_is_called_again_with_the_same_id_and_body(
    runner: Runner, receiver: Receiver
) -> None:
    receiver.answers = [500, 301]
    url = finished(runner)
    subscribe(runner, url, receiver, "status")
    wait_for(lambda: len(receiver.calls) == 3)
    assert len({(call.id, call.body) for call in receiver.calls}) == 1
    wait_for(lambda: deliveries(runner, url)[0]["outcome"])
    (delivery,) = deliveries(runner, url)
    assert delivery["id"] == receiver.calls[0].id
    assert delivery["outcome"] == "delivered"
    assert delivery["receiver"] == receiver.url.partition("?")[0]
    assert [one["status"] for one in delivery["tries"]] == [500, 301, 200]
    listed = runner.app.test_cli_runner().invoke(args=["webhooks", "deliveries"]).output
    assert delivery["id"] in listed


def test_a_hook_that_is_down_hears_when_it_is_back(runner: Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    down = Receiver(url=f"http://127.0.0.1:{port}/webhooks/7?token=only-theirs")
    url = finished(runner)
    subscribe(runner, url, down, "status")
    wait_for(lambda: deliveries(runner, url)[0]["tries"])
    with receiving(port) as receiver:
        wait_for(receiver.events)
        (delivery,) = deliveries(runner, url)
        assert receiver.calls[0].id == delivery["id"]
        assert "error" in delivery["tries"][0]
        assert "only-theirs" not in str(delivery)


def test_a_hook_that_is_gone_is_unsubscribed(runner: Runner, receiver: Receiver) -> None:
    receiver.answers = [410]
    task, href = waiting_quiz(runner)
    subscribe(runner, task, receiver, "steps")
    subscribe(runner, task, receiver, "details")
    runner.client.post(href, data={"answer": "42"})
    runner.ended(task)
    wait_for(lambda: [d["outcome"] for d in deliveries(runner, task)].count(None) == 0)
    outcomes = {delivery["outcome"] for delivery in deliveries(runner, task)}
    assert "unsubscribed" in outcomes
    with runner.app.app_context():
        assert TaskUpdateSubscription.of_task(task_id_of(runner, task)) == []


def task_id_of(runner: Runner, url: str) -> int:
    signed = url.rstrip("/").rpartition("/")[2]
    found = state_of(runner.app).ids.verify("task", signed)
    assert found is not None
    return found


def test_a_slow_hook_holds_up_neither_jobs_nor_other_hooks(
    runner: Runner, receiver: Receiver
) -> None:
    with receiving() as slow:
        slow.open.clear()
        for _ in range(4):
            subscribe(runner, finished(runner), slow, "status")
        wait_for(lambda: len(slow.calls) == 2)
        subscribe(runner, finished(runner), receiver, "status")
        wait_for(receiver.events)
        assert len(slow.calls) == 2


def test_a_hook_that_is_not_there_harms_no_task(
    runner: Runner, receiver: Receiver
) -> None:
    receiver.url = "http://127.0.0.1:1/gone"
    task, href = waiting_quiz(runner)
    subscribe(runner, task, receiver, None)
    runner.client.post(href, data={"answer": "42"})
    assert runner.ended(task)["status"] == "SUCCESS"
