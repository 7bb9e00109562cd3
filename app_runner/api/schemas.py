"""Base classes of schemas: camelCase on the wire, snake_case in Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any, Self

import marshmallow as ma
from marshmallow import EXCLUDE, ValidationError, fields
from marshmallow.fields import Field
from marshmallow.types import StrSequenceOrSet, UnknownOption

from app_runner.api.fields import CSVList
from app_runner.api.validation_texts import is_english, translated


def camel_case(name: str) -> str:
    """Give the key on the wire for ``name``: ``input_str`` becomes ``inputStr``."""
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


class MaBaseSchema(ma.Schema):
    """Keys in camelCase, made from the attribute's name or from its ``data_key``."""

    def __init__(
        self,
        *,
        only: StrSequenceOrSet | None = None,
        exclude: StrSequenceOrSet = (),
        many: bool | None = False,
        context: dict[str, Any] | None = None,
        load_only: StrSequenceOrSet = (),
        dump_only: StrSequenceOrSet = (),
        partial: bool | StrSequenceOrSet | None = False,
        unknown: UnknownOption | None = None,
    ) -> None:
        # Marshmallow 4 dropped ``context``; schemas written for 3 read it from here.
        self.context = context or {}
        super().__init__(
            only=only,
            exclude=exclude,
            many=many,
            load_only=load_only,
            dump_only=dump_only,
            partial=partial,
            unknown=unknown,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Share the fields with the copy.

        flask-smorest copies all that documents an operation several times; a schema does
        not change once it is built, and copying its fields is a quarter of a start.
        """
        return copy(self)

    def on_bind_field(self, field_name: str, field_obj: Field[Any]) -> None:
        """Name the field on the wire."""
        field_obj.data_key = camel_case(
            field_name if field_obj.data_key is None else field_obj.data_key
        )

    def handle_error(
        self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any
    ) -> None:
        """Say what is wrong in the language of the page."""
        if not is_english():
            error.messages = translated(error.messages)


class FrontendFormBaseSchema(MaBaseSchema):
    """Parameters that a form sends; keys it does not know (buttons, say) are ignored.

    A browser sends an empty text for an input left empty. Where that cannot be a value (a
    number, a date, a URL …) it counts as None, or as not sent when None is not allowed.

    With ``validate_errors_as_result=True``, `load` gives the errors as a dict (key to
    messages, empty when all is well) and raises nothing, so that the view can show the
    form again with the errors beside the fields.
    """

    class Meta:
        unknown = EXCLUDE

    def __init__(
        self,
        *,
        only: StrSequenceOrSet | None = None,
        exclude: StrSequenceOrSet = (),
        many: bool | None = False,
        context: dict[str, Any] | None = None,
        load_only: StrSequenceOrSet = (),
        dump_only: StrSequenceOrSet = (),
        partial: bool | StrSequenceOrSet | None = False,
        unknown: UnknownOption | None = None,
        validate_errors_as_result: bool = False,
    ) -> None:
        super().__init__(
            only=only,
            exclude=exclude,
            many=many,
            context=context,
            load_only=load_only,
            dump_only=dump_only,
            partial=partial,
            unknown=unknown,
        )
        self.validate_errors_as_result = validate_errors_as_result

    def load(
        self,
        data: Any,
        *,
        many: bool | None = None,
        partial: bool | StrSequenceOrSet | None = None,
        unknown: UnknownOption | None = None,
    ) -> Any:
        """Load ``data``, or give its errors (see the class)."""
        if not self.validate_errors_as_result:
            return super().load(data, many=many, partial=partial, unknown=unknown)
        try:
            # Not `validate`, which cannot be told what to do with unknown keys, and not
            # `load`, whose post_load hooks expect complete data.
            self._do_load(
                data, many=many, partial=partial, unknown=unknown, postprocess=False
            )
        except ValidationError as error:
            return dict(error.normalized_messages())  # type: ignore[no-untyped-call]
        return {}

    def _deserialize(self, data: Any, **kwargs: Any) -> Any:
        # Here and not in a pre_load hook: those of plugins expect the data as it came.
        if isinstance(data, Mapping):
            data = _FilledInputs(data, self.load_fields.values())
        return super()._deserialize(data, **kwargs)


class _FilledInputs(Mapping[str, Any]):
    """What a form sent, without the inputs that were left empty."""

    def __init__(self, data: Mapping[str, Any], known: Iterable[Field[Any]]) -> None:
        self._data = data
        blank = [
            f for f in known if _is_blank(data.get(f.data_key or "")) and _needs_more(f)
        ]
        self._as_none = {f.data_key for f in blank if f.allow_none}
        self._as_absent = {f.data_key for f in blank} - self._as_none

    def __getitem__(self, key: str) -> Any:
        if key in self._as_absent:
            raise KeyError(key)
        return None if key in self._as_none else self._data[key]

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._data if key not in self._as_absent)

    def __len__(self) -> int:
        return len(self._data) - len(self._as_absent)


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _needs_more(field: Field[Any]) -> bool:
    """Tell that an empty text cannot be a value of ``field``."""
    if isinstance(field, fields.String):
        return isinstance(field, (fields.Url, fields.Email, fields.UUID))
    return not isinstance(field, (CSVList, fields.Raw))


def wire_name(schema: ma.Schema, name: str) -> str:
    """Give the key on the wire of the field ``name``, or ``name`` if there is none."""
    if name not in schema.fields:
        return name
    return schema.fields[name].data_key or camel_case(name)
