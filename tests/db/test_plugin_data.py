"""What plugins keep: state, blobs and virtual plugins, as published plugins use them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask

from app_runner.db import DB
from app_runner.db.models import DataBlob, PluginState, VirtualPlugin

pytestmark = pytest.mark.usefixtures("app_context")


@pytest.mark.parametrize(
    ("class_", "one", "other"), [(PluginState, {"a": 1}, [2]), (DataBlob, b"\0", b"")]
)
def test_values_by_plugin_and_key(
    class_: type[PluginState] | type[DataBlob], one: object, other: object
) -> None:
    assert class_.set_value("p", "k", one) is None
    assert class_.set_value("p", "k", other) == one
    assert class_.get_value("p", "k") == other
    item = class_.get_item("p", "k")
    assert item is not None
    assert (item.plugin_id, item.key, item.value) == ("p", "k", other)
    class_.delete_value("p", "k", commit=True)
    assert class_.get_item("p", "k") is None


@pytest.mark.parametrize(
    ("class_", "values"),
    [(PluginState, list(range(8))), (DataBlob, [bytes([n]) for n in range(8)])],
)
def test_of_many_who_are_first_at_the_same_time_none_fails(
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    class_: type[PluginState] | type[DataBlob],
    values: list[object],
) -> None:
    looked, find = Barrier(len(values)), class_.get_item

    def together(plugin_id: str, key: str) -> object:
        found = find(plugin_id, key)
        if found is None:
            looked.wait(30)
        return found

    def keep(value: object) -> object:
        with app.app_context():
            return class_.set_value("p", "k", value, commit=True)

    monkeypatch.setattr(class_, "get_item", together)
    with ThreadPoolExecutor(len(values)) as pool:
        before = list(pool.map(keep, values))
    assert before.count(None) == 1
    item = find("p", "k")
    assert item is not None
    assert item.value in values


@pytest.mark.parametrize("class_", [PluginState, DataBlob])
def test_a_missing_value_is_a_key_error_or_the_default(
    class_: type[PluginState] | type[DataBlob],
) -> None:
    with pytest.raises(KeyError, match="k"):
        class_.get_value("p", "k")
    assert class_.get_value("p", "k", None) is None
    assert class_.get_value("p", "k", default=5) == 5
    class_.delete_value("p", "k")


def test_none_is_a_value() -> None:
    PluginState.set_value("p", "k", None, commit=True)
    assert PluginState.get_value("p", "k") is None
    assert PluginState.get_value("p", "k", "default") is None


def test_nothing_is_committed_unless_asked_for() -> None:
    PluginState.set_value("p", "kept", 1, commit=True)
    PluginState.set_value("p", "gone", 1)
    DataBlob.set_value("p", "gone", b"1")
    PluginState.delete_value("p", "kept")
    DB.session.rollback()
    assert [item.key for item in PluginState.get_all_items("p")] == ["kept"]
    assert DataBlob.get_item("p", "gone") is None


def test_all_items_of_a_plugin_are_sorted_and_its_own() -> None:
    for plugin, key in (("p", "b"), ("p", "a"), ("q", "c"), ("p", "ab_x")):
        PluginState.set_value(plugin, key, key)
    assert [item.key for item in PluginState.get_all_items("p")] == ["a", "ab_x", "b"]
    assert [i.key for i in PluginState.get_all_items_like("p", "a%")] == ["a", "ab_x"]
    assert [i.key for i in PluginState.get_all_items_like("p", "_")] == ["a", "b"]
    assert PluginState.get_all_items("nobody") == []


def test_a_change_of_a_blob_tells_when() -> None:
    DataBlob.set_value("p", "k", b"1", commit=True)
    item = DataBlob.get_item("p", "k")
    assert item is not None
    before = item.changed_at
    DataBlob.set_value("p", "k", b"2", commit=True)
    assert item.changed_at > before


def virtual(name: str, version: str = "1.0.0", parent: str = "parent@1") -> VirtualPlugin:
    made = VirtualPlugin(
        parent_id=parent,
        name=name,
        version=version,
        description="what it does",
        tags="one\ntwo",
        href=f"http://host/{name}/{version}",
    )
    made.save(commit=True)
    return made


def test_a_virtual_plugin_has_an_identifier_and_tags() -> None:
    made = virtual("my.plugin", "1.2.3")
    assert made.identifier == "my-plugin@1-2-3"
    assert made.tag_list == ["one", "two"]
    made.tags = ""
    assert made.tag_list == []


def test_virtual_plugins_are_found_by_parent_name_href_and_filter() -> None:
    one, newer = virtual("a"), virtual("a", "2.0.0")
    other = virtual("b", parent="other@1")
    assert VirtualPlugin.get_all() == [one, newer, other]
    assert VirtualPlugin.get_all(for_parents="parent@1") == [one, newer]
    assert VirtualPlugin.get_all(("other@1", "third@1")) == [other]
    assert VirtualPlugin.get_all(for_parents=()) == []
    assert VirtualPlugin.get_all(filters=(VirtualPlugin.version == "2.0.0",)) == [newer]
    assert VirtualPlugin.get_all_by_name("a") == [one, newer]
    assert VirtualPlugin.get_by_href(other.href) is other
    assert VirtualPlugin.get_by_href(other.href, parent_id="other@1") is other
    assert VirtualPlugin.get_by_href(other.href, "parent@1") is None
    assert VirtualPlugin.exists()
    assert VirtualPlugin.exists([VirtualPlugin.href == one.href])
    assert VirtualPlugin.exists((VirtualPlugin.href.in_([one.href, "x"]),))
    assert not VirtualPlugin.exists([VirtualPlugin.href == "x"])


def test_virtual_plugins_are_deleted_by_href_and_by_version() -> None:
    one, other = virtual("a"), virtual("b")
    virtual("a", "2.0.0")
    VirtualPlugin.delete_by_href(one.href, parent_id="somebody@1", commit=True)
    assert len(VirtualPlugin.get_all()) == 3
    VirtualPlugin.delete_by_href(one.href, "parent@1", commit=True)
    VirtualPlugin.delete_by_name_and_version("a", "2.0.0", commit=True)
    assert VirtualPlugin.get_all() == [other]
    VirtualPlugin.delete_by_href(other.href)
    DB.session.rollback()
    assert VirtualPlugin.get_all() == [other]
