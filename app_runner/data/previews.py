"""What a file looks like, as small data: a table, a text, a picture, a tree.

Everything is bounded, in bytes that are read and in what is given, whatever the file is
and whatever it says of itself.
"""

from __future__ import annotations

import base64
import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO, cast
from zipfile import ZipFile

from app_runner.data.archives import BROKEN, ShortReads

Preview = dict[str, Any]
NOTHING: Preview = {"kind": "none"}

#: Bytes of a file that are read for one preview, and of one page of text.
MOST_READ, PAGE = 16 * 2**20, 32 * 2**10
#: Bytes of a JSON file or of a picture that are looked at as what they are.
LARGEST_JSON, LARGEST_PICTURE = 2 * 2**20, 64 * 2**20
MOST_ROWS, MOST_COLUMNS, MOST_CHARACTERS = 200, 100, 400
MOST_ENTRIES, DEEPEST = 500, 6
MOST_PIXELS, THUMBNAIL = 50_000_000, (320, 320)
LARGE_THUMBNAIL = (1024, 1024)  # of what no browser shows itself
PICTURES = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
TABLES = {"text/csv": ",;\t|", "text/tab-separated-values": "\t"}
JSON_LINES = ("application/x-lines+json", "application/x-ndjson", "application/jsonl")
JSON_TYPES = ("application/json", "application/geo+json", "application/ld+json")
TEXT_TYPES = ("application/xml", "application/yaml", "application/javascript")
ARCHIVES = ("application/zip", "application/x-zip-compressed")


def preview(
    file: BinaryIO, content_type: str, size: int | None, offset: int = 0, limit: int = 50
) -> Preview:
    """Look at ``file`` (seekable) of this type; ``{"kind": "none"}`` when nothing fits.

    ``offset`` counts rows of a table or bytes of a text, ``limit`` rows.
    """
    plain = content_type.partition(";")[0].strip().lower()
    page = offset, max(1, min(limit, MOST_ROWS))
    for fits, look in _WAYS:
        if fits(plain):
            found = look(file, plain, size, page)
            if found is not None:
                return found
    return NOTHING


Page = tuple[int, int]
Look = Callable[[BinaryIO, str, int | None, Page], Preview | None]


def _table(file: BinaryIO, kind: str, _size: int | None, page: Page) -> Preview | None:
    text = _Lines(file)
    head = text.start()
    reader = csv.reader(text, _dialect(head, TABLES[kind]))
    try:
        columns = next(reader, [])
        rows = list(islice(reader, page[0], page[0] + page[1] + 1))
    except csv.Error:
        return None
    return _rows(columns, rows, page, cut=text.is_cut)


def _rows(columns: Sequence[Any], rows: list[Any], page: Page, cut: bool) -> Preview:
    return {
        "kind": "table",
        "columns": [_short(name) for name in columns[:MOST_COLUMNS]],
        "rows": [
            [_short(cell) for cell in row[:MOST_COLUMNS]] for row in rows[: page[1]]
        ],
        "offset": page[0],
        "more": cut or len(rows) > page[1],
    }


def _dialect(head: str, delimiters: str) -> type[csv.Dialect]:
    try:
        return csv.Sniffer().sniff(head.partition("\n")[0], delimiters)
    except csv.Error:
        return csv.excel_tab if delimiters == "\t" else csv.excel


