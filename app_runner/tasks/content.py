"""Turns what a processor saves into bytes: rows, tables, arrays and figures too.

Libraries for data are never imported here unless the object that is saved comes from one.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from mimetypes import guess_type
from pathlib import Path, PurePath
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple

from app_runner.tasks.results import Saveable

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"
PARQUET = "application/vnd.apache.parquet"
JSON_LINES = ("application/x-lines+json", "application/jsonl", "application/x-ndjson")
#: Media types by endings that Python's own table does not know.
TYPES = {
    ".jsonl": JSON_LINES[0],
    ".ndjson": JSON_LINES[0],
    ".npy": NPY,
    ".parquet": PARQUET,
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".fits": "image/fits",
}
LINE_END = "\r\n"  # RFC 4180
#: Bytes of a file made of rows that stay in memory.
IN_MEMORY = 8 * 2**20
PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}


class File(NamedTuple):
    """A file to be stored; without a type it is the one that the author names."""

    name: str
    content: Saveable
    content_type: str | None = None


def files_of(content: Any, name: str, content_type: str) -> Iterator[File]:
    """Give the file, or files (a figure is PNG and SVG), that ``content`` becomes.

    Raises ``TypeError`` for what cannot be saved, ``ValueError`` when it cannot be
    saved as ``content_type``.
    """
    library = _library(content)
    if library == "matplotlib":
        yield from _pictures(content, name)
    elif library in ("pandas", "numpy"):
        convert = _table if library == "pandas" else _array
        yield File(name, convert(content, content_type))
    elif is_rows(content, content_type):
        with rows_as_file(content, content_type) as file:
            yield File(name, file)
    elif isinstance(content, bool | int | float | tuple):
        yield File(name, json.dumps(content, ensure_ascii=False))
    else:
        yield File(name, Path(content) if isinstance(content, PurePath) else content)


def _library(content: Any) -> str:
    """Tell which known library an object is from; matplotlib only for what draws."""
    for kind in type(content).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in ("pandas", "numpy"):
            return library
        if library == "matplotlib" and hasattr(content, "savefig"):
            return library
    return ""


def type_of(name: str) -> str:
    """Give the media type that the ending of a file's name tells."""
    known = TYPES.get(PurePath(name).suffix.lower())
    return known or guess_type(name)[0] or "application/octet-stream"


def is_rows(content: Any, content_type: str) -> bool:
    """Tell whether content is rows: a list of them, or an iterator over them."""
    if isinstance(content, list):
        has_rows = _plain_type(content_type) in (CSV, *JSON_LINES)
        return has_rows or (
            bool(content) and all(isinstance(row, Mapping) for row in content)
        )
    return isinstance(content, Iterator) and not hasattr(content, "read")


@contextmanager
def rows_as_file(rows: Iterable[Any], content_type: str) -> Iterator[IO[Any]]:
    """Write rows as CSV, JSON lines or (all other types) as a JSON array."""
    plain = _plain_type(content_type)
    write = _write_json
    if plain == CSV:
        write = _write_csv
    elif plain in JSON_LINES:
        write = _write_lines
    with SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8", newline="") as file:
        write(map(_row, rows) if not isinstance(rows, list) else _rows(rows), file)
        file.seek(0)
        yield file


def _rows(rows: Iterable[Any]) -> list[Any]:
    return [_row(row) for row in rows]


def _row(row: Any) -> Any:
    """Give a row by its names where it has them: entities and named tuples do."""
    for attribute in ("as_dict", "_asdict"):
        if hasattr(row, attribute):
            return getattr(row, attribute)()
    return dict(row) if isinstance(row, Mapping) else row


def _write_csv(rows: Iterable[Any], file: IO[str]) -> None:
    known = rows if isinstance(rows, list) else None
    first, every = _peeked(iter(rows))
    if not isinstance(first, dict):  # rows without names have no header
        csv.writer(file, lineterminator=LINE_END).writerows(every)
        return
    # later rows of a list may have more columns
    names = dict.fromkeys(name for row in known or [first] for name in row)
    writer = csv.DictWriter(file, list(names), lineterminator=LINE_END)
    writer.writeheader()
    writer.writerows(every)


def _peeked(rows: Iterator[Any]) -> tuple[Any, Iterator[Any]]:
    first = next(rows, None)
    return first, rows if first is None else chain([first], rows)


def _write_lines(rows: Iterable[Any], file: IO[str]) -> None:
    for row in rows:
        file.write(f"{json.dumps(row, ensure_ascii=False)}\n")


def _write_json(rows: Iterable[Any], file: IO[str]) -> None:
    separator = "["
    for row in rows:
        file.write(f"{separator}\n{json.dumps(row, ensure_ascii=False)}")
        separator = ","
    file.write("[]" if separator == "[" else "\n]")


def _pictures(figure: Any, name: str) -> Iterator[File]:
    stem = PurePath(name)
    base = name.removesuffix(stem.suffix) if stem.suffix in PICTURES else name
    for ending, content_type in PICTURES.items():
        drawn = io.BytesIO()
        figure.savefig(drawn, format=ending[1:])
        yield File(f"{base}{ending}", drawn.getvalue(), content_type)


def _table(table: Any, content_type: str) -> Saveable:
    """Write a DataFrame or Series of pandas."""
    if not hasattr(table, "to_csv"):
        return _json_of(table)
    frame = table.to_frame() if hasattr(table, "to_frame") else table
    named = type(frame.index).__name__ != "RangeIndex"
    if named:
        taken = {name: f"{name} (index)" for name in frame.index.names if name in frame}
        frame = frame.rename_axis(index=taken).reset_index()
    ways: dict[str, Callable[[], Any]] = {
        CSV: lambda: frame.to_csv(index=False),
        JSON: lambda: frame.to_json(orient="records", force_ascii=False),
        PARQUET: lambda: frame.to_parquet(index=False),
    }
    for lines in JSON_LINES:
        ways[lines] = lambda: frame.to_json(
            orient="records", lines=True, force_ascii=False
        )
    saved: Saveable = _chosen(ways, content_type, CSV)()
    return saved


def _array(array: Any, content_type: str) -> Saveable:
    """Write an array or a number of numpy."""
    numpy: Any = sys.modules["numpy"]

    def as_bytes(save: Callable[..., Any], **options: Any) -> bytes:
        file = io.BytesIO()
        save(file, array, **options)
        return file.getvalue()

    ways: dict[str, Callable[[], Any]] = {
        NPY: lambda: as_bytes(numpy.save, allow_pickle=False),
        JSON: lambda: _json_of(array),
        CSV: lambda: as_bytes(numpy.savetxt, delimiter=",", fmt="%s"),
    }
    saved: Saveable = _chosen(ways, content_type, NPY)()
    return saved


def _plain_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _chosen(
    ways: dict[str, Callable[[], Any]], content_type: str, usual: str
) -> Callable[[], Any]:
    plain = _plain_type(content_type)
    if plain in ("application/octet-stream", "text/plain"):
        plain = usual
    if plain not in ways:
        raise ValueError(f"a table or array cannot be saved as {content_type}")
    return ways[plain]


def _json_of(value: Any) -> str:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return json.dumps(plain, ensure_ascii=False, default=str)
