"""Gives answers that everybody asks for again, for a moment, without asking Flask.

Knows no plugins, tasks or database; a document's own cache and ETag stay behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask

from app_runner.state import BRIEF

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]

#: Documents that are the same for everybody who asks for them at the same address.
HOT = frozenset({"/plugins/", "/api-spec.json"})
#: Seconds that such an answer is given again.
KEPT_SECONDS = 0.5
#: Seconds that one is given again which a plugin may change, but seldom does.
BRIEF_SECONDS = 0.1
#: Answers that are kept; their keys hold host names and origins, which clients choose.
MOST_KEPT = 256
#: Headers of answers that are for one receiver, and of those that a plugin wants fresh.
FOR_ONE = frozenset({"set-cookie"})
FOR_ONE_OR_FRESH = FOR_ONE | {"cache-control"}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: What an answer depends on besides the path.
ADDRESS = (
    *("QUERY_STRING", "HTTP_ACCEPT"),
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

    def may_be_given_again(self, unless: frozenset[str]) -> bool:
        """Tell that all is well, and that none of the headers ``unless`` is in it."""
        names = {name.lower() for name, _ in self.headers}
        return self.status == "200 OK" and unless.isdisjoint(names)


class HotDocuments:
    """Stands before the WSGI application of one app."""

    def __init__(self, inner: WSGIApplication) -> None:
        """Wrap ``inner``; nothing is kept yet."""
        self._inner = inner
        self._kept: dict[tuple[Any, ...], Kept] = {}
        #: What is kept of the paths that were answered briefly before, by path.
        self._brief: dict[str, dict[tuple[Any, ...], Kept]] = {}

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method not in SAFE:
            return self._change(environ, start_response)
        store = self._kept if path in HOT else self._brief.get(path)
        if store is None or method != "GET" or not OWN.isdisjoint(environ):
            answer = self._inner(environ, start_response)
            if BRIEF in environ and method == "GET" and len(self._brief) < MOST_KEPT:
                self._brief.setdefault(path, {})
            return answer
        key = (path, *map(environ.get, ADDRESS))
        kept = store.get(key)
        if kept is None or kept.until < time.monotonic():
            kept = self._ask(environ, path in HOT)
            if len(store) >= MOST_KEPT:
                store.clear()
            unless = FOR_ONE if path in HOT else FOR_ONE_OR_FRESH
            if kept.may_be_given_again(unless) and (path in HOT or BRIEF in environ):
                store[key] = kept
        start_response(kept.status, [*kept.headers])
        return [kept.body]

    def _change(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Let something be changed; afterwards nothing from before is given."""
        try:
            return self._inner(environ, start_response)
        finally:
            self._brief = {path: {} for path in self._brief}

    def _ask(self, environ: WSGIEnvironment, hot: bool) -> Kept:
        """Get the whole answer from inside."""
        told: list[Any] = []

        def start(
            status: str, headers: Headers, *_error: Any
        ) -> Callable[[bytes], object]:
            told[:] = status, headers
            return told.append  # nothing of ours writes through it

        until = time.monotonic() + (KEPT_SECONDS if hot else BRIEF_SECONDS)
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
