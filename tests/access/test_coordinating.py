"""Where users log in, a published plugin calls another one and goes on by webhook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from app_runner.bench.processes import free_port
from tests.access.test_two_users import Users
from tests.conftest import WorkerStarter
from tests.files.test_killed_server import serving
from tests.fixtures import COORDINATING, PUBLISHED
from tests.polling import wait_for

pytestmark = pytest.mark.integration
RELAY, GREETING = "/plugins/relay@v0-1-0/", "/plugins/greeting@v0-3-0/"


@pytest.fixture(params=["link", "login"])
def users(
    request: pytest.FixtureRequest,
    make_site: Any,
    embedded_broker_url: str,
    start_worker: WorkerStarter,
    tmp_path: Path,
) -> Iterator[Users]:
    site = make_site(
        EXPOSURE="private",
        READING=request.param,
        BROKER_URL=embedded_broker_url,
        PLUGIN_FOLDERS=[str(PUBLISHED), str(COORDINATING)],
    )
    start_worker(site.app, pool="threads")
    port = free_port()
    with serving(site.app, port, tmp_path / "server.log"):
        yield Users(f"http://127.0.0.1:{port}", site.tokens)


def relayed(users: Users, user: str, text: str) -> str:
    data = {"pluginUrl": f"{users.url}{GREETING}", "inputStr": text}
    answer = users.ask(user, "POST", f"{RELAY}process/", data=data)
    assert answer.status_code == 303, answer.text
    return urljoin(users.url, str(answer.headers["Location"]))


def document(users: Users, user: str, task: str) -> Any:
    return users.ask(user, "GET", task).json()


def ended(users: Users, user: str, task: str) -> Any:
    wait_for(
        lambda: document(users, user, task)["status"] != "PENDING",
        what=f"the end of the task of {user}",
    )
    return document(users, user, task)


def outcomes(users: Users, user: str, task: str) -> set[str | None]:
    """Give what became of the webhooks that told the relay of a task."""

    def told() -> list[Any]:
        found: list[Any] = document(users, user, f"{task}deliveries")["deliveries"]
        return found

    wait_for(lambda: all(one["outcome"] for one in told()), what="the deliveries")
    assert all(one["receiver"].startswith(f"{users.url}{RELAY}") for one in told())
    return {one["outcome"] for one in told()}


def test_each_user_has_a_plugin_call_another_for_them(users: Users) -> None:
    tasks = {user: relayed(users, user, f"to {user}") for user in ("ann", "bob")}
    for user, task in tasks.items():
        found = ended(users, user, task)
        assert found["status"] == "SUCCESS", found["log"]
        (output,) = found["outputs"]
        content = users.ask(user, "GET", output["href"])
        assert content.text == f"relayed: Hello to {user}"
        mine = users.listed(user)
        assert task in mine
        (called,) = mine - {task}
        assert outcomes(users, user, called) == {"delivered"}


def test_what_nobody_has_logged_in_for_is_refused_as_before(users: Users) -> None:
    answer = requests.post(f"{users.url}{RELAY}process/", timeout=20)
    assert answer.status_code == 401
