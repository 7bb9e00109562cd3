"""Messages of jobs that only end their task are struck out with it, or when too late."""

from __future__ import annotations

from typing import Any

import pytest
from celery import _state
from flask import Flask
from sqlalchemy import select

from app_runner.db import DB
from app_runner.db.models import Message
from app_runner.state import state_of
from app_runner.tasks import records, working
from tests.tasks.conftest import document

END = "app-runner.save-result"


def message_of(task_id: int) -> Message | None:
    return DB.session.scalar(select(Message).where(Message.task_id == task_id))


def work_off(app: Flask, task_id: int) -> None:
    """Do what a worker does with the message that the journal has."""
    celery = state_of(app).celery
    celery.send_task(END, args=("again",), kwargs={"db_id": task_id})
    message = message_of(task_id)
    assert message is not None
    job: Any = celery.tasks[END]
    job.push_request(publication_key=message.publication_key, journaled=True)
    stack: Any = vars(_state)["_task_stack"]
    stack.push(job)
    DB.session.rollback()
    try:
        working.work_off(job, job.run, ("again",), {"db_id": task_id})
    finally:
        stack.pop()
        job.pop_request()


@pytest.mark.parametrize("ended_before", [False, True])
def test_it_leaves_no_message(app: Flask, ended_before: bool) -> None:
    task_id = records.start("x")
    if ended_before:
        records.succeed(task_id, "first")
    work_off(app, task_id)
    assert message_of(task_id) is None
    log = document(app, task_id)["log"]
    assert log == ("first" if ended_before else "again")
