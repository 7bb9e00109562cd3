"""Entities in CSV (RFC 4180): rows of text below a header of attribute names.

Everything streams: what is in memory does not depend on the length of the table.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, repeat
from typing import Any

from app_runner.babel import gettext as _
from app_runner.data.rows import entity_class
from app_runner.data.text import MAX_LINE, WholeLines, lines_of
from app_runner.data.unreadable import UnreadableEntities

#: One of so many cells may have a quote; where more have, the csv module is as fast.
MANY_QUOTES = 4
#: Makes an entity out of the values of a row, and entities out of rows.
MakeRow = Callable[[Iterable[str]], Any]
MakeRows = Callable[[Iterable[Iterable[str]]], Iterator[Any]]
#: Rows that are read or written at once; more would keep Python's garbage collector busy.
BLOCK = 256


class EveryCellQuoted(csv.Dialect):
    """The dialect named ``default``: every cell quoted, rows end with CRLF."""

    delimiter = ","
    quotechar = '"'
    doublequote = True
    skipinitialspace = False
    lineterminator = "\r\n"
    quoting = csv.QUOTE_ALL
    strict = True


DEFAULT_DIALECT = "default"
csv.register_dialect(DEFAULT_DIALECT, EveryCellQuoted)
# What can be written must be readable too; Python's own bound (128 KiB) is below that of
# a cell with a long text. The bound is one for the whole process, so it only ever grows.
csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))


class Table:
    """Reads one table row by row and knows where it is."""

    def __init__(self, pieces: Iterator[str], dialect: str) -> None:
        """Take the text and the name of a dialect; raises ``ValueError`` for no name."""
        try:
            self._dialect = csv.get_dialect(dialect)
        except csv.Error as error:
            raise ValueError(f"there is no CSV dialect {dialect!r}") from error
        self._plain = dialect == DEFAULT_DIALECT
        self._text = WholeLines(pieces)
        self._blocks = self._text.blocks()
        self._block: Iterator[str] = iter(())  # the lines of the block that is read
        self._waiting: str | None = None  # its next line
        self._record: list[str] = []  # the lines of the row that is read
        self._lines_before = 0  # lines before the block that the csv module did not see
        self._reader = csv.reader(self._lines(), self._dialect, strict=True)
        self.header: tuple[str, ...] = ()

    def _lines(self) -> Iterator[str]:
        while True:
            if self._waiting is None:  # a row goes over the end of a block
                self._start(self._next_block())
                if self._waiting is None:
                    return
            line, self._waiting = self._waiting, next(self._block, None)
            self._record.append(line)
            yield line

    def _start(self, block: str) -> None:
        self._block = lines_of(block)
        self._waiting = next(self._block, None)

    def _next_block(self) -> str:
        try:
            return next(self._blocks, "")
        except UnicodeDecodeError as error:
            self._record.append(self._text.rest)
            reason = _("There are bytes that are not %(name)s.", name=error.encoding)
            raise self._fault(reason) from error

    def read_header(self) -> list[str]:
        """Give the first row, or raise `UnreadableEntities` when there is none."""
        while (row := self._row()) is not None:
            if row:
                self.header = tuple(row)
                return row
        raise UnreadableEntities(_("The table is empty: it has no header."), 1)

    def batches(self, make: MakeRows) -> Iterator[Iterable[Any]]:
        """Give what ``make`` makes of the rows, some at a time, to be read at once.

        Rows without any cell are left out. One by one they would pass through Python.
        """
        width = len(self.header)
        while True:
            while self._waiting is not None:  # the csv module is at work on a block
                row = self._row() or []
                if len(row) == width:
                    yield make((row,))
                elif row:
                    raise self._wrong_width(len(row))
            self._record.clear()
            if not (block := self._next_block()):
                return
            rows = split_rows(block, width) if self._plain else None
            if rows is not None:
                self._lines_before += block.count("\n")
                yield make(rows)
            elif self._plain and block.count('"') % 2 == 0:
                yield from self._whole_rows(block, make)
            else:
                self._start(block)

    def _whole_rows(self, block: str, make: MakeRows) -> Iterator[Iterable[Any]]:
        """Read a block that (all quotes being paired) ends where a row ends.

        What the block does not give that way is left to be read row by row.
        """
        reader = csv.reader(lines_of(block), self._dialect, strict=True)
        width, good = {len(self.header)}, 0
        try:
            while rows := list(islice(reader, BLOCK)):
                if set(map(len, rows)) != width:
                    break
                yield make(rows)
                good = reader.line_num
            else:
                self._lines_before += good
                return
        except csv.Error:
            pass  # reading it again says where
        self._lines_before += good
        self._start("".join(islice(lines_of(block), good, None)))

    def _row(self) -> list[str] | None:
        """Give the next row by the csv module, None at the end."""
        self._record.clear()
        try:
            return next(self._reader, None)
        except csv.Error as error:
            raise self._fault(_reason(error)) from error

    def _wrong_width(self, width: int) -> UnreadableEntities:
        wanted = len(self.header)
        reason = _(
            "The row has %(given)s cells, the header has %(wanted)s.",
            given=width,
            wanted=wanted,
        )
        return self._error(reason, self._first_line, min(width, wanted) + 1)

    def _fault(self, reason: str) -> UnreadableEntities:
        line, column = place_of_fault("".join(self._record), self._dialect)
        return self._error(reason, self._first_line + line, column)

    @property
    def _first_line(self) -> int:
        # what was read of a line that cannot be decoded is not counted by the reader
        whole = sum(1 for line in self._record if line is not self._text.rest)
        return self._lines_before + self._reader.line_num - whole + 1

    def _error(self, reason: str, line: int, column: int) -> UnreadableEntities:
        names = self.header
        name = names[column - 1] if column <= len(names) else None
        return UnreadableEntities(reason, line, column, name)


def split_rows(block: str, width: int) -> Iterator[Sequence[str]] | None:
    """Split whole lines where that is sure to be right and all rows have ``width`` cells.

    Gives None for everything else. This takes less time than the csv module.
    """
    if '"' in block:
        return _split_quoted(block, width)
    end = "\r\n" if block.endswith("\r\n") else "\n"
    lines = block.removesuffix(end).split(end)
    if block.count("\r") != (len(lines) if end == "\r\n" else 0):
        return None
    # a lone empty cell would look like an empty line
    if width < 2 or set(map(str.count, lines, repeat(","))) != {width - 1}:
        return None
    # one by one: many lists at a time would keep Python's garbage collector busy
    return map(str.split, lines, repeat(","))


def _split_quoted(block: str, width: int) -> Iterator[Sequence[str]] | None:
    """Split rows whose cells are all quoted, at the quotes."""
    between = block.split('"')
    cells, outside = between[1::2], between[2::2]
    if between[0] or len(cells) != len(outside):
        return None
    rows = block.count('"\r\n"') + 1
    if doubled := len(outside) - rows * width:
        if not 0 < doubled * MANY_QUOTES < len(outside):
            return None
        cells, outside = _with_quotes(cells, outside)
    if outside != ([","] * (width - 1) + ["\r\n"]) * rows:
        return None
    values = iter(cells)
    return zip(*[values] * width, strict=True)


def _with_quotes(cells: list[str], outside: list[str]) -> tuple[list[str], list[str]]:
    """Join the parts of cells between which nothing stands but their quotes."""
    joined: list[str] = []
    separators: list[str] = []
    done = 0
    while True:
        try:
            first = last = outside.index("", done)
        except ValueError:
            break
        while last < len(outside) - 1 and not outside[last]:
            last += 1
        joined += cells[done:first]
        joined.append('"'.join(cells[first : last + 1]))
        separators += outside[done:first]
        separators.append(outside[last])
        done = last + 1
    return joined + cells[done:], separators + outside[done:]


def _reason(error: csv.Error) -> str:
    said = str(error)
    if "unexpected end" in said:
        return _("A quote is opened and never closed.")
    if "expected after" in said:
        return _("There is text after a closing quote.")
    if "larger than" in said:
        return _("The cell is too long, or its quote is never closed.")
    return _("This is not CSV (%(error)s).", error=said)


def place_of_fault(text: str, dialect: Any) -> tuple[int, int]:
    """Find the cell in which reading ``text`` (one row) fails, or ends.

    Gives the lines before it and the number of its column, from 1.
    """
    quote, line, column, opened, inside = dialect.quotechar, 0, 1, 0, False
    at_start, closed = True, False
    for character in text:
        if inside:
            inside, closed = character != quote, character == quote
        elif character == quote and (at_start or closed):
            inside, opened = True, line if at_start else opened
        elif character == dialect.delimiter:
            column, at_start, closed = column + 1, True, False
            continue
        elif closed and character not in "\r\n":
            return line, column
        line += character == "\n"
        at_start = at_start and dialect.skipinitialspace and character == " "
    return (opened if inside else line), column


def load_table(
    pieces: Iterator[str],
    dialect: str = DEFAULT_DIALECT,
    make: MakeRow | None = None,
    process_header: Callable[[list[str]], Iterable[str]] | None = None,
) -> Iterator[Any]:
    """Give the entities of a table, whose values are all text.

    Without ``make`` they are of the class `entity_class` gives for the header, which
    ``process_header`` may change before. Raises `UnreadableEntities`.
    """

    def batches() -> Iterator[Iterable[Any]]:
        table = Table(pieces, dialect)
        header = table.read_header()
        if process_header is not None:
            table.header = tuple(process_header(header))
            if len(table.header) != len(header):
                raise ValueError("a processed header must have as many names as before")
        if make is not None:
            yield from table.batches(partial(map, make))
            return
        # a row has as many values as the header, so `_make` need not count again
        class_ = entity_class(table.header)
        yield from table.batches(partial(map, tuple.__new__, repeat(class_)))

    return chain.from_iterable(batches())
