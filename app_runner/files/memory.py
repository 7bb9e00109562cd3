"""The memory store: a real, tiny store for tests; it ends with its app."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from flask import Flask

from app_runner.errors import FileMissing
from app_runner.files.contract import FileStore, check_key


class MemoryStore(FileStore, name="memory"):
    """Keeps bytes in a dict."""

    def __init__(self, app: Flask | None = None) -> None:
        """Begin empty."""
        self._bytes: dict[str, bytes] = {}
        super().__init__(app)

    def write(self, key: str, source: BinaryIO) -> int:
        """Read all of ``source``, then store it at once."""
        content = source.read()
        self._bytes[check_key(key)] = content
        return len(content)

    def open(self, key: str) -> BinaryIO:
        """Give a stream over the bytes."""
        return io.BytesIO(self._get(key))

    def size(self, key: str) -> int:
        """Count the bytes."""
        return len(self._get(key))

    def delete(self, key: str) -> None:
        """Forget the key."""
        self._bytes.pop(check_key(key), None)

    def keys(self) -> Iterator[str]:
        """Give all keys."""
        return iter(list(self._bytes))

    def _get(self, key: str) -> bytes:
        try:
            return self._bytes[check_key(key)]
        except KeyError:
            raise FileMissing(f"there is no file {key!r}") from None
