"""Column types keep what they are given, on every database the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DataError
from sqlalchemy.orm.exc import StaleDataError

from app_runner.db import DB
from app_runner.db.models import (
    DataBlob,
    PluginState,
    ProcessingTask,
    TaskFile,
    VirtualPlugin,
)
from app_runner.db.types import CleanText, Json, UtcDateTime, clean, dump, now
from tests.conftest import AppFactory

DIALECT = sqlite.dialect()
TIMES = st.datetimes(timezones=st.timezones() | st.just(UTC))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture
def stored(make_app: AppFactory, any_database_url: str) -> Iterator[Flask]:
    """Give an app on each kind of database, its context entered."""
    app = make_app(SQLALCHEMY_DATABASE_URI=any_database_url)
    with app.app_context():
        yield app


def again(task: ProcessingTask) -> ProcessingTask:
    """Write a task and give what the database has of it."""
    task.save(commit=True)
    id_ = task.id
    DB.session.expunge_all()
    found = ProcessingTask.get_by_id(id_)
    assert found is not None
    return found


@given(TIMES)
def test_a_time_comes_back_as_the_same_moment_in_utc(moment: datetime) -> None:
    type_ = UtcDateTime()
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:  # within a day of the ends of the calendar
        return
    stored = type_.process_bind_param(moment, DIALECT)
    assert stored is not None
    assert stored.tzinfo is None
    found = type_.process_result_value(stored, DIALECT)
    assert found == expected
    assert found is not None
    assert found.tzinfo is UTC


@given(st.text() | st.text("\0\ud800\udfff😀a"), st.none() | st.integers(1, 20))
def test_text_is_clean_and_fits(value: str, length: int | None) -> None:
    found = CleanText(length).process_bind_param(value, DIALECT)
    assert found is not None
    found.encode()
    assert "\0" not in found
    assert length is None or len(found) <= length
    assert len(clean(value)) == len(value)
    if "\0" not in value and value.isprintable():
        assert found == value[:length]


@given(JSON)
def test_json_comes_back_and_is_ascii(value: Any) -> None:
    type_ = Json()
    text = type_.process_bind_param(value, DIALECT)
    assert text.isascii()
    assert "\0" not in text
    assert type_.process_result_value(text, DIALECT) == value


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", now()])
def test_what_json_cannot_say_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="JSON"):
        dump({"key": [value]})


def test_times_keep_their_microseconds(stored: Flask) -> None:
    moment = datetime(2024, 2, 29, 23, 59, 59, 999_999, timezone(timedelta(hours=-7)))
    task = ProcessingTask("t", started_at=moment)
    task.finished_at = datetime(2024, 1, 1, 12, 0, 0, 1, UTC).replace(tzinfo=None)
    found = again(task)
    assert found.started_at == moment
    assert found.started_at.tzinfo is UTC
    assert found.finished_at == datetime(2024, 1, 1, 12, 0, 0, 1, UTC)


def test_rows_have_times_of_their_own(stored: Flask) -> None:
    before = now()
    tasks = [ProcessingTask(str(number)) for number in range(3)]
    for task in tasks:
        task.save()
    DB.session.commit()
    times = list(DB.session.execute(select(ProcessingTask.started_at)).scalars())
    assert len(set(times)) == 3
    assert all(before <= moment <= now() for moment in times)


OUTSIDE_TEXTS = {
    "nul \0 inside": "nul \ufffd inside",
    "half \ud83d of a pair": "half ? of a pair",
    "whole 😀 pair": "whole 😀 pair",
    "quote ' \" \\ % _ ;--": "quote ' \" \\ % _ ;--",
    "line\r\nbreaks\t": "line\r\nbreaks\t",
    "": "",
}


def test_text_from_outside_is_kept(stored: Flask) -> None:
    for text, kept in OUTSIDE_TEXTS.items():
        found = again(ProcessingTask(text, parameters=text, task_log=text))
        assert (found.task_name, found.parameters, found.task_log) == (kept, kept, kept)


def test_labels_are_cut_and_long_texts_are_not(stored: Flask) -> None:
    long = "ä😀" * 200_000
    found = again(ProcessingTask(long, task_log=long, parameters=long, data={"x": long}))
    assert found.task_name == long[:500]
    assert (found.task_log, found.parameters, found.data["x"]) == (long, long, long)


def test_blobs_are_long_and_hold_every_byte(stored: Flask) -> None:
    content = bytes(range(256)) * 1000
    DataBlob.set_value("p", "k", content, commit=True)
    DB.session.expunge_all()
    assert DataBlob.get_value("p", "k") == content


def test_keys_are_compared_byte_by_byte(stored: Flask) -> None:
    for key in ("key", "Key", "KEY", "kéy", "key "):
        PluginState.set_value("plugin", key, key)
    PluginState.set_value("Plugin", "key", "other")
    DB.session.commit()
    assert len(PluginState.get_all_items("plugin")) == 5
    for key in ("key", "Key", "KEY", "kéy", "key "):
        assert PluginState.get_value("plugin", key) == key
    assert PluginState.get_value("PLUGIN", "key", None) is None
    assert [i.key for i in PluginState.get_all_items_like("plugin", "K%")] == [
        "KEY",
        "Key",
    ]


def test_names_of_virtual_plugins_are_compared_byte_by_byte(stored: Flask) -> None:
    for name in ("one", "One"):
        VirtualPlugin(parent_id="p", name=name, version="1.0a", href=name).save(
            commit=True
        )
    assert [plugin.href for plugin in VirtualPlugin.get_all_by_name("one")] == ["one"]
    VirtualPlugin.delete_by_name_and_version("ONE", "1.0a")
    VirtualPlugin.delete_by_name_and_version("one", "1.0A", commit=True)
    assert len(VirtualPlugin.get_all()) == 2


def test_long_keys_do_not_become_one(stored: Flask) -> None:
    one, other = "k" * 300 + "1", "k" * 300 + "2"
    with suppress(DataError):  # databases that know the length of a column
        PluginState.set_value("p", one, 1, commit=True)
    DB.session.rollback()
    assert PluginState.get_value("p", other, None) is None
    assert PluginState.get_value("p", one[:255], None) is None


def test_any_json_value_is_kept(stored: Flask) -> None:
    deep = {"a": [{}, "\0\ud800"]}
    for value in (None, "", "text", 0, 1.5, True, [], {}, [None], deep, 2**80):
        PluginState.set_value("p", "k", value, commit=True)
        DB.session.expunge_all()
        assert PluginState.get_value("p", "k") == value
        assert again(ProcessingTask("t", data=value)).data == value


def test_big_sizes_and_counts_fit(stored: Flask) -> None:
    task = ProcessingTask("t")
    TaskFile(task, file_name="f", size=2**40)
    assert again(task).files[0].size == 2**40


def test_a_row_that_is_gone_cannot_be_written(stored: Flask) -> None:
    task = again(ProcessingTask("t"))
    DB.session.execute(ProcessingTask.__table__.delete())  # type: ignore[attr-defined]
    task.task_log = "late"
    with pytest.raises(StaleDataError):
        DB.session.commit()
    DB.session.rollback()
