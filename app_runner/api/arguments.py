"""Reads and validates arguments before a view sees them; forms may come as JSON too."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from flask import Request, abort
from marshmallow import EXCLUDE, RAISE, Schema
from webargs import core
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy

from app_runner.api.fields import CSVList
from app_runner.babel import gettext as _
from app_runner.bodies import check_depth

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


def is_json(mimetype: str) -> bool:
    """Tell whether a media type (lower case, no parameters) is JSON."""
    return mimetype == "application/json" or (
        mimetype.startswith("application/") and mimetype.endswith("+json")
    )


class FormValues(MultiDictProxy):
    """What a form sent: a list where a key that has one text otherwise was repeated."""

    def __init__(self, values: Any, schema: Schema) -> None:
        """Take what was sent, and the schema that it is for."""
        super().__init__(values, schema)
        self.data: Any = values
        of_schema = schema.fields.items()
        self._texts = {f.data_key or n for n, f in of_schema if isinstance(f, CSVList)}

    def __getitem__(self, key: str) -> Any:
        """Give the value of ``key``, or all values where the field takes several."""
        if key in self._texts and len(every := self.data.getlist(key)) > 1:
            return every
        return super().__getitem__(key)


class RunnerParser(FlaskParser):
    """webargs' parser with the content type checked (415) and JSON for forms."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "json": RAISE,
        "form": EXCLUDE,
        "files": EXCLUDE,
    }

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Give the JSON body; 415 for another type, 400 for broken JSON."""
        if not is_json(req.mimetype):
            if not _has_body(req):
                return core.missing
            _refuse_type(req, "application/json")
        try:
            body = req.get_data(cache=True)
            check_depth(body)
            data = core.parse_json(body)
            if rb"\ud" in body.lower():  # half a surrogate pair is no text (RFC 7493)
                json.dumps(data, ensure_ascii=False).encode()
            return data
        except (ValueError, RecursionError) as error:
            reason = (
                type(error).__name__ if isinstance(error, RecursionError) else str(error)
            )
            abort(400, _("The body is not valid JSON: %(reason)s", reason=reason))

    def load_form(self, req: Request, schema: Schema) -> Any:
        """Give the form fields, or a JSON object in their place."""
        if is_json(req.mimetype):
            return self.load_json(req, schema)
        if req.mimetype not in FORM_TYPES and _has_body(req):
            _refuse_type(req, *FORM_TYPES, "application/json")
        return FormValues(req.form, schema)

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """Give the parameters in the URL."""
        return FormValues(req.args, schema)


def _has_body(req: Request) -> bool:
    return bool(req.content_length or req.headers.get("Transfer-Encoding"))


def _refuse_type(req: Request, *allowed: str) -> NoReturn:
    abort(
        415,
        _(
            "The content type %(given)s is not supported here; send %(allowed)s.",
            given=repr(req.mimetype),
            allowed=", ".join(allowed),
        ),
    )


PARSER = RunnerParser()
