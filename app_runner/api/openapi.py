"""The OpenAPI document, and how blueprints get into it and into the app.

Each blueprint is first registered on a scratch app, where its part of the document is
written too. A blueprint that fails there leaves nothing: its paths and components
are struck out, and the next one meets a fresh scratch app.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any, Self, cast
from urllib.parse import quote

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import make_schema_key, resolve_schema_instance
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Blueprint, Flask
from flask_babel import force_locale
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from flask_smorest.spec.plugins import FlaskPlugin
from werkzeug.routing import BaseConverter

from app_runner.api import converters, operations
from app_runner.api.documents import Document
from app_runner.api.parameter_fields import OnStep
from app_runner.errors import PluginLoadError
from app_runner.rules import LazyRule, UnsortedMap
from app_runner.state import EXTENSION, state_of

VERSION = "1.0.0"
#: Placeholders of a rule: ``<int:number>`` or ``<name>``.
PLACEHOLDER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
#: What may stand in a path as it is (RFC 3986, section 3.3).
PATH_SAFE = "/@:!$&'()*+,;=~"
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
API_SETTINGS = {
    "API_TITLE": "App Runner",
    "API_VERSION": VERSION,
    "OPENAPI_VERSION": "3.0.3",
    "OPENAPI_JSON_PATH": None,
    "API_SPEC_OPTIONS": {
        "components": {"securitySchemes": operations.SECURITY_SCHEMES},
    },
}
SECTIONS = ("schemas", "responses", "parameters", "headers", "examples")
Parts = list[tuple[dict[Any, Any], dict[Any, Any]]]


class PathPlugin(FlaskPlugin):
    """Writes rules as paths; names of plugins may have spaces and braces."""

    @staticmethod
    def flaskpath2openapi(path: str) -> str:
        """Encode all but the placeholders, which become ``{name}``."""
        fixed_and_names = PLACEHOLDER.split(path)
        return "".join(
            f"{{{part}}}" if index % 2 else quote(part, safe=PATH_SAFE)
            for index, part in enumerate(fixed_and_names)
        )


class SchemaConverter(OpenAPIConverter):
    """apispec's, with steps, and with patterns as in ECMAScript, as a document must."""

    def field2pattern(self, field: Any, **kwargs: Any) -> dict[str, Any]:
        """Give the pattern of a field; Python's anchors become those of all others."""
        found: dict[str, Any] = super().field2pattern(field, **kwargs)
        if pattern := found.get("pattern"):
            found["pattern"] = pattern.replace(r"\A", "^").replace(r"\Z", "$")
        return found

    def field2range(self, field: Any, ret: Any) -> dict[str, Any]:
        """Give the bounds of a field, and its steps where they are counted from 0."""
        found: dict[str, Any] = super().field2range(field, ret)
        for check in field.validators:
            if isinstance(check, OnStep) and check.multiple:
                found["multipleOf"] = check.multiple
        return found


class SchemaPlugin(MarshmallowPlugin):
    """apispec's, with that converter."""

    Converter = SchemaConverter


class OfOnePath(dict[str, Any]):
    """Operations that were written for one path, which nobody has to copy again."""

    def __deepcopy__(self, memo: Any) -> Self:
        """Give itself: apispec would copy all of it, for those who add it twice."""
        return self


