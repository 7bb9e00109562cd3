"""Finds the passwords among parameters, also inside nested schemas and lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields
from marshmallow.utils import get_value

Change = Callable[[Any], Any]


def is_password(declared: fields.Field[Any]) -> bool:
    """Tell whether the values of a field are passwords."""
    return declared.metadata.get("input_type") == "password"


def change_passwords(
    schema: Schema, kept: dict[str, Any], values: Any, change: Change
) -> dict[str, Any]:
    """Put ``change`` of each password into ``kept``, which is given back.

    ``kept`` is what ``schema`` dumps of ``values``, or ``values`` itself.
    """
    for name, declared in schema.fields.items():
        key, attribute = declared.data_key or name, declared.attribute or name
        value = kept.get(key) if values is kept else get_value(values, attribute, None)
        if is_password(declared):
            if key in kept or value is not None:
                kept[key] = None if value is None else change(value)
        elif value is not None and key in kept:
            kept[key] = _inside(declared, kept[key], value, change)
    return kept


def _inside(declared: fields.Field[Any], kept: Any, value: Any, change: Change) -> Any:
    if isinstance(kept, list) and isinstance(value, list | tuple):
        inner = declared.inner if isinstance(declared, fields.List) else declared
        if is_password(inner):
            return [change(each) for each in value]
        pairs = zip(kept, value, strict=False)
        return [_inside(inner, one, each, change) for one, each in pairs]
    if isinstance(declared, fields.Nested) and isinstance(kept, dict):
        return change_passwords(declared.schema, kept, value, change)
    return kept
