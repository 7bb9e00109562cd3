from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from apispec import APISpec
from flask import Blueprint as FlaskBlueprint
from flask import Flask
from flask.typing import RouteCallable
from flask.views import MethodView

from . import Api
from .arguments import ArgumentsMixin
from .etag import EtagMixin
from .pagination import PaginationMixin
from .response import ResponseMixin

V = TypeVar("V", bound=Callable[..., Any] | type[MethodView])

class Blueprint(
    FlaskBlueprint, ArgumentsMixin, ResponseMixin, PaginationMixin, EtagMixin
):
    HTTP_METHODS: Sequence[str]
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING: Mapping[str, str]
    DOCSTRING_INFO_DELIMITER: str
    description: str
    _docs: dict[str, Any]
    _endpoints: list[str]
    _prepare_doc_cbks: list[Callable[..., dict[str, Any]]]
    def __init__(
        self,
        name: str,
        import_name: str,
        *args: Any,
        description: str = "",
        **kwargs: Any,
    ) -> None: ...
    def route(
        self,
        rule: str,
        *,
        parameters: Sequence[Mapping[str, Any]] | None = None,
        tags: Sequence[str] | None = None,
        **options: Any,
    ) -> Callable[[V], V]: ...
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | type[MethodView] | None = None,
        provide_automatic_options: bool | None = None,
        *,
        parameters: Sequence[Mapping[str, Any]] | None = None,
        tags: Sequence[str] | None = None,
        **options: Any,
    ) -> None: ...
    def register_views_in_doc(
        self,
        api: Api,
        app: Flask,
        spec: APISpec,
        *,
        name: str,
        parameters: Sequence[Mapping[str, Any]] | None,
    ) -> None: ...
    @staticmethod
    def doc(**kwargs: Any) -> Callable[[V], V]: ...
    def _decorate_view_func_or_method_view(
        self, decorator: Callable[[Any], Any], obj: Any
    ) -> Any: ...
