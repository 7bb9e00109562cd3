"""Turns the fields of a marshmallow schema into what an HTML form shows.

Knows schemas, not requests and not templates; `forms.html` prints what is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_smorest.fields import Upload
from marshmallow import Schema, fields, missing, validate
from marshmallow.fields import Field

from app_runner.api.fields import CSVList, FileUrl, PluginUrl
from app_runner.api.parameter_fields import ChoiceList
from app_runner.api.schemas import camel_case, wire_name
from app_runner.ui.input_values import (
    Option,
    chosen_texts,
    error_texts,
    field_value,
    is_true,
    options_of,
)

#: Input types by field class; the first that fits counts, so special ones stand first.
_TYPES: tuple[tuple[type[Any], str], ...] = (
    (Upload, "file"),
    (fields.Boolean, "checkbox"),
    (fields.Number, "number"),
    (fields.Url, "url"),
    (fields.Email, "email"),
    (fields.DateTime, "datetime-local"),
    (fields.Date, "date"),
    (fields.Time, "time"),
    (fields.Enum, "select"),
)
#: Names that plugins use for types that HTML calls otherwise.
_ALIASES = {"textfield": "text", "string": "text", "text_with_datalist": "text"}


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a form, ready to be printed."""

    id: str
    name: str
    label: str
    description: str
    type: str
    value: str
    checked: bool
    required: bool
    sends_false: bool
    options: list[Option]
    proposals: list[Option]
    errors: list[str]
    attributes: dict[str, Any]

    @property
    def is_data(self) -> bool:
        """Tell whether the page around the form can choose data for this input."""
        return self.attributes.get("data-input-type") == "data"

    @property
    def is_plugin(self) -> bool:
        """Tell whether the page around the form can choose a plugin for this input."""
        return self.attributes.get("data-input-type") == "plugin"


def form_inputs(
    schema: Schema,
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, Any] | None = None,
    extras: Mapping[str, Any] | None = None,
) -> list[Input]:
    """Describe the inputs of ``schema`` in its order.

    ``values`` and ``errors`` are keyed by wire name (or attribute name); ``extras`` gives
    metadata per field that is only known now, such as options.
    """
    values, errors, extras = values or {}, errors or {}, extras or {}
    is_fresh = not values and not errors
    return [
        _input(schema, name, field, values, errors, extras, is_fresh)
        for name, field in schema.fields.items()
        if not field.dump_only
    ]


def _input(
    schema: Schema,
    name: str,
    field: Field[Any],
    values: Mapping[str, Any],
    errors: Mapping[str, Any],
    extras: Mapping[str, Any],
    is_fresh: bool,
) -> Input:
    key = field.data_key or camel_case(name)
    extra = extras.get(key) or extras.get(name) or {}
    metadata = {**field.metadata, **extra} if extra else field.metadata
    kind = _input_type(field, metadata)
    given = _given(values, key, name, field, use_default=is_fresh or kind != "checkbox")
    found = error_texts(errors.get(key) or errors.get(name))
    required = field.required and not field.allow_none and kind != "checkbox"
    value = "" if kind in ("password", "file") else field_value(given)
    proposals = options_of(get_datalist_from_schema(schema, field, metadata), ())
    return Input(
        id=name,
        name=key,
        label=str(metadata.get("label") or name.replace("_", " ").capitalize()),
        description=str(metadata.get("description") or ""),
        type=kind,
        value=value,
        checked=kind == "checkbox" and is_true(given),
        required=required,
        sends_false=(
            _must_say_no(field) if kind == "checkbox" else isinstance(field, ChoiceList)
        ),
        options=options_of(metadata.get("options") or {}, chosen_texts(given)),
        proposals=proposals,
        errors=found,
        attributes=_attributes(
            schema, name, field, metadata, kind, value, found, proposals
        ),
    )


def _must_say_no(field: Field[Any]) -> bool:
    """Tell whether an absent value is not the same as False.

    A browser leaves out a box that is not ticked, so the form then sends a second input.
    """
    if field.required:
        return not field.allow_none
    return field.load_default not in (missing, None, False)


def _given(
    values: Mapping[str, Any], key: str, name: str, field: Field[Any], use_default: bool
) -> Any:
    for candidate in (key, name):
        if candidate in values:
            return _sent(values, candidate, field)
    default = field.load_default
    if not use_default or default is missing or callable(default):
        return None
    return default


def _sent(values: Mapping[str, Any], key: str, field: Field[Any]) -> Any:
    """Give the value of ``key``, or all values of a field that takes several."""
    many = getattr(values, "getlist", None)
    every = many(key) if many is not None else [values[key]]
    if isinstance(field, fields.List):
        return every if many is not None else values[key]
    if isinstance(field, CSVList) and len(every) > 1:
        return every
    if isinstance(field, ChoiceList) and isinstance(every[0], str):
        return field.chosen(every[0])
    return every[0]


