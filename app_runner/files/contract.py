"""What a file store is: a place for bytes under keys that the runner makes.

A store knows neither tasks nor URLs of ours, so that any storage can be one, and all of
them are held to one contract test. Keys are made by us and carry no name that a
user chose; the author's file name is only a label, kept in the database.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, ClassVar

from flask import Flask

from app_runner.errors import StoreError

KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*", re.ASCII)
MAX_KEY = 500
#: Bytes that are held in memory at a time while streaming.
CHUNK = 256 * 1024


def check_key(key: str) -> str:
    """Give ``key`` back, or raise `StoreError` when it is none we would have made."""
    if len(key) > MAX_KEY or KEY.fullmatch(key) is None:
        raise StoreError(f"{key!r} is not a key of a file store")
    return key


class FileStore(ABC):
    """Keeps bytes under keys; subclasses are named: ``class X(FileStore, name="x")``."""

    name: ClassVar[str] = ""
    #: False for a store of links: clients are given ``url(key)``, not a URL of ours.
    holds_bytes: ClassVar[bool] = True

    def __init_subclass__(cls, name: str = "", **kwargs: Any) -> None:
        """Take the name under which settings and rows speak of the store."""
        super().__init_subclass__(**kwargs)
        if name:
            cls.name = name

    def __init__(self, app: Flask | None = None) -> None:
        """Bind to ``app`` when it is given."""
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read settings of ``app``; the default needs none."""
        self.app = app

    @abstractmethod
    def write(self, key: str, source: BinaryIO) -> int:
        """Store all of ``source`` and give the number of bytes.

        The key appears whole or not at all, and replaces what was there. Raises
        `StoreError` (full, unreachable, not a key); errors of ``source`` pass through.
        """

    def keep(self, key: str, source: BinaryIO) -> tuple[str, int | None]:
        """Store ``source`` and give its key and its number of bytes (None: unknown).

        The key is the one given, except in a store that finds content by keys of its
        own. Raises what `write` raises.
        """
        return key, self.write(key, source)

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """Open for reading, seekable; raises `FileMissing` or `StoreError`."""

    @abstractmethod
    def size(self, key: str) -> int:
        """Give the number of bytes; raises `FileMissing` or `StoreError`."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete; a key that is not there is fine."""

    @abstractmethod
    def keys(self) -> Iterator[str]:
        """Give all keys that are stored, in any order."""

    def url(self, key: str) -> str | None:
        """Give a URL where a client gets the bytes without us, if there is one."""
        return None

    def signed_url(
        self, key: str, headers: Mapping[str, str], seconds: int
    ) -> str | None:
        """Give a URL where clients get the bytes without us for so many seconds.

        It answers with these headers (Content-Type and Content-Disposition). None when
        the store has no such URLs.
        """
        return None

    def remove_leftovers(self, older_than: float) -> int:
        """Remove what killed writers left that many seconds ago; give the count."""
        return 0
