"""Stores are found by name; plugins may add their own."""

from __future__ import annotations

import pytest
from flask import Flask

from app_runner.errors import SettingError, UnknownStore
from app_runner.files.memory import MemoryStore
from app_runner.files.registry import StoreRegistry
from app_runner.state import state_of
from tests.conftest import AppFactory, PluginFolder

STORE_PLUGIN = """
    from app_runner.files.memory import MemoryStore
    from app_runner.plugin_api import Plugin
    from app_runner.state import state_of

    class Drawer(MemoryStore, name="drawer"):
        pass

    class DrawerPlugin(Plugin):
        def init_app(self, app):
            state_of(app).stores.register(Drawer(app))

    plugin = DrawerPlugin("drawer", "1.0.0")

    @plugin.processor()
    def look(task, word: str) -> str:
        return word
"""


class Drawer(MemoryStore, name="drawer"):
    pass


def test_the_built_in_stores_are_there(shared_app: Flask) -> None:
    stores = state_of(shared_app).stores
    assert {"local_filesystem", "memory", "url_file_store"} <= set(stores)
    assert stores.default is stores["local_filesystem"] is stores[None] is stores[""]


def test_the_default_is_a_setting(make_app: AppFactory) -> None:
    stores = state_of(make_app(DEFAULT_FILE_STORE="memory")).stores
    assert stores.default is stores["memory"]


def test_an_unknown_store_is_told_with_the_known_ones(shared_app: Flask) -> None:
    with pytest.raises(UnknownStore, match=r"'s3'.*local_filesystem, memory"):
        state_of(shared_app).stores["s3"]


def test_a_store_has_a_name_of_its_own() -> None:
    registry = StoreRegistry("drawer")
    registry.register(Drawer())
    assert registry.default.name == "drawer"
    for wrong in (Drawer(), Nameless()):
        with pytest.raises(ValueError, match="missing or taken"):
            registry.register(wrong)


class Nameless(MemoryStore):
    name = ""


def test_a_subclass_keeps_the_name_unless_it_says_one() -> None:
    class Same(Drawer):
        pass

    assert (Drawer.name, Same.name, MemoryStore.name) == ("drawer", "drawer", "memory")


def test_a_store_of_a_plugin_can_be_the_default(
    make_app: AppFactory, plugin_folder: PluginFolder
) -> None:
    with pytest.raises(SettingError, match="DEFAULT_FILE_STORE"):
        make_app(DEFAULT_FILE_STORE="drawer")
    plugin_folder.add("drawer.py", STORE_PLUGIN)
    app = make_app(DEFAULT_FILE_STORE="drawer", PLUGIN_FOLDERS=[str(plugin_folder)])
    assert state_of(app).registry.problems == []
    assert state_of(app).stores.default.name == "drawer"
