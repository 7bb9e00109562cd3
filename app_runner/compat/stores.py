"""File stores that published plugins bring, and how they serve as stores of ours.

Such a store knows two things: how to keep a file under a path, and at which URL its
bytes are read. It can neither delete nor list.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from math import inf
from pathlib import Path
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, ClassVar

from flask import Flask
from requests import Response

from app_runner.db.models import TaskFile
from app_runner.db.models.files import SCRATCH
from app_runner.errors import StoreError
from app_runner.fetch import Fetcher, FetchPolicy
from app_runner.files.contract import CHUNK, FileStore, check_key
from app_runner.files.links import fetched
from app_runner.state import state_of
from app_runner.tasks import results
from app_runner.tasks.results import Saveable

#: Bytes of a file that stay in memory while it is kept.
IN_MEMORY = 2**22
#: Stores tell the type of a file when they are read by others; they are read by us.
OCTETS = "application/octet-stream"
#: Bytes and seconds of a read: what is kept may be of any size.
UNBOUNDED = 2**62


class PublishedStore:
    """The base class that published plugins know: ``class X(FileStore, name="x")``."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls, name: str = "", **kwargs: Any) -> None:
        """Take the name under which settings and rows speak of the store."""
        super().__init_subclass__(**kwargs)
        cls.name = name or cls.name

    def __init__(self, app: Flask | None = None) -> None:
        """Bind to ``app`` when it is given."""
        self.app: Flask | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read settings of ``app``; the default needs none."""
        self.app = app

    def persist_file(self, file_: IO[Any], target: str | Path, mimetype: str) -> None:
        """Keep a file under a path; a subclass says how."""
        raise NotImplementedError(f"{type(self).__name__}.persist_file")

    def get_file_url(self, file_storage_data: str, external: bool = True) -> str:
        """Give the URL where the bytes of a path are read; a subclass says which."""
        raise NotImplementedError(f"{type(self).__name__}.get_file_url")

    def get_task_file_url(self, file_info: TaskFile, external: bool = True) -> str:
        """Give the URL where the bytes of a file are read."""
        return self.get_file_url(file_info.file_storage_data, external=external)

    def persist_task_result(
        self,
        task_db_id: int,
        file_: Saveable,
        file_name: str,
        file_type: str,
        mimetype: str,
        commit: bool = True,
    ) -> TaskFile:
        """Keep a result file of a task in this store."""
        return results.save_file(
            task_db_id,
            file_,
            file_name,
            file_type,
            mimetype,
            store=self.name,
            commit=commit,
        )

    def persist_task_temp_file(
        self,
        task_db_id: int,
        file_: Saveable,
        file_name: str,
        mimetype: str | None = None,
        commit: bool = True,
    ) -> TaskFile:
        """Keep a file that only later jobs of the task read in this store."""
        return self.persist_task_result(
            task_db_id, file_, file_name, SCRATCH, mimetype or "", commit
        )


class AdaptedStore(FileStore):
    """A published store under our contract."""

    def __init__(self, app: Flask, published: PublishedStore) -> None:
        """Take the store; what it needs of ``app`` it has taken already."""
        self.published = published
        super().__init__(app)

    @cached_property
    def _fetcher(self) -> Fetcher:
        """Open URLs that the store itself has made for keys of ours, wherever they lead.

        Users have no part in them, so that the policy for URLs of users does not apply.
        """
        policy = FetchPolicy.of_settings(state_of(self.app).settings)
        own = replace(
            policy,
            allow_private=True,
            file_roots=(Path("/"),),
            url_map=(),
            max_bytes=UNBOUNDED,
            max_seconds=inf,
        )
        return Fetcher(own)

    def write(self, key: str, source: BinaryIO) -> int:
        """Let the store keep the file, when all of its bytes are known to be there."""
        check_key(key)
        with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            copyfileobj(source, file, CHUNK)
            size = file.tell()
            file.seek(0)
            try:
                self.published.persist_file(file, key, OCTETS)
            except Exception as error:  # a store of a plugin may raise anything
                raise StoreError(f"file {key!r}: {error!r}") from error
        return size

    def open(self, key: str) -> BinaryIO:
        """Fetch what the store's URL leads to."""
        return fetched(lambda: self._response(key), f"file {key!r}")

    def size(self, key: str) -> int:
        """Give the length that the answer tells, or that of the bytes."""
        try:
            with closing(self._response(key)) as response:
                told = response.headers.get("Content-Length", "")
        except OSError:
            told = ""
        if told.isdigit():
            return int(told)
        with self.open(key) as file:
            return file.seek(0, 2)

    def _response(self, key: str) -> Response:
        try:
            url = self.published.get_file_url(check_key(key), external=False)
        except StoreError:
            raise
        except Exception as error:  # a store of a plugin may raise anything
            raise StoreError(f"file {key!r}: {error!r}") from error
        return self._fetcher.open(url)

    def delete(self, key: str) -> None:
        """Leave the bytes where they are: published stores cannot delete."""
        check_key(key)

    def keys(self) -> Iterator[str]:
        """Give none: published stores cannot list."""
        return iter(())


def is_store(value: object) -> bool:
    """Tell whether a value declares a published store."""
    return (
        isinstance(value, type) and issubclass(value, PublishedStore) and bool(value.name)
    )


def add_store(app: Flask, declared: type[PublishedStore]) -> None:
    """Make the store and register it; what its code raises passes through.

    It is made without an app first, as its authors expect: what its constructor sets
    after that of the base class would undo what `init_app` has set.
    """
    published = declared(app=None)
    published.init_app(app)

    class Adapted(AdaptedStore, name=declared.name):
        """The store of one plugin."""

    state_of(app).stores.register(Adapted(app, published))
