"""Three plugins for ZIP archives: look into one, unpack one, pack one.

Archives of others can do harm: names that lead elsewhere, links, and bombs are refused
before anything is unpacked (`get_files_from_zip`).
"""

from __future__ import annotations

import hashlib
import mimetypes
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import Annotated
from zipfile import ZIP_DEFLATED, ZipFile

from app_runner.plugin_api import (
    FileInput,
    Input,
    InputFile,
    Output,
    Plugin,
    Task,
    Text,
    Upload,
    UploadedFile,
    UserError,
    get_files_from_zip,
    given_file,
)

TAGS = ["archive", "zip"]
list_plugin = Plugin("zip-list", "1.0.0", title="Look into a ZIP", tags=TAGS)
unpack_plugin = Plugin("zip-unpack", "1.0.0", title="Unpack a ZIP", tags=TAGS)
pack_plugin = Plugin("zip-pack", "1.0.0", title="Pack a ZIP", tags=TAGS)

ZIP_TYPES = ["application/zip", "application/x-zip-compressed"]
Archive = Annotated[InputFile | None, FileInput(content_types=ZIP_TYPES)]
Own = Annotated[UploadedFile | None, Upload(label="Or a file of your own")]
IN_MEMORY = 2**24  # bytes of an archive that stay out of the temporary folder
PIECE = 2**20
#: Results of one task, and bytes of all files that are packed.
MOST_FILES, MOST_BYTES = 500, 2**31
UNKNOWN = "application/octet-stream"


@contextmanager
def members(file) -> Iterator:
    """Open an archive, all of whose members were looked at, for jumping about in it."""
    with SpooledTemporaryFile(IN_MEMORY) as copy, file.open() as source:
        shutil.copyfileobj(source, copy)
        copy.seek(0)
        yield get_files_from_zip(copy, "b")


def pieces(file) -> Iterator[bytes]:
    """Read an open file piece by piece."""
    return iter(lambda: file.read(PIECE), b"")


@list_plugin.processor(outputs=[Output("members.csv", "entity/list", "text/csv")])
def list_members(task: Task, archive: Archive = None, own: Own = None) -> str:
    """List what is in a ZIP archive: names, sizes, types, and SHA-256 sums.

    All files are read once, so an archive that is listed can also be unpacked.
    """
    rows = []
    with members(given_file(archive, own)) as found:
        for file, name in found:
            digest, size = hashlib.sha256(), 0
            for piece in pieces(file):
                digest.update(piece)
                size += len(piece)
            kind = mimetypes.guess_type(name)[0] or UNKNOWN
            rows.append(
                {"ID": name, "size": size, "type": kind, "sha256": digest.hexdigest()}
            )
            task.progress(len(rows), len(rows), "files")
    if not rows:
        raise UserError("The archive has no files.")
    task.save("members.csv", rows)
    return f"{len(rows)} files, {sum(row['size'] for row in rows)} bytes"


@unpack_plugin.processor(outputs=[Output("the files", "*", "*/*", required=False)])
def unpack(
    task: Task,
    archive: Archive = None,
    own: Own = None,
    pattern: Annotated[
        str, Text(max_length=200, help="Which files, such as `*.csv` or `data/*`.")
    ] = "*",
) -> str:
    """Unpack a ZIP archive: each of its files becomes a result."""
    unpacked = 0
    with members(given_file(archive, own)) as found:
        for file, name in found:
            if not fnmatchcase(name, pattern):
                continue
            if unpacked == MOST_FILES:
                raise UserError(
                    f"These are more than {MOST_FILES} files; choose with a pattern."
                )
            kind = mimetypes.guess_type(name)[0] or UNKNOWN
            task.save(name, file, "custom", kind)
            unpacked += 1
            task.progress(unpacked, unpacked, "files")
    if not unpacked:
        raise UserError(f"The archive has no files that fit {pattern!r}.")
    return f"{unpacked} files"


@pack_plugin.processor(outputs=[Output("archive.zip", "custom", "application/zip")])
def pack(
    task: Task,
    files: Annotated[
        list[Annotated[InputFile, FileInput()]],
        Input(help="Their URLs, separated by commas."),
    ],
) -> str:
    """Pack results and other files, by their URLs, into a ZIP archive."""
    if len(files) > MOST_FILES:
        raise UserError(f"These are more than {MOST_FILES} files.")
    size = 0
    with TemporaryFile() as target:
        with ZipFile(target, "w", ZIP_DEFLATED) as archive:
            for number, file in enumerate(files, start=1):
                size += add(archive, file, MOST_BYTES - size)
                task.progress(number, len(files), "files")
        task.save("archive.zip", target)
    return f"{len(files)} files, {size} bytes"


def add(archive: ZipFile, file: InputFile, room: int) -> int:
    """Pack one file under a name of its own, and give its size."""
    size = 0
    with file.open() as source:
        name = free_name(file.name or "file", archive.namelist())
        with archive.open(name, "w", force_zip64=True) as target:
            for piece in pieces(source):
                size += len(piece)
                if size > room:
                    raise UserError(f"The files have more than {MOST_BYTES:,} bytes.")
                target.write(piece)
    return size


def free_name(name: str, taken: list[str]) -> str:
    """Give ``name``, with a number behind it when it is taken."""
    path, number, free = PurePosixPath(name), 1, name
    while free in taken:
        number += 1
        free = f"{path.stem} ({number}){path.suffix}"
    return free
