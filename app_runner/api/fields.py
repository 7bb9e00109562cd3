"""Marshmallow fields for parameters that come from a form or as JSON.

A browser sends an empty text for an input left empty, so it means "no value" here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from enum import Enum
from inspect import signature
from typing import Any, TypeVar, cast

import marshmallow as ma
from marshmallow import fields, validate

from app_runner.api.url_check import DATA_SCHEMES, PLUGIN_SCHEMES, UrlCheck
from app_runner.babel import gettext as _

E = TypeVar("E", bound=Enum)

_FIELD_ARGUMENTS = frozenset(signature(fields.Field.__init__).parameters) - {"self"}


def _extra_to_metadata(arguments: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Put ``metadata`` that is set, and arguments no field knows, in the metadata."""
    own = {name: value for name, value in metadata.items() if value is not None}
    stray = {k: v for k, v in arguments.items() if k not in _FIELD_ARGUMENTS}
    known = {k: v for k, v in arguments.items() if k in _FIELD_ARGUMENTS}
    known["metadata"] = {**stray, **(known.get("metadata") or {}), **own}
    return known


def _empty_to_none(field: fields.Field[Any], value: Any) -> Any:
    """Give what an empty text means to ``field``: None, or no value at all.

    A field that is neither required nor takes None was simply left empty; one that is
    required was forgotten, so the error is that of a missing value.
    """
    if not isinstance(value, str) or value.strip():
        return value
    return None if field.allow_none else ma.missing


