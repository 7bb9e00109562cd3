"""Whatever is killed, an accepted task ends, once: real workers, real signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, select, text, update

from app_runner.db import DB
from app_runner.db.models import Message, WorkerSign
from app_runner.db.types import now
from app_runner.launch.embedded import connect
from app_runner.state import state_of
from app_runner.tasks import canary
from tests.conftest import PluginFolder
from tests.integration.conftest import Runner, RunnerFactory, freeze
from tests.polling import wait_for
from tests.processes import Running

pytestmark = pytest.mark.integration

LEASE = 2  # seconds
PLUGIN = '''
    import os
    import signal
    import time
    from http import HTTPStatus
    from pathlib import Path

    from flask import redirect, request, url_for

    from app_runner.plugin_api import (
        CELERY, Output, Plugin, PluginBase, ProcessingTask, SecurityBlueprint, Task,
        check_lease, save_task_error, save_task_result,
    )

    BLP = SecurityBlueprint("chains@1", __name__, description="Chains.")
    holds = Plugin("holds", "1")

    def wait(path):
        with open(f"{path}.begun", "a") as file:
            file.write(f"{os.getpid()}\\n")
        while not Path(path).exists():
            time.sleep(0.02)

    @holds.processor(outputs=[Output("a.txt")])
    def hold(task: Task, until: str) -> str:
        """Wait for a file."""
        task.save("a.txt", f"attempt {task.attempt}")
        wait(until)
        return "held"

    @holds.processor(repeatable=False)
    def once(task: Task, until: str) -> str:
        """Wait for a file, and never twice."""
        wait(until)
        return "held"

    @CELERY.task(name="chains.hold", bind=True)
    def hold_job(self, db_id: int) -> str:
        wait(ProcessingTask.get_by_id(db_id).parameters)
        return "job"

    @CELERY.task(name="chains.second", bind=True)
    def second(self, text: str, db_id: int) -> str:
        wait(ProcessingTask.get_by_id(db_id).parameters)
        return f"{text}, second"

    @CELERY.task(name="chains.guarded", bind=True)
    def guarded(self, db_id: int) -> None:
        path = ProcessingTask.get_by_id(db_id).parameters
        wait(path)
        check_lease()
        with open(f"{path}.written", "a") as file:
            file.write(f"{os.getpid()}\\n")

    @CELERY.task(name="chains.die", bind=True)
    def die(self, db_id: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @CELERY.task(name="chains.fail", bind=True)
    def fail(self, db_id: int) -> None:
        raise ValueError("wrong")

    @BLP.route("/<string:name>/process/", methods=["POST"])
    def run(name: str):
        task = ProcessingTask(name, parameters=request.form.get("until", ""))
        task.save(commit=True)
        jobs = {"hold": hold_job, "guarded": guarded, "die": die, "fail": fail}
        chain = jobs[name].s(db_id=task.id)
        if name == "hold":
            chain |= second.s(db_id=task.id)
        chain |= save_task_result.s(db_id=task.id)
        chain.link_error(save_task_error.s(db_id=task.id))
        chain.apply_async()
        return redirect(url_for("tasks-api.TaskView", task_id=task.id), 303)

    class Chains(PluginBase):
        name, version = "chains", "1"

        def get_api_blueprint(self):
            return BLP
'''
MakeFast = Callable[..., Runner]


@pytest.fixture
def fast(
    make_runner: RunnerFactory,
    own_broker: Callable[[], str],
    plugin_folder: PluginFolder,
) -> MakeFast:
    """Make a runner with short leases; its worker does two jobs at a time."""
    plugin_folder.add("durable.py", PLUGIN)

    def make(**settings: object) -> Runner:
        given: dict[str, Any] = {"pool": "prefork", "LEASE_SECONDS": LEASE, **settings}
        given.setdefault("BROKER_URL", own_broker())
        return make_runner(folders=[str(plugin_folder)], **given)

    return make


def begun(path: Path, times: int = 1) -> list[int]:
    """Wait until jobs have begun to wait for ``path``, and give their processes."""
    file = Path(f"{path}.begun")

    def lines() -> list[str]:
        return file.read_text().split() if file.exists() else []

    wait_for(lambda: len(lines()) >= times, what=f"{times} x {path}")
    return [int(pid) for pid in lines()]


def outcomes(runner: Runner, task: str) -> list[str]:
    return [one["outcome"] for one in runner.document(task)["execution"]["attempts"]]


def kill_worker(runner: Runner, children: list[int]) -> None:
    """Kill the worker, and wait until the processes of its jobs have noticed."""
    os.kill(runner.worker.pid, signal.SIGKILL)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def messages(runner: Runner) -> int:
    with runner.app.app_context():
        return len(DB.session.scalars(select(Message.id)).all())


def test_what_a_killed_worker_ran_is_begun_anew(fast: MakeFast, tmp_path: Path) -> None:
    runner, one, other = fast(), tmp_path / "one", tmp_path / "other"
    task = runner.submit("holds@1/process/", until=str(one))
    chain = runner.submit("chains@1/hold/process/", until=str(other))
    kill_worker(runner, [*begun(one), *begun(other)])
    one.touch()
    other.touch()
    runner.start_worker()
    assert runner.ended(task)["status"] == "SUCCESS"
    assert outcomes(runner, task) == ["no sign of life", "succeeded"]
    assert runner.ended(chain)["log"] == "job, second"
    wait_for(lambda: messages(runner) == 0)


def test_what_may_not_be_repeated_fails_with_its_worker(
    fast: MakeFast, tmp_path: Path
) -> None:
    runner, path = fast(), tmp_path / "x"
    task = runner.submit("holds@1/once/process/", until=str(path))
    kill_worker(runner, begun(path))
    path.touch()
    runner.start_worker()
    ended = runner.ended(task)
    assert ended["status"] == "FAILURE"
    assert "worker was lost while it ran" in ended["log"]
    assert len(begun(path)) == 1


def test_a_job_that_kills_itself_each_time_fails_at_last(fast: MakeFast) -> None:
    runner = fast()
    ended = runner.run("chains@1/die/process/")
    assert ended["status"] == "FAILURE"
    assert "tried 3 times; each time the worker was killed (signal 9" in ended["log"]
    wait_for(lambda: messages(runner) == 0)


def overtaken(runner: Runner, job: str, path: Path) -> tuple[str, Running, int]:
    """Freeze the worker in a job until another one has done it.

    Gives the URL of the task, the other worker, and the process that did the job.
    """
    task = runner.submit(f"{job}/process/", until=str(path))
    (child,) = begun(path)
    go_on = freeze(runner, child)
    other = runner.start_worker()
    pid = begun(path, times=2)[1]
    path.touch()
    assert runner.ended(task)["status"] == "SUCCESS"
    go_on()
    return task, other, pid


def test_the_late_result_of_a_frozen_worker_is_refused(
    fast: MakeFast, tmp_path: Path
) -> None:
    runner = fast()
    task, other, _pid = overtaken(runner, "holds@1", tmp_path / "x")
    runner.worker.wait_until_printed("Refused: attempt 1 no longer holds task")
    (output,) = runner.document(task)["outputs"]
    assert runner.content(output) == b"attempt 2"
    assert outcomes(runner, task) == ["no sign of life", "succeeded"]
    assert other.process.poll() is None


def test_a_job_of_a_plugin_can_ask_whether_it_was_lost(
    fast: MakeFast, tmp_path: Path
) -> None:
    runner, path = fast(), tmp_path / "x"
    _task, _other, pid = overtaken(runner, "chains@1/guarded", path)
    runner.worker.wait_until_printed("chains.guarded no longer holds its message")
    assert Path(f"{path}.written").read_text() == f"{pid}\n"


def test_an_emptied_broker_loses_nothing(fast: MakeFast, tmp_path: Path) -> None:
    runner, path = fast(), tmp_path / "x"
    tasks = [
        runner.submit(f"{kind}/process/", until=str(path))
        for kind in ("holds@1", "chains@1/hold") * 10
    ]
    begun(path, times=2)
    with connect(str(state_of(runner.app).settings["BROKER_URL"])) as connection:
        connection.flushdb()
    path.touch()
    assert {runner.ended(task)["status"] for task in tasks} == {"SUCCESS"}
    wait_for(lambda: messages(runner) == 0)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_is_asked_to_end_hands_its_jobs_back(
    fast: MakeFast, tmp_path: Path, pool: str
) -> None:
    runner, path = fast(WORKER_GRACE=1, pool=pool), tmp_path / "x"
    task = runner.submit("holds@1/process/", until=str(path))
    begun(path)
    assert runner.worker.stop() == 0
    runner.start_worker()
    begun(path, times=2)
    path.touch()
    assert runner.ended(task)["status"] == "SUCCESS"
    assert outcomes(runner, task) == ["handed back", "succeeded"]


def test_a_failure_is_told_though_the_result_backend_forgot_it(fast: MakeFast) -> None:
    runner = fast(RESULT_BACKEND="disabled://")
    assert "wrong" in runner.run("chains@1/fail/process/")["log"]


@pytest.fixture(params=["redis, postgres", "rabbitmq, mariadb"])
def served(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give the settings of real servers."""
    broker, database = request.param.split(", ")
    url = request.getfixturevalue(f"{database}_url")
    found = {"SQLALCHEMY_DATABASE_URI": url}
    if broker == "redis":
        return {**found, "BROKER_URL": request.getfixturevalue("redis_url")}
    return {**dict(request.getfixturevalue("rabbitmq_settings")), **found}


