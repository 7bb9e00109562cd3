"""Documents that are built once and served many times, with an ETag."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import Flask, Response, request

from app_runner.plugins import catalogue
from app_runner.state import current_runner, state_of

CACHE = "documents"
JSON = "application/json"
#: Bytes from which packing a document saves more time than it costs.
WORTH_PACKING = 4096
#: Bytes from which the time to pack it counts more than how small it gets.
LARGE = 2**18


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

    @cached_property
    def compressed(self) -> bytes:
        """Give the bytes as gzip (RFC 1952), packed once."""
        level = 9 if len(self.content) < LARGE else 1
        return gzip.compress(self.content, level, mtime=0)

    def response(self) -> Response:
        """Answer with the document, or 304 when the client has it.

        What is large goes out packed to those who take that; each form has its own tag.
        """
        packed = len(self.content) >= WORTH_PACKING and _takes_gzip()
        etag = f"{self.etag}-gzip" if packed else self.etag
        if (
            "HTTP_IF_NONE_MATCH" in request.environ
            and request.if_none_match.contains_weak(etag)
        ):
            response = Response(status=304)
        else:
            body = self.compressed if packed else self.content
            response = Response(body, content_type=self.content_type)
            if packed:
                response.headers["Content-Encoding"] = "gzip"
        response.headers["ETag"] = f'"{etag}"'
        response.headers["Cache-Control"] = "no-cache"
        if len(self.content) >= WORTH_PACKING:
            response.headers["Vary"] = "Accept-Encoding"
        return response


def _takes_gzip() -> bool:
    accepted = request.environ.get("HTTP_ACCEPT_ENCODING", "")
    return "gzip" in accepted and request.accept_encodings["gzip"] > 0


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
