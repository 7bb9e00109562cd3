"""Gives answers that everybody asks for again, for half a second, without asking Flask.

Knows no plugins, tasks or database; a document's own cache and ETag stay behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]

#: Documents that are the same for everybody who asks for them at the same address.
HOT = frozenset({"/plugins/", "/api-spec.json"})
#: Seconds that such an answer is given again.
KEPT_SECONDS = 0.5
#: Answers that are kept; their keys hold host names and origins, which clients choose.
MOST_KEPT = 256
#: What an answer depends on besides the path.
ADDRESS = (
    *("wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "HTTP_ORIGIN"),
    *("HTTP_ACCEPT_LANGUAGE", "HTTP_ACCEPT_ENCODING"),
)
#: A request with one of these may deserve an answer of its own.
OWN = frozenset(
    {
        *("HTTP_IF_NONE_MATCH", "HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_RANGE"),
        "HTTP_X_API_KEY",
    }
)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, and up to when it may be given again (monotonic seconds)."""

    until: float
    status: str
    headers: Headers
    body: bytes


class HotDocuments:
    """Stands before the WSGI application of one app."""

    def __init__(self, inner: WSGIApplication) -> None:
        """Wrap ``inner``; nothing is kept yet."""
        self._inner = inner
        self._kept: dict[tuple[Any, ...], Kept] = {}

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path not in HOT or method != "GET" or not OWN.isdisjoint(environ):
            return self._inner(environ, start_response)
        key = (path, *map(environ.get, ADDRESS))
        kept = self._kept.get(key)
        if kept is None or kept.until < time.monotonic():
            kept = self._ask(environ)
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            if kept.status == "200 OK":
                self._kept[key] = kept
        start_response(kept.status, [*kept.headers])
        return [kept.body]

    def _ask(self, environ: WSGIEnvironment) -> Kept:
        """Get the whole answer from inside."""
        told: list[Any] = []

        def start(
            status: str, headers: Headers, *_error: Any
        ) -> Callable[[bytes], object]:
            told[:] = status, headers
            return told.append  # nothing of ours writes through it

        until = time.monotonic() + KEPT_SECONDS
        answer = self._inner(environ, start)
        try:
            body = b"".join(answer)
        finally:
            if close := getattr(answer, "close", None):
                close()
        status, headers = told
        return Kept(until, status, headers, body)


def init_app(app: Flask) -> None:
    """Stand before the app."""
    hot: Any = HotDocuments(app.wsgi_app)
    app.wsgi_app = hot  # type: ignore[method-assign]