@pytest.mark.server
def test_on_servers_a_killed_worker_loses_nothing(
    fast: MakeFast, served: dict[str, str], tmp_path: Path
) -> None:
    runner, path = fast(**served), tmp_path / "x"
    tasks = [
        runner.submit(f"{kind}/process/", until=str(path))
        for kind in ("holds@1", "chains@1/hold") * 4
    ]
    begun(path, times=2)
    os.kill(runner.worker.pid, signal.SIGKILL)
    path.touch()
    runner.start_worker()
    assert {runner.ended(task)["status"] for task in tasks} == {"SUCCESS"}
    wait_for(lambda: messages(runner) == 0)
    ends = [
        outcome
        for task in tasks
        for outcome in outcomes(runner, task)
        if outcome == "succeeded"
    ]
    assert len(ends) == 4


@pytest.mark.server
def test_a_worker_takes_no_work_while_its_database_is_away(
    fast: MakeFast, postgres_url: str, tmp_path: Path
) -> None:
    runner, path = fast(SQLALCHEMY_DATABASE_URI=postgres_url), tmp_path / "x"
    running = runner.submit("holds@1/process/", until=str(path))
    begun(path)
    url = make_url(postgres_url)
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as server:
        server.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false"))
        server.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=:n"
            ),
            {"n": url.database},
        )
        runner.worker.wait_until_printed("no work is taken until it does")
        path.touch()
        server.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true"))
    admin.dispose()
    runner.worker.wait_until_printed("work is taken\n")
    assert runner.ended(running)["status"] == "SUCCESS"
    assert runner.run("holds@1/process/", until=str(path))["status"] == "SUCCESS"


def test_a_worker_that_hears_nothing_is_reported(fast: MakeFast) -> None:
    runner = fast()

    def ready() -> Any:
        return runner.client.get("/health/ready").get_json()

    wait_for(lambda: ready()["checks"]["workers"] == "ok")
    with runner.app.app_context():
        sent = now() - canary.EVERY
        DB.session.execute(update(WorkerSign).values(deaf_since=sent))
        DB.session.commit()
    assert ready()["status"] == "unavailable"
    assert ready()["checks"]["workers"].startswith("alive but deaf: test-")
