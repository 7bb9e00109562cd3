"""Refuses the tasks of plugins that are served but lack packages they need."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, abort, request

from app_runner.babel import gettext as _
from app_runner.state import state_of

PREFIX = "/plugins/"
#: Methods that start nothing; what a plugin tells about itself stays readable.
READING = {"GET", "HEAD", "OPTIONS"}


def refuse(app: Flask) -> None:
    """Answer 503 with the reason for what such plugins would start.

    Costs nothing when no plugin lacks anything.
    """
    lacking = state_of(app).registry.lacking
    if not lacking:
        return

    def check() -> None:
        if not request.path.startswith(PREFIX):
            return
        plugin = request.path[len(PREFIX) :].partition("/")[0]
        if plugin in lacking and not _only_reads():
            text = _(
                "Plugin %(plugin)s is %(reason)s.", plugin=plugin, reason=lacking[plugin]
            )
            abort(HTTPStatus.SERVICE_UNAVAILABLE, text)

    app.before_request(check)


def _only_reads() -> bool:
    """Tell whether a route is there (it may be what is missing) and only reads."""
    return request.method in READING and request.routing_exception is None
