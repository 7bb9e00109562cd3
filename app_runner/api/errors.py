"""One shape for every error: ``{"code", "status", "message"?, "errors"?}``."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, cast

from celery.exceptions import TimeoutError as JobTimeout
from flask import Flask, Response, current_app, jsonify, render_template, request
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import Gone, HTTPException, TooManyRequests

from app_runner.api.root import wants_html
from app_runner.babel import gettext as _
from app_runner.db.models import ProcessingTask
from app_runner.errors import (
    BrokerUnavailable,
    FileMissing,
    RunnerError,
    StepError,
    StoreError,
    TaskFinished,
    TaskNotFound,
    TooManyTasks,
    UnavailableError,
    UserError,
)
from app_runner.tasks import deleting, publication
from app_runner.tasks.job_results import error_of_job
from app_runner.tasks.processing import explain

LOG = logging.getLogger(__name__)
#: What a 401 asks for (RFC 6750, section 3).
CHALLENGE = 'Bearer realm="app-runner"'
#: What may be well a little later.
LATER = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def error_body(
    code: int, message: str | None = None, errors: Any = None
) -> dict[str, Any]:
    """Give the body of an error; keys without a value are left out."""
    body: dict[str, Any] = {"code": code, "status": HTTPStatus(code).phrase}
    if message:
        body["message"] = message
    if errors:
        body["errors"] = errors
    return body


def _response(code: int, message: str | None = None, errors: Any = None) -> Response:
    if _is_shown(code) and wants_html(request.accept_mimetypes):
        return _page(code, message, errors)
    response = jsonify(error_body(code, message, errors))
    response.status_code = code
    return response


def _is_shown(code: int) -> bool:
    """Tell whether a person may meet the error at a form, or at what it has started."""
    is_limit = code == HTTPStatus.TOO_MANY_REQUESTS
    return is_limit or request.path.startswith(("/plugins/", "/tasks/"))


def _page(code: int, message: str | None, errors: Any) -> Response:
    """Say to a person, whose browser has left the form, why it was refused."""
    places = errors.values() if isinstance(errors, dict) else ()
    found = [
        each for place in places if isinstance(place, dict) for each in place.items()
    ]
    page = render_template(
        "refused.html",
        phrase=HTTPStatus(code).phrase,
        message=message,
        errors=found,
        later=code in LATER,
        over=code in (HTTPStatus.CONFLICT, HTTPStatus.GONE),
    )
    response = Response(page, code, mimetype="text/html")
    response.vary.add("Accept")
    return response


def on_http_error(error: HTTPException) -> Any:
    """Answer what Werkzeug, Flask, webargs and ``abort`` raise."""
    if error.response is not None or (error.code or 500) < 400:
        return error.get_response()
    _take_back()
    data: dict[str, Any] = getattr(error, "data", None) or {}
    message = data.get("message")
    described = (
        error.description if error.description != type(error).description else None
    )
    response = _response(error.code or 500, message or described, _messages(data))
    keep = ("Allow", "Retry-After", "WWW-Authenticate", "Content-Range")
    for name, value in error.get_headers(request.environ):
        if name in keep:
            response.headers[name] = value
    if error.code == HTTPStatus.UNAUTHORIZED:
        response.headers.setdefault("WWW-Authenticate", CHALLENGE)
    for name, value in (data.get("headers") or {}).items():
        response.headers[name] = value
    return response


def _messages(data: dict[str, Any]) -> Any:
    messages = data.get("messages") or data.get("errors")
    return messages or None


def on_unavailable(error: Exception) -> Response:
    """Answer 503: the same request may work later."""
    LOG.warning("Unavailable at %s %s: %s", request.method, request.path, error)
    if isinstance(error, BrokerUnavailable):
        message = _("The message broker does not answer; nothing was started. Try again.")
    else:
        _take_back()
        message = _("The database does not answer in time. Try again.")
    response = _response(503, message)
    response.headers["Retry-After"] = str(UnavailableError.retry_after)
    return response


def on_too_many(error: TooManyTasks) -> Any:
    """Answer 429."""
    return on_http_error(TooManyRequests(str(error), retry_after=error.retry_after))


def on_database_error(error: DBAPIError) -> Response:
    """Answer 503 when the connection was lost, else 500."""
    if error.connection_invalidated:
        return on_unavailable(error)
    return on_unexpected(error)


def on_store_error(error: StoreError) -> Response:
    """Answer 503: the store is full, slow or gone, and may be back later."""
    LOG.warning("File store at %s %s: %s", request.method, request.path, error)
    _take_back()
    response = _response(503, _("The file store does not answer. Try again later."))
    response.headers["Retry-After"] = str(UnavailableError.retry_after)
    return response


def on_missing(error: RunnerError) -> Any:
    """Answer 404, or 410 when the task of the URL was there once."""
    task_id = (request.view_args or {}).get("task_id")
    is_task = isinstance(error, TaskNotFound) and isinstance(task_id, int)
    if is_task and deleting.was_deleted(ProcessingTask, cast(int, task_id)):
        return on_http_error(Gone(_("The task was deleted.")))
    return _response(404)


def on_finished(error: TaskFinished) -> Response:
    """Answer 409: what has ended takes no more commands."""
    return _response(409, _("The task has ended before."))


def on_step_error(error: StepError) -> Response:
    """Answer 409: the step does not wait for this answer (any more)."""
    _take_back()
    return _response(409, str(error))


def on_user_error(error: UserError) -> Response:
    """Answer 422 with the text that the plugin's author wrote for the user."""
    _take_back()
    return _response(422, str(error))


def _take_back() -> None:
    """End the tasks that a failed request has begun and nobody will ever work on."""
    try:
        publication.take_back(_("The request failed before the task was started."))
    except Exception:  # the database may be what failed
        LOG.exception("The tasks of a failed request could not be closed")


def on_unexpected(error: Exception) -> Response:
    """Log the traceback, close what the request began, and answer 500."""
    LOG.exception("Error at %s %s", request.method, request.path, exc_info=error)
    _take_back()
    if current_app.config.get("PROPAGATE_EXCEPTIONS"):
        raise error
    if (of_job := error_of_job(error)) is not None:
        reason = explain(of_job, None)
        return _response(500, _("A job failed: %(reason)s", reason=reason))
    return _response(500, _("Something went wrong. The log of the server says more."))


def on_unfinished_job(error: JobTimeout) -> Response:
    """Answer 504: a view has waited for the result of a job, and gave up."""
    LOG.warning("No result of a job at %s %s: %s", request.method, request.path, error)
    _take_back()
    text = _("A job that this page waits for has not ended in time. Try again later.")
    response = _response(504, text)
    response.headers["Retry-After"] = str(UnavailableError.retry_after)
    return response


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(UnavailableError, on_unavailable)
    app.register_error_handler(TooManyTasks, on_too_many)
    app.register_error_handler(OperationalError, on_unavailable)
    app.register_error_handler(PoolTimeout, on_unavailable)
    app.register_error_handler(DBAPIError, on_database_error)
    app.register_error_handler(TaskNotFound, on_missing)
    app.register_error_handler(TaskFinished, on_finished)
    app.register_error_handler(StepError, on_step_error)
    app.register_error_handler(FileMissing, on_missing)
    app.register_error_handler(StoreError, on_store_error)
    app.register_error_handler(UserError, on_user_error)
    app.register_error_handler(JobTimeout, on_unfinished_job)
    app.register_error_handler(Exception, on_unexpected)
