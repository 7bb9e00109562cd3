"""The reaper: finds what was lost and sees to it that it goes on, or ends.

Any worker may run it, and several harm nothing: each step is a compare-and-set. Whether a
message of a queued job was lost is found by counting: a broker that holds fewer messages
than the journal has lost some, and the oldest go out again. One too many is dropped when
it is claimed.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from amqp.exceptions import NotFound
from billiard.exceptions import TimeLimitExceeded
from celery.exceptions import TaskRevokedError
from flask import Flask
from kombu.exceptions import ChannelError
from sqlalchemy import bindparam

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.types import now
from app_runner.errors import BrokerUnavailable, TaskFinished, TaskNotFound
from app_runner.state import state_of
from app_runner.tasks import duty, handing_back, journal, records
from app_runner.tasks.backlog import (
    AT_ONCE,
    COUNT_MESSAGES,
    COUNT_TASKS,
    DUE_MESSAGES,
    DUE_TASKS,
    IS_KNOWN,
    LATER_MESSAGE,
    LATER_TASK,
    LEFT_TASKS,
    NEARER,
    NEVER_SENT,
    SILENT_MESSAGES,
    SILENT_TASKS,
    UNKNOWN_MESSAGES,
    UNKNOWN_TASKS,
    Backlog,
)
from app_runner.tasks.journal import Outgoing
from app_runner.tasks.leases import ANY_TIME, MESSAGE, TASK, TRUST, renewal
from app_runner.tasks.losses import HANDED_BACK, NO_SIGN, outcome_of
from app_runner.tasks.minder import WITHOUT_PROCESSES, Job

if TYPE_CHECKING:
    from app_runner.tasks.queue import RunnerCelery

LOG = logging.getLogger(__name__)
KNOWN_WITHIN = timedelta(days=1)
#: How jobs are lost whose message no broker puts back into its queue.
NOBODY_SENDS = (NO_SIGN, HANDED_BACK)


class Reaper:
    """Looks after the work of one runner, in turn with those of other processes."""

    def __init__(self, app: Flask) -> None:
        """Take the app."""
        state = state_of(app)
        self._celery = cast("RunnerCelery", state.celery)
        self._turn = max(2.0, state.settings["LEASE_SECONDS"] / 3)
        #: Longer than any lease, and than what is about to be sent is held.
        longest = WITHOUT_PROCESSES * state.settings["LEASE_SECONDS"]
        self._longest = timedelta(seconds=longest) + 2 * journal.HELD_AFTER
        self._counted_at = 0.0
        self._left: dict[int, int] = {}  # tasks without a job: id and revision
        self._left_at = 0.0

    def tick(self, _jobs: Sequence[Job]) -> None:
        """Do what there is to do now, if it is this process' duty."""
        if not duty.is_mine("reaper", self._turn):
            return
        self.end_silent()
        self.end_unknown()
        if time.monotonic() - self._left_at >= TRUST.total_seconds():
            self.end_left()
            self.mend_times()
            self._left_at = time.monotonic()
        self.send_held()
        if time.monotonic() - self._counted_at >= TRUST.total_seconds() / 2:
            again = self.send_lost()
            self._counted_at = 0.0 if again else time.monotonic()

    def end_silent(self) -> None:
        """Take their jobs from those that gave no sign of life."""
        moment = now()
        for row in DB.session.execute(SILENT_TASKS, {"time": moment}).all():
            LOG.warning("Task %s gave no sign of life", row.id)
            self.lose_task(row.id, row.task_name, row.lease_key, NO_SIGN, moment)
        for row in DB.session.execute(SILENT_MESSAGES, {"time": moment}).all():
            LOG.warning("%s gave no sign of life", row.name)
            key, lease_key = row.publication_key, row.lease_key
            self.lose_message(key, row.name, lease_key, NO_SIGN, moment)

    def lose_task(
        self, task_id: int, name: str, lease_key: str, outcome: str, before: datetime
    ) -> None:
        """Let the next attempt at a task begin."""
        again = self._is_repeatable(name)
        found = records.release(
            task_id, lease_key, outcome, before=before, repeatable=again
        )
        if found and outcome in NOBODY_SENDS:
            self._publish_task(task_id)

    def lose_message(
        self, key: str, name: str, lease_key: str, outcome: str, before: datetime
    ) -> None:
        """Let a job that was lost begin once more."""
        again = self._is_repeatable(name)
        found = journal.release(key, lease_key, outcome, before=before, repeatable=again)
        if found and outcome in NOBODY_SENDS:
            row = DB.session.execute(
                DUE_MESSAGES.where(MESSAGE.c.publication_key == key)
            ).first()
            if row is not None:
                self._celery.publish(Outgoing.read(row.name, row.content))

    def _is_repeatable(self, name: str) -> bool:
        return bool(getattr(self._celery.tasks.get(name), "repeatable", True))

    def job_broke(self, job: Job, error: object) -> None:
        """Note that the process of a job of this worker has died, or never began it."""
        if not isinstance(error, TimeLimitExceeded | TaskRevokedError):
            self.give_up(job, outcome_of(error))
            return
        if job.is_journaled:
            journal.drop(str(job.publication_key))
        if isinstance(error, TaskRevokedError) and job.task_id is not None:
            _end(job.task_id, _("The job was called off: %(why)s.", why=str(error)))

    def give_up(self, job: Job, outcome: str) -> None:
        """Let go of a job of this worker."""
        if job.is_journaled and job.publication_key:
            key, lease_key = job.publication_key, job.lease_key
            self.lose_message(key, job.name, lease_key, outcome, ANY_TIME)
        elif job.task_id is not None:
            self.lose_task(job.task_id, job.name, job.lease_key, outcome, ANY_TIME)

    def end_unknown(self) -> None:
        """End tasks whose jobs no worker has known for a day."""
        values = {"names": list(self._celery.tasks), "since": now() - KNOWN_WITHIN}
        why = _("No worker knows this job; its plugin was removed or does not load.")
        for row in DB.session.execute(UNKNOWN_TASKS, values).all():
            LOG.warning("No worker knows %s of task %s", row.name, row.id)
            _end(row.id, why)
        for message in DB.session.execute(UNKNOWN_MESSAGES, values).all():
            LOG.warning("No worker knows %s of task %s", message.name, message.task_id)
            journal.drop(message.publication_key)
            _end(message.task_id, why)
        DB.session.rollback()

    def end_left(self) -> None:
        """End tasks that have no job, and had none when we looked last.

        In between their plugin may have been about to send one.
        """
        moment = now()
        values = {"time": moment, "since": moment - KNOWN_WITHIN}
        found = {row.id: row.revision for row in DB.session.execute(LEFT_TASKS, values)}
        DB.session.rollback()
        for task_id in [one for one in found if self._left.get(one) == found[one]]:
            LOG.warning("No job of task %s is left", task_id)
            _end(task_id, _("The task has no result: no job of it is left."), idle=True)
            del found[task_id]
        self._left = found

    def mend_times(self) -> None:
        """Bring nearer what a clock that was ahead has put off.

        Who is alive renews a lease; nothing that goes out now is trusted for longer.
        """
        latest = {"latest": now() + self._longest}
        connection = DB.session.connection()
        for look, bring_nearer in NEARER:
            if connection.execute(look, latest).first() is not None:
                found = connection.execute(bring_nearer, latest).rowcount
                LOG.warning("A clock was wrong: %s entries were put off too far", found)
        DB.session.commit()

    def send_held(self) -> None:
        """Send what was to go out later and is due now."""
        held = DUE_MESSAGES.where(
            MESSAGE.c.state == NEVER_SENT, MESSAGE.c.due_at < bindparam("time")
        )
        rows = DB.session.execute(held.limit(AT_ONCE), {"time": now()}).all()
        self._send_messages(rows)

    def send_lost(self) -> bool:
        """Send again what the broker no longer has; tells whether there was any."""
        moment, sent = now(), 0
        for queue, backlog in self._backlogs(moment).items():
            if backlog.due == 0:
                continue
            missing = min(backlog.due, backlog.total - self._waiting(queue), AT_ONCE)
            if missing > 0:
                LOG.info("Queue %s misses %s messages", queue, missing)
                sent += self._send_oldest(queue, backlog, missing, moment)
        return sent > 0

    def _backlogs(self, moment: datetime) -> dict[str, Backlog]:
        found: dict[str, Backlog] = {}
        times = {"time": moment, "fresh": moment + TRUST}
        known = {"names": list(self._celery.tasks)}
        for row in DB.session.execute(COUNT_MESSAGES, {**times, **known}):
            found.setdefault(row.name, Backlog()).add(row)
        for row in DB.session.execute(COUNT_TASKS, times):
            if row.name in self._celery.tasks:  # else it is for workers that know it
                queue = self._celery.queue_of(row.name)
                backlog = found.setdefault(queue, Backlog())
                backlog.add(row)
                backlog.names.append(row.name)
        DB.session.rollback()
        return found

    def _waiting(self, queue: str) -> int:
        """Give how many messages the broker has ready in a queue."""
        try:
            with self._celery.connection_for_write() as connection:
                channel = connection.channel()
                return int(channel.queue_declare(queue, passive=True).message_count)
        except (ChannelError, NotFound):
            return 0  # it was never used, or is gone
        except self._celery.cannot_publish as error:
            raise BrokerUnavailable(f"the broker does not answer: {error}") from error

    def _send_oldest(
        self, queue: str, backlog: Backlog, count: int, moment: datetime
    ) -> int:
        mine = (MESSAGE.c.queue == queue, MESSAGE.c.state == "queued", IS_KNOWN)
        due = DUE_MESSAGES.where(*mine, MESSAGE.c.due_at < moment)
        known = {"names": list(self._celery.tasks)}
        rows = DB.session.execute(due.limit(count), known).all()
        sent = self._send_messages(rows)
        if sent < count and backlog.names:
            values = {"time": moment, "names": backlog.names}
            tasks = DB.session.execute(DUE_TASKS.limit(count - sent), values).all()
            sent += self._send_tasks(tasks)
        return sent

    def _send_messages(self, rows: Sequence[Any]) -> int:
        for row in rows:
            if _is_mine(LATER_MESSAGE, row):
                self._celery.publish(Outgoing.read(row.name, row.content))
        return len(rows)

    def _send_tasks(self, rows: Sequence[Any]) -> int:
        for row in rows:
            if _is_mine(LATER_TASK, row):
                self._celery.publish(_message_of(row))
        return len(rows)

    def _publish_task(self, task_id: int) -> None:
        moment = {"time": ANY_TIME, "names": list(self._celery.tasks)}
        row = DB.session.execute(DUE_TASKS.where(TASK.c.id == task_id), moment).first()
        if row is not None:
            self._celery.publish(_message_of(row))


