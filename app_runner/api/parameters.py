"""Parameters of a function as a marshmallow schema, read from its annotations."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from marshmallow import fields, validate

from app_runner.api.fields import EnumField, WholeNumber
from app_runner.api.schemas import FrontendFormBaseSchema
from app_runner.errors import PluginLoadError

FIELD_TYPES: dict[type, type[fields.Field[Any]]] = {
    str: fields.String,
    int: WholeNumber,
    float: fields.Float,
    bool: fields.Boolean,
}


@dataclass(frozen=True)
class Text:
    """A text parameter: ``text: Text(label="Text", multiline=True)``."""

    label: str = ""
    help: str = ""  # Markdown
    multiline: bool = False
    min_length: int = 0
    max_length: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    type_: type = str

    def validators(self) -> list[validate.Validator]:
        """Give what the text is held to."""
        if self.min_length or self.max_length is not None:
            return [validate.Length(min=self.min_length or None, max=self.max_length)]
        return []

    def field_metadata(self) -> dict[str, Any]:
        """Give what the form shows."""
        input_type = {"input_type": "textarea"} if self.multiline else {}
        return {
            "label": self.label,
            "description": self.help,
            **input_type,
            **self.metadata,
        }


def schema_of(function: Callable[..., Any]) -> FrontendFormBaseSchema:
    """Make the schema of all parameters of ``function`` but the first (the task).

    Raises `PluginLoadError` for a parameter whose annotation is missing or unknown.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    declared = {
        p.name: _field(p, hints.get(p.name), function.__name__) for p in parameters
    }
    name = (
        "".join(part.title() for part in function.__name__.split("_"))
        + "ParametersSchema"
    )
    schema_class = FrontendFormBaseSchema.from_dict(declared, name=name)
    return cast(FrontendFormBaseSchema, schema_class())


def _field(parameter: inspect.Parameter, hint: Any, function: str) -> fields.Field[Any]:
    where = f"parameter {parameter.name!r} of {function}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise PluginLoadError(f"{where}: * and ** parameters have no form")
    base, marker, optional = _unpacked(hint)
    options: dict[str, Any] = {"metadata": _metadata(parameter.name, marker)}
    has_default = parameter.default is not parameter.empty
    if has_default:
        options["load_default"] = options["dump_default"] = parameter.default
    elif base is bool:
        options["load_default"] = False  # browsers send nothing for an empty box
    options["required"] = not has_default and not optional and base is not bool
    options["allow_none"] = optional or parameter.default is None
    if optional and not has_default:
        options["load_default"] = None
    return _field_of_type(base, marker, options, where)


def _field_of_type(
    base: Any, marker: Text | None, options: dict[str, Any], where: str
) -> fields.Field[Any]:
    if marker is not None:
        options["validate"] = marker.validators()
    if get_origin(base) is Literal:
        choices = list(get_args(base))
        options["metadata"].setdefault("options", {str(c): str(c) for c in choices})
        options["metadata"]["input_type"] = "select"
        return FIELD_TYPES[type(choices[0])](**options, validate=validate.OneOf(choices))
    if isinstance(base, type) and issubclass(base, Enum):
        return EnumField(base, **options)
    if base not in FIELD_TYPES:
        raise PluginLoadError(f"{where}: no form field is known for {base!r}")
    return FIELD_TYPES[base](**options)


def _unpacked(hint: Any) -> tuple[Any, Text | None, bool]:
    """Split an annotation into its type, its marker, and whether None is allowed."""
    optional, marker = False, None
    if get_origin(hint) in (Union, types.UnionType):
        others = [part for part in get_args(hint) if part is not type(None)]
        optional = len(others) < len(get_args(hint))
        hint = others[0] if len(others) == 1 else hint
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        marker = next((extra for extra in extras if isinstance(extra, Text)), None)
    if isinstance(hint, Text):
        hint, marker = hint.type_, hint
    return hint, marker, optional


def _metadata(name: str, marker: Text | None) -> dict[str, Any]:
    metadata = marker.field_metadata() if marker else {}
    metadata["label"] = metadata.get("label") or name.replace("_", " ").capitalize()
    return metadata
