"""A response body that counts what is read from it, as sent and as unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from app_runner.fetch.allowance import Allowance

#: Bytes that are unpacked at once: a bomb is noticed before it has grown.
PIECE = 2**16


class CountedBody(HTTPResponse):
    """urllib3's response, with an allowance that every way of reading draws on.

    urllib3 makes its responses itself, so one that came over the network is turned into
    this class (`counted`); nothing but the allowance is added.
    """

    allowance: Allowance

    def read(
        self,
        amt: int | None = None,
        decode_content: bool | None = None,
        cache_content: bool = False,
    ) -> bytes:
        """Read ``amt`` bytes or all; raises `FetchTooLarge` or `FetchTooSlow`."""
        if amt is None or amt < 0:
            return b"".join(self.stream(PIECE, decode_content))
        with self._watched():
            data = super().read(amt, decode_content, cache_content)
            return self._counted(data)

    def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """Read what is there, at most ``amt`` bytes; raises like `read`."""
        with self._watched():
            return self._counted(super().read1(amt or PIECE, decode_content))

    def read_chunked(
        self, amt: int | None = None, decode_content: bool | None = None
    ) -> Any:  # a generator; the stubs of urllib3 and of its parents differ
        """Give the pieces of a chunked body; raises like `read`."""
        pieces = super().read_chunked(amt or PIECE, decode_content)
        while True:
            with self._watched():
                piece = next(pieces, None)
                if piece is None:
                    return
                self._counted(piece)
            yield piece

    def _counted(self, data: bytes) -> bytes:
        # urllib3 gives None for a body that was closed before it was read
        self.allowance.unpacked(len(data or b""))
        return data

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Say the real cause when the allowance ended what looks like a broken line."""
        try:
            yield
        except (HTTPError, OSError) as error:
            ended = self.allowance.ended
            if ended is not None:
                self.close()
            if ended is not None and ended is not error:
                raise ended from error
            raise


def counted(raw: HTTPResponse, allowance: Allowance) -> CountedBody:
    """Turn ``raw`` into a body that draws on ``allowance``."""
    raw.__class__ = CountedBody
    body: CountedBody = raw  # type: ignore[assignment]
    body.allowance = allowance
    return body


def counted_over(stream: Any, raw: HTTPResponse, allowance: Allowance) -> CountedBody:
    """Give a body that draws on ``allowance`` and reads ``stream``, sent as ``raw``."""
    headers = {k: v for k, v in raw.headers.items() if k.lower() != "transfer-encoding"}
    body = CountedBody(
        stream,
        headers,
        raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        original_response=getattr(raw, "_original_response", None),
        request_method="GET",
    )
    body.allowance = allowance
    return body