class _Lines:
    """The lines of a text, up to so many bytes; a line is never longer than a page."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MOST_READ
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._begun = ""

    def start(self) -> str:
        """Give the first characters, which will be read again."""
        self._begun = self._line()
        return self._begun

    @property
    def is_cut(self) -> bool:
        """Tell whether reading stopped before the end of the file."""
        return self._left <= 0

    def _line(self) -> str:
        """Read a line; what is longer than a page is left out."""
        line = rest = self._file.readline(PAGE)
        self._left -= len(line)
        while self._left > 0 and len(rest) == PAGE and not rest.endswith(b"\n"):
            rest = self._file.readline(PAGE)
            self._left -= len(rest)
        return self._decoder.decode(line)

    def __iter__(self) -> Iterator[str]:
        yield self._begun
        while self._left > 0 and (line := self._line()):
            yield line


def _lines_of_json(
    file: BinaryIO, _kind: str, _size: int | None, page: Page
) -> Preview | None:
    lines = _Lines(file)
    lines.start()
    try:
        values = [json.loads(line) for line in _pages(lines, page)]
    except (ValueError, RecursionError):
        return None
    return _records(values, page, cut=lines.is_cut)


def _pages(lines: _Lines, page: Page) -> Iterator[str]:
    filled = (line for line in lines if line.strip())
    return islice(filled, page[0], page[0] + page[1] + 1)


def _records(values: list[Any], page: Page, cut: bool) -> Preview | None:
    """Give rows of objects that have plain values; None for all else."""
    if not values or not all(_is_record(value) for value in values):
        return None
    columns = list(dict.fromkeys(name for value in values for name in value))
    rows = [[value.get(name, "") for name in columns] for value in values]
    return _rows(columns, rows, page, cut=cut)


def _is_record(value: Any) -> bool:
    return isinstance(value, Mapping) and not any(
        isinstance(each, dict | list) for each in value.values()
    )


def _json(file: BinaryIO, _kind: str, size: int | None, page: Page) -> Preview | None:
    if size is None or size > LARGEST_JSON:
        return None
    try:
        value = json.loads(file.read(LARGEST_JSON + 1))
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and value:
        shown = value[page[0] : page[0] + page[1] + 1]
        if (table := _records(shown, page, cut=False)) is not None:
            return table
    tree = _Tree()
    return {"kind": "json", "value": tree.cut(value, DEEPEST), "more": tree.is_cut}


class _Tree:
    """Cuts a JSON value to a size that a page can show."""

    def __init__(self) -> None:
        self._left = MOST_ENTRIES
        self.is_cut = False

    def cut(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict | list) and (depth == 0 or self._left <= 0):
            self.is_cut = True
            return "{…}" if isinstance(value, dict) else "[…]"
        if isinstance(value, dict):
            return {
                _short(k): self.cut(v, depth - 1) for k, v in self._some(value.items())
            }
        if isinstance(value, list):
            return [self.cut(each, depth - 1) for each in self._some(value)]
        return _short(value) if isinstance(value, str) else value

    def _some(self, values: Any) -> Iterator[Any]:
        for value in values:
            if self._left <= 0:
                self.is_cut = True
                return
            self._left -= 1
            yield value


def _text(file: BinaryIO, _kind: str, size: int | None, page: Page) -> Preview | None:
    file.seek(page[0])
    data = file.read(PAGE + 3)
    if b"\0" in data[:PAGE]:
        return None
    end = PAGE
    while end < len(data) and data[end] & 0xC0 == 0x80:  # not inside a character
        end += 1
    following = page[0] + min(end, len(data))
    more = len(data) > end or (size is not None and following < size)
    return {
        "kind": "text",
        "text": data[:end].decode("utf-8", "replace"),
        "offset": page[0],
        "next": following if more else None,
        "more": more,
    }


def _picture(file: BinaryIO, _kind: str, size: int | None, _page: Page) -> Preview | None:
    """Make a small copy; how many pixels there are is known before any is unpacked."""
    from PIL import Image, UnidentifiedImageError

    if size is None or size > LARGEST_PICTURE:
        return None
    broken = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError)
    try:
        with Image.open(file, formats=PICTURES) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                return {"kind": "image", "width": width, "height": height}
            room = LARGE_THUMBNAIL if picture.format == "TIFF" else THUMBNAIL
            picture.draft("RGB", room)
            picture.thumbnail(room)
            small = io.BytesIO()
            picture.convert("RGBA").save(small, "PNG")
    except (*broken, Image.DecompressionBombError):
        return None
    data = base64.b64encode(small.getvalue()).decode()
    thumbnail = f"data:image/png;base64,{data}"
    return {"kind": "image", "width": width, "height": height, "thumbnail": thumbnail}


def _archive(
    file: BinaryIO, _kind: str, _size: int | None, _page: Page
) -> Preview | None:
    try:
        with ZipFile(cast(Any, ShortReads(file))) as archive:
            members = archive.infolist()
    except BROKEN:
        return None
    entries = [
        {"path": _short(each.filename), "size": each.file_size, "folder": each.is_dir()}
        for each in members[:MOST_ENTRIES]
    ]
    return {"kind": "tree", "entries": entries, "more": len(members) > MOST_ENTRIES}


def _short(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    cut = value if len(value) <= MOST_CHARACTERS else f"{value[:MOST_CHARACTERS]}…"
    return cut.encode("utf-8", "replace").decode()


def _is_text(kind: str) -> bool:
    named = (*JSON_TYPES, *JSON_LINES, *TEXT_TYPES)
    return kind.startswith("text/") or kind in named or kind.endswith(("+xml", "+json"))


_WAYS: tuple[tuple[Callable[[str], bool], Look], ...] = (
    (lambda kind: kind in TABLES, _table),
    (lambda kind: kind in JSON_LINES, _lines_of_json),
    (lambda kind: kind in JSON_TYPES or kind.endswith("+json"), _json),
    (lambda kind: kind.startswith("image/"), _picture),
    (lambda kind: kind in ARCHIVES, _archive),
    (_is_text, _text),
)
