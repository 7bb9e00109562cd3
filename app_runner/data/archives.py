"""ZIP archives that somebody else made: members are opened one by one, nothing unpacked.

What an archive can do wrong is refused with a sentence: names that lead elsewhere, links,
members that are encrypted or packed in ways that cannot be bounded, and bombs.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from struct import error as StructError
from typing import IO, Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipExtFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from app_runner.babel import gettext as _
from app_runner.errors import UserError

#: Bytes of an archive that are read at once; the list of members must fit in.
LARGEST_READ = 2**22
#: What the zip module raises for archives that are none; some places and names in them
#: make it fail with a ValueError of Python's own.
BROKEN = (
    BadZipFile,
    ZlibError,
    StructError,
    EOFError,
    NotImplementedError,
    OverflowError,
    ValueError,
)
ENCRYPTED = 0x1  # bit of the flags (APPNOTE.TXT 4.4.4)


class ArchiveRefused(UserError, ValueError):
    """The archive is broken, or could do harm."""


@dataclass(frozen=True)
class ArchiveLimits:
    """How much an archive may hold."""

    #: Members, folders included.
    members: int = 10_000
    #: Bytes of all members together, unpacked.
    unpacked_bytes: int = 2**30
    #: Unpacked bytes per packed byte, of members above ``ratio_free_bytes``.
    ratio: int = 200
    ratio_free_bytes: int = 2**24


DEFAULT_LIMITS = ArchiveLimits()


def get_files_from_zip(
    file_: BinaryIO, mode: str = "t", limits: ArchiveLimits = DEFAULT_LIMITS
) -> Iterator[tuple[IO[Any], str]]:
    """Give each file in an archive, open for reading, with its name in the archive.

    ``file_`` must be seekable. With "b" in ``mode`` the files are binary, else text in
    UTF-8. A file is open until the next one is asked for. All members are looked at
    before the first is given. Raises `ArchiveRefused`, also while a file is read.
    """
    with _refusing(), ZipFile(ShortReads(file_)) as archive:
        members = archive.infolist()
        _check(members, limits)
        for member in members:
            if not member.is_dir():
                with archive.open(member) as packed:
                    yield _opened(packed, mode), member.filename


def _opened(packed: Any, mode: str) -> IO[Any]:
    binary = io.BufferedReader(_Member(packed))
    if "b" in mode:
        return binary
    return io.TextIOWrapper(binary, encoding="utf-8-sig")


class ShortReads:
    """The archive's file, of which never much is read at once.

    The zip module reads the list of members whole, however long it says it is.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        bounded = LARGEST_READ if size < 0 else min(size, LARGEST_READ)
        return self._file.read(bounded)


class _Member(io.RawIOBase):
    """One member; what goes wrong while it is read is a refusal."""

    def __init__(self, packed: ZipExtFile) -> None:
        self._packed = packed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _refusing():
            data = self._packed.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn the errors of a broken archive into refusals."""
    try:
        yield
    except ArchiveRefused:
        raise
    except BROKEN as error:
        reason = _("The ZIP archive is broken (%(error)s).", error=str(error))
        raise ArchiveRefused(reason) from error


def _check(members: list[ZipInfo], limits: ArchiveLimits) -> None:
    if len(members) > limits.members:
        raise ArchiveRefused(
            _("The ZIP archive has more than %(count)s members.", count=limits.members)
        )
    # the zip module gives no more bytes than a member declares
    if sum(member.file_size for member in members) > limits.unpacked_bytes:
        raise ArchiveRefused(
            _(
                "The ZIP archive has more than %(count)s bytes, unpacked.",
                count=limits.unpacked_bytes,
            )
        )
    for member in members:
        reason = _reason_against(member, limits)
        if reason:
            raise ArchiveRefused(
                _(
                    "The ZIP archive is refused: %(name)s %(reason)s.",
                    name=repr(member.filename),
                    reason=reason,
                )
            )


def _reason_against(member: ZipInfo, limits: ArchiveLimits) -> str | None:
    # all names in the archive are checked, also those that the zip module cuts short
    if not all(map(is_contained, (member.filename, member.orig_filename))):
        return _("leads out of the archive")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return _("is a link or no file")
    if member.flag_bits & ENCRYPTED:
        return _("is encrypted")
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return _("is packed in a way that is not supported")
    packed = max(member.compress_size, 1)
    large = member.file_size > limits.ratio_free_bytes
    if large and member.file_size > limits.ratio * packed:
        return _("is packed too tightly")
    return None


def is_contained(name: str) -> bool:
    """Tell whether ``name`` stays below the folder it would be unpacked to, anywhere."""
    drive = len(name) > 1 and name[1] == ":"
    if not name or drive or any(c in name for c in "\\\0") or name.startswith("/"):
        return False
    return ".." not in PurePosixPath(name).parts
