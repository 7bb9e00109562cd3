"""The OpenAPI document, and how blueprints get into it and into the app.

Each blueprint is first registered on a scratch app, where its part of the document is
written too. A blueprint that fails there leaves nothing: its paths and components
are struck out, and the next one meets a fresh scratch app.
"""

from __future__ import annotations

import re
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import make_schema_key, resolve_schema_instance
from flask import Blueprint, Flask
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint

from app_runner.api import converters
from app_runner.api.documents import Document
from app_runner.state import EXTENSION, state_of

VERSION = "1.0.0"
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
API_SETTINGS = {
    "API_TITLE": "App Runner",
    "API_VERSION": VERSION,
    "OPENAPI_VERSION": "3.0.3",
    "OPENAPI_JSON_PATH": None,
    "API_SPEC_OPTIONS": {
        "components": {
            "securitySchemes": {
                "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            }
        },
    },
}
SECTIONS = ("schemas", "responses", "parameters", "headers", "examples")


class RunnerApi(Api):  # type: ignore[misc]
    """flask-smorest's Api whose document is written on a scratch app."""

    def __init__(self, app: Flask) -> None:
        """Bind to ``app``."""
        self._names: dict[str, Any] = {}
        self._tags: list[dict[str, str]] = []
        self._scratch = app
        for name, value in API_SETTINGS.items():
            app.config.setdefault(name, value)
        marshmallow_plugin = MarshmallowPlugin(schema_name_resolver=self._schema_name)
        super().__init__(app, spec_kwargs={"marshmallow_plugin": marshmallow_plugin})
        self.register_converter(converters.SignedIdConverter, _signed_id_schema)
        self._scratch = self._new_scratch()

    def _register_error_handlers(self) -> None:
        """Leave errors to `app_runner.api.errors`."""

    def _register_doc_blueprint(self) -> None:
        """Leave the document's URL and its pages to the runner."""

    def try_blueprint(self, blueprint: Blueprint, url_prefix: str) -> None:
        """Register on the scratch app and document; raises whatever goes wrong."""
        before = self._content()
        try:
            self._scratch.register_blueprint(blueprint, url_prefix=url_prefix)
            if isinstance(blueprint, SmorestBlueprint):
                self._document(blueprint)
        except BaseException:
            self._scratch = self._new_scratch()
            self._restore(before)
            raise

    def mount(self, blueprint: Blueprint, url_prefix: str) -> None:
        """Register on the app what `try_blueprint` has tried."""
        assert self._app is not None
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blueprint.name] = self
        self._app.register_blueprint(blueprint, url_prefix=url_prefix)

    def serve(self, blueprint: Blueprint, url_prefix: str) -> None:
        """Try and mount; for blueprints of the runner itself."""
        self.try_blueprint(blueprint, url_prefix)
        self.mount(blueprint, url_prefix)

    def document(self) -> Document:
        """Write the whole document; cached by the caller."""
        assert self._app is not None
        content = self.spec.to_dict()
        content["tags"] = self._tags
        root = str(self._app.config["APPLICATION_ROOT"]).rstrip("/")
        content["servers"] = [{"url": root or "/"}]
        return Document.of_json(self._app.json.dumps(content).encode())

    def _document(self, blueprint: SmorestBlueprint) -> None:
        blueprint.register_views_in_doc(
            self, self._scratch, self.spec, name=blueprint.name, parameters=None
        )
        self._tags.append({"name": blueprint.name, "description": blueprint.description})

    def _new_scratch(self) -> Flask:
        assert self._app is not None
        scratch = Flask("app_runner", static_folder=None)
        scratch.config.update(self._app.config)
        scratch.extensions[EXTENSION] = state_of(self._app)
        scratch.extensions["flask-smorest"] = self._app.extensions["flask-smorest"]
        scratch.url_map.converters = self._app.url_map.converters
        return scratch

    def _content(self) -> list[tuple[Any, set[Any]]]:
        parts = [self.spec._paths, self.ma_plugin.converter.refs, self._names]
        parts += [getattr(self.spec.components, section) for section in SECTIONS]
        return [(part, set(part)) for part in parts]

    def _restore(self, before: list[tuple[Any, set[Any]]]) -> None:
        for part, known in before:
            for key in set(part) - known:
                del part[key]

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


def _signed_id_schema(converter: converters.SignedIdConverter) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{converter.regex}$"}


def init_app(app: Flask) -> None:
    """Make the API of ``app``."""
    converters.init_app(app)
    state_of(app).api = RunnerApi(app)
