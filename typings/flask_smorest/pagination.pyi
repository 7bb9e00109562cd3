from collections.abc import Callable, Sequence
from typing import Any, TypeVar

V = TypeVar("V", bound=Callable[..., Any])

class PaginationParameters:
    page: int
    page_size: int
    item_count: int | None
    def __init__(self, page: int, page_size: int) -> None: ...
    @property
    def first_item(self) -> int: ...
    @property
    def last_item(self) -> int: ...

class Page:
    collection: Sequence[Any]
    page_params: PaginationParameters
    def __init__(
        self, collection: Sequence[Any], page_params: PaginationParameters
    ) -> None: ...
    @property
    def items(self) -> list[Any]: ...
    @property
    def item_count(self) -> int: ...

class PaginationMixin:
    DEFAULT_PAGINATION_PARAMETERS: dict[str, int]
    PAGINATION_HEADER_NAME: str | None
    def paginate(
        self,
        pager: type[Page] | None = None,
        *,
        page: int | None = None,
        page_size: int | None = None,
        max_page_size: int | None = None,
    ) -> Callable[[V], V]: ...
