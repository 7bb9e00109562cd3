"""Tables as data frames of pandas, which is imported only when one is asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO
from zipfile import BadZipFile

from app_runner.babel import gettext as _
from app_runner.data.archives import ArchiveLimits, get_files_from_zip
from app_runner.data.entities import ensure_dict, load_entities
from app_runner.errors import UserError
from app_runner.fetch import parse_mimetype

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/x-lines+json"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PARQUET = "application/vnd.apache.parquet"
#: What `load_frame` reads.
TABLES = (CSV, JSON, JSON_LINES, EXCEL, PARQUET)
ENDINGS = {
    ".csv": CSV,
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".xlsx": EXCEL,
    ".parquet": PARQUET,
}
IN_MEMORY = 2**24  # bytes of a file that stay out of the temporary folder
#: A workbook is an archive, and read as a whole.
WORKBOOK = ArchiveLimits(members=5000, unpacked_bytes=2**28)
MOST_CELLS = 50_000_000  # of Parquet, which can pack a great many into few bytes


def load_frame(
    file: BinaryIO, content_type: str, name: str = "", sheet: str | None = None
) -> Any:
    """Read a table into a ``DataFrame``; ``sheet`` is one of a workbook, else the first.

    The ending of ``name`` tells what a general media type does not. Raises `UserError`
    with the place of what cannot be read, and for a table without rows.
    """
    kind = kind_of(content_type, name)
    with SpooledTemporaryFile(IN_MEMORY) as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        if kind == EXCEL:
            frame = _of_workbook(copy, sheet)
        else:
            frame = READERS[kind](copy, content_type)
    if frame.empty:
        raise UserError(_("The table is empty."))
    frame.columns = [str(column) for column in frame.columns]
    return frame


def kind_of(content_type: str, name: str) -> str:
    """Give the one of `TABLES` that a file is; raises `UserError` for all others."""
    parsed = parse_mimetype(content_type)
    told = parsed.name if parsed else ""
    ending = ENDINGS.get(PurePath(name).suffix.lower(), "")
    for kind in (told, ending):
        if kind in TABLES:
            return kind
    raise UserError(
        _(
            "This is no table but %(type)s. Tables are CSV, JSON, JSON lines, Excel "
            "(xlsx) and Parquet.",
            type=told or _("a file of an unknown type"),
        )
    )


def _of_csv(file: IO[bytes], content_type: str) -> Any:
    parsed = parse_mimetype(content_type)
    charset = (parsed.parameters.get("charset") if parsed else None) or "utf-8"
    # pandas fills rows up that are too short; reading the file as entities says where
    for _entity in load_entities(file, f"{CSV}; charset={charset}"):
        pass
    file.seek(0)
    encoding = "utf-8-sig" if charset.lower() in ("utf-8", "utf8") else charset
    return _pandas().read_csv(file, encoding=encoding, index_col=False, low_memory=False)


def _of_json(file: IO[bytes], content_type: str) -> Any:
    return _of_entities(file, JSON)


def _of_json_lines(file: IO[bytes], content_type: str) -> Any:
    return _of_entities(file, JSON_LINES)


def _of_entities(file: IO[bytes], kind: str) -> Any:
    try:
        rows = list(ensure_dict(load_entities(file, kind)))
    except TypeError as error:
        raise UserError(_("All rows must be objects, as in [{…}, {…}].")) from error
    return _pandas().DataFrame(rows)


def _of_workbook(file: IO[bytes], sheet: str | None) -> Any:
    for _member in get_files_from_zip(file, "b", WORKBOOK):  # type: ignore[arg-type]
        break  # all members are checked before the first is given
    try:
        with _pandas().ExcelFile(file, engine="openpyxl") as book:
            if sheet and sheet not in book.sheet_names:
                known = ", ".join(book.sheet_names)
                raise UserError(
                    _(
                        "There is no sheet “%(sheet)s”; there are: %(known)s.",
                        sheet=sheet,
                        known=known,
                    )
                )
            return _pandas().read_excel(book, sheet_name=sheet or 0)
    except (BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        raise UserError(_("This is no workbook that can be read.")) from error


def _of_parquet(file: IO[bytes], content_type: str) -> Any:
    arrow = import_module("pyarrow")
    try:
        table = import_module("pyarrow.parquet").ParquetFile(file)
        size = table.metadata.num_rows * table.metadata.num_columns
        if size > MOST_CELLS:
            raise UserError(
                _("The table has more than %(most)s cells.", most=f"{MOST_CELLS:,}")
            )
        return table.read().to_pandas()
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise UserError(_("This is no Parquet that can be read.")) from error


def _pandas() -> Any:
    return import_module("pandas")


READERS: dict[str, Callable[[IO[bytes], str], Any]] = {
    CSV: _of_csv,
    JSON: _of_json,
    JSON_LINES: _of_json_lines,
    PARQUET: _of_parquet,
}
