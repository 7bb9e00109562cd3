"""What is known of attributes (type, several values, reference), and values by it.

The names, and the keys of the entities that hold the metadata, follow the QHAna plugin
runner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE = frozenset({"0", "false", "f", "no", "n", "off", "null", "nil", "none"})
#: Keys that differ from the name of the field.
KEYS = {"attribute_type": "type", "ref_target": "refTarget"}


@dataclass
class AttributeMetadata:
    """What is known of one attribute.

    ``multiple``: a cell of text holds several values with ``separator`` between them,
    which are a list when ``ordered`` and a set otherwise. ``ref_target`` names the file
    that references lead to.
    """

    ID: str
    attribute_type: str
    title: str
    description: str = ""
    multiple: bool = False
    ordered: bool = False
    separator: str = ";"
    ref_target: str | None = None
    schema: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ``ValueError`` when several values have nothing between them."""
        if self.multiple and not self.separator:
            raise ValueError(f"attribute {self.ID!r} has several values but no separator")

    @classmethod
    def from_dict(cls, metadata: Mapping[str, Any]) -> AttributeMetadata:
        """Read an entity; its unknown keys are ``extra``. Raises ``ValueError``."""
        known = {_KEY_TO_FIELD[k]: v for k, v in metadata.items() if k in _KEY_TO_FIELD}
        for name in ("ID", "attribute_type"):
            if not known.get(name):
                key = KEYS.get(name, name)
                raise ValueError(f"the metadata of an attribute has no {key!r}")
        for flag in ("multiple", "ordered"):
            if flag in known:
                known[flag] = parse_bool(known[flag])
        known.setdefault("title", known["ID"])
        extra = {k: v for k, v in metadata.items() if k not in _KEY_TO_FIELD}
        return cls(**known, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """Write an entity, whose own keys win over those of ``extra``."""
        own = {key: getattr(self, name) for key, name in _KEY_TO_FIELD.items()}
        return {**self.extra, **own}


_KEY_TO_FIELD = {
    KEYS.get(f.name, f.name): f.name
    for f in fields(AttributeMetadata)
    if f.name != "extra"
}


def parse_attribute_metadata(
    metadata_entities: Iterable[Mapping[str, Any]],
) -> dict[str, AttributeMetadata]:
    """Read the entities of a metadata file, by the ID of the attribute."""
    found = map(AttributeMetadata.from_dict, metadata_entities)
    return {metadata.ID: metadata for metadata in found}


def parse_bool(value: Any) -> bool:
    """Read a truth value in one of the usual spellings; raises ``ValueError``."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise ValueError(f"{value!r} is neither true nor false")


def _optional(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value in ("", None) else parse(value)


def _same(value: Any) -> Any:
    return value


_INTEGER, _FLOAT, _BOOL = _optional(int), _optional(float), _optional(parse_bool)
#: How a text is read, by the type of the attribute; others stay text.
PARSERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("integer", "int"), _INTEGER),
    **dict.fromkeys(("float", "double", "number"), _FLOAT),
    **dict.fromkeys(("boolean", "bool"), _BOOL),
}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, str | bool | int | float) else repr(value)


def _serializer(metadata: AttributeMetadata | None) -> Callable[[Any], str]:
    if metadata is None or not metadata.multiple:
        return _text
    separator = metadata.separator
    return lambda values: "" if values is None else separator.join(map(_text, values))


def _deserializer(metadata: AttributeMetadata | None) -> Callable[[Any], Any]:
    if metadata is None:
        return _same
    parse = PARSERS.get(metadata.attribute_type, _same)
    if not metadata.multiple:
        return parse
    separator, collect = metadata.separator, list if metadata.ordered else set

    def several(value: Any) -> Any:
        """Read values between separators, or values that came as a list."""
        parts = value.split(separator) if isinstance(value, str) else value
        return collect(map(parse, parts if value else ()))

    return several


Metadata = Mapping[str, AttributeMetadata]
TupleConverter = Callable[[tuple[Any, ...]], Any]
DictConverter = Callable[[dict[str, Any]], dict[str, Any]]


def tuple_serializer(
    attributes: Sequence[str],
    attribute_metadata: Metadata,
    tuple_: Callable[[Iterable[Any]], Any] = tuple,
) -> TupleConverter:
    """Give a function that turns a tuple of values into one of texts."""
    return _of_tuples(
        [_serializer(attribute_metadata.get(a)) for a in attributes], tuple_
    )


def tuple_deserializer(
    attributes: Sequence[str],
    attribute_metadata: Metadata,
    tuple_: Callable[[Iterable[Any]], Any] = tuple,
) -> TupleConverter:
    """Give a function that turns a tuple of texts into one of values."""
    converters = [_deserializer(attribute_metadata.get(a)) for a in attributes]
    return _of_tuples(converters, tuple_)


def dict_serializer(
    attributes: Iterable[str], attribute_metadata: Metadata, in_place: bool = True
) -> DictConverter:
    """Give a function that turns the values of a dict into texts."""
    known = {a: _serializer(attribute_metadata.get(a)) for a in attributes}
    return _of_dicts(known, in_place)


def dict_deserializer(
    attributes: Iterable[str], attribute_metadata: Metadata, in_place: bool = True
) -> DictConverter:
    """Give a function that turns the texts in a dict into values."""
    known = {a: _deserializer(attribute_metadata.get(a)) for a in attributes}
    return _of_dicts(known, in_place)


def _of_tuples(
    converters: Sequence[Callable[[Any], Any]], make: Callable[[Iterable[Any]], Any]
) -> TupleConverter:
    return lambda values: make(c(v) for c, v in zip(converters, values, strict=True))


def _of_dicts(
    converters: Mapping[str, Callable[[Any], Any]], in_place: bool
) -> DictConverter:
    def convert(entity: dict[str, Any]) -> dict[str, Any]:
        changed = {a: c(entity[a]) for a, c in converters.items() if a in entity}
        if not in_place:
            return {**entity, **changed}
        entity.update(changed)
        return entity

    return convert
