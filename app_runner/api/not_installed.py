"""Refuses the tasks of plugins that are served but lack packages they need."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, abort, request

from app_runner.babel import gettext as _
from app_runner.state import state_of

PREFIX = "/plugins/"
BY_NAME = "plugins-api.PluginView"  # answers when the plugin has no route of its own
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
    """Tell whether a route of the plugin is there (it may be missing) and only reads."""
    found = request.routing_exception is None and request.endpoint != BY_NAME
    return found and request.method in READING
