"""The job that calls another plugin for a task which waits, and asks how far that is.

Each look is a message of its own, so nothing waits in a worker. The called task tells us
when it ends, by a subscription; if that gets lost, the next look finds it. See
docs/adr/0024.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from flask import url_for
from requests.exceptions import RequestException

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskFile, TaskLink
from app_runner.db.models.files import SCRATCH
from app_runner.errors import RunnerError, StepError, UserError
from app_runner.fetch import FetchRefused
from app_runner.fetch.failures import why_failed
from app_runner.state import current_runner
from app_runner.tasks import (
    cancelling,
    capture,
    deliveries,
    interop,
    monitors,
    neighbours,
    records,
    steps,
)
from app_runner.tasks import subscriptions as own_subscriptions
from app_runner.tasks.asking import Question
from app_runner.tasks.called import SAVED, CalledTask
from app_runner.tasks.interop import STATUS_WORDS
from app_runner.tasks.jobs import CORE
from app_runner.tasks.neighbours import Answer
from app_runner.tasks.recorder import UNTIL_DATABASE_ANSWERS

LOG = logging.getLogger(__name__)
#: Tells another runner how many tasks stand above the one that it is to start.
DEPTH_HEADER = "X-App-Runner-Call-Depth"
#: Seconds between two looks: the first delay, doubled each time up to the last.
FIRST_DELAY, LAST_DELAY = 1, 60
#: Looks without any answer, one after the other, until the task fails (about an hour).
MOST_MISSES = 65
#: Tries to start a task at a runner that is busy or away (about ten minutes).
MOST_STARTS = 15
PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
CALLED = "called-task"  # type of the link to it
MAX_REASON = 2000


class NoAnswer(Exception):
    """The other side does not answer now; asking again may help."""


@CORE.task(name=steps.CALL, ignore_result=True, **UNTIL_DATABASE_ANSWERS)
def call_plugin(
    db_id: int, number: int, looks: int = 0, misses: int = 0, again: bool = True
) -> None:
    """Bring call ``number`` of task ``db_id`` further, ``again`` later if need be."""
    task = ProcessingTask.get_by_id(db_id)
    if task is None or (question := steps.waiting_call(task, number)) is None:
        if task is not None:
            _call_off(task, number)
        return
    delay = min(LAST_DELAY, FIRST_DELAY * 2 ** min(looks, 6))
    try:
        ended = _go_on(task, number, question)
        misses = 0
    except NoAnswer as error:
        LOG.info("Task %s: the plugin that it called gives no answer: %s", db_id, error)
        ended, misses = False, misses + 1
        if again and _gives_up(task, number, question, str(error), misses, delay):
            return
    except UserError as error:
        _fail(task, question, str(error))
        return
    if again and not ended:
        kwargs = {"db_id": db_id, "number": number, "looks": looks + 1, "misses": misses}
        call_plugin.apply_async(kwargs=kwargs, countdown=delay)


def _gives_up(
    task: ProcessingTask,
    number: int,
    question: Question,
    reason: str,
    misses: int,
    delay: int,
) -> bool:
    """Fail the task after too many misses, else say in its log that it waits."""
    most = MOST_MISSES if _url(task, number) else MOST_STARTS
    if misses > most:
        _fail(task, question, reason)
        return True
    capture.say(
        _(
            "%(plugin)s gives no answer (%(reason)s). It is asked again in %(delay)s s; "
            "this was try %(misses)s of %(most)s.",
            plugin=question.opened()["call"]["plugin"],
            reason=reason,
            delay=delay,
            misses=misses,
            most=most + 1,
        )
    )
    return False


def _go_on(task: ProcessingTask, number: int, question: Question) -> bool:
    """Start the other task, or look at it; tells whether it has ended."""
    task_id = task.id
    url = _url(task, number)
    if url is None:
        url = _start(task, number, question)
        _subscribe(task_id, number, url)
    answer = _asked(url)
    if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise UserError(_("Its task is gone."))
    document = answer.document() if answer.is_ok else None
    if document is None:
        raise NoAnswer(f"{url} answers {answer.status}")
    status = STATUS_WORDS.get(document.get("status"), "FAILURE")
    if status == "FAILURE":
        raise UserError(_reason(document))
    if status == "SUCCESS":
        _finish(records.get(task_id), number, question, url, document)
    return status == "SUCCESS"


def _asked(url: str, method: str = "GET", **parts: Any) -> Answer:
    DB.session.rollback()  # a lock of ours would keep the other session waiting
    try:
        return neighbours.ask(url, method, **parts)
    except FetchRefused as error:
        raise UserError(str(error)) from error
    except RequestException as error:
        raise NoAnswer(why_failed(error)) from error


def _start(task: ProcessingTask, number: int, question: Question) -> str:
    """Start the other task and write down its URL, which is given."""
    call = question.opened()["call"]
    data = {name: _sent(task, value) for name, value in call["parameters"].items()}
    task_id, depth = task.id, question.depth + 1
    headers = {
        DEPTH_HEADER: str(depth),
        "Idempotency-Key": f"{current_runner.ids.sign('call', task_id)}-{number}",
    }
    answer = _asked(_entry_point(call["plugin"]), "POST", data=data, headers=headers)
    if answer.status in PASSING or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NoAnswer(f"{call['plugin']} answers {answer.status}: {_refusal(answer)}")
    document = answer.document() if answer.is_ok else None
    if document is None or "status" not in document:
        raise UserError(_refusal(answer))
    task = records.get(task_id)
    task.data = {**task.data, "called": {"number": number, "url": answer.url}}
    DB.session.add(TaskLink(task, type=CALLED, href=answer.url))
    DB.session.commit()
    return answer.url


def _entry_point(plugin: str) -> str:
    """Give the URL that starts a task of a plugin (id, name or URL)."""
    url = plugin_url(plugin)
    answer = _asked(url)
    metadata = answer.document() if answer.is_ok else None
    if metadata is None and answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NoAnswer(f"{url} answers {answer.status}")
    entry = (metadata or {}).get("entryPoint")
    href = entry.get("href") if isinstance(entry, dict) else None
    if not href:
        raise UserError(_("There is no plugin at %(url)s.", url=url))
    return interop.endpoint(url, answer.url, str(href))


def plugin_url(plugin: str) -> str:
    """Give the URL of a plugin; raises `UserError` for a name that is not known here."""
    if "://" in plugin:
        return plugin
    registry = current_runner.registry
    loaded = registry.get(plugin)
    found = loaded.plugin if loaded else registry.newest(plugin)
    if found is None:
        raise UserError(_("There is no plugin %(name)s here.", name=plugin))
    return url_for("plugins-api.PluginView", plugin=found.identifier, _external=True)


def _sent(task: ProcessingTask, value: Any) -> str:
    """Give a value to send; a result file of the task by its URL."""
    if not isinstance(value, dict):
        return str(value)
    name = value[SAVED]
    query = DB.select(TaskFile).filter_by(task_id=task.id, file_name=name)
    query = query.where(TaskFile.file_type != SCRATCH).order_by(TaskFile.id.desc())
    file = DB.session.scalars(query).first()
    if file is None:
        raise UserError(_("The task has no result file %(name)s to send.", name=name))
    tag = {"file-id": file.security_tag}
    return url_for("files-api.FileView", file_id=file.id, **tag, _external=True)


def _subscribe(task_id: int, number: int, url: str) -> None:
    """Ask the other task to tell us when it ends; looking finds out all the same."""
    with suppress(RunnerError, RequestException):
        own = neighbours.own_task_id(url)
        if own is not None:
            hook = f"{deliveries.OUR_CALL}{task_id}/{number}"
            own_subscriptions.subscribe(records.get(own), hook, url, "status")
            return
        plugin = records.get(task_id).plugin
        where: dict[str, Any] = {"plugin": plugin, "task_id": task_id, "number": number}
        hook = url_for("steps.CallView", **where, _external=True)
        monitors.subscribe(url, hook, ["status"], check_for_updates=False)


def _finish(
    task: ProcessingTask, number: int, question: Question, url: str, document: Any
) -> None:
    """Take what the other task gave, and start the next part."""
    outputs = [one for one in document.get("outputs") or () if isinstance(one, dict)]
    log = str(document.get("log") or "")[-records.LOG_LIMIT :]
    found = CalledTask(url, log, tuple(one for one in outputs if one.get("href")))
    with suppress(StepError):  # somebody else was faster
        steps.take_result(task, number, question, found.as_text)
        job = current_runner.celery.tasks[task.task_name]
        job.apply_async(kwargs={"db_id": task.id, "after_step": number})
        records.tell(task.id)


def _fail(task: ProcessingTask, question: Question, reason: str) -> None:
    task_id = task.id
    DB.session.rollback()
    prefix = _("%(plugin)s failed: ", plugin=question.opened()["call"]["plugin"])
    text = reason if reason.startswith(prefix) else prefix + reason
    with suppress(RunnerError):  # it has ended by now
        records.fail(task_id, text)


def _call_off(task: ProcessingTask, number: int) -> None:
    """Cancel what a cancelled task had called here."""
    url = _url(task, number)
    own = neighbours.own_task_id(url) if url and task.state == "cancelled" else None
    if own is not None:
        with suppress(RunnerError):
            cancelling.cancel(own)


def _url(task: ProcessingTask, number: int) -> str | None:
    called = (task.data or {}).get("called") or {}
    return called.get("url") if called.get("number") == number else None


def _reason(document: dict[str, Any]) -> str:
    """Give the last words of a task that has failed."""
    lines = [x for x in str(document.get("log") or "").splitlines() if x.strip()]
    while len(lines) > 1 and lines[-1].startswith("("):  # where the log is
        lines.pop()
    return lines[-1][-MAX_REASON:] if lines else _("It did not say why.")


def _refusal(answer: Answer) -> str:
    """Say in words why a plugin does not take what it was sent."""
    document = answer.document() or {}
    errors = document.get("errors") or {}
    told = [
        f"{name}: {texts if isinstance(texts, str) else _joined(texts)}"
        for place in errors.values()
        if isinstance(place, dict)
        for name, texts in place.items()
    ]
    said = "; ".join(told) or document.get("message") or document.get("status")
    return str(said or _("It answers %(status)s.", status=answer.status))[:MAX_REASON]


def _joined(texts: Any) -> str:
    return " ".join(map(str, texts)) if isinstance(texts, list) else str(texts)


def woken(hook: str) -> None:
    """Look at once: a task that was called here has told us that it ended."""
    db_id, number = hook.removeprefix(deliveries.OUR_CALL).split("/")
    look_now(int(db_id), int(number))


def look_now(db_id: int, number: int) -> None:
    """Look at what a task has called, without looking again later."""
    call_plugin.apply_async(kwargs={"db_id": db_id, "number": number, "again": False})
