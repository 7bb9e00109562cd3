"""Uploads: taken whole, or piece by piece where the line may break; they expire.

A piece is in the store and in the database before the next one is read, so that a
client can go on after any end of the server, at another server too.
"""

from __future__ import annotations

import io
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, BinaryIO, cast

from flask import Flask
from sqlalchemy import CursorResult, delete, insert, update

from app_runner.babel import gettext as _
from app_runner.data.sniffing import HEAD, UNKNOWN, contradicts, sniffed
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, Upload, UploadPart
from app_runner.db.types import now
from app_runner.errors import StoreError, UserError
from app_runner.files.contract import CHUNK, FileStore
from app_runner.state import acting_user, current_runner, state_of
from app_runner.tasks import quotas

LOG = logging.getLogger(__name__)
#: Bytes of one piece: what is lost at most when the line breaks.
PIECE = 8 * 2**20
LOOK_EVERY = 60.0  # seconds between two looks for what has expired


class UploadTooLarge(UserError):
    """The upload has more bytes than the setting UPLOAD_MAX_BYTES allows."""


class WrongOffset(UserError):
    """The piece does not begin where the upload ends, or somebody else was faster."""


class WrongType(UserError):
    """The content is not of the type that was declared."""


def max_bytes() -> int:
    """Give the most bytes of an upload."""
    return int(current_runner.settings["UPLOAD_MAX_BYTES"])


def begin(name: str, declared: str | None, size: int) -> Upload:
    """Write the row of an upload of which nothing is there yet; raises `UserError`."""
    if size > max_bytes():
        raise too_large()
    owner = acting_user()
    quotas.check_user(owner, size)
    upload = Upload(
        owner=owner,
        file_name=name,
        mimetype=declared,
        size=size,
        received=0,
        storage_provider=current_runner.stores.default.name,
        expires_at=_expiry(),
    )
    upload.save(commit=True)
    return upload


def too_large() -> UploadTooLarge:
    """Say how much is allowed."""
    text = _(
        "An upload has at most %(count)s bytes (setting UPLOAD_MAX_BYTES).",
        count=max_bytes(),
    )
    return UploadTooLarge(text)


def keep_whole(source: BinaryIO, name: str, declared: str | None) -> Upload:
    """Store all of ``source`` as one upload; raises `UserError` or `StoreError`."""
    head = _head_of(source)
    kind = _checked_type(declared, head, name)
    store, key = current_runner.stores.default, _new_key("whole")
    owner = acting_user()
    quotas.check_user(owner, 0)
    whole = cast(BinaryIO, _Chained([io.BytesIO(head), source]))
    limited = quotas.Limited(whole, max_bytes(), too_large)
    size = store.write(key, cast(BinaryIO, limited))
    try:
        quotas.check_user(owner, size)
        upload = Upload(
            owner=owner,
            file_name=name,
            mimetype=kind,
            size=size,
            received=size,
            storage_provider=store.name,
            file_storage_data=key,
            expires_at=_expiry(),
        )
        upload.save(commit=True)
    except BaseException:
        store.delete(key)
        raise
    return upload


def receive(upload: Upload, source: BinaryIO, start: int) -> None:
    """Add all of ``source`` to an upload, of which ``start`` bytes are there.

    What arrived before ``source`` broke is kept. Raises `WrongOffset`, `UploadTooLarge`,
    `WrongType` (the upload is gone then), `StoreError`, and what ``source`` raises.
    """
    if upload.is_complete or start != upload.received:
        raise _wrong_offset(upload)
    store = current_runner.stores[upload.storage_provider]
    while True:
        piece = _Piece(source, min(PIECE, upload.size - upload.received))
        if not piece.is_empty:
            _add(upload, store, piece)
        if piece.broken is not None:
            raise piece.broken
        if piece.given < PIECE:
            break
    if upload.received == upload.size:
        _finish(upload, store)
        if _Piece(source, 1).given:
            raise UploadTooLarge(_("More bytes came than were declared."))


def _wrong_offset(upload: Upload) -> WrongOffset:
    return WrongOffset(
        _("%(count)s bytes are there; go on after them.", count=upload.received)
    )


def _add(upload: Upload, store: FileStore, piece: _Piece) -> None:
    """Keep a piece and its row, unless another request was faster."""
    start, key = upload.received, _new_key(str(upload.id))
    size = store.write(key, cast(BinaryIO, piece))
    moved = (
        update(Upload)
        .where(Upload.id == upload.id, Upload.received == start)
        .values(received=start + size, expires_at=_expiry())
        .execution_options(synchronize_session=False)
    )
    if DB.session.connection().execute(moved).rowcount != 1:
        DB.session.rollback()
        store.delete(key)
        DB.session.refresh(upload)
        raise _wrong_offset(upload)
    values = {"upload_id": upload.id, "start": start, "file_storage_data": key}
    DB.session.execute(insert(UploadPart), values)
    DB.session.commit()


