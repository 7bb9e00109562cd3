"""The stores of one app, by name."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from app_runner.errors import SettingError, UnknownStore
from app_runner.files.contract import FileStore
from app_runner.files.links import LinkStore
from app_runner.files.local import LocalStore
from app_runner.files.memory import MemoryStore
from app_runner.state import state_of

BUILT_IN: tuple[type[FileStore], ...] = (LocalStore, MemoryStore, LinkStore)


class StoreRegistry:
    """Finds stores by name; new files go to the default one."""

    def __init__(self, default: str) -> None:
        """Take the name of the default store."""
        self._stores: dict[str, FileStore] = {}
        self._default = default

    def register(self, store: FileStore) -> None:
        """Add a store; raises `ValueError` when its name is missing or taken."""
        if not store.name or store.name in self._stores:
            raise ValueError(f"file store name {store.name!r} is missing or taken")
        self._stores[store.name] = store

    def __getitem__(self, name: str | None) -> FileStore:
        """Give the store ``name`` (None: the default); raises `UnknownStore`."""
        wanted = name or self._default
        try:
            return self._stores[wanted]
        except KeyError:
            known = ", ".join(sorted(self._stores))
            raise UnknownStore(
                f"there is no file store {wanted!r} (known: {known})"
            ) from None

    def __iter__(self) -> Iterator[str]:
        """Give the names."""
        return iter(self._stores)

    @property
    def default(self) -> FileStore:
        """Give the store that new files go to."""
        return self[None]


def init_app(app: Flask) -> None:
    """Make the built-in stores of ``app``."""
    state = state_of(app)
    state.stores = StoreRegistry(state.settings["DEFAULT_FILE_STORE"])
    for store_class in BUILT_IN:
        state.stores.register(store_class(app))


def check_default(app: Flask) -> None:
    """Stop the start when the default store cannot be one; plugins may have added it."""
    stores, name = state_of(app).stores, state_of(app).settings["DEFAULT_FILE_STORE"]
    usable = sorted(store for store in stores if stores[store].holds_bytes)
    if name not in usable:
        allowed = f"it must be one of {', '.join(usable)}"
        raise SettingError("DEFAULT_FILE_STORE", "all settings", allowed, name)
