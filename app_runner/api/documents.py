"""Documents that are built once and served many times, with an ETag."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, request

from app_runner.plugins import catalogue
from app_runner.state import current_runner, state_of

CACHE = "documents"
JSON = "application/json"


@dataclass(frozen=True)
class Document:
    """Bytes with their type and a strong validator (RFC 9110, section 8.8.3)."""

    content: bytes
    content_type: str
    etag: str

    @classmethod
    def of_json(cls, content: bytes) -> Document:
        """Wrap JSON text."""
        return cls(content, JSON, hashlib.sha256(content).hexdigest()[:32])

    def response(self) -> Response:
        """Answer with the document, or 304 when the client has it."""
        if (
            "HTTP_IF_NONE_MATCH" in request.environ
            and request.if_none_match.contains_weak(self.etag)
        ):
            response = Response(status=304)
        else:
            response = Response(self.content, content_type=self.content_type)
        response.headers["ETag"] = f'"{self.etag}"'
        response.headers["Cache-Control"] = "no-cache"
        return response


@dataclass
class Entry:
    """A cached document: valid in one generation and, if set, up to a time."""

    generation: int
    until: float
    document: Document


def cached(
    key: tuple[Any, ...], build: Callable[[], Document], seconds: float = float("inf")
) -> Document:
    """Give the document ``key``, built anew when the catalogue changed or it is old."""
    cache: dict[tuple[Any, ...], Entry] = current_runner.caches[CACHE]
    generation = catalogue.generation(current_runner.app)
    entry = cache.get(key)
    if entry is None or entry.generation != generation or entry.until < time.monotonic():
        if len(cache) > 1000:  # keys hold host names, which clients choose
            cache.clear()
        entry = Entry(generation, time.monotonic() + seconds, build())
        cache[key] = entry
    return entry.document


def init_app(app: Flask) -> None:
    """Begin with nothing cached."""
    state_of(app).caches[CACHE] = {}