def _finish(upload: Upload, store: FileStore) -> None:
    """Make one file of the pieces and check its type."""
    parts = [part.file_storage_data for part in upload.parts]
    with closing(_Chained(_opened(store, parts[:1]))) as begun:
        head = begun.read(HEAD)
    try:
        kind = _checked_type(upload.mimetype, head, upload.file_name)
    except WrongType:
        discard(upload)
        raise
    key = parts[0] if len(parts) == 1 else _new_key("whole")
    if len(parts) != 1:
        store.write(key, cast(BinaryIO, _Chained(_opened(store, parts))))
    upload.mimetype, upload.file_storage_data = kind, key
    upload.parts.clear()
    DB.session.commit()
    for part in parts:
        if part != key:
            _delete(store, part)


def _opened(store: FileStore, keys: Sequence[str]) -> Iterator[BinaryIO]:
    for key in keys:
        with store.open(key) as file:
            yield file


def discard(upload: Upload) -> None:
    """Delete an upload with its bytes."""
    store = current_runner.stores[upload.storage_provider]
    keys = [part.file_storage_data for part in upload.parts]
    if upload.file_storage_data:
        keys.append(upload.file_storage_data)
    DB.session.execute(delete(UploadPart).where(UploadPart.upload_id == upload.id))
    gone = DB.session.execute(delete(Upload).where(Upload.id == upload.id))
    DB.session.commit()
    if cast(CursorResult[Any], gone).rowcount:  # else another process was faster
        for key in keys:
            _delete(store, key)


def _delete(store: FileStore, key: str) -> None:
    try:
        store.delete(key)
    except StoreError as error:
        LOG.warning("Bytes without a row are left behind: %s", error)


def used(upload: Upload) -> None:
    """Let an upload that was read live on."""
    if upload.expires_at < _expiry() - timedelta(minutes=5):
        upload.expires_at = _expiry()
        DB.session.commit()


def expire() -> int:
    """Delete uploads that nobody used for long and no waiting task names; count them."""
    query = DB.select(Upload).where(Upload.expires_at < now()).limit(100)
    expired = [upload for upload in DB.session.scalars(query) if not _is_named(upload)]
    for upload in expired:
        discard(upload)
    return len(expired)


def _is_named(upload: Upload) -> bool:
    """Tell whether a task that has not ended has the URL among its parameters."""
    tag = upload.security_tag.replace("_", r"\_")
    query = DB.select(ProcessingTask.id).where(
        ProcessingTask.finished_at.is_(None),
        ProcessingTask.parameters.like(f"%{tag}%", escape="\\"),
    )
    return DB.session.scalars(query.limit(1)).first() is not None


def _expiry() -> datetime:
    return now() + timedelta(hours=current_runner.settings["UPLOAD_HOURS"])


def _new_key(kind: str) -> str:
    return f"uploads/{kind}/{secrets.token_hex(16)}"


def _head_of(source: BinaryIO) -> bytes:
    """Read the first bytes; a source may give them in any portions."""
    head = b""
    while len(head) < HEAD and (more := source.read(HEAD - len(head))):
        head += more
    return head


def _checked_type(declared: str | None, head: bytes, name: str) -> str:
    """Give the declared type, or the one that the content tells; raises `WrongType`."""
    if not declared or declared == UNKNOWN:
        return sniffed(head, name)
    if contradicts(declared, head):
        raise WrongType(_("The content is not %(type)s, as was declared.", type=declared))
    return declared


class Expiry:
    """Deletes expired uploads now and then."""

    def __init__(self) -> None:
        """Look at the first call."""
        self._next_look = 0.0

    def tick(self, _jobs: Sequence[object]) -> None:
        """Look once a minute, however often it is called."""
        if (moment := time.monotonic()) >= self._next_look:
            self._next_look = moment + LOOK_EVERY
            expire()


def init_app(app: Flask) -> None:
    """Let the worker delete what has expired."""
    state_of(app).minder.every_second(Expiry().tick)


class _Chained:
    """Several streams, read one after the other."""

    def __init__(self, streams: Sequence[BinaryIO] | Iterator[BinaryIO]) -> None:
        self._streams = iter(streams)
        self._current = next(self._streams, None)

    def read(self, size: int = CHUNK) -> bytes:
        """Read at most ``size`` bytes."""
        while self._current is not None:
            if data := self._current.read(size):
                return data
            self._current = next(self._streams, None)
        return b""

    def close(self) -> None:
        """Close the one that is read."""
        if (close := getattr(self._streams, "close", None)) is not None:
            close()


class _Piece:
    """At most ``limit`` bytes of a source; a source that breaks ends the piece."""

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self._read: Callable[[int], bytes] = source.read
        self._left = limit
        self.given = 0
        self.broken: Exception | None = None
        self._first = self._some(CHUNK)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to keep."""
        return not self.given

    def read(self, size: int = CHUNK) -> bytes:
        """Read at most ``size`` bytes."""
        if self._first:
            wanted = len(self._first) if size < 0 else size
            data, self._first = self._first[:wanted], self._first[wanted:]
            return data
        return self._some(CHUNK if size < 0 else size)

    def _some(self, size: int) -> bytes:
        if self.broken is not None or not self._left:
            return b""
        try:
            data = self._read(min(size, self._left))
        except Exception as error:  # noqa: BLE001 - what came is kept, then raised
            self.broken = error
            return b""
        self._left -= len(data)
        self.given += len(data)
        return data
