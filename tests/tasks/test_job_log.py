"""The lines of a job, where the thread that writes them meets the end of the job."""

from __future__ import annotations

import threading

from flask import Flask
from sqlalchemy import select, update

from app_runner.db import DB
from app_runner.db.models import ProcessingTask, TaskLogChunk
from app_runner.tasks import records
from app_runner.tasks.job_log import JobLog
from tests.polling import wait_for


def test_the_end_of_a_job_does_not_wait_for_a_thread_that_waits_for_it(
    app: Flask,
) -> None:
    task_id = records.start("works@1.work")
    log = JobLog(app, task_id)
    log.of_attempt(1, str)
    connection = DB.session.connection()
    connection.execute(update(ProcessingTask).values(task_log="nobody else writes now"))
    log.add("first")
    writing = threading.Thread(target=log._batch._fire)
    writing.start()
    wait_for(lambda: not log._lines, what="a thread that writes")
    log.add("second")
    log.flush_with(connection)
    assert writing.is_alive(), "it still waits"
    DB.session.commit()
    writing.join()
    log.flush()
    chunks = select(TaskLogChunk.content).where(TaskLogChunk.task_id == task_id)
    found = DB.session.scalars(chunks.order_by(TaskLogChunk.first_line)).all()
    assert list(found) == ["first", "second"]
