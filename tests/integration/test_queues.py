"""Fair turns, priorities, and workers that serve some plugins only."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask

from app_runner.state import state_of
from app_runner.tasks import cli
from tests.conftest import AppFactory, PluginFolder, WorkerStarter
from tests.polling import wait_for
from tests.processes import run_program

pytestmark = pytest.mark.integration
PLUGIN = """
    from app_runner.plugin_api import Plugin, Task

    plugin = Plugin("{name}", "1")

    @plugin.processor()
    def work(task: Task) -> str:
        return "done"

    @plugin.processor(priority=9)
    def urgent(task: Task) -> str:
        return "done"
"""
MANY = 12


@pytest.fixture
def folder(plugin_folder: PluginFolder) -> str:
    """Give a folder with two plugins."""
    for name in ("busy", "other"):
        plugin_folder.add(f"{name}.py", PLUGIN.format(name=name))
    return str(plugin_folder)


@pytest.fixture
def site(make_app: AppFactory, folder: str, broker_settings: dict[str, str]) -> Flask:
    """Give an app, on each broker in turn."""
    return make_app(PLUGIN_FOLDERS=[folder], **broker_settings)


def submit(site: Flask, path: str) -> str:
    answer = site.test_client().post(f"/plugins/{path}process/", data={})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def execution(site: Flask, url: str) -> dict[str, Any]:
    found: dict[str, Any] = site.test_client().get(url).get_json()["execution"]
    return found


def finished_at(site: Flask, url: str) -> Any:
    return execution(site, url)["finishedAt"]


def ended(site: Flask, *urls: str) -> list[str]:
    """Wait for the end of tasks, and give them in the order in which they began."""
    for url in urls:
        wait_for(partial(finished_at, site, url), what=url)
    return sorted(urls, key=lambda url: execution(site, url)["attempts"][0]["startedAt"])


def test_plugins_get_turns_and_urgent_jobs_go_first(
    site: Flask, start_worker: WorkerStarter
) -> None:
    busy = [submit(site, "busy@1/") for _ in range(MANY)]
    other = submit(site, "other@1/")
    urgent = submit(site, "busy@1/urgent/")
    start_worker(site, pool="threads", concurrency=1)
    order = ended(site, *busy, other, urgent)
    # a worker takes a message or two before it knows what else there is
    assert order.index(other) < MANY / 2
    assert order.index(urgent) < MANY / 2


def test_a_worker_may_serve_some_plugins_only(
    site: Flask, start_worker: WorkerStarter
) -> None:
    one, two = submit(site, "busy@1/"), submit(site, "other@1/")
    start_worker(site, pool="threads", WORKER_PLUGINS=["other"])
    ended(site, two)
    assert execution(site, one)["state"] == "queued"
    printed = run_program(
        "flask",
        "--app",
        "app_runner",
        "tasks",
        "queues",
        settings=state_of(site).settings,
    )
    rows = {line.split()[-1]: line.split() for line in printed.stdout.splitlines()}
    assert rows["busy@1"][1:3] == ["1", "-"], printed
    assert rows["other@1"][1] == "0", printed
    assert rows["other@1"][2].startswith("test-"), printed
    start_worker(site, pool="threads", queues=rows["busy@1"][0])
    ended(site, one)


def test_emptying_the_queues_empties_those_of_plugins(
    site: Flask, start_worker: WorkerStarter
) -> None:
    tasks = [submit(site, "busy@1/") for _ in range(3)]
    name = state_of(site).queues.place("busy@1.work").queue
    celery = state_of(site).celery
    assert cli.waiting(celery, name) == 3
    printed = run_program(
        *("flask", "--app", "app_runner", "tasks", "queues", "--empty"),
        settings=state_of(site).settings,
    )
    assert printed.stdout.startswith("3 messages were deleted."), printed
    assert cli.waiting(celery, name) == 0
    start_worker(site, pool="threads")
    ended(site, *tasks)


def test_a_worker_of_green_threads(
    make_app: AppFactory, folder: str, broker_url: str, start_worker: WorkerStarter
) -> None:
    site = make_app(PLUGIN_FOLDERS=[folder], BROKER_URL=broker_url)
    start_worker(site, pool="gevent", concurrency=20)
    tasks = [submit(site, "busy@1/") for _ in range(MANY)]
    assert sorted(ended(site, *tasks)) == sorted(tasks)
