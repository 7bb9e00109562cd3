"""Parameters of a function as a marshmallow schema, read from its annotations."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
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

from app_runner.api.fields import CSVList, EnumField, PluginUrl, WholeNumber
from app_runner.api.markers import (
    Choice,
    FileInput,
    Input,
    Password,
    PluginInput,
    Upload,
)
from app_runner.api.parameter_fields import (
    ChoiceList,
    FilledText,
    InputFileField,
    UploadField,
)
from app_runner.api.schemas import FrontendFormBaseSchema
from app_runner.errors import PluginLoadError

FieldType = Callable[..., fields.Field[Any]]
FIELD_TYPES: dict[Any, FieldType] = {
    str: fields.String,
    int: WholeNumber,
    float: fields.Float,
    bool: fields.Boolean,
    date: fields.Date,
    datetime: fields.DateTime,
    time: fields.Time,
}
#: Fields that a marker asks for, whatever the type.
MARKED_FIELDS: tuple[tuple[type[Input], FieldType], ...] = (
    (FileInput, InputFileField),
    (PluginInput, PluginUrl),
    (Upload, UploadField),
)
SUPPORTED = (
    "str, int, float, bool, date, datetime, time, an Enum, Literal, a list of these, "
    "each with | None, and the markers of app_runner.plugin_api"
)


@dataclass
class Declared:
    """An annotation taken apart."""

    where: str  # for messages
    base: Any
    marker: Input | None = None
    optional: bool = False


def schema_of(function: Callable[..., Any], skipped: int = 1) -> FrontendFormBaseSchema:
    """Make the schema of all parameters of ``function`` but the first (the task).

    Raises `PluginLoadError` for a parameter whose annotation is missing or unknown.
    """
    hints = _hints(function)
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) < skipped:
        raise PluginLoadError(
            f"{function.__name__} needs a first parameter, which is the task"
        )
    declared = {
        p.name: _field(p, hints.get(p.name), function.__name__)
        for p in parameters[skipped:]
    }
    words = function.__name__.split("_")
    name = "".join(part.title() for part in words) + "ParametersSchema"
    schema_class = FrontendFormBaseSchema.from_dict(declared, name=name)
    return cast(FrontendFormBaseSchema, schema_class())


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise PluginLoadError(
            f"an annotation of {function.__name__} cannot be read: {error}"
        ) from error


def _field(parameter: inspect.Parameter, hint: Any, function: str) -> fields.Field[Any]:
    where = f"parameter {parameter.name!r} of {function}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise PluginLoadError(f"{where}: * and ** parameters have no form")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise PluginLoadError(f"{where}: parameters are given by name, so without /")
    declared = _taken_apart(hint, where)
    options: dict[str, Any] = {"metadata": _metadata(parameter.name, declared.marker)}
    _set_presence(options, parameter, declared)
    return _field_of(declared, options)


def _set_presence(
    options: dict[str, Any], parameter: inspect.Parameter, declared: Declared
) -> None:
    """Say whether the value must be there, and what it is when it is not."""
    has_default = parameter.default is not parameter.empty
    is_box = declared.base is bool and not declared.optional
    if has_default:
        options["load_default"] = options["dump_default"] = parameter.default
    elif declared.optional:
        options["load_default"] = None
    elif is_box:
        options["load_default"] = False  # browsers send nothing for an empty box
    options["required"] = not has_default and not declared.optional and not is_box
    options["allow_none"] = declared.optional or parameter.default is None


def _field_of(declared: Declared, options: dict[str, Any]) -> fields.Field[Any]:
    base, marker, where = declared.base, declared.marker, declared.where
    if marker is not None:
        options["validate"] = _checks(marker, where)
    for kind, make in MARKED_FIELDS:
        if isinstance(marker, kind):
            return make(**options)
    if get_origin(base) is list:
        return _list_field(declared, options)
    if get_origin(base) is Literal:
        return _choice_field(list(get_args(base)), declared, options)
    if isinstance(base, type) and issubclass(base, Enum):
        return _enum_field(base, options)
    if base not in FIELD_TYPES:
        said = f"no form field is known for {base!r}; supported are {SUPPORTED}"
        raise PluginLoadError(f"{where}: {said if base else 'it has no annotation'}")
    _check_fit(declared)
    return _plain_field(declared, options)


def _checks(marker: Input, where: str) -> list[validate.Validator]:
    try:
        return marker.validators()
    except PluginLoadError as error:
        raise PluginLoadError(f"{where}: {error}") from error


def _list_field(declared: Declared, options: dict[str, Any]) -> fields.Field[Any]:
    where = f"{declared.where}, in its list"
    element = _taken_apart(get_args(declared.base)[0], where)
    if isinstance(element.marker, Upload | Password):
        kind = type(element.marker).__name__
        raise PluginLoadError(f"{where}: {kind} stands alone, it cannot be in a list")
    if declared.marker is not None and declared.marker.fits:
        kind = type(declared.marker).__name__
        raise PluginLoadError(f"{declared.where}: {kind} does not go with a list")
    if isinstance(element.marker, FileInput | PluginInput):
        options["metadata"] = {**element.marker.shown(), **options["metadata"]}
    element_options: dict[str, Any] = {"metadata": {}, "required": True}
    shown = element.marker.shown() if isinstance(element.marker, Choice) else {}
    element_options["metadata"] |= shown
    field = _field_of(element, element_options)
    choices = _choices_of(element, field)
    if choices is None:
        return CSVList(field, **options)
    options["metadata"] |= {**choices, "input_type": "select", "multiple": True}
    return ChoiceList(field, **options)


def _choices_of(element: Declared, field: fields.Field[Any]) -> dict[str, Any] | None:
    """Give the options of the elements of a list, or what loads them; None for others."""
    if isinstance(element.base, type) and issubclass(element.base, Enum):
        return {"options": {member.name: str(member.value) for member in element.base}}
    known = field.metadata
    return {
        key: known[key] for key in ("options", "load_options") if key in known
    } or None


def _plain_field(declared: Declared, options: dict[str, Any]) -> fields.Field[Any]:
    is_choice = isinstance(declared.marker, Choice)
    if is_choice:
        _allow_none_chosen(options)
    if declared.base is str and (is_choice or options.get("allow_none")):
        return FilledText(**options)
    return FIELD_TYPES[declared.base](**options)


def _choice_field(
    values: list[Any], declared: Declared, options: dict[str, Any]
) -> fields.Field[Any]:
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not kinds <= {str, int}:
        raise PluginLoadError(
            f"{declared.where}: the values of a Literal must all be texts, or all be "
            "whole numbers"
        )
    options["metadata"].setdefault("options", {value: str(value) for value in values})
    options["metadata"]["input_type"] = "select"
    _allow_none_chosen(options)
    checks = [*options.pop("validate", ()), validate.OneOf(values)]
    make = FilledText if kinds == {str} else WholeNumber
    return make(**options, validate=checks)


def _enum_field(base: type[Enum], options: dict[str, Any]) -> fields.Field[Any]:
    if options.get("allow_none"):
        options["metadata"].setdefault("options", {"": ""})
    return EnumField(base, use_value=True, **options)


def _allow_none_chosen(options: dict[str, Any]) -> None:
    """Offer an empty option where nothing need be chosen."""
    known = options["metadata"].get("options")
    if known is not None and options.get("allow_none"):
        options["metadata"]["options"] = {"": "", **known}


def _check_fit(declared: Declared) -> None:
    marker = declared.marker
    if marker is not None and marker.fits and declared.base not in marker.fits:
        raise PluginLoadError(
            f"{declared.where}: {type(marker).__name__} does not go with "
            f"{declared.base.__name__}"
        )


def _taken_apart(hint: Any, where: str) -> Declared:
    """Split an annotation into its type, its marker, and whether None is allowed."""
    declared = Declared(where, None if hint is inspect.Parameter.empty else hint)
    _open_union(declared)
    if get_origin(declared.base) is Annotated:
        declared.base, *extras = get_args(declared.base)
        declared.marker = next((e for e in extras if isinstance(e, Input)), None)
        _open_union(declared)
    if isinstance(declared.base, type) and issubclass(declared.base, Input):
        declared.base = declared.base()  # ``text: Text`` instead of ``text: Text()``
    if isinstance(declared.base, Input):
        declared.base, declared.marker = declared.base.type_, declared.base
    if declared.marker is not None:
        declared.optional |= declared.marker.optional
    if declared.base is list:
        declared.base = list[str]
    return declared


def _open_union(declared: Declared) -> None:
    if get_origin(declared.base) in (Union, types.UnionType):
        every = get_args(declared.base)
        others = [part for part in every if part is not type(None)]
        declared.optional |= len(others) < len(every)
        if len(others) == 1:
            declared.base = others[0]


def _metadata(name: str, marker: Input | None) -> dict[str, Any]:
    metadata = marker.field_metadata() if marker else {}
    metadata["label"] = metadata.get("label") or name.replace("_", " ").capitalize()
    return metadata
