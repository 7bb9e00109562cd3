"""What every answer carries: its request's id, and headers that are the same for all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from random import getrandbits
from typing import TYPE_CHECKING, Any

from flask import Flask

from app_runner.state import REQUEST_ID, state_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class AnswerHeaders:
    """Stands before the WSGI application of one app.

    An id comes from the client or is made. A header that the answer has already stays.
    """

    def __init__(self, inner: WSGIApplication, always: dict[str, str]) -> None:
        """Wrap ``inner``; ``always`` may be added to until the first request."""
        self._inner = inner
        self._always = always

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request."""
        own_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not own_id or not GIVEN_ID.fullmatch(own_id):
            own_id = f"{getrandbits(64):016x}"  # no secret
        REQUEST_ID.set(own_id)
        always = self._always

        def start(
            status: str, headers: list[tuple[str, str]], *error: Any
        ) -> Callable[[bytes], object]:
            present = dict(headers)
            headers += [pair for pair in always.items() if pair[0] not in present]
            headers.append(("X-Request-ID", own_id))
            return start_response(status, headers, *error)

        return self._inner(environ, start)


def init_app(app: Flask) -> None:
    """Stand before the app, and before all that stands there already."""
    always = state_of(app).answer_headers
    always["X-Content-Type-Options"] = "nosniff"
    outermost: Any = AnswerHeaders(app.wsgi_app, always)
    app.wsgi_app = outermost  # type: ignore[method-assign]
