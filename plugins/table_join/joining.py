"""The tables between the steps, and joining them; the first is never in memory whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from app_runner.plugin_api import Task, UserError, load_entities

Row = dict[str, Any]
#: Columns that a choice can offer, rows that fit into memory, and rows of a result.
MOST_COLUMNS, MOST_KEPT, MOST_JOINED = 2000, 1_000_000, 5_000_000


@dataclass
class Table:
    """A table that is kept as a scratch file of the task, as it came."""

    scratch: str
    name: str
    content_type: str
    columns: list[str]
    rows: int = 0

    @classmethod
    def kept(cls, task: Task, scratch: str, file) -> Table:
        """Keep an input file; `UserError` says what is wrong with it, and where."""
        with file.open() as source:
            task.save_scratch(scratch, source)
            table = cls(scratch, file.name or f"{scratch} table", file.content_type, [])
        columns: dict[str, None] = {}
        for row in table.read(task):
            columns.update(dict.fromkeys(row))
            table.rows += 1
            if len(columns) > MOST_COLUMNS:
                raise UserError(f"The table has more than {MOST_COLUMNS} columns.")
        if not table.rows:
            raise UserError("The table has no rows.")
        table.columns = list(columns)
        return table

    @property
    def as_json(self) -> dict[str, Any]:
        """Give what the state of a step keeps."""
        return asdict(self)

    def read(self, task: Task) -> Iterator[Row]:
        """Give the rows."""
        with task.open_scratch(self.scratch) as file:
            try:
                entities = load_entities(file, self.content_type)
            except ValueError:
                raise UserError("This is no CSV, JSON or JSON lines.") from None
            for entity in entities:
                row = entity.as_dict() if hasattr(entity, "as_dict") else entity
                if not isinstance(row, dict):
                    raise UserError("All rows must be objects, as in [{…}, {…}].")
                yield row


class Join:
    """Two tables and the columns whose values are compared, as text."""

    def __init__(
        self, task: Task, first: Table, left: str, second: Table, right: str
    ) -> None:
        """Take the tables and the columns; the second table is read into memory."""
        self.task, self.first, self.left = task, first, left
        self.second, self.right = second, right
        self.names = self._names()
        self.index: dict[str, list[Row]] = {}

    def _names(self) -> dict[str, str]:
        """Give the columns of the second table their names in the result."""
        names = {}
        for column in self.second.columns:
            if column != self.right:
                name = column
                while name in self.first.columns or name in names.values():
                    name = f"{name} (second)"
                names[column] = name
        return names

    def count_matches(self) -> int:
        """Compare all rows; raises `UserError` when none match, or far too many."""
        if self.second.rows > MOST_KEPT:
            raise UserError(f"The second table has more than {MOST_KEPT:,} rows.")
        for row in self.second.read(self.task):
            self.index.setdefault(as_text(row.get(self.right)), []).append(row)
        self.index.pop("", None)  # nothing equals nothing
        matches = sum(len(self._matching(row)) for row in self.first.read(self.task))
        if not matches:
            raise UserError(
                f"No value of “{self.left}” is among those of “{self.right}”."
            )
        if matches > MOST_JOINED:
            raise UserError(f"More than {MOST_JOINED:,} rows would match.")
        return matches

    def _matching(self, row: Row) -> list[Row]:
        return self.index.get(as_text(row.get(self.left)), [])

    def joined(self, rows: str) -> Iterator[Row]:
        """Give the rows of the result."""
        met: set[str] = set()
        for number, row in enumerate(self.first.read(self.task), start=1):
            self.task.progress(number, self.first.rows, "rows")
            found = self._matching(row)
            if found:
                met.add(as_text(row.get(self.left)))
            elif rows != "matching":
                found = [{}]
            for other in found:
                yield self._row(row, other)
        if rows == "all of both":
            yield from self._unmet(met)

    def _unmet(self, met: set[str]) -> Iterator[Row]:
        for other in self.second.read(self.task):
            key = as_text(other.get(self.right))
            if key not in met:
                yield self._row({self.left: key}, other)

    def _row(self, row: Row, other: Row) -> Row:
        left = {name: as_text(row.get(name)) for name in self.first.columns}
        right = {new: as_text(other.get(old)) for old, new in self.names.items()}
        return {**left, **right}


def as_text(value: Any) -> str:
    """Give a value as a cell has it; what JSON nests stays JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
