"""What a job has read of a URL, kept while it runs, for when it reads it once more."""

from __future__ import annotations

import io
import weakref
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from requests import Response

#: Bytes that are kept in memory, then on disk, then not at all.
IN_MEMORY, MOST = 2**20, 64 * 2**20


class KeptContent:
    """The content of one answer and its validator (RFC 9110, section 8.8)."""

    def __init__(self, etag: str) -> None:
        """Begin with nothing."""
        self.etag = etag
        self.is_whole = False
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - kept open
        self._is_too_large = False
        weakref.finalize(self, self._file.close)

    @classmethod
    def of(cls, response: Response) -> KeptContent | None:
        """Give what keeps the content of ``response``, if it has a validator."""
        etag = response.headers.get("ETag")
        return cls(etag) if etag and len(etag) < 1000 else None

    def while_read(self, stream: BinaryIO) -> BinaryIO:
        """Give a stream that reads ``stream`` and keeps what it gives."""
        return cast(BinaryIO, io.BufferedReader(_Keeping(stream, self)))

    def add(self, data: bytes) -> None:
        """Take the next bytes; none mean that all were there."""
        if self._is_too_large:
            return
        if not data:
            self.is_whole = True
        elif self._file.tell() + len(data) > MOST:
            self._is_too_large = True
            self._file.close()
        else:
            self._file.write(data)

    def again(self) -> BinaryIO:
        """Give all that was kept, from its beginning."""
        self._file.seek(0)
        return cast(BinaryIO, io.BufferedReader(_NotClosing(self._file)))


class _Keeping(io.RawIOBase):
    """Reads forwards and hands on what it reads."""

    def __init__(self, stream: BinaryIO, kept: KeptContent) -> None:
        self._stream, self._kept = stream, kept

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._kept.add(data)
        return len(data)


class _NotClosing(io.RawIOBase):
    """A view of a file that leaves it open."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
