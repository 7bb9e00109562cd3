"""Saving a row, and what is known of it afterwards."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import event

from app_runner.db import DB
from app_runner.db.models import ProcessingTask


def test_the_id_is_known_after_a_commit_without_asking(app_context: Flask) -> None:
    task = ProcessingTask("x")
    task.save(commit=True)
    asked: list[str] = []
    event.listen(DB.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert task.id == 1
    assert asked == []


def test_all_else_is_read_anew_after_a_commit(app_context: Flask) -> None:
    task = ProcessingTask("x", data={"a": 1})
    task.save(commit=True)
    with DB.engine.begin() as other:
        other.exec_driver_sql(
            "update task set task_log = 'by another', data = '{\"b\": 2}'"
        )
    assert (task.task_log, task.data) == ("by another", {"b": 2})
    task.data["c"] = 3
    task.save(commit=True)
    DB.session.expunge_all()
    again = ProcessingTask.get_by_id(1)
    assert again is not None
    assert again.data == {"b": 2, "c": 3}
