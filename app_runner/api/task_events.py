"""Changes of a task as they happen: server-sent events, and requests that wait.

What goes over a stream is made from the database alone, and so are the ids of events: the
revision of the task and the number of the last chunk of its log. A client that comes back
with the last id it saw, to whichever process, misses nothing.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, request
from flask.views import MethodView
from marshmallow import fields, validate
from sqlalchemy import Row
from werkzeug.exceptions import ServiceUnavailable

from app_runner.api.arguments import PARSER
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.task_document import (
    Built,
    built_document,
    progress_of,
    steps_of,
)
from app_runner.api.task_execution import ended_state, queue_position
from app_runner.application import base_url
from app_runner.babel import gettext as _
from app_runner.errors import TaskNotFound
from app_runner.state import BASE_URL, current_runner, state_of
from app_runner.tasks import glance, log_reading
from app_runner.tasks.watching import Seen, Watched, threads_to_spare, watcher_of

CACHE = "event_streams"
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


class Places:
    """The places for those who wait: each holds a thread of the server."""

    def __init__(self, count: int) -> None:
        """Take how many there are at most; a server with few threads has fewer."""
        self._count = count
        self._taken = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a place, if one is free."""
        spare = threads_to_spare()
        most = self._count if spare is None else min(self._count, spare)
        with self._lock:
            is_free = self._taken < most
            self._taken += is_free
        return is_free

    def give_back(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1


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
        row = glance.at(self._task_id)
        self.is_over = row.finished_at is not None
        events = self._log_events() if (row.last_chunk or 0) != self.seen.chunk else []
        if row.revision != self.seen.revision:
            events += self._state_events(row)
        return events

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

    def _state_events(self, row: Row[Any]) -> list[bytes]:
        parts = {
            "progress": progress_of(row),
            "steps": steps_of(self._task_id) if row.multi_step else None,
            "status": _status(row),
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


def _status(row: Row[Any]) -> dict[str, Any]:
    ended = row.finished_at is not None
    queued = row.state == "queued" and not ended
    return {
        "status": (row.task_status or "FAILURE") if ended else "PENDING",
        "state": ended_state(row.state, ended, row.task_status),
        "attempt": row.attempt,
        "maxAttempts": row.max_attempts,
        "queuePosition": queue_position(row) if queued else None,
        "worker": row.worker,
    }


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
    base, places = base_url(app), _places()
    stream = Stream(task_id, last_seen())
    first = stream.news()
    if not first and stream.is_over:
        return Response(status=HTTPStatus.NO_CONTENT)  # a browser does not come back
    if not places.take():
        text = _("Too many event streams are open here. Ask for the task with ?wait=30.")
        raise ServiceUnavailable(text, retry_after=5)
    response = Response(_events(app, base, task_id, stream, first), headers=HEADERS)
    response.headers["Content-Type"] = "text/event-stream; charset=utf-8"
    response.call_on_close(places.give_back)
    return response


def has_ended(built: Built) -> bool:
    """Tell whether the document is that of a task that has ended."""
    return bool(json.loads(built.document.content)["status"] != "PENDING")


def _events(
    app: Flask, base: str | None, task_id: int, stream: Stream, first: list[bytes]
) -> Iterator[bytes]:
    yield f"retry: {RETRY}\n\n".encode() + b"".join(first)
    known = stream.seen
    with watcher_of(app).watching(task_id) as watched:
        # What came before we watched was told to nobody: look once more.
        events = _next_events(app, base, stream)
        while events is not None and not stream.is_over:
            if events:
                yield b"".join(events)
            if watched.over:
                return
            if (state := watched.wait(known, KEEP_ALIVE)) is None:
                events = [b": still here\n\n"]
                continue
            known = state
            events = _next_events(app, base, stream)
    if events:
        yield b"".join(events)
    if events is not None:
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
    if has_ended(built) or not _places().take():
        return
    try:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        with watcher_of(app).watching(task_id) as watched:
            _wait(watched, task_id, built.revision, min(seconds, LONGEST_WAIT))
    finally:
        _places().give_back()


def _wait(watched: Watched, task_id: int, revision: int, seconds: float) -> None:
    """Wait for another revision; lines of the log alone do not change the document."""
    until, known = time.monotonic() + seconds, Seen(revision)
    while not watched.over and (left := until - time.monotonic()) > 0:
        known = watched.wait(known, left) or known
        if known.revision != revision:
            return


def _places() -> Places:
    found: Places = current_runner.caches[CACHE]
    return found


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


def init_app(app: Flask) -> None:
    """Count the places."""
    count = state_of(app).settings["EVENT_STREAMS"]
    state_of(app).caches[CACHE] = Places(count)
