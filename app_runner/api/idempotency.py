"""`Idempotency-Key`: who repeats a submit gets the task of the first one.

The key stands in the row of the task, where it is unique. So it is there exactly when the
task is, and of two requests at the same time one is refused by the database.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, abort, redirect, request, url_for
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from app_runner import submission
from app_runner.api.arguments import is_json
from app_runner.api.errors import on_database_error, on_http_error
from app_runner.api.identity import current_user
from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask
from app_runner.db.models.tasks import FAILURE
from app_runner.db.types import now
from app_runner.submission import Submission

LOG = logging.getLogger(__name__)
HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
ALLOWED = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
#: How long a key is known.
LASTS = timedelta(hours=24)
PIECE = 2**20
#: How entry points are documented.
SUBMITTED = {
    "303": {"description": "The task was started."},
    "409": {"description": "The key was used with other parameters."},
    "429": {"description": "There are too many unfinished tasks."},
}
IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "description": "Who repeats a submit with its key gets the same task.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}


def begin(begun: Submission) -> Any:
    """Let the task that is submitted have the key of the request, if it has one.

    Gives the answer when the key is known: the task it stands for, or 409.
    """
    given = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if given is None:
        return None
    if ALLOWED.fullmatch(given) is None:
        abort(
            HTTPStatus.BAD_REQUEST,
            _("An Idempotency-Key has 1 to 255 printable ASCII characters."),
        )
    begun.key = begun.taken_key = _digest(current_user() or "", request.path, given)
    begun.digest = begun.taken_digest = _body_digest()
    return _answer(begun)


def _answer(begun: Submission) -> Any:
    """Answer for a task that has the key already; None when there is none."""
    task = ProcessingTask
    query = select(task.id, task.submit_digest, task.started_at)
    found = DB.session.execute(query.where(task.submit_key == begun.taken_key)).first()
    if found is None:
        return None
    if found.started_at < now() - LASTS:
        _release(begun.taken_key)
        return None
    if found.submit_digest != begun.taken_digest:
        abort(
            HTTPStatus.CONFLICT, _("This Idempotency-Key was used with other parameters.")
        )
    submission.begin(None)
    url = url_for("tasks-api.TaskView", task_id=found.id)
    answer = redirect(url, HTTPStatus.SEE_OTHER)
    answer.headers[REPLAYED] = "true"
    return answer


def end(response: Response) -> Response:
    """Forget the key of a task whose submit was refused after all, so that it failed.

    What holds the key of a request that has made no task is another request's, and stays.
    """
    begun = submission.current()
    refused = begun is not None and response.status_code >= HTTPStatus.BAD_REQUEST
    if begun is not None and refused and begun.taken_key and begun.key is None:
        try:
            _release(begun.taken_key, ProcessingTask.task_status == FAILURE)
        except SQLAlchemyError as error:  # of a database that is away, as the answer says
            DB.session.rollback()
            LOG.warning("The key of a refused submit is not forgotten: %s", error)
    return response


def _release(key: str | None, *which: ColumnElement[bool]) -> None:
    DB.session.rollback()
    free = update(ProcessingTask).where(ProcessingTask.submit_key == key, *which)
    DB.session.execute(free.values(submit_key=None))
    DB.session.commit()


def on_taken(error: IntegrityError) -> Any:
    """Answer for the request that came second with the same key at the same time."""
    begun = submission.current()
    if begun is not None and begun.taken_key is not None:
        DB.session.rollback()
        try:
            if (answer := _answer(begun)) is not None:
                return answer
        except HTTPException as refused:  # nobody else answers for it here
            return on_http_error(refused)
    return on_database_error(error)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _body_digest() -> str:
    """Digest what was sent, however packed: a multipart body differs each time."""
    if is_json(request.mimetype):
        sent = request.get_json(silent=True)
        if sent is not None:
            return _digest("json", json.dumps(sent, sort_keys=True))
    elif request.form or request.files:
        fields = sorted((k, v) for k, v in request.form.items(multi=True))
        files = sorted((k, _file_digest(f)) for k, f in request.files.items(multi=True))
        return _digest("form", json.dumps([fields, files]))
    return _digest("bytes", hashlib.sha256(request.get_data(cache=True)).hexdigest())


def _file_digest(file: Any) -> str:
    digest = hashlib.sha256(f"{file.filename}\0".encode())
    while piece := file.stream.read(PIECE):
        digest.update(piece)
    file.stream.seek(0)
    return digest.hexdigest()


def init_app(app: Flask) -> None:
    """Answer for keys that two requests use at the same time."""
    app.register_error_handler(IntegrityError, on_taken)
