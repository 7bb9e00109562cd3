from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from apispec import APISpec, BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint as FlaskBlueprint
from flask import Flask, Response
from marshmallow import Schema
from marshmallow.fields import Field
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from .blueprint import Blueprint as Blueprint
from .globals import current_api as current_api
from .pagination import Page as Page

def abort(
    http_status_code: int, exc: BaseException | None = None, **kwargs: Any
) -> NoReturn: ...

class Api:
    DEFAULT_ERROR_RESPONSE_NAME: str | None
    DEFAULT_REQUEST_BODY_CONTENT_TYPE: str
    DEFAULT_RESPONSE_CONTENT_TYPE: str
    ERROR_SCHEMA: type[Schema] | Schema
    config_prefix: str
    config: Mapping[str, Any]
    spec: APISpec
    flask_plugin: BasePlugin
    ma_plugin: MarshmallowPlugin
    _app: Flask
    def __init__(
        self,
        app: Flask | None = None,
        *,
        spec_kwargs: Mapping[str, Any] | None = None,
        config_prefix: str = "",
    ) -> None: ...
    def init_app(
        self, app: Flask, *, spec_kwargs: Mapping[str, Any] | None = None
    ) -> None: ...
    def register_blueprint(
        self,
        blp: Blueprint,
        *,
        parameters: Sequence[Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None: ...
    def register_converter(
        self,
        converter: type[BaseConverter],
        func: Callable[[BaseConverter], dict[str, Any]],
    ) -> None: ...
    def register_field(self, field: type[Field[Any]], *args: Any) -> None: ...
    def handle_http_exception(self, error: HTTPException) -> Any: ...
    def _init_spec(self, **options: Any) -> None: ...
    def _register_doc_blueprint(self) -> None: ...
    def _make_doc_blueprint_name(self) -> str: ...
    def _register_redoc_rule(self, blueprint: FlaskBlueprint) -> None: ...
    def _register_swagger_ui_rule(self, blueprint: FlaskBlueprint) -> None: ...
    def _register_rapidoc_rule(self, blueprint: FlaskBlueprint) -> None: ...
    def _openapi_json(self) -> Response: ...
    def _openapi_redoc(self) -> str: ...
    def _openapi_swagger_ui(self) -> str: ...
    def _openapi_rapidoc(self) -> str: ...
    def _register_error_handlers(self) -> None: ...
    def _register_responses(self) -> None: ...
