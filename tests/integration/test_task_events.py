"""Events of tasks and requests that wait, over HTTP from a server process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from playwright.sync_api import Page, expect

from tests.integration.conftest import running
from tests.integration.live import Event, Server, serving, stream
from tests.integration.talkers import talkers
from tests.polling import wait_for

pytestmark = pytest.mark.integration
TALK = "talker@1-0-0/process/"
STREAMS = 6


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, own_broker: Callable[[], str]
) -> Iterator[Server]:
    folder = talkers(tmp_path_factory.mktemp("talkers"))
    place = tmp_path_factory.mktemp("site")
    settings: dict[str, Any] = {"BROKER_URL": own_broker(), "EVENT_STREAMS": STREAMS}
    with (
        running(place, [str(folder)], pool="prefork", **settings) as runner,
        serving(runner.app, place) as found,
    ):
        yield found


def lines(events: list[Event]) -> list[str]:
    return [line for e in events if e.name == "log" for line in e.data["lines"]]


def until(events: Iterator[Event], is_last: Callable[[Event], bool]) -> list[Event]:
    found = []
    for event in events:
        found.append(event)
        if is_last(event):
            return found
    raise AssertionError(f"the stream ended: {found}")


def says(text: str) -> Callable[[Event], bool]:
    return lambda event: event.name == "log" and text in event.data["lines"]


def test_all_that_happens_comes_once_also_after_a_restart(
    server: Server, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    url = server.submit(TALK, words="hello", waitFor=str(go_on))
    with stream(url) as events:
        before = until(events, says("from a thread"))
        if not [event for event in before if event.name == "progress"]:
            before += until(events, lambda event: event.name == "progress")
    server.kill()
    go_on.touch()
    server.start()
    with stream(url, before[-1].id) as events:
        after = list(events)
    assert after[-1].name == "result"
    assert after[-1].data["status"] == "SUCCESS"
    assert [event.name for event in after].count("result") == 1
    every = before + after
    log = requests.get(f"{url}log", timeout=30).json()["lines"]
    assert lines(every) == log
    assert len({event.id for event in every if event.name == "log"}) == len(
        [event for event in every if event.name == "log"]
    )
    states = [event.data["state"] for event in every if event.name == "status"]
    assert states[-1] == "succeeded"
    assert "running" in states
    assert {"value": 1.0, "target": 4.0, "start": 0.0, "unit": "words"} in [
        event.data for event in every if event.name == "progress"
    ]
    headers = {"Last-Event-ID": after[-1].id}
    again = requests.get(f"{url}events", headers=headers, timeout=30)
    assert (again.status_code, again.content) == (204, b"")


def test_a_stream_of_a_finished_task_tells_all_and_ends(server: Server) -> None:
    url = server.submit(TALK, words="quick")
    with stream(url) as events:
        list(events)
    with stream(url) as events:
        names = [event.name for event in events]
    assert names[-2:] == ["status", "result"]
    assert "log" in names


def test_a_server_that_ends_ends_its_streams(server: Server, tmp_path: Path) -> None:
    url = server.submit(TALK, words="restart", waitFor=str(tmp_path / "go on"))
    with stream(url) as events:
        until(events, says("printed restart"))
        assert server.process.stop() == 0
        assert [event for event in events if event.name == "result"] == []
    server.start()
    (tmp_path / "go on").touch()
    with stream(url) as events:
        assert list(events)[-1].data["status"] == "SUCCESS"


def test_streams_are_limited_and_leave_other_requests_alone(
    server: Server, tmp_path: Path
) -> None:
    url = server.submit(TALK, words="many", waitFor=str(tmp_path / "go on"))
    with ExitStack() as stack:
        opened = [stack.enter_context(stream(url)) for _ in range(STREAMS)]
        for events in opened:
            next(events)
        refused = requests.get(f"{url}events", timeout=30)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert "?wait=" in refused.json()["message"]
        assert requests.get(url, params={"wait": 30}, timeout=5).status_code == 200
        (tmp_path / "go on").touch()
        assert {list(events)[-1].name for events in opened} == {"result"}
    wait_for(lambda: requests.get(f"{url}events", timeout=30).status_code == 200)


def test_clients_that_are_gone_hold_no_places(server: Server, tmp_path: Path) -> None:
    url = server.submit(TALK, words="reload", waitFor=str(tmp_path / "go on"))
    (forked,) = psutil.Process(server.process.pid).children()
    before = forked.num_threads()
    for _ in range(50):  # somebody reloads the page again and again
        with stream(url) as events:
            next(events)
    assert forked.num_threads() < before + 25
    with ExitStack() as stack:
        opened = [stack.enter_context(stream(url)) for _ in range(STREAMS)]
        assert all(next(events) for events in opened)
        (tmp_path / "go on").touch()
        assert {list(events)[-1].name for events in opened} == {"result"}


def test_a_server_soon_notices_that_a_client_is_gone(
    server: Server, tmp_path: Path
) -> None:
    def left() -> list[Any]:
        """Give the connections that only the server holds open."""
        (forked,) = psutil.Process(server.process.pid).children()
        return [one for one in forked.net_connections() if one.status == "CLOSE_WAIT"]

    url = server.submit(TALK, words="leave", waitFor=str(tmp_path / "go on"))
    with stream(url) as events:
        until(events, says("printed leave"))
    tag = requests.get(url, timeout=30).headers["ETag"]
    params, headers = {"wait": "30"}, {"If-None-Match": tag}
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, params=params, headers=headers, timeout=0.5)
    assert left()
    wait_for(lambda: not left(), 12, "the end of connections that nobody uses")
    (tmp_path / "go on").touch()


def test_a_request_that_waits_is_answered_at_the_change(
    server: Server, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    url = server.submit(TALK, words="wait", waitFor=str(go_on))
    with stream(url) as events:
        until(events, lambda event: event.name == "progress")
    now = requests.get(url, timeout=30)
    tag = {"If-None-Match": now.headers["ETag"]}
    same = requests.get(url, params={"wait": 0.2}, headers=tag, timeout=30)
    assert same.status_code == 304
    go_on.touch()
    changed = requests.get(url, params={"wait": 30}, headers=tag, timeout=30)
    assert changed.status_code == 200
    old = requests.get(url, params={"wait": 30}, headers=tag, timeout=30)
    assert old.status_code == 200
    final = wait_for(lambda: _final(url))
    began = time.monotonic()
    assert requests.get(url, params={"wait": 30}, timeout=30).json() == final
    assert time.monotonic() - began < 30


def _final(url: str) -> Any:
    document = requests.get(url, params={"wait": 10}, timeout=30).json()
    return document if document["status"] != "PENDING" else None


def test_wrong_waits_and_unknown_tasks(server: Server) -> None:
    url = server.submit(TALK, words="x")
    for wait in ("x", "-1", "nan"):
        assert requests.get(url, params={"wait": wait}, timeout=30).status_code == 422
    gone = f"{server.root}/tasks/1-aaaaaaaaaaaaaaaaaaaaaaaaaa/events"
    assert requests.get(gone, timeout=30).status_code == 404
    for odd in ("x", "9" * 19, "5-99999"):
        with stream(url, odd) as events:
            assert list(events)[-1].name == "result"


@pytest.mark.browser
def test_the_page_of_a_form_follows_its_task_and_runs_it_again(
    server: Server, page: Page, tmp_path: Path
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.root}/plugins/talker@1-0-0/ui/?words=seen")
    page.get_by_label("wait for").fill(str(tmp_path / "go on"))
    page.get_by_role("button", name="submit").click()
    page.get_by_text("Output").click()
    expect(page.locator(".task-output")).to_contain_text("printed seen")
    expect(page.get_by_text("1 / 4 words")).to_be_visible()
    (tmp_path / "go on").touch()
    expect(page.get_by_text("The task is finished.")).to_be_visible()
    tasks = [url for url in asked if "/tasks/" in url]
    assert len([url for url in tasks if url.endswith("/events")]) == 1
    assert len(tasks) < 12  # the events told, nobody asked again and again
    form = page.get_by_role("link", name="Open the form with these values")
    assert "words=seen" in (form.get_attribute("href") or "")
    with page.expect_request(lambda request: request.url.endswith("/events")) as again:
        page.get_by_role("button", name="Run again").click()
    assert again.value.url not in tasks
    expect(page.get_by_text("The task is finished.")).to_be_visible()


@pytest.mark.browser
def test_a_task_is_cancelled_from_its_page(
    server: Server, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{server.root}/plugins/talker@1-0-0/ui/?words=stop")
    page.get_by_label("wait for").fill(str(tmp_path / "never"))
    page.get_by_role("button", name="submit").click()
    expect(page.get_by_text("1 / 4 words")).to_be_visible()
    state = page.locator(".task-state")
    cancel = page.get_by_role("button", name="Cancel the task")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(state).to_have_text("The task was cancelled.")
    expect(cancel).to_be_hidden()
    expect(page.get_by_role("heading", name="Task")).to_be_focused()
    page.get_by_role("button", name="Run again").click()
    expect(state).to_have_text("The task is running.")
    page.get_by_role("button", name="Cancel the task").click()
    expect(state).to_have_text("The task was cancelled.")
