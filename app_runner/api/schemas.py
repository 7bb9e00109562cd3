"""Base classes of schemas: camelCase on the wire, snake_case in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import EXCLUDE, ValidationError
from marshmallow.fields import Field
from marshmallow.types import StrSequenceOrSet, UnknownOption


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

    def on_bind_field(self, field_name: str, field_obj: Field[Any]) -> None:
        """Name the field on the wire."""
        field_obj.data_key = camel_case(
            field_name if field_obj.data_key is None else field_obj.data_key
        )


class FrontendFormBaseSchema(MaBaseSchema):
    """Parameters that a form sends; keys it does not know (buttons, say) are ignored.

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


def wire_name(schema: ma.Schema, name: str) -> str:
    """Give the key on the wire of the field ``name``, or ``name`` if there is none."""
    fields: Mapping[str, Field[Any]] = schema.fields
    if name not in fields:
        return name
    return fields[name].data_key or camel_case(name)
