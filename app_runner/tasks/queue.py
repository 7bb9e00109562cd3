"""The Celery of one app: settings, the context of jobs, the one way out for messages."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, cast

from celery import Celery, Task, current_task, signals
from celery.backends.redis import RedisBackend
from celery.exceptions import Retry
from flask import Flask, current_app, has_app_context
from kombu.utils.uuid import uuid

from app_runner.application import base_url
from app_runner.babel import gettext
from app_runner.crash_points import crash_point
from app_runner.db.engine import leave_parent_connections
from app_runner.errors import BrokerUnavailable
from app_runner.state import (
    BASE_URL,
    CALL_DEPTH,
    OWNER,
    REQUEST_ID,
    acting_user,
    call_depth,
    state_of,
)
from app_runner.tasks import (
    canary,
    capture,
    endings,
    minder,
    pausing,
    publication,
    reaper,
    redis_transport,
    retention,
    stopping,
    webhooks,
    working,
)
from app_runner.tasks.breaker import Breaker
from app_runner.tasks.celery_settings import (
    CANNOT_PUBLISH,
    ONE_TRY,
    RECONNECT,
    celery_settings,
    if_it_can,
    transport_options,
)
from app_runner.tasks.exits import exits_as_errors, leave, leave_if_unfit
from app_runner.tasks.job_results import JobResult
from app_runner.tasks.jobs import CORE_TASKS
from app_runner.tasks.journal import Outgoing
from app_runner.tasks.publication import Fate
from app_runner.tasks.queues import FairQueues, QueuePlan
from app_runner.tasks.references import name_jobs, reference_of
from app_runner.tasks.signed_messages import sign_messages

LOG = logging.getLogger(__name__)

#: What `Celery.send_task` takes by position behind the arguments of the job.
FURTHER = ("countdown", "eta", "task_id", "producer", "connection", "router")


class JobTask(Task[Any, Any]):
    """Runs each job in the app's context, with the links and log id of its submit."""

    Request = "app_runner.tasks.minder:WatchedRequest"
    #: Whether a job that was lost while it ran may be begun again.
    repeatable = True
    #: Whether the job claims its task itself, whose row is then its journal.
    claims_task = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the job; nothing of its session is left when it ends."""
        app = cast(RunnerCelery, self.app).flask_app
        if has_app_context() and current_app == app:  # called as a function
            return self.run(*args, **kwargs)
        request: Any = self.request
        leave_if_unfit()
        request.runs_in = os.getpid()
        with job_context(app, request), capture.capturing(app, kwargs.get("db_id")):
            return working.work_off(self, exits_as_errors()(self.run), args, kwargs)

    def retry(self, *args: Any, **options: Any) -> Any:
        """Try again, unless this is a process that the job has forked: that one ends.

        Celery's ``autoretry_for`` comes here before `exits_as_errors` sees the error.
        """
        if self.request.get("runs_in", os.getpid()) != os.getpid():
            leave(sys.exc_info()[1] or Retry())
        return super().retry(*args, **options)


def shown(message: Outgoing) -> dict[str, str]:
    """Give what Celery shows of the arguments of most messages; it is slow to find it."""
    if message.args or not message.kwargs or message.kwargs.keys() != {"db_id"}:
        return {}
    return {"argsrepr": "()", "kwargsrepr": repr(message.kwargs)}


@contextmanager
def job_context(app: Flask, request: Any) -> Iterator[None]:
    """Enter the app context of a job that came with the headers of ``request``."""
    url_token = BASE_URL.set(request.get("base_url"))
    id_token = REQUEST_ID.set(reference_of(request))
    depth_token = CALL_DEPTH.set(request.get("call_depth") or 0)
    owner_token = OWNER.set(request.get("owner"))
    try:
        with app.app_context():
            yield
    finally:
        OWNER.reset(owner_token)
        CALL_DEPTH.reset(depth_token)
        REQUEST_ID.reset(id_token)
        BASE_URL.reset(url_token)


class RunnerCelery(Celery):
    """A Celery that belongs to one app; every message leaves through `send_task`."""

    task_cls = JobTask  # type: ignore[assignment]
    amqp_cls = "app_runner.tasks.queues:FairAMQP"
    cannot_publish = CANNOT_PUBLISH
    flask_app: Flask

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take what Celery takes."""
        super().__init__(*args, **options)
        self.breaker = Breaker()

    def send_task(
        self, name: str, args: Any = None, kwargs: Any = None, *more: Any, **options: Any
    ) -> Any:
        """Publish a message when the rows it speaks of are committed.

        Submits, continuations of chains, replacements, retries and errbacks all pass
        here. What concerns a task is journaled, and goes out when it can. Raises
        `BrokerUnavailable` for other messages that the broker does not take.
        """
        options |= dict(zip(FURTHER, more, strict=False))
        options["headers"] = {**(options.get("headers") or {}), **self._headers()}
        options["task_id"] = options.get("task_id") or uuid()
        message = Outgoing(name, args, kwargs, options)
        request: Any = current_task.request if current_task else None
        if has_app_context():
            return self._promise(message)
        if request is None or request.called_directly:
            return self.publish(message)
        with job_context(self.flask_app, request):  # Celery sends behind the job's end
            return self._promise(message)

    def _promise(self, message: Outgoing) -> Any:
        """Write down what concerns a task, commit, and publish; or take all back."""
        try:
            fate = publication.write_down(self, message)
            if fate is not Fate.BARE:
                return self._publish_in_time(message, fate)
            result = self.publish(message)
        except Exception as error:
            text = gettext("The task could not be queued: %(cause)s", cause=str(error))
            publication.take_back(text)
            raise
        publication.published((message.kwargs or {}).get("db_id"))
        return result

    def _publish_in_time(self, message: Outgoing, fate: Fate) -> Any:
        """Publish what the journal has; when that fails, the reaper does it later."""
        publication.published((message.kwargs or {}).get("db_id"))
        crash_point("submit-after-commit")
        try:
            if fate is Fate.SAFE and self.breaker.allows():
                result = self.publish(message)
                crash_point("publish-after")
                return result
        except BrokerUnavailable as error:
            LOG.warning("%s waits in the journal: %s", message.name, error)
        return self.AsyncResult(message.options["task_id"])

    def publish(self, message: Outgoing) -> Any:
        """Give a message to the broker now; raises `BrokerUnavailable`."""
        # Celery's own retries would outlast the bound.
        self._place(message)
        options = {**message.options, "retry": False, **shown(message)}
        try:
            result = super().send_task(
                message.name, message.args, message.kwargs, **options
            )
        except CANNOT_PUBLISH as error:
            self.breaker.tell(False)
            raise BrokerUnavailable(
                f"the message broker does not answer: {error}"
            ) from error
        self.breaker.tell(True)
        return result

    def _place(self, message: Outgoing) -> None:
        """Choose queue and priority, where who sends has not done so."""
        plan = state_of(self.flask_app).queues
        place, options = plan.place(message.name), message.options
        if not any(options.get(key) for key in ("queue", "exchange", "routing_key")):
            options["queue"] = place.queue
        if options.get("priority") is None:
            options["priority"] = plan.broker_priority(place)

    def queue_of(self, name: str, options: Mapping[str, Any] | None = None) -> str:
        """Give the name of the queue that a message goes to."""
        chosen = (options or {}).get("queue") or (options or {}).get("routing_key")
        place = state_of(self.flask_app).queues.place(name)
        return str(getattr(chosen, "name", chosen) or place.queue)

    def connection_for_write(self, url: Any = None, **options: Any) -> Any:
        """Give a connection whose every wait is bounded, also in a worker."""
        bounds = transport_options(state_of(self.flask_app).settings, bounded=True)
        given = {**bounds, **(options.pop("transport_options", None) or {})}
        return super().connection_for_write(url, transport_options=given, **options)

    @cached_property
    def AsyncResult(self) -> Any:
        """Give the class of results, bound to this Celery."""
        bind: Any = self.subclass_with_self
        return bind(JobResult, name="AsyncResult", reverse="AsyncResult")

    def _get_backend(self) -> Any:
        """Make the result backend.

        That of Redis would subscribe to the result of every message, for as long as the
        process lives, and try for 19 s when the server is away. Who waits for a result
        (`AsyncResult.get`) subscribes then.
        """
        backend = super()._get_backend()  # type: ignore[misc]
        if isinstance(backend, RedisBackend):
            backend.on_task_call = (  # type: ignore[method-assign]
                lambda producer, task_id: None
            )
        backend.store_result = if_it_can(backend.store_result)
        return backend

    def connection_for_read(self, url: Any = None, **options: Any) -> Any:
        """Give a connection that is tried anew every few seconds, however long."""
        connection = super().connection_for_read(url, **options)
        tried = partial(connection.ensure_connection, **RECONNECT)
        connection.ensure_connection = tried  # type: ignore[method-assign]
        return connection

    def _headers(self) -> dict[str, Any]:
        inherited: Any = current_task.request if current_task else {}
        request_id = REQUEST_ID.get()
        return {
            "base_url": base_url(self.flask_app) or inherited.get("base_url"),
            "request_id": (
                request_id if request_id != "-" else inherited.get("request_id")
            ),
            "owner": acting_user() if has_app_context() else inherited.get("owner"),
            "of_task": inherited.get("of_task"),
            "call_depth": call_depth(),
            # Retries and replacements reuse the message id; this key is of this message.
            "publication_key": secrets.token_hex(16),
            "journaled": False,
            # What an errback is told, who may not find it in the result backend.
            "failure": inherited.get("broke"),
        }


