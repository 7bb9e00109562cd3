"""Result files and scratch files: bytes go to a store, their rows to the database."""

from __future__ import annotations

import io
import json
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskFile, Upload
from app_runner.db.models.files import SCRATCH
from app_runner.db.types import now
from app_runner.errors import StoreError
from app_runner.files.contract import FileStore
from app_runner.state import current_runner
from app_runner.tasks import quotas, records
from app_runner.tasks.fence import check_lease

LOG = logging.getLogger(__name__)

#: What can be saved: text, bytes, an open file, a path, or JSON-able data.
Saveable = (
    str | bytes | bytearray | memoryview | IO[Any] | Path | dict[str, Any] | list[Any]
)
MAX_NAME = 500


def write(
    task_id: int,
    content: Saveable,
    name: str,
    file_type: str,
    mimetype: str | None,
    store: str | None = None,
    attempt: int | None = None,
    unsaved: int = 0,
) -> dict[str, Any]:
    """Store ``content`` and give the columns of the row that will name it.

    ``name`` is only a label; the key in the store is made from task and attempt.
    ``unsaved`` are the bytes of files of the task that have no row yet. Raises
    `StoreError` when the store cannot take it, `QuotaExceeded` when task or user have no
    room left, ``TypeError`` for what cannot be saved.
    """
    target = current_runner.stores[store] if store else _store_of(task_id)
    key = f"{task_id}/{attempt or 0}/{secrets.token_hex(16)}"
    with as_binary(content) as source:
        key, size = target.keep(key, quotas.for_task(task_id, source, unsaved))
    return {
        "storage_provider": target.name,
        "file_storage_data": key,
        "file_name": name[:MAX_NAME],
        "file_type": file_type,
        "mimetype": mimetype,
        "size": size,
        "attempt": attempt,
        "security_tag": secrets.token_urlsafe(24),
        "created_at": now(),
    }


def _store_of(task_id: int) -> FileStore:
    """Give the store that files of the task go to; asks nothing when all go to one."""
    stores = current_runner.stores
    if not stores.differ_by_plugin:
        return stores.default
    query = DB.select(ProcessingTask.plugin).filter_by(id=task_id)
    return stores.for_plugin(DB.session.scalar(query))


def save_file(
    task_id: int,
    content: Saveable,
    name: str,
    file_type: str,
    mimetype: str | None,
    *,
    store: str | None = None,
    commit: bool = True,
) -> TaskFile:
    """Store ``content`` and add its row to the session; raises `TaskNotFound` too.

    In a job whose message somebody else works off by now it raises `LeaseLost`.
    """
    task = records.get(task_id)
    check_lease()
    columns = write(task_id, content, name, file_type, mimetype, store)
    file = TaskFile(task, **columns)
    DB.session.add(file)
    if commit:
        DB.session.commit()
    return file


def save_scratch(
    task_id: int, content: Saveable, name: str, mimetype: str | None
) -> TaskFile:
    """Store a file that only later jobs of the task read."""
    return save_file(task_id, content, name, SCRATCH, mimetype)


def open_file(file: TaskFile | Upload) -> BinaryIO:
    """Open the bytes of a file; raises `FileMissing`, `StoreError`, `UnknownStore`."""
    return current_runner.stores[file.storage_provider].open(file.file_storage_data)


def drop(columns: dict[str, Any]) -> None:
    """Delete bytes that were written but will have no row.

    A store that does not answer keeps them; `flask files check` finds them later.
    """
    try:
        store = current_runner.stores[columns["storage_provider"]]
        store.delete(columns["file_storage_data"])
    except StoreError as error:
        LOG.warning("Bytes without a row are left behind: %s", error)


@contextmanager
def as_binary(content: Saveable) -> Iterator[BinaryIO]:
    """Give the content as a binary stream from its beginning."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            yield file
    elif isinstance(content, str):
        yield io.BytesIO(content.encode())
    elif isinstance(content, bytes | bytearray | memoryview):
        yield io.BytesIO(content)
    elif hasattr(content, "read"):
        yield _rewound(cast(IO[Any], content))
    elif isinstance(content, dict | list):
        yield io.BytesIO(json.dumps(content, ensure_ascii=False, indent=2).encode())
    else:
        raise TypeError(f"cannot save a {type(content).__name__} as a file")


def _rewound(file: IO[Any]) -> BinaryIO:
    if getattr(file, "seekable", lambda: hasattr(file, "seek"))():
        file.seek(0)
    return EncodedReader(file)  # type: ignore[return-value]


class EncodedReader:
    """Reads bytes from an open file, whether it was opened as text or binary."""

    def __init__(self, file: IO[Any]) -> None:
        """Take the file; text is encoded as UTF-8."""
        self._file = file
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes (all without a size)."""
        if not self._left:
            part = self._file.read(size)
            self._left = part.encode() if isinstance(part, str) else part or b""
        wanted = len(self._left) if size < 0 else size
        given, self._left = self._left[:wanted], self._left[wanted:]
        return given
