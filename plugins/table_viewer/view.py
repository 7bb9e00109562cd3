"""Asks for one page of a table that is kept in a SQLite file."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

from app_runner.plugin_api import UserError


@dataclass(frozen=True)
class Asked:
    """Which part of the table is asked for; names of columns may be empty."""

    sort: str = ""
    order: str = "asc"
    filter: str = ""
    column: str = ""
    page: int = 1
    rows: int = 50


class View:
    """What a page of the table shows."""

    def __init__(self, path, asked: Asked):
        """Take the file, and what is asked for; `UserError` for unknown columns."""
        self.path, self.asked = path, asked
        with closing(sqlite3.connect(path, timeout=60)) as database:
            known = database.execute("SELECT name, is_number FROM columns").fetchall()
            self.columns = [name for name, _ in known]
            self.numbers = {name for name, is_number in known if is_number}
            (self.total,) = database.execute("SELECT rows FROM counted").fetchone()
            self._where, self._values = self._condition()
            self.count = self._count(database)
            self.page = min(asked.page, self.pages)
            self.rows = self._page(database)

    @cached_property
    def pages(self):
        """Give the number of pages, at least one."""
        return max(1, -(-self.count // self.asked.rows))

    def _sql_name(self, column):
        if column not in self.columns:
            raise UserError(f"There is no column “{column}”.")
        return f"c{self.columns.index(column)}"

    def _condition(self):
        """Give the condition that rows fulfil, and the values in it."""
        if not self.asked.filter:
            return "", []
        chosen = [self.asked.column] if self.asked.column else self.columns
        escaped = self.asked.filter
        for special in ("\\", "%", "_"):
            escaped = escaped.replace(special, f"\\{special}")
        names = [self._sql_name(name) for name in chosen]
        tests = " OR ".join(f"{name} LIKE ? ESCAPE '\\'" for name in names)
        return f"WHERE {tests}", [f"%{escaped}%"] * len(names)

    def _count(self, database):
        if not self._where:
            return self.total
        query = f"SELECT count(*) FROM rows {self._where}"  # noqa: S608 - names are ours
        return database.execute(query, self._values).fetchone()[0]

    def _order(self, database):
        """Give the order; an index makes all pages but the first one fast."""
        direction = "DESC" if self.asked.order == "desc" else "ASC"
        if not self.asked.sort:
            return f"n {direction}"
        name = self._sql_name(self.asked.sort)
        key = f"{name} COLLATE NOCASE"
        if self.asked.sort in self.numbers:
            key = f"CAST(NULLIF({name}, '') AS REAL)"
        database.execute(f"CREATE INDEX IF NOT EXISTS by_{name} ON rows ({key})")
        return f"{key} {direction}, n {direction}"

    def _page(self, database):
        names = ", ".join(["n", *(f"c{i}" for i in range(len(self.columns)))])
        select = f"SELECT {names} FROM rows {self._where}"  # noqa: S608 - as above
        query = f"{select} ORDER BY {self._order(database)} LIMIT ? OFFSET ?"
        start = (self.page - 1) * self.asked.rows
        return database.execute(query, [*self._values, self.asked.rows, start]).fetchall()
