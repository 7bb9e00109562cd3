"""The database goes away while a worker works: its tasks end all the same."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text, update

from app_runner.db import DB
from app_runner.db.models import ProcessingTask
from app_runner.errors import TaskFinished
from app_runner.tasks import records
from app_runner.tasks.patience import DATABASE_AWAY
from tests.conftest import AppFactory
from tests.fixtures import VERSIONS
from tests.integration.conftest import RunnerFactory, freeze
from tests.tasks.test_unavailable import locked

pytestmark = pytest.mark.integration


def test_jobs_wait_for_a_locked_database(
    make_runner: RunnerFactory, own_broker: Callable[[], str]
) -> None:
    runner = make_runner(BROKER_URL=own_broker(), DATABASE_TIMEOUT=1)
    go_on = freeze(runner)
    report = runner.submit("report@1/process/", word="patience")
    chain = runner.submit("jobs@1/run/nothing/")
    with locked(runner.app):
        go_on()
        runner.worker.wait_until_printed("database is locked")
    for task in (report, chain):
        assert runner.ended(task)["status"] == "SUCCESS"
    assert runner.document(report)["outputs"]


def test_a_database_that_takes_no_writes_is_away_and_then_works_again(
    make_app: AppFactory, postgres_url: str
) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=postgres_url, PLUGIN_FOLDERS=[str(VERSIONS)])
    with app.app_context():
        name = DB.engine.url.database

    def set_read_only(state: str) -> None:
        change = f"ALTER DATABASE {name} SET default_transaction_read_only = {state}"
        with app.app_context():
            with DB.engine.begin() as connection:
                connection.execute(text("SET TRANSACTION READ WRITE"))
                connection.execute(text(change))
            DB.engine.dispose()  # it holds for new connections

    def submit() -> int:
        path = "/plugins/adder@1-9-0/process/"
        return app.test_client().post(path, data={"first": "1"}).status_code

    set_read_only("on")
    assert submit() == 503
    with app.app_context(), pytest.raises(DATABASE_AWAY):
        DB.session.execute(update(ProcessingTask).values(task_name="x"))
    set_read_only("off")
    assert submit() == 303
    with app.app_context():
        DB.engine.dispose()


def outcomes_of(app: Flask, act: Callable[[int], str], count: int = 6) -> list[str]:
    """Do something in as many threads at the same time and give what each got."""
    barrier, found = threading.Barrier(count), [""] * count

    def work(number: int) -> None:
        with app.app_context():
            barrier.wait(10)
            found[number] = act(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with app.app_context():
        DB.engine.dispose()
    return found


def test_of_many_who_end_a_task_one_is_heard(
    make_app: AppFactory, any_database_url: str
) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=any_database_url)
    with app.app_context():
        task_id = records.start("x")

    def end(number: int) -> str:
        try:
            records.succeed(task_id, f"by {number}")
        except TaskFinished:
            return "late"
        return f"by {number}"

    found = outcomes_of(app, end)
    (heard,) = set(found) - {"late"}
    assert found.count(heard) == 1
    with app.app_context():
        assert records.get(task_id).task_log == heard


def test_of_many_who_claim_a_task_one_gets_it(
    make_app: AppFactory, any_database_url: str
) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=any_database_url)
    with app.app_context():
        task_id = records.start("x")

    def claim(number: int) -> str:
        attempt = records.claim(task_id, worker=str(number), publication_key=None)
        return str(attempt and attempt.number)

    assert sorted(outcomes_of(app, claim)) == ["1", *["None"] * 5]
