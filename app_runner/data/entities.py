"""Entities: objects with attributes, stored as JSON, JSON lines or CSV.

The names and what they take follow the QHAna plugin runner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import ceil, log10
from numbers import Real
from typing import IO, Any, NamedTuple

from app_runner.babel import gettext as _
from app_runner.data.json_text import load_array, load_lines, save_array, save_lines
from app_runner.data.rows import EntityTupleMixin, entity_class
from app_runner.data.table_writing import save_table
from app_runner.data.tables import DEFAULT_DIALECT, load_table
from app_runner.data.text import Source, pieces
from app_runner.data.unreadable import NotAnEntity, UnreadableEntities
from app_runner.fetch import MediaType, parse_mimetype

__all__ = [
    "ArrayEntity",
    "EntityTupleMixin",
    "NotAnEntity",
    "UnreadableEntities",
    "array_to_entity",
    "ensure_array",
    "ensure_dict",
    "entity_attribute_sort_key",
    "entity_class",
    "load_entities",
    "save_entities",
]

JSON, JSON_LINES, CSV = "application/json", "application/x-lines+json", "text/csv"
#: Attributes that name an entity and are no dimension of it.
NAMING = ("ID", "href")


class ArrayEntity(NamedTuple):
    """An entity as numbers, with what names it."""

    ID: str
    href: str | None
    values: Sequence[int | float | None]


def load_entities(
    file_: Source,
    mimetype: str,
    csv_dialect: str = DEFAULT_DIALECT,
    tuple_: Callable[[Iterable[Any]], Any] | None = None,
    process_csv_header: Callable[[list[str]], Iterable[str]] | None = None,
) -> Iterator[Any]:
    """Give the entities in an open file or a response, one by one.

    Those of JSON are dicts, those of CSV are tuples (made by ``tuple_`` if it is given).
    The media type may have parameters, of which ``charset`` counts. Raises
    `UnreadableEntities`, at once for other media types.
    """
    kind = _media_type(mimetype)
    text = pieces(file_, kind.parameters.get("charset") or "utf-8")
    if kind.name == CSV:
        return load_table(text, csv_dialect, tuple_, process_csv_header)
    return load_array(text) if kind.name == JSON else load_lines(text)


def save_entities(
    entities: Iterable[Any],
    file_: IO[Any],
    mimetype: str,
    attributes: Sequence[str] | None = None,
    csv_dialect: str = DEFAULT_DIALECT,
    tuple_: Callable[..., Any] | None = None,
) -> None:
    """Write entities to an open file (text or binary), one by one.

    CSV needs ``attributes``, the columns in their order; ``tuple_`` makes rows of dicts
    (called with the attributes as keywords). Raises ``ValueError`` for other media types
    and for entities that do not fit the columns.
    """
    kind = _media_type(mimetype).name
    if kind == CSV:
        if not attributes:
            raise ValueError("CSV needs the attributes that are its columns")
        save_table(entities, file_, attributes, csv_dialect, tuple_)
    else:
        save = save_array if kind == JSON else save_lines
        save(ensure_dict(entities), file_)


def _media_type(mimetype: str | None) -> MediaType:
    kind = parse_mimetype(mimetype or "")
    if kind is None or kind.name not in (JSON, JSON_LINES, CSV):
        raise UnreadableEntities(
            _(
                "Entities are not supported in %(kind)s, only in %(known)s.",
                kind=mimetype or "-",
                known=", ".join((JSON, JSON_LINES, CSV)),
            )
        )
    return kind


def ensure_dict(items: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Give every entity as a dict; raises `NotAnEntity` for what is none."""
    for item in items:
        if isinstance(item, dict):
            yield item
        elif isinstance(item, EntityTupleMixin):
            yield item.as_dict()
        elif hasattr(item, "_asdict"):
            yield item._asdict()
        elif isinstance(item, Mapping):
            yield dict(item)
        else:
            raise NotAnEntity(item)


def ensure_array(items: Iterable[Any], strict: bool = False) -> Iterator[ArrayEntity]:
    """Give every entity as numbers; the dimensions of dicts are sorted by name.

    What is no number becomes None, or raises ``ValueError`` when ``strict``.
    """
    for item in items:
        if isinstance(item, ArrayEntity):
            yield item
            continue
        (entity,) = ensure_dict((item,))
        names = sorted(entity) if isinstance(item, Mapping) else list(entity)
        numbers = [_number(entity[n], n, strict) for n in names if n not in NAMING]
        yield ArrayEntity(entity.get("ID", ""), entity.get("href"), numbers)


def _number(value: Any, name: str, strict: bool) -> int | float | None:
    if isinstance(value, int | float):
        return value
    if isinstance(value, Real):  # of numpy, for example
        return float(value)
    for parse in (int, float):
        try:
            return parse(value)
        except (TypeError, ValueError, OverflowError):
            continue
    if strict:
        raise ValueError(f"{value!r} in attribute {name!r} is no number")
    return None


def entity_attribute_sort_key(attribute_name: str) -> tuple[int, str]:
    """Give what sorts attributes: ``ID`` and ``href`` first, the others by name."""
    first = ("ID", "href")
    known = attribute_name in first
    return (first.index(attribute_name) if known else len(first), attribute_name)


def array_to_entity(
    items: Iterable[ArrayEntity],
    prefix: str = "dim",
    suffix: str = "",
    tuple_: Callable[[Iterable[Any]], Any] | None = None,
) -> Iterator[Any]:
    """Give arrays as entities with the attributes ``ID``, ``href`` and one per number.

    Those are named by prefix, place (from 0, padded with zeros) and suffix. ``tuple_``
    makes the entities of their values; else they are of the class `entity_class` gives.
    """
    for item in items:
        make = tuple_
        if make is None:
            make = entity_class(_array_attributes(len(item.values), prefix, suffix))._make
        yield make((item.ID, item.href, *item.values))


def _array_attributes(count: int, prefix: str, suffix: str) -> Iterator[str]:
    digits = ceil(log10(count)) if count > 1 else 1
    yield from NAMING
    for number in range(count):
        yield f"{prefix}{number:0{digits}}{suffix}"
