"""The local store: files below one folder, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from flask import Flask

from app_runner.crash_points import crash_point
from app_runner.errors import FileMissing, StoreError
from app_runner.files.contract import CHUNK, KEY, FileStore, check_key
from app_runner.state import state_of

#: Suffix of files that are still being written; never a key (keys are checked).
PART = "~part"
#: How often a folder may be removed by others while a file is made in it.
ATTEMPTS = 100


class LocalStore(FileStore, name="local_filesystem"):
    """Keeps each key as a file of the same path below ``folder``."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> LocalStore:
        """Make a store for ``folder``."""
        store = cls()
        store.folder = folder
        return store

    def init_app(self, app: Flask) -> None:
        """Use FILE_STORE_FOLDER, or ``files`` in the instance folder."""
        settings = state_of(app).settings
        given = settings["FILE_STORE_FOLDER"]
        self.folder = Path(given) if given else settings.instance / "files"

    def write(self, key: str, source: BinaryIO) -> int:
        """Write to a temporary name, sync, then rename into place."""
        path = self.path(key)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART}")
        with _as_store_error(key):
            target = _create(draft)
        try:
            size = self._fill(key, target, source)
            with _as_store_error(key):
                crash_point("file-before-rename")
                draft.replace(path)
                crash_point("file-after-rename")
                _sync_folder(path.parent)
            return size
        finally:
            draft.unlink(missing_ok=True)

    def _fill(self, key: str, target: BinaryIO, source: BinaryIO) -> int:
        try:
            while chunk := source.read(CHUNK):
                with _as_store_error(key):
                    target.write(chunk)
            with _as_store_error(key):
                target.flush()
                os.fsync(target.fileno())
                return target.tell()
        finally:
            with suppress(OSError):  # all is synced, or what went wrong is told already
                target.close()

    def open(self, key: str) -> BinaryIO:
        """Open the file."""
        with _as_store_error(key):
            return self.path(key).open("rb")

    def size(self, key: str) -> int:
        """Ask the file system."""
        with _as_store_error(key):
            status = self.path(key).stat()
        if not S_ISREG(status.st_mode):
            raise FileMissing(f"there is no file {key!r}")
        return status.st_size

    def delete(self, key: str) -> None:
        """Remove the file, and folders that are empty then."""
        path = self.path(key)
        with _as_store_error(key):
            path.unlink(missing_ok=True)
        root = self.folder.resolve()
        for parent in path.parents:
            if parent == root or not _remove_if_empty(parent):
                break

    def keys(self) -> Iterator[str]:
        """Walk the folder; what is still being written, or is not ours, is left out."""
        for folder, _folders, names in os.walk(self.folder):
            for path in (Path(folder, name) for name in names):
                key = path.relative_to(self.folder).as_posix()
                if KEY.fullmatch(key) and not path.is_symlink():
                    yield key

    def remove_leftovers(self, older_than: float) -> int:
        """Remove drafts that nobody has written to for so many seconds."""
        removed, newest = 0, time.time() - older_than
        for draft in self.folder.rglob(f"*{PART}"):
            try:
                if draft.is_file() and draft.stat().st_mtime <= newest:
                    draft.unlink()
                    removed += 1
            except FileNotFoundError:
                continue  # its writer lives, and has just finished
        return removed

    def free_bytes(self) -> int:
        """Give the bytes that are free on the file system of the store."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.folder).free

    def path(self, key: str) -> Path:
        """Give where the file is; raises `StoreError` for what is no key of ours."""
        root = self.folder.resolve()
        path = (root / check_key(key)).resolve()
        if not path.is_relative_to(root) or path == root:
            raise StoreError(f"{key!r} leads out of the file store")
        return path


@contextmanager
def _as_store_error(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise FileMissing(f"there is no file {key!r}") from error
    except OSError as error:
        raise StoreError(f"file {key!r}: {error.strerror or error}") from error


def _create(draft: Path) -> BinaryIO:
    """Open a new file in a folder that others may remove as long as it is empty."""
    left = ATTEMPTS
    while True:
        try:
            draft.parent.mkdir(parents=True, exist_ok=True)
            return draft.open("xb")
        except (
            FileNotFoundError,
            FileExistsError,
        ):  # removed just now
            left -= 1
            if not left:
                raise


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable (POSIX: the folder has to be synced too)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return  # the key was deleted right away, and its folder was empty
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
