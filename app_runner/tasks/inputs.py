"""Files that a processor gets as parameters: opened by URL, or sent with the form.

Both are read in the same way. What cannot be read ends the task with a sentence for the
user, who chose the file.
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, BinaryIO, NamedTuple, TextIO
from urllib.parse import urljoin

from requests import RequestException, Response

from app_runner.babel import gettext as _
from app_runner.data.text import binary_stream
from app_runner.db.models import TaskFile
from app_runner.errors import UserError
from app_runner.fetch import get_mimetype, parse_mimetype
from app_runner.fetch.described import (
    data_media_type,
    file_label,
    file_name_of,
    is_data_url,
)
from app_runner.fetch.failures import why_failed
from app_runner.state import current_runner
from app_runner.tasks.content import type_of
from app_runner.tasks.kept_content import KeptContent
from app_runner.tasks.results import open_file

#: Types that servers send when they do not know better.
TELL_NOTHING = ("application/octet-stream", "binary/octet-stream", "text/plain")


class ReadableFile(ABC):
    """A file that a processor reads."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Give the name of the file, without folders; "" when it has none."""

    @property
    @abstractmethod
    def content_type(self) -> str:
        """Give the media type, with its parameters."""

    @abstractmethod
    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open the bytes, for use in ``with``; raises `UserError`."""

    @contextmanager
    def open_text(self, encoding: str | None = None) -> Iterator[TextIO]:
        """Open as text, in the encoding that the media type names, else UTF-8.

        Raises `UserError`, also for bytes that are no text in that encoding.
        """
        with self.open() as file:
            named = encoding or self._charset
            try:
                yield io.TextIOWrapper(file, encoding=named, newline=None)
            except (UnicodeDecodeError, LookupError) as error:
                raise self._unreadable(str(error)) from error

    def read_bytes(self) -> bytes:
        """Give all bytes; raises `UserError`."""
        with self.open() as file:
            return file.read()

    def read_text(self, encoding: str | None = None) -> str:
        """Give the whole text; raises as `open_text`."""
        with self.open_text(encoding) as file:
            return file.read()

    def json(self) -> Any:
        """Give the content as JSON; raises `UserError` with line and column."""
        try:
            return json.loads(self.read_text())
        except (ValueError, RecursionError) as error:
            raise self._unreadable(str(error)) from error

    def entities(self, **options: Any) -> Iterator[Any]:
        """Give entities one by one, of JSON, JSON lines or CSV.

        ``options`` are those of `app_runner.data.entities.load_entities`. Raises
        `UserError` with the place of what cannot be read.
        """
        from app_runner.data.entities import load_entities

        with self.open() as file:
            content_type = self.content_type
            try:
                found = load_entities(file, content_type, **options)
            except ValueError as error:
                raise self._unreadable(str(error)) from error
            yield from found

    def frame(self, sheet: str | None = None) -> Any:
        """Give a table as a ``DataFrame`` of pandas, which must be installed.

        Tables are CSV, JSON, JSON lines, Excel (``sheet``, else the first one) and
        Parquet. Raises `UserError` as `entities`, and for a table without rows.
        """
        from app_runner.data.frames import load_frame

        with self.open() as file:
            return load_frame(file, self.content_type, self.name, sheet)

    @property
    def _charset(self) -> str:
        kind = parse_mimetype(self.content_type)
        return (kind.parameters.get("charset") if kind else None) or "utf-8-sig"

    def _unreadable(self, reason: str) -> UserError:
        text = _("%(file)s cannot be read: %(reason)s", file=str(self), reason=reason)
        return UserError(text)

    def __str__(self) -> str:
        return self.name or _("The file")


class Facts(NamedTuple):
    """What an answer tells of the file."""

    name: str
    content_type: str
    data_type: str | None
    attribute_metadata_url: str | None


class InputFile(ReadableFile):
    """A file that somebody named by its URL; opened through the guarded door."""

    def __init__(self, url: str, content_types: Sequence[str] = ()) -> None:
        """Take the URL and the media types that fit (``image/*``; none: all)."""
        self.url = url
        self.content_types = tuple(content_types) or ("*/*",)
        self._told: Facts | None = None
        self._kept: KeptContent | None = None

    @property
    def name(self) -> str:
        """Give the name, from the answer's header or the URL."""
        return self._facts().name

    @property
    def content_type(self) -> str:
        """Give the media type that was sent, else the one that fits best."""
        return self._facts().content_type

    @property
    def data_type(self) -> str | None:
        """Give the data type (``entity/list``, …) when the answer names it."""
        return self._facts().data_type

    @property
    def attribute_metadata_url(self) -> str | None:
        """Give the URL of the attributes' metadata when the answer names it."""
        return self._facts().attribute_metadata_url

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the bytes; also raises `UserError` for a media type that does not fit.

        What was read before is not fetched again when the server says that it is still
        the same.
        """
        with self._response() as response:
            if response.status_code == HTTPStatus.NOT_MODIFIED and self._kept:
                yield self._kept.again()
                return
            self._kept = None
            with binary_stream(response) as stream:
                keeping = KeptContent.of(response)
                yield keeping.while_read(stream) if keeping else stream
                if keeping and keeping.is_whole:
                    self._kept = keeping

    @contextmanager
    def _response(self) -> Iterator[Response]:
        asked = {"If-None-Match": self._kept.etag} if self._kept else {}
        try:
            with current_runner.fetcher.open(self.url, headers=asked) as response:
                if response.status_code != HTTPStatus.NOT_MODIFIED:
                    self._told = self._facts_of(response)
                    self._check(response)
                yield response
        except UserError:
            raise
        except RequestException as error:
            raise self._unreadable(why_failed(error)) from error

    def _facts(self) -> Facts:
        if self._told is not None:
            return self._told
        with self._response() as response:
            return self._facts_of(response)

    def _facts_of(self, response: Response) -> Facts:
        sent = _type_of(response)
        name = file_name_of(response)
        if _plain(sent) in TELL_NOTHING and not self._fits(sent):
            exact = [known for known in self.content_types if "*" not in known]
            guessed = type_of(name)
            sent = guessed if self._fits(guessed) else exact[0] if exact else sent
        headers = response.headers
        named = headers.get("X-Attribute-Metadata")
        metadata = urljoin(response.url, named) if named else None
        return Facts(name, sent, headers.get("X-Data-Type"), metadata)

    def _fits(self, content_type: str) -> bool:
        plain = _plain(content_type)
        return any(fnmatchcase(plain, known.lower()) for known in self.content_types)

    def _check(self, response: Response) -> None:
        sent = _plain(_type_of(response))
        if sent not in TELL_NOTHING and not self._fits(sent):
            types = ", ".join(self.content_types)
            reason = _("it is %(sent)s; what fits is %(types)s", sent=sent, types=types)
            raise self._unreadable(reason)

    def __str__(self) -> str:
        return (self._told.name if self._told else "") or _("The file")

    def __repr__(self) -> str:
        """Tell no more of the URL than the name; it may be a right to read."""
        return f"<InputFile {self}>"


class UploadedFile(ReadableFile):
    """A file that came with the form and was kept as a scratch file of the task."""

    def __init__(self, file: TaskFile) -> None:
        """Take its row."""
        self._file = file
        self._name, self._type = file.file_name, file.mimetype

    @property
    def name(self) -> str:
        """Give the name that the file had where it came from."""
        return file_label(self._name)

    @property
    def content_type(self) -> str:
        """Give the media type that the browser named, or that the name tells."""
        sent = self._type or TELL_NOTHING[0]
        return type_of(self._name) if _plain(sent) in TELL_NOTHING else sent

    @property
    def size(self) -> int | None:
        """Give the number of bytes."""
        return self._file.size

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open the bytes; raises `StoreError`."""
        return open_file(self._file)


def given_file(*files: ReadableFile | None) -> ReadableFile:
    """Give the one of several optional files that was given, else raise `UserError`."""
    given = [file for file in files if file is not None]
    if len(given) != 1:
        raise UserError(_("Give one file: its URL, or a file of your own."))
    return given[0]


def _type_of(response: Response) -> str:
    """Give the media type with its parameters; a `data:` URL has them in itself."""
    sent = get_mimetype(response) or TELL_NOTHING[0]
    if not is_data_url(response.url):
        return sent
    charset = data_media_type(response.url).parameters.get("charset")
    return f"{sent}; charset={charset}" if charset else sent


def _plain(content_type: str) -> str:
    kind = parse_mimetype(content_type)
    return (kind.name if kind else content_type).lower()