class RunnerApi(Api):
    """flask-smorest's Api whose document is written on a scratch app."""

    ERROR_SCHEMA = operations.ErrorSchema

    def __init__(self, app: Flask) -> None:
        """Bind to ``app``."""
        self._names: dict[str, Any] = {}
        self._tags: list[dict[str, str]] = []
        self._scratch = app
        for name, value in API_SETTINGS.items():
            app.config.setdefault(name, deepcopy(value))
        marshmallow_plugin = SchemaPlugin(schema_name_resolver=self._schema_name)
        plugins = {"marshmallow_plugin": marshmallow_plugin, "flask_plugin": PathPlugin()}
        super().__init__(app, spec_kwargs=plugins)
        operations.add_error_headers(self.spec)
        add_path = self.spec.path

        def path(*, operations: Any, **more: Any) -> Any:
            return add_path(operations=OfOnePath(operations), **more)

        self.spec.path = path  # type: ignore[assignment]
        self.register_converter(converters.SignedIdConverter, _signed_id_schema)
        self._scratch = self._new_scratch()

    def _register_error_handlers(self) -> None:
        """Leave errors to `app_runner.api.errors`."""

    def _register_doc_blueprint(self) -> None:
        """Leave the document's URL and its pages to the runner."""

    def serve(self, blueprint: Blueprint, url_prefix: str) -> None:
        """Try and document on the scratch app, then register on the app.

        Raises `PluginLoadError` when the name is taken, and whatever goes wrong in the
        trial; the app and the document are then as they were.
        """
        if blueprint.name in self._app.blueprints:
            raise PluginLoadError(f"the blueprint name {blueprint.name!r} is taken")
        before = self._content()
        try:
            self._try(blueprint, url_prefix, before)
            self._mount(blueprint, url_prefix)
        except BaseException:
            self._scratch = self._new_scratch()
            _restore(before)
            raise
        if isinstance(blueprint, SmorestBlueprint):
            tag = {"name": blueprint.name, "description": blueprint.description}
            self._tags.append(tag)

    def _try(self, blueprint: Blueprint, url_prefix: str, before: Parts) -> None:
        self._scratch.register_blueprint(blueprint, url_prefix=url_prefix)
        if isinstance(blueprint, SmorestBlueprint):
            self._document(blueprint)
            _check_json(before)

    def _mount(self, blueprint: Blueprint, url_prefix: str) -> None:
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blueprint.name] = self
        self._app.register_blueprint(blueprint, url_prefix=url_prefix)

    def document(self, root: str) -> Document:
        """Write the whole document, for clients that reach the runner below ``root``."""
        with force_locale("en"):  # every client gets the same document
            options = deepcopy(self.spec.options)
            content = self.spec.to_dict()  # which writes into the options
            self.spec.options = options
            content["tags"] = self._tags
            content["servers"] = [{"url": root or "/"}]
            return Document.of_json(_json(content).encode())

    def _document(self, blueprint: SmorestBlueprint) -> None:
        blueprint.register_views_in_doc(
            self, self._scratch, self.spec, name=blueprint.name, parameters=None
        )

    def _new_scratch(self) -> Flask:
        scratch = Flask("app_runner", static_folder=None)
        scratch.url_rule_class, scratch.url_map = LazyRule, UnsortedMap()
        scratch.config.update(self._app.config)
        scratch.extensions[EXTENSION] = state_of(self._app)
        scratch.extensions["flask-smorest"] = self._app.extensions["flask-smorest"]
        scratch.url_map.converters = self._app.url_map.converters
        return scratch

    def _content(self) -> Parts:
        """Give all that a blueprint may add to or take from, each with a copy of it."""
        converter = cast(OpenAPIConverter, self.ma_plugin.converter)
        parts = [self.spec._paths, converter.refs, self._names]
        for section in SECTIONS:
            parts.append(getattr(self.spec.components, section))
            parts.append(getattr(self.spec.components, f"{section}_lazy"))
        return [(part, dict(part)) for part in parts]

    def _schema_name(self, schema: Any) -> str:
        """Name a schema after its class; what has the name already keeps it."""
        instance = resolve_schema_instance(schema)
        key = make_schema_key(instance)
        class_name = type(instance).__name__
        base = NOT_IN_NAMES.sub("-", class_name.removesuffix("Schema") or class_name)
        name, number = base, 1
        while self._names.setdefault(name, key) != key:
            number += 1
            name = f"{base}-{number}"
        return name


def _restore(before: Parts) -> None:
    for part, content in before:
        part.clear()
        part.update(content)


def _check_json(before: Parts) -> None:
    """Raise when what a blueprint added cannot be written, before all others suffer."""
    paths, _refs, _names, *components = before
    for part, known in (paths, *components):
        _json({key: value for key, value in part.items() if key not in known})


def _json(content: Any) -> str:
    # Lazy texts and odd defaults are written as what they say; NaN is no JSON.
    return json.dumps(content, default=str, allow_nan=False)


def _signed_id_schema(converter: BaseConverter) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{converter.regex}$"}


def init_app(app: Flask) -> None:
    """Make the API of ``app``."""
    converters.init_app(app)
    state_of(app).api = RunnerApi(app)
