"""Reads one object: seekable, and begun again where the line broke."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from app_runner.errors import StoreError
from app_runner.files.contract import CHUNK

#: How often one read is tried.
ATTEMPTS = 3

#: Gives the answer for all bytes from a place on, of the version with this ETag.
Fetch = Callable[[int, str | None], Any]


class ObjectReader(io.RawIOBase):
    """The bytes of one version of an object; they come as they are read."""

    def __init__(self, key: str, fetch: Fetch) -> None:
        """Ask for the object; raises what ``fetch`` raises."""
        self._key, self._fetch = key, fetch
        answer = fetch(0, None)
        self._body = answer["Body"]
        self._etag: str = answer["ETag"]
        self.size: int = answer["ContentLength"]
        self._at = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be sought."""
        return True

    def tell(self) -> int:
        """Give the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place; nothing is asked for before it is read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        place = max(start + offset, 0)
        if place != self._at:
            self._drop()
            self._at = place
        return place

    def readinto(self, buffer: Any, /) -> int:
        """Read some bytes; raises `StoreError` when the server does not give them."""
        if self._at >= self.size or not len(buffer):
            return 0
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, count: int) -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            if self._body is None:
                self._body = self._fetch(self._at, self._etag)["Body"]
            try:
                data = bytes(self._body.read(count))
            except Exception as error:  # the library lets several layers shine through
                self._drop()
                if attempt == ATTEMPTS:
                    reason = f"file {self._key!r}: it broke off while it was read"
                    raise StoreError(reason) from error
            else:
                if data:
                    return data
                self._drop()
        raise StoreError(f"file {self._key!r}: it ends before its end")

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def close(self) -> None:
        """Give the connection back."""
        self._drop()
        super().close()


def reader(raw: ObjectReader) -> BinaryIO:
    """Give a buffered stream over ``raw``."""
    return cast(BinaryIO, io.BufferedReader(raw, CHUNK))
