"""Logging: configured once per process, every line with the id of its request or job."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import getrandbits
from typing import TYPE_CHECKING, Any

from flask import Flask

from app_runner.masking import pattern_of
from app_runner.state import REQUEST_ID, state_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TEXT = "%(asctime)s %(levelname)-7s [%(request_id)s] %(name)s: %(message)s"
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class RequestIdFilter(logging.Filter):
    """Puts the id of the current request or job on each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drop a record."""
        record.request_id = REQUEST_ID.get()
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, request_id, message, error."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line for ``record``."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class RunnerHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """The one handler that this module puts on the root logger; secrets are masked."""

    _secrets: frozenset[str] = frozenset()
    _masking: re.Pattern[str] | None = None

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these from now on, beside those of other runners in this process."""
        self._secrets = self._secrets.union(secrets)
        self._masking = pattern_of(self._secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, without secrets."""
        line = super().format(record)
        return line if self._masking is None else self._masking.sub("***", line)


def configure(level: str, format_: str) -> None:
    """Send the log to stderr; a second call in the process changes nothing."""
    root = logging.getLogger()
    if any(isinstance(handler, RunnerHandler) for handler in root.handlers):
        return
    handler = RunnerHandler(sys.stderr)
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(
        JsonFormatter() if format_ == "json" else logging.Formatter(TEXT)
    )
    root.addHandler(handler)
    root.setLevel(level)


def init_app(app: Flask) -> None:
    """Configure logging and give each request an id (X-Request-ID, taken or made)."""
    settings = state_of(app).settings
    configure(settings["DEFAULT_LOG_LEVEL"], settings["LOG_FORMAT"])
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RunnerHandler):
            handler.hide([*settings.secrets(), app.config["SECRET_KEY"]])
    numbered: Any = RequestIds(app.wsgi_app)
    app.wsgi_app = numbered  # type: ignore[method-assign]


class RequestIds:
    """Gives each request an id, the client's or a new one, and its answer the header."""

    def __init__(self, inner: WSGIApplication) -> None:
        """Wrap ``inner``."""
        self._inner = inner

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request."""
        own_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not GIVEN_ID.fullmatch(own_id):
            own_id = f"{getrandbits(64):016x}"  # no secret
        REQUEST_ID.set(own_id)

        def start(
            status: str, headers: list[tuple[str, str]], *error: Any
        ) -> Callable[[bytes], object]:
            headers.append(("X-Request-ID", own_id))
            return start_response(status, headers, *error)

        return self._inner(environ, start)
