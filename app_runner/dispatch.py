"""The seam at ``/plugins/<id>/``: who answers for a plugin can change while we serve.

Flask takes no routes after its first request, so what comes later (a plugin added,
upgraded, or run in an environment of its own) stands beside the app, in a table of
WSGI callables by plugin id. See docs/adr/0005.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask

from app_runner.state import state_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/plugins/"


class PluginDispatch:
    """Hands requests for a plugin to its target, and all others to the app."""

    def __init__(self, app: WSGIApplication) -> None:
        """Take what answers for everything that has no target of its own."""
        self._app = app
        self._targets: dict[str, WSGIApplication] = {}

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request."""
        target = self._app
        if self._targets and environ["PATH_INFO"].startswith(PREFIX):
            identifier = environ["PATH_INFO"][len(PREFIX) :].partition("/")[0]
            target = self._targets.get(identifier, self._app)
        return target(environ, start_response)

    def put(self, identifier: str, target: WSGIApplication) -> None:
        """Let ``target`` answer for a plugin from the next request on."""
        self._targets = {**self._targets, identifier: target}

    def drop(self, identifier: str) -> None:
        """Let the app answer for the plugin again."""
        self._targets = {k: v for k, v in self._targets.items() if k != identifier}


def init_app(app: Flask) -> None:
    """Stand between the server and ``app``."""
    dispatch = PluginDispatch(app.wsgi_app)
    state_of(app).dispatch = dispatch
    replaced: Any = dispatch
    app.wsgi_app = replaced  # type: ignore[method-assign]
