"""Periodic runs: who looks what is due, and the job that submits it.

Each worker looks every second, and one of them sends the job. The job submits with an
``Idempotency-Key`` made of schedule and time, so a run is started once however often the
job comes; then it moves the schedule on to the next time that lies ahead.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import ParseException, crontab
from flask import Flask, Response, current_app
from sqlalchemy import or_, select, update

from app_runner.api import inner_requests
from app_runner.api.credentials import PERSON_HERE, Caller
from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import Schedule
from app_runner.db.types import now
from app_runner.errors import BrokerUnavailable, RunnerError
from app_runner.state import current_runner, state_of
from app_runner.tasks.jobs import CORE

LOG = logging.getLogger(__name__)
FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
#: How long a run that was sent is waited for, until it is sent again.
AGAIN = timedelta(seconds=60)
#: Runs that one worker sends in one round.
AT_ONCE = 20
#: Answers of an entry point that may be others later.
LATER = (429, 503)


def next_time(cron: str, after: datetime) -> datetime:
    """Give when a cron expression (UTC) is next due; raises ``ValueError``."""
    parts = cron.split()
    if len(parts) != len(FIELDS):
        raise ValueError("it must have five fields")
    try:
        expression: Any = crontab(**dict(zip(FIELDS, parts, strict=True)))
        expression.nowfun, expression.tz = (lambda: after), after.tzinfo
        start, delta, _now = expression.remaining_delta(after)
        due: datetime = start + delta
    except (ParseException, ValueError, KeyError, RuntimeError, OverflowError) as error:
        raise ValueError(str(error)) from error
    return due


def send_due(_jobs: Sequence[Any] = ()) -> None:
    """Send the job of each schedule that is due, unless somebody just did."""
    moment = now()
    is_free = or_(Schedule.tried_at.is_(None), Schedule.tried_at < moment - AGAIN)
    due = select(Schedule.id, Schedule.next_run_at).where(
        Schedule.next_run_at <= moment, is_free
    )
    for schedule_id, time in DB.session.execute(due.limit(AT_ONCE)).all():
        claim = update(Schedule).where(Schedule.id == schedule_id, is_free)
        taken = DB.session.execute(claim.values(tried_at=moment))
        DB.session.commit()
        if taken.rowcount:  # type: ignore[attr-defined]
            _send(schedule_id, time)


def _send(schedule_id: int, time: datetime) -> None:
    try:
        run_schedule.apply_async(
            kwargs={"schedule_id": schedule_id, "due": time.isoformat()}
        )
    except BrokerUnavailable as error:
        LOG.warning("Schedule %s is tried again later: %s", schedule_id, error)


@CORE.task(name="app-runner.run-schedule", ignore_result=True)
def run_schedule(schedule_id: int, due: str) -> None:
    """Submit what a schedule says, once for the time that was due."""
    schedule = DB.session.get(Schedule, schedule_id)
    if schedule is None or schedule.next_run_at.isoformat() != due:
        return
    time, cron = schedule.next_run_at, schedule.cron
    key = f"schedule-{schedule_id}-{due}"
    try:
        answer = _submit(schedule, key)
    except RunnerError as error:
        _move_on(schedule_id, time, cron, problem=str(error))
        return
    DB.session.rollback()
    if answer.status_code in LATER:
        LOG.info("Schedule %s: the plugin takes no task now", schedule_id)
    elif answer.status_code == 303:
        name = urlsplit(answer.headers["Location"]).path.rstrip("/").rpartition("/")[2]
        task_id = current_runner.ids.verify("task", name)
        _move_on(schedule_id, time, cron, last_task_id=task_id, problem=None)
    else:
        _move_on(schedule_id, time, cron, problem=_problem(answer))


def _submit(schedule: Schedule, key: str) -> Response:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    caller = Caller(schedule.owner, frozenset(schedule.scopes), "schedule")
    if schedule.owner is None and current_runner.settings["EXPOSURE"] == "local":
        caller = PERSON_HERE
    return inner_requests.send(
        app,
        schedule.base_url,
        schedule.entry_point,
        environ={"HTTP_IDEMPOTENCY_KEY": key},
        caller=caller,
        method="POST",
        **inner_requests.body(schedule.parameters, as_form=False),
    )


def _move_on(schedule_id: int, due: datetime, cron: str, **columns: Any) -> None:
    """Let the schedule wait for its next time; what was missed meanwhile is left out."""
    waiting = Schedule.id == schedule_id, Schedule.next_run_at == due
    following = next_time(cron, max(now(), due))
    values = {"next_run_at": following, "tried_at": None, "last_run_at": now()}
    DB.session.rollback()
    DB.session.execute(update(Schedule).where(*waiting).values(**values, **columns))
    DB.session.commit()


def _problem(answer: Response) -> str:
    text = answer.get_data(as_text=True)
    try:
        told = json.loads(text)
        text = told.get("message") or json.dumps(told.get("errors"))
    except (ValueError, AttributeError):
        pass  # a page; its beginning has to do
    told_status = answer.status_code
    return str(
        _("The plugin answered %(status)d: %(reason)s", status=told_status, reason=text)
    )[:2000]


def init_app(app: Flask) -> None:
    """Let workers look what is due."""
    state_of(app).minder.every_second(send_due)
