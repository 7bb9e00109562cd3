"""Logging: configured once per process, every line with the id of its request or job."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from flask import Flask

from app_runner.masking import pattern_of
from app_runner.state import REQUEST_ID, state_of

TEXT = "%(asctime)s %(levelname)-7s [%(request_id)s] %(name)s: %(message)s"


class RequestIdFilter(logging.Filter):
    """Puts the id of the current request or job on each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drop a record; outside of both, an id that it has already stays."""
        current = REQUEST_ID.get()
        if current != "-" or not hasattr(record, "request_id"):
            record.request_id = current
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
    """Configure logging as the settings say."""
    settings = state_of(app).settings
    configure(settings["DEFAULT_LOG_LEVEL"], settings["LOG_FORMAT"])
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RunnerHandler):
            handler.hide([*settings.secrets(), app.config["SECRET_KEY"]])
