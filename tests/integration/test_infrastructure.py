"""The same work on every broker, database and pool that is promised."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app_runner.launch.embedded import packaged_program, server_program
from app_runner.state import state_of
from tests.fixtures import JOBS, PUBLISHED, VERSIONS
from tests.integration.conftest import Runner, RunnerFactory

pytestmark = pytest.mark.integration


def do_all_kinds_of_work(runner: Runner) -> None:
    """Run a processor, a chain with a file, one of several jobs, and failures."""
    report = runner.run("report@1/process/", word="größe 😀")
    assert report["status"] == "SUCCESS", report["log"]
    assert runner.content(report["outputs"][0]).decode() == "report about größe 😀"
    refused = runner.run("report@1/process/", word="x", fail="user")
    assert refused["status"] == "FAILURE"
    assert refused["log"].startswith("Choose another word.")
    greeting = runner.run("greeting@v0-3-0/process/", inputStr="Ada")
    assert runner.content(greeting["outputs"][0]) == b"Hello Ada"
    assert runner.run("jobs@1/run/count/")["status"] == "SUCCESS"
    assert runner.run("jobs@1/run/retry/")["log"] == "took 3 tries"
    assert runner.client.get("/plugins/jobs@1/ask/21/").get_json() == {"twice": 42}
    failed = runner.run("jobs@1/run/raise/")
    assert failed["status"] == "FAILURE"
    assert "this is wrong" in failed["log"]


def test_the_embedded_broker_and_sqlite_with_forked_children(runner: Runner) -> None:
    do_all_kinds_of_work(runner)
    if packaged_program():
        assert server_program(path="/nowhere") == packaged_program()


@pytest.mark.server
@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_redis_and_postgresql(
    make_runner: RunnerFactory, redis_url: str, postgres_url: str, pool: str
) -> None:
    settings = {"BROKER_URL": redis_url, "SQLALCHEMY_DATABASE_URI": postgres_url}
    do_all_kinds_of_work(make_runner(pool=pool, **settings))


@pytest.mark.server
def test_redis_and_mariadb_with_forked_children(
    make_runner: RunnerFactory, redis_url: str, mariadb_url: str
) -> None:
    settings = {"BROKER_URL": redis_url, "SQLALCHEMY_DATABASE_URI": mariadb_url}
    do_all_kinds_of_work(make_runner(pool="prefork", **settings))


@pytest.mark.server
def test_rabbitmq_and_sqlite(
    make_runner: RunnerFactory, rabbitmq_settings: dict[str, str]
) -> None:
    do_all_kinds_of_work(make_runner(pool="prefork", **rabbitmq_settings))


def test_two_runners_in_one_process_share_nothing(
    runner: Runner, make_runner: RunnerFactory, own_broker: Callable[[], str]
) -> None:
    folders = [str(VERSIONS), str(PUBLISHED)]
    other = make_runner(
        folders=folders, BROKER_URL=own_broker(), EXPOSURE="public", LOGIN_REQUIRED=False
    )
    for one in (runner, other):
        task = one.run("greeting@v0-3-0/process/", inputStr="Ada")
        assert one.content(task["outputs"][0]) == b"Hello Ada"
    assert runner.run("report@1/process/", word="x")["status"] == "SUCCESS"
    assert other.run("adder@1-9-0/process/", first="20", second="3")["log"] == "1.9.0: 23"
    assert runner.client.get("/plugins/adder@1-9-0/").status_code == 404
    assert other.client.get("/plugins/report@1/").status_code == 404
    foreign = other.submit("adder@1-9-0/process/", first="1")
    assert runner.client.get(foreign).status_code == 404
    first, second = (set(state_of(one.app).celery.tasks) for one in (runner, other))
    assert "report@1.write_report" in first - second
    assert "adder@1-9-0.add" in second - first
    assert str(JOBS) not in other.run("greeting@v0-3-0/process/", inputStr="raise")["log"]
