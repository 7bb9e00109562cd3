"""Learns of changes of tasks elsewhere: by subscription, and by asking again and again.

Between two questions no worker is held. The names follow the QHAna plugin runner.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

from requests.exceptions import HTTPError, RequestException

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.errors import BrokerUnavailable
from app_runner.tasks import deliveries, neighbours, records, subscriptions
from app_runner.tasks.interop import (
    Status,
    UnexpectedAnswer,
    get_document,
    get_task_result_no_wait,
)
from app_runner.tasks.jobs import CORE

LOG = logging.getLogger(__name__)
Event = Literal["status", "steps"]
#: Seconds between two questions: the first delay, doubled each time up to the last.
FIRST_DELAY, LAST_DELAY = 1, 60
#: Questions until a monitor gives up, after about a week.
QUESTIONS = 7 * 24 * 60
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


def subscribe(
    result_url: str,
    webhook_url: str,
    events: Literal["all"] | Sequence[str] = "all",
    check_for_updates: bool = True,
) -> bool:
    """Let a task tell ``webhook_url`` of events; tells whether it promised to.

    With ``check_for_updates`` the task is asked once more afterwards, so that what
    happened just before is told too. Raises what fetching the task raises.
    """
    links = get_task_result_no_wait(result_url)[1].get("links") or ()
    hrefs = [link.get("href") for link in links if link.get("type") == "subscribe"]
    wanted: Sequence[str | None] = [None] if events == "all" else list(events)
    done = bool(hrefs) and _subscribed(result_url, str(hrefs[0]), webhook_url, wanted)
    if check_for_updates and (monitor := _monitored(wanted)) is not None:
        arguments = {"result_url": result_url, "webhook_url": webhook_url}
        more = {"monitor": monitor, "retry": False}
        monitor_result.apply_async(kwargs=arguments | more, countdown=FIRST_DELAY)
    return done


def _subscribed(url: str, href: str, hook: str, events: Sequence[str | None]) -> bool:
    command = {"command": "subscribe", "webhookHref": hook}
    try:
        _refuse_others(url, href)
        for event in events:
            get_document(href, method="POST", json={**command, "event": event})
    except RequestException as error:
        LOG.warning("No subscription at %s: %s", href, error)
        return False
    return True


def _refuse_others(url: str, href: str) -> None:
    """Raise `UnexpectedAnswer` when a link leads to us, but not to the task at ``url``.

    Who answers at ``url`` could else let us send something in the name of the user.
    """
    named, own = neighbours.own_url(href), neighbours.own_url(url)
    wanted = neighbours.own_task_id(own) if own else None
    if named and (wanted is None or neighbours.own_task_id(named) != wanted):
        raise UnexpectedAnswer(_("%(url)s names another task.", url=url))


def _monitored(events: Sequence[str | None]) -> str | None:
    if None in events or {"status", "steps"} <= set(events):
        return "all"
    return next((event for event in ("status", "steps") if event in events), None)


@CORE.task(
    name="app-runner.monitor-result",
    bind=True,
    ignore_result=True,
    max_retries=QUESTIONS,
)
def monitor_result(
    self: Any,
    result_url: str,
    webhook_url: str,
    monitor: Literal["status", "steps", "all"] = "all",
    retry: bool = True,
) -> None:
    """Tell ``webhook_url`` when the task has ended or waits for input (a step).

    Without ``retry`` the task is asked once.
    """
    _ask(self, result_url, webhook_url, retry, lambda s, d: _event(s, d, monitor))


@CORE.task(
    name="app-runner.monitor-external-substep",
    bind=True,
    ignore_result=True,
    max_retries=QUESTIONS,
)
def monitor_external_substep(
    self: Any, result_url: str, webhook_url: str, substep: str | int, retry: bool = True
) -> None:
    """Tell ``webhook_url`` when a step of the task is cleared, or the task has ended.

    ``substep`` is the id of the step, or its place among the steps. Raises ``ValueError``
    when there is no such step.
    """
    _ask(self, result_url, webhook_url, retry, lambda s, d: _cleared(s, d, substep))


def _event(
    status: Status, document: dict[str, Any], monitor: Literal["status", "steps", "all"]
) -> Event | None:
    if status != "PENDING":  # also ends a monitor of steps, of which none will come
        return "status"
    steps = document.get("steps") or []
    waits = bool(steps) and not steps[-1].get("cleared")
    return "steps" if waits and monitor in ("steps", "all") else None


def _cleared(
    status: Status, document: dict[str, Any], substep: str | int
) -> Event | None:
    if status != "PENDING":
        return "status"
    return "steps" if _step(document.get("steps") or [], substep).get("cleared") else None


def _step(steps: list[dict[str, Any]], substep: str | int) -> dict[str, Any]:
    if isinstance(substep, int):
        found = steps[substep : substep + 1] if substep >= 0 else []
    else:
        found = [step for step in steps if step.get("stepId") == substep]
    if not found:
        raise ValueError(f"the task has no step {substep!r}")
    return found[-1]


def _ask(job: Any, url: str, hook: str, retry: bool, find_event: Any) -> None:
    """Ask the task once; tell the webhook, or come back later."""
    try:
        status, document = get_task_result_no_wait(url)
        event = find_event(status, document)
        if event is not None:
            _tell(hook, url, event, status)
            return
    except (RequestException, BrokerUnavailable) as error:
        if not retry or not _may_pass(error):
            LOG.warning("Task %s is not monitored: %s", url, error)
            return
        LOG.info("Task %s gives no answer now, it is asked again: %s", url, error)
    if retry and job.request.retries < QUESTIONS:
        delay = min(LAST_DELAY, FIRST_DELAY * 2 ** min(job.request.retries, 6))
        raise job.retry(countdown=delay)


def _tell(hook: str, url: str, event: str, status: str) -> None:
    own = neighbours.own_task_id(url)
    task = None if own is None else records.get(own)
    receiver = hook if task is None else subscriptions.receiver(task, hook)
    known = own if receiver != hook else None
    deliveries.add(receiver, url, event, known, status=status)
    DB.session.commit()


def _may_pass(error: Exception) -> bool:
    """Tell whether asking again may help."""
    if isinstance(error, HTTPError) and error.response is not None:
        return error.response.status_code not in GONE
    return not isinstance(error, UnexpectedAnswer)
