"""Reads a table twice: once to know its columns, once to write it in another form."""

import json
import math
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyarrow import parquet

from app_runner.plugin_api import UserError, load_entities

KINDS = {
    "text/csv": "csv",
    "application/json": "json",
    "application/x-lines+json": "jsonl",
    "application/vnd.apache.parquet": "parquet",
}
ENDINGS = {".csv", ".json", ".jsonl", ".parquet"}
TYPES = {kind: name for name, kind in KINDS.items()}
BATCH = 10_000  # rows that are in memory
MOST_ROWS = 100_000_000
INT = re.compile(r"-?(0|[1-9]\d*)")
FLOAT = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
LONGEST_INT = 18  # characters that surely fit into 64 bits
#: How a cell of text is read, by the type of its column.
PARSERS = {"int": int, "float": float, "bool": lambda text: text == "true"}
ARROW = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


@contextmanager
def opened(file, typed):
    """Give the table in an input file; raises `UserError` when it is of another kind."""
    with TemporaryDirectory() as folder, file.open() as source:
        kind, charset = kind_of(file)
        path = Path(folder, "table")
        with path.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        yield Source(path, kind, charset, typed)


def kind_of(file):
    """Give kind and charset by the media type, else by the ending of the name."""
    name, _, parameters = file.content_type.partition(";")
    kind = KINDS.get(name.strip().lower())
    ending = PurePath(file.name).suffix.lower()
    if kind is None and ending in ENDINGS:
        kind = ending[1:]
    if kind is None:
        raise UserError(f"This is {name}; what can be read is CSV, JSON and Parquet.")
    return kind, parameters if "charset" in parameters else ""


class Source:
    """A table; columns, types and the number of rows are known after `survey`."""

    def __init__(self, path, kind, charset, typed):
        """Take where it is, what it is, and whether text may be numbers."""
        self.path, self.kind, self.charset = path, kind, charset
        self.typed = typed and kind == "csv"
        self.seen = {}  # the kinds of values, by column
        self.count = 0

    @property
    def columns(self):
        """Give the names of the columns."""
        return list(self.seen)

    def rows(self) -> Iterator[dict]:
        """Give the rows as they are; raises `UserError` with the place of a fault."""
        if self.kind == "parquet":
            yield from self._rows_of_parquet()
            return
        with self.path.open("rb") as file:
            content_type = f"{TYPES[self.kind]};{self.charset}"
            for entity in load_entities(file, content_type, process_csv_header=unique):
                row = entity.as_dict() if self.kind == "csv" else entity
                if not isinstance(row, dict):
                    raise UserError("All rows must be objects, as in [{…}, {…}].")
                yield row

    def _rows_of_parquet(self):
        try:
            with parquet.ParquetFile(self.path) as table:
                unique(table.schema_arrow.names)
                for batch in table.iter_batches(BATCH):
                    for row in batch.to_pylist():
                        yield {name: plain(value) for name, value in row.items()}
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"The Parquet file cannot be read: {error}") from error

    def survey(self):
        """Read all rows; gives their number from time to time."""
        for row in self.rows():
            self.count += 1
            if self.count > MOST_ROWS:
                raise UserError(f"The table has more than {MOST_ROWS:,} rows.")
            for name, value in row.items():
                kinds = self.seen.setdefault(name, set())
                if "text" not in kinds:
                    kinds.add(kind_of_value(value, self.typed))
            if self.count % BATCH == 0:
                yield self.count
        if not self.count:
            raise UserError("The table has no rows.")

    @cached_property
    def types(self):
        """Give the one type that holds all values of each column."""
        return {name: common_type(kinds - {"none"}) for name, kinds in self.seen.items()}

    def written(self, to, task):
        """Give what is to be saved: rows, or for Parquet a file."""
        if to == "csv":  # text stays as it is
            return (
                {name: as_cell(row.get(name)) for name in self.seen}
                for row in self._told(task)
            )
        rows = map(self._parsed, self._told(task)) if self.typed else self._told(task)
        return self._as_parquet(rows) if to == "parquet" else rows

    def _told(self, task):
        for number, row in enumerate(self.rows(), start=1):
            if number % BATCH == 0 or number == self.count:
                task.progress(number, self.count, "rows")
            yield row

    def _parsed(self, row):
        """Read text as what all of its column is."""
        return {
            name: text if parse is None else parse(text) if text else None
            for (name, text), parse in zip(row.items(), self._parsers, strict=True)
        }

    @cached_property
    def _parsers(self):
        return [PARSERS.get(kind) for kind in self.types.values()]

    def _as_parquet(self, rows):
        fields = [(n, ARROW.get(kind, pa.string())) for n, kind in self.types.items()]
        schema = pa.schema(fields)
        path = self.path.with_name("parquet")
        with parquet.ParquetWriter(path, schema) as writer:
            while batch := [self._fitting(row) for row in islice(rows, BATCH)]:
                writer.write_table(pa.Table.from_pylist(batch, schema))
        return path

    def _fitting(self, row):
        return {
            name: as_text(row.get(name)) if kind == "text" else row.get(name)
            for name, kind in self.types.items()
        }


def common_type(kinds):
    """Give the type that holds all these kinds of values."""
    if kinds == {"int", "float"}:
        return "float"
    return next(iter(kinds)) if len(kinds) == 1 else "text"


def unique(names):
    """Give the names of columns, which must differ."""
    names = list(names)
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"The column {twice[0]!r} is there twice.")
    return names


def kind_of_value(value, typed):
    """Tell what a value is; a text may be a number when it is from CSV."""
    if value is None or (typed and value == ""):
        return "none"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -(2**63) <= value < 2**63 else "text"
    if isinstance(value, float):
        return "float"
    return kind_of_text(value) if typed else "text"


def kind_of_text(text):
    """Tell what a cell of CSV is; ``007`` is no number."""
    if INT.fullmatch(text):
        return "int" if len(text) <= LONGEST_INT else "text"
    if FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return "float"
    return "bool" if text in ("true", "false") else "text"


def plain(value):
    """Give a value of Parquet as one of JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | None) else str(value)


def as_cell(value):
    """Give a value as text of a cell."""
    return "" if value is None else as_text(value)


def as_text(value):
    """Give a value as text; lists, objects and truth values as in JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
