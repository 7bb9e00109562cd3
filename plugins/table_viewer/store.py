"""Keeps tables that were looked at lately as SQLite files, for all server processes."""

import fcntl
import hashlib
import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path

from app_runner.plugin_api import UserError, get_mimetype, load_entities

#: Tables that are kept, bytes of all of them, and seconds after which one is read again
#: when the server does not tell whether it has changed.
MOST_TABLES, MOST_BYTES, FRESH = 20, 2 * 2**30, 600
MOST_ROWS, MOST_COLUMNS = 10_000_000, 1000
BATCH = 5000
CSV = "text/csv"
#: Types that servers send when they do not know better.
TELL_NOTHING = ("application/octet-stream", "binary/octet-stream", "text/plain")
#: What tells that a file has changed.
VALIDATORS = ("ETag", "Last-Modified", "Content-Length")
NOT_A_NUMBER = """
    {0} GLOB '*[^-+.0-9eE]*' OR {0} GLOB '*[0-9]-*' OR {0} GLOB '*.*.*'
    OR ({0} <> '' AND {0} NOT GLOB '*[0-9]*')
"""


class Store:
    """A folder of tables."""

    def __init__(self, folder: Path):
        """Take the folder, which is made when it is needed."""
        self.folder = folder

    def table(self, url, response):
        """Give the file that holds what ``response`` brings; reads it when it must."""
        told = [response.headers.get(name, "") for name in VALIDATORS]
        if not any(told[:2]) and not url.startswith("data:"):
            told.append(str(int(time.time() // FRESH)))
        key = hashlib.sha256(json.dumps([url, *told]).encode()).hexdigest()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{key}.sqlite"
        with locked(self.folder / f"{key[:2]}.lock"):
            if not path.exists():
                self._read(response, path)
        os.utime(path)
        return path

    def _read(self, response, path):
        self._make_room()
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(new)) as database:
                fill(database, response)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def _make_room(self):
        """Forget the tables that were not looked at for the longest time."""
        with suppress(FileNotFoundError):  # another process does the same
            found = sorted(self.folder.glob("*.sqlite"), key=lambda p: -p.stat().st_mtime)
            size = 0
            for number, path in enumerate(found, start=1):
                size += path.stat().st_size
                if number >= MOST_TABLES or size > MOST_BYTES:
                    path.unlink(missing_ok=True)


@contextmanager
def locked(path):
    """Let one thread of one process in at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill(database, response):
    """Read a table into an empty database, in one transaction."""
    database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
    content_type = get_mimetype(response, CSV)
    if content_type.partition(";")[0] in TELL_NOTHING:
        content_type = CSV
    try:
        entities = load_entities(response, content_type)
    except ValueError:
        kind = content_type.partition(";")[0]
        raise UserError(f"This is {kind}, not CSV, JSON or JSON lines.") from None
    columns = {}
    database.execute("CREATE TABLE rows (n INTEGER PRIMARY KEY)")
    count = 0
    while batch := list(islice(entities, BATCH)):
        count += len(batch)
        if count > MOST_ROWS:
            raise UserError(f"The table has more than {MOST_ROWS:,} rows.")
        insert(database, columns, batch)
    if not columns:
        raise UserError("The table has no rows.")
    database.execute("CREATE TABLE columns (name TEXT, is_number INTEGER)")
    kinds = [(name, is_number(database, column)) for name, column in columns.items()]
    database.executemany("INSERT INTO columns VALUES (?, ?)", kinds)
    database.execute("CREATE TABLE counted AS SELECT ? AS rows", (count,))
    database.commit()


def insert(database, columns, batch):
    """Add rows; a name that is new becomes a column."""
    if hasattr(batch[0], "as_dict"):  # of CSV: all have the same
        names, rows = batch[0].entity_attributes, batch
    else:
        if not all(isinstance(row, dict) for row in batch):
            raise UserError("All rows must be objects, as in [{…}, {…}].")
        names = list(dict.fromkeys(name for row in batch for name in row))
        rows = [[as_text(row.get(name)) for name in names] for row in batch]
    if len(set(names)) < len(names):
        raise UserError("Two columns have the same name.")
    if len(columns.keys() | set(names)) > MOST_COLUMNS:
        raise UserError(f"The table has more than {MOST_COLUMNS} columns.")
    if not (names or columns):
        raise UserError("The rows have no columns.")
    if not names:  # rows of JSON that are all empty, after others
        names, rows = list(columns)[:1], [[""]] * len(batch)
    for name in names:
        if name not in columns:
            columns[name] = f"c{len(columns)}"
            database.execute(f"ALTER TABLE rows ADD {columns[name]} TEXT DEFAULT ''")
    chosen = ", ".join(columns[name] for name in names)
    places = ", ".join("?" * len(names))
    # the names of columns are made above, not read
    statement = f"INSERT INTO rows ({chosen}) VALUES ({places})"  # noqa: S608
    database.executemany(statement, rows)


def is_number(database, column):
    """Tell whether all cells of a column are numbers, as far as their letters go."""
    wrong = NOT_A_NUMBER.format(column)
    query = f"SELECT 1 FROM rows WHERE {wrong} LIMIT 1"  # noqa: S608 - as above
    return database.execute(query).fetchone() is None


def as_text(value):
    """Give a value as it is shown."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
