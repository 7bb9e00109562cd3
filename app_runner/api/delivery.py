"""How the bytes of a file leave: from us, packed or not, or handed over to who is faster.

The store itself can be named to the client, or the web server in front can be told which
file to send (setting FILE_DELIVERY).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import quote

from flask import Response, request

from app_runner.files.contract import CHUNK, FileStore
from app_runner.files.local import LocalStore
from app_runner.state import current_runner

STREAM, REDIRECT = "stream", "redirect"
ACCEL, SENDFILE = "x-accel-redirect", "x-sendfile"
#: Seconds that a URL of the store works.
REDIRECT_SECONDS = 7200
#: Bytes of a text that is packed: not worth it, and too long to wait for.
LEAST_PACKED, MOST_PACKED = 1024, 32 * 2**20
TEXTUAL = ("application/json", "application/xml", "application/x-lines+json")
FAST = 3  # level of zlib


def handed_over(
    store: FileStore, key: str, headers: Mapping[str, str]
) -> Response | None:
    """Answer so that somebody else sends the bytes; None when we have to."""
    way = current_runner.settings["FILE_DELIVERY"]
    if way == REDIRECT:
        return _to_the_store(store, key, headers)
    if way in (ACCEL, SENDFILE) and isinstance(store, LocalStore):
        answer = Response()
        if way == ACCEL:
            below = str(current_runner.settings["FILE_ACCEL_PATH"]).rstrip("/")
            answer.headers["X-Accel-Redirect"] = f"{below}/{quote(key)}"
        else:
            answer.headers["X-Sendfile"] = str(store.path(key))
        return answer
    return None


def _to_the_store(
    store: FileStore, key: str, headers: Mapping[str, str]
) -> Response | None:
    url = store.signed_url(key, headers, REDIRECT_SECONDS)
    if url is None:
        return None
    answer = Response(status=HTTPStatus.TEMPORARY_REDIRECT)
    answer.headers["Location"] = url
    return answer


def is_packable(content_type: str, size: int) -> bool:
    """Tell whether packing the file is worth it."""
    plain = content_type.partition(";")[0].lower()
    textual = plain.startswith("text/") or plain in TEXTUAL or plain.endswith("+json")
    return textual and LEAST_PACKED <= size <= MOST_PACKED


def wants_packed() -> bool:
    """Tell whether the client takes gzip and asks for the whole file."""
    return request.accept_encodings["gzip"] > 0 and "Range" not in request.headers


def packed(stream: BinaryIO) -> Iterator[bytes]:
    """Give the bytes as gzip (RFC 1952), packed while they are read."""
    packer = zlib.compressobj(FAST, wbits=31)
    while data := stream.read(CHUNK):
        if piece := packer.compress(data):
            yield piece
    yield packer.flush()
