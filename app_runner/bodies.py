"""Bounds of what a request may bring: bytes in memory, fields, depth of JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from sys import maxsize
from typing import IO, Any

from flask import Request, current_app
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property

from app_runner.babel import gettext

#: A text in JSON, in which brackets mean nothing.
JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
JSON_BRACKETS = re.compile(rb"[\[{\]}]")


class BoundedFormParser(FormDataParser):
    """Werkzeug's parser, with as few fields in urlencoded bodies as in others.

    Parts without a name, which RFC 7578 does not know, are dropped.
    """

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """Give the stream, the fields and the files."""
        stream, form, files = super().parse(*args, **kwargs)
        return stream, self._named(form), self._named(files)

    def _named(self, found: Any) -> Any:
        if None not in found:
            return found
        return self.cls([(k, v) for k, v in found.items(multi=True) if k is not None])

    def _parse_urlencoded(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: Any
    ) -> Any:
        body = stream.read()
        most = self.max_form_parts
        if most is not None and body.count(b"&") >= most:
            raise RequestEntityTooLarge()
        return super()._parse_urlencoded(BytesIO(body), mimetype, content_length, options)


class ChunkedBody:
    """A body of unknown length; one that is not sent as RFC 9112 says is answered 400.

    Servers tell that with exceptions of their own, which would pass as faults of ours.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        """Take the stream of the server."""
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes."""
        return self._checked(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        """Read at most one line."""
        return self._checked(self._stream.readline, size)

    @staticmethod
    def _checked(read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except OSError:  # the line broke, which Werkzeug knows about
            raise
        except Exception as error:
            text = gettext("The chunks of the body are not those of HTTP.")
            raise BadRequest(text) from error


class RunnerRequest(Request):
    """A request whose body is bounded by what would be done with it."""

    form_data_parser_class = BoundedFormParser

    @cached_property
    def stream(self) -> IO[bytes]:
        """Give the body as it is read."""
        if "HTTP_TRANSFER_ENCODING" in self.environ:
            self.environ["wsgi.input"] = ChunkedBody(self.environ["wsgi.input"])
        return super().stream

    @property
    def max_content_length(self) -> int | None:
        """Give the bytes that a body may have; less for those held in memory whole."""
        limit = super().max_content_length
        kind = self.mimetype
        if kind == "application/x-www-form-urlencoded" or kind.endswith("json"):
            in_memory: int = current_app.config["MAX_FORM_MEMORY_SIZE"]
            return min(limit or maxsize, in_memory)
        return limit

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    def get_json(self, *args: Any, **kwargs: Any) -> Any:
        """Give the JSON body; 400 when it is nested too deep."""
        if self.is_json or kwargs.get("force") or (args and args[0]):
            check_depth(self.get_data(cache=True))
        return super().get_json(*args, **kwargs)


def check_depth(body: bytes) -> None:
    """Answer 400 when JSON is nested deeper than the setting MAX_JSON_DEPTH."""
    most: int = current_app.config["MAX_JSON_DEPTH"]
    if body.count(b"[") + body.count(b"{") <= most:
        return
    depth = 0
    for bracket in JSON_BRACKETS.finditer(JSON_TEXT.sub(b"", body)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > most:
            raise BadRequest(
                gettext("The body is nested deeper than %(most)d levels.", most=most)
            )
