"""The reaper: what nobody works on ends, what somebody works on is left alone."""

from __future__ import annotations

from datetime import timedelta

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


def test_a_duty_is_kept_until_it_is_over(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert duty.is_mine("test", 60)
    assert duty.is_mine("test", 60)
    monkeypatch.setattr("os.getpid", lambda: -1)  # another process
    assert not duty.is_mine("test", 60)
    DB.session.execute(update(duty.DUTY).values(until=now() - timedelta(seconds=1)))
    DB.session.commit()
    assert duty.is_mine("test", 60)
