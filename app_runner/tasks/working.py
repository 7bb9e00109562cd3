"""Works off a journaled message: claims it, runs the job, strikes it out.

What a job starts when it has ended (the next of a chain, errbacks) is written to the
journal in the transaction that strikes the job itself out, so neither is lost alone. When
all that follows is the job that ends the task, that is done here and now, without a
message.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from celery import Task, current_task, signals
from celery.exceptions import Ignore, Reject, Retry
from celery.states import SUCCESS
from flask import Flask

from app_runner.db.engine import DB
from app_runner.errors import LeaseLost, TaskFinished, TaskNotFound
from app_runner.tasks import journal, records
from app_runner.tasks.leases import ANY_TIME, Lease
from app_runner.tasks.losses import GAVE_BACK
from app_runner.tasks.patience import DATABASE_AWAY, patiently
from app_runner.tasks.processing import explain

LOG = logging.getLogger(__name__)
#: The job that ends a task with what the job before it returned.
SAVE_RESULT = "app-runner.save-result"
#: Options of a signature that change nothing when it is done without a message.
HARMLESS = {"task_id", "root_id", "parent_id", "link_error", "reply_to", "group_index"}
#: How long a task may have no job when the last one has done its part: its plugin may
#: wait for somebody else. After the part of a chord, or a job that was given up, there
#: must be another one at once.
DONE, INTERRUPTED = timedelta(days=1), timedelta(seconds=10)


def work_off(
    task: Task[Any, Any], run: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    """Run the job of a message, one at a time; raises `Ignore` for what is not ours."""
    request: Any = task.request
    if not request.get("journaled"):
        return run(*args, **kwargs)
    request.body_ended = request.struck = False
    if getattr(task, "ends_task", False) and not (request.callbacks or request.chain):
        return _end_at_once(request, run, args, kwargs)
    try:
        _begin(request)
        result = run(*args, **kwargs)
    except (Ignore, Retry):
        raise
    except Reject as error:
        if error.requeue:  # type: ignore[attr-defined]
            _give_back(request)
        raise
    except Exception as error:
        request.broke = explain(error, traceback.format_exc())
        raise
    finally:
        request.body_ended = True
    # The part of a chord counts only once Celery has kept its result.
    if not (request.callbacks or request.chain or request.chord):
        finish(request)
    elif (task_id := _ended_by_next(request, result)) is not None:
        request.chain = None
        patiently(lambda: _end_task(request, task_id, result or ""))
    return result


def _ended_by_next(request: Any, result: Any) -> int | None:
    """Give the task that the only job behind this one would end, if it would."""
    follows: list[Mapping[str, Any]] = list(request.chain or ())
    if request.callbacks or len(follows) != 1 or not isinstance(result, str | None):
        return None
    last = follows[0]
    named: Mapping[str, Any] = last.get("kwargs") or {}
    plain = not (last.get("args") or last.get("immutable") or last.get("subtask_type"))
    plain = plain and named.keys() == {"db_id"} and HARMLESS.issuperset(last["options"])
    return named["db_id"] if plain and last.get("task") == SAVE_RESULT else None


def _end_task(request: Any, task_id: int, log: str) -> None:
    """End a task in the transaction that strikes out the last job that did its work."""
    if journal.strike_out(request.publication_key, request.lease_key):
        end_once(records.succeed, task_id, log)
    else:
        DB.session.rollback()
        LOG.warning("Refused: %s no longer holds its message", request.task)
    request.struck = True


def end_once(end: Callable[[int, str], None], task_id: int, log: str) -> None:
    """End a task; a job that comes twice or too late changes nothing."""
    try:
        end(task_id, log)
    except (TaskFinished, TaskNotFound, LeaseLost) as error:
        LOG.warning("Message ignored: %s", error)
        _drop_message()


def _end_at_once(request: Any, run: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a job that only ends its task, in one transaction with the end of its message.

    There is nothing to hold meanwhile: whoever comes second changes nothing.
    """
    try:
        if journal.strike_out_free(request.publication_key):
            return run(*args, **kwargs)
        DB.session.rollback()
    except (Ignore, Retry):
        raise
    except DATABASE_AWAY as error:
        LOG.warning("%s waits in the journal for the database: %s", request.task, error)
        raise Ignore from None
    except Exception as error:
        DB.session.rollback()
        _begin(request)
        request.body_ended = True
        request.broke = explain(error, traceback.format_exc())
        raise
    LOG.info("%s was worked off before, or is worked on elsewhere", request.task)
    raise Ignore


def _drop_message() -> None:
    """Strike out the message of the job that runs, which came too late to do anything."""
    request: Any = current_task.request if current_task else None
    if request is None or not request.get("journaled"):
        return
    if request.get("claimed"):
        _strike_out(request, DONE)
    else:
        journal.strike_out_free(request.publication_key)
        DB.session.commit()


def _begin(request: Any) -> None:
    key, lease = request.publication_key, Lease.of(request)
    request.lease_key = lease.key
    try:
        request.claimed = True
        request.claimed = journal.claim(key, lease, str(request.hostname or ""))
    except DATABASE_AWAY as error:
        request.claimed = False
        LOG.warning("%s waits in the journal for the database: %s", request.task, error)
        raise Ignore from None
    if not request.claimed:
        LOG.info("%s was worked off before, or is worked on elsewhere", request.task)
        raise Ignore


def finish(request: Any, patience: timedelta = DONE) -> None:
    """Strike out a message that is worked off, unless that was done.

    Its task may be without another job for as long as ``patience``.
    """
    if not request.get("claimed") or request.get("struck"):
        return
    request.struck = True
    patiently(lambda: _strike_out(request, patience))


def _strike_out(request: Any, patience: timedelta) -> None:
    in_time = journal.strike_out(request.publication_key, request.lease_key)
    if in_time:
        journal.leave(request.get("of_task"), patience)
    DB.session.commit()
    if not in_time:
        LOG.warning("Refused: %s no longer holds its message", request.task)


def _give_back(request: Any) -> None:
    """Let go of a message that the job wants to be delivered again: one more attempt."""
    request.struck = True
    key, lease_key = request.publication_key, request.lease_key
    journal.release(key, lease_key, GAVE_BACK, before=ANY_TIME)


def predecessor(options: Mapping[str, Any]) -> Any:
    """Give the request whose message ends with the message that is sent now, if any.

    It retries or replaces itself, or it has ended and this is all that follows.
    """
    request: Any = current_task.request if current_task else None
    if request is None or not request.get("claimed") or request.get("struck"):
        return None
    if request.get("body_ended"):
        follows = [*(request.callbacks or ()), *(request.chain or ())[-1:]]
        if request.get("broke"):
            follows = list(request.errbacks or ())
        plain = all(one.get("subtask_type") is None for one in follows)
        return request if len(follows) == 1 and plain else None
    retries = options.get("task_id") == request.id and options.get("retries")
    replaces = options.get("replaced_task_nesting", 0) > request.replaced_task_nesting
    alone = not (options.get("group_id") or options.get("chord"))
    return request if retries or (replaces and alone) else None


def watch(app: Flask) -> None:
    """Strike out what this worker has worked off, when nothing did so before."""

    def over(task: Any, state: str | None = None, **_: Any) -> None:
        request = task.request
        alone = state == SUCCESS and not request.chord
        ours = getattr(task.app, "flask_app", None) is app
        if ours and request.get("claimed") and not request.get("struck"):
            with app.app_context():
                finish(request, DONE if alone else INTERRUPTED)

    signals.task_postrun.connect(over, weak=False)
