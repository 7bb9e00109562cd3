"""Entities in JSON: an array of objects, or an object per line; both stream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

from app_runner.babel import gettext as _
from app_runner.data.text import MAX_LINE, PIECE, WholeLines, writer_of
from app_runner.data.unreadable import UnreadableEntities

SPACE = re.compile(r"[ \t\n\r]*")
#: An error this close to the end of what is read may come from a value cut in two.
CUT = len("\\ud83d\\ude00")


class JsonText:
    """A cursor in JSON that is read as it is needed."""

    def __init__(self, pieces: Iterator[str]) -> None:
        """Take the text in pieces."""
        self._pieces = pieces
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at = "", 0
        self._line, self._column = 1, 1  # of the first character in ``_text``

    def peek(self) -> str:
        """Give the next character that is no white space, or "" at the end."""
        while True:
            found = SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text) or not self._read(PIECE):
                return self._text[self._at : self._at + 1]

    def take(self, *characters: str) -> str:
        """Go past one of ``characters`` and give it, or raise `UnreadableEntities`."""
        found = self.peek()
        if found not in characters:
            wanted = _(" or ").join(c or _("the end") for c in characters)
            raise self.error(_("Expected is %(wanted)s.", wanted=wanted), self._at)
        self._at += len(found)
        return found

    def value(self) -> Any:
        """Go past the next value and give it, or raise `UnreadableEntities`."""
        self.peek()
        size = PIECE
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                found = self.error(error.msg, error.pos)
                if not self._may_be_cut(error) or not self._read(size):
                    raise found from error
            except (RecursionError, ValueError) as error:
                raise self.error(_not_taken(error), self._at) from error
            else:  # a number that ends with the text may go on behind it
                if end < len(self._text) or not self._read(size):
                    self._at = end
                    return value
            size *= 2

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        near_end = error.pos >= len(self._text) - CUT
        return near_end or error.msg.startswith("Unterminated string")

    def _read(self, size: int) -> bool:
        """Forget what is behind the cursor and read ``size`` more, if there is more."""
        parts = [self._text[self._at :]]
        if len(parts[0]) > MAX_LINE:
            raise self.error(_("A value is too long."), self._at)
        self._line, self._column = self._place(self._at)
        while size > 0 and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            size -= len(piece)
        self._text, self._at = "".join(parts), 0
        return len(parts) > 1

    def _place(self, at: int) -> tuple[int, int]:
        lines = self._text.count("\n", 0, at)
        last = self._text.rfind("\n", 0, at)
        return self._line + lines, at - last if lines else self._column + at

    def error(self, reason: str, at: int) -> UnreadableEntities:
        """Make the error for the character ``at``."""
        return UnreadableEntities(reason, *self._place(at))


def _not_taken(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return _("The values are nested too deep.")
    return str(error)  # numbers with thousands of digits


def _decoded(pieces: Iterator[str]) -> Iterator[str]:
    lines = 1
    try:
        for piece in pieces:
            lines += piece.count("\n")
            yield piece
    except UnicodeDecodeError as error:
        reason = _("There are bytes that are not %(name)s.", name=error.encoding)
        raise UnreadableEntities(reason, lines) from error


def load_array(pieces: Iterator[str]) -> Iterator[Any]:
    """Give the values of a JSON array one by one, or the one value that there is.

    Raises `UnreadableEntities`.
    """
    text = JsonText(_decoded(pieces))
    if text.peek() != "[":
        yield text.value()
    else:
        text.take("[")
        more = text.peek() != "]" or not text.take("]")
        while more:
            yield text.value()
            more = text.take(",", "]") == ","
    text.take("")


def load_lines(pieces: Iterator[str]) -> Iterator[Any]:
    """Give the value of each line that is not blank; raises `UnreadableEntities`."""
    for number, line in enumerate(WholeLines(_decoded(pieces)), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise UnreadableEntities(error.msg, number, error.colno) from error
        except (RecursionError, ValueError) as error:
            raise UnreadableEntities(_not_taken(error), number) from error


def save_array(entities: Iterable[dict[str, Any]], target: IO[Any]) -> None:
    """Write an array with one entity a line."""
    write = writer_of(target)
    before = "[\n"
    for entity in entities:
        write(f"{before}{json.dumps(entity)}")
        before = ",\n"
    write("[]\n" if before == "[\n" else "\n]\n")


def save_lines(entities: Iterable[dict[str, Any]], target: IO[Any]) -> None:
    """Write an object a line."""
    write = writer_of(target)
    for entity in entities:
        write(f"{json.dumps(entity)}\n")
