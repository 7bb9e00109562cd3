"""Changes of a task as they happen: server-sent events, and requests that wait.

What goes over a stream is made from the database alone, and so are the ids of events: the
revision of the task and the number of the last chunk of its log. A client that comes back
with the last id it saw, to whichever process, misses nothing.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, request
from flask.views import MethodView
from marshmallow import fields, validate
from sqlalchemy import Connection, Row
from werkzeug.exceptions import ServiceUnavailable

from app_runner.api.arguments import PARSER
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.places import LOOK_EVERY, Place, places
from app_runner.api.running_jobs import running_job, waits
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.task_document import (
    Built,
    built_document,
    progress_of,
    revision_of,
    status_of,
    steps_of,
)
from app_runner.api.task_execution import ended_state, job_state, queue_position
from app_runner.application import base_url
from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.errors import TaskNotFound
from app_runner.state import BASE_URL
from app_runner.tasks import glance, log_reading
from app_runner.tasks.watching import Seen, Watched, watcher_of

EVENT_ID = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
#: Seconds of silence until a comment tells proxies that the stream lives.
KEEP_ALIVE = 15.0
#: Milliseconds until a browser comes back.
RETRY = 1000
LONGEST_WAIT = 60.0
HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


class WaitSchema(MaBaseSchema):
    """Seconds to wait for a change; longer than a minute is a minute."""

    wait = fields.Float(load_default=0.0, validate=validate.Range(0, 86_400))


class Stream:
    """What one client was told of a task, and what it has to be told next."""

    def __init__(self, task_id: int, seen: Seen) -> None:
        """Take how far the client says that it is."""
        self._task_id = task_id
        self._told: dict[str, Any] = {}
        self.seen = seen
        self.is_over = False

    def news(self) -> list[bytes]:
        """Give the events since the last call; needs an app context.

        When `is_over` then, only `result` is left to tell.
        """
        with DB.engine.connect() as connection:
            row = glance.at(connection, self._task_id)
            is_news = row.revision != self.seen.revision
            status = _status(connection, row) if is_news else {}
        self.is_over = row.finished_at is not None
        events = self._log_events() if (row.last_chunk or 0) != self.seen.chunk else []
        return events + self._state_events(row, status) if is_news else events

    def result(self) -> bytes:
        """Give the last event: the document of the task, which has ended."""
        built = built_document(self._task_id)
        self.seen = self.seen._replace(revision=built.revision)
        return self._event("result", json.loads(built.document.content))

    def _log_events(self) -> list[bytes]:
        events = []
        while chunks := log_reading.newer(self._task_id, self.seen.chunk):
            for number, found in chunks:
                self.seen = self.seen._replace(chunk=number)
                data = {"attempt": found.attempt, "offset": found.first}
                events.append(self._event("log", {**data, "lines": list(found.lines)}))
        return events

    def _state_events(self, row: Row[Any], status: dict[str, Any]) -> list[bytes]:
        parts = {
            "progress": progress_of(row),
            "steps": steps_of(self._task_id) if row.multi_step else None,
            "status": status,
        }
        new = {k: v for k, v in parts.items() if v is not None and self._told.get(k) != v}
        self._told |= new
        events = [self._event(name, data) for name, data in new.items()]
        if not self.is_over:  # else the result carries the id of this revision
            self.seen = self.seen._replace(revision=row.revision)
            if new:  # whoever stops reading before the last hears all of them again
                name, data = next(reversed(new.items()))
                events[-1] = self._event(name, data)
        return events

    def _event(self, name: str, data: Any) -> bytes:
        id_ = f"{self.seen.revision + 1}-{self.seen.chunk}"
        return f"event: {name}\nid: {id_}\ndata: {json.dumps(data)}\n\n".encode()


def _status(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    ended = row.finished_at is not None
    queued = waits(row)
    job = running_job(connection, row) if queued else None
    status = {
        "status": status_of(row),
        "state": ended_state(row.state, ended, row.task_status),
        "attempt": row.attempt,
        "maxAttempts": row.max_attempts,
        "queuePosition": (
            queue_position(connection, row.id) if queued and job is None else None
        ),
        "worker": row.worker,
    }
    return status if job is None else status | job_state(job) | {"worker": job.worker}


def last_seen() -> Seen:
    """Read how far the client is, from the header or (a new page) the query."""
    given = request.headers.get("Last-Event-ID") or request.args.get("lastEventId", "")
    match = EVENT_ID.fullmatch(given)
    return Seen(int(match[1]) - 1, int(match[2])) if match else Seen()


@contextmanager
def as_request(app: Flask, base: str | None) -> Iterator[None]:
    """Enter the app as the request did that began a stream: with the same links."""
    token = BASE_URL.set(base)
    try:
        with app.app_context():
            yield
    finally:
        BASE_URL.reset(token)


def stream_response(task_id: int) -> Response:
    """Answer with the events of a task, until it ends."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    all_places = places()
    stream = Stream(task_id, last_seen())
    with ExitStack() as until_closed:
        # Who watches before the first look misses nothing that comes behind it.
        watched = until_closed.enter_context(watcher_of(app).watching(task_id))
        first = stream.news()
        if not first and stream.is_over:
            return Response(status=HTTPStatus.NO_CONTENT)  # a browser does not come back
        if (place := all_places.take(watched)) is None:
            text = _(
                "Too many event streams are open here. Ask for the task with ?wait=30."
            )
            raise ServiceUnavailable(text, retry_after=5)
        until_closed.callback(all_places.give_back, place)
        events = _events(app, base_url(app), stream, first, watched, place)
        response = Response(events, headers=HEADERS)
        response.headers["Content-Type"] = "text/event-stream; charset=utf-8"
        response.call_on_close(until_closed.pop_all().close)
        return response


