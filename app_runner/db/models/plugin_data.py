"""What plugins keep: JSON state, blobs, and plugins that they offer in their name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Self

from sqlalchemy import UniqueConstraint, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app_runner.db.engine import DB
from app_runner.db.models.base import Row
from app_runner.db.types import Json, UtcDateTime, key, long_bytes, long_text, now

#: Marks "no default given"; None is a value like any other.
NO_DEFAULT: Any = ...


class KeyedByPlugin(Row):
    """A value under (plugin id, key)."""

    __abstract__ = True

    plugin_id: Mapped[str] = mapped_column(key(255))
    key: Mapped[str] = mapped_column(key(255))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)

    value: Any

    def __init__(self, plugin_id: str, key: str, value: Any) -> None:
        """Take plugin id, key and value."""
        super().__init__(plugin_id=plugin_id, key=key, value=value)

    @classmethod
    def get_item(cls, plugin_id: str, key: str) -> Self | None:
        """Find the row, or give None."""
        found = DB.session.execute(select(cls).filter_by(plugin_id=plugin_id, key=key))
        return found.scalar_one_or_none()

    @classmethod
    def get_value(cls, plugin_id: str, key: str, default: Any = NO_DEFAULT) -> Any:
        """Give the value; raises ``KeyError`` when there is neither one nor a default."""
        item = cls.get_item(plugin_id, key)
        if item is not None:
            return item.value
        if default is NO_DEFAULT:
            raise KeyError(key)
        return default

    @classmethod
    def set_value(cls, plugin_id: str, key: str, value: Any, commit: bool = False) -> Any:
        """Set the value and give the one before (None when there was none)."""
        item = cls.get_item(plugin_id, key)
        if item is None:
            item = cls(plugin_id, key, value)
            if not commit:
                item.save()
                return None
            if item._is_first():
                DB.session.commit()
                return None
            item = cls.get_item(plugin_id, key) or item
        before = item.value
        item.value = value
        item.save(commit=commit)
        return before

    def _is_first(self) -> bool:
        """Insert the row, unless somebody else does so at the same time."""
        try:
            with DB.session.begin_nested():
                DB.session.add(self)
        except IntegrityError:
            return False
        return True

    @classmethod
    def delete_value(cls, plugin_id: str, key: str, commit: bool = False) -> None:
        """Delete the value if there is one."""
        DB.session.execute(delete(cls).filter_by(plugin_id=plugin_id, key=key))
        if commit:
            DB.session.commit()


class PluginState(KeyedByPlugin):
    """A JSON value that a plugin keeps."""

    __tablename__ = "plugin_state"
    __table_args__ = (UniqueConstraint("plugin_id", "key"),)

    value: Mapped[Any] = mapped_column(Json)

    @classmethod
    def get_all_items(cls, plugin_id: str) -> Sequence[PluginState]:
        """Give all rows of a plugin, sorted by key."""
        query = select(cls).filter_by(plugin_id=plugin_id).order_by(cls.key)
        return DB.session.execute(query).scalars().all()

    @classmethod
    def get_all_items_like(cls, plugin_id: str, key: str) -> Sequence[PluginState]:
        """Give the rows whose key is LIKE the SQL pattern."""
        query = select(cls).filter_by(plugin_id=plugin_id).where(cls.key.like(key))
        return DB.session.execute(query.order_by(cls.key)).scalars().all()


class DataBlob(KeyedByPlugin):
    """Bytes that a plugin keeps."""

    __tablename__ = "data_blob"
    __table_args__ = (UniqueConstraint("plugin_id", "key"),)

    value: Mapped[bytes] = mapped_column(long_bytes())


class VirtualPlugin(Row):
    """A plugin that another plugin offers at a URL of its own."""

    __tablename__ = "virtual_plugin"

    parent_id: Mapped[str] = mapped_column(key(255), index=True)
    name: Mapped[str] = mapped_column(key(255))
    version: Mapped[str] = mapped_column(key(255))
    description: Mapped[str] = mapped_column(long_text(), default="")
    tags: Mapped[str] = mapped_column(long_text(), default="")
    href: Mapped[str] = mapped_column(key(700), index=True)

    @property
    def identifier(self) -> str:
        """Give the id, made as that of plugins."""
        return f"{self.name.replace('.', '-')}@{self.version.replace('.', '-')}"

    @property
    def tag_list(self) -> list[str]:
        """Give the tags, which are stored one a line."""
        return [tag for tag in self.tags.splitlines() if tag]

    @classmethod
    def get_all(
        cls, for_parents: Iterable[str] | str | None = None, filters: Iterable[Any] = ()
    ) -> Sequence[VirtualPlugin]:
        """Give all, or those of some parents and those for which the filters hold."""
        query = select(cls).where(*filters).order_by(cls.name, cls.version)
        if isinstance(for_parents, str):
            for_parents = (for_parents,)
        if for_parents is not None:
            query = query.where(cls.parent_id.in_(list(for_parents)))
        return DB.session.execute(query).scalars().all()

    @classmethod
    def get_all_by_name(cls, name: str) -> Sequence[VirtualPlugin]:
        """Give all versions of a name."""
        return cls.get_all(filters=(cls.name == name,))

    @classmethod
    def get_by_href(cls, href: str, parent_id: str | None = None) -> VirtualPlugin | None:
        """Find by URL."""
        query = select(cls).where(*cls._at(href, parent_id)).limit(1)
        return DB.session.execute(query).scalar_one_or_none()

    @classmethod
    def exists(cls, query_filter: Iterable[Any] = ()) -> bool:
        """Tell whether there is one for which the filters hold."""
        query = select(cls.id).where(*query_filter).limit(1)
        return DB.session.execute(query).scalar_one_or_none() is not None

    @classmethod
    def delete_by_href(
        cls, href: str, parent_id: str | None = None, commit: bool = False
    ) -> None:
        """Delete those at a URL."""
        cls._delete(cls._at(href, parent_id), commit)

    @classmethod
    def delete_by_name_and_version(
        cls, name: str, version: str, commit: bool = False
    ) -> None:
        """Delete one version of a name."""
        cls._delete((cls.name == name, cls.version == version), commit)

    @classmethod
    def _at(cls, href: str, parent_id: str | None) -> tuple[Any, ...]:
        mine = () if parent_id is None else (cls.parent_id == parent_id,)
        return (cls.href == href, *mine)

    @classmethod
    def _delete(cls, conditions: Iterable[Any], commit: bool) -> None:
        DB.session.execute(delete(cls).where(*conditions))
        if commit:
            DB.session.commit()