class _UrlField(fields.Url):
    """A URL that may also be `data:`, a local file, or name a host without a dot."""

    SCHEMES: frozenset[str] = DATA_SCHEMES

    def __init__(
        self,
        *,
        relative: bool = False,
        schemes: Iterable[str] | None = None,
        require_tld: bool = True,
        required: bool = False,
        allow_none: bool = False,
        **kwargs: Any,
    ) -> None:
        # ``require_tld`` is taken and not used: containers call each other by bare names.
        arguments = _extra_to_metadata(kwargs)
        super().__init__(
            relative=relative, required=required, allow_none=allow_none, **arguments
        )
        allowed = self.SCHEMES if schemes is None else frozenset(schemes)
        own_text = (arguments.get("error_messages") or {}).get("invalid")
        # The validator of the base class stands first and knows no data: and file: URLs.
        self.validators[0] = UrlCheck(schemes=allowed, relative=relative, error=own_text)

    def deserialize(
        self,
        value: Any,
        attr: str | None = None,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load a URL; an empty text is None."""
        value = _empty_to_none(self, value)
        if isinstance(value, str):
            value = value.strip()
        return super().deserialize(value, attr, data, **kwargs)


class FileUrl(_UrlField):
    """The URL of input data: `http`, `https`, `ftp`, `ftps`, `file` or `data`.

    ``data_input_type`` and ``data_content_types`` say what the plugin can read; the form
    hands them to the page around it, which then offers fitting data. Whether a URL may be
    opened is decided when it is opened, not here.
    """

    def __init__(
        self,
        *,
        relative: bool = False,
        schemes: Iterable[str] | None = None,
        require_tld: bool = True,
        data_input_type: str | None = None,
        data_content_types: Sequence[str] | str | None = None,
        required: bool = False,
        allow_none: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            relative=relative,
            schemes=schemes,
            required=required,
            allow_none=allow_none,
            **_extra_to_metadata(
                kwargs,
                data_input_type=data_input_type,
                data_content_types=data_content_types,
            ),
        )


class PluginUrl(_UrlField):
    """The URL of another plugin; tags, name and version say which ones fit."""

    SCHEMES = PLUGIN_SCHEMES

    def __init__(
        self,
        *,
        relative: bool = False,
        schemes: Iterable[str] | None = None,
        require_tld: bool = True,
        plugin_tags: Sequence[str] | None = None,
        plugin_name: str | None = None,
        plugin_version: str | None = None,
        required: bool = False,
        allow_none: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            relative=relative,
            schemes=schemes,
            required=required,
            allow_none=allow_none,
            **_extra_to_metadata(
                kwargs,
                plugin_tags=plugin_tags,
                plugin_name=plugin_name,
                plugin_version=plugin_version,
            ),
        )


class MemberChoice(validate.OneOf):
    """Checks that a loaded value is a member; the API document shows the names."""

    def __init__(self, enum_type: type[Enum]) -> None:
        """Take the members of ``enum_type`` as the choices."""
        super().__init__([member.name for member in enum_type])
        self.enum_type = enum_type

    def __call__(self, value: Any) -> Any:
        """Give ``value`` back when it is a member, else raise ValidationError."""
        if not isinstance(value, self.enum_type):
            raise ma.ValidationError(self._format_error(value))
        return value


class EnumField(fields.Enum[E]):
    """A choice among the members of an enum, shown as a select box.

    Dumps the name of a member and loads it by name, with ``use_value`` also by value.
    ``metadata["options"]`` may give labels by member, name or ``""`` (for "no choice").
    It becomes an ordered dict of all names and labels.
    """

    def __init__(
        self, enum_type: type[E], use_value: bool = False, **kwargs: Any
    ) -> None:
        arguments = _extra_to_metadata(kwargs)
        given = arguments["metadata"].get("options") or {}
        arguments["metadata"]["options"] = _labels(enum_type, given)
        arguments["metadata"].setdefault("input_type", "select")
        super().__init__(enum_type, by_value=False, **arguments)
        self.enum_type = enum_type
        self.use_value = use_value
        self.validators.insert(0, MemberChoice(enum_type))

    def deserialize(
        self,
        value: Any,
        attr: str | None = None,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load a member; an empty text is None."""
        return super().deserialize(_empty_to_none(self, value), attr, data, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> E:
        if self.use_value and (member := self._by_value(value)) is not None:
            return member
        if not isinstance(value, (str, self.enum_type)):
            raise self.make_error("unknown", choices=self.choices_text)
        return super()._deserialize(value, attr, data, **kwargs)

    def _by_value(self, value: Any) -> E | None:
        """Find a member by its value, also when a form sent that value as text."""
        for member in self.enum_type:
            if member.value == value or str(member.value) == value:
                return member
        return None

    def _serialize(
        self, value: Any, attr: str | None, obj: Any, **kwargs: Any
    ) -> str | None:
        return value.name if isinstance(value, Enum) else value


def _labels(enum_type: type[Enum], given: Mapping[Any, Any]) -> dict[str, Any]:
    """Merge labels that an author gave with the members' own; ``""`` comes first."""
    named = {key.name if isinstance(key, Enum) else key: v for key, v in given.items()}
    labels = {"": named.pop("")} if "" in named else {}
    for member in enum_type:
        own = member.value if isinstance(member.value, str) else member.name
        labels[member.name] = named.pop(member.name, own)
    return {**labels, **named}


class WholeNumber(fields.Integer):
    """An integer; a fraction sent as JSON is refused, as it is in a form."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, float) and not value.is_integer():
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class CSVList(fields.Field[list[Any]]):
    """A list that is one text on the wire: ``a,b``, quoted as in RFC 4180 where needed.

    An empty text is the empty list. JSON clients may send a list instead, and forms
    repeat the key; each of several values is one of the list then, as it stands.
    """

    def __init__(self, element_type: fields.Field[Any], **kwargs: Any) -> None:
        arguments = _extra_to_metadata(kwargs)
        arguments["metadata"].setdefault("type", "string")  # for the API document
        super().__init__(**arguments)
        given: Any = element_type
        self.element_type: fields.Field[Any] = (
            given() if isinstance(given, type) else given
        )

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        self.element_type = deepcopy(self.element_type)
        self.element_type._bind_to_schema(field_name, self)

    def _serialize(
        self, value: Any, attr: str | None, obj: Any, **kwargs: Any
    ) -> str | None:
        if value is None or isinstance(value, str):
            return value
        return join_csv([self.element_type._serialize(v, attr, obj) for v in value])

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        loaded: list[Any] = []
        errors: dict[int, Any] = {}
        for index, cell in enumerate(self._cells(value)):
            try:
                loaded.append(self.element_type.deserialize(cell, attr, data, **kwargs))
            except ma.ValidationError as error:
                errors[index] = error.messages
        if errors:
            raise ma.ValidationError(cast(Any, errors))
        return loaded

    def _cells(self, value: Any) -> list[Any]:
        if isinstance(value, (list, tuple)):
            return list(value)
        cells = split_csv(value) if isinstance(value, str) else None
        if cells is None:
            raise ma.ValidationError(_("Not a valid comma separated list."))
        return cells


_QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?=,|\Z)')
_NEEDS_QUOTES = re.compile(r'[",\n\r]|\A\s|\s\Z')


def split_csv(text: str) -> list[str] | None:
    """Split one CSV record (RFC 4180, section 2); None when a quote is never closed.

    White space around a cell is dropped unless the cell is quoted; a record may go over
    several lines only inside quotes.
    """
    cells: list[str] = []
    if not text.strip():
        return cells
    start = 0
    while True:
        if quoted := _QUOTED.match(text, start):
            cell, end = quoted[1].replace('""', '"'), quoted.end()
        else:
            comma = text.find(",", start)
            end = len(text) if comma < 0 else comma
            cell = text[start:end].strip()
            if cell.startswith('"') or "\n" in cell:
                return None
        cells.append(cell)
        if end >= len(text):
            return cells
        start = end + 1


def join_csv(cells: Iterable[Any]) -> str:
    """Write one CSV record so that `split_csv` gives back the same texts."""
    texts = ["" if cell is None else str(cell) for cell in cells]
    if texts == [""]:
        return '""'
    return ",".join(
        '"{}"'.format(text.replace('"', '""')) if _NEEDS_QUOTES.search(text) else text
        for text in texts
    )
