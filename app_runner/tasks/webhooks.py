"""Sends the deliveries of webhooks that are due, from a thread of each worker's parent.

Any number of workers may do so: a delivery is taken by compare-and-set, and is due again
if whoever took it dies. A slow receiver holds up nobody else, and no job.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from celery import signals
from flask import Flask
from requests.exceptions import RequestException
from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.types import now
from app_runner.errors import BrokerUnavailable, UserError
from app_runner.fetch.failures import why_failed
from app_runner.fetch.refusals import (
    AddressRefused,
    FetchRefused,
    MalformedUrl,
    SchemeRefused,
)
from app_runner.state import BASE_URL, OWNER, acting_user, current_runner, state_of
from app_runner.tasks import calls, deliveries, neighbours
from app_runner.tasks.deliveries import AS_OWNER, DELIVERY, TASK, webhook_url
from app_runner.tasks.jobs import CORE
from app_runner.tasks.recorder import UNTIL_DATABASE_ANSWERS

LOG = logging.getLogger(__name__)
TIMEOUT = 10.0  # seconds for one try
ANSWER_BYTES = 2**20  # of the answer, which nobody reads
#: Seconds from each try to the next; all of them are a day.
DELAYS = (2, 5, 10, 20, 30, 60, 120, 300, 900, 1800, 3600, 7200, 14400, 28800, 28800)
#: Seconds after which a delivery that somebody took, and never finished, is due again.
TAKEN = 60
#: The same for one that a job delivers, which may have to wait for a free worker.
HANDED_OVER = 900
LOOK = 0.5  # seconds between two looks into the database
AT_ONCE = 8  # tries at the same time in one process,
PER_RECEIVER = 2  # of them to the same host,
TRIED_BEFORE = 4  # and of deliveries that have failed before
#: Refusals that no later try would change; the settings would.
FOR_GOOD = (AddressRefused, SchemeRefused, MalformedUrl)

DUE = (
    select(DELIVERY, TASK.c.owner)
    .outerjoin(TASK, TASK.c.id == DELIVERY.c.task_id)
    .where(
        DELIVERY.c.due_at <= bindparam("moment"),
        DELIVERY.c.receiver.not_in(bindparam("busy", expanding=True)),
    )
    .order_by(DELIVERY.c.begun, DELIVERY.c.due_at)
    .limit(AT_ONCE)
)
TAKE = (
    update(DELIVERY)
    .where(
        DELIVERY.c.id == bindparam("of_id"),
        DELIVERY.c.begun == bindparam("seen"),
        DELIVERY.c.due_at.is_not(None),
    )
    .values(begun=DELIVERY.c.begun + 1, due_at=bindparam("again_at"))
)
#: As it was before it was taken, see `finish`.
HANDED = (
    select(
        *(column for column in DELIVERY.c if column is not DELIVERY.c.begun),
        (DELIVERY.c.begun - 1).label("begun"),
        TASK.c.owner,
    )
    .join(TASK, TASK.c.id == DELIVERY.c.task_id)
    .where(DELIVERY.c.id == bindparam("of_id"), DELIVERY.c.outcome.is_(None))
)


@dataclass(frozen=True)
class Try:
    """How a try ended: the status of the answer, or why there was none."""

    status: int | None
    error: str
    seconds: float
    for_good: bool = False

    @property
    def outcome(self) -> str | None:
        """Give the outcome of the delivery, or None when it is to be tried again."""
        if self.status is not None and self.status < HTTPStatus.MULTIPLE_CHOICES:
            return "delivered"
        if self.status == HTTPStatus.GONE:
            return "unsubscribed"
        return "refused" if self.for_good else None


class Sender:
    """Sends what is due, each try in a thread that ends within seconds."""

    def __init__(self, app: Flask) -> None:
        """Take the app whose deliveries are sent."""
        self._app = app
        self._still = state_of(app).minder.still
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._under_way: dict[int, Row[Any]] = {}
        self._ends = False

    def run(self) -> None:
        """Send until `stop`; what goes wrong is logged, and tried again."""
        while not self._ends:
            self._wake.wait(LOOK)
            self._wake.clear()
            try:
                self.send_due()
            except SQLAlchemyError as error:
                LOG.warning("Webhooks wait for the database: %s", error)
                self._wake.wait(10 * LOOK)

    def stop(self) -> None:
        """Begin no further try."""
        self._ends = True
        self._wake.set()

    def send_due(self) -> None:
        """Begin as many tries as may run beside those under way."""
        begun = True
        while begun and not self._ends and len(self._under_way) < AT_ONCE:
            with self._still, self._app.app_context():
                values = {"moment": now(), "busy": self._busy()}
                found = DB.session.execute(DUE, values).all()
                begun = sum(map(self._begin, found)) > 0

    def _busy(self) -> list[str]:
        """Give the receivers that get no further try for now."""
        with self._lock:
            count = Counter(row.receiver for row in self._under_way.values())
        return [name for name, tries in count.items() if tries >= PER_RECEIVER]

    def _begin(self, row: Row[Any]) -> bool:
        if not self._has_room(row) or not _taken(row):
            return False
        with self._lock:
            self._under_way[row.id] = row
        name = f"webhook-{row.id}"
        threading.Thread(target=self._send, args=(row,), name=name, daemon=True).start()
        return True

    def _has_room(self, row: Row[Any]) -> bool:
        with self._lock:
            tried_before = sum(one.begun > 0 for one in self._under_way.values())
            return (
                row.id not in self._under_way
                and len(self._under_way) < AT_ONCE
                and (row.begun == 0 or tried_before < TRIED_BEFORE)
                and self._of_receiver(row.receiver) < PER_RECEIVER
            )

    def _of_receiver(self, receiver: str) -> int:
        return sum(one.receiver == receiver for one in self._under_way.values())

    def _send(self, row: Row[Any]) -> None:
        try:
            with self._app.app_context():
                tried = post(self._app, row)
                if tried is not None:
                    with self._still:
                        finish(row, tried)
        except SQLAlchemyError as error:  # it is due again in a minute
            LOG.warning("Webhook %s: the try is not noted: %s", row.message_id, error)
        finally:
            with self._lock:
                del self._under_way[row.id]
            self._wake.set()


def _taken(row: Row[Any]) -> bool:
    seconds = HANDED_OVER if row.webhook_href.startswith(AS_OWNER) else TAKEN
    again_at = now() + timedelta(seconds=seconds)
    values = {"of_id": row.id, "seen": row.begun, "again_at": again_at}
    taken = DB.session.connection().execute(TAKE, values).rowcount == 1
    DB.session.commit()
    return taken


def post(app: Flask, row: Row[Any]) -> Try | None:
    """POST once through the guarded door; redirects are not followed.

    None when a job does it.
    """
    if row.webhook_href.startswith(AS_OWNER):
        return _hand_over(row)
    if row.webhook_href.startswith(deliveries.OUR_CALL):
        return _tell_our_task(row)
    state, begin = state_of(app), time.monotonic()
    headers = state.signer.headers(row.message_id, int(time.time()), row.body)
    status, error, for_good = None, "", False
    try:
        with state.fetcher.open(
            webhook_url(row.webhook_href, row.task_href, row.event_type),
            method="POST",
            data=row.body.encode(),
            headers={"Content-Type": "application/json", **headers},
            allow_redirects=False,
            raise_on_error_status=False,
            timeout=TIMEOUT,
            max_seconds=TIMEOUT,
            max_bytes=ANSWER_BYTES,
        ) as response:
            status = response.status_code
    except RequestException as refusal:
        error, for_good = _said(refusal)[:500], isinstance(refusal, FOR_GOOD)
    return Try(status, error, round(time.monotonic() - begin, 3), for_good)


def _said(error: RequestException) -> str:
    """Say why there was no answer, without the URL: it may hold what is secret."""
    return str(error) if isinstance(error, FetchRefused) else why_failed(error)


def _tell_our_task(row: Row[Any]) -> Try:
    try:
        calls.woken(row.webhook_href)
    except BrokerUnavailable as error:
        return Try(None, str(error), 0.0)
    return Try(int(HTTPStatus.OK), "", 0.0)


def _hand_over(row: Row[Any]) -> Try | None:
    """Let a job that works for the owner of the task tell a plugin of ours.

    The code of plugins has no place in this process.
    """
    if row.owner is None:  # nobody to speak for
        return Try(None, _("The task has no owner."), 0.0, for_good=True)
    owner = OWNER.set(row.owner)
    base = BASE_URL.set(row.task_href.rpartition(neighbours.TASKS)[0])
    try:
        tell_plugin.apply_async(kwargs={"delivery": row.id})
    except BrokerUnavailable as error:
        return Try(None, str(error), 0.0)
    finally:
        BASE_URL.reset(base)
        OWNER.reset(owner)
    return None


@CORE.task(name="app-runner.tell-plugin", ignore_result=True, **UNTIL_DATABASE_ANSWERS)
def tell_plugin(delivery: int) -> None:
    """Deliver to a plugin of ours, in the name of the task's owner, whose job this is."""
    row: Any = DB.session.execute(HANDED, {"of_id": delivery}).first()
    if row is not None:
        finish(row, _told(row))


