"""The journal: messages that concern a task are written down before they go out.

The row is written in the session of whoever sends, with what it concerns, and deleted
when the job has been worked off. Jobs of processors need none: the row of their task says
all that is needed to send their message again. See docs/adr/0015.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kombu.utils import json
from sqlalchemy import bindparam, case, delete, insert, select, update

from app_runner.db.engine import DB
from app_runner.db.types import now
from app_runner.errors import JobLost
from app_runner.tasks.leases import MESSAGE, TASK, TRUST, Lease, is_free
from app_runner.tasks.losses import HANDED_BACK, told

if TYPE_CHECKING:
    from app_runner.tasks.queue import RunnerCelery

MAX_ATTEMPTS = 3
#: What goes out later than this is not given to a broker before.
HELD_AFTER = timedelta(seconds=30)
#: Options of `send_task` that belong to the process that sends.
NOT_KEPT = ("task_type", "producer", "publisher", "connection", "router", "result_cls")

OF_KEY = MESSAGE.c.publication_key == bindparam("key_")
CLAIM = (
    update(MESSAGE)
    .where(OF_KEY, is_free(MESSAGE.c.lease_key, MESSAGE.c.due_at))
    .values(
        attempt=MESSAGE.c.attempt + 1,
        state="running",
        lease_key=bindparam("new_key"),
        due_at=bindparam("until"),
        worker=bindparam("by"),
        begun_at=bindparam("time"),
    )
)
SEEN = select(
    MESSAGE.c.attempt,
    MESSAGE.c.max_attempts,
    MESSAGE.c.worker,
    MESSAGE.c.begun_at,
    MESSAGE.c.history,
).where(OF_KEY)
HELD = MESSAGE.c.lease_key == bindparam("held_by")
STRIKE_OUT = delete(MESSAGE).where(OF_KEY, HELD)
STRIKE_OUT_FREE = delete(MESSAGE).where(OF_KEY, MESSAGE.c.lease_key.is_(None))
IS_HELD = select(MESSAGE.c.id).where(OF_KEY, HELD)
RELEASE = (
    update(MESSAGE)
    .where(OF_KEY, HELD, MESSAGE.c.due_at < bindparam("before"))
    .values(
        state="queued",
        lease_key=None,
        due_at=bindparam("until"),
        history=bindparam("so_far"),
        max_attempts=case(
            (bindparam("again") > 0, MESSAGE.c.max_attempts + bindparam("more")),
            else_=MESSAGE.c.attempt,
        ),
    )
)
LEAVE = (
    update(TASK)
    .where(
        TASK.c.id == bindparam("of_task"),
        TASK.c.finished_at.is_(None),
        TASK.c.message.is_(None),
    )
    .values(lease_expires_at=bindparam("until"))
)
FORGET = delete(MESSAGE).where(MESSAGE.c.task_id == bindparam("of_task"))


@dataclass(frozen=True)
class Outgoing:
    """A message to be sent: what Celery's `send_task` is to be called with."""

    name: str
    args: Any
    kwargs: Any
    options: dict[str, Any]

    @classmethod
    def read(cls, name: str, content: str) -> Outgoing:
        """Give what was written to the journal."""
        return cls(name, **json.loads(content))


def concerned_task(message: Outgoing) -> int | None:
    """Give the id of the task that a message names, itself or in what follows it."""
    for arguments in (message.kwargs, *_further(message.options)):
        task_id = arguments.get("db_id") if isinstance(arguments, Mapping) else None
        if isinstance(task_id, int):
            return task_id
    return None


def _further(options: Mapping[str, Any]) -> Iterator[Any]:
    for name in ("chain", "link", "link_error"):
        signatures = options.get(name) or ()
        if isinstance(signatures, Mapping):
            signatures = (signatures,)
        for signature in signatures:
            yield signature.get("kwargs")


def write(celery: RunnerCelery, message: Outgoing) -> bool:
    """Add a message to the session's transaction; nothing is committed or sent.

    Its options have all headers and a ``task_id``. Tells whether it goes out now.
    """
    name, options = message.name, message.options
    kept = {key: value for key, value in options.items() if key not in NOT_KEPT}
    due = _absolute(kept)
    held = due > now() + HELD_AFTER
    if held:
        kept.pop("eta")
    headers = kept["headers"]
    content = {
        "args": list(message.args or ()),
        "kwargs": dict(message.kwargs or {}),
        "options": kept,
    }
    row = {
        "publication_key": headers["publication_key"],
        "task_id": headers["of_task"],
        "name": name,
        "queue": celery.queue_of(name, kept),
        "content": json.dumps(content),
        "state": "held" if held else "queued",
        "due_at": due if held else due + TRUST,
        "attempt": 0,
        "max_attempts": MAX_ATTEMPTS,
        "worker": "",
        "history": [],
        "created_at": now(),
    }
    DB.session.flush()
    DB.session.connection().execute(insert(MESSAGE), row)
    return not held


