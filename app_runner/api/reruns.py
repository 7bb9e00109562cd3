"""Running a task again: what was submitted is submitted once more, changed or not."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Flask, Response, abort, current_app, request

from app_runner.api import inner_requests
from app_runner.api.task_execution import parameters_of
from app_runner.application import base_url
from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask


def rerun(task: ProcessingTask, values: dict[str, Any]) -> Response:
    """Submit the task's parameters again, with the given ones in place of its own."""
    path, known = (task.origin or {}).get("entryPoint"), parameters_of(task)
    if path is None or not isinstance(known, dict):
        text = _("How this task was submitted is not known; submit it at its form again.")
        abort(HTTPStatus.CONFLICT, text)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    parameters = {**known, **(values.get("parameters") or {})}
    sent = inner_requests.body(parameters, inner_requests.was_form(task))
    DB.session.rollback()
    answer = inner_requests.send(
        app, base_url(app) or "", path, environ=request.environ, method="POST", **sent
    )
    return _passed_on(answer)


def _passed_on(answer: Response) -> Response:
    """Give what the entry point said; headers of all answers are set anew."""
    kept = ("Location", "Retry-After", "Content-Type", "Idempotency-Replayed")
    headers = [(name, value) for name, value in answer.headers if name in kept]
    return Response(answer.get_data(), answer.status_code, headers)