def init_app(app: Flask) -> None:
    """Make the Celery of ``app`` and register the runner's own tasks."""
    state = state_of(app)
    redis_transport.install()
    celery = RunnerCelery("app_runner", set_as_current=False)
    celery.flask_app = app
    celery.config_from_object(celery_settings(state.settings))
    sign_messages(celery, state.settings)
    state.queues = QueuePlan(state.settings)
    cast(FairQueues, celery.amqp.queues).plan = state.queues
    for record in CORE_TASKS:
        record.bind(celery)
    state.celery = celery
    state.minder = minder.Minder(app, state.settings["LEASE_SECONDS"])


def serve_worker(app: Flask) -> Celery:
    """Prepare the Celery of ``app`` for consuming, in the process of a worker."""
    celery = state_of(app).celery
    settings = state_of(app).settings
    celery.conf.broker_transport_options = transport_options(settings, bounded=False)
    signals.setup_logging.connect(_keep_logging, weak=False)
    name_jobs()

    # Children of the pool, and processes that jobs fork themselves.
    os.register_at_fork(after_in_child=partial(leave_parent_connections, app))
    webhooks.send_in_worker(app)
    capture.install(app)
    endings.watch(app)
    reaper.watch(app)
    working.watch(app)
    canary.watch(app)
    pausing.watch(app)
    minder.watch(app)
    stopping.watch(app)
    retention.watch(app)
    return celery


def _keep_logging(**_: Any) -> None:
    """Being connected is enough: Celery then leaves the logging as it is."""


def check_broker(celery: Celery) -> None:
    """Raise `BrokerUnavailable` unless the broker answers within the bound."""
    try:
        with celery.connection_for_write() as connection:
            connection.ensure_connection(**ONE_TRY)
    except CANNOT_PUBLISH as error:
        raise BrokerUnavailable(f"the message broker does not answer: {error}") from error
