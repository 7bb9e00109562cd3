"""Submits that are repeated, too many, run again, or planned, from a server process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from app_runner.db import DB
from app_runner.db.models import Schedule
from app_runner.db.types import now
from app_runner.launch import commands
from app_runner.state import state_of
from tests.fixtures import PUBLISHED
from tests.integration.conftest import BARE_PATH, Runner, running
from tests.integration.live import Server, serving, stream
from tests.integration.talkers import talkers
from tests.polling import wait_for
from tests.processes import Running, environment

pytestmark = pytest.mark.integration
TALKER = "/plugins/talker@1-0-0/"
TALK = f"{TALKER}process/"
GREET = "/plugins/greeting@v0-3-0/process/"
#: Open tasks of the plugin that counts; the others have no limit.
MOST = 3


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, own_broker: Callable[[], str]
) -> Iterator[tuple[Runner, Server]]:
    folder = talkers(tmp_path_factory.mktemp("talkers"))
    folder.add(
        "waiter.py",
        """
        import time
        from pathlib import Path
        from app_runner.plugin_api import Plugin, Task, Upload, Password

        plugin = Plugin("waiter", "1.0.0")

        @plugin.processor()
        def wait(task: Task, until: str) -> str:
            while not Path(until).exists():
                time.sleep(0.02)
            return "done"

        keeper = Plugin("keeper", "1.0.0")

        @keeper.processor()
        def keep(task: Task, file: Upload(), key: Password(), count: int = 1) -> str:
            return f"{file.read_text()} {len(key)} {count}"
        """,
    )
    place = tmp_path_factory.mktemp("site")
    settings: dict[str, Any] = {
        "BROKER_URL": own_broker(),
        "PLUGIN_TASK_LIMITS": {"waiter": MOST},
    }
    folders = [str(folder), str(PUBLISHED)]
    with (
        running(place, folders, pool="prefork", **settings) as runner,
        serving(runner.app, place) as server,
    ):
        yield runner, server


@pytest.fixture(scope="module")
def server(site: tuple[Runner, Server]) -> Server:
    return site[1]


def post(server: Server, path: str, key: str = "", **options: Any) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    headers |= options.pop("headers", {})
    url = path if "://" in path else server.root + path
    return requests.post(
        url, headers=headers, allow_redirects=False, timeout=30, **options
    )


def result(server: Server, answer: requests.Response) -> dict[str, Any]:
    """Wait for the end of the task that an answer leads to."""
    assert answer.status_code == 303, answer.text
    with stream(server.root + answer.headers["Location"]) as events:
        document: dict[str, Any] = list(events)[-1].data
    return document


@pytest.mark.parametrize(
    ("path", "sent", "other"),
    [
        (TALK, {"words": "a"}, {"words": "b"}),
        (GREET, {"inputStr": "a"}, {"inputStr": "b"}),
    ],
)
@pytest.mark.parametrize("kind", ["data", "json", "files"])
def test_a_repeated_submit_gives_the_same_task(
    server: Server, path: str, sent: Any, other: Any, kind: str
) -> None:
    def body(values: Any) -> dict[str, Any]:
        if kind == "files":  # multipart: each body has another boundary
            return {"files": {name: (None, value) for name, value in values.items()}}
        return {kind: values}

    key = f"{path} {kind}".replace(" ", "-")
    first = post(server, path, key, **body(sent))
    again = post(server, path, key, **body(sent))
    assert (first.status_code, again.status_code) == (303, 303), first.text
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert post(server, path, key, **body(other)).status_code == 409
    after = post(server, path, key, **body(sent))
    assert after.headers["Location"] == first.headers["Location"]
    without = post(server, path, **body(sent)).headers["Location"]
    elsewhere = post(server, path, f"{key}-2", **body(sent)).headers["Location"]
    assert len({first.headers["Location"], without, elsewhere}) == 3


def test_many_at_once_with_one_key_start_one_task(server: Server) -> None:
    def submit(_number: int) -> requests.Response:
        return post(server, TALK, "at-once", data={"words": "once"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(16)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1


def test_many_at_once_with_one_key_and_other_parameters_start_one_task(
    server: Server,
) -> None:
    def submit(number: int) -> requests.Response:
        return post(server, TALK, "at-odds", data={"words": f"{number % 2}"})

    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(submit, range(24)), submit(0), submit(1)]
    started = [answer for answer in answers if answer.status_code == 303]
    assert {answer.status_code for answer in answers} == {303, 409}
    assert len(started) == 13
    assert len({answer.headers["Location"] for answer in started}) == 1


def test_a_refused_submit_does_not_use_its_key_up(server: Server) -> None:
    assert post(server, TALK, "refused", data={}).status_code == 422
    assert post(server, TALK, "refused", data={"words": "a"}).status_code == 303
    assert post(server, TALK, "ä".encode().decode("latin-1")).status_code == 400
    assert post(server, TALK, "x" * 256, data={"words": "a"}).status_code == 400


def test_plugins_have_only_so_many_open_tasks(server: Server, tmp_path: Path) -> None:
    path, sent = "/plugins/waiter@1-0-0/process/", {"until": str(tmp_path / "go on")}

    def submit(_number: int) -> requests.Response:
        return post(server, path, data=sent)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(12)))
    accepted = [answer for answer in answers if answer.status_code == 303]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(accepted), len(refused)) == (MOST, 12 - MOST)
    assert int(refused[0].headers["Retry-After"]) > 0
    assert str(MOST) in refused[0].json()["message"]
    page = post(server, path, data=sent, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Retry-After"]) == (429, "5")
    assert "text/html" in page.headers["Content-Type"]
    assert str(MOST) in page.text
    assert post(server, TALK, data={"words": "others may"}).status_code == 303
    (tmp_path / "go on").touch()
    assert {result(server, answer)["status"] for answer in accepted} == {"SUCCESS"}
    assert submit(0).status_code == 303


def rerun(server: Server, task: requests.Response, **more: Any) -> requests.Response:
    url = server.root + task.headers["Location"]
    headers = more.pop("headers", {})
    return post(server, url, json={"command": "rerun", **more}, headers=headers)


def test_a_task_is_run_again_with_the_same_or_changed_parameters(server: Server) -> None:
    first = post(server, TALK, data={"words": "again", "key": "hunter2"})
    told = result(server, first)["execution"]["parameters"]
    assert told == {"words": "again", "waitFor": "", "end": "", "key": "***"}
    same = result(server, rerun(server, first))
    assert same["log"] == "told again ***\ndone"
    assert same["execution"]["parameters"] == told
    changed = result(server, rerun(server, first, parameters={"words": "new"}))
    assert changed["log"] == "told new ***\ndone"
    twice = [rerun(server, first, headers={"Idempotency-Key": "rerun"}) for _ in range(2)]
    assert twice[0].headers["Location"] == twice[1].headers["Location"]
    wrong = rerun(server, first, parameters={"words": ["a", "list"]})
    assert wrong.status_code == 422, wrong.text


def test_files_and_passwords_are_sent_again(server: Server) -> None:
    sent: Any = {
        "files": {"file": ("a.txt", b"content")},
        "data": {"key": "abc", "count": 2},
    }
    first = post(server, "/plugins/keeper@1-0-0/process/", **sent)
    assert result(server, first)["log"] == "content 3 2"
    assert result(server, rerun(server, first))["log"] == "content 3 2"
    changed = rerun(server, first, parameters={"count": 5})
    assert result(server, changed)["log"] == "content 3 5"


def test_a_published_plugins_task_is_run_again(server: Server) -> None:
    first = post(server, GREET, data={"inputStr": "Ada"})
    assert result(server, first)["log"] == "result: 'Ada'"
    assert result(server, rerun(server, first))["log"] == "result: 'Ada'"
    changed = rerun(server, first, parameters={"inputStr": "Bob"})
    assert result(server, changed)["log"] == "result: 'Bob'"


def schedule(server: Server, **values: Any) -> requests.Response:
    wanted = {"plugin": "talker@1-0-0", "cron": "0 0 1 1 *", **values}
    return requests.post(f"{server.root}/schedules/", json=wanted, timeout=30)


@pytest.fixture
def second_worker(site: tuple[Runner, Server], tmp_path: Path) -> Iterator[Running]:
    """Run another worker, which looks for schedules too."""
    settings = state_of(site[0].app).settings
    options = commands.WorkerOptions(name=f"second-{os.getpid()}", pool="threads")
    variables = {**environment(settings), **BARE_PATH}
    command = commands.worker(options, settings)
    worker = Running(command, variables, tmp_path / "second.log")
    worker.wait_until_printed(" ready.")
    yield worker
    worker.stop(by=signal.SIGQUIT)


def test_a_schedule_runs_once_however_many_look(
    site: tuple[Runner, Server], second_worker: Running
) -> None:
    runner, server = site
    made = schedule(server, parameters={"words": "planned", "key": "hunter2"})
    assert made.status_code == 201, made.text
    href = made.headers["Location"]
    assert made.json()["entryPoint"] == TALK
    assert made.json()["parameters"] == {"words": "planned", "key": "***"}
    assert (
        made.json()
        in requests.get(f"{server.root}/schedules/", timeout=30).json()["schedules"]
    )
    with runner.app.app_context():  # it was due three times while nobody looked
        row = DB.session.scalars(select(Schedule).filter_by(plugin="talker@1-0-0")).one()
        assert "hunter2" not in json.dumps(row.parameters)
        row.next_run_at = now() - timedelta(days=900)
        row.save(commit=True)

    def ran() -> dict[str, Any] | None:
        document: dict[str, Any] = requests.get(href, timeout=30).json()
        return document if document["lastTask"] else None

    document = wait_for(ran, what="the run")
    assert document is not None
    assert document["nextRunAt"] > now().isoformat()
    assert document["problem"] is None
    with stream(document["lastTask"]) as events:
        task = list(events)[-1].data
    assert task["log"] == "told planned ***\ndone"
    listed = requests.get(f"{server.root}/tasks/?plugin=talker@1-0-0", timeout=30).json()
    started = [
        requests.get(entry["href"], timeout=30).json()["execution"]["parameters"]
        for entry in listed["tasks"]
    ]
    assert len([each for each in started if each["words"] == "planned"]) == 1
    assert requests.delete(href, timeout=30).status_code == 204
    assert requests.get(href, timeout=30).status_code == 404


def test_a_run_that_is_refused_is_a_problem_of_its_schedule(
    site: tuple[Runner, Server],
) -> None:
    runner, server = site
    href = schedule(server, parameters={}).headers["Location"]
    with runner.app.app_context():
        row = DB.session.scalars(select(Schedule)).one()
        row.next_run_at = now() - timedelta(minutes=1)
        row.save(commit=True)
    document = wait_for(
        lambda: (found := requests.get(href, timeout=30).json())["problem"] and found
    )
    assert "words" in document["problem"]
    assert document["lastTask"] is None
    assert document["nextRunAt"] > now().isoformat()
    requests.delete(href, timeout=30)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"cron": "every minute please now"}, "cron"),
        ({"plugin": "nobody@1"}, "plugin"),
        ({"entryPoint": "/tasks/"}, "entryPoint"),
        ({"entryPoint": "/plugins/talker@1-0-0/../other/"}, "entryPoint"),
    ],
)
def test_wrong_schedules_are_refused(server: Server, wrong: Any, field: str) -> None:
    answer = schedule(server, **wrong)
    assert answer.status_code == 422, answer.text
    assert set(answer.json()["errors"]["json"]) == {field}