def has_ended(built: Built) -> bool:
    """Tell whether the document is that of a task that has ended."""
    return bool(json.loads(built.document.content)["status"] != "PENDING")


def _events(
    app: Flask,
    base: str | None,
    stream: Stream,
    first: list[bytes],
    watched: Watched,
    place: Place,
) -> Iterator[bytes]:
    yield f"retry: {RETRY}\n\n".encode() + b"".join(first)
    known, silent = stream.seen, 0.0
    while not stream.is_over:
        if watched.over or place.is_deserted():
            return
        if (state := watched.wait(known, LOOK_EVERY)) is None:
            silent += LOOK_EVERY
            if silent >= KEEP_ALIVE:
                yield b": still here\n\n"
                silent = 0.0
            continue
        known = state
        if (events := _next_events(app, base, stream)) is None:
            return
        if events:
            yield b"".join(events)
            silent = 0.0
    with as_request(app, base):
        last = stream.result()
    yield last


def _next_events(app: Flask, base: str | None, stream: Stream) -> list[bytes] | None:
    """Give what is new; None when the task is gone."""
    try:
        with as_request(app, base):
            return stream.news()
    except TaskNotFound:
        return None


def wait_for_change(task_id: int) -> None:
    """Wait as long as the query says, unless the client lacks what is there already."""
    seconds = PARSER.parse(WaitSchema(), request, location="query")["wait"]
    if not seconds:
        return
    built = built_document(task_id)
    known = request.if_none_match
    if known and not known.contains_weak(built.document.etag):
        return
    if has_ended(built):
        return
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    with watcher_of(app).watching(task_id) as watched:
        all_places = places()
        if (place := all_places.take(watched)) is None:
            return
        try:
            _wait(task_id, watched, place, built.revision, min(seconds, LONGEST_WAIT))
        finally:
            all_places.give_back(place)


def _wait(
    task_id: int, watched: Watched, place: Place, revision: int, seconds: float
) -> None:
    """Wait for another revision; lines of the log alone do not change the document."""
    until, known = time.monotonic() + seconds, Seen(revision)
    while not watched.over and (left := until - time.monotonic()) > 0:
        known = watched.wait(known, min(left, LOOK_EVERY)) or known
        is_new = known.revision != revision
        if is_new and known.revision < 0:
            is_new = revision_of(task_id) != revision
        if is_new or place.is_deserted():
            return


EVENT_STREAM = {
    "200": {
        "description": "Events `status`, `progress`, `steps`, `log` and, last, `result`.",
        "content": {"text/event-stream": {"schema": {}}},
    },
    "204": {"description": "The task has ended, and the client has seen all of it."},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The last id that was seen; what came after it is sent.",
    "schema": {"type": "string"},
}


def serve(blueprint: SecurityBlueprint) -> None:
    """Serve the events below each task of ``blueprint``."""

    @blueprint.route("/<signed_task:task_id>/events", strict_slashes=False)
    class TaskEventsView(MethodView):
        """What happens to a task, as it happens."""

        @blueprint.doc(responses=EVENT_STREAM, parameters=[LAST_EVENT_ID])
        @blueprint.require_jwt("jwt", optional=True)
        def get(self, task_id: int) -> Response:
            """Stream the changes of the task until it ends."""
            return stream_response(task_id)
