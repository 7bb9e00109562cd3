"""Leases: who may speak for a job until when, renewed by the minder of the worker.

The key of a lease is made in the worker's main process for each execution and handed to
the child with the message, so that the parent can renew it, or give it back when the
child has died. What the broker delivers a second time meets a lease that still holds.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, or_, update
from sqlalchemy.sql.elements import KeyedColumnElement

from app_runner.crash_points import crash_point
from app_runner.db.engine import DB
from app_runner.db.models import Message, ProcessingTask
from app_runner.db.types import now
from app_runner.tasks.minder import Job, Minder

TASK = cast(Table, ProcessingTask.__table__)
MESSAGE = cast(Table, Message.__table__)
#: Later than any lease ends.
ANY_TIME = datetime(9999, 1, 1, tzinfo=UTC)
#: How long a broker is trusted to have a message, before somebody counts.
TRUST = timedelta(seconds=5)
#: Of jobs that run outside of a worker (called as functions).
DEFAULT_SECONDS = 30.0

RENEW_TASKS = (
    update(TASK)
    .where(
        TASK.c.id.in_(bindparam("ids", expanding=True)),
        TASK.c.lease_key.in_(bindparam("keys", expanding=True)),
    )
    .values(lease_expires_at=bindparam("until"))
)
RENEW_MESSAGES = (
    update(MESSAGE)
    .where(
        MESSAGE.c.publication_key.in_(bindparam("ids", expanding=True)),
        MESSAGE.c.lease_key.in_(bindparam("keys", expanding=True)),
    )
    .values(due_at=bindparam("until"))
)


@dataclass(frozen=True)
class Lease:
    """What an execution claims with: its key, for how long, and what it held before."""

    key: str
    seconds: float
    held_before: str | None = None

    @classmethod
    def of(cls, request: Any = None) -> Lease:
        """Give the lease that came with a message; a new one without."""
        given: Callable[[str], Any] = request.get if request else lambda _name: None
        return cls(
            given("lease_key") or secrets.token_hex(16),
            given("lease_seconds") or DEFAULT_SECONDS,
            given("held_before"),
        )

    @property
    def until(self) -> datetime:
        """Give when it ends unless it is renewed."""
        return now() + timedelta(seconds=self.seconds)

    @property
    def as_values(self) -> dict[str, Any]:
        """Give the values that a claim binds."""
        held = self.held_before or ""
        return {"new_key": self.key, "until": self.until, "held": held, "time": now()}


def is_free(
    key: KeyedColumnElement[Any], until: KeyedColumnElement[Any]
) -> ColumnElement[bool]:
    """Tell in SQL whether nobody holds the row, or the one that claims held it before."""
    return or_(key.is_(None), until < bindparam("time"), key == bindparam("held"))


def renewal(minder: Minder) -> Callable[[Sequence[Job]], None]:
    """Give what renews the leases of running jobs, three times in their length."""
    done_at = -inf

    def renew(jobs: Sequence[Job]) -> None:
        nonlocal done_at
        began = time.monotonic()
        # A round may come a little early.
        if not jobs or began - done_at < minder.lease_seconds / 3 - 0.1:
            return
        until = now() + timedelta(seconds=minder.lease_seconds)
        keys = [job.lease_key for job in jobs]
        ids = [job.task_id for job in jobs if job.task_id is not None]
        names = [job.publication_key for job in jobs if job.is_journaled]
        connection = DB.session.connection()
        if ids:
            connection.execute(RENEW_TASKS, {"ids": ids, "keys": keys, "until": until})
        if names:
            values = {"ids": names, "keys": keys, "until": until}
            connection.execute(RENEW_MESSAGES, values)
        crash_point("heartbeat")
        DB.session.commit()
        done_at = began

    return renew
