"""The file of a multipart form as a stream, which is never held anywhere as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import BinaryIO, cast

from flask import Request, abort
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)

from app_runner.babel import gettext as _
from app_runner.files.contract import CHUNK

MAX_PARTS = 20
#: Bytes of a part's headers, or of what lies between two boundaries of other fields.
MAX_BESIDES = 2**16


@contextmanager
def first_file(request: Request) -> Iterator[tuple[BinaryIO, str, str | None]]:
    """Give the file, its name and declared type; 400 and 422 for other bodies.

    After the block nothing but small fields may follow.
    """
    events = _events(request)
    found = next((event for event in events if isinstance(event, File)), None)
    if found is None:
        abort(HTTPStatus.UNPROCESSABLE_ENTITY, _("The form has no file."))
    declared = found.headers.get("Content-Type")
    yield cast(BinaryIO, _FileOf(events)), found.filename or "", declared
    if any(isinstance(event, File) for event in events):
        abort(HTTPStatus.UNPROCESSABLE_ENTITY, _("The form has more than one file."))


def _events(request: Request) -> Iterator[Event]:
    """Give what stands in the body, piece by piece; 400 when it is no multipart."""
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    decoder = MultipartDecoder(boundary, max_form_memory_size=None, max_parts=MAX_PARTS)
    in_file = False
    besides = 0
    while True:
        try:
            event = decoder.next_event()
        except ValueError:
            abort(HTTPStatus.BAD_REQUEST, _("The body is no multipart form."))
        if isinstance(event, NeedData):
            data = request.stream.read(CHUNK)
            decoder.receive_data(data or None)
            continue
        in_file = isinstance(event, File) or (in_file and not isinstance(event, Field))
        besides += len(event.data) if isinstance(event, Data) and not in_file else 0
        if besides > MAX_BESIDES:
            abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        yield event
        if isinstance(event, Epilogue):
            return


class _FileOf:
    """The data of the part that was just begun."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._left = b""
        self._ended = False

    def read(self, size: int = CHUNK) -> bytes:
        """Read at most ``size`` bytes."""
        while not self._left and not self._ended:
            event = next(self._events, None)
            if isinstance(event, Data):
                self._left = bytes(event.data)
            self._ended = not isinstance(event, Data) or not event.more_data
        data, self._left = self._left[:size], self._left[size:]
        return data