def _absolute(options: dict[str, Any]) -> datetime:
    """Turn a countdown into a time, so that sending again waits for nothing anew."""
    begins = now()
    if countdown := options.pop("countdown", None):
        options["eta"] = begins + timedelta(seconds=countdown)
    if isinstance(expires := options.get("expires"), int | float):
        options["expires"] = begins + timedelta(seconds=expires)
    eta = options.get("eta")
    if isinstance(eta, str):
        eta = datetime.fromisoformat(eta)
    if eta is None:
        return begins
    moment: datetime = eta if eta.tzinfo else eta.replace(tzinfo=UTC)
    options["eta"] = moment
    return max(begins, moment)


def claim(key: str, lease: Lease, worker: str) -> bool:
    """Begin to work a message off.

    Gives False when there is nothing to do: it was worked off before, or somebody works
    on it. Raises `JobLost` when it was lost too often, and holds it then too.
    """
    connection = DB.session.connection()
    values = {"key_": key, "by": worker, **lease.as_values}
    taken = connection.execute(CLAIM, values).rowcount == 1
    row = connection.execute(SEEN, {"key_": key}).first() if taken else None
    DB.session.commit()
    if row is not None and row.attempt > row.max_attempts:
        outcomes = [lost["outcome"] for lost in row.history]
        raise JobLost(told(outcomes))
    return taken


def strike_out(key: str, lease_key: str) -> bool:
    """Delete what has been worked off, in the session's transaction; False when late."""
    values = {"key_": key, "held_by": lease_key}
    return DB.session.connection().execute(STRIKE_OUT, values).rowcount == 1


def leave(task_id: int | None, patience: timedelta) -> None:
    """Say how long the task of a job that was worked off may be without another one.

    Belongs to the session's transaction. What has no job for longer, the reaper ends.
    """
    if task_id is not None:
        values = {"of_task": task_id, "until": now() + patience}
        DB.session.connection().execute(LEAVE, values)


def drop(key: str) -> None:
    """Delete a message that nobody will work off; commits."""
    DB.session.connection().execute(delete(MESSAGE).where(OF_KEY), {"key_": key})
    DB.session.commit()


def strike_out_free(key: str) -> bool:
    """Delete what nobody has claimed, in the session's transaction; False when gone."""
    return DB.session.connection().execute(STRIKE_OUT_FREE, {"key_": key}).rowcount == 1


def is_held_by(request: Any) -> bool:
    """Tell whether a job still holds its message; others have none to hold."""
    if not request.get("claimed"):
        return True
    values = {"key_": request.publication_key, "held_by": request.lease_key}
    return DB.session.connection().execute(IS_HELD, values).first() is not None


def release(
    key: str,
    lease_key: str,
    outcome: str,
    *,
    before: datetime,
    repeatable: bool = True,
) -> bool:
    """Let go of a job that was lost, if its lease ends ``before``; False when not."""
    connection = DB.session.connection()
    row = connection.execute(SEEN, {"key_": key}).first()
    if row is None:
        return False
    begun = row.begun_at and row.begun_at.isoformat()
    lost = {"worker": row.worker, "begun_at": begun, "ended_at": now().isoformat()}
    more = int(outcome == HANDED_BACK)  # which does not count
    values = {"key_": key, "held_by": lease_key, "before": before, "more": more}
    history = [*row.history, {**lost, "outcome": outcome}]
    values |= {"so_far": history, "again": int(repeatable)}
    found = connection.execute(RELEASE, {**values, "until": now() + TRUST}).rowcount == 1
    DB.session.commit()
    return found


def has_others(task_id: int, key: str) -> bool:
    """Tell whether a task has messages besides this one."""
    others = select(MESSAGE.c.id).where(
        MESSAGE.c.task_id == task_id, MESSAGE.c.publication_key != key
    )
    return DB.session.connection().execute(others.limit(1)).first() is not None


def forget(task_id: int) -> None:
    """Delete the messages of a task, in the session's transaction."""
    DB.session.connection().execute(FORGET, {"of_task": task_id})
