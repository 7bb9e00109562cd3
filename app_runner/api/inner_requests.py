"""Requests that the runner sends to itself, without a socket: to submit something again.

They pass the same checks and views as those of clients, so whatever holds for a submit
(validation, limits, idempotency, owners) holds for these too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urljoin, urlsplit

from flask import Flask, Response
from werkzeug.datastructures import FileStorage
from werkzeug.test import EnvironBuilder

from app_runner.api.identity import KNOWN, current_caller
from app_runner.api.kept_parameters import SEALED, UPLOADED
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskFile
from app_runner.tasks.results import open_file
from app_runner.tasks.sealing import unseal

#: What of a client's request holds for the one that is sent for it.
PASSED_ON = (
    *("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_API_KEY", "HTTP_ORIGIN"),
    *("HTTP_SEC_FETCH_SITE", "HTTP_X_CSRF_TOKEN", "HTTP_IDEMPOTENCY_KEY", "REMOTE_ADDR"),
    *("HTTP_ACCEPT_LANGUAGE", "HTTP_X_REQUEST_ID"),
)


def send(
    app: Flask,
    base: str,
    path: str,
    *,
    environ: Mapping[str, Any] | None = None,
    caller: Any = None,
    **options: Any,
) -> Response:
    """Let ``app`` answer a request to ``path`` below ``base``.

    ``environ`` is that of the client's request, ``caller`` stands for who calls when
    there is none. ``options`` are those of Werkzeug's builder (method, json, data …).
    """
    builder = EnvironBuilder(path, base_url=base, **options)
    passed = {k: v for k in PASSED_ON if (v := (environ or {}).get(k)) is not None}
    if caller is not None:
        passed[KNOWN] = caller
    with closing(builder), app.request_context({**builder.get_environ(), **passed}):
        return app.full_dispatch_request()


def entry_point(app: Flask, base: str, plugin: str) -> str | None:
    """Give the path of a plugin's entry point, as its metadata has it."""
    root = f"/plugins/{plugin}/"
    answer = send(app, base, root, caller=current_caller())
    if answer.status_code != 200:
        return None
    metadata = json.loads(answer.get_data())
    if not isinstance(metadata.get("entryPoint"), dict):
        return None
    root_url = urljoin(base, root.lstrip("/"))
    href = urlsplit(urljoin(root_url, metadata["entryPoint"]["href"])).path
    prefix = urlsplit(base).path.rstrip("/")
    return str(href.removeprefix(prefix))


def body(parameters: Mapping[str, Any], as_form: bool) -> dict[str, Any]:
    """Give kept parameters as the body of a request; with files it is a form.

    Raises `UserError` for passwords that cannot be read any more, `FileMissing`.
    """
    files = {
        name: _file(value[UPLOADED])
        for name, value in parameters.items()
        if isinstance(value, dict) and set(value) == {UPLOADED}
    }
    values = {
        name: unseal(value[SEALED]) if _is_sealed(value) else value
        for name, value in parameters.items()
        if name not in files and value is not None
    }
    if not files and not as_form:
        return {"json": values}
    return {"data": {name: _as_text(v) for name, v in values.items()} | files}


def _is_sealed(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {SEALED}


def _file(file_id: Any) -> FileStorage:
    file = DB.session.get_one(TaskFile, file_id)
    return FileStorage(open_file(file), file.file_name, content_type=file.mimetype)


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value  # repeated fields
    return json.dumps(value)


def was_form(task: ProcessingTask) -> bool:
    """Tell whether a plugin that keeps its parameters itself got a form."""
    sent = (task.origin or {}).get("sent")
    return isinstance(sent, dict) and all(
        isinstance(value, str | list) or _is_sealed(value) for value in sent.values()
    )
