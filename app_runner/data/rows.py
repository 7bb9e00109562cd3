"""Entities that are tuples: a class per list of attributes, whatever they are called."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

#: Classes that are kept; a table has one, and a plugin reads few tables at a time.
KEPT_CLASSES = 256


class EntityTupleMixin:
    """What tuples of attribute values can do beyond a named tuple.

    Attributes whose names are no Python names (or are taken) have the field name
    ``_<index>`` and are reached by ``get``.
    """

    __slots__ = ()
    #: The names of the attributes, in order.
    entity_attributes: ClassVar[tuple[str, ...]] = ()
    _index_of: ClassVar[dict[str, int]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take nothing further: the values are in the tuple."""
        super().__init__()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Look the attributes' places up once per class."""
        super().__init_subclass__(**kwargs)
        cls._index_of = {name: i for i, name in enumerate(cls.entity_attributes)}

    def get(self, key: str | int, default: Any = None) -> Any:
        """Give the value of an attribute, by its name or its place."""
        index = self._index_of.get(key) if isinstance(key, str) else key
        values: Any = self
        return default if index is None else values[index]

    def as_dict(self) -> dict[str, Any]:
        """Give the values by the names of their attributes."""
        values: Any = self
        return dict(zip(self.entity_attributes, values, strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let other processes make the class anew: no module has it."""
        values: Any = self
        return _rebuilt, (self.entity_attributes, tuple(values))


def entity_class(attributes: Iterable[str]) -> Any:
    """Give the class of entities with these attributes; equal ones share a class."""
    return _entity_class(tuple(attributes))


@lru_cache(maxsize=KEPT_CLASSES)
def _entity_class(attributes: tuple[str, ...]) -> Any:
    base: Any = namedtuple("Entity", attributes, rename=True)  # type: ignore[misc]
    return type(
        "Entity",
        (EntityTupleMixin, base),
        {"entity_attributes": attributes, "__slots__": (), "__module__": __name__},
    )


def _rebuilt(attributes: tuple[str, ...], values: Sequence[Any]) -> Any:
    return entity_class(attributes)._make(values)
