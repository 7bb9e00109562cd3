"""What every operation is documented with: its errors, its bodies, its downloads.

Works on the document only; what a view really does is not known here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import marshmallow as ma
from apispec import APISpec
from flask_smorest.utils import resolve_schema_instance

from app_runner.api.arguments import FORM_TYPES
from app_runner.api.credentials import COOKIE

Documented = dict[str, Any]
URLENCODED, MULTIPART = FORM_TYPES
JSON = "application/json"
BODIES = ("json", "form", "files")
#: Headers of error responses by the name that the response has in the document.
ERROR_HEADERS = {
    "SERVICE_UNAVAILABLE": (
        "Retry-After",
        "Seconds after which to try again.",
        "integer",
    ),
    "UNAUTHORIZED": ("WWW-Authenticate", "What the token must be.", "string"),
    "TOO_MANY_REQUESTS": (
        "Retry-After",
        "Seconds after which to try again.",
        "integer",
    ),
}
#: Headers of a file's bytes.
FILE_HEADERS = (
    ("Content-Disposition", "The name of the file (RFC 6266)."),
    ("ETag", "Validator for If-None-Match and If-Range."),
    ("Accept-Ranges", "Parts can be asked for with Range."),
)

#: Bodies that are taken as they are: bytes, or a form with one file.
BINARY: Documented = {"schema": {"type": "string", "format": "binary"}}
BINARY_BODY: Documented = {"content": {"application/offset+octet-stream": BINARY}}
UPLOAD_BODY: Documented = {
    "content": {
        "*/*": BINARY,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": BINARY["schema"]},
                "required": ["file"],
            }
        },
    }
}


class ErrorSchema(ma.Schema):
    """The one shape of errors; never used to dump, only to document."""

    code = ma.fields.Integer(required=True, metadata={"description": "HTTP status code"})
    status = ma.fields.String(
        required=True, metadata={"description": "Its standard phrase"}
    )
    message = ma.fields.String(metadata={"description": "What went wrong, for people"})
    errors = ma.fields.Dict(
        metadata={"description": "Messages by location and field of what was sent"}
    )


#: For each place that documents one; making them takes time.
ERROR = ErrorSchema()


def add_error_headers(spec: APISpec) -> None:
    """Add headers to the error responses that flask-smorest has ready for use."""
    for response, (header, description, kind) in ERROR_HEADERS.items():
        documented = _header(description, kind)
        spec.components.responses_lazy[response]["headers"] = {header: documented}


def document_errors(doc: Documented, doc_info: Documented) -> None:
    """Name the errors that the operation can answer beside those of its author."""
    responses = {_key(code): found for code, found in doc.get("responses", {}).items()}
    for status in _possible_errors(doc, doc_info):
        responses.setdefault(str(int(status)), status.name)
    manual = doc_info.get("manual_doc", {})
    if "responses" in manual:
        manual["responses"] = {_key(code): r for code, r in manual["responses"].items()}
        responses.update(_shapes(manual["responses"]))
    doc["responses"] = responses


#: Ways to prove who calls, as the document names them.
SECURITY_SCHEMES: Documented = {
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A signed token (JWT), or one made by `flask token create`.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A token made by `flask token create`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The cookie of a login in a browser; only from our own pages.",
    },
}


def document_logins(doc: Documented, doc_info: Documented, needed: bool) -> None:
    """Say which proofs are taken; one is ``needed`` whatever the view says."""
    scheme = doc_info.get("security")
    if scheme is None and not needed:
        return
    known = scheme or {}
    others: list[Documented] = [{n: []} for n in SECURITY_SCHEMES if n not in known]
    optional = doc_info.get("login_is_optional", True) and not needed
    doc["security"] = [
        *([scheme] if scheme else []),
        *others,
        *([{}] if optional else []),
    ]


def document_gate(doc: Documented, doc_info: Documented) -> None:
    """Name what the gate answers: no login, somebody else's, too many."""
    for status in (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.TOO_MANY_REQUESTS,
    ):
        doc["responses"].setdefault(str(int(status)), status.name)


def _shapes(manual: Documented) -> Documented:
    """Give the error responses that the texts of the author will be merged into."""
    return {
        code: {
            "description": HTTPStatus(int(code)).phrase,
            "content": {JSON: {"schema": ERROR}},
        }
        for code, response in manual.items()
        if code.isdigit() and int(code) >= 400 and "content" not in response
    }


def _possible_errors(doc: Documented, doc_info: Documented) -> list[HTTPStatus]:
    errors = [HTTPStatus.SERVICE_UNAVAILABLE]
    if "security" in doc_info:
        errors.append(HTTPStatus.UNAUTHORIZED)
    if doc_info.get("scopes"):
        errors.append(HTTPStatus.FORBIDDEN)
    if "<" in doc_info.get("rule", ""):
        errors.append(HTTPStatus.NOT_FOUND)
    if "<signed_" in doc_info.get("rule", ""):
        errors.append(HTTPStatus.GONE)
    if "requestBody" in doc:
        errors.append(HTTPStatus.BAD_REQUEST)
        errors.append(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        errors.append(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return errors


def _key(code: Any) -> str:
    return str(int(code)) if isinstance(code, int) else str(code)


def join_bodies(arguments: Documented, converter: Any) -> None:
    """Make one body of several, as with form fields beside uploaded files.

    An operation has one body; flask-smorest would leave the others as parameters in a
    place that OpenAPI does not know. ``converter`` is apispec's OpenAPIConverter.
    """
    parameters = arguments["parameters"]
    bodies = [p for p in parameters if p["in"] in BODIES]
    if len(bodies) < 2:
        return
    joined: Documented = {"type": "object", "properties": {}, "required": []}
    for body in bodies:
        schema = converter.schema2jsonschema(resolve_schema_instance(body["schema"]))
        joined["properties"].update(schema.get("properties", {}))
        joined["required"] += schema.get("required", [])
    if not joined["required"]:
        del joined["required"]
    place = "files" if any(b["in"] == "files" for b in bodies) else bodies[0]["in"]
    needed = any(body["required"] for body in bodies)
    arguments["parameters"] = [p for p in parameters if p["in"] not in BODIES]
    arguments["parameters"].append({"in": place, "required": needed, "schema": joined})


def offer_form_types(doc: Documented) -> None:
    """Say that form fields may also be sent as multipart or as JSON."""
    content = doc.get("requestBody", {}).get("content", {})
    if URLENCODED in content:
        for other in (MULTIPART, JSON):
            content.setdefault(other, dict(content[URLENCODED]))


def file_responses(description: str) -> Documented:
    """Document a download: whole, in parts, or not again."""
    headers = {name: _header(text) for name, text in FILE_HEADERS}
    content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    part = {"Content-Range": _header("Which bytes of how many (RFC 9110)."), **headers}
    return {
        "200": {"description": description, "content": content, "headers": headers},
        "206": {"description": "The asked part.", "content": content, "headers": part},
        "304": {"description": "The client has the file already."},
        "404": {"description": "There is no such file."},
        "416": {"description": "The range lies outside of the file."},
    }


def _header(description: str, kind: str = "string") -> Documented:
    return {"description": description, "schema": {"type": kind}}
