"""The reaper: what nobody works on ends, what somebody works on is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError
from flask import Flask
from sqlalchemy import select, update

from app_runner.db import DB
from app_runner.db.models import Message, ProcessingTask
from app_runner.db.types import now
from app_runner.state import state_of
from app_runner.tasks import duty, records
from app_runner.tasks.minder import Job
from app_runner.tasks.reaper import Reaper
from tests.tasks.conftest import claim, document


def put_off(task_id: int, hours: int) -> None:
    due = now() - timedelta(hours=hours)
    DB.session.execute(
        update(ProcessingTask)
        .where(ProcessingTask.id == task_id)
        .values(lease_expires_at=due)
    )
    DB.session.commit()


@pytest.mark.parametrize(("hours", "status"), [(1, "PENDING"), (25, "FAILURE")])
def test_a_task_whose_job_no_worker_knows_ends_after_a_day(
    app: Flask, hours: int, status: str
) -> None:
    task_id = records.start("removed@1.work")
    put_off(task_id, hours)
    Reaper(app).end_unknown()
    assert document(app, task_id)["status"] == status


def test_a_lease_that_is_over_is_taken_away(app: Flask) -> None:
    task_id = records.start("works@1.work", parameters='{"do": "good"}')
    attempt = claim(task_id)
    Reaper(app).end_silent()
    assert document(app, task_id)["execution"]["state"] == "running"
    put_off(task_id, 1)
    Reaper(app).end_silent()
    execution = document(app, task_id)["execution"]
    assert (execution["state"], execution["attempt"]) == ("queued", 1)
    assert claim(task_id).number == attempt.number + 1


def left_task(**columns: object) -> int:
    """Make a task as published plugins do, whose jobs are in the journal or nowhere."""
    task = ProcessingTask("x", **columns)
    task.save(commit=True)
    DB.session.info.clear()
    return task.id


def end_left(app: Flask, task_id: int, rounds: int = 2) -> dict[str, Any]:
    reaper = Reaper(app)
    for _round in range(rounds):
        reaper.end_left()
    return document(app, task_id)


def test_a_task_without_a_job_ends_when_it_is_seen_twice(app: Flask) -> None:
    task_id = left_task()
    assert end_left(app, task_id)["status"] == "PENDING"
    put_off(task_id, 0)
    assert end_left(app, task_id, 1)["status"] == "PENDING"
    found = end_left(app, task_id)
    assert (found["status"], found["execution"]["state"]) == ("FAILURE", "failed")
    assert found["log"] == "The task has no result: no job of it is left."


def test_an_old_task_that_never_had_a_job_ends(app: Flask) -> None:
    task_id = left_task(started_at=now() - timedelta(hours=25))
    assert end_left(app, task_id)["status"] == "FAILURE"


def test_a_task_that_changes_or_waits_or_has_a_job_is_let_be(app: Flask) -> None:
    waits, changes, has_a_job = left_task(), left_task(), left_task()
    records.get(waits).add_next_step("h", "u", "s", commit=True)
    state_of(app).celery.send_task("app-runner.add-step", kwargs={"db_id": has_a_job})
    reaper = Reaper(app)
    for task_id in (waits, changes, has_a_job):
        put_off(task_id, 1)
    for number in range(3):
        reaper.end_left()
        records.get(changes).add_task_log_entry(str(number), commit=True)
    for task_id in (waits, changes, has_a_job):
        assert document(app, task_id)["status"] == "PENDING"


def test_a_message_that_was_called_off_ends_its_task(app: Flask) -> None:
    task_id = records.start("x")
    state_of(app).celery.send_task("app-runner.add-step", kwargs={"db_id": task_id})
    (message,) = DB.session.scalars(select(Message).where(Message.task_id == task_id))
    job = Job(
        name=message.name,
        message_id="m",
        publication_key=message.publication_key,
        lease_key="",
        task_id=task_id,
        pid=0,
        started_at=0,
        is_journaled=True,
        request=None,  # type: ignore[arg-type]
    )
    Reaper(app).job_broke(job, TaskRevokedError("expired"))
    assert document(app, task_id)["log"] == "The job was called off: expired."
    assert not DB.session.scalars(select(Message).where(Message.task_id == task_id)).all()


def test_times_of_a_clock_that_was_ahead_are_brought_nearer(app: Flask) -> None:
    reaper, far = Reaper(app), now() + timedelta(days=30)
    queued, running, published = (records.start("works@1.work") for _ in range(3))
    claim(running)
    state_of(app).celery.send_task("app-runner.add-step", kwargs={"db_id": published})
    left = left_task(lease_expires_at=far)
    near = (now() + timedelta(seconds=3), now() + timedelta(minutes=10))
    DB.session.execute(update(ProcessingTask).values(lease_expires_at=far))
    DB.session.execute(update(Message).values(due_at=far))
    DB.session.commit()
    reaper.mend_times()
    DB.session.expire_all()
    for task_id in (queued, running):
        assert near[0] < (records.get(task_id).lease_expires_at or far) < near[1]
    due = DB.session.scalars(select(Message.due_at)).all()
    assert all(near[0] < moment < near[1] for moment in due)
    assert records.get(left).lease_expires_at == far, "a plugin may wait for so long"
    renewed = records.get(running).lease_expires_at
    reaper.mend_times()
    DB.session.expire_all()
    assert records.get(running).lease_expires_at == renewed


def test_a_duty_is_kept_until_it_is_over(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert duty.is_mine("test", 60)
    assert duty.is_mine("test", 60)
    monkeypatch.setattr("os.getpid", lambda: -1)  # another process
    assert not duty.is_mine("test", 60)
    far = now() + timedelta(days=1)  # as a clock that was ahead has written it
    DB.session.execute(update(duty.DUTY).values(until=far, holder="gone"))
    DB.session.commit()
    assert duty.is_mine("test", 60)
    DB.session.execute(update(duty.DUTY).values(until=now() - timedelta(seconds=1)))
    DB.session.commit()
    assert duty.is_mine("test", 60)
