"""A download that goes on where the line broke (RFC 9110, sections 13.1.5 and 14).

Only what has a strong validator is resumed: so the rest is of the same version.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError, ProtocolError

#: Asks for all bytes from a place on, of the version that the validator names.
Reopen = Callable[[int, str], HTTPResponse]


def validator_of(headers: Mapping[str, str]) -> str | None:
    """Give the strong ETag of an answer whose parts can be asked for, else None."""
    etag = headers.get("ETag", "")
    refuses = headers.get("Accept-Ranges", "bytes").lower() != "bytes"
    return None if refuses or not etag.startswith('"') else etag


class ResumingStream(io.RawIOBase):
    """The bytes of a body as they are sent; asks for the rest when they break off."""

    def __init__(
        self, raw: HTTPResponse, validator: str, reopen: Reopen, tries: int
    ) -> None:
        """Take the body, its validator, how the rest is asked for, and how often."""
        self._raw = raw
        self._validator = validator
        self._reopen = reopen
        self._tries = tries
        self._given = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most ``size`` bytes; raises what broke when it cannot go on."""
        while True:
            try:
                data = self._raw.read(size if size and size > 0 else None, False)
            except (HTTPError, OSError) as error:
                self._go_on(error)
            else:
                self._given += len(data)
                return data

    def readinto(self, buffer: Any, /) -> int:
        """Read into ``buffer``; raises as `read`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _go_on(self, error: Exception) -> None:
        """Ask for the rest, or raise ``error``."""
        self._raw.close()
        while self._tries > 0:
            self._tries -= 1
            try:
                self._raw = self._reopen(self._given, self._validator)
            except (HTTPError, OSError):
                continue
            return
        raise error

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()
        super().close()


def check_part(answer: HTTPResponse, start: int) -> HTTPResponse:
    """Give ``answer`` when it is the rest from ``start`` on; raises `ProtocolError`."""
    place = answer.headers.get("Content-Range", "")
    if answer.status == 206 and place.startswith(f"bytes {start}-"):
        return answer
    answer.close()
    raise ProtocolError("the rest of the content is not to be had")
