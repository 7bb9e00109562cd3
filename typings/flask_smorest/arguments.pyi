from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from apispec import APISpec
from marshmallow import Schema
from webargs.flaskparser import FlaskParser

from . import Api

V = TypeVar("V", bound=Callable[..., Any])

class ArgumentsMixin:
    ARGUMENTS_PARSER: FlaskParser
    def arguments(
        self,
        schema: type[Schema] | Schema | Mapping[str, Any],
        *,
        location: str = "json",
        content_type: str | None = None,
        required: bool = True,
        description: str | None = None,
        example: Any = None,
        examples: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Callable[[V], V]: ...
    def _prepare_arguments_doc(
        self,
        doc: dict[str, Any],
        doc_info: dict[str, Any],
        *,
        api: Api,
        spec: APISpec,
        **kwargs: Any,
    ) -> dict[str, Any]: ...
