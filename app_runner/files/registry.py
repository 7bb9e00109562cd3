"""The stores of one app, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from flask import Flask

from app_runner.errors import SettingError, UnknownStore
from app_runner.files.contract import FileStore
from app_runner.files.links import LinkStore
from app_runner.files.local import LocalStore
from app_runner.files.memory import MemoryStore
from app_runner.files.s3 import S3Store
from app_runner.state import state_of

BUILT_IN: tuple[type[FileStore], ...] = (LocalStore, MemoryStore, LinkStore)


class StoreRegistry:
    """Finds stores by name; new files go to the default one."""

    def __init__(self, default: str, by_plugin: Iterable[tuple[str, str]] = ()) -> None:
        """Take the default store's name, and names by patterns of plugin ids."""
        self._stores: dict[str, FileStore] = {}
        self._default = default
        self._by_plugin = [(re.compile(ids), name) for ids, name in by_plugin]

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
    def differ_by_plugin(self) -> bool:
        """Tell whether some plugins have a store of their own."""
        return bool(self._by_plugin)

    def for_plugin(self, identifier: str | None) -> FileStore:
        """Give the store of a plugin's result files."""
        for ids, name in self._by_plugin:
            if identifier is not None and ids.fullmatch(identifier):
                return self[name]
        return self[None]

    @property
    def default(self) -> FileStore:
        """Give the store that new files go to."""
        return self[None]


def init_app(app: Flask) -> None:
    """Make the built-in stores of ``app``."""
    state = state_of(app)
    state.stores = StoreRegistry(
        state.settings["DEFAULT_FILE_STORE"], state.settings["PLUGIN_FILE_STORES"]
    )
    for store_class in BUILT_IN:
        state.stores.register(store_class(app))
    if state.settings["S3_BUCKET"]:
        state.stores.register(S3Store(app))


def check_default(app: Flask) -> None:
    """Stop the start when a store that files go to cannot be one.

    Plugins may have added it.
    """
    state = state_of(app)
    stores, settings = state.stores, state.settings
    usable = sorted(store for store in stores if stores[store].holds_bytes)
    chosen = [("DEFAULT_FILE_STORE", settings["DEFAULT_FILE_STORE"])]
    chosen += [("PLUGIN_FILE_STORES", name) for _, name in settings["PLUGIN_FILE_STORES"]]
    for setting, name in chosen:
        if name not in usable:
            allowed = f"it must be one of {', '.join(usable)}"
            if name == S3Store.name:
                allowed += " (S3_BUCKET makes the store s3)"
            raise SettingError(setting, "all settings", allowed, name)
