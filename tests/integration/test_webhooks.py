"""Webhooks, delivered by a real worker to a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.conftest import Runner
from tests.polling import wait_for

pytestmark = pytest.mark.integration


@dataclass
class Receiver:
    """A server that notes what it is told; the first ``refuse`` calls get a 500."""

    url: str = ""
    refuse: int = 0
    calls: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)

    def events(self) -> list[str]:
        """Give the events in the order they came."""
        return [query["event"][0] for _path, query in self.calls]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            found.calls.append((parts.path, parse_qs(parts.query)))
            refused = len(found.calls) <= found.refuse
            self.send_response(500 if refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/webhooks/7?token=a%20b"
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


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
    for path, query in receiver.calls:
        assert path == "/webhooks/7"
        assert query["source"] == [f"http://localhost{task}"]
        assert query["token"] == ["a b"]
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


def test_a_hook_that_refuses_is_called_again(runner: Runner, receiver: Receiver) -> None:
    receiver.refuse = 1
    url = runner.submit("jobs@1/run/nothing/")
    runner.ended(url)
    subscribe(runner, url, receiver, "status")
    wait_for(lambda: receiver.events() == ["status", "status"])


def test_a_hook_that_is_not_there_harms_no_task(
    runner: Runner, receiver: Receiver
) -> None:
    receiver.url = "http://127.0.0.1:1/gone"
    task, href = waiting_quiz(runner)
    subscribe(runner, task, receiver, None)
    runner.client.post(href, data={"answer": "42"})
    assert runner.ended(task)["status"] == "SUCCESS"