def _told(row: Row[Any]) -> Try:
    hook, begin = row.webhook_href.removeprefix(AS_OWNER), time.monotonic()
    if row.owner is None or row.owner != acting_user() or not neighbours.is_plugin(hook):
        return Try(None, _("The receiver is no plugin of ours."), 0.0, for_good=True)
    signer = current_runner.signer
    headers = signer.headers(row.message_id, int(time.time()), row.body)
    status, error = None, ""
    url = webhook_url(hook, row.task_href, row.event_type)
    try:
        status = neighbours.ask(
            url,
            "POST",
            hops=0,
            data=row.body.encode(),
            headers={"Content-Type": "application/json", **headers},
        ).status
    except RequestException as refusal:
        error = _said(refusal)[:500]
    except UserError as refusal:
        error = str(refusal)[:500]
    return Try(status, error, round(time.monotonic() - begin, 3))


def finish(row: Row[Any], tried: Try) -> None:
    """Note how a try ended, and when the next one is due."""
    moment = now()
    note = {"at": moment.isoformat(), "status": tried.status, "seconds": tried.seconds}
    if tried.error:
        note["error"] = tried.error
    outcome, due_at = tried.outcome, None
    if outcome is None and row.begun < len(DELAYS):
        due_at = moment + timedelta(seconds=DELAYS[row.begun])
    elif outcome is None:
        outcome = "given up"
    columns = {
        "tries": [
            *row.tries,
            {**note, **({"error": tried.error} if tried.error else {})},
        ],
        "due_at": due_at,
        "outcome": outcome,
        "finished_at": moment if outcome else None,
    }
    mine = DELIVERY.c.id == row.id, DELIVERY.c.outcome.is_(None)
    DB.session.connection().execute(update(DELIVERY).where(*mine).values(columns))
    if outcome == "unsubscribed":
        deliveries.forget(row.task_id, row.webhook_href)
    DB.session.commit()
    said = tried.error or f"answered {tried.status}"
    LOG.info("Webhook %s, try %s: %s", row.message_id, row.begun + 1, said)


def send_in_worker(app: Flask) -> None:
    """Send in the parent process of the worker that this process becomes."""
    sender = Sender(app)

    def started(**_: Any) -> None:
        threading.Thread(target=sender.run, name="webhooks", daemon=True).start()

    def ends(**_: Any) -> None:
        sender.stop()

    signals.worker_ready.connect(started, weak=False)
    signals.worker_shutting_down.connect(ends, weak=False)
