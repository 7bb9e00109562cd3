"""Text in pieces out of whatever holds it, and into whatever takes it.

A source is an open file (text or binary), or a response of `requests`; only ``read`` of a
file is used, so it may be of any make. Nothing here closes what it was given.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO, cast

import requests

from app_runner.babel import gettext as _
from app_runner.data.unreadable import UnreadableEntities

Source = IO[Any] | requests.Response
#: Bytes or characters that are read at once.
PIECE = 2**16
#: Characters of one line or one JSON value: what is longer is taken for broken data.
MAX_LINE = 2**24
BYTE_ORDER_MARK = "\ufeff"


def chunks(source: Source) -> Iterator[Any]:
    """Give what ``source`` holds, as bytes or as text, in pieces that are not empty."""
    if isinstance(source, requests.Response):
        yield from source.iter_content(PIECE)
        return
    while chunk := source.read(PIECE):
        yield chunk


def pieces(source: Source, charset: str = "utf-8") -> Iterator[str]:
    """Give the text of ``source``; bytes are decoded, a byte order mark is dropped.

    Raises ``UnicodeDecodeError`` after giving all text before the fault, and
    `UnreadableEntities` for a charset that does not exist.
    """
    try:
        "a".encode(charset)  # refuses codecs that are no charset, such as "hex"
        decoder = codecs.getincrementaldecoder(charset)()
    except (LookupError, ValueError):
        reason = _("There is no charset %(name)s.", name=charset)
        raise UnreadableEntities(reason) from None
    first = True
    for chunk in chunks(source):
        for text in (chunk,) if isinstance(chunk, str) else _decoded(decoder, chunk):
            yield text.removeprefix(BYTE_ORDER_MARK) if first else text
            first = first and not text
    yield from _decoded(decoder, b"", final=True)


def _decoded(
    decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool = False
) -> Iterator[str]:
    try:
        yield decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        yield error.object[: error.start].decode(error.encoding, "replace")
        raise


class WholeLines:
    """Some text in blocks that end where a line ends, and the lines with their ends.

    After an error ``rest`` holds what was read of the line that it happened in.
    """

    def __init__(self, source: Iterator[str]) -> None:
        """Take pieces of text."""
        self._pieces = source
        self.rest = ""

    def blocks(self) -> Iterator[str]:
        """Give blocks; raises what the pieces raise, and `UnreadableEntities`."""
        before = 0
        for piece in self._pieces:
            text = self.rest + piece
            end = _end_of_lines(text)
            self.rest = text[end:]
            if end:
                yield text[:end]
                before += text.count("\n", 0, end)
            if len(self.rest) > MAX_LINE:
                raise UnreadableEntities(_("The line does not end."), before + 1)
        if self.rest:
            last, self.rest = self.rest, ""
            yield last

    def __iter__(self) -> Iterator[str]:
        """Give the lines as ``newline=""`` of `open` has them; raises like `blocks`."""
        for block in self.blocks():
            yield from lines_of(block)


def lines_of(block: str) -> io.StringIO:
    """Give the lines of a block; those that other characters end are not split."""
    return io.StringIO(block, newline="")


def _end_of_lines(text: str) -> int:
    # a "\r" at the very end may be half of a "\r\n"
    return 1 + max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1))


def writer_of(target: IO[Any]) -> Callable[[str], object]:
    """Give a function that writes text to ``target``, in UTF-8 when it takes bytes."""
    try:
        target.write("")  # types tell nothing: temporary files are of their own kinds
    except TypeError:
        return lambda text: target.write(text.encode())
    return target.write


class _ResponseBytes(io.RawIOBase):
    """The body of a response as a raw file."""

    def __init__(self, response: requests.Response) -> None:
        self._chunks = response.iter_content(PIECE)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def binary_stream(response: requests.Response) -> BinaryIO:
    """Give the body of ``response``, unpacked, as a file to read (not to seek) in."""
    return cast(BinaryIO, io.BufferedReader(_ResponseBytes(response), PIECE))
