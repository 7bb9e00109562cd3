"""Jobs that only end their task: behind the work, or with a message of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from celery import _state, signals
from flask import Flask
from sqlalchemy import select, update

from app_runner.db import DB
from app_runner.db.models import Message, ProcessingTask
from app_runner.db.types import now
from app_runner.state import state_of
from app_runner.tasks import journal, records, working
from app_runner.tasks.leases import Lease
from tests.tasks.conftest import document

END, ADD_STEP = "app-runner.save-result", "app-runner.add-step"


def message_of(task_id: int) -> Message | None:
    return DB.session.scalar(select(Message).where(Message.task_id == task_id))


def send(app: Flask, name: str, args: tuple[str, ...], task_id: int) -> str:
    """Journal a message, and give its key."""
    celery = state_of(app).celery
    celery.send_task(name, args=args, kwargs={"db_id": task_id})
    message = message_of(task_id)
    assert message is not None
    key: str = message.publication_key
    DB.session.rollback()
    return key


@contextmanager
def running(app: Flask, name: str, key: str, **request: Any) -> Iterator[Any]:
    """Do what Celery does around a job in a worker; gives its task object."""
    job: Any = state_of(app).celery.tasks[name]
    job.push_request(publication_key=key, journaled=True, task=name, **request)
    stack: Any = vars(_state)["_task_stack"]
    stack.push(job)
    try:
        yield job
    finally:
        stack.pop()
        job.pop_request()


def work_off(app: Flask, task_id: int) -> None:
    """Do what a worker does with the message that the journal has."""
    key = send(app, END, ("again",), task_id)
    with running(app, END, key) as job:
        working.work_off(job, job.run, ("again",), {"db_id": task_id})


@pytest.mark.parametrize("ended_before", [False, True])
def test_it_leaves_no_message(app: Flask, ended_before: bool) -> None:
    task_id = records.start("x")
    if ended_before:
        records.succeed(task_id, "first")
    work_off(app, task_id)
    assert message_of(task_id) is None
    log = document(app, task_id)["log"]
    assert log == ("first" if ended_before else "again")


def last_of_chain(app: Flask, task_id: int, **options: Any) -> Mapping[str, Any]:
    """Give what a message says of the job behind it."""
    signature = state_of(app).celery.signature(END, kwargs={"db_id": task_id})
    return dict(signature.set(**options))


def work_in_chain(
    app: Flask, task_id: int, work: Callable[..., Any], **options: Any
) -> Any:
    """Work off a job that `save_task_result` follows; give the chain that is left."""
    key = send(app, ADD_STEP, (), task_id)
    chain = [last_of_chain(app, task_id, **options)]
    with running(app, ADD_STEP, key, chain=chain, hostname="w", id="x") as job:
        assert working.work_off(job, work, (), {}) == work()
        working.finish(job.request)  # as Celery's signal behind the job does
        return job.request.chain


def test_it_is_done_without_a_message_behind_the_work(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    task_id = records.start("x")
    assert not work_in_chain(app, task_id, lambda: "the text", link_error=[{}])
    assert message_of(task_id) is None
    found = document(app, task_id)
    assert (found["status"], found["log"]) == ("SUCCESS", "the text")
    assert "Refused" not in caplog.text


def test_a_task_that_has_ended_stays_and_the_message_goes(app: Flask) -> None:
    task_id = records.start("x")

    def work() -> str:
        if document(app, task_id)["status"] == "PENDING":
            records.succeed(task_id, "first")
        return "late"

    assert not work_in_chain(app, task_id, work)
    assert message_of(task_id) is None
    assert document(app, task_id)["log"] == "first"


def test_work_whose_message_was_lost_ends_nothing(app: Flask) -> None:
    task_id = records.start("x")

    def work() -> str:
        DB.session.execute(update(Message).values(lease_key="somebody else"))
        DB.session.commit()
        return "late"

    assert not work_in_chain(app, task_id, work)
    assert message_of(task_id) is not None
    assert document(app, task_id)["status"] == "PENDING"


@pytest.mark.parametrize(
    ("state", "chord", "seconds"),
    [
        ("SUCCESS", None, 24 * 3600),
        ("SUCCESS", {"task": "body"}, 10),
        ("IGNORED", None, 10),
        ("FAILURE", None, 10),
    ],
)
def test_behind_a_job_that_was_given_up_another_one_must_come_at_once(
    app: Flask, state: str, chord: Any, seconds: int
) -> None:
    task = ProcessingTask("x")
    task.save(commit=True)
    key = send(app, ADD_STEP, (), task.id)
    working.watch(app)
    with running(app, ADD_STEP, key, of_task=task.id, chord=chord) as job:
        job.request.claimed = journal.claim(key, Lease("mine", 30), "w")
        job.request.lease_key = "mine"
        signals.task_postrun.send(job, task=job, state=state)
    assert message_of(task.id) is None
    DB.session.refresh(task)
    left = task.lease_expires_at - now()  # type: ignore[operator]
    assert seconds - 5 < left.total_seconds() <= seconds


@pytest.mark.parametrize(
    ("result", "options"),
    [(7, {}), ("text", {"countdown": 5}), ("text", {"link": [{"task": "x"}]})],
)
def test_what_is_not_plain_goes_out_as_a_message(
    app: Flask, result: Any, options: dict[str, Any]
) -> None:
    task_id = records.start("x")
    assert len(work_in_chain(app, task_id, lambda: result, **options)) == 1
    assert document(app, task_id)["status"] == "PENDING"
