from collections.abc import Callable
from typing import Any, TypeVar

from marshmallow import Schema

V = TypeVar("V", bound=Callable[..., Any])

class EtagMixin:
    def etag(self, obj: V) -> V: ...
    def check_etag(
        self, etag_data: Any, etag_schema: type[Schema] | Schema | None = None
    ) -> None: ...
    def set_etag(
        self, etag_data: Any, etag_schema: type[Schema] | Schema | None = None
    ) -> None: ...
