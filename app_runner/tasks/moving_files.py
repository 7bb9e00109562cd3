"""Copies files from one store to another while the runner works.

A row is switched when its copy was read back and is the same, by compare and set: what
was deleted or changed meanwhile stays so. Who stops and starts again goes on where it
was, because switched rows name the other store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from sqlalchemy import CursorResult, update

from app_runner.db.engine import DB
from app_runner.db.models import TaskFile, Upload
from app_runner.errors import FileMissing, StoreError
from app_runner.files.contract import CHUNK, FileStore

BATCH = 100
Stored = type[TaskFile | Upload]
KINDS: tuple[Stored, ...] = (TaskFile, Upload)


@dataclass
class Moved:
    """What a move did: files and bytes, and what could not be copied."""

    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def move(source: FileStore, target: FileStore) -> Iterator[Moved]:
    """Copy all files, one after the other; gives the state after each."""
    moved = Moved()
    for kind in KINDS:
        for id_, key in _rows(kind, source.name):
            try:
                size = _copy(source, target, key)
            except StoreError as error:
                moved.problems.append(str(error))
                continue
            if _switch(kind, id_, key, source.name, target.name):
                moved.files += 1
                moved.bytes += size
            else:  # deleted meanwhile
                target.delete(key)
            yield moved
    yield moved


def _rows(kind: Stored, store: str) -> Iterator[tuple[int, str]]:
    """Give id and key of each row in the store, also of those that come meanwhile."""
    last = 0
    while True:
        query = (
            DB.select(kind.id, kind.file_storage_data)
            .where(kind.storage_provider == store, kind.id > last)
            .where(kind.file_storage_data != "")
            .order_by(kind.id)
            .limit(BATCH)
        )
        batch = [(int(row[0]), str(row[1])) for row in DB.session.execute(query)]
        DB.session.rollback()  # no transaction stays open while files are copied
        if not batch:
            return
        yield from batch
        last = batch[-1][0]


def _copy(source: FileStore, target: FileStore, key: str) -> int:
    """Copy and compare what arrived; raises `StoreError`."""
    with source.open(key) as file:
        hashed = _Hashed(file)
        size = target.write(key, cast(BinaryIO, hashed))
    if target.size(key) != size or _digest(target, key) != hashed.digest:
        target.delete(key)
        raise StoreError(f"file {key!r}: its copy is not the same")
    return size


def _switch(kind: Stored, id_: int, key: str, source: str, target: str) -> bool:
    statement = (
        update(kind)
        .where(kind.id == id_, kind.file_storage_data == key)
        .where(kind.storage_provider == source)
        .values(storage_provider=target)
    )
    result = cast(CursorResult[Any], DB.session.execute(statement))
    DB.session.commit()
    return result.rowcount == 1


def delete_old(source: FileStore, target: FileStore) -> Iterator[str]:
    """Delete the old bytes of all files that are in ``target``; gives what went wrong."""
    for kind in KINDS:
        for _id, key in _rows(kind, target.name):
            try:
                source.delete(key)
            except StoreError as error:
                yield str(error)


def _digest(store: FileStore, key: str) -> bytes:
    with store.open(key) as file:
        hashed = _Hashed(file)
        while hashed.read(CHUNK):
            pass
    return hashed.digest


class _Hashed:
    """A stream whose bytes are counted into a hash as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes."""
        data = self._file.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> bytes:
        """Give the hash of all that was read."""
        return self._hash.digest()


def missing(store: FileStore) -> Iterator[str]:
    """Give the name of each file whose row names bytes that are not there."""
    for kind in KINDS:
        for id_, key in _rows(kind, store.name):
            try:
                store.size(key)
            except FileMissing:
                yield f"{kind.__tablename__} {id_}: {store.name} has no bytes {key}"