def _end(task_id: int, why: str, *, idle: bool = False) -> None:
    with suppress(TaskFinished, TaskNotFound):
        records.fail(task_id, why, idle=idle)


def _is_mine(statement: Any, row: Any) -> bool:
    """Put an entry off, and tell whether no other reaper did so first."""
    values = {"of_id": row.id, "seen": row.due_at, "later": now() + TRUST}
    done = DB.session.connection().execute(statement, values).rowcount == 1
    DB.session.commit()
    return done


def _message_of(row: Any) -> Outgoing:
    """Make the message of a processor's job out of the row of its task."""
    headers = {
        **records.headers_of(row.message),
        "owner": row.owner,
        "of_task": row.id,
        "publication_key": secrets.token_hex(16),
    }
    options = {"headers": headers, "task_id": secrets.token_hex(16)}
    kwargs = {"db_id": row.id}
    if row.current_step >= 0:
        kwargs["after_step"] = row.current_step
    return Outgoing(row.task_name, (), kwargs, options)


def watch(app: Flask) -> None:
    """Renew leases and look for what is lost, in the main process of this worker."""
    minder, reaper = state_of(app).minder, Reaper(app)
    minder.every_second(renewal(minder))
    minder.every_second(reaper.tick, alone=True)
    minder.when_broken = reaper.job_broke
    handing_back.watch(app, reaper)
