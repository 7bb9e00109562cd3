"""Reads the parameters of a processor from a request, and documents how they are sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import request
from flask_smorest.fields import Upload
from marshmallow import EXCLUDE, Schema, ValidationError
from werkzeug.datastructures import CombinedMultiDict

from app_runner.api.arguments import FORM_TYPES, PARSER, FormValues
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.ui.inputs import form_enctype

Decorator = Callable[[Any], Any]
#: What every body can be refused for, also where its values are only looked at.
BODY_ERRORS = {
    "400": {"description": "The body cannot be read."},
    "413": {"description": "The body is too large."},
}


def upload_names(schema: Schema) -> list[str]:
    """Give the names of the fields that take files."""
    return [name for name, f in schema.fields.items() if isinstance(f, Upload)]


def halves(schema: Schema) -> tuple[Schema, Schema | None]:
    """Give the schema of form fields and that of files (None without any)."""
    uploads = upload_names(schema)
    if not uploads:
        return schema, None
    return type(schema)(exclude=uploads), type(schema)(only=uploads)


def takes(blueprint: SecurityBlueprint, schema: Schema) -> Decorator:
    """Validate the body; the view gets its values, and those of files after them."""
    fields, files = halves(schema)

    def decorate(view: Any) -> Any:
        if files is not None:
            view = blueprint.arguments(files, location="files")(view)
        return blueprint.arguments(fields, location="form")(view)

    return decorate


def parsed(schema: Schema) -> Any:
    """Read and validate the body of the current request; 422 when it does not fit."""
    fields, files = halves(schema)
    values = PARSER.parse(fields, request, location="form")
    if files is not None:
        values = {**values, **PARSER.parse(files, request, location="files")}
    return values


def sent() -> Any:
    """Give form fields and files of the current request."""
    return CombinedMultiDict([request.form, request.files])


def form_errors(schema: Schema, values: Mapping[str, Any], sent_whole: bool) -> Any:
    """Give the messages for ``values`` by key; files are missing in a query."""
    partial = None if sent_whole else upload_names(schema) or None
    try:
        given: Any = FormValues(values, schema)
        schema.load(given, unknown=EXCLUDE, partial=partial)
    except ValidationError as error:
        return error.normalized_messages()  # type: ignore[no-untyped-call]
    return {}


def documented_query(schema: Schema) -> dict[str, Any]:
    """Document that parameters may be given in the query, each of them or none."""
    fields, _files = halves(schema)
    left_out = [*fields.exclude, *_unsaid(fields)]
    shown = type(fields)(exclude=left_out, partial=True)
    return {"parameters": [{"in": "query", "schema": shown}]} if shown.fields else {}


def documented_body(schema: Schema, required: bool = False) -> dict[str, Any]:
    """Document that parameters may be sent as a form, whole or not."""
    kind = form_enctype(schema)
    types = FORM_TYPES if kind == FORM_TYPES[0] else (kind,)
    shown = schema if required else type(schema)(partial=True)
    content = {name: {"schema": shown} for name in types}
    body = {"content": content, "required": required}
    return {"requestBody": body, "responses": BODY_ERRORS}


def _unsaid(schema: Schema) -> list[str]:
    """Give fields that have no place in a URL, which is logged."""
    found = schema.fields.items()
    return [n for n, f in found if f.metadata.get("input_type") == "password"]