def _attributes(
    schema: Schema,
    name: str,
    field: Field[Any],
    metadata: Mapping[str, Any],
    kind: str,
    value: str,
    errors: Sequence[str],
    proposals: Sequence[Option],
) -> dict[str, Any]:
    """Give the attributes of the element; those that are None are not printed."""
    attributes = _validation_attrs(field, kind)
    described_by = [f"{name}-description"] if metadata.get("description") else []
    if errors:
        attributes["aria-invalid"] = "true"
        described_by.append(f"{name}-error")
    attributes["aria-describedby"] = " ".join(described_by) or None
    if kind == "number":
        attributes["step"] = _step(field, attributes.get("min"), value)
    attributes["multiple"] = "" if isinstance(field, ChoiceList) else None
    attributes["list"] = f"{name}-proposals" if proposals else None
    if kind == "password":
        attributes.update({"data-private": "", "autocomplete": "off"})
    if isinstance(field, FileUrl) or "data_input_type" in metadata:
        attributes.update(_data_attributes(schema, metadata))
    elif isinstance(field, PluginUrl) or "plugin_tags" in metadata:
        attributes.update(_plugin_attributes(metadata))
    return attributes


def _data_attributes(schema: Schema, metadata: Mapping[str, Any]) -> dict[str, Any]:
    related = metadata.get("related_to")
    return {
        "data-input-type": "data",
        "data-input": metadata.get("data_input_type") or "*",
        "data-content-type": space_delimited_list(
            metadata.get("data_content_types") or "*"
        ),
        "data-related-to": wire_name(schema, related) if related else None,
        "data-relation": metadata.get("relation", "any") if related else None,
        "data-related-include-self": (
            str(bool(metadata.get("related_include_self"))).lower() if related else None
        ),
    }


def _plugin_attributes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "data-input-type": "plugin",
        "data-plugin-tags": space_delimited_list(metadata.get("plugin_tags")),
        "data-plugin-name": metadata.get("plugin_name"),
        "data-plugin-version": metadata.get("plugin_version"),
    }


def get_input_type(field: Field[Any]) -> str:
    """Give the type of the HTML input for ``field`` (or "select", "textarea")."""
    return _input_type(field, field.metadata)


def _input_type(field: Field[Any], metadata: Mapping[str, Any]) -> str:
    asked: str | None = metadata.get("input_type")
    if asked:
        return _ALIASES.get(asked, asked)
    if metadata.get("options"):
        return "select"
    if isinstance(field, fields.Url) and field.relative:
        return "text"  # a browser takes only absolute ones in type=url
    return next((kind for cls, kind in _TYPES if isinstance(field, cls)), "text")


def get_input_attr_step(field: Field[Any]) -> str | None:
    """Give the ``step`` of a number input, or None when the field is no number."""
    step = field.metadata.get("step")
    if step is not None:
        return str(step)
    if isinstance(field, fields.Integer):
        return "1"
    return "any" if isinstance(field, fields.Number) else None


def _step(field: Field[Any], least: Any, value: str) -> str | None:
    """Give the step; none is kept to when the value that is shown lies beside it.

    Without ``min`` a browser counts steps from the value that it was given, so that
    after a refused 4.5 it would let nobody type 4.
    """
    step = get_input_attr_step(field)
    if step in (None, "any") or not value or least is not None:
        return step
    try:
        return step if (float(value) / float(step)).is_integer() else "any"
    except (ValueError, OverflowError, ZeroDivisionError):
        return step


def get_validation_attrs(field: Field[Any]) -> dict[str, Any]:
    """Give the attributes by which the browser checks what the validators check."""
    return _validation_attrs(field, get_input_type(field))


def _validation_attrs(field: Field[Any], kind: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if field.required and not field.allow_none and kind != "checkbox":
        attributes["required"] = ""
    for check in field.validators:
        if isinstance(check, validate.Range) and kind in ("number", "date"):
            attributes.update(_bounds(check, isinstance(field, fields.Integer)))
        elif isinstance(check, validate.Length) and kind not in ("select", "checkbox"):
            least, most = (check.equal or check.min), (check.equal or check.max)
            attributes.update({"minlength": least, "maxlength": most})
    return attributes


def _bounds(check: validate.Range, is_whole: bool) -> dict[str, Any]:
    """Give inclusive bounds; HTML has no others, so fractions are left to the server."""
    least, most = check.min, check.max
    if is_whole and least is not None and not check.min_inclusive:
        least += 1
    if is_whole and most is not None and not check.max_inclusive:
        most -= 1
    return {"min": least, "max": most}


def space_delimited_list(items: Iterable[Any] | str | None) -> str:
    """Join ``items`` with spaces; a text is one item."""
    if items is None:
        return ""
    return items if isinstance(items, str) else " ".join(str(item) for item in items)


def get_datalist_from_schema(
    schema: Schema, field: Field[Any] | str, metadata: Mapping[str, Any] | None = None
) -> Any:
    """Give the proposals for a field: its own ``datalist``, or one of the schema's.

    ``schema.datalists`` maps a name (what ``metadata["datalist"]`` says, else that of the
    field) to a list of values, or to a dict of values and labels.
    """
    datalists: Mapping[str, Any] = getattr(schema, "datalists", None) or {}
    if isinstance(field, str):
        return datalists.get(field, ())
    own = (field.metadata if metadata is None else metadata).get("datalist")
    if own is not None and not isinstance(own, str):
        return own
    names = (name for name in (own, field.name, field.data_key) if name)
    return next((datalists[name] for name in names if name in datalists), ())


def form_enctype(schema: Schema | None) -> str:
    """Give how a form for ``schema`` must be sent: files need multipart."""
    every = schema.fields.values() if schema is not None else ()
    if any(get_input_type(field) == "file" for field in every):
        return "multipart/form-data"
    return "application/x-www-form-urlencoded"
