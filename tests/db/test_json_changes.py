"""Changes inside JSON are found, however deep and through whatever reference."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from app_runner.db import DB
from app_runner.db.models import PluginState, ProcessingTask

pytestmark = pytest.mark.usefixtures("app_context")


def start() -> dict[str, Any]:
    return {"a": {"b": [1, {"c": 2}]}, "list": [3], "x": None}


def stored_data() -> Any:
    """Give what the database has, read on a connection of its own."""
    with DB.engine.connect() as connection:
        return connection.execute(select(ProcessingTask.data)).scalar_one()


@pytest.fixture
def task() -> ProcessingTask:
    """Give a task that was written and loaded again."""
    ProcessingTask("t", data=start()).save(commit=True)
    DB.session.expunge_all()
    found = ProcessingTask.get_by_id(1)
    assert found is not None
    return found


CHANGES: dict[str, Callable[[Any], object]] = {
    "a key": lambda data: data.update(new=1),
    "a nested key": lambda data: data["a"].update(new=1),
    "deep inside": lambda data: data["a"]["b"][1].update(c=[5]),
    "an entry": lambda data: data["list"].append(4),
    "setdefault": lambda data: data.setdefault("joins", []).append("j"),
    "a deletion": lambda data: data.pop("x"),
    "an order": lambda data: data["a"]["b"].reverse(),
    "true for one": lambda data: data["a"]["b"].__setitem__(0, True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_loaded_value_is_written(task: ProcessingTask, change: str) -> None:
    CHANGES[change](task.data)
    expected = repr(task.data)
    DB.session.commit()
    assert repr(stored_data()) == expected


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_a_flush_is_written(task: ProcessingTask, change: str) -> None:
    task.data["first"] = 1
    DB.session.flush()
    CHANGES[change](task.data)
    expected = repr(task.data)
    DB.session.commit()
    assert repr(stored_data()) == expected


def test_a_change_of_a_new_row_after_its_flush_is_written() -> None:
    task = ProcessingTask("t", data=start())
    task.save()
    DB.session.flush()
    task.data["a"]["b"].append("late")
    DB.session.commit()
    assert stored_data()["a"]["b"][-1] == "late"


def test_a_change_after_a_commit_is_written(task: ProcessingTask) -> None:
    task.data["one"] = 1
    DB.session.commit()
    task.data["a"]["two"] = 2
    DB.session.commit()
    assert stored_data()["one"] == 1
    assert stored_data()["a"]["two"] == 2


def test_a_change_through_an_alias_is_written(task: ProcessingTask) -> None:
    alias = task.data["a"]["b"]
    DB.session.flush()
    alias.append("through the alias")
    DB.session.commit()
    assert stored_data()["a"]["b"][-1] == "through the alias"


def test_a_change_of_the_object_that_was_assigned_is_written(
    task: ProcessingTask,
) -> None:
    mine = {"list": [1]}
    task.data = mine
    DB.session.flush()
    mine["list"].append(2)
    DB.session.commit()
    assert stored_data() == {"list": [1, 2]}


def test_a_change_of_a_value_that_was_shared_is_written_in_both() -> None:
    shared = {"n": 0}
    tasks = [ProcessingTask(name, data=shared) for name in "ab"]
    for task in tasks:
        task.save()
    DB.session.flush()
    shared["n"] = 1
    DB.session.commit()
    with DB.engine.connect() as connection:
        found = connection.execute(select(ProcessingTask.data)).scalars().all()
    assert list(found) == [{"n": 1}, {"n": 1}]


def test_a_list_as_the_whole_value_is_watched_too() -> None:
    PluginState.set_value("p", "k", [1], commit=True)
    PluginState.get_value("p", "k").append({"deep": []})
    PluginState.get_value("p", "k")[1]["deep"].append(2)
    DB.session.commit()
    DB.session.expunge_all()
    assert PluginState.get_value("p", "k") == [1, {"deep": [2]}]


def test_a_changed_object_that_nobody_holds_is_written(task: ProcessingTask) -> None:
    task.data["kept"] = True
    del task
    DB.session.execute(select(1))
    DB.session.commit()
    assert stored_data()["kept"] is True


def test_a_query_sees_the_change(task: ProcessingTask) -> None:
    task.data["seen"] = 1
    query = select(ProcessingTask.data)  # flushes first
    assert DB.session.execute(query).scalar_one()["seen"] == 1


def test_a_rollback_takes_the_change_back(task: ProcessingTask) -> None:
    task.data["gone"] = 1
    DB.session.flush()
    DB.session.rollback()
    assert task.data == start()
    task.data["kept"] = 2
    DB.session.commit()
    assert stored_data() == {**start(), "kept": 2}


def test_a_change_before_a_rollback_is_not_written_later(task: ProcessingTask) -> None:
    task.data["gone"] = 1
    DB.session.rollback()
    task.task_log = "something else"
    DB.session.commit()
    assert stored_data() == start()


def test_a_savepoint_that_is_taken_back_keeps_the_change_around_it(
    task: ProcessingTask,
) -> None:
    task.data["outer"] = 1
    DB.session.flush()
    with DB.session.begin_nested() as inner:
        task.data["inner"] = 1
        DB.session.flush()
        inner.rollback()
    task.data["later"] = 1
    DB.session.commit()
    assert stored_data() == {**start(), "outer": 1, "later": 1}


def test_a_refresh_forgets_the_change(task: ProcessingTask) -> None:
    task.data["gone"] = 1
    DB.session.refresh(task, ["data"])
    DB.session.commit()
    assert stored_data() in (start(), {**start(), "gone": 1})
    assert task.data == stored_data()


def test_nothing_is_written_when_nothing_changed(
    task: ProcessingTask, app: Flask
) -> None:
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    event.listen(DB.engine, "before_cursor_execute", note)
    assert task.data["a"]
    task.data["x"] = None
    DB.session.commit()
    event.remove(DB.engine, "before_cursor_execute", note)
    assert not [text for text in statements if text.startswith("UPDATE")]


def test_a_deleted_row_with_a_change_is_deleted(task: ProcessingTask) -> None:
    task.data["late"] = 1
    task.delete(commit=True)
    assert ProcessingTask.get_by_id(1) is None


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_objects_are_not_kept_longer_than_their_transaction(
    end: str,
) -> None:
    PluginState.set_value("p", "k", [1], commit=True)
    item = PluginState.get_item("p", "k")
    assert item is not None
    assert item.value == [1]
    watched = weakref.ref(item)
    getattr(DB.session, end)()
    del item
    assert watched() is None


def test_a_value_that_json_cannot_say_writes_nothing(task: ProcessingTask) -> None:
    task.data["a"]["b"].append({1, 2})
    with pytest.raises(TypeError, match="JSON"):
        DB.session.commit()
    DB.session.rollback()
    assert stored_data() == start()
