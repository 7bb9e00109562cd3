"""Chords of plugins' own jobs go on, whatever is killed or forgotten meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app_runner.db import DB
from app_runner.db.models import Message
from app_runner.launch.embedded import connect
from app_runner.state import state_of
from tests.conftest import PluginFolder
from tests.integration.conftest import Runner, RunnerFactory
from tests.polling import wait_for

pytestmark = pytest.mark.integration

PARTS = 4
PLUGIN = """
    import os
    import signal
    import time
    from pathlib import Path

    from celery import chord
    from flask import redirect, request, url_for

    from app_runner.plugin_api import (
        CELERY, PluginBase, ProcessingTask, SecurityBlueprint, save_task_error,
        save_task_result,
    )

    BLP = SecurityBlueprint("chords@1", __name__, description="Chords.")

    @CELERY.task(name="chords.part", bind=True)
    def part(self, number: int, db_id: int) -> int:
        go_on = Path(ProcessingTask.get_by_id(db_id).parameters)
        once = Path(f"{go_on}.{number}")
        if not once.exists():
            once.touch()
            if number == 1 and go_on.name == "dies":
                self.backend.on_chord_part_return = die
        while not go_on.exists():
            time.sleep(0.02)
        return number

    def die(*args, **options) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @CELERY.task(name="chords.total", bind=True)
    def total(self, numbers: list, db_id: int) -> str:
        return f"total {sum(numbers)}"

    @CELERY.task(name="chords.start", bind=True)
    def start(self, db_id: int) -> None:
        parts = [part.s(number, db_id=db_id) for number in range(%d)]
        body = total.s(db_id=db_id) | save_task_result.s(db_id=db_id)
        body.link_error(save_task_error.s(db_id=db_id))
        chord(parts, body).apply_async()

    @BLP.route("/process/", methods=["POST"])
    def run():
        task = ProcessingTask("chord", parameters=request.form["until"])
        task.save(commit=True)
        start.s(db_id=task.id).apply_async()
        return redirect(url_for("tasks-api.TaskView", task_id=task.id), 303)

    class Chords(PluginBase):
        name, version = "chords", "1"

        def get_api_blueprint(self):
            return BLP
"""


@pytest.fixture
def make(
    make_runner: RunnerFactory,
    own_broker: Callable[[], str],
    plugin_folder: PluginFolder,
) -> Callable[..., Runner]:
    """Make a runner with the plugin, whose worker does two jobs at a time."""
    plugin_folder.add("chords.py", PLUGIN % PARTS)
    settings = {"BROKER_URL": own_broker(), "LEASE_SECONDS": 2, "CONCURRENCY": 2}

    def make(**more: object) -> Runner:
        folders = [str(plugin_folder)]
        return make_runner(folders=folders, pool="prefork", **{**settings, **more})

    return make


def messages(runner: Runner) -> int:
    with runner.app.app_context():
        return DB.session.scalar(select(func.count()).select_from(Message)) or 0


def test_a_part_that_dies_before_it_is_counted_is_done_again(
    make: Callable[..., Runner], tmp_path: Path
) -> None:
    runner, go_on = make(), tmp_path / "dies"
    task = runner.submit("chords@1/process/", until=str(go_on))
    go_on.touch()
    document = runner.ended(task)
    assert (document["status"], document["log"]) == ("SUCCESS", "total 6")
    wait_for(lambda: messages(runner) == 0)


def test_with_results_in_an_emptied_broker_a_chord_fails(
    make: Callable[..., Runner], tmp_path: Path
) -> None:
    runner, go_on = make(), tmp_path / "x"
    task = runner.submit("chords@1/process/", until=str(go_on))
    wait_for(lambda: len(list(tmp_path.glob("x.*"))) == 2)
    with connect(str(state_of(runner.app).settings["BROKER_URL"])) as connection:
        connection.flushdb()
    go_on.touch()
    wait_for(lambda: runner.document(task)["status"] != "PENDING", 60)
    document = runner.document(task)
    assert document["status"] == "FAILURE"
    assert document["log"] == "The task has no result: no job of it is left."


def test_with_results_in_the_database_an_emptied_broker_loses_no_chord(
    make: Callable[..., Runner], tmp_path: Path
) -> None:
    runner, go_on = make(RESULT_BACKEND=f"db+sqlite:///{tmp_path}/r.db"), tmp_path / "x"
    task = runner.submit("chords@1/process/", until=str(go_on))
    wait_for(lambda: len(list(tmp_path.glob("x.*"))) == 2)
    with connect(str(state_of(runner.app).settings["BROKER_URL"])) as connection:
        connection.flushdb()
    go_on.touch()
    document = runner.ended(task)
    assert (document["status"], document["log"]) == ("SUCCESS", "total 6")
    wait_for(lambda: messages(runner) == 0)
