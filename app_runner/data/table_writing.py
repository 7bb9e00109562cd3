"""Writes entities as CSV (RFC 4180), a block of rows at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import IO, Any, cast

from app_runner.data.rows import EntityTupleMixin
from app_runner.data.tables import BLOCK, DEFAULT_DIALECT
from app_runner.data.text import writer_of
from app_runner.data.unreadable import NotAnEntity

#: Values in the order of the columns.
Row = Sequence[Any]
#: Separators of ASCII, which hardly any cell holds.
UNIT, RECORD = "\x1f", "\x1e"


def save_table(
    entities: Iterable[Any],
    target: IO[Any],
    attributes: Sequence[str],
    dialect: str = DEFAULT_DIALECT,
    tuple_: Callable[..., Any] | None = None,
) -> None:
    """Write a header and a row per entity.

    Dicts may lack attributes, their cells are empty. Raises ``ValueError`` for an
    attribute that has no column, and for a tuple with too many or too few values.
    """
    write, header = writer_of(target), tuple(attributes)
    width, plain = len(header), dialect == DEFAULT_DIALECT
    row_of, source = _row_of(header, tuple_), iter(entities)
    block: list[Any] = [header]
    fitting: set[type] = {tuple}  # of entities that are rows as they are
    while block:
        if set(map(type, block)) != fitting:
            fitting = _types_of_rows(block, header)
            block = list(map(row_of, block))
        if set(map(len, block)) != {width}:
            wrong = next(row for row in block if len(row) != width)
            raise ValueError(f"{wrong!r} does not have {width} values, one per column")
        write((plain and _joined(block)) or _written(block, dialect))
        block = list(islice(source, BLOCK))


def _types_of_rows(block: list[Any], header: tuple[str, ...]) -> set[type]:
    """Give the one type of entities whose values stand in the order of the columns."""
    kinds = set(map(type, block))
    known = {kind for kind in kinds if getattr(kind, "entity_attributes", 0) == header}
    return kinds if len(kinds) == 1 and known else {tuple}


def _joined(rows: list[Row]) -> str:
    """Quote and join cells that are all text; give "" for others.

    Joining is several times as fast as the csv module, and most tables are of this kind.
    """
    try:
        text = RECORD.join(map(UNIT.join, rows))
    except TypeError:
        return ""
    cells = len(rows) * len(rows[0])
    if text.count(UNIT) + text.count(RECORD) != cells - 1:
        return ""  # the separators stand in cells too
    quoted = text.replace('"', '""').replace(UNIT, '","').replace(RECORD, '"\r\n"')
    return f'"{quoted}"\r\n'


def _written(rows: list[Row], dialect: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, dialect).writerows(rows)
    return text.getvalue()


def _row_of(
    attributes: tuple[str, ...], tuple_: Callable[..., Any] | None
) -> Callable[[Any], Row]:
    """Give a function that makes a row of an entity, whatever it is."""
    columns = frozenset(attributes)
    fitting: type | None = None  # whose attributes are the columns, in their order

    def of_mapping(entity: Mapping[str, Any]) -> Row:
        if tuple_ is not None:
            return tuple_(**entity)  # type: ignore[no-any-return]
        if not entity.keys() <= columns:
            raise _no_column(entity.keys() - columns)
        return [entity.get(name, "") for name in attributes]

    def row(entity: Any) -> Row:
        nonlocal fitting
        if type(entity) is fitting:
            return cast(Row, entity)
        if isinstance(entity, tuple):
            names = _names_of(entity)
            if names in (None, attributes):
                fitting = type(entity)
                return entity
            by_name = isinstance(entity, EntityTupleMixin) or columns == frozenset(names)
            return (
                of_mapping(dict(zip(names, entity, strict=True))) if by_name else entity
            )
        if isinstance(entity, Mapping):
            return of_mapping(entity)
        if isinstance(entity, list):
            return entity
        raise NotAnEntity(entity)

    return row


def _names_of(entity: tuple[Any, ...]) -> Any:
    names = getattr(entity, "entity_attributes", None)
    return getattr(entity, "_fields", None) if names is None else names


def _no_column(names: Iterable[str]) -> ValueError:
    shown = ", ".join(sorted(map(repr, names)))
    return ValueError(f"{shown}: not among the attributes that are columns")
