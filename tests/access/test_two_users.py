"""Two users and an admin at a live server: what is whose."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from app_runner.bench.processes import free_port
from tests.access.conftest import PROCESS
from tests.conftest import WorkerStarter
from tests.files.test_killed_server import serving
from tests.polling import wait_for

CANCEL = {"command": "cancel"}
FOLLOW = {"command": "subscribe", "webhookHref": "http://hooks.example/x"}


class Users:
    """Sends requests as one of the users."""

    def __init__(self, url: str, tokens: dict[str, str]) -> None:
        self.url, self.tokens = url, tokens

    def ask(self, user: str | None, method: str, path: str, **more: Any) -> Any:
        url = path if path.startswith("http") else f"{self.url}{path}"
        headers = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
        return requests.request(
            method, url, headers=headers, timeout=20, allow_redirects=False, **more
        )

    def submit(self, user: str, text: str) -> str:
        answer = self.ask(user, "POST", PROCESS, data={"text": text})
        assert answer.status_code == 303, answer.text
        return urljoin(self.url, str(answer.headers["Location"]))

    def listed(self, user: str) -> set[str]:
        answer = self.ask(user, "GET", "/tasks/")
        return {task["href"] for task in answer.json()["tasks"]}


@pytest.fixture
def users(
    make_site: Any,
    embedded_broker_url: str,
    start_worker: WorkerStarter,
    tmp_path: Path,
) -> Iterator[Users]:
    site = make_site(READING="login", BROKER_URL=embedded_broker_url)
    start_worker(site.app, pool="threads")
    port = free_port()
    with serving(site.app, port, tmp_path / "server.log"):
        yield Users(f"http://127.0.0.1:{port}", site.tokens)


def test_nobody_sees_reads_cancels_or_follows_the_work_of_others(users: Users) -> None:
    tasks = {user: users.submit(user, f"of {user}") for user in ("ann", "bob")}
    assert users.listed("ann") == {tasks["ann"]}
    assert users.listed("bob") == {tasks["bob"]}
    assert users.listed("root") == set(tasks.values())

    hers = tasks["ann"]
    stranger: tuple[tuple[str, str, Any], ...] = (
        ("GET", hers, {}),
        ("GET", f"{hers}events", {}),
        ("GET", f"{hers}log", {}),
        ("GET", f"{hers}deliveries", {}),
        ("GET", f"{hers}?wait=1", {}),
        ("POST", hers, {"json": FOLLOW}),
        ("POST", hers, {"json": CANCEL}),
        ("DELETE", hers, {}),
    )
    for method, url, more in stranger:
        assert users.ask("bob", method, url, **more).status_code in (403, 405), url
        assert users.ask(None, method, url, **more).status_code in (401, 405), url

    def ended(user: str) -> bool:
        return bool(users.ask(user, "GET", hers).json()["status"] != "PENDING")

    wait_for(lambda: ended("ann"), what="the end of the task")
    assert ended("root")
    with contextlib.closing(
        users.ask("root", "GET", f"{hers}events", stream=True)
    ) as got:
        assert got.status_code == 200
    assert users.ask("ann", "POST", hers, json=CANCEL).status_code == 409
    assert users.ask("root", "POST", hers, json=FOLLOW).status_code == 200


def test_files_of_others_are_closed_and_uploads_are_owned(users: Users) -> None:
    content = {"file": ("a.txt", b"hello", "text/plain")}
    made = users.ask("ann", "POST", "/files/", files=content)
    assert made.status_code in (200, 201), made.text
    url = made.headers.get("Location") or made.json()["href"]
    assert users.ask("ann", "GET", url).status_code == 200
    assert users.ask("bob", "GET", url).status_code == 403
    assert users.ask(None, "GET", url).status_code == 401
    assert users.ask("bob", "DELETE", url).status_code == 403
    assert users.ask("root", "GET", url).status_code == 200
    assert users.ask("ann", "DELETE", url).status_code in (200, 204)
